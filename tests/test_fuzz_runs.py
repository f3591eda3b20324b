"""Damaged files of a run, or for one, and every command that reads them: an answer or a sentence.

A failure names the seed: `damaged(files, seed)` is what was done, and for a file that a command is
asked about `mutate(GOOD, random.Random(f"new-{seed}"), NEW)`.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from damage import limited, one_sentence
from mutations import mutate

from lebm_core.errors import LebmError
from lebm_core.run.cli import main
from lebm_core.run.run import run_recipe

EACH, TESTS = 25, 5
TINY = [
    "data.label=kind", "data.batch_size=20", "prior.energy.hidden=[4]", "prior.sampler.steps=2",
    "decoder.hidden=[4]", "encoder.hidden=[4]", "training.max_steps=4", "training.min_steps=0",
    "training.checkpoint_every=2", "training.log_every=1", "training.device=cpu",
    "evaluation.samples=6", 'evaluation.metrics=["labels.accuracy"]', "evaluation.baselines=[]",
]  # fmt: skip
SAMPLE, REPORT, RESUME = "sample", "report", "resume"
READ_BY = {
    "recipe.toml": (SAMPLE, REPORT, RESUME),
    "data.json": (SAMPLE, RESUME),
    "data/columns.json": (SAMPLE,),
    "model/config.json": (SAMPLE,),
    "model/model.safetensors": (SAMPLE,),
    "training.json": (REPORT, RESUME),
    "environment.json": (REPORT, RESUME),
    "evaluation/labels.accuracy.json": (REPORT, RESUME),
    "evaluation/figures.json": (REPORT,),
    "metrics.jsonl": (REPORT,),
    "checkpoints/step-00000004/state.json": (RESUME,),
    "checkpoints/step-00000004/state.safetensors": (RESUME,),
    "checkpoints/step-00000002/state.json": (RESUME,),
}
NEW, ASKED = "new.csv", ("predict", "encode", "score", "complete")


@pytest.fixture(autouse=True)
def no_more_than_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing and the rehearsal of a training take longer than all the rest."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", _blank)
    monkeypatch.setattr("lebm_core.run.run.rehearse", lambda *parts, **how: None)


def _blank(self: object, file: str | Path, **how: object) -> None:
    Path(file).write_bytes(b"")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, and beside it its table and what was left before its end."""
    folder = tmp_path_factory.mktemp("tiny")
    table = np.random.default_rng(0).normal(size=(60, 2)).round(3).tolist()
    rows = [f"{a},{b},{'xy'[i % 2]}" for i, (a, b) in enumerate(table)]
    (folder / "my.csv").write_text("\n".join(["a,b,kind", *rows]) + "\n")
    run = folder / "run"
    source = f"data.source={folder / 'my.csv'}"
    run_recipe("table", "smoke", [source, *TINY], out=run, log=lambda line: None)
    return run


@contextlib.contextmanager
def whole(run: Path) -> Iterator[None]:
    """Put a run back as it was."""
    kept = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    try:
        yield
    finally:
        shutil.rmtree(run)
        for file, content in kept.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def damaged(run: Path, seed: int) -> tuple[str, list[str]]:
    """Damage one file of a run; its name, and the command that reads it."""
    rng = random.Random(f"run-{seed}")
    # A training that goes on takes ten times as long as reading.
    file = rng.choices(list(READ_BY), [1 if "/step-" in name else 4 for name in READ_BY])[0]
    command = rng.choice(READ_BY[file])
    if file.startswith("checkpoints"):  # they are read where the training is not complete
        shutil.rmtree(run / "model")
        (run / "training.json").unlink()
    content = (run / file).read_bytes()
    (run / file).write_bytes(mutate(content, rng, file))
    asked = {
        SAMPLE: ["sample", str(run), "-n", "4", "--out", str(run / "drawn.csv")],
        REPORT: ["report", str(run)],
        RESUME: ["recipe", "table", "--resume", "--out", str(run), "--jobs", "1"],
    }
    return file, asked[command]


