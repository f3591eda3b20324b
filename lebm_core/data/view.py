"""`View`: how the examples of a data set look on a page, and how a page asks for one."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from torch import Tensor

from lebm_core.base.table import Table

__all__ = ["ASKS", "Field", "Shown", "View", "drawn"]

ASKS = ("", "line", "drawing", "row", "file")
MOST = 64  # examples of which numbers are written out
CHANNELS = (1, 3)  # of numbers that are drawn as they are


class Field(NamedTuple):
    """One value of a row that a page asks for.

    Attributes:
        name: of the column.
        choices: what it may be; () for a number.
        value: that stands there at first.
        optional: whether it may be left out.
    """

    name: str
    choices: Sequence[str] = ()
    value: str = ""
    optional: bool = False


@dataclass
class Shown:
    """Examples as a page shows them; what a kind of data does not have is empty.

    Attributes:
        pictures: PNG files, each with a caption: one for each example, or one of several. b"" is an
            example that cannot be drawn.
        lines: one for each example.
        table: a row or more for each example.
        pixelated: whether pictures are enlarged without smoothing.
    """

    pictures: list[tuple[bytes, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    table: Table | None = None
    pixelated: bool = False


class View:
    """How a page shows examples and asks for one; a kind of data may have its own.

    By default what `Dataset.raw` gives is shown, strings as lines and tables as tables, numbers
    with a picture where `Dataset.picture` makes one; and examples come from files.

    Args:
        dataset: the `Dataset` whose examples they are; what `load` has read will do.

    Attributes:
        asks: what an example is entered as: "line", "drawing", "row", "file"; "" for data that read
            none.
        label: what the page calls it.
        example: one to begin with, of a line.
        suffixes: of files that hold examples, with the full stop; () for any.
    """

    asks: str = "file"
    label: ClassVar[str] = "A file of examples"
    example: str = ""
    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        # Compared by name: this module cannot import that class.
        if type(dataset).new.__qualname__ == "Dataset.new":
            self.asks = ""

    def fields(self) -> list[Field]:
        """The values of a row, for data that are entered as one."""
        return []

    def source(self, entered: Any) -> Any:
        """What `Dataset.new` takes, of what was entered.

        Args:
            entered: a string for a line; a file for a drawing or a file; a mapping of strings for a
                row, where "" is a missing value.
        """
        if self.asks == "line":
            return [entered]
        if self.asks == "row":
            return {name: [value] for name, value in entered.items()}
        return entered

    def show(self, x: Any, context: Tensor | None = None) -> Shown:
        """Examples as a page shows them.

        Args:
            x: (n, ...) as the model takes and gives them.
            context: (n, c) of each, for conditioned models.
        """
        raw = self.dataset.raw(x)
        if isinstance(raw, Table):
            return Shown(self.pictured(x), table=raw)
        if isinstance(raw, list):
            return Shown(self.pictured(x), [str(each) for each in raw])
        pictures = self.pictured(x)
        if pictures:
            return Shown(pictures)
        numbers = np.asarray(raw)
        if numbers.ndim == 4 and numbers.shape[1] in CHANNELS:
            return Shown([(drawn(each), "") for each in numbers], pixelated=True)
        if numbers.ndim == 2:
            columns = {f"x{i + 1}": each.tolist() for i, each in enumerate(numbers[:MOST].T)}
            return Shown(table=Table(columns))
        words = (np.array2string(each, precision=3, threshold=24) for each in numbers[:MOST])
        return Shown(lines=[" ".join(each.split()) for each in words])

    def pictured(self, x: Any) -> list[tuple[bytes, str]]:
        """The picture that `Dataset.picture` makes of examples, if any."""
        with tempfile.TemporaryDirectory() as folder:
            file = self.dataset.picture(x, Path(folder) / "picture")
            return [] if file is None else [(file.read_bytes(), "")]


def drawn(numbers: Any) -> bytes:
    """Numbers (C, H, W), C one or three, as a PNG: the least black and the largest white."""
    from matplotlib.pyplot import imsave

    low, high = float(numbers.min()), float(numbers.max())
    unit = (numbers - low) / ((high - low) or 1.0)
    file = io.BytesIO()
    if len(unit) == 1:
        imsave(file, unit[0], cmap="gray", vmin=0, vmax=1, format="png")
    else:
        imsave(file, unit.transpose(1, 2, 0), format="png")
    return file.getvalue()
