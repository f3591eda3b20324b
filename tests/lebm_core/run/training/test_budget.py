"""How many steps a training makes: at least so many, and no more than the time allows."""

import itertools
import types

import pytest
import torch

from lebm_core.latent.amortized import Amortized
from lebm_core.learning.refit import Refit
from lebm_core.learning.two_part import TwoPart
from lebm_core.run.training import loop
from lebm_core.run.training.budget import TimeBudget
from lebm_core.run.training.state import TrainingState
from lebm_core.run.training.tracking import read_metrics


def test_few_examples_are_seen_more_often(make):
    _, result, _, steps = make("more", epochs=1, min_steps=10)
    assert result.steps == 10 == len(steps)
    assert result.epochs == 10 / 3  # an epoch has three batches
    _, result, _, _ = make("enough", epochs=6, min_steps=10)
    assert result.steps == 18
    _, result, _, _ = make("capped", epochs=1, min_steps=10, max_steps=4)
    assert result.steps == 4


@pytest.fixture
def clock(watch, monkeypatch):
    """A clock that a step moves on by a tenth of a second, and the callback that moves it."""
    now = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    return watch(lambda state: now.__setitem__(0, now[0] + (0.1 if state.step < 150 else 10)))


def test_a_training_ends_within_its_time_and_its_schedule_with_it(make, clock, tmp_path):
    given = {"epochs": 10_000, "schedule": "cosine", "callbacks": [clock]}
    _, result, lines, _ = make("short", minutes=10 / 60, **given)
    assert result.steps in (100, 101) and result.seconds < 10.05
    assert any("of 30000 steps fit into 0.167 minutes" in line for line in lines)
    last = read_metrics(tmp_path / "short")[-1]
    assert last["lr/decoder"] < 1e-3 * 0.01  # a cosine of these steps, not of 30,000


def test_a_refit_is_shortened_as_the_training_is(make, clock):
    refit = Refit(steps=60, batch=16, rule="density-ratio")
    rule = (lambda: TwoPart(refit=refit), Amortized)
    given = {"epochs": 1, "min_steps": 150, "callbacks": [clock]}
    for minutes, steps in ((0, 60), (5 / 60, 20)):  # 50 of 150 steps fit into 5 seconds
        _, _, lines, _ = make(f"{steps}", rule, minutes=minutes, **given)
        assert any(f"refit of the prior: step {steps}/{steps} " in line for line in lines)


@pytest.mark.parametrize(("early", "late"), [(0.1, 0.4), (0.4, 0.1), (0.1, 2.0)])
def test_a_training_ends_by_the_clock_whatever_its_steps_become(
    make, watch, monkeypatch, tmp_path, early, late
):
    """Steps that are quick and then slow, or the other way: the time and the cosine end as one."""
    now = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    slowed = watch(lambda state: now.__setitem__(0, now[0] + (early if state.step < 50 else late)))
    given = {"epochs": 10_000, "schedule": "cosine", "log_every": 1, "callbacks": [slowed]}
    _, result, _, _ = make("changed", minutes=40 / 60, **given)
    assert 0.85 * 40 <= result.seconds <= 1.15 * 40
    rates = [
        each["lr/decoder"] for each in read_metrics(tmp_path / "changed") if "lr/decoder" in each
    ]
    assert rates == sorted(rates, reverse=True) and rates[-1] < 0.02 * rates[0]


def test_a_shortened_training_is_resumed_to_the_same_weights(make, weights, monkeypatch):
    """Where its steps take as long as before: here a tenth of a second each."""
    ticks = itertools.count()
    clock = types.SimpleNamespace(monotonic=lambda: next(ticks) / 10)
    monkeypatch.setattr(loop, "time", clock)  # others that look at the time do not move it on
    given = {"epochs": 100, "minutes": 3.15 / 60, "checkpoint_every": 26}
    make("cut", crash=28, **given)
    resumed, again, _, rest = make("cut", resume=True, **given)
    whole, once, _, _ = make("whole", **given)
    assert once.steps == again.steps == 31 and len(rest) == 5
    assert torch.equal(weights(whole), weights(resumed))


def test_a_training_that_went_back_still_ends_with_its_time():
    """The steps that are undone took their time; a second each, before and after."""
    lines: list[str] = []
    alone = types.SimpleNamespace(num_processes=1)
    parts = (None, None, None, alone, "model", lines.append, {}, None, torch.Generator())
    state = TrainingState(*parts, planned=30_000, total=30_000)  # type: ignore[arg-type]
    budget, undone = TimeBudget(1000), 0
    while not state.ended:
        state.step, state.scheduled = state.step + 1, state.scheduled + state.stride
        state.seconds += 1
        budget.after_update(state)
        if state.step == 590 and not undone:
            undone, stride = 90, state.stride
            state.step, state.scheduled = 500, state.scheduled - undone * stride
            budget.after_rollback(state)
    assert 990 <= state.seconds <= 1001 and state.step == state.seconds - undone
    assert abs(state.scheduled / state.planned - 1) < 0.01
    assert len(lines) == 1


def test_a_training_of_a_few_steps_is_reported_and_its_schedule_ends(make, monkeypatch, tmp_path):
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(monotonic=lambda: next(ticks)))
    given = {"epochs": 10_000, "schedule": "cosine", "minutes": 6 / 60}
    _, result, lines, _ = make("tiny", **given)
    assert 4 <= result.steps <= 7 and sum("fit into" in line for line in lines) == 1
    records = read_metrics(tmp_path / "tiny")
    assert records[-1]["step"] == result.steps and records[-1]["lr/decoder"] < 0.5e-3
