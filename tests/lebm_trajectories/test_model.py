"""Coordinates, neighbours, networks and metrics of trajectories."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde
from torch import Tensor

from lebm_core import EBMPrior, Langevin, LatentEBM
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_trajectories.data.crowd import CrowdDataset, crowd, manoeuvre, simulate, turns
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.options import TrajectoryOptions, WindowOptions
from lebm_trajectories.data.prepare import prepare
from lebm_trajectories.data.windows import Windows, nearest
from lebm_trajectories.frames import NEIGHBOUR
from lebm_trajectories.metrics import density as density_module
from lebm_trajectories.metrics import displacement as displacement_module
from lebm_trajectories.metrics.collisions import collide, collisions
from lebm_trajectories.metrics.density import density
from lebm_trajectories.metrics.density_scores import kernel_log
from lebm_trajectories.metrics.displacement import displacement
from lebm_trajectories.metrics.truth import truth
from lebm_trajectories.networks.paths import (
    PastNet,
    TrajectoryDecoder,
    TrajectoryEncoder,
    goal_steps,
)
from lebm_trajectories.prediction import futures, representatives

SIZES = {"observed": 8, "predicted": 12, "neighbours": 3}
THREE = WindowOptions(neighbours=3)


def windows(positions: Tensor, group: Tensor, neighbours: int = 3) -> Windows:
    n = len(group)
    zeros = torch.zeros(n, dtype=torch.long)
    near, there = torch.zeros(n, neighbours, 2, 2), torch.zeros(n, neighbours, dtype=torch.bool)
    for g in group.unique():
        mine = (group == g).nonzero().squeeze(1)
        rows, there[mine] = nearest(positions[mine, 7], torch.arange(len(mine)), neighbours)
        near[mine] = positions[mine, 6:8][rows]
    return Windows(positions, near, there, group, torch.arange(n), zeros, ["here"], Counter())


def some(n: int = 12, seed: int = 0) -> Windows:
    generator = torch.Generator().manual_seed(seed)
    steps = torch.tensor([0.4, 0.1]) + 0.2 * torch.randn(n, 20, 2, generator=generator)
    start = 5 * torch.rand(n, 1, 2, generator=generator)
    return windows(start + steps.cumsum(1), torch.arange(n) // 4)


def dataset(options: TrajectoryOptions | None = None, seed: int = 0) -> TrajectoryDataset:
    options = options or TrajectoryOptions(neighbours=3, flip=False)
    splits = {s: some(seed=seed + i) for i, s in enumerate(("train", "valid", "test"))}
    return prepare(splits, "here", {}, options)


def test_own_coordinates_come_back() -> None:
    data = dataset()
    real = data.windows["test"].positions
    local = data.local("test", real)
    torch.testing.assert_close(data.world("test", local), real)
    assert local[:, 7].abs().max() < 1e-5  # where it was last seen
    last = local[:, 7] - local[:, 6]
    assert (last[:, 0] > 0).all() and last[:, 1].abs().max() < 1e-5


def test_a_turned_and_moved_scene_looks_the_same_to_everyone() -> None:
    data = dataset()
    turn = torch.tensor([[0.6, 0.8], [-0.8, 0.6]])
    moved = {s: w.positions @ turn + torch.tensor([30.0, -7.0]) for s, w in data.windows.items()}
    splits = {s: windows(p, data.windows[s].group) for s, p in moved.items()}
    other = TrajectoryDataset(splits, data.options, data.scale, data.unit, {})
    rows = torch.arange(data.length("test"))
    for a, b in zip(data.batch("test", rows)[:3:2], other.batch("test", rows)[:3:2], strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_neighbours_are_those_of_the_same_window() -> None:
    options = TrajectoryOptions(neighbours=3, flip=False)
    alone = windows(some(5).positions, torch.tensor([0, 0, 1, 2, 2]))
    data = prepare({"train": alone, "valid": alone, "test": alone}, "here", {}, options)
    context = data.batch("test", torch.arange(5)).context
    assert context is not None
    told = context[:, 14:].view(5, 3, NEIGHBOUR)
    assert told[..., 0].sum(1).tolist() == [1, 1, 0, 1, 1]
    assert (told[told[..., 0] == 0] == 0).all()
    apart = float((alone.positions[0, 7] - alone.positions[1, 7]).norm())
    assert float(told[0, 0, 1:3].norm()) == pytest.approx(apart / data.scale, rel=1e-4)
    before, last = data.local("test", alone.positions[1:2, 6:8], torch.tensor([0]))[0]
    torch.testing.assert_close(told[0, 0, 1:], torch.cat([last, last - before]))


def test_augmentation_is_of_training_alone() -> None:
    data = dataset(TrajectoryOptions(neighbours=3, flip=True))
    assert data.length("train") == 24 and data.length("test") == 12
    given, mirrored = data.batch("train", torch.arange(24)).x.split(12)
    torch.testing.assert_close(mirrored, given * torch.tensor([1.0, -1.0]))
    context = data.batch("train", torch.arange(24)).context
    assert context is not None
    told = context[:, 14:].view(24, 3, NEIGHBOUR)
    torch.testing.assert_close(told[12:], told[:12] * torch.tensor([1.0, 1, -1, 1, -1]))
    assert len(data.windows["train"].group.unique()) == 6  # copies do not meet
    with pytest.raises(UsageError, match="rotations = 2 changes nothing"):
        TrajectoryOptions(rotations=2)


def test_a_rescaled_window_keeps_its_shape() -> None:
    options = TrajectoryOptions(neighbours=3, flip=True, rescale=1.5)
    train = dataset(options).windows["train"]
    assert len(train) == 48 and len(train.group.unique()) == 12
    plain, larger = train.positions.split(24)
    factor = (larger / plain).mean((1, 2))
    assert 1 / 1.5 <= factor.min() < 0.95 and 1.05 < factor.max() <= 1.5
    torch.testing.assert_close(larger, plain * factor[:, None, None], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(train.near[24:], train.near[:24] * factor.view(-1, 1, 1, 1))
    torch.testing.assert_close(factor.view(-1, 4), factor.view(-1, 4)[:, :1].expand(-1, 4))
    for bad in (0.5, math.inf, math.nan):
        with pytest.raises(UsageError, match="data.rescale"):
            TrajectoryOptions(rescale=bad)


def test_who_stands_still_has_some_direction() -> None:
    still = some()
    still.positions[0] = still.positions[0, :1]
    options = TrajectoryOptions(neighbours=3)
    data = prepare({"train": still, "valid": still, "test": still}, "", {}, options)
    assert data.batch("train", torch.arange(12)).x.isfinite().all()


def test_absent_neighbours_do_not_matter_and_their_order_neither() -> None:
    torch.manual_seed(0)
    net = PastNet(8, 3, 16, 32)
    context = torch.randn(5, 14 + 3 * NEIGHBOUR)
    told = context[:, 14:].view(5, 3, NEIGHBOUR)
    told[..., 0] = torch.tensor([1.0, 1.0, 0.0])
    before = net(context)
    told[:, 2, 1:] = 99.0
    torch.testing.assert_close(net(context), before)
    context[:, 14:] = told[:, [1, 0, 2]].flatten(1)
    torch.testing.assert_close(net(context), before)
    told = context[:, 14:].view(5, 3, NEIGHBOUR)
    told[:, 0, 1:] += 1
    assert (net(context) - before).abs().max() > 1e-3  # those who are there do
    context[:, 14::NEIGHBOUR] = 0
    assert net(context).isfinite().all()


def test_the_path_goes_through_the_plan() -> None:
    torch.manual_seed(0)
    decoder = TrajectoryDecoder(4, **SIZES)
    context, z = torch.randn(6, 29), torch.randn(6, 4)
    assert goal_steps(12, 4) == [2, 5, 8, 11]
    plan = decoder.plan(torch.cat([z, decoder.past(context)], -1)).view(6, 4, 2)
    on = context[:, None, 12:14] * torch.tensor([3.0, 6.0, 9.0, 12.0])[:, None]
    torch.testing.assert_close(decoder(z, context).mean[:, [2, 5, 8, 11]], on + plan)


def test_several_codes_may_share_a_past() -> None:
    torch.manual_seed(0)
    decoder = TrajectoryDecoder(4, **SIZES)
    context, z = torch.randn(3, 29), torch.randn(6, 4)
    torch.testing.assert_close(
        decoder(z, context).mean, decoder(z, context.repeat_interleave(2, 0)).mean
    )


def test_the_likelihood_is_that_of_p_of_x() -> None:
    torch.manual_seed(0)
    decoder = TrajectoryDecoder(4, **SIZES, sigma=0.5)
    context, x, z = torch.randn(3, 29), torch.randn(3, 12, 2), torch.randn(6, 4)
    found = decoder.likelihood(x, context)(z)
    mean = decoder(z, context.repeat_interleave(2, 0)).mean
    error = (x.repeat_interleave(2, 0) - mean).square().sum((1, 2))
    torch.testing.assert_close(found, -2 * error - 24 * math.log(0.5 * math.sqrt(2 * math.pi)))


@pytest.mark.parametrize(
    ("options", "said"),
    [({"sigma": 0}, "sigma"), ({"goals": 13}, "1 to 12"), ({"hidden": []}, "use at least 1 width")],
)
def test_bad_options(options: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TrajectoryDecoder(4, **SIZES, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (displacement, {"draws": 0}),
        (displacement, {"chosen_of": 19}),
        (collisions, {"collision_draws": 0}),
        (density, {"density_draws": 1}),
        (density, {"density_agents": -1}),
        (truth, {"truth_draws": 1}),
    ],
)
def test_metrics_refuse_before_training(
    make: Callable[..., object], option: dict[str, int]
) -> None:
    with pytest.raises(UsageError, match=f"evaluation.{next(iter(option))} = "):
        make(**option)


def test_the_truth_of_what_is_not_simulated_is_refused(tmp_path: Path) -> None:
    found = truth()(evaluation(dataset(), tmp_path))
    assert "simulated crowd" in (found["energy_distance"].refused or "")


def model() -> LatentEBM:
    torch.manual_seed(0)
    decoder, encoder = TrajectoryDecoder(2, **SIZES), TrajectoryEncoder(2, **SIZES)
    prior = EBMPrior(2, {"hidden": [8]}, Langevin(steps=3), context_dim=29)
    return LatentEBM(prior, decoder, encoder).eval()


def evaluation(data: TrajectoryDataset, tmp_path: Path, name: str = "model") -> Evaluation:
    (tmp_path / "figures").mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    return Evaluation(
        model(), data, "test", generator, 0, tmp_path, tmp_path, None, lambda line: None, name,
    )  # fmt: skip


def test_best_of_several_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset()
    real = data.windows["test"].positions[:, 8:]
    late, early = torch.zeros(12, 1), torch.zeros(12, 1)
    late[11], early[0] = 1.2, 6.0
    # The first is right but for its end, the second but for its beginning.
    ahead, aside = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    drawn = torch.stack([real + late * ahead, real + early * aside], 1)
    monkeypatch.setattr(displacement_module, "futures", lambda *args: drawn)
    found = displacement(draws=2, chosen_of=0)(evaluation(data, tmp_path))
    assert found["minADE_2"].value == pytest.approx(0.1, rel=1e-3)
    assert found["minFDE_2"].value == pytest.approx(0.0, abs=1e-6)
    # The second's sub-goals are all right, so it is chosen, though its error is the greater.
    assert found["ADE_as_published"].value == pytest.approx(0.5, rel=1e-3)
    assert found["FDE_as_published"].value == pytest.approx(0.0, abs=1e-6)


def test_representatives_are_the_means_of_clusters() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(6, 3, 12, 2, generator=generator)
    noise = 0.1 * torch.randn(6, 3, 20, 12, 2, generator=generator)
    many = centres[:, :, None] + noise
    shuffled = many.flatten(1, 2)[:, torch.randperm(60, generator=generator)]
    found = representatives(shuffled, 3, generator)
    nearest_one = torch.cdist(many.mean(2).flatten(2), found.flatten(2))
    assert nearest_one.amin(2).max() < 1e-4 and nearest_one.argmin(2).sum(1).eq(3).all()
    alike = torch.ones(2, 5, 12, 2)
    torch.testing.assert_close(representatives(alike, 4, generator), alike[:, :4])
    with pytest.raises(UsageError, match="6 representatives of 5 futures are not possible"):
        representatives(alike, 6, generator)


def test_the_chosen_cover_more_than_as_many_draws() -> None:
    generator = torch.Generator().manual_seed(0)
    many = torch.randn(500, 100, 1, 2, generator=generator)
    truth = torch.randn(500, 1, 1, 2, generator=generator)
    least = [
        (few - truth).norm(dim=-1).amin(1).squeeze()
        for few in (many[:, :8], representatives(many, 8, generator))
    ]
    gain = least[0] - least[1]
    assert gain.mean() > 4 * gain.std() / 500**0.5


def test_the_metric_chooses_too(tmp_path: Path) -> None:
    found = displacement(draws=4, chosen_of=16)(evaluation(dataset(), tmp_path))
    assert "chosen of 16 by k-means" in found["minFDE_4_of_16"].definition
    assert found["minADE_4_of_16"].value != found["minADE_4"].value


def test_constant_velocity_is_right_about_who_goes_straight_on(tmp_path: Path) -> None:
    line = torch.arange(20.0)[:, None] * torch.tensor([0.3, 0.4])
    straight = windows(line.expand(4, 20, 2).contiguous(), torch.arange(4))
    splits = {"train": some(), "valid": some(), "test": straight}
    data = prepare(splits, "here", {}, TrajectoryOptions(neighbours=3))
    found = displacement(draws=3)(evaluation(data, tmp_path))
    assert found["constant_velocity_ADE"].value == pytest.approx(0, abs=1e-5)
    assert found["constant_velocity_FDE"].value == pytest.approx(0, abs=1e-5)


def test_the_kernel_density_is_scipys() -> None:
    points, x = torch.randn(1, 50, 2) @ torch.tensor([[2.0, 0.3], [0.0, 0.5]]), torch.randn(1, 2)
    theirs = gaussian_kde(points[0].numpy().T).logpdf(x[0].numpy())
    np.testing.assert_allclose(kernel_log(points, x).numpy(), theirs, atol=1e-3)


def test_a_model_of_the_truth_is_calibrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = crowd(files=None, seed=0, train=400, valid=10, test=400, options=THREE)
    assert isinstance(data, CrowdDataset)
    sigma = 0.02  # a narrow kernel about draws of the truth is nearly the truth
    generator = torch.Generator().manual_seed(1)

    def right(model: LatentEBM, context: Tensor, draws: int, generator_: object) -> Tensor:
        rows = torch.arange(data.length("test"))
        return data.local("test", data.truth("test", rows, draws, generator))

    monkeypatch.setattr(density_module, "means", right)
    given = evaluation(data, tmp_path)
    given.model.decoder.log_sigma.data.fill_(math.log(sigma))  # type: ignore[operator,union-attr]
    found = density(density_draws=400, density_agents=0)(given)
    # 400 agents: a share of one half has a standard error of .025
    assert found["calibration_error"].value is not None
    assert found["calibration_error"].value < 0.05
    wide = density(density_draws=400, density_agents=0)
    given.model.decoder.log_sigma.data.fill_(math.log(3.0))  # type: ignore[operator,union-attr]
    worse = wide(given)
    assert worse["calibration_error"].value > 0.2  # type: ignore[operator]
    assert worse["nll"].value > found["nll"].value  # type: ignore[operator]


def test_collisions_by_hand() -> None:
    paths = torch.zeros(4, 1, 2, 2)
    paths[1, 0, :, 0] = torch.tensor([1.0, 0.1])  # comes near the first in the second step
    paths[2, 0, :, 0] = 5.0
    group = torch.tensor([0, 0, 0, 1])  # the last is where the first is, in another window
    assert collide(paths, group, 0.2).flatten().tolist() == [1, 1, 0, 0]


def test_the_simulator_keeps_its_own_odds() -> None:
    options = TrajectoryOptions(neighbours=0, flip=False)
    made = simulate(20_000, options, torch.Generator().manual_seed(0)).positions
    step = made[:, 7] - made[:, 6]
    kinds = torch.nn.functional.one_hot(manoeuvre(step, made[:, 7:]), 3).double().mean(0)
    odds = turns(step.norm(dim=-1)).double().mean(0)
    assert (kinds - odds).abs().max() < 4 * 0.5 / 20_000**0.5


def test_the_truth_is_at_no_distance_from_itself(tmp_path: Path) -> None:
    data = crowd(files=None, seed=0, train=40, valid=40, test=200, options=THREE)
    found = truth(truth_draws=100)(evaluation(data, tmp_path))
    near, error = found["real/energy_distance"].value, found["real/energy_distance"].standard_error
    assert near is not None and error is not None and abs(near) < 4 * error
    assert found["energy_distance"].value > 20 * error  # type: ignore[operator]


def test_futures_are_in_the_recordings_coordinates() -> None:
    data = dataset()
    rows = torch.tensor([2, 5])
    found = futures(model(), data, "test", rows, 4)
    assert found.shape == (2, 4, 12, 2)
    here = data.windows["test"].positions[rows, 7]
    assert ((found[:, :, 0] - here[:, None]).norm(dim=-1) < 3).all()


def test_saved_and_read(tmp_path: Path) -> None:
    data = dataset()
    data.save(tmp_path)
    again = TrajectoryDataset.load(tmp_path)
    assert (again.scale, again.options, again.sizes) == (data.scale, data.options, data.sizes)
    x = torch.zeros(1, 12, 2)
    x[0, 0] = 1.0
    file = again.write(x, tmp_path / "samples")
    assert file.read_text().splitlines()[1] == f"0,1,{data.scale:.5g},{data.scale:.5g}"
