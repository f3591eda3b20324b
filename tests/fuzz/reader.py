"""A reader of files, a good example of what it reads, and what is asked of its answers."""

from __future__ import annotations

import functools
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.classes import is_missing
from lebm_core.data.dataset import SPLITS, Dataset
from lebm_core.data.files import DataFiles
from lebm_core.data.saved import load_dataset, save_dataset
from lebm_core.registry.parts import arguments
from lebm_core.registry.registry import registry

__all__ = [
    "DataSet", "Reader", "files_of", "further", "lines", "npz", "placed", "sane", "saved",
]  # fmt: skip


class Reader(NamedTuple):
    """A reader and a good example of what it reads.

    Attributes:
        files: the example, or what makes it; the first file is damaged, or one at random where
            `every`.
        read: takes the folder; its answer is checked by it.
        tests: how many, of 25 mutations each.
    """

    files: Mapping[str, bytes] | Callable[[], Mapping[str, bytes]]
    read: Callable[[Path], None]
    tests: int = 1
    every: bool = False

    @property
    def example(self) -> Mapping[str, bytes]:
        """Name to content."""
        return self.files() if callable(self.files) else self.files


class DataSet:
    """A reader of a registered data set, of `data.source` = file or else of --data-dir."""

    def __init__(self, name: str, file: str = "", **options: Any) -> None:
        self.name, self.file, self.options = name, file, options

    def made(self, folder: Path) -> Dataset:
        factory = registry().get("datasets", self.name)
        where = {"source": str(folder / self.file)} if self.file else {}
        given = {"files": DataFiles(folder), "seed": 0, **where, **self.options}
        given |= {k: str(folder / v) for k, v in given.items() if k in ("labels", "tokenizer")}
        data: Dataset = factory(**arguments(factory, given, {}, self.name))
        data.name = self.name
        return data

    def __call__(self, folder: Path) -> None:
        sane(self.made(folder), own=bool(self.file))


def sane(data: Dataset, own: bool) -> None:
    """Refuse numbers that are none, labels out of range, other sizes than those told of, and for
    the user's own file, which lebm cuts by itself, a sequence of the training that is also in
    another split.
    """
    names = list(data.classes)
    assert len({*names}) == len(names) and all(names), names[:5]
    if data.name != "images.hub":  # which has names beside the labels, of any spelling
        assert not any(map(is_missing, names)), names[:5]
    assert "-1" not in names and "-1.0" not in names, names[:5]
    assert data.length("train") > 0
    known: dict[str, set[Any]] = {}
    for split in SPLITS:
        n = data.length(split)
        x = _examples(data, split)
        if n and isinstance(x, Tensor) and not x.is_floating_point():
            known[split] = {tuple(row) for row in x.tolist()}
    train, *others = (known.get(split, set()) for split in SPLITS)
    assert not own or not train & set().union(*others), "one sequence in two splits"
    if data.sizes.get("features") and hasattr(data, "mean"):
        x = data.batch("train", torch.arange(data.length("train"))).x.numpy()
        words = sum(data.sizes.get("groups", ()))  # features, of which one in each group is 1
        numbers, groups = np.split(x, [x.shape[1] - words], axis=1)
        assert set(groups[~np.isnan(groups)].tolist()) <= {0.0, 1.0}
        spread = np.nanvar(numbers, 0)
        assert ((spread < 1e-6) | (abs(spread - 1) < 1e-2)).all(), f"columns of {spread} variance"


def _examples(data: Dataset, split: str) -> Any:
    """The x of a split, once it is known to be sane."""
    n = data.length(split)
    if not n:
        return None
    batch = data.batch(split, torch.arange(n))
    x, sizes = batch.x, data.sizes
    if batch.y is not None:
        assert len(batch.y) == n and -1 <= int(batch.y.min()) <= int(batch.y.max())
        assert int(batch.y.max()) < len(data.classes), "a label out of range"
    if not isinstance(x, Tensor):
        return x
    assert len(x) == n
    if "side" in sizes:
        assert x.shape[1:] == (sizes["channels"], sizes["side"], sizes["side"]), x.shape
    if x.is_floating_point():
        missing = sizes.get("missing", False)
        assert not (x.isinf() if missing else ~x.isfinite()).any(), "no number"
    else:
        assert 0 <= int(x.min()) and int(x.max()) < sizes["vocab_size"], "no id"
    return x


def further(reader: Reader, file: str, content: bytes) -> Reader:
    """A reader of further examples, `Dataset.new`, by what has read a good example.

    Args:
        reader: of that example.
        file: name of the further ones, which alone is damaged.
        content: of that file.
    """
    assert isinstance(reader.read, DataSet)
    trained = reader.read

    def read(folder: Path) -> None:
        new = trained.made(folder).new(folder / file)
        assert new.length("test") == len(new.records("test").rows()) > 0
        _examples(new, "test")

    return Reader({file: content, **reader.example}, read)


def saved(reader: Reader) -> Reader:
    """A reader of what a run keeps of its data, whose file in data/ is damaged."""
    assert isinstance(reader.read, DataSet)
    made = reader.read

    @functools.cache
    def good() -> Dataset:
        with tempfile.TemporaryDirectory() as place:
            placed(reader.example, Path(place))
            data = made.made(Path(place))
            data.batch("train", torch.arange(2))
        return data

    @functools.cache
    def files() -> dict[str, bytes]:
        found = files_of(lambda folder: save_dataset(good(), folder))
        return dict(sorted(found.items(), reverse=True))  # data/NAME before data.json

    def read(folder: Path) -> None:
        data = load_dataset(folder)
        assert not any(map(data.length, SPLITS))
        x = torch.stack([row for row in good().batch("train", torch.arange(2)).x])
        written = data.write(x, folder / "drawn").read_bytes()
        assert written and b"nan" not in written and b"inf" not in written, written[:200]
        assert json.dumps(data.sizes) == json.dumps(good().sizes)

    return Reader(files, read)


def placed(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of an example."""
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)


def files_of(write: Callable[[Path], object], below: str = "") -> dict[str, bytes]:
    """The files that `write` leaves in a folder, by their names `below` it."""
    with tempfile.TemporaryDirectory() as place:
        write(Path(place))
        found = sorted(path for path in Path(place).rglob("*") if path.is_file())
        return {below + p.relative_to(place).as_posix(): p.read_bytes() for p in found}


def npz(**arrays: Any) -> bytes:
    """An .npz file."""
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def lines(strings: list[str]) -> bytes:
    """A text file."""
    return ("\n".join(strings) + "\n").encode()
