"""The model card of a run: what the model reached, on which data, and how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lebm_core.base.files import inside
from lebm_core.data.needs import needs_of
from lebm_core.errors import LebmError
from lebm_core.models.card import CARD, HEADER, Card
from lebm_core.run.config.recipe import Recipe
from lebm_core.run.environment import machine, without_home
from lebm_core.run.report.results import Collected
from lebm_core.run.report.tables import markdown_lines

__all__ = ["write_card"]

LINES = 5  # of samples
TO_READ = (".txt", ".smi")


def write_card(
    folder: Path,
    recipe: Recipe,
    results: Collected,
    environment: dict[str, Any],
    table: Sequence[Sequence[str]],
    definitions: str,
) -> None:
    """Write the card of a run's saved model anew, with the figures that there are by now.

    Args:
        folder: the run directory, whose model is trained.
        recipe: of the run.
        results: what was measured.
        environment: of environment.json.
        table: the results as strings, heading first.
        definitions: a line for each metric.
    """
    place = folder / "model"
    if not (place / CARD).is_file():
        return
    written = (place / CARD).read_text(encoding="utf-8", errors="replace")
    use = written[written.index("## Use") :].partition("\n## ")[0] if "## Use" in written else ""
    samples, pictures = _samples(folder, results)
    made = [
        ("command", f"`{environment.get('command', '')}`"),
        ("commit", str(environment.get("commit") or "release")),
        ("machine", machine(environment) if environment else ""),
        ("training", f"{results.seconds.get('model', 0):.0f} s, seed {results.seed}"),
    ]
    sections = [
        f"# {results.recipe}" + (f", {results.preset}" if results.preset else ""),
        results.summary,
        use.strip(),
        "## Samples\n\n" + samples if samples else "",
        "## Figures\n\n" + markdown_lines(table) if len(table) > 1 else "",
        definitions,
        "## Data\n\n" + _data(recipe),
        "## How it was made\n\n" + "\n".join(f"- {name}: {fact}" for name, fact in made if fact),
    ]
    content = HEADER + "\n" + "\n\n".join(filter(None, sections)) + "\n"
    Card(without_home(content), pictures).write(place)


def _data(recipe: Recipe) -> str:
    """Name, address and licence of the data set, where declared."""
    name = str(recipe.data["name"])
    try:
        needs = needs_of(name)
    except (LebmError, ImportError):
        needs = None
    if needs is None:
        return f"`{name}`, generated or carried by a package."
    if needs.own:
        return f"`{name}`: the user's own."
    return f"`{name}`: {needs.address}. Licence: {needs.licence or 'not stated'}."


def _samples(folder: Path, results: Collected) -> tuple[str, dict[str, bytes]]:
    """The picture of samples, or some lines of them."""
    for row, file, caption in results.figures:
        path = folder / file
        if row == "model" and path.stem.startswith("samples") and path.suffix == ".png":
            inside(folder, path)
            if path.is_file():
                return f"![{caption}](samples.png)", {"samples.png": path.read_bytes()}
    for path in sorted(folder.glob("samples.*")):
        if path.suffix in TO_READ:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[:LINES]
            return "```\n" + "\n".join(lines) + "\n```", {}
    return "", {}
