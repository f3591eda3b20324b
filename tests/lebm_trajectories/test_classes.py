"""Classes of trajectories, and whole tracks in the scikit-learn estimator."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lebm_core import CoupledPrior, LatentEBM, LatentEBMClassifier, run_recipe
from lebm_core.data.dataset import SPLITS
from lebm_core.data.labels import labels_of
from lebm_core.errors import UsageError
from lebm_core.run.build import check_recipe
from lebm_core.run.config.recipe import load
from lebm_trajectories.data.adapters import TrackAdapter
from lebm_trajectories.data.behaviour import BEHAVIOURS, behaviour
from lebm_trajectories.data.crowd import MANOEUVRES, CrowdDataset, crowd, manoeuvre, simulate
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.options import TrajectoryOptions
from lebm_trajectories.data.prepare import prepare
from lebm_trajectories.networks.paths import TrajectoryDecoder, TrajectoryEncoder
from lebm_trajectories.networks.tracks import TrackDecoder, TrackEncoder


@pytest.fixture(scope="session")
def data() -> CrowdDataset:
    return crowd(files=None, seed=0, train=600, valid=50, test=300)


def path(degrees: float, speed: float = 0.5, steps: int = 20) -> Tensor:
    """A walk that turns by an angle in its middle third, (steps, 2)."""
    turn = torch.zeros(steps - 1)
    middle = slice((steps - 1) // 3, 2 * (steps - 1) // 3)
    turn[middle] = math.radians(degrees) / (middle.stop - middle.start)
    direction = turn.cumsum(0)
    move = speed * torch.stack([direction.cos(), direction.sin()], -1)
    return torch.cat([torch.zeros(1, 2), move.cumsum(0)])


@pytest.mark.parametrize(
    ("track", "expected"),
    [
        (path(0), "straight"), (path(25), "straight"), (path(35), "left"), (path(-35), "right"),
        (path(170), "left"), (path(-170), "right"), (path(90, speed=0.05), "standing"),
        (path(0, speed=0.11), "straight"), (path(0, speed=0.09), "standing"),
        (torch.cat([torch.zeros(10, 2), path(0, steps=10) @ torch.tensor([[0.0, 1], [-1, 0]])]),
         "straight"),
    ],
)  # fmt: skip
def test_behaviour_by_its_thresholds(track: Tensor, expected: str) -> None:
    """30 degrees, and a fifth of the usual way; who stood at first has not turned."""
    turned = track @ torch.tensor([[0.6, 0.8], [-0.8, 0.6]]) + 40.0
    found = behaviour(torch.stack([track, turned]), usual_step=0.5)
    assert [BEHAVIOURS[i] for i in found.tolist()] == [expected] * 2
    in_pixels = behaviour(50 * torch.stack([track]), usual_step=25.0)
    assert BEHAVIOURS[int(in_pixels)] == expected


def test_the_crowds_classes_are_what_its_tracks_show(data: CrowdDataset) -> None:
    y = labels_of(data, "train")
    assert data.classes == list(MANOEUVRES) and data.sizes["n_classes"] == 3
    past, after = data.windows["train"].positions.split([8, 12], 1)
    seen = manoeuvre(past[:, -1] - past[:, -2], after)
    assert (seen == y).float().mean() > 0.98
    assert (data.batch("train", torch.arange(5)).y == y[:5]).all()
    assert data.summary["classes of train"] == {
        name: int((y == i).sum()) for i, name in enumerate(MANOEUVRES)
    }


def test_the_simulator_draws_as_it_did_before_it_told_the_class() -> None:
    generator = torch.Generator().manual_seed(0)
    windows = simulate(4, TrajectoryOptions(neighbours=0, flip=False), generator)
    assert windows.y is not None and windows.take(torch.tensor([2])).y == windows.y[2]
    assert float(windows.positions[0, -1, 0]) == pytest.approx(-15.16125, abs=1e-3)


def recording(flip: bool = True, **options: Any) -> TrajectoryDataset:
    made = simulate(40, TrajectoryOptions(flip=False, neighbours=2), torch.Generator())
    plain = dataclasses.replace(made, y=None)
    splits = dict.fromkeys(SPLITS, plain)
    return prepare(splits, "here", {}, TrajectoryOptions(neighbours=2, flip=flip, **options))


def test_a_mirrored_track_turns_the_other_way() -> None:
    data = recording(classes="behaviour")
    assert data.classes == list(BEHAVIOURS)
    given, mirrored = labels_of(data, "train").split(40)
    other = torch.tensor([BEHAVIOURS.index(n) for n in ("standing", "straight", "right", "left")])
    assert (other[given] == mirrored).all() and len(given.unique()) >= 3
    assert recording().batch("train", torch.arange(2)).y is None
    assert "n_classes" not in recording().sizes


def test_other_classes_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r'data.classes = "behavior" is unknown.*Did you mean "behaviour"'
    ):
        TrajectoryOptions(classes="behavior")


def test_classes_are_saved_and_an_older_data_set_has_none(
    tmp_path: Path, data: CrowdDataset
) -> None:
    data.save(tmp_path)
    again = CrowdDataset.load(tmp_path)
    assert again.classes == data.classes and again.sizes == data.sizes
    file = tmp_path / "trajectories.json"
    text = file.read_text(encoding="utf-8")
    old = text.replace('"classes": ["right", "straight on", "left"], ', "")
    file.write_text(old.replace(', "classes": ""', ""), encoding="utf-8")
    assert old != text and CrowdDataset.load(tmp_path).classes == []


def test_vectors_are_past_and_future_in_own_coordinates(data: CrowdDataset) -> None:
    rows = torch.tensor([5, 1])
    found = data.vectors("test", rows).reshape(2, 20, 2)
    np.testing.assert_allclose(found[:, 8:], data.batch("test", rows).x.numpy(), atol=1e-5)
    assert np.abs(found[:, 7]).max() < 1e-5 and np.abs(found[:, 0]).max() > 0.5


def test_a_class_is_told_from_the_future_given_the_past(data: CrowdDataset) -> None:
    """The context goes to the encoder and to F; without it there is no answer."""
    torch.manual_seed(0)
    sizes = {"observed": 8, "predicted": 12, "neighbours": 4}
    prior = CoupledPrior(2, 3, {"hidden": [8]}, context_dim=34)
    model = LatentEBM(prior, TrajectoryDecoder(2, **sizes), TrajectoryEncoder(2, **sizes)).eval()
    batch = data.batch("test", torch.arange(6))
    assert batch.context is not None
    p = model.classify(batch.x, context=batch.context, generator=torch.Generator().manual_seed(0))
    assert p.shape == (6, 3)
    torch.testing.assert_close(p.sum(1), torch.ones(6))
    other = batch.context.flip(0)
    q = model.classify(batch.x, context=other, generator=torch.Generator().manual_seed(0))
    assert (p - q).abs().max() > 1e-4
    with pytest.raises(UsageError, match="context="):
        model.classify(batch.x)


@pytest.mark.parametrize("preset", ["cpu", "smoke"])
def test_every_preset_and_baseline_of_the_recipe_resolves(preset: str) -> None:
    recorded = ["data.name=trajectories.eth_ucy", "data.classes=behaviour"]
    for overrides in ([], recorded):
        recipe = load("semi-trajectories", preset, overrides)
        check_recipe(recipe)
        for name, baseline in recipe.baselines.items():
            check_recipe(baseline, name)
    m2 = recipe.baselines["m2"].learning
    assert m2["prior"]["name"] == "none" and m2["decoder"]["encoder_tilt"] == 0
    assert m2["symbols"]["information"] == m2["symbols"]["vat"] == 0


def test_the_recipe_from_data_to_report(tmp_path: Path) -> None:
    few = [
        "data.train=600", "data.valid=50", "data.test=100", "evaluation.baselines=[vae,logistic]",
        "evaluation.metrics=[labels.accuracy]", "training.max_steps=5",
    ]  # fmt: skip
    run = run_recipe("semi-trajectories", "smoke", few, out=tmp_path / "run", log=lambda line: None)
    row = run.results["model"]
    assert row["accuracy"].n == 100 and row["label_nll"].value is not None
    assert run.results["vae"]["accuracy"].value is not None
    assert run.results["logistic"]["accuracy"].value > 0.8  # on past and future


def turns(n: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """n noisy tracks that go left (1) or right (0), anywhere and in any direction."""
    random = np.random.RandomState(seed)
    y = random.randint(0, 2, n)
    tracks = np.stack([path(90 if each else -90, steps=12).numpy() for each in y])
    tracks = tracks + 0.03 * random.randn(n, 12, 2)
    angle = random.rand(n) * 2 * np.pi
    turn = np.stack([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.einsum("nti,ijn->ntj", tracks, turn) + 20 * random.randn(n, 1, 2), y


def test_tracks_go_there_and_back_but_for_where_they_were() -> None:
    x, _ = turns(30, 0)
    adapter = TrackAdapter().fit(x)
    scaled = adapter.transform(x)
    assert scaled.shape == (30, 11, 2) and scaled.square().mean() == pytest.approx(1, abs=1e-5)
    assert scaled[:, 3, 1].abs().max() < 1e-5 and (scaled[:, 3, 0] > 0).all()
    back = adapter.inverse_transform(scaled)
    for shown, given in zip(back, x, strict=True):  # the same shape: distances of all to all
        np.testing.assert_allclose(
            np.linalg.norm(shown[:, None] - shown, axis=-1),
            np.linalg.norm(given[:, None] - given, axis=-1), atol=1e-5,
        )  # fmt: skip
    plain = TrackAdapter(heading=False).fit(x)
    there_and_back = plain.inverse_transform(plain.transform(x))
    np.testing.assert_allclose(there_and_back, x - x[:, :1], atol=1e-5)


def test_tracks_are_classified_from_few_labels() -> None:
    x, y = turns(400, 1)
    few = np.where(np.arange(400) < 10, y, -1)
    model = LatentEBMClassifier(
        "trajectories", latent_dim=4, prior_hidden=(32,), decoder_options={"hidden": [32]},
        encoder_options={"hidden": [32]}, max_iter=20, batch_size=50,
        refit_steps=50, random_state=0,
    ).fit(x, few)  # fmt: skip
    unseen, truth = turns(200, 2)
    assert model.score(unseen, truth) > 0.95
    drawn = model.sample(300, y=1)
    assert drawn.shape == (300, 12, 2) and (drawn[:, 0] == 0).all()
    assert (drawn[:, -1, 1] > 0).mean() > 0.8  # left; of as many to either side


def test_a_track_decoder_is_a_gaussian_about_its_mean() -> None:
    torch.manual_seed(0)
    decoder, encoder = TrackDecoder(2, 5, (8,), sigma=0.5), TrackEncoder(2, 5, (8,))
    x, z = torch.randn(3, 5, 2), torch.randn(3, 2)
    error = (x - decoder(z).mean).square().sum((1, 2))
    expected = -2 * error - 10 * math.log(0.5 * math.sqrt(2 * math.pi))
    torch.testing.assert_close(decoder.likelihood(x)(z), expected)
    assert encoder(x).mean.shape == (3, 2)
    with pytest.raises(UsageError, match=r"decoder.sigma = 0 is too small"):
        TrackDecoder(2, 5, sigma=0)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((3, 8)), r"as \(n, T, 2\), T at least 3; X has the shape \(3, 8\)"),
        (np.zeros((3, 2, 2)), "T at least 3"),
        (np.zeros((3, 8, 2)), "No track in X moves"),
        (np.full((3, 8, 2), np.nan), "NaN"),
        ([np.zeros((8, 2)), np.zeros((9, 2))], "numbers in equal rows"),
    ],
)
def test_what_is_no_track_says_so(x: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TrackAdapter().fit(x)
    adapter = TrackAdapter().fit(turns(5, 0)[0])
    with pytest.raises(ValueError, match="tracks of 8 positions; the training tracks have 12"):
        adapter.transform(np.ones((3, 8, 2)))
