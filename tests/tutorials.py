"""docs/tutorials: pages whose blocks are run in their order, and the notebooks made of them.

    python tests/tutorials.py                  # writes every NAME.ipynb from NAME.md
    python tests/tutorials.py NAME FOLDER      # runs NAME.md in FOLDER, and puts into the page what
                                               # its commands printed and drew

In a page, a block of Python or Bash is run. One that begins with "# FILE.py" or "# FILE.toml" is
that file. A block of text after it is its output. "<!-- from FILE -->" before a picture names the
file, in the folder of the run, that the picture is.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import shlex
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

PAGES = Path(__file__).parents[1] / "docs" / "tutorials"
BLOCK = re.compile(r"^```(python|bash|toml|text)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.(?:py|toml))\n")
PICTURE = re.compile(r"<!-- from (\S+) -->\n!\[[^\]]*\]\(([^)]+)\)")
WIDEST = 1000  # pixels of a picture on a page


class Cell(NamedTuple):
    """A piece of a page.

    Attributes:
        kind: markdown, python, bash, file or text (the output of the cell before it).
        text: what it holds.
    """

    kind: str
    text: str


def cells(page: str) -> list[Cell]:
    """Cut a page into its cells."""
    found, at = [], 0
    for block in BLOCK.finditer(page):
        found.append(Cell("markdown", page[at : block.start()]))
        kind = "file" if FILE.match(block[2]) else block[1]
        found.append(Cell(kind, block[2]))
        at = block.end()
    found.append(Cell("markdown", page[at:]))
    return [cell for cell in found if cell.kind != "markdown" or cell.text.strip()]


def notebook(page: str) -> str:
    """Write a page as a notebook (nbformat 4.5), with the outputs that the page shows."""
    entries: list[dict[str, Any]] = []
    for cell in cells(page):
        if cell.kind == "text":
            entries[-1]["outputs"] = [
                {"name": "stdout", "output_type": "stream", "text": _lines(cell.text)}
            ]
            continue
        if cell.kind == "markdown":
            entry: dict[str, Any] = {"cell_type": "markdown", "source": _lines(cell.text.strip())}
        else:
            entry = {"cell_type": "code", "execution_count": None, "outputs": []}
            entry["source"] = _lines(_in_notebook(cell).rstrip("\n"))
        entries.append(entry | {"id": f"cell-{len(entries)}", "metadata": {}})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": entries, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _in_notebook(cell: Cell) -> str:
    if cell.kind == "bash":
        return "".join(f"!{line}\n" for line in _commands(cell.text))
    if cell.kind == "file":
        path, rest = _file(cell.text)
        folder = f"mkdir -p {path.parent}; " if str(path.parent) != "." else ""
        return f"%%bash\n{folder}cat > {path} <<'END'\n{rest}END\n"
    return cell.text


def _file(text: str) -> tuple[Path, str]:
    first, _, rest = text.partition("\n")
    return Path(first.removeprefix("# ")), rest


def _commands(text: str) -> list[str]:
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def run(page: str, smaller: Iterable[tuple[str, str]] = ()) -> Iterator[tuple[Cell, str, float]]:
    """Run a page's cells in the working directory.

    Args:
        page: its text.
        smaller: what is to be replaced in its code, and by what, so that it takes seconds.

    Yields:
        Each cell that is run, with what it printed and the seconds that it took.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells(page):
        if cell.kind not in ("python", "bash", "file"):
            continue
        text = cell.text
        for old, new in smaller:
            text = text.replace(old, new)
        began, printed = time.perf_counter(), io.StringIO()
        with contextlib.redirect_stdout(printed):
            if cell.kind == "python":
                exec(compile(text, "page", "exec"), names)
            elif cell.kind == "bash":
                for command in _commands(text):
                    _shell(command)
            else:
                path, rest = _file(text)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(rest, encoding="utf-8")
        yield cell, printed.getvalue(), time.perf_counter() - began


def _shell(command: str) -> None:
    """Run `lebm ...` in this process; `pip install -e .` makes a plugin known to it alone."""
    program, *words = shlex.split(command, comments=True)
    if program == "lebm":
        from lebm_core.run.cli import main

        code = main(words)
        assert code == 0, f"{command}: exit code {code}"
    else:
        assert command == "pip install -e .", f"cannot run: {command}"
        _install(Path.cwd())


def _install(folder: Path) -> None:
    from lebm_core.registry.registry import discover

    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    named = f"Name: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{named}")
    points = "".join(f"{k} = {v}\n" for k, v in project["entry-points"]["lebm"].items())
    (info / "entry_points.txt").write_text(f"[lebm]\n{points}")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    discover.cache_clear()


def renewed(page: str, folder: Path) -> str:
    """Run a page in a folder; return it with what its cells print now, its pictures renewed."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        outputs = []
        for cell, printed, seconds in run(page):
            print(f"{seconds:7.1f} s  {cell.text.splitlines()[0]}", file=sys.stderr, flush=True)
            outputs.append(printed)
    left = iter(outputs)
    printed = ""

    def put(block: re.Match[str]) -> str:
        nonlocal printed
        if block[1] == "text":
            return f"```text\n{printed.rstrip()}\n```\n"
        printed = next(left) if block[1] != "toml" or FILE.match(block[2]) else ""
        return block[0]

    for source, name in PICTURE.findall(page):
        _picture(folder / source, PAGES / name)
    return BLOCK.sub(put, page)


def _picture(source: Path, target: Path) -> None:
    """Copy a picture, at most `WIDEST` pixels wide and in a palette: pages stay small."""
    from PIL import Image

    picture = Image.open(source).convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture)
    plain = ground.convert("RGB")
    plain.thumbnail((WIDEST, 4 * WIDEST))
    plain.quantize(128).save(target, optimize=True)


def main(words: list[str]) -> None:
    """Write the notebooks, after a run of one page where it is named."""
    if words:
        name, folder = words
        os.environ.setdefault("MPLBACKEND", "agg")
        page = PAGES / f"{name}.md"
        page.write_text(renewed(page.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")
    for page in sorted(PAGES.glob("*.md")):
        text = notebook(page.read_text(encoding="utf-8"))
        page.with_suffix(".ipynb").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
