"""The strength of a control against its figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from lebm_core.errors import UsageError
from lebm_core.evaluation.curves import checked_strengths, curve_figure, curve_values
from lebm_core.evaluation.values import Value

SWEPT = {
    0.0: {"accuracy": Value(0.1, 0.01, 10, "samples", ""), "distance": Value(1.0)},
    2.0: {"accuracy": Value(0.9), "distance": Value(None, refused="too few")},
}


def test_each_value_is_named_by_its_strength() -> None:
    found = curve_values(SWEPT)
    assert list(found) == ["accuracy_at_0", "distance_at_0", "accuracy_at_2", "distance_at_2"]
    assert found["accuracy_at_2"].value == 0.9 and found["distance_at_2"].refused == "too few"


def test_the_figure_has_a_panel_for_each_and_takes_refusals(tmp_path: Path) -> None:
    one = curve_figure(SWEPT, ["accuracy"], tmp_path / "figures" / "one.png", {"accuracy": 0.95})
    two = curve_figure(SWEPT, ["accuracy", "distance"], tmp_path / "two.png")
    from PIL import Image

    assert Image.open(two).width == 2 * Image.open(one).width


def test_strengths_are_sorted_and_checked() -> None:
    assert checked_strengths([2, 0, 0.5]) == [0.0, 0.5, 2.0]
    for wrong in ([], [-1.0], [1.0, 1]):
        with pytest.raises(UsageError, match="each once"):
            checked_strengths(wrong, "evaluation.strengths")
