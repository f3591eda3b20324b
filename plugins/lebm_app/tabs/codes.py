"""The tab of the map."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from lebm_app import html
from lebm_app.answers.codes import CLASS, CodeMap
from lebm_app.explorer import Explorer
from lebm_app.tabs.asking import asked

__all__ = ["codes_tab"]

HINT = "Click the map: one point is decoded, a second one is led to in eight steps."
Marks = list[list[float]]


def codes_tab(explorer: Explorer, tab: Any) -> None:
    """Lay out the tab: the map, drawn when the tab is first opened, and what is decoded."""
    found: list[CodeMap] = []
    lock = threading.Lock()

    def codes() -> CodeMap:
        with lock:
            if not found:
                found.append(CodeMap(explorer))
        return found[0]

    marks = gr.State([])
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            picture = gr.Image(
                None, interactive=False, show_label=False, buttons=[], elem_id="map", format="png",
                alt_text="The codes in two dimensions, and contours of the energy",
            )  # fmt: skip
        with gr.Column(scale=2, min_width=260):
            said = gr.HTML(html.note(HINT), elem_id="map-said")
            colour = gr.Dropdown(["nothing"], value="nothing", label="Colour of the points")
            with gr.Row():
                across = gr.Number(0.0, label="First component", min_width=90)
                up = gr.Number(0.0, label="Second component", min_width=90)
            with gr.Row():
                mark = gr.Button("Decode this point", min_width=120)
                clear = gr.Button("Begin anew", min_width=100)
            answer = gr.HTML("", elem_id="decoded")

    def opened() -> Iterator[tuple[Any, ...]]:
        first = CLASS if CLASS in codes().colourings else codes().colourings[0]
        about = (
            f"{codes().source}; the plane shows {codes().share:.0%} of their variance. Dark is a "
            "low energy -f - log p0 of the prior on the plane through the mean."
        )
        if explorer.missing:
            about += f" The run's data: {explorer.missing}"
        choice = gr.Dropdown(codes().colourings, value=first)
        yield html.note(HINT, about), choice, codes().drawn(first)

    def coloured(name: str, points: Marks) -> Iterator[tuple[Any, ...]]:
        yield html.note(HINT), codes().drawn(name, points)

    def pointed(points: Marks, point: Sequence[float], name: str) -> Iterator[tuple[Any, ...]]:
        now = [*points, list(point)] if len(points) == 1 else [list(point)]
        across_now, up_now = (round(each, 3) for each in now[-1])
        yield decoded(codes(), now), now, codes().drawn(name, now), across_now, up_now

    def clicked(points: Marks, name: str, event: gr.SelectData) -> Iterator[tuple[Any, ...]]:
        yield from pointed(points, codes().point(*map(float, event.index)), name)

    def entered(
        points: Marks, name: str, x: float | None, y: float | None
    ) -> Iterator[tuple[Any, ...]]:
        yield from pointed(points, (float(x or 0), float(y or 0)), name)

    def cleared(name: str) -> Iterator[tuple[Any, ...]]:
        yield "", [], codes().drawn(name)

    asked(tab.select, opened, [], [said, colour, picture])
    asked(colour.input, coloured, [colour, marks], [said, picture])
    outputs = [answer, marks, picture, across, up]
    asked(picture.select, clicked, [marks, colour], outputs)
    asked(mark.click, entered, [marks, colour, across, up], outputs)
    asked(clear.click, cleared, [colour], outputs[:3])


def decoded(codes: CodeMap, points: Marks) -> str:
    """What is decoded at one point and at the nearest code, or between two points."""
    view = codes.explorer.view
    if len(points) == 2:
        x = codes.between(*points)
        context = codes.explorer.contexts(len(x))
        return html.answer(
            [("From the first point to the second", html.shown(view.show(x, context)))]
        )
    one = codes.explorer.contexts(1)
    near = codes.nearest(points[0])
    here = view.show(codes.decoded(codes.code(points[0])), one)
    there = view.show(codes.decoded(codes.z[near : near + 1]), one)
    return html.answer([
        ("At the point, on the plane", html.shown(here)),
        ("At the nearest code, with all its dimensions", html.shown(there)),
    ])  # fmt: skip
