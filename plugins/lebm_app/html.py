"""Answers as HTML: pictures, lines and tables, all of it escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from lebm_core.base.table import Table
from lebm_core.data.view import Shown

__all__ = ["answer", "error", "note", "picture", "shown", "table"]

ROWS = 64  # of a table, at most
DIGITS = 4


def picture(png: bytes, caption: str = "", kind: str = "") -> str:
    """A PNG with its caption; without a PNG the caption alone."""
    data = base64.b64encode(png).decode()
    alt = escape(caption or "A sample")
    image = f'<img alt="{alt}" src="data:image/png;base64,{data}">' if png else ""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="{kind}">{image}{below}</figure>'


def shown(examples: Shown, captions: Sequence[str] = ()) -> str:
    """Examples in a grid, a list or a table.

    Args:
        examples: as their view shows them.
        captions: one for each picture, in the place of its own.
    """
    parts = []
    if examples.pictures:
        named = [
            (png, captions[i] if i < len(captions) else own)
            for i, (png, own) in enumerate(examples.pictures)
        ]
        kind = "sharp" if examples.pixelated else ""
        alone = " alone" if len(named) == 1 else ""
        each = "".join(picture(png, caption, kind) for png, caption in named)
        parts.append(f'<div class="examples {kind}{alone}">{each}</div>')
    if examples.lines:
        items = "".join(f"<li>{escape(line) or '<em>nothing</em>'}</li>" for line in examples.lines)
        parts.append(f'<ol class="lines">{items}</ol>')
    if examples.table is not None:
        parts.append(table(examples.table))
    return "".join(parts)


def table(values: Table) -> str:
    """A table, its first rows."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in values.names)
    rows = values.rows()
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(_written(v))}</td>' for v in row)}</tr>" for row in rows[:ROWS]
    )
    more = note(f"{len(rows) - ROWS:,} further rows.") if len(rows) > ROWS else ""
    return (
        f'<div class="values"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"</div>{more}"
    )


def _written(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def note(*sentences: str) -> str:
    """Sentences below or above an answer."""
    return f'<p class="aside">{escape(" ".join(filter(None, sentences)))}</p>'


def error(sentence: str) -> str:
    """What is wrong, in one sentence."""
    return f'<p class="wrong" role="alert">{escape(" ".join(sentence.split()))}</p>'


def answer(sections: Iterable[tuple[str, str]]) -> str:
    """Sections with a heading each; their bodies are HTML."""
    return "".join(f"<section><h3>{escape(head)}</h3>{body}</section>" for head, body in sections)
