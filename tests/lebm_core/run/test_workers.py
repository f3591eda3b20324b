"""Parts side by side: results, errors, and what cannot be sent to another process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from lebm_core.errors import Interrupted, RunError, UsageError
from lebm_core.run.process.signals import signal_of, stoppable
from lebm_core.run.process.workers import Workers


def note(folder: Path, name: str, *, log: Any) -> None:
    (folder / name).write_text(f"{os.getpid()} {torch.get_num_threads()}")


def fail(folder: Path, name: str, *, log: Any) -> None:
    begun = folder / "begun"
    if name == "bad":
        begun.touch()
        raise RunError("the bad one failed")
    end = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < end:  # a process may take long to start
        time.sleep(0.05)
    time.sleep(2)  # while the bad one ends
    note(folder, name, log=log)


def die(folder: Path, name: str, *, log: Any) -> None:
    os._exit(7)


def each(work: Any, folder: Path, names: str, jobs: int = 2) -> None:
    Workers(jobs, len(names), "cpu").each(work, [(folder, name) for name in names], None)


def test_parts_run_in_processes_of_their_own_with_a_share_of_the_cores(tmp_path: Path) -> None:
    each(note, tmp_path, "abc")  # three parts, two at once
    pids = []
    for name in "abc":
        pid, threads = (tmp_path / name).read_text().split()
        pids.append(int(pid))
        assert int(threads) == Workers(2, 3, "cpu").threads
    assert len({*pids, os.getpid()}) == 4


def test_one_part_or_one_job_stays_in_this_process(tmp_path: Path) -> None:
    each(note, tmp_path, "x")
    each(note, tmp_path, "ab", jobs=1)
    for name in "xab":
        assert int((tmp_path / name).read_text().split()[0]) == os.getpid()


def test_the_first_error_is_raised_and_those_begun_end_well(tmp_path: Path) -> None:
    parts = [(tmp_path, name) for name in ("good", "bad", "late")]
    with pytest.raises(RunError, match="the bad one failed") as raised:
        Workers(2, 2, "cpu").each(fail, parts, None)
    assert "in fail" in "".join(raised.value.__notes__)  # where, for LEBM_DEBUG=1
    assert (tmp_path / "good").is_file() and not (tmp_path / "late").exists()


def test_a_worker_that_dies_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="ended with exit code 7"):
        each(die, tmp_path, "ab")


def test_what_cannot_be_pickled_is_done_here(tmp_path: Path) -> None:
    class Odd(type(tmp_path)):  # type: ignore[misc]
        """A class of this function: other processes cannot find it."""

    each(note, Odd(tmp_path), "ab")
    assert int((tmp_path / "b").read_text().split()[0]) == os.getpid()


def stay(folder: Path, name: str, *, log: Any) -> None:
    note(folder, name, log=log)
    came = 0
    with contextlib.suppress(KeyboardInterrupt):
        time.sleep(60)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:  # a second signal would end the saving
        try:
            came += 1
            time.sleep(0.3)
            break
        except KeyboardInterrupt:
            continue
    (folder / f"{name}-saved").write_text(str(came))
    raise Interrupted("saved")


def test_a_signal_to_all_processes_reaches_each_worker_once(tmp_path: Path) -> None:
    def send() -> None:
        end = time.monotonic() + 120
        pids = []
        for name in "ab":
            while time.monotonic() < end and not (tmp_path / name).exists():
                time.sleep(0.02)
            pids.append(int((tmp_path / name).read_text().split()[0]))
        for pid in (*pids, os.getpid()):  # as a scheduler does
            os.kill(pid, signal.SIGTERM)

    sender = threading.Thread(target=send)
    with stoppable(), pytest.raises(KeyboardInterrupt) as caught:
        sender.start()
        each(stay, tmp_path, "ab")
    sender.join()
    assert signal_of(caught.value) == signal.SIGTERM
    assert [(tmp_path / f"{name}-saved").read_text() for name in "ab"] == ["1", "1"]


SCRIPT = """
import os, sys, time
from pathlib import Path
from lebm_core.run.process.workers import Workers

def wait(folder, name, *, log):
    (folder / name).write_text(str(os.getpid()))
    time.sleep(600)

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    Workers(2, 2, "cpu").each(wait, [(folder, "a"), (folder, "b")], None)
"""


def test_a_killed_parent_leaves_no_worker_behind(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)])}
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    pids = [pid_in(tmp_path / name, parent) for name in "ab"]
    parent.kill()
    parent.wait()
    end = time.monotonic() + 30
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    left = [pid for pid in pids if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def pid_in(file: Path, parent: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + 120
    while time.monotonic() < end and parent.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            return int(file.read_text())
        time.sleep(0.05)
    parent.kill()
    pytest.fail("the worker did not begin")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return not Path("/proc/self/stat").exists()
        return False
    return state != "Z"


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
