"""The index of a folder of samples: what was drawn there, so that a stopped draw goes on."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lebm_core.base.files import read_json, sha256, write_atomically
from lebm_core.errors import UsageError, shown

__all__ = ["INDEX", "Index", "model_checksums"]

INDEX = "index.json"
DIGITS = 5  # of a file's number at least


@dataclass(frozen=True)
class Index:
    """A draw in several files, each of which depends on the seed and its own number alone.

    Attributes:
        n: how many samples.
        seed: of the draw.
        shard: samples in each file but the last, which has the rest.
        codes: whether z was drawn in the place of x.
        y: class id or name; null for any.
        control: controls, in the syntax of the command line.
        split: that a conditioned model takes its contexts from; "" for any other model.
        device: "cpu" or "cuda": each rounds in its own way.
        suffix: of the files.
        model: SHA-256 of the model's files by name.
        complete: whether all files are there.
    """

    n: int
    seed: int
    shard: int
    codes: bool
    y: int | str | None
    control: list[str]
    split: str
    device: str
    suffix: str
    model: dict[str, str] = field(default_factory=dict)
    complete: bool = False

    def __len__(self) -> int:
        """The number of files."""
        return -(-self.n // self.shard)

    def rows(self, number: int) -> range:
        """The numbers of the samples that file `number` holds."""
        return range(number * self.shard, min(self.n, (number + 1) * self.shard))

    def stem(self, number: int) -> str:
        """The name of file `number` without its suffix."""
        digits = max(DIGITS, len(str(len(self) - 1)))
        return f"{'codes' if self.codes else 'samples'}-{number:0{digits}d}"

    def file(self, folder: Path, number: int) -> Path:
        """The path of file `number`."""
        return folder / f"{self.stem(number)}{self.suffix}"

    def missing(self, folder: Path) -> list[int]:
        """The numbers of the files that are not there yet."""
        there = set(os.listdir(folder))
        return [k for k in range(len(self)) if f"{self.stem(k)}{self.suffix}" not in there]

    def write(self, folder: Path) -> None:
        """Write `index.json`, whole or not at all."""
        string = json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"
        write_atomically(folder / INDEX, string)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `index.json`.

        Raises:
            UsageError: it is missing or damaged.
        """
        kept = read_json(folder / INDEX)
        names = {each.name for each in dataclasses.fields(cls)}
        if kept.keys() != names:
            raise UsageError(f"{folder / INDEX} is damaged: it is not what lebm wrote.")
        return cls(**kept)

    def check_same(self, begun: Index, folder: Path) -> None:
        """Refuse a folder in which something else is being drawn.

        Raises:
            UsageError: naming the first difference.
        """
        now, then = (dataclasses.asdict(each) for each in (self, begun))
        for key in now:
            if key != "complete" and now[key] != then[key]:
                what = "of another model" if key == "model" else _difference(key, now, then)
                raise UsageError(
                    f"--resume: {shown(folder, 300)} holds another draw, {what}: repeat the "
                    "command that began it, or give another --out."
                )


def _difference(key: str, now: dict[str, Any], then: dict[str, Any]) -> str:
    return f"with {key} = {json.dumps(then[key])} where {json.dumps(now[key])} is asked"


def model_checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of the files that a model is loaded from, by name.

    Args:
        folder: that the model was saved to.
    """
    files = (path for path in folder.rglob("*") if path.suffix in (".safetensors", ".json"))
    return {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(files)}
