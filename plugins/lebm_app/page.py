"""The page: its tabs, its looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from lebm_app.answers.report import report
from lebm_app.explorer import Explorer
from lebm_app.tabs.asking import asked
from lebm_app.tabs.chain import chain_tab
from lebm_app.tabs.codes import codes_tab
from lebm_app.tabs.own import own_tab
from lebm_app.tabs.samples import samples_tab

__all__ = ["UPLOAD", "looks", "page"]

UPLOAD = "10mb"  # the largest file that is taken


def page(explorer: Explorer) -> Any:
    """The page of a run, to be served or launched."""
    with gr.Blocks(analytics_enabled=False, fill_width=True, title=_title(explorer)) as blocks:
        gr.Markdown(f"# {explorer.title}", elem_id="title")
        gr.Markdown(explorer.run.recipe.summary, elem_classes="said")
        with gr.Tab("Samples"):
            samples_tab(explorer)
        with gr.Tab("Map") as tab:
            codes_tab(explorer, tab)
        with gr.Tab("Your own"):
            own_tab(explorer)
        with gr.Tab("Chain"):
            chain_tab(explorer)
        with gr.Tab("Report") as tab:
            shown = gr.HTML("", elem_id="report")

            def opened() -> Iterator[tuple[str]]:
                yield (report(explorer),)

            asked(tab.select, opened, [], [shown])
    blocks.queue(max_size=32)
    return blocks


def _title(explorer: Explorer) -> str:
    return f"{explorer.title} - lebm"


def looks() -> dict[str, Any]:
    """The theme and the style sheet, as launching and mounting take them: no font is fetched."""
    theme = gr.themes.Default(
        primary_hue="blue", neutral_hue="slate",
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"],
    )  # fmt: skip
    theme.set(body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300")
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    # Not as css=, whose selectors gradio rewrites.
    return {"theme": theme, "head": f"<style>{style}</style>", "footer_links": []}
