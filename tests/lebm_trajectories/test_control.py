"""Futures under control: cases made by hand, and models whose answer is known."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core import CoupledPrior, GaussianPrior, Langevin, LatentEBM, run_recipe
from lebm_core.control.syntax import parse_control
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.run.build import build_dataset, check_recipe
from lebm_core.run.config.recipe import load
from lebm_core.run.reuse import sample_run
from lebm_trajectories.data.behaviour import BEHAVIOURS, admitted, behaviour, turning
from lebm_trajectories.data.crowd import CrowdDataset, crowd
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.options import TrajectoryOptions, WindowOptions
from lebm_trajectories.data.windows import Windows
from lebm_trajectories.goals import to_goal
from lebm_trajectories.metrics.control import control
from lebm_trajectories.metrics.steering import Steering, wasserstein
from lebm_trajectories.networks.paths import TrajectoryDecoder
from lebm_trajectories.networks.tracks import TrackDecoder

BEHAVIOUR = WindowOptions(neighbours=4, classes="behaviour")
LEFT, RIGHT, STANDING = (BEHAVIOURS.index(n) for n in ("left", "right", "standing"))


class Straight(TrajectoryDecoder):
    """z is where the agent will be, and it goes there in a straight line."""

    def __init__(self, latent_dim: int = 2) -> None:
        super().__init__(latent_dim, 8, 12, 4, hidden=[4], path_hidden=[4], sigma=0.05)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        share = torch.arange(1, 13)[:, None] / 12
        mean = share * z[:, None]
        return Independent(Normal(mean, torch.full_like(mean, 0.05), validate_args=False), 2)

    def destination(self, z: Tensor, context: Tensor) -> Tensor:
        return z


def sided() -> CoupledPrior:
    """Left where the second coordinate is high, right where it is low; bounded at 10 nats."""
    prior = CoupledPrior(
        2, 4, {"hidden": []}, Langevin(steps=20), context_dim=34, reference_std=2.0
    )
    with torch.no_grad():
        for p in prior.parameters():
            p.zero_()
        prior.tilts[0].layers[0].weight[LEFT, 1] = 4.0
        prior.tilts[0].layers[0].weight[RIGHT, 1] = -4.0
        prior.tilts[0].layers[0].bias[STANDING] = -9.0
    return prior


@pytest.fixture(scope="session")
def data() -> CrowdDataset:
    return crowd(files=None, seed=0, train=200, valid=40, test=120, options=BEHAVIOUR)


def evaluation(
    data: TrajectoryDataset, model: LatentEBM, folder: Path = Path("/nowhere")
) -> Evaluation:
    return Evaluation(
        model.eval(), data, "test", torch.Generator().manual_seed(0), 0, folder, folder, None,
        lambda line: None,
    )  # fmt: skip


def steering(
    data: TrajectoryDataset, model: LatentEBM, draws: int = 16, sd: float = 0.2
) -> Steering:
    return Steering(evaluation(data, model), draws, sd)


def walk(*steps: tuple[float, float]) -> Tensor:
    return torch.cat([torch.zeros(1, 2), torch.tensor(steps).cumsum(0)])


# --- what a past admits, and what a track shows ---


def test_turning_by_hand() -> None:
    left = walk(*[(1.0, 0.0)] * 9, *[(0.0, 1.0)] * 10)
    back = walk(*[(1.0, 0.0)] * 9, *[(0.0, -1.0)] * 10)
    stops = walk(*[(1.0, 0.0)] * 9, *[(0.0, 0.0)] * 10)
    stands = torch.zeros(20, 2)
    angles = turning(torch.stack([left, back, stops, stands]), 1.0).rad2deg()
    assert angles[:2].tolist() == pytest.approx([90, -90])
    assert angles[2:].isnan().all()


def test_a_past_that_has_gone_too_far_cannot_stand_and_one_that_stood_cannot_turn() -> None:
    walks, stands = walk(*[(1.0, 0.0)] * 7), torch.zeros(8, 2)
    late = walk(*[(0.0, 0.0)] * 6, (1.0, 0.0))  # stood for the first third of 19 steps
    found = admitted(torch.stack([walks, stands, late]), 20, 1.0)
    named = [{BEHAVIOURS[i] for i in row.nonzero().flatten().tolist()} for row in found]
    assert named == [
        {"straight", "left", "right"}, {"standing", "straight"}, {"standing", "straight"},
    ]  # fmt: skip


def test_no_track_is_of_a_class_that_its_past_did_not_admit() -> None:
    generator = torch.Generator().manual_seed(0)
    pace = 1.2 * torch.rand(4000, 1, 1, generator=generator)
    drift = torch.randn(4000, 1, 2, generator=generator)
    steps = pace * (torch.randn(4000, 19, 2, generator=generator) + drift)
    steps[:, 8:] *= torch.rand(4000, 1, 1, generator=generator) ** 3
    tracks = torch.cat([torch.zeros(4000, 1, 2), steps.cumsum(1)], 1)
    y = behaviour(tracks, 1.0)
    can = admitted(tracks[:, :8], 20, 1.0)
    assert can[torch.arange(4000), y].all()
    assert y.unique().tolist() == [0, 1, 2, 3] and not can.all(0)[[0, 2, 3]].any()


# --- the decoder's end, goals, measures ---


def test_the_destination_is_the_end_of_the_mean() -> None:
    torch.manual_seed(0)
    decoder = TrajectoryDecoder(3, 8, 12, 4, hidden=[16], path_hidden=[16])
    context, z = torch.randn(5, 34).abs(), torch.randn(15, 3)
    with torch.no_grad():
        torch.testing.assert_close(decoder.destination(z, context), decoder(z, context).mean[:, -1])
        torch.testing.assert_close(
            decoder.destination(z[:5], context), decoder(z[:5], context).mean[:, -1]
        )


def test_plain_ways_to_a_goal() -> None:
    last, step = torch.tensor([[1.0, 1.0]]), torch.tensor([[0.5, 0.0]])
    line, kept = to_goal(last, step, torch.tensor([[1.0, 13.0]]), 12)
    assert line.shape == kept.shape == (1, 1, 12, 2)
    assert line[0, 0, 0].tolist() == [1, 2] and line[0, 0, -1].tolist() == [1, 13]
    assert kept[0, 0, -1].tolist() == pytest.approx([1, 7])  # at its own pace, half of the way


def test_goals_in_the_coordinates_of_the_recording(data: CrowdDataset) -> None:
    model = steering(data, LatentEBM(GaussianPrior(2), Straight()))
    rows = torch.tensor([3, 50])
    past = model.past(rows)
    step = past[:, -1] - past[:, -2]
    left = torch.stack([-step[:, 1], step[:, 0]], 1) / step.norm(dim=1, keepdim=True)
    torch.testing.assert_close(
        model.goals(rows, 2.0), past[:, -1] + 12 * step + 2 * left, atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(model.goals(rows), model.real(rows)[:, -1])


def test_a_path_meets_the_others_of_its_window_alone() -> None:
    times = torch.arange(20.0)[:, None]
    ahead = times * torch.tensor([1.0, 0.0])
    positions = torch.stack([ahead, ahead + torch.tensor([0.0, 3.0]), ahead + 0.05])
    group = torch.tensor([0, 0, 1])
    none = torch.zeros(3, dtype=torch.long)
    near, there = torch.zeros(3, 4, 2, 2), torch.zeros(3, 4, dtype=torch.bool)
    made = Windows(
        positions, near, there, group, torch.arange(3), none, ["here"], Counter(), none + 1
    )
    data = TrajectoryDataset(
        {"test": made}, TrajectoryOptions(neighbours=4), 3.0, "metres", {}, BEHAVIOURS
    )
    model = steering(data, LatentEBM(GaussianPrior(2), Straight()))
    real = model.real(torch.tensor([0]))[0]
    across = real + torch.tensor([0.0, 3.1])  # 0.1 m from the second agent
    late = real.clone()
    late[-1] = positions[1, -1]
    paths = torch.stack([real, across, late])[None]
    assert model.colliding(torch.tensor([0]), paths).tolist() == [[0, 1, 1]]
    assert model.colliding(torch.tensor([2]), paths).tolist() == [[0, 0, 0]]  # alone in its window
    speed, turn = model.distances(torch.tensor([0]), real[None, None] * 1.0)
    assert speed == pytest.approx(0, abs=1e-6) and turn == pytest.approx(0, abs=1e-4)
    slower = positions[0, 7] + 0.5 * (real - positions[0, 7])
    assert model.distances(torch.tensor([0]), slower[None, None])[0] == pytest.approx(0.5)


def test_wasserstein_by_hand() -> None:
    a = torch.tensor([0.0, 1.0, 2.0, math.nan])
    assert wasserstein(a, a + 1) == pytest.approx(1)
    assert math.isnan(wasserstein(a[3:], a))


def test_the_floor_is_what_draws_of_the_truth_would_have(data: CrowdDataset) -> None:
    model = steering(data, LatentEBM(GaussianPrior(2), Straight()))
    speed, turn = model.floor(torch.arange(120))
    assert 0 < speed < 0.06 and 0 < turn < 30
    faster = model.past(torch.arange(120))[:, -1:] * -1 + model.real(torch.arange(120)) * 2
    assert model.distances(torch.arange(120), faster[:, None])[0] > 4 * speed


def test_the_pace_of_a_future_by_hand(data: CrowdDataset) -> None:
    rows = torch.tensor([7, 2])
    path = data.windows["test"].positions[rows, 7:]
    expected = path.diff(dim=1).norm(dim=-1).mean(1)
    torch.testing.assert_close(data.properties("test", rows)["pace"], expected)


# --- draws under control ---


def test_each_agent_gets_to_its_own_goal_as_bayes_rule_says(data: CrowdDataset) -> None:
    """z ~ N(0, 9) and g of precision 1 / sd^2: ends are N(w goal, w sd^2), w = 9 / (9 + sd^2)."""
    draws, sd = 400, 0.9
    model = steering(
        data, LatentEBM(GaussianPrior(2, reference_std=3.0), Straight()), draws, sd * data.scale
    )
    rows = torch.arange(30)  # in several parts: 4,000 chains at once
    wanted = model.goals(rows, 2.0)
    for strength in (1.0, 4.0):
        ends = data.local("test", model.heading_for(rows, wanted, strength)[:, :, -1], rows)
        goal = data.local("test", wanted[:, None], rows).squeeze(1)
        variance = sd**2 / strength
        weight = 9 / (9 + variance)
        off = ends.mean(1) - weight * goal
        spread = (weight * variance) ** 0.5
        assert float(off.abs().max()) < 5.5 * spread / draws**0.5 * 1.5  # resampled: some repeat
        assert float(ends.std(1).mean()) == pytest.approx(spread, rel=0.05)


def test_a_goal_of_the_command_line_is_in_the_unit_of_the_recording(data: CrowdDataset) -> None:
    """As above, with z ~ N(0, 9): 2 metres ahead and 1 to the left of each agent."""
    model = LatentEBM(GaussianPrior(2, reference_std=3.0), Straight()).eval()
    control = parse_control("goal=2,1@4").bind(model, data)
    rows = torch.arange(120)
    context = data.batch("test", rows).context
    x = model.sample(
        120, control=control, context=context, generator=torch.Generator().manual_seed(0)
    )
    ends = x[:, -1] * data.scale
    spread = (9 / (9 + (0.1 / data.scale) ** 2)) ** 0.5 * 0.1  # metres, of sd 0.2 at strength 4
    spread = (spread**2 + (0.05 * data.scale) ** 2) ** 0.5  # and the noise of p(x | z)
    error = ends.mean(0) - torch.tensor([2.0, 1.0])
    assert float(error.abs().max()) < 5 * spread / 120**0.5
    assert float(ends.std(0).mean()) == pytest.approx(spread, rel=0.25)


def test_what_is_no_goal_says_so(data: CrowdDataset) -> None:
    model = LatentEBM(GaussianPrior(2), Straight())
    for text in ("goal=2", "goal=2,north", "goal>2,1", "goal=2,1,0"):
        with pytest.raises(UsageError, match="use goal=AHEAD,LEFT"):
            parse_control(text)
    with pytest.raises(UsageError, match="Not.. needs a control that is a probability"):
        parse_control("not:goal=2,1")
    goal = parse_control("goal=2,1")
    with pytest.raises(UsageError, match="call bind"):
        model.controlled(goal)
    other = LatentEBM(GaussianPrior(2), TrackDecoder(2, 5))
    with pytest.raises(UsageError, match="needs a model with the decoder trajectories"):
        goal.bind(other, data)


def test_a_behaviour_is_obeyed_and_none_is_as_free(data: CrowdDataset) -> None:
    model = steering(data, LatentEBM(sided(), Straight()))
    rows = torch.arange(20)
    for y in (LEFT, RIGHT):
        share = (model.classified(rows, model.behaving(rows, y, 4.0)) == y).float().mean()
        free = (model.classified(rows, model.free(rows)) == y).float().mean()
        assert share > 0.9 and free < 0.6
    assert torch.equal(model.behaving(rows, LEFT, 0.0), model.free(rows))
    assert torch.equal(
        model.classified(rows, model.real(rows)[:, None]).squeeze(1), model.truth(rows)
    )


def test_the_nll_is_low_at_the_models_own_futures(data: CrowdDataset) -> None:
    model = steering(data, LatentEBM(sided(), Straight()), 200)
    rows = torch.arange(10)
    own, odd = model.drawn(rows)[:, :20], model.drawn(rows)[:, :20] + 50.0
    assert float(model.nll(rows, own).mean()) < 10
    torch.testing.assert_close(model.nll(rows, odd), torch.full((10,), 20.0))


# --- the metric ---


def test_the_metric_of_a_model_with_known_answers(data: CrowdDataset, tmp_path: Path) -> None:
    options: dict[str, Any] = dict(control_agents=16, control_draws=8, curve_agents=4)
    model = LatentEBM(sided(), Straight())
    found = control(**options, strengths=[4.0], class_strength=4.0, goal_strength=8.0)(
        evaluation(data, model, tmp_path)
    )
    assert found["left"].value > 0.9 > found["left_uncontrolled"].value  # type: ignore[operator]
    assert found["left_any_of_8"].value >= found["left_uncontrolled"].value  # type: ignore[operator]
    assert found["real/left"].n == round(16 * found["left_admitted"].value)  # type: ignore[operator]
    assert found["aside_distance"].value < 0.3 < found["aside_best_distance"].value  # type: ignore[operator]
    assert found["aside_straight_line_within"].value == 1
    assert found["true_straight_line_distance"].value < 1e-3  # type: ignore[operator]
    both = [found[f"true{way}_ADE_of_turners"].value for way in ("", "_straight_line")]
    assert both[0] == pytest.approx(both[1], rel=0.2)  # for this decoder goes straight
    assert found["true_ADE_of_turners"].n == 8
    assert found["obeyed_at_4"].value > found["obeyed_at_0"].value  # type: ignore[operator]
    assert {f.name for f in (tmp_path / "figures").iterdir()} == {"strengths.png", "steered.png"}
    plain = control(**options, strengths=[])(
        dataclasses.replace(
            evaluation(data, LatentEBM(GaussianPrior(2, reference_std=2.0), Straight()), tmp_path),
            name="f0",
        )
    )
    assert "left" not in plain and "obeyed_at_0" not in plain and "aside_distance" in plain
    assert "aside_straight_line_within" not in plain  # once, with the model


def test_what_the_metric_refuses(data: CrowdDataset) -> None:
    for options, said in (
        ({"control_agents": 2}, "evaluation.control_agents = 2 is too small; use at least 4"),
        ({"goal_sd": 0.0}, "evaluation.goal_sd = 0.0 is too small"),
        ({"strengths": [1.0, 1.0]}, "each once"),
        ({"class_strength": -1.0}, "evaluation.class_strength"),
    ):
        with pytest.raises(UsageError, match=said):
            control(**options)  # type: ignore[arg-type]
    other = crowd(files=None, seed=0, train=20, valid=10, test=10)
    with pytest.raises(UsageError, match='needs data.classes = "behaviour"'):
        steering(other, LatentEBM(GaussianPrior(2), Straight()))


def test_a_crowd_by_behaviour(data: CrowdDataset) -> None:
    assert tuple(data.classes) == BEHAVIOURS and len(data.windows["test"].y.unique()) == 3  # type: ignore[union-attr]
    with pytest.raises(UsageError, match='data.classes = "manner"'):
        crowd(files=None, seed=0, options=WindowOptions(classes="manner"))


# --- the recipe ---


@pytest.mark.parametrize("preset", ["cpu", "smoke", "paper"])
def test_every_preset_and_baseline_resolves(preset: str) -> None:
    recipe = load("control-trajectories", preset)
    check_recipe(recipe)
    assert recipe.data["classes"] == "behaviour"
    assert (recipe.parts["prior"] or {})["name"] == "coupled"
    f0 = recipe.baselines["f0"]
    check_recipe(f0, "f0")
    assert (f0.parts["prior"] or {})["name"] == "gaussian"


@pytest.mark.slow
def test_the_recipe_from_data_to_report(tmp_path: Path) -> None:
    few = [
        "data.train=300", "data.test=60", "training.max_steps=5", "learning.refit.steps=5",
        "evaluation.metrics=[trajectories.control]", "evaluation.strengths=[2.0]",
        "evaluation.control_agents=8", "evaluation.control_draws=4", "evaluation.curve_agents=4",
        "evaluation.baselines=[f0]", "learning.properties=[pace]", "prior.sampler.steps=5",
    ]  # fmt: skip
    run = run_recipe("control-trajectories", "smoke", few, out=tmp_path / "run", log=lambda _: None)
    model, f0, real = (run.results[row] for row in ("model", "f0", "real"))
    assert model["left"].n == model["straight"].n == 8 and model["obeyed_at_2"].value is not None
    assert f0["true_distance"].value > 0 and "left" not in f0
    head = run.model.heads.known["pace"]  # sees the past beside z
    assert head.context_dim == 34 and 0.3 < float(head.centre) < 0.7
    assert real["left"].n == 8 and real["any_speed_distance"].value > 0

    said: list[str] = []
    some = sample_run(run.folder, 2, y="left", control=["pace=0.4"], log=said.append, split="valid")
    assert some.name == "samples-2-0-valid-yleft-pace=0.4.csv"
    assert "left" in said[0] and "pace" in said[0]
    file = sample_run(run.folder, 60, y="straight", control=["goal=3,0.5"])
    assert file.name == "samples-60-0-ystraight-goal=3-0.5.csv"
    file = sample_run(run.folder, 60, y="straight")
    ends = np.loadtxt(file, delimiter=",", skiprows=1)[:, 2:].reshape(60, 12, 2)[:, -1]
    data = build_dataset(load(run.folder / "recipe.toml"), None)
    own = data.batch("test", torch.arange(60)).x[:, -1].numpy()
    # so short a training knows little more than to walk on: sample i is of the past of example i
    assert np.corrcoef(ends[:, 0], own[:, 0])[0, 1] > 0.5
    with pytest.raises(UsageError, match='no split "tset": accepted are train, valid, test'):
        sample_run(run.folder, 3, split="tset")
