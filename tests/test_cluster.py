"""A Dask cluster of two worker processes: the same figures, the same limits, lost workers."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import joblib
import pytest
from typer.testing import CliRunner

from lebm_core.base import parallel as chunks
from lebm_core.base.parallel import in_chunks, on_cluster
from lebm_core.errors import RunError, UsageError
from lebm_molecules.chemistry import parallel
from lebm_molecules.chemistry.limited import Refused, limited
from lebm_molecules.chemistry.parallel import mapped
from lebm_molecules.cli import app
from lebm_molecules.metrics.quality_scores import Invalid, evaluate

distributed = pytest.importorskip("distributed")

SLOW = 10**7  # whose factorial takes minutes, and cannot be interrupted
CHAINS = [f"{'C' * a}{x}{'C' * b}" for a in range(1, 6) for b in range(1, 5) for x in "NOS"]
RINGS = [f"C1CCCCC1{chain}c1ccccc1" for chain in CHAINS[:20]]
MADE = CHAINS + RINGS + ["nonsense", "C(C)(C)(C)(C)C", *CHAINS[::3]]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The scheduler of two worker processes, daemons as Dask starts them by default."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 10)
    monkeypatch.setattr(chunks, "SECONDS", 60.0)  # a busy machine starts workers slowly


def test_the_command_gives_the_same_figures_to_the_last_digit(address: str, tmp_path: Path) -> None:
    made, train = tmp_path / "made.smi", tmp_path / "train.smi"
    made.write_text("\n".join(MADE))
    train.write_text("\n".join(CHAINS[::2] + RINGS[::2]))
    printed, listed = [], []
    for where in (("--workers", "1"), ("--cluster", address)):
        bad = tmp_path / "bad.csv"
        asked = ["evaluate", str(made), "--train", str(train), "--invalid", str(bad), "--json"]
        done = CliRunner().invoke(app, [*asked, *where])
        assert done.exit_code == 0, done.output
        printed.append(done.stdout)
        listed.append(bad.read_bytes())
    assert printed[0] == printed[1] and listed[0] == listed[1]
    both = CliRunner().invoke(app, [*asked, "--workers", "2", "--cluster", address])
    assert "--workers = 2 is of this machine" in str(both.exception)
    assert '"wasserstein_logP"' in printed[0] and listed[0].count(b"\n") == 3


def test_python_chooses_the_cluster_by_joblib(address: str) -> None:
    lines = list(enumerate(MADE, 1))
    bad: list[list[Invalid]] = [[], []]
    alone = evaluate(lines, lines[::2], invalid=bad[0].append)
    with distributed.Client(address), joblib.parallel_config(backend="dask"):
        assert evaluate(lines, lines[::2], invalid=bad[1].append) == alone
    assert bad[0] == bad[1] and len(bad[0]) == 2


def test_both_workers_work_and_this_process_does_not(address: str) -> None:
    def at(numbers: list[int]) -> list[int]:
        return [os.getpid()] * len(numbers)

    with on_cluster(address):
        done = list(in_chunks(at, range(200)))
    assert [number for number, _ in done] == list(range(200))
    workers = {process for _, process in done}
    assert len(workers) == 2 and os.getpid() not in workers


def test_limits_of_time_and_lost_processes_are_refused_there_too(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "limited", partial(limited, seconds=0.1))
    with on_cluster(address):
        found = [result for _, result in mapped(math.factorial, [3, SLOW, 4])]
        assert found == [6, Refused("RDKit works on it for longer than 0.1 s"), 24]
        found = [result for _, result in mapped(signal.raise_signal, [signal.SIGSEGV])]
        assert found == [Refused("RDKit's process does not survive it (signal 11)")]
        with pytest.raises(ValueError, match="factorial"):  # what is raised there is raised here
            list(mapped(math.factorial, [3, -1]))


def test_workers_of_another_version_too_few_and_none_at_all_are_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as changed:
        changed.setattr(chunks, "version", lambda name: f"1.{os.getpid()}")
        with pytest.raises(UsageError, match=r"worker tcp.* has lebm 1\.\d+, and here is 1\.\d+"):
            with on_cluster(address):
                pass
    monkeypatch.setattr(chunks, "SECONDS", 0.5)
    cluster = partial(distributed.LocalCluster, processes=False, dashboard_address=None)
    for workers in (0, 1):
        with cluster(n_workers=workers, threads_per_worker=1) as few:
            why = f"its workers have {workers} cores in all; a cluster is used from two on"
            with pytest.raises(UsageError, match=why), on_cluster(few.scheduler_address):
                pass


def test_the_work_of_a_worker_that_ends_is_done_by_another(address: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the cluster gave the work up .KilledWorker"):
        with on_cluster(address):
            last = SimpleNamespace(address="tcp://w:1")
            raise distributed.KilledWorker("chunk", last, 3)  # as Dask does after the third
    gone, here = tmp_path / "gone", os.getpid()

    def once(numbers: list[int]) -> list[int]:
        if os.getpid() != here and not gone.exists():
            gone.touch()
            os._exit(1)
        return [n * n for n in numbers]

    with on_cluster(address):
        assert list(in_chunks(once, range(100))) == [(n, n * n) for n in range(100)]
    assert gone.exists()
