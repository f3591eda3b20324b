"""What a results file holds: finite numbers, and no path of the user's."""

import json
import pickle
from pathlib import Path

import pytest

from lebm_core.errors import MissingExtra
from lebm_core.evaluation.evaluation import MetricResult, _plain
from lebm_core.evaluation.values import Value
from lebm_core.run.environment import without_home


def test_what_is_not_finite_is_refused(tmp_path):
    found = _plain(Value(float("nan"), float("inf"), 1, "test", "a mean"))
    assert found.value is None and found.standard_error is None and "finite" in found.refused
    MetricResult({"a": found}, [], 0.0).write(tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text()
    assert "NaN" not in text and json.loads(text)["values"]["a"]["value"] is None


@pytest.mark.parametrize(
    ("home", "shown"), [("/users/me", "~/x /data"), ("/", "/users/me/x /data")]
)
def test_the_home_is_not_shown_and_the_root_is_no_home(monkeypatch, home, shown):
    monkeypatch.setattr(Path, "home", lambda: Path(home))
    assert without_home("/users/me/x /data") == shown


def test_a_missing_extra_says_the_same_after_a_process():
    error = MissingExtra("tensorboard", "tensorboard", needed_by="training.tensorboard")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
