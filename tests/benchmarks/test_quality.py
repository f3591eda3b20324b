"""When a curve of quality reaches a target, and the ratio of two such times."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from published import Memory  # noqa: E402
from quality import Points, reached, table  # noqa: E402


def test_between_two_measurements_quality_falls_linearly_in_log_seconds() -> None:
    # From 10 at 1 s to 0 at 100 s: half of the way is passed at the geometric mean.
    assert reached([1.0, 100.0], [10.0, 0.0], 5.0) == pytest.approx(10.0)
    assert reached([1.0, 100.0], [10.0, 0.0], 0.0) == pytest.approx(100.0)


def test_the_first_crossing_counts() -> None:
    assert reached([1.0, 2.0, 4.0, 8.0], [9.0, 3.0, 5.0, 1.0], 3.0) == pytest.approx(2.0)


def test_a_target_met_from_the_start_or_never() -> None:
    assert reached([3.0, 6.0], [1.0, 0.5], 2.0) == 3.0
    assert reached([3.0, 6.0], [1.0, 0.5], 0.1) == math.inf


def test_the_table_has_the_ratio_of_the_two_times() -> None:
    found = {"q": {"plain": ([10.0, 100.0], [8.0, 4.0]), "lebm": ([1.0, 4.0], [6.0, 2.0])}}
    (row,) = table("task", found)
    assert row.split(" | ")[3:7] == ["4", "100", "2", "50.0"]


def test_a_first_measurement_that_is_good_enough_bounds_the_ratio() -> None:
    found = {"q": {"plain": ([10.0, 100.0], [8.0, 4.0]), "lebm": ([2.0], [3.0])}}
    (row,) = table("task", found)
    assert "at most 2 | at least 50.0" in row


def test_points_are_told_apart_and_in_order(tmp_path: Path) -> None:
    points = Points(tmp_path / "new")
    assert points.of("a", "lebm") == []
    points.file.write_text(
        '{"task": "a", "method": "lebm", "seconds": 4}\n'
        '{"task": "a", "method": "plain", "seconds": 3}\n'
        '{"task": "a", "method": "lebm", "seconds": 1}\n'
    )
    assert [p["seconds"] for p in points.of("a", "lebm")] == [1, 4]


def test_a_plain_loop_that_gets_worse_counts_by_its_best() -> None:
    found = {"q": {"plain": ([1.0, 10.0, 99.0], [8.0, 4.0, 7.0]), "lebm": ([1.0, 4.0], [6.0, 2.0])}}
    (row,) = table("task", found)
    assert row.split(" | ")[3:7] == ["4", "10", "2", "5.0"]


def test_a_quality_that_lebm_never_has_bounds_the_ratio_from_above() -> None:
    found = {"q": {"plain": ([10.0, 100.0], [8.0, 4.0]), "lebm": ([1.0, 4.0], [6.0, 5.0])}}
    (row,) = table("task", found)
    assert "not within 4 | below 25.0" in row


def test_chains_begin_in_the_memory_once_it_is_full() -> None:
    memory, cold = Memory(rows=4), torch.zeros(3, 1)
    memory.add(torch.tensor([[1.0], [2.0], [3.0]]))
    assert torch.equal(memory.start(cold), cold)
    memory.add(torch.tensor([[4.0], [5.0]]))  # four places: the fifth row finds none
    assert sorted(memory.ends.flatten().tolist()) == [1, 2, 3, 4]
    assert set(memory.start(cold).flatten().tolist()) <= {1, 2, 3, 4}
    memory.add(torch.tensor([[6.0], [7.0], [8.0]]))  # the oldest make room
    memory.add(torch.tensor([[9.0], [10.0]]))
    assert sorted(memory.ends.flatten().tolist()) == [7, 8, 9, 10]
