"""One rule for labels and missing values: which are known, which are one class, in which order."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
import torch

import lebm_core.data.classes
from lebm_core.data.classes import (
    classes_of,
    is_missing,
    is_unlabelled,
    label_names,
    one_column,
    sorted_names,
)
from lebm_core.data.dataset import Batch
from lebm_core.data.labels import labels_of
from lebm_core.data.splits import check_shares, homes_by_hash
from lebm_core.errors import UsageError

pd = pytest.importorskip("pandas")

NOTHING: list[Any] = [
    None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), "", " ", "NA", "na",
    "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "None", "null", "NULL", "?", " NA\t",
]  # fmt: skip
SOMETHING: list[Any] = [0, 0.0, False, "0", "no", "none", "Na", "Nan", "naan", float("inf"), "-"]


def test_what_it_says() -> None:
    assert doctest.testmod(lebm_core.data.classes).failed == 0


@pytest.mark.parametrize("value", NOTHING, ids=repr)
def test_a_missing_value_is_no_label(value: Any) -> None:
    assert is_missing(value) and is_unlabelled(value)
    assert is_unlabelled(value, marker=None) and is_unlabelled(value, marker="x")
    assert label_names([value, 1]) == ["", "1"]


@pytest.mark.parametrize("value", SOMETHING, ids=repr)
def test_a_value_is_a_label(value: Any) -> None:
    assert not is_missing(value) and not is_unlabelled(value)


def test_the_marker_is_a_number_in_any_writing() -> None:
    for value in (-1, -1.0, np.int8(-1), np.float32(-1), "-1", "-1.0", " -1 ", "-1e0"):
        assert is_unlabelled(value) and not is_missing(value)
        assert not is_unlabelled(value, marker=None) and not is_unlabelled(value, marker=9)
    assert is_unlabelled("9.0", marker=9) and is_unlabelled("x ", marker="x")
    assert not is_unlabelled(-1, marker=float("nan")) and not is_unlabelled("y", marker="x")


@pytest.mark.parametrize(
    ("labels", "names", "ids"),
    [
        ([0, 0.0, "0", "1.0", True and 1], ["0", "1"], [0, 0, 0, 1, 1]),
        ([30, 10, 20, 10], ["10", "20", "30"], [2, 0, 1, 0]),
        (list(range(1, 27)), [str(i) for i in range(1, 27)], list(range(26))),
        ([5_000_000, 1, 1, -1], ["1", "5000000"], [1, 0, 0, -1]),
        (["10", "9", "-2", "NA"], ["-2", "9", "10"], [2, 1, 0, -1]),
        (["b", "a", " a", ""], ["a", "b"], [1, 0, 0, -1]),
        (["10", "9", "b"], ["10", "9", "b"], [0, 1, 2]),
        (["0.5", "0.50", "2"], ["0.5", "2"], [0, 0, 1]),
        (["0", "0.0", "no"], ["0", "0.0", "no"], [0, 1, 2]),
        ([True, False, None], ["False", "True"], [1, 0, -1]),
        ([10**17, 10**17 + 1], [str(10**17), str(10**17 + 1)], [0, 1]),
    ],
)
def test_classes_by_value(labels: list[Any], names: list[str], ids: list[int]) -> None:
    found = classes_of(labels, "mine.csv")
    assert found.names == names and found.ids.tolist() == ids
    assert sorted_names(label_names(labels)) == names


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "mine.csv holds no label: at least two classes"),
        (["NA", -1], "mine.csv holds no label"),
        (["cat", "cat", ""], 'holds one class, "cat": at least two'),
        ([1, -1, 1, -1], r'holds one class, "1" \(-1 means no label\)'),
        (range(101), "holds 101 different labels for 101 examples.*these are no classes"),
        ([*range(200), *range(90)], "holds 200 different labels for 290 examples"),
        (["x" * 500, None], r'"x{80}..." \(500 characters\)'),
    ],
)
def test_what_are_no_classes(labels: list[Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        classes_of(labels, "mine.csv")


def test_many_classes_of_several_examples_each_are_classes() -> None:
    assert len(classes_of([*range(150), *range(150)], "mine.csv").names) == 150


def test_one_label_for_each_example() -> None:
    assert one_column(np.array([1.0, np.nan]), 2, "mine.npz")[0] == 1.0
    assert one_column(np.array([[3], [4]]), 2, "mine.npz") == [3, 4]
    assert one_column(np.array([b"a", b"b"]), 2, "mine.npz") == ["a", "b"]
    for shape in ((2, 3), (3,), (), (2, 1, 1), (1, 2)):
        with pytest.raises(
            UsageError, match="mine.npz has the shape .* one label for each of the 2"
        ):
            one_column(np.zeros(shape), 2, "mine.npz")
    with pytest.raises(UsageError, match=r"become labels by labels.argmax\(1\)"):
        one_column(np.eye(2), 2, "mine.npz")


class Wrong:
    """A data set whose y is not a class id for each example."""

    def __init__(self, y: torch.Tensor) -> None:
        self.y = y

    def length(self, split: str) -> int:
        return len(self.y)

    def batch(self, split: str, index: torch.Tensor) -> Batch:
        return Batch(index, self.y[index])


@pytest.mark.parametrize("y", [torch.zeros(4, 1, dtype=torch.long), torch.eye(4), torch.zeros(4)])
def test_labels_of_another_shape_are_refused(y: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=r"labels of the split train have the shape .*argmax\(1\)"):
        labels_of(Wrong(y), "train")  # type: ignore[arg-type]


@pytest.mark.parametrize("shares", [(0.1, float("nan")), (float("nan"), 0.1), (0, 0.1), (0.5, 0.5)])
def test_shares_that_leave_nothing(shares: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match=r"data.valid_share = .* must be above 0, and their sum"):
        homes_by_hash([str(i) for i in range(50)], *shares, "mine.txt", "line")
    with pytest.raises(UsageError, match=r"a = .* and b = .* must be above 0"):
        check_shares(*shares, ("a", "b"))
