"""`lebm sweep`: every combination is run once, baselines are shared, a stopped one goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from lebm_core.errors import UsageError
from lebm_core.run import run as running
from lebm_core.run.cli import main
from lebm_core.run.sweep import points_of, sweep

TINY = [
    "training.max_steps=2", "prior.sampler.steps=2,4", "evaluation.samples=20",
    "prior.energy.hidden=[8]",
]  # fmt: skip


def quiet(line: str) -> None:
    pass


def test_a_sweep_is_run_once_and_shares_its_baselines(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [
        "prior.sampler.steps=2,4", "evaluation.baselines=[f0, wide]",
        "baseline.wide.prior.energy.hidden=[8]",
    ]  # fmt: skip
    said: list[str] = []
    table = sweep(toy, given, "", out=tmp_path / "s", log=said.append)
    first, second = (tmp_path / "s" / f"prior.sampler.steps={steps}" for steps in (2, 4))
    shared = [line for line in said if "taken over" in line]
    names = {path.name for path in (first / "baselines").iterdir()}
    # A baseline whose prior has no chain does not depend on the steps of one.
    assert [line.partition(":")[0] for line in shared] == ["f0"] and str(first) in shared[0]
    for name in ("f0", "wide"):
        a, b = (p / "baselines" / name / "training.json" for p in (first, second))
        assert (a.read_bytes() == b.read_bytes()) == (name == "f0")
    assert names == {path.name for path in (second / "baselines").iterdir()} == {"f0", "wide"}
    rows = table.read_text().strip().split("\n")
    assert rows[0].startswith("| prior.sampler.steps |") and len(rows) == 2 + 2 * (1 + len(names))
    assert (tmp_path / "s" / "sweep.png").stat().st_size > 1000

    again: list[str] = []
    monkeypatch.setattr(running, "train_part", None)  # nothing is trained
    assert sweep(toy, given, "", out=tmp_path / "s", log=again.append)
    assert sum("run already" in line for line in again) == 2
    assert table.read_text().strip().split("\n") == rows
    with pytest.raises(UsageError, match="another sweep"):
        sweep(toy, [*given, "seed=5"], "", out=tmp_path / "s", log=quiet)


@pytest.mark.slow
def test_what_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = running.evaluate_part

    def stop(*args: object, **how: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "evaluate_part", stop)
    command = ["sweep", "synthetic-8gaussians", *TINY, "--preset", "smoke", "--jobs", "1"]
    command += ["--out", str(tmp_path / "s")]
    assert main(command) == 130
    trained = tmp_path / "s" / "prior.sampler.steps=2" / "training.json"
    when = trained.stat().st_mtime_ns
    monkeypatch.setattr(running, "evaluate_part", evaluate)
    assert main(command) == 0
    assert trained.stat().st_mtime_ns == when
    assert not list((tmp_path / "s").rglob("INCOMPLETE"))


def test_combinations() -> None:
    fixed, points = points_of(
        ["seed=1", "prior.energy.hidden=[8],[8, 8]", "data.name='a,b'", "x=1,2"]
    )
    assert fixed == ["seed=1", "data.name='a,b'"]
    assert [point.overrides for point in points] == [
        ["prior.energy.hidden=[8]", "x=1"], ["prior.energy.hidden=[8]", "x=2"],
        ["prior.energy.hidden=[8, 8]", "x=1"], ["prior.energy.hidden=[8, 8]", "x=2"],
    ]  # fmt: skip
    assert len({point.name for point in points}) == 4
    assert not any(set(point.name) & set("[]/ ") for point in points)


@pytest.mark.parametrize(("given", "why"), [
    (["seed=1"], "at least one"), (["a=1,2", "a=3,4"], "varies twice"), (["a=1,1"], "twice"),
    (["prior.sampler.stps=1,2"], "prior.sampler.stps"), (["prior.sampler.steps=1,x"], "steps"),
])  # fmt: skip
def test_what_cannot_be_swept_is_refused_before_anything_is_run(
    tmp_path: Path, given: list[str], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        sweep("synthetic-8gaussians", given, "smoke", out=tmp_path / "s", log=quiet)
    assert not (tmp_path / "s").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        sweep("synthetic-8gaussians", TINY, "smoke", out=tmp_path, log=quiet)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
