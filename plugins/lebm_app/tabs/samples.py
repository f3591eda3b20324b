"""The tab of samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from lebm_app.answers.samples import ANY, EXTREMES, KINDS, MOST, Wish, samples
from lebm_app.explorer import Explorer
from lebm_app.tabs.asking import asked, seed_of

__all__ = ["samples_tab"]

STRONGEST = 5.0


def samples_tab(explorer: Explorer) -> None:
    """Lay out the tab: what is asked on the left, the grid on the right."""
    fields: dict[str, Any] = {}
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            fields["n"] = gr.Slider(1, MOST, 24, step=1, label="Samples")
            fields["seed"] = gr.Number(0, precision=0, minimum=0, label="Seed")
            if explorer.classes:
                fields["y"] = gr.Dropdown([ANY, *explorer.classes], value=ANY, label="Class")
                fields["y_strength"] = _strength("Strength of the class; 1 is Bayes' rule")
            if explorer.properties:
                names = [ANY, *explorer.properties]
                fields["name"] = gr.Dropdown(names, value=ANY, label="Property")
                kinds = [*KINDS, *EXTREMES]
                fields["kind"] = gr.Dropdown(kinds, value="at least", label="It is")
                fields["value"] = gr.Number(0.0, label="Value")
                fields["strength"] = _strength("Strength of the property")
            fields["controls"] = gr.Textbox(
                "", label="Further controls", max_length=500,
                info="As --control takes them, with spaces between: not:y=2 qed>0.8@2",
                visible=bool(explorer.classes or explorer.properties),
            )  # fmt: skip
            if explorer.conditioned:
                fields["example"] = gr.Number(
                    1, precision=0, minimum=0, label=f"Scene of the split {explorer.split}",
                    info="0: one sample for each of the first ones",
                )  # fmt: skip
            for name, default in explorer.decoding.items():
                high = 1.0 if name == "top_p" else 2.0
                fields[name] = gr.Slider(
                    0.05, high, default, step=0.05, label=name.replace("_", " ").capitalize()
                )
            with gr.Row():
                draw = gr.Button("Draw", variant="primary", elem_id="draw", min_width=80)
                stop = gr.Button("Stop", min_width=80)
        with gr.Column(scale=3, min_width=300):
            said = gr.Markdown("", elem_id="samples-said", elem_classes="said")
            grid = gr.HTML("", elem_id="samples")
    names = list(fields)

    def ask(*given: Any) -> Iterator[tuple[str, str]]:
        known = dict(zip(names, given, strict=True))
        decoding = {name: float(known.pop(name)) for name in explorer.decoding}
        wish = Wish(decoding=decoding, **{k: v for k, v in known.items() if k not in WHOLE})
        wish.n, wish.seed = int(known["n"] or 1), seed_of(known["seed"])
        wish.example = min(int(known.get("example") or 0), max(1, len(explorer.rows)))
        yield from samples(explorer, wish)

    asked(draw.click, ask, list(fields.values()), [grid, said], stop)


WHOLE = ("n", "seed", "example")


def _strength(label: str) -> Any:
    return gr.Slider(0, STRONGEST, 1.0, step=0.1, label=label)