def check(run: Path, file: str, code: int, said: str) -> None:
    """What a command may answer: 0, or 1 or 2 with a sentence; samples are numbers."""
    assert "Traceback" not in said and "Unexpected error" not in said, said[-600:]
    assert code in (0, 1, 2), f"exit code {code}"
    if code:
        *_, last = said.strip().split("\n")
        path = Path(file)  # a recipe's messages name the key
        named = (
            []
            if file == "recipe.toml"
            else [path.name, str(path.parent)][: 1 + len(path.parts) // 3]
        )
        one_sentence(last.removeprefix("lebm: "), run.parent, *named)
        assert last.startswith("lebm: "), last[:300]
    elif (run / "drawn.csv").is_file():
        rows = (run / "drawn.csv").read_text().split("\n")[1:-1]
        numbers = [float(cell) for row in rows for cell in row.split(",")[:2]]
        assert len(numbers) == 8 and all(map(math.isfinite, numbers)), rows
    elif (run / "metrics.json").is_file():
        json.loads((run / "metrics.json").read_text(), parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise AssertionError(f"metrics.json holds {name}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(0, EACH * TESTS, EACH))
def test_a_damaged_run_is_read_or_its_file_named(tiny: Path, first: int) -> None:
    failures = []
    for seed in range(first, first + EACH):
        said = io.StringIO()
        with whole(tiny):
            file, command = damaged(tiny, seed)
            try:
                with limited(), contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                    code = main(command)
                check(tiny, file, code, said.getvalue())
            except AssertionError as wrong:
                failures.append(f"run-{seed}, {file}, {command[0]}: {' '.join(str(wrong).split())}")
    assert not failures, "\n" + "\n".join(each[:600] for each in failures)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(0, 2 * EACH, EACH))
def test_of_a_damaged_file_a_run_tells_or_names_it(tiny: Path, first: int) -> None:
    failures = []
    good, answers = (tiny.parent / "my.csv").read_bytes(), tiny.parent / "answers.csv"
    for seed in range(first, first + EACH):
        said, rng = io.StringIO(), random.Random(f"new-{seed}")
        (tiny.parent / NEW).write_bytes(mutate(good, rng, NEW))
        asked = rng.choice(ASKED)
        command = [asked, str(tiny), str(tiny.parent / NEW), "--out", str(answers)]
        answers.unlink(missing_ok=True)
        try:
            with limited(), contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                code = main(command)
            check(tiny, NEW, code, said.getvalue())
            assert answers.is_file() == (code == 0)
            if code == 0:
                told(answers, asked)
        except AssertionError as wrong:
            failures.append(f"new-{seed}, {asked}: {' '.join(str(wrong).split())}")
    assert not failures, "\n" + "\n".join(each[:600] for each in failures)


def told(answers: Path, asked: str) -> None:
    """Refuse rows of other widths, and answers that are no numbers."""
    with answers.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert rows and {len(row) for row in rows} == {len(head)}, head
    beside = {"predict": ("probability",), "encode": ("z1",), "score": ("score",)}
    for name in beside.get(asked, ("a", "b")):
        numbers = [float(row[head.index(name)]) for row in rows]
        assert all(map(math.isfinite, numbers)), name
        assert asked != "predict" or all(0 < p <= 1 for p in numbers), numbers


def test_damage_is_seen(tiny: Path) -> None:
    """Most of the damage is refused: the files are the ones that the commands read."""
    assert main(["report", str(tiny)]) == 0
    with whole(tiny):
        (tiny / "model" / "config.json").write_bytes(b"{")
        assert main(["sample", str(tiny)]) == 2
    for asked in ASKED:
        assert main([asked, str(tiny), str(tiny.parent / "my.csv")]) == 0
    (tiny.parent / NEW).write_bytes(b"a,b\n1,x\n")
    assert main(["predict", str(tiny), str(tiny.parent / NEW)]) == 2


def test_a_model_of_another_file_is_refused(tiny: Path) -> None:
    from lebm_core import LatentEBM

    with whole(tiny):
        (tiny / "model" / "model.safetensors").write_bytes(b"\x00" * 8)
        with pytest.raises(LebmError, match="model.safetensors"):
            LatentEBM.from_pretrained(tiny / "model")
