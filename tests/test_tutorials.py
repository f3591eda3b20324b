"""The tutorials run, in small sizes, and their notebooks are those of their pages."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tutorials

from lebm_core.registry.registry import discover

# Rows of comparison are left out here, and no molecule is valid after a few steps.
NOT_DRAWN = ("short_run/figures/densities.png", "molecules.png")
PAGES = sorted(tutorials.PAGES.glob("*.md"))
SMOKE, ALONE = ("--preset cpu", "--preset smoke"), "--baselines none --jobs 1"
SMALLER = {  # what each page's code becomes, to be quick: no rows of comparison, few steps
    "start": [SMOKE, ("--baselines vae", ALONE), ('"model", "vae"', '"model"')],
    "sentences": [
        SMOKE,
        ("--baselines f0", ALONE + " data.train_lines=100"),
        ("training.epochs=12", "training.epochs=1"),
        ('"model", "f0"', '"model",'),
    ],
    "few-labels": [
        ('"", random_state=0', '"", random_state=0, max_iter=3'),
        ("random_state=seed", "random_state=seed, max_iter=3"),
        ("range(3)", "range(1)"),
    ],
    "molecules": [SMOKE, ("training.epochs=8 ", "data.train_molecules=100 "), ("-n 300", "-n 10")],
    "crowd": [
        SMOKE,
        ("--baselines f0", ALONE),
        ("training.epochs=15", "training.epochs=1 data.train=200"),
        ('results["f0"]', 'results["model"]'),
    ],
    "plane": [
        SMOKE,
        ("--baselines short_run", ALONE),
        ("training.max_steps=600", "training.max_steps=3 evaluation.samples=50"),
        ('"model", "short_run"', '"model",'),
        ("500):", "5):"),
    ],
    "decoder-plugin": [
        ('"cpu"', '"smoke"'),
        ('"training.max_steps=1500"', '"training.max_steps=5", "data.test=100"'),
    ],
    "prior": [
        ('"cpu"', '"smoke"'),
        ('"training.max_steps=400"', '"training.max_steps=5", "data.test=100"'),
        ("in priors.items()", "in [*priors.items()][:1]"),
    ],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; plugins that a page writes in it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in {*sys.modules} - before:
        if name.startswith(("lebm_laplace", "lebm_kernel")):
            del sys.modules[name]
    discover.cache_clear()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_runs(page: Path, folder: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = "".join(cell.text for cell in tutorials.cells(text) if cell.kind != "markdown")
    for old, _ in SMALLER[page.stem]:
        assert old in code, f"{page.name} no longer has {old}"
    ran = list(tutorials.run(text, SMALLER[page.stem]))
    shown = [cell for cell in tutorials.cells(text) if cell.kind == "text"]
    assert len([printed for _, printed, _ in ran if printed]) >= len(shown)
    for source, _ in tutorials.PICTURE.findall(text):
        if not source.endswith(NOT_DRAWN):
            assert (folder / source).is_file(), f"{source} was not drawn"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_runs_as_it_stands(page: Path, folder: Path) -> None:
    os.environ.setdefault("MPLBACKEND", "agg")
    for cell, printed, _ in tutorials.run(page.read_text(encoding="utf-8")):
        assert "nan" not in printed.split(), f"{cell.text}\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_notebook_is_that_of_its_page(page: Path) -> None:
    written = page.with_suffix(".ipynb").read_text(encoding="utf-8")
    expected = tutorials.notebook(page.read_text(encoding="utf-8"))
    assert written == expected, "run: python tests/tutorials.py"
    cells = json.loads(written)["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)


def test_every_block_of_code_is_run() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        kinds = [cell.kind for cell in tutorials.cells(text)]
        fences = text.count("\n```") // 2
        assert len([kind for kind in kinds if kind != "markdown"]) == fences, page.name
        assert "toml" not in kinds, f"{page.name}: a block of TOML names its file first"
        outputs = [kinds[i - 1] for i, kind in enumerate(kinds) if kind == "text"]
        assert {*outputs} <= {"python", "bash"}, f"{page.name}: an output that no code has"


def test_an_output_is_put_below_the_code_that_printed_it(folder: Path) -> None:
    page = "A\n\n```python\nprint(6 * 7)\n```\n\n```text\nold\n```\n\n```python\nx = 1\n```\n"
    renewed = tutorials.renewed(page, folder / "run")
    assert renewed == page.replace("old", "42")
    cells = json.loads(tutorials.notebook(renewed))["cells"]
    assert cells[1]["outputs"][0]["text"] == ["42\n"] and cells[2]["outputs"] == []
