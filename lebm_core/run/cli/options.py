"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

__all__ = ["DataDir", "RunFolder"]

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]
# typer reads these annotations when it runs, and knows Optional in every version.
DataDir = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="Folder in which data files are looked for first."),
]
