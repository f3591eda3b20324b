"""The files that a data set needs, declared once: a factory finds them, `lebm data` lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lebm_core.data.files import DataFiles
from lebm_core.errors import MissingData

__all__ = ["Needs"]


@dataclass(frozen=True)
class Needs:
    """The files of one registered data set.

    A constant of the module of the data set's factory. All arguments are literals, so that they
    are read from the source: listing data sets imports none of them.

    Attributes:
        dataset: the registered name.
        files: one entry for each file: its path below the data folder, or several paths of which
            any one will do.
        how: a message on what the files hold and where they come from.
        source: of a data set that the user brings, what `data.source` must be, such as
            "FILE.csv or FILE.npz".

    >>> Needs("mine.rings", source="a .csv file").check("")
    Traceback (most recent call last):
    lebm_core.errors.MissingData: The data set mine.rings needs data.source = a .csv file.
    """

    dataset: str
    files: Sequence[str | Sequence[str]] = ()
    how: str = ""
    source: str = ""

    def find(self, files: DataFiles) -> list[Path]:
        """The path of each file, in the order of the declaration.

        Raises:
            MissingData: no place has one of them; the message names the places.
        """
        wanted = [[each] if isinstance(each, str) else list(each) for each in self.files]
        return [files.find(self.dataset, names, self.how) for names in wanted]

    def check(self, source: str) -> None:
        """Refuse an empty `data.source`.

        Raises:
            MissingData: saying what it must be.
        """
        if not source:
            message = f"The data set {self.dataset} needs data.source = {self.source}."
            raise MissingData(self.dataset, message)
