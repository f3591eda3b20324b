"""How a page shows sentences, and asks for one."""

from __future__ import annotations

from typing import ClassVar

from lebm_core.data.view import View

__all__ = ["SentenceView"]


class SentenceView(View):
    """A line for each sentence."""

    asks = "line"
    label: ClassVar[str] = "A sentence"
