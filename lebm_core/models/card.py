"""The model card: the README.md that is saved, and pushed to a hub, with a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

__all__ = ["CARD", "HEADER", "Card", "plain_card"]

CARD = "README.md"
PICTURES = (".png", ".webp")
HEADER = "---\nlibrary_name: lebm\ntags:\n- energy-based-model\n- latent-energy-based-model\n---\n"


@dataclass
class Card:
    """A model card.

    Attributes:
        content: Markdown, its header first.
        pictures: that it shows, by file name.
    """

    content: str
    pictures: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The card that lies beside a model; None where there is none of ours."""
        path = folder / CARD
        if not path.is_file():
            return None
        content = path.read_text(encoding="utf-8", errors="replace")
        if not content.startswith(HEADER):
            return None
        pictures = sorted(p for p in folder.iterdir() if p.suffix in PICTURES and p.is_file())
        return cls(content, {path.name: path.read_bytes() for path in pictures})

    def write(self, folder: Path) -> None:
        """Put the card beside a model."""
        (folder / CARD).write_text(self.content, encoding="utf-8")
        for name, picture in self.pictures.items():
            (folder / name).write_bytes(picture)


def plain_card(model: Any) -> Card:
    """The card of a model that no run has measured: its parts, and how to use it."""
    return Card(f"{HEADER}\n# {type(model).__name__}\n\n{_parts(model)}\n\n{_usage(model)}\n")


def _parts(model: Any) -> str:
    """A line for each part: its class and its number of parameters."""
    lines = [
        f"- {name}: `{type(part).__name__}`, {sum(p.numel() for p in part.parameters()):,} "
        "parameters"
        for name, part in model.parts().items()
    ]
    return "\n".join(lines)


def _usage(model: Any) -> str:
    """How the model is read and sampled."""
    family = type(model)
    return (
        "## Use\n\n```python\n"
        f"from {family.__module__} import {family.__name__}\n\n"
        f'model = {family.__name__}.from_pretrained("FOLDER-OR-HUB-ID")\n'
        "x = model.sample(8)\n```"
    )
