"""Windows on disk, whose positions are read batch by batch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from lebm_core.base.files import read_json
from lebm_core.data.disk.tensors import DiskTensor, TensorWriter
from lebm_core.errors import UsageError
from lebm_trajectories.data.windows import Windows

__all__ = ["WindowWriter", "gathered", "joined", "opened", "written"]

LARGE = {"positions": np.float32, "near": np.float32, "there": np.bool_}  # on disk
SMALL = ("group", "agents", "scenes", "y", "frames")  # a number of each trajectory, mapped


class WindowWriter:
    """Writes windows part after part, as `join` joins them; within a `with` block.

    Args:
        folder: for the files.
        name: of what they hold, such as a split.
        length: steps of a window.
        neighbours: in the context.
    """

    def __init__(self, folder: Path, name: str, length: int, neighbours: int) -> None:
        self.folder, self.name = folder, name
        shapes = {"positions": (length, 2), "near": (neighbours, 2, 2), "there": (neighbours,)}
        self._out = {
            key: TensorWriter(self._file(key), LARGE.get(key, np.int64), shapes.get(key, ()))
            for key in (*LARGE, *SMALL)
        }
        self._groups = 0
        self.names: list[str] = []
        self.left_out: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:  # all are closed, whichever cannot be ended
            for out in self._out.values():
                stack.callback(out.__exit__, kind, error, trace)

    def add(self, windows: Windows) -> None:
        """Append windows of further recordings; groups stay distinct."""
        groups, first = self._groups, len(self.names)
        for part in windows.parts():
            self.put(replace(part, group=part.group + groups, scenes=part.scenes + first))
        self.names += windows.names
        self.left_out += windows.left_out

    def put(self, part: Windows) -> None:
        """Append windows as they are."""
        for key, out in self._out.items():
            value = getattr(part, key)
            if value is not None:
                out.add(value.numpy())
        if len(part):
            self._groups = max(self._groups, int(part.group.max()) + 1)

    def windows(self) -> Windows:
        """What was written, once the block has ended."""
        n = self._out["positions"].rows
        for key in SMALL:  # as `join`: a number that some parts do not have is none of all
            if self._out[key].rows != n:
                self._file(key).unlink()
        return _of_files(self.folder, self.name, self.names, self.left_out)

    def _file(self, key: str) -> Path:
        return _file(self.folder, self.name, key)


def gathered(parts: Iterable[Windows], like: Windows, place: Path | None, name: str) -> Windows:
    """Put parts end to end, in memory or on disk.

    Args:
        parts: of what `like` holds.
        like: has the names of the scenes, the counts of what was left out, and the lengths.
        place: a folder; None for memory.
        name: of the files there.
    """
    if place is None:
        rows = list(parts)
        found = {
            key: torch.cat([getattr(row, key) for row in rows])
            for key in (*LARGE, *SMALL)
            if getattr(rows[0], key) is not None
        }
        made: dict[str, Tensor | None] = {**dict.fromkeys(SMALL), **found}
        return replace(like, **made)  # type: ignore[arg-type]
    with WindowWriter(place, name, like.positions.shape[1], like.there.shape[1]) as out:
        for part in parts:
            out.put(part)
    return replace(out.windows(), names=like.names, left_out=like.left_out)


def joined(every: Iterable[Windows], place: Path, name: str, length: int, near: int) -> Windows:
    """Join windows of several recordings on disk as `join` does in memory."""
    with WindowWriter(place, name, length, near) as out:
        for windows in every:
            out.add(windows)
    return out.windows()


def written(windows: Windows, folder: Path, split: str) -> None:
    """Write windows to `folder` for `opened`, a part at a time."""
    kept = gathered(windows.parts(), windows, folder, split)
    told = {"names": kept.names, "left_out": kept.left_out}
    (folder / f"{split}.json").write_text(json.dumps(told), encoding="utf-8")


def opened(folder: Path, split: str) -> Windows:
    """Open what `written` wrote.

    Raises:
        UsageError: it is damaged.
    """
    told = read_json(folder / f"{split}.json")
    try:
        return _of_files(folder, split, told["names"], Counter(told["left_out"]))
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise UsageError(f"{folder} cannot be read ({error}): remove it.") from None


def _file(folder: Path, name: str, key: str) -> Path:
    return folder / f"{name}.{key}.npy"


def _of_files(folder: Path, name: str, names: list[str], left_out: Counter[str]) -> Windows:
    large = {key: DiskTensor(_file(folder, name, key)) for key in LARGE}
    small = dict[str, Tensor | None]()
    for key in SMALL:
        file = _file(folder, name, key)
        # What has no rows cannot be mapped.
        mode: Literal["c"] | None = "c" if len(large["positions"]) else None
        small[key] = torch.from_numpy(np.load(file, mode)) if file.is_file() else None
    return Windows(**large, **small, names=names, left_out=left_out)  # type: ignore[arg-type]
