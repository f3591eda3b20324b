"""Work on molecules with a limit of time for each, and a map over chunks of them by joblib."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import joblib
import pytest

from lebm_core.base import parallel as chunks
from lebm_core.errors import RunError, UsageError
from lebm_molecules.chemistry import limited as module
from lebm_molecules.chemistry import parallel
from lebm_molecules.chemistry.limited import Refused, limited
from lebm_molecules.chemistry.parallel import mapped
from lebm_molecules.chemistry.rdkit import canonical
from lebm_molecules.metrics import distribution_scores, quality_scores
from lebm_molecules.metrics.distribution_scores import described
from lebm_molecules.metrics.quality_scores import Invalid, evaluate

SLOW = 10**7  # whose factorial takes minutes, and cannot be interrupted


def failing(n: int) -> Iterator[int]:
    yield from range(n)
    raise UsageError("line 1,001 is damaged")


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order_and_errors_of_the_input_are_raised(
    processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 5)
    expected = [(n, math.factorial(n)) for n in range(23)]
    assert list(mapped(math.factorial, range(23), processes)) == expected
    with joblib.parallel_config(backend="sequential"):  # the caller chooses the backend
        assert list(mapped(math.factorial, range(23), processes)) == expected
    for n in (0, 40):
        with pytest.raises(UsageError, match="line 1,001 is damaged"):
            list(mapped(math.factorial, failing(n), processes))
    with pytest.raises(UsageError, match="--workers = -1 is too small"):
        list(mapped(math.factorial, range(3), -1))


def test_what_takes_too_long_is_refused_and_the_rest_is_not() -> None:
    found = limited(math.factorial, [3, SLOW, 4], seconds=0.1)
    assert found == [6, Refused("RDKit works on it for longer than 0.1 s"), 24]


def test_what_ends_the_process_is_refused_and_what_is_raised_is_raised() -> None:
    survived, died = signal.SIGURG, signal.SIGSEGV
    assert limited(signal.raise_signal, [survived, died, survived]) == [
        None, Refused("RDKit's process does not survive it (signal 11)"), None,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="factorial"):
        limited(math.factorial, [-1])
    assert limited(math.factorial, [3]) == [6]


def test_a_process_that_does_not_start_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_idle", {})
    for start, said in (("exit(3)", "ends at once"), ("", "ends at once")):
        monkeypatch.setattr(module, "START", start)
        with pytest.raises(RunError, match=said):
            limited(math.factorial, [3])
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(RunError, match="No process could be started for RDKit"):
        limited(math.factorial, [3])


def test_no_process_stays_when_the_one_who_asked_is_killed() -> None:
    code = (
        "import math, os; from lebm_molecules.chemistry import limited as m; "
        "m.limited(math.factorial, [3]); "
        "print(m._idle[os.getpid()][0].process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(int(done.stdout), 0)
            signal.sigtimedwait([], 0.05)


def test_processes_do_not_load_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is 200 MB and more than a second in each."""
    modules = []

    def read(function: Any, items: Any, processes: int, easy: Any = None) -> Any:
        modules.append(getattr(function, "func", function).__module__)
        return ((item, function(item)) for item in items)

    for scores in (quality_scores, distribution_scores):
        monkeypatch.setattr(scores, "mapped", read)
    evaluate([(1, "CC"), (2, "CCC")], [(1, "CC"), (2, "CCO")])
    code = f"import sys, {', '.join(set(modules))}; sys.exit('torch' in sys.modules)"
    assert len(modules) == 4 and subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_molecule_that_takes_too_long_is_counted_and_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reason = "RDKit works on it for longer than 10 s"

    def read(function: Any, lines: Any, processes: int) -> Any:
        return ((line, Refused(reason) if line[0] == 2 else function(line)) for line in lines)

    monkeypatch.setattr(quality_scores, "mapped", read)
    bad: list[Invalid] = []
    found = evaluate([(1, "CC"), (2, "CCC"), (3, "CO")], invalid=bad.append)
    told = {"valid": 2, "lines": 3, "given up by RDKit's limit of time": 1}
    assert found["validity"].extra == told and bad == [Invalid(2, "CCC", reason)]


def test_what_cannot_be_described_in_time_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution_scores, "describe", math.factorial)
    monkeypatch.setattr(distribution_scores, "EASY", None)
    monkeypatch.setattr(parallel, "limited", partial(limited, seconds=0.1))
    assert described([3, SLOW, 4]) == [(3, 6), (4, 24)]  # type: ignore[list-item, comparison-overlap]


@pytest.mark.slow
def test_ten_atoms_each_bound_to_each_do_not_hold_the_evaluator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RDKit reads them at once, and matches a pattern of PAINS for minutes."""
    rings = iter(range(100, 1_000))
    bonds = {(a, b): next(rings) for b in range(10) for a in range(b - 1)}
    atoms = [
        "*" + "".join(f"%({n})" for pair, n in bonds.items() if atom in pair) for atom in range(10)
    ]
    complete = "".join(atoms)
    assert canonical(complete)[0] is not None
    monkeypatch.setattr(parallel, "limited", partial(limited, seconds=0.5))
    found = evaluate(list(enumerate(["CC", complete, "CO"], 1)), list(enumerate(["CC", "CO"], 1)))
    assert found["validity"].value == 1 and found["wasserstein_weight"].n == 2
