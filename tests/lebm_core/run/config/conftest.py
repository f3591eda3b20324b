"""A recipe file over a plugin that is made of this very module."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Annotated, Literal

import pytest

import lebm_core.registry.registry
from lebm_core.registry.hookspecs import hookimpl
from lebm_core.registry.parts import Table
from lebm_core.registry.registry import Registry

RECIPE = """\
summary = "toy"
expected = "nothing"

[minutes]
cpu = 2

[data]
name = "toyrecipe.data"
batch_size = 16

[prior]
latent_dim = 4
bound = 5.0

[prior.sampler]
steps = 30

[decoder]
name = "toyrecipe.mlp"
hidden = [8, 8]

[encoder]
name = "toyrecipe.mlp"

[training.parts]
prior = { lr = 1e-4, clip = 1.0 }

[evaluation]
metrics = ["toyrecipe.one", "toyrecipe.two"]
draws = 7

[published."Pang et al. 2020, figure 3.1"]
fppl = 388

[baseline.f0]
"prior.name" = "gaussian"
"training.epochs" = 50

[baseline.wide]
decoder.hidden = [64]

[preset.cpu]
"prior.sampler.steps" = 20

[preset.smoke]
training.epochs = 1
baseline.wide."training.epochs" = 2
baseline.f0."seed" = 5
evaluation.baselines = ["f0", "toyrecipe.mean"]
"""


def build(*, files, seed, rows: int = 100, source: str = "", noise: float | None = 0.1):
    """Toy data.

    Args:
        rows: how many rows,
            in each split.
        source: the user's own file.
    """


class MLP:
    """A toy network.

    Args:
        latent_dim: dimension of z.
        hidden: widths.
    """

    def __init__(
        self,
        latent_dim: int,
        features: int,
        hidden: tuple[int, ...] = (16,),
        cell: Literal["lstm", "gru"] = "lstm",
        dropout: float = 0.0,
        tied: bool = False,
    ):
        pass


class Other:
    def __init__(self, latent_dim: int, hidden: list[int] = [32], depth: int = 3):  # noqa: B006
        pass


@dataclass(frozen=True)
class Judge:
    """A network that judges.

    Attributes:
        width: of its layers
    """

    width: int = 64
    epochs: int = 3


def one(
    draws: int = 5,
    batch: int = 10,
    judge: Annotated[Judge, Table()] = Judge(),  # noqa: B008
):
    """Args:
    draws: z for each x.
    """


def two(
    batch: int = 20,
    mode: str = "greedy",
    judge: Annotated[Judge, Table()] = Judge(epochs=9),  # noqa: B008
):
    pass


def mean(trim: float = 0.1):
    pass


@hookimpl
def lebm_register_datasets(register):
    register("toyrecipe.data", "toyrecipe:build")


@hookimpl
def lebm_register_decoders(register):
    register("toyrecipe.mlp", "toyrecipe:MLP")
    register("toyrecipe.other", "toyrecipe:Other")


@hookimpl
def lebm_register_encoders(register):
    register("toyrecipe.mlp", "toyrecipe:MLP")


@hookimpl
def lebm_register_metrics(register):
    register("toyrecipe.one", "toyrecipe:one")
    register("toyrecipe.two", "toyrecipe:two")


@hookimpl
def lebm_register_baselines(register):
    register("toyrecipe.mean", "toyrecipe:mean", "the mean")


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The recipe's file; its parts are registered by a plugin."""
    module = types.ModuleType("toyrecipe")
    module.__dict__.update(
        {name: value for name, value in globals().items() if not name.startswith("__")}
    )
    monkeypatch.setitem(sys.modules, "toyrecipe", module)
    found = Registry([EntryPoint("toyrecipe", "toyrecipe", "lebm")])
    monkeypatch.setattr(lebm_core.registry.registry, "discover", lambda: found)
    file = tmp_path / "toy.toml"
    file.write_text(RECIPE)
    return file


@pytest.fixture
def rewrite(path):
    """Replace a part of the recipe's text; returns its path."""

    def rewrite(old, new):
        assert old in RECIPE
        path.write_text(RECIPE.replace(old, new))
        return path

    return rewrite
