"""The tab of one's own example."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from lebm_app.answers.own import HIDDEN, answers
from lebm_app.explorer import Explorer
from lebm_app.tabs.asking import asked, seed_of
from lebm_core.errors import UsageError

__all__ = ["own_tab"]

MOST_FIELDS = 24  # of a row, beyond which it is one line
LONGEST = 5000  # characters
PNG = "data:image/png;base64,"
SIDE, PEN, STROKE = 280, 22, 1.3  # pixels; the pen is at least so many of the model's
CANVAS = """<div class="pad"><canvas width="280" height="280" data-pen="%d"
 aria-label="Draw here, white on black"></canvas><button type="button">Clear</button></div>"""
DRAW = (Path(__file__).parents[1] / "draw.js").read_text(encoding="utf-8")

Read = Callable[[Sequence[Any]], Any]  # values of the components -> what was entered


def own_tab(explorer: Explorer) -> None:
    """Lay out the tab: what the kind of data asks for on the left, the answers on the right."""
    view = explorer.view
    with gr.Row():
        with gr.Column(scale=2, min_width=260):
            fields, read = _entry(explorer)
            example = gr.Number(
                0, precision=0, minimum=0, visible=bool(explorer.split),
                label=f"Or an example of the split {explorer.split}, by its number",
                info="0: your own",
            )  # fmt: skip
            wanted = gr.CheckboxGroup(
                list(explorer.does), value=list(explorer.does), label="Answers"
            )
            hidden = gr.Dropdown(
                list(HIDDEN), value=HIDDEN[0], label="Hidden, to be completed",
                visible=view.asks == "drawing" and "Complete" in explorer.does,
            )  # fmt: skip
            seed = gr.Number(0, precision=0, minimum=0, label="Seed")
            with gr.Row():
                ask = gr.Button("Ask the model", variant="primary", elem_id="ask", min_width=120)
                stop = gr.Button("Stop", min_width=80)
        with gr.Column(scale=3, min_width=300):
            answer = gr.HTML("", elem_id="answers")

    def run(
        number: float | None, hides: str, names: list[str], start: Any, *values: Any
    ) -> Iterator[tuple[str]]:
        entered: Any = int(number or 0) or read(values)
        ordered = [name for name in explorer.does if name in names]
        yield (answers(explorer, entered, hides, ordered, seed_of(start)),)

    asked(ask.click, run, [example, hidden, wanted, seed, *fields], [answer], stop)


def _entry(explorer: Explorer) -> tuple[list[Any], Read]:
    """The components for an example, and how their values become what was entered."""
    view = explorer.view
    if view.asks == "line":
        line = gr.Textbox(
            explorer.first, label=view.label, lines=2, max_length=LONGEST, elem_id="line"
        )
        return [line], _line
    if view.asks == "row":
        return _row(explorer)
    if not view.asks:
        gr.Markdown("This kind of data reads no further examples: take one of the run's.")
        return [], lambda values: _nothing()
    types = list(view.suffixes) or None
    if view.asks == "file":
        file = gr.File(label=view.label, file_types=types, elem_id="file", height=140)
        return [file], lambda values: _file(values[0])
    pen = max(PEN, STROKE * SIDE / explorer.data.sizes.get("side", SIDE))
    pad = gr.HTML("", html_template=CANVAS % pen, js_on_load=DRAW, elem_id="pad")
    file = gr.File(label="Or a file, in place of the drawing", file_types=types, elem_id="file",
                   height=160)  # fmt: skip
    return [pad, file], _drawing


def _row(explorer: Explorer) -> tuple[list[Any], Read]:
    """A component for each column, or one line of them all."""
    fields = explorer.view.fields()
    names = [each.name for each in fields]
    if len(fields) > MOST_FIELDS:
        values = ", ".join(each.value for each in fields)
        info = ", ".join(names)
        line = gr.Textbox(
            values, label="A row, with commas between its values", lines=4, max_length=LONGEST,
            info=f"In the order {info[:400]}{'...' if len(info) > 400 else ''}", elem_id="line",
        )  # fmt: skip
        return [line], lambda given: _split(given[0], names)
    found: list[Any] = []
    for each in fields:
        hint = "Empty: not known" if each.optional else None
        if each.choices:
            words = [*([""] if each.optional else []), *each.choices]
            found.append(gr.Dropdown(words, value=each.value, label=each.name, info=hint))
        else:
            found.append(gr.Textbox(each.value, label=each.name, info=hint, max_length=50))
    return found, lambda given: dict(zip(names, map(_string, given), strict=True))


def _string(value: Any) -> str:
    return str(value if value is not None else "").strip()


def _line(values: Sequence[Any]) -> str:
    if not (line := _string(values[0])):
        raise UsageError("Enter something first.")
    return line


def _split(line: Any, names: Sequence[str]) -> dict[str, str]:
    values = [each.strip() for each in _string(line).split(",")]
    if len(values) != len(names):
        raise UsageError(f"A row has {len(names)} values with commas between, not {len(values)}.")
    return dict(zip(names, values, strict=True))


def _nothing() -> Any:
    raise UsageError("Give the number of an example of the run.")


def _file(value: Any) -> Path:
    if not value:
        raise UsageError("Give a file first, or the number of an example.")
    return Path(str(value))


def _drawing(values: Sequence[Any]) -> Path:
    """The file that was given, or the drawing as one."""
    drawn, file = values
    if file:
        return _file(file)
    string = str(drawn or "")
    if not string.startswith(PNG):
        raise UsageError("Draw something first, or give a file.")
    try:
        content = base64.b64decode(string.removeprefix(PNG), validate=True)
    except binascii.Error:
        raise UsageError("The drawing did not arrive as a whole: draw it once more.") from None
    with tempfile.NamedTemporaryFile(suffix=".png", prefix="drawing-", delete=False) as out:
        out.write(content)
    return Path(out.name)
