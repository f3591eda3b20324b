"""report.html: one file, nothing fetched, pictures inside."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lebm_core.run.environment import machine, without_home
from lebm_core.run.report.results import ROW_TITLES, Collected, conditions

__all__ = ["page"]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
* { box-sizing: border-box; }
body { font: 15px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 62rem;
  padding: 2rem 1.2rem 4rem; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
p.lead { margin: .3rem 0 1rem; opacity: .8; }
.facts { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; padding: .7rem 1rem;
  background: var(--soft); border-radius: .5rem; font-size: .9rem; } .facts b { font-weight: 600; }
.warn { border-left: 4px solid #e1a100; padding: .4rem .9rem; background: #e1a1001a;
  margin: .6rem 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { padding: .38rem .7rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid var(--line); }
table.text td, table.text th { text-align: left; white-space: normal; vertical-align: top; }
figure { margin: 1.2rem 0; }
figure img { max-width: 100%; height: auto; border-radius: .3rem; background: #fff; }
figcaption { font-size: .85rem; opacity: .75; }
pre { background: var(--soft); padding: .8rem 1rem; border-radius: .5rem; overflow-x: auto;
  font-size: .82rem; }
details { margin: .5rem 0; } summary { cursor: pointer; font-weight: 600; }
"""
MIME = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml"}
SAMPLE_LINES = 40


def page(
    folder: Path,
    results: Collected,
    environment: dict[str, Any],
    figures: Sequence[tuple[str, str, str]],
    table: Sequence[Sequence[str]],
) -> str:
    """The text of report.html.

    Args:
        folder: the run directory.
        results: what was measured.
        environment: of environment.json.
        figures: (row, path relative to the run, caption).
        table: the results as text, heading first.
    """
    title = results.recipe + (f", {results.preset}" if results.preset else "")
    own = [each for each in figures if each[0] == "model"]
    others = [each for each in figures if each[0] != "model"]
    parts = [
        f"<h1>{_e(title)}</h1><p class=lead>{_e(results.summary)}</p>"
        f"<p>seed {results.seed}; <code>{_e(environment.get('command', ''))}</code></p>",
        _facts(results, environment),
        *(f"<p class=warn>{_e(text)}</p>" for text in _warnings(results)),
        "<h2>Results</h2>",
        _table(table) if len(table) > 1 else "<p>No metric has run yet.</p>",
        f"<p>Expected: {_e(results.expected)}.</p>" if results.expected else "",
        "<p>± is the standard error.</p>",
        _definitions(results),
        "<h2>Figures</h2>" if figures else "",
        *(_picture(folder, file, text) for _, file, text in own),
    ]
    if others:
        shown = "".join(_picture(folder, file, f"{row}: {text}") for row, file, text in others)
        parts.append(f"<details><summary>Figures of the controls</summary>{shown}</details>")
    parts += [
        _samples(folder, results),
        "<h2>How it was made</h2>",
        _costs(results),
        _text_file("Data", folder / "data.json"),
        _text_file("Recipe, every option", folder / "recipe.toml"),
        _text_file("Environment", folder / "environment.json"),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_e(title)}</title><style>{STYLE}</style><body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


def _e(text: object) -> str:
    return html.escape(str(text))


def _facts(results: Collected, environment: dict[str, Any]) -> str:
    trained = results.training.get("model", {})
    parameters = sum(trained.get("parameters", {}).values())
    facts = {
        "parameters": f"{parameters:,}" if parameters else "",
        "steps": trained.get("steps", ""),
        "training": f"{results.seconds['model']:.0f} s" if "model" in results.seconds else "",
        "everything": f"{sum(results.seconds.values()):.0f} s",
        "machine": machine(environment) if environment else "",
        "commit": environment.get("commit") or "",
    }
    cells = "".join(f"<span><b>{_e(k)}</b> {_e(v)}</span>" for k, v in facts.items() if v != "")
    return f"<div class=facts>{cells}</div>"


def _warnings(results: Collected) -> list[str]:
    texts = [] if results.complete else ["This run is not complete: some figures are missing."]
    for row, facts in results.training.items():
        texts += [f"{row}: {text}" for text in facts.get("warnings", [])]
    return texts


def _table(table: Sequence[Sequence[str]]) -> str:
    head, *rows = table
    top = "".join(f"<th>{_e(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_e(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    inner = f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody>"
    return f"<div class=scroll><table>{inner}</table></div>"


def _definitions(results: Collected) -> str:
    rows = []
    seen = set()
    for row, values in results.rows.items():
        for name, value in values.items():
            if value.refused:
                label = f"{name}, {ROW_TITLES.get(row, row)}"
                rows.append((label, f"refused: {value.refused}", ""))
            if name not in seen:
                seen.add(name)
                rows.append((name, value.definition, conditions(value)))
    if not rows:
        return ""
    body = "".join("<tr>" + "".join(f"<td>{_e(c)}</td>" for c in row) + "</tr>" for row in rows)
    return (
        "<details><summary>Definitions, sample counts and settings</summary><table class=text>"
        f"<thead><tr><th>metric<th>definition<th>on</thead><tbody>{body}</tbody></table></details>"
    )


def _picture(folder: Path, file: str, caption: str) -> str:
    path = folder / file
    if not path.is_file():
        return ""
    kind = MIME.get(path.suffix.lower())
    if kind is None:
        return _text_file(caption, path)
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        f'<figure><img alt="{_e(caption)}" src="data:{kind};base64,{data}">'
        f"<figcaption>{_e(caption)}</figcaption></figure>"
    )


def _samples(folder: Path, results: Collected) -> str:
    """The first samples of the model and of each control."""
    shown = []
    for row in ("model", *(r for r in results.training if r != "model")):
        part = folder if row == "model" else folder / "controls" / row
        for path in sorted(part.glob("samples.*")):
            if path.suffix.lower() in MIME:
                shown.append(_picture(folder, str(path.relative_to(folder)), row))
            else:
                shown.append(_text_file(row, path, SAMPLE_LINES, row == "model"))
    return "<h2>Samples</h2>" + "".join(shown) if shown else ""


def _costs(results: Collected) -> str:
    rows = [["part", "seconds"], *([k, f"{v:.1f}"] for k, v in results.seconds.items())]
    return f"<details><summary>Time of each part</summary>{_table(rows)}</details>"


def _text_file(title: str, path: Path, lines: int | None = None, opened: bool = False) -> str:
    """A text file, without the paths of the user's home, folded away under its title."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        text = "".join(line for number, line in enumerate(file) if lines is None or number < lines)
    text = without_home(text)
    start = "<details open>" if opened else "<details>"
    return f"{start}<summary>{_e(title)}</summary><pre>{_e(text)}</pre></details>"
