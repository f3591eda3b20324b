"""Templates of plugins: a folder for each kind of data, laid over what all kinds share.

A file of a kind stands in the place of the shared one of its name. `words.toml` holds what the
shared files say of the kind.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["DEFAULT", "kinds", "template"]

FOLDER = Path(__file__).parent
SHARED = "common"
DEFAULT = "vectors"


def kinds() -> list[str]:
    """The kinds of data that there are templates for."""
    return sorted(folder.parent.name for folder in FOLDER.glob("*/words.toml"))


def template(kind: str, name: str) -> str:
    """The content of a template, the kind's own where it has one."""
    own = FOLDER / kind / name
    file = own if own.is_file() else FOLDER / SHARED / name
    return file.read_text(encoding="utf-8")
