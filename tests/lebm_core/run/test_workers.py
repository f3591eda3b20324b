"""Parts side by side: results, errors, and what cannot travel."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from lebm_core.errors import RunError, UsageError
from lebm_core.run.workers import Workers


def note(folder: Path, name: str, *, log: Any) -> None:
    (folder / name).write_text(f"{os.getpid()} {torch.get_num_threads()}")


def fail(folder: Path, name: str, *, log: Any) -> None:
    if name == "bad":
        raise RunError("the bad one failed")
    time.sleep(0.5)
    note(folder, name, log=log)


def test_parts_run_in_processes_of_their_own_with_a_share_of_the_cores(tmp_path: Path) -> None:
    with Workers(2, 2, "cpu") as workers:
        workers.each(note, [(tmp_path, "a"), (tmp_path, "b")], None)
        share = workers.threads
    for name in ("a", "b"):
        pid, threads = (tmp_path / name).read_text().split()
        assert int(pid) != os.getpid()
        assert int(threads) == share


def test_one_part_or_one_job_stays_in_this_process(tmp_path: Path) -> None:
    with Workers(2, 2, "cpu") as workers:
        workers.each(note, [(tmp_path, "alone")], None)
    with Workers(1, 5, "cpu") as workers:
        workers.each(note, [(tmp_path, "a"), (tmp_path, "b")], None)
    for name in ("alone", "a", "b"):
        assert int((tmp_path / name).read_text().split()[0]) == os.getpid()


def test_the_first_error_is_raised_and_those_begun_end_well(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the bad one failed"), Workers(2, 2, "cpu") as workers:
        workers.each(fail, [(tmp_path, "good"), (tmp_path, "bad")], None)
    assert (tmp_path / "good").is_file()


def test_what_cannot_be_pickled_is_done_here(tmp_path: Path) -> None:
    class Odd(type(tmp_path)):  # type: ignore[misc]
        """A class of this function: other processes cannot find it."""

    with Workers(2, 2, "cpu") as workers:
        workers.each(note, [(Odd(tmp_path), "a"), (Odd(tmp_path), "b")], None)
    assert int((tmp_path / "b").read_text().split()[0]) == os.getpid()


def test_jobs_are_counted() -> None:
    with pytest.raises(UsageError, match="--jobs must be at least 1, not 0"):
        Workers(0, 2, "cpu")
    assert Workers(None, 9, "cpu", log=print).jobs == 1


@pytest.mark.parametrize(
    ("jobs", "parts", "at_once", "each"), [(4, 3, 1, 4), (4, 3, 3, 1), (4, 2, 2, 2), (1, 3, 1, 1)]
)
def test_a_part_that_is_alone_may_use_all_processes(
    jobs: int, parts: int, at_once: int, each: int
) -> None:
    assert Workers(jobs, parts, "cpu").share(at_once) == each


def test_a_library_call_starts_no_process_unasked() -> None:
    assert Workers(None, 9, "cpu", log=print).share(1) == 1
