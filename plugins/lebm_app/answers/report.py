"""The figures and the table of the run's report."""

from __future__ import annotations

from lebm_app import html
from lebm_app.explorer import Explorer

__all__ = ["report"]


def report(explorer: Explorer) -> str:
    """What the run was, its table of results, and the pictures of its model."""
    run = explorer.run
    recipe = run.recipe
    facts = [recipe.summary, f"Preset {recipe.preset}." if recipe.preset else ""]
    sections = [(recipe.name, html.note(*facts)), ("Results", html.table(run.table))]
    pictures = "".join(
        html.picture(file.read_bytes(), caption) for file, caption in run.figures if file.is_file()
    )
    if pictures:
        sections.append(("Figures", f'<div class="figures">{pictures}</div>'))
    return html.answer(sections)
