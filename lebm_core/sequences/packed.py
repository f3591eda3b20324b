"""Sequences of ids end to end, in memory or on disk."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.disk.tensors import CHUNK, DiskTensor, TensorWriter
from lebm_core.sequences.tokens import EOS

__all__ = ["Packed"]


class Packed(NamedTuple):
    """N sequences of ids, each with its end.

    Attributes:
        flat: (L,) int32, all ids.
        start: (N + 1,) int64, where each begins, and L.
    """

    flat: Tensor | DiskTensor
    start: Tensor

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> Packed:
        """Pack sequences in memory; `EOS` is added to each."""
        flat, ends = array("i"), array("q", [0])
        for row in rows:
            flat.extend(row)
            flat.append(EOS)
            ends.append(len(flat))
        ids = np.array(flat, dtype=np.int32)
        return cls(torch.from_numpy(ids), torch.from_numpy(np.array(ends, dtype=np.int64)))

    @classmethod
    def written(cls, folder: Path, split: str, rows: Iterable[Sequence[int]]) -> Packed:
        """Pack sequences into files of `folder`; `EOS` is added to each."""
        ends = array("q", [0])
        with TensorWriter(folder / f"{split}.ids.npy", np.int32) as out:
            for part in _parts(rows):
                for row in part:
                    ends.append(ends[-1] + len(row) + 1)
                out.add([i for row in part for i in (*row, EOS)])
        np.save(folder / f"{split}.start.npy", np.array(ends, dtype=np.int64))
        return cls.opened(folder, split)

    @classmethod
    def opened(cls, folder: Path, split: str) -> Packed:
        """Open what `written` wrote: the ids stay on disk."""
        start = torch.from_numpy(np.load(folder / f"{split}.start.npy"))
        return cls(DiskTensor(folder / f"{split}.ids.npy"), start)


def _parts(rows: Iterable[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    """The rows, so many at a time."""
    part: list[Sequence[int]] = []
    for row in rows:
        part.append(row)
        if len(part) == CHUNK:
            yield part
            part = []
    if part:
        yield part
