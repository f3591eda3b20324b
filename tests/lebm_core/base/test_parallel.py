"""A parallel map: order, what it holds of its input, and mistakes about a cluster."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator

import joblib
import pytest

from lebm_core.base import parallel
from lebm_core.base.parallel import in_chunks, on_cluster
from lebm_core.errors import MissingExtra, UsageError


def squares(numbers: list[int]) -> list[int]:
    return [n * n for n in numbers]


def test_each_item_comes_with_its_result_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "CHUNK", 3)
    expected = [(n, n * n) for n in range(100)]
    for jobs in (0, 1, 3):
        assert list(in_chunks(squares, range(100), jobs)) == expected
        assert list(in_chunks(squares, [], jobs)) == []
    with joblib.parallel_config(backend="sequential"):
        assert list(in_chunks(squares, range(100), 3)) == expected
    with pytest.raises(UsageError, match="--jobs = -1 is too small; use at least 0"):
        list(in_chunks(squares, range(3), -1, "--jobs"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_slow_reader_does_not_let_chunks_pile_up(
    jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """joblib alone reads its input to the end while nobody takes the results."""
    monkeypatch.setattr(parallel, "CHUNK", 10)
    read = 0

    def numbers() -> Iterator[int]:
        nonlocal read
        while read < 5_000:
            read += 1
            yield read

    furthest = 0
    for taken, (number, square) in enumerate(in_chunks(squares, numbers(), jobs), 1):
        assert (number, square) == (taken, taken * taken)
        if taken % 500 == 1:
            time.sleep(0.05)
        furthest = max(furthest, read - taken)
    assert taken == 5_000 and furthest <= 10 * parallel.AHEAD * jobs


def test_mistakes_about_a_cluster_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(parallel, "SECONDS", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UsageError) as error, on_cluster(nobody):
        pass
    said = str(error.value)
    assert said.startswith(f'--cluster "{nobody}": no Dask scheduler answers within 0.5 s')
    assert said.count(". ") == 0 and said.endswith(".")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "distributed", None)
        with pytest.raises(MissingExtra, match=r'pip install "lebm\[cluster\]"'):
            with on_cluster(nobody):
                pass
    for wrong in ("nonsense", "carrier-pigeon://coop:1", "tcp://host"):
        with pytest.raises(UsageError, match="is no address of a scheduler"), on_cluster(wrong):
            pass
    with on_cluster(""):  # none was asked for
        assert list(in_chunks(squares, range(3))) == [(0, 0), (1, 1), (2, 4)]
