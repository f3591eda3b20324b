"""The tab of the chain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from lebm_app import html
from lebm_app.answers.chain import LONGEST, Steps, chain
from lebm_app.answers.samples import ANY
from lebm_app.explorer import Explorer
from lebm_app.tabs.asking import asked, seed_of

__all__ = ["chain_tab"]


def chain_tab(explorer: Explorer) -> None:
    """Lay out the tab: the chain as it runs, its energy, and a slider back over its steps."""
    held = gr.State(None)
    classes = explorer.classes if explorer.model.density is explorer.model else []
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            y = gr.Dropdown([ANY, *classes], value=ANY, label="Class", visible=bool(classes))
            steps = gr.Number(
                0, precision=0, minimum=0, maximum=LONGEST, label="Steps", info="0: as in the run"
            )
            seed = gr.Number(0, precision=0, minimum=0, label="Seed")
            with gr.Row():
                start = gr.Button("Run", variant="primary", elem_id="run-chain", min_width=80)
                stop = gr.Button("Stop", min_width=80)
            step = gr.Slider(0, 1, 0, step=1, label="Step", interactive=True, visible=False,
                             elem_id="step")  # fmt: skip
        with gr.Column(scale=3, min_width=300):
            said = gr.Markdown("", elem_id="chain-said", elem_classes="said")
            grid = gr.HTML("", elem_id="chain")
            energy = gr.HTML("", elem_id="energy")

    def run(of: str, n: float | None, begin: Any) -> Iterator[tuple[Any, ...]]:
        for shown, told, found in chain(explorer, of, int(n or 0), seed_of(begin)):
            if found is None:
                yield shown, told, gr.skip(), gr.skip(), gr.skip()
                continue
            last = max(found.states)
            slider = gr.Slider(0, last, last, step=1, visible=True)
            yield shown, told, found.drawn(last), slider, found

    def moved(to: float, found: Steps | None) -> Iterator[tuple[Any, ...]]:
        if found is None:
            yield html.note("Run the chain first."), "", gr.skip()
            return
        shown, told = found.at(explorer, int(to))
        yield shown, told, found.drawn(int(to))

    asked(start.click, run, [y, steps, seed], [grid, said, energy, step, held], stop)
    asked(step.release, moved, [step, held], [grid, said, energy])
