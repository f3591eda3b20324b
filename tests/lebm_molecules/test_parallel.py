"""A map over chunks by joblib: order, errors, the backend of the caller."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import joblib
import pytest

from lebm_core.errors import RunError, UsageError
from lebm_molecules.metrics import parallel
from lebm_molecules.metrics.parallel import mapped


def squares(numbers: list[int]) -> list[int]:
    return [n * n for n in numbers]


def die(numbers: list[int]) -> list[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    return numbers


def failing(n: int) -> Iterator[int]:
    yield from range(n)
    raise UsageError("line 1,001 is damaged")


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order_and_errors_of_the_input_are_raised(
    processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "CHUNK", 5)
    with joblib.parallel_config(backend="threading"):  # the caller chooses the backend
        assert list(mapped(squares, range(23), processes)) == [n * n for n in range(23)]
        for n in (0, 40):
            with pytest.raises(UsageError, match="line 1,001 is damaged"):
                list(mapped(squares, failing(n), processes))


def test_a_process_that_dies_is_one_sentence() -> None:
    with pytest.raises(RunError, match="has died: memory ran short; use fewer --workers"):
        list(mapped(die, range(3), 2))
    with pytest.raises(UsageError, match="--workers = -1 is too small"):
        list(mapped(squares, range(3), -1))
