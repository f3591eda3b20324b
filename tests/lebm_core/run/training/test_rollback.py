"""A diverging training goes back to its last good state, at half the learning rates."""

import pytest

from lebm_core.errors import DivergenceError
from lebm_core.learning.drift import DriftGuard
from lebm_core.learning.two_part import TwoPart
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


def test_without_a_good_state_it_stops(make, diverges):
    diverges(2)
    with pytest.raises(DivergenceError, match="step 2: "):
        make("run", rollbacks=5)


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


def test_chains_that_leave_the_codes_or_collapse_are_divergence():
    guard = DriftGuard(5.0)
    assert guard({"code_std": 1.0, "chain_std": 2.0}) == []
    for spread in (0.05, 11.0):
        with pytest.raises(DivergenceError, match="The chains have left the codes"):
            guard({"code_std": 1.0, "chain_std": spread})
