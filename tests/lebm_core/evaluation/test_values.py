"""Values of the results table: shares and means with their errors, and the rows they belong to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lebm_core.evaluation.evaluation import MetricResult
from lebm_core.evaluation.values import Value, column_of, in_row


def test_a_share_has_a_binomial_error() -> None:
    right = np.array([True] * 3 + [False])
    share = Value.share(right, "test", "how many", {"of": "four"})
    assert (share.value, share.n, share.split) == (0.75, 4, "test")
    assert share.standard_error == pytest.approx((0.75 * 0.25 / 4) ** 0.5)
    assert share == Value.share(torch.tensor(right), "test", "how many", {"of": "four"})
    assert share == Value.share(3, "test", "how many", {"of": "four"}, of=4)
    none = Value.share(0, "samples", "of none", of=0)
    assert none.value is None and none.refused == "There are none." and none.n == 0


def test_a_mean_has_the_error_of_a_mean() -> None:
    numbers = np.array([1.0, 2.0, 4.0, 7.0])
    mean = Value.mean(numbers, "samples", "length")
    assert mean.value == 3.5 and mean.n == 4
    assert mean.standard_error == pytest.approx(numbers.std(ddof=1) / 2)
    assert mean == Value.mean(torch.tensor(numbers), "samples", "length")
    assert Value.mean(numbers[:1], "samples", "length").standard_error is None
    assert Value.mean(numbers[:0], "samples", "length").refused == "There are none."


def test_a_value_knows_its_row() -> None:
    own = {"length": Value(20.0)}
    values = own | in_row("real", {"length": Value(21.0)}) | in_row("k_means", {"ami": Value(0.5)})
    assert list(values) == ["length", "real/length", "k_means/ami"]
    assert [value.row for value in values.values()] == ["", "real", "k_means"]
    assert [column_of(*each) for each in values.items()] == ["length", "length", "ami"]
    assert column_of("a/b", Value(1.0)) == "a/b"  # a name may have a slash of its own


def test_a_result_without_rows_can_still_be_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    values = in_row("real", {"length": Value(21.0)})
    MetricResult(values, [], 1.0).write(tmp_path / "result.json")
    again = MetricResult.read(tmp_path / "result.json")
    assert again is not None and again.values == values
    assert "row" in dataclasses.asdict(Value(1.0))
