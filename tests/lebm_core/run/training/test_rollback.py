"""A diverging training goes back to its last good state, at half the learning rates."""

import pytest

from lebm_core.errors import DivergenceError
from lebm_core.learning.data_space import DataSpace
from lebm_core.learning.two_part import TwoPart
from lebm_core.run.training.rollback import Rollbacks
from lebm_core.run.training.tracking import read_metrics


@pytest.fixture
def diverges(monkeypatch):
    """A function of steps: the training diverges at each of them, once."""

    def at(*steps):
        left, call = list(steps), TwoPart.__call__

        def broken(self, model, batch, *, progress=0.0, generator=None):
            step = round(progress * 18) + 1
            if left and step == left[0]:
                left.pop(0)
                raise DivergenceError("The chains have left the codes.")
            return call(self, model, batch, progress=progress, generator=generator)

        monkeypatch.setattr(TwoPart, "__call__", broken)

    return at


def test_it_goes_back_to_the_last_report_and_says_so(make, diverges, tmp_path):
    diverges(11)
    _, result, lines, _ = make("run", rollbacks=1)
    assert result.steps == 18
    (said,) = [line for line in lines if "went back" in line]
    assert "Diverged at step 11 and went back to step 9, at 0.5 times the learning rates" in said
    assert any("went back" in warning for warning in result.warnings)
    rates = {r["step"]: r["lr/prior"] for r in read_metrics(tmp_path / "run")}
    assert rates[12] == pytest.approx(0.5 * rates[9]) and rates[18] == rates[12]


def test_it_stops_where_it_has_gone_back_often_enough(make, diverges):
    diverges(11, 12, 13)
    with pytest.raises(DivergenceError, match="step 13: The chains have left the codes"):
        make("run", rollbacks=2)


def test_before_its_first_report_it_goes_back_to_the_start(make, diverges):
    diverges(2)
    _, result, lines, _ = make("run", rollbacks=1)
    assert any("Diverged at step 2 and went back to step 0" in line for line in lines)
    assert result.steps == 18


def test_the_state_that_it_goes_back_to_stays_as_it_was(make, diverges, monkeypatch):
    """Twice to the same one: the optimisers must not have gone on in its tensors."""
    diverges(11, 11)
    seen, back = [], Rollbacks.back

    def watched(self, state, step, error):
        seen.append({name: value.clone() for name, value in self.kept.tensors.items()})
        return back(self, state, step, error)

    monkeypatch.setattr(Rollbacks, "back", watched)
    make("run", rollbacks=2)
    first, second = seen
    assert all(value.equal(second[name]) for name, value in first.items())


def test_a_crash_after_it_resumes_from_where_it_went_back_to(make, diverges, monkeypatch, tmp_path):
    """It goes back to step 9; the checkpoint of step 12, undone, must not be there."""
    diverges(14)
    monkeypatch.setattr(
        TwoPart, "warnings", lambda self, m: ["The gap is large."] if m["step"] == 12 else []
    )
    make("run", rollbacks=1, crash=16)
    folders = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert "step-00000009" in folders and "step-00000012" not in folders
    make("run", rollbacks=1, resume=True)
    rates = {r["step"]: r["lr/prior"] for r in read_metrics(tmp_path / "run") if "lr/prior" in r}
    assert sorted(rates) == [3, 6, 9, 12, 15, 18]
    assert rates[12] == pytest.approx(0.5 * rates[9])


def test_resumed_it_has_no_more_returns_than_before(make, diverges):
    diverges(5, 16)
    make("run", rollbacks=1, crash=10)
    with pytest.raises(DivergenceError, match="step 16"):
        make("run", rollbacks=1, resume=True)


def test_a_state_with_a_warning_is_none_to_go_back_to(make, diverges, monkeypatch):
    diverges(11)
    monkeypatch.setattr(
        TwoPart, "warnings", lambda self, m: ["The gap is large."] if m["step"] > 3 else []
    )
    _, _, lines, _ = make("run", rollbacks=1)
    assert any("Diverged at step 11 and went back to step 3" in line for line in lines)


def test_a_resumed_training_keeps_its_halved_rates(make, diverges, tmp_path):
    diverges(6)
    make("run", rollbacks=1, crash=13)
    make("run", rollbacks=1, resume=True)
    rates = {r["step"]: r["lr/prior"] for r in read_metrics(tmp_path / "run")}
    assert rates[18] == pytest.approx(0.5 * rates[3])


def test_the_same_twice(make, weights, diverges):
    diverges(11)
    first, *_ = make("a", rollbacks=1)
    diverges(11)
    second, *_ = make("b", rollbacks=1)
    assert weights(first).equal(weights(second))


def test_chains_that_leave_the_data_or_collapse_are_divergence():
    rule = DataSpace("short-run")
    assert rule.warnings({"chain_spread": 2.0}) == []
    for spread in (0.05, 11.0, float("nan")):
        with pytest.raises(DivergenceError, match="The chains have left the data"):
            rule.warnings({"chain_spread": spread})
