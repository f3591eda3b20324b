"""An estimator's y as users have it: missing labels, numbers as strings, columns, one-hot."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import DataConversionWarning

from lebm_core.estimators.labels import accuracy, class_ids, ids_of

pd = pytest.importorskip("pandas")

NAN = float("nan")
WITH_HOLES: dict[str, tuple[Any, list[Any]]] = {
    "-1": ([0, 1, -1, 1], [0, 1]),
    "-1.0": (np.array([0.0, 1.0, -1.0, 1.0]), [0, 1]),
    "None": ([0, 1, None, 1], [0, 1]),
    "NaN": (np.array([0, 1, np.nan, 1]), [0, 1]),
    "None and words": (["a", "b", None, "b"], ["a", "b"]),
    "NaN and words": (np.array(["a", "b", NAN, "b"], dtype=object), ["a", "b"]),
    "a list of words and -1": (["a", "b", -1, "b"], ["a", "b"]),
    "pandas.NA": (np.array(["a", "b", pd.NA, "b"], dtype=object), ["a", "b"]),
    "Int64": (pd.Series([0, 1, pd.NA, 1], dtype="Int64"), [0, 1]),
    "Float64": (pd.Series([0, 1, pd.NA, 1], dtype="Float64"), [0, 1]),
    "boolean": (pd.Series([False, True, pd.NA, True], dtype="boolean"), [False, True]),
    "string": (pd.Series(["a", "b", pd.NA, "b"], dtype="string"), ["a", "b"]),
    "categories": (pd.Series(["a", "b", NAN, "b"], dtype="category"), ["a", "b"]),
    "a Categorical": (pd.Categorical(["a", "b", None, "b"]), ["a", "b"]),
    "categories of numbers": (pd.Series([3, 5, NAN, 5], dtype="category"), [3, 5]),
    "a DataFrame": (pd.DataFrame({"y": ["a", "b", None, "b"]}), ["a", "b"]),
    "a tensor": (torch.tensor([0, 1, -1, 1]), [0, 1]),
    **{f'"{w}"': (["a", "b", w, "b"], ["a", "b"]) for w in ("NA", "nan", "?", "", "<NA>", "-1.0")},
    "a word in an array": (np.array(["a", "b", "NA", "b"]), ["a", "b"]),
}


@pytest.mark.parametrize("kind", WITH_HOLES)
def test_a_missing_label_is_unlabelled(kind: str) -> None:
    y, classes = WITH_HOLES[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataConversionWarning)  # of a column of a DataFrame
        found, ids = class_ids(y, 4, -1)
        share = accuracy(np.array([0, 1, 1, 0]), y, None, found, -1)
    assert found.tolist() == classes and ids.tolist() == [0, 1, -1, 1]
    assert share == pytest.approx(2 / 3)


@pytest.mark.parametrize("kind", [k for k in WITH_HOLES if "-1" not in k and "tensor" not in k])
def test_every_example_has_a_label_where_none_may_lack_one(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataConversionWarning)
        with pytest.raises(ValueError, match=r"missing value, .* in row 2: with unlabelled=None"):
            class_ids(WITH_HOLES[kind][0], 4, None)


@pytest.mark.parametrize(
    ("y", "classes", "ids"),
    [
        ([0, 0.0, "0", 1], [0, 1], [0, 0, 0, 1]),
        (["0", "0.0", "1", "1"], ["0", "1"], [0, 0, 1, 1]),
        (["01", "02", "01", "02"], ["01", "02"], [0, 1, 0, 1]),
        (["10", "9", "9", "10"], ["10", "9"], [0, 1, 1, 0]),
        (["a ", "b", "a ", "b"], ["a ", "b"], [0, 1, 0, 1]),
        ([10, 30, 20, 10], [10, 20, 30], [0, 2, 1, 0]),
        ([5_000_000, 1, 1, 1], [1, 5_000_000], [1, 0, 0, 0]),
        ([True, False, True, True], [False, True], [1, 0, 1, 1]),
        (["none", "mild", "none", "mild"], ["mild", "none"], [1, 0, 1, 0]),
    ],
)
def test_one_class_for_one_value(y: list[Any], classes: list[Any], ids: list[int]) -> None:
    found, given = class_ids(y, 4, -1)
    assert found.tolist() == classes and given.tolist() == ids
    kinds = {type(label) for label in y}
    assert not found.dtype.kind == "U" or kinds == {str}
    assert class_ids(np.array([0, 1, 1, 0], dtype=np.int8), 4, -1)[0].dtype == np.int8


def test_a_marker_of_ones_own() -> None:
    assert class_ids(["a", "b", "x", "b"], 4, "x")[0].tolist() == ["a", "b"]
    assert class_ids(["a", "b", "-1", None], 4, "")[1].tolist() == [1, 2, 0, -1]
    assert class_ids([-1, 1, 9, None], 4, 9)[0].tolist() == [-1, 1]
    assert class_ids([-1, 1, NAN, 1], 4, NAN)[1].tolist() == [0, 1, -1, 1]
    assert class_ids([-1, 1, -1, 1], 4, None)[0].tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("y", "error", "said"),
    [
        (np.eye(4, dtype=int), ValueError, r"shape \(4, 4\): one label .* by y.argmax\(1\)"),
        ([[1, 0], [0, 1], [1, 0], [0, 1]], ValueError, r"y has the shape \(4, 2\)"),
        (pd.DataFrame(np.eye(4)), ValueError, r"y has the shape \(4, 4\)"),
        ("abcd", ValueError, r"y has the shape \(\): one label for each of the 4 examples"),
        ({"a": 1}, ValueError, r"y has the shape \(\)"),
        ([0, 1, 0], ValueError, "X has 4 examples, y has 3 labels"),
        ([-1, 1, -1, 1], ValueError, "one class, 1 .-1 means no label; with unlabelled=None it is"),
        ([None, "NA", "", -1], ValueError, "No label of y is known, each is -1 or missing"),
        ([0.5, 1.5, 2.5, 3.5], ValueError, "Unknown label type: continuous"),
        ([0.0, 1.0, np.inf, 1.0], ValueError, "infinity"),
        (["a", 1, "a", 1], TypeError, "mixes strings with numbers"),
    ],
)
def test_what_are_no_labels(y: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        class_ids(y, 4, -1)
    assert len(str(caught.value)) < 300


def test_a_column_is_taken_with_scikit_learns_warning() -> None:
    with pytest.warns(DataConversionWarning):
        assert class_ids(np.array([[0], [1], [1]]), 3, -1)[1].tolist() == [0, 1, 1]


def test_accuracy_is_of_known_labels_in_any_writing() -> None:
    classes, ids = np.array([0, 1]), np.array([0, 1, 1, 0])
    for y in ([0, 1, 0, -1], ["0", 1.0, "0", None], np.array([0, 1, 0, np.nan]), [0, 1, 7, "NA"]):
        assert accuracy(ids, y, None, classes, -1) == pytest.approx(2 / 3)
    assert accuracy(ids, [0, 1, 0, -1], [1, 1, 2, 5], classes, -1) == 0.5
    assert accuracy(ids, [False, True, True, False], None, classes, None) == 1
    assert accuracy(ids, [0, 1, 1, 0], None, np.array([False, True]), None) == 1
    assert accuracy(ids, ["01", "2", "2", "1"], None, np.array(["01", "2"]), -1) == 1
    with pytest.raises(ValueError, match="nothing to score"):
        accuracy(ids, [-1, None, "NA", -1], None, classes, -1)


def test_classes_to_sample() -> None:
    classes = np.array([10, 20])
    assert ids_of("20", 3, classes).tolist() == [1, 1, 1]
    assert ids_of([[10], [20.0]], 2, classes).tolist() == [0, 1]
    assert ids_of("b", 2, np.array(["a", "b"])).tolist() == [1, 1]
    for wrong in (7, "x", None, NAN):
        with pytest.raises(ValueError, match="There is no class .* known are 10, 20"):
            ids_of(wrong, 3, classes)
