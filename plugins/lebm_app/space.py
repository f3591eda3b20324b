"""The page of an exported run."""

from __future__ import annotations

from pathlib import Path

from lebm_app.explorer import Explorer
from lebm_app.page import UPLOAD, looks, page

__all__ = ["launch"]


def launch(run: Path) -> None:
    """Show the page of a run, at the address that gradio's environment variables say."""
    page(Explorer(run)).launch(max_file_size=UPLOAD, ssr_mode=False, **looks())
