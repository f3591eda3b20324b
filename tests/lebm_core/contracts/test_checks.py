"""The checks of contracts find parts that break them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import lebm_core.registry.registry
from lebm_core import contracts


@pytest.fixture(autouse=True)
def _broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    point = importlib.metadata.EntryPoint("broken", "lebm_broken", "lebm")
    found = lebm_core.registry.registry.Registry([point])
    monkeypatch.setattr(lebm_core.registry.registry, "discover", lambda: found)


def encoder(name: str) -> None:
    contracts.check_encoder(name, torch.randn(5, 3))


def options(name: str) -> None:
    contracts.check_options("datasets", name)


def model(name: str) -> None:
    from lebm_broken import Stateless

    contracts.check_model(Stateless(), name)


def control(name: str) -> None:
    contracts.check_control(name, "1")


@pytest.mark.parametrize(
    ("check", "name", "message"),
    [
        (contracts.check_decoder, "broken.tiled", "likelihood of 3 codes an example: they differ"),
        (contracts.check_decoder, "broken.draws", "draws depend on more than generator"),
        (encoder, "broken.unseen", "options are no JSON values"),
        (contracts.check_prior, "broken.density", "log_prob and log_tilt"),
        (contracts.check_prior, "broken.classes", "has no classes and takes y"),
        (contracts.check_energy, "broken.half", "pullback and autograd"),
        (contracts.check_sampler, "broken.wide", "changes the variance"),
        (contracts.check_inference, "broken.forgets", "state_dict does not hold all"),
        (contracts.check_rule, "decoder.noise", "codes depend on more than the generator"),
        (contracts.check_rule, "prior.forgets", "loaded from its state it goes on otherwise"),
        (contracts.check_rule, "prior.idle", "no prior gets a gradient"),
        (contracts.check_rule, "broken.counts", "a resumed training ends otherwise"),
        (model, "broken.stateless", "loaded, it draws otherwise"),
        (options, "broken.skips", "the option options is not explained"),
        (contracts.check_dataset, "broken.keeps", "loaded, it has"),
        (contracts.check_metric, "broken.blunt", "data of another kind end in AttributeError"),
        (contracts.check_metric, "broken.bare", "value is a float"),
        (contracts.check_figure, "broken.figure", "has no file"),
        (control, "broken", "gives NoneType"),
    ],
)
def test_a_broken_promise_is_named(check: Callable[[str], Any], name: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check(name)


@pytest.mark.parametrize(
    "options", [{}, {"scale": 30.0}, {"scale": 0.01, "mean": 5.0}, {"mean": -40.0}]
)
def test_heavy_tails_and_any_width_break_nothing(options: dict[str, float]) -> None:
    contracts.check_prior("heavy", options)
    for wrong in (-0.1, 0.1):
        with pytest.raises(AssertionError, match="is normalised, and p integrates to"):
            contracts.check_prior("heavy", {**options, "log_z": wrong})


def test_a_wide_gaussian_is_normalised() -> None:
    contracts.check_prior("gaussian", {"reference_std": 20.0})


def test_an_epoch_without_its_last_rows() -> None:
    with pytest.raises(AssertionError, match="an epoch is not every row once"):
        contracts.check_dataset("broken.skips", {"options": 1})


def test_an_epoch_by_weights_need_not_have_every_row() -> None:
    dataset = contracts.check_dataset("broken.weighted")
    (epoch,) = dataset.order("train", 16, torch.Generator().manual_seed(0))
    assert sorted(set(epoch.tolist())) == list(range(1, 16, 2))


def test_a_plugin_that_is_not_installed() -> None:
    with pytest.raises(AssertionError, match='no plugin "sound" is installed'):
        contracts.check_all("sound")
