"""Checks of data sets, and of what is measured and drawn on them."""

from __future__ import annotations

import inspect
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from scipy.sparse import issparse

from lebm_core.contracts import toys
from lebm_core.contracts.checks import check_message, check_same, seeded
from lebm_core.data.dataset import SPLITS, Dataset
from lebm_core.data.files import DataFiles
from lebm_core.errors import LebmError
from lebm_core.evaluation.values import Value
from lebm_core.registry.parts import arguments
from lebm_core.registry.registry import registry

__all__ = [
    "check_baseline",
    "check_dataset",
    "check_figure",
    "check_kept_on_disk",
    "check_metric",
    "check_parameters",
]

N = 7
T = TypeVar("T")


def check_dataset(
    name: str,
    options: Mapping[str, Any] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Check a registered data set: its batches, its order, its file of samples, its saved form.

    Args:
        name: registered.
        options: of its table.
        data_dir: where its files are looked for first.

    Returns:
        The data set, for further checks.

    Raises:
        MissingData: its files are not there.
        MissingExtra: it needs a package that is not installed.
    """
    label = f'datasets "{name}"'
    factory = registry().get("datasets", name)
    given = arguments(factory, options or {}, {"files": DataFiles(data_dir), "seed": 0}, label)
    dataset = factory(**given)
    assert isinstance(dataset, Dataset), f"{label}: the factory gives {type(dataset).__name__}"
    json.dumps(dataset.summary, default=str)
    assert dataset.length("train"), f"{label} has no training examples"
    for split in SPLITS:
        if dataset.length(split):
            _check_split(dataset, split, f"{label}, {split}")
    if dataset.figures:
        registry().find("figures", dataset.figures)
    x = dataset.batch("train", torch.arange(min(N, dataset.length("train")))).x
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").mkdir()
        dataset.save(Path(folder) / "data")
        loaded = type(dataset).load(Path(folder) / "data")
        counts = [loaded.length(split) for split in SPLITS]
        assert not any(counts), f"{label}: loaded, it has {counts} examples"
        for each in (dataset, loaded):
            file = each.write(x, Path(folder) / "samples")
            expected = Path(folder) / f"samples{dataset.suffix}"
            assert file == expected, f"{label}: write() gives {file.name}, not {expected.name}"
            assert file.is_file(), f"{label}: write() writes no file"
    return dataset


def check_kept_on_disk(name: str, options: Mapping[str, Any], cache: Path) -> Dataset:
    """Check that data.keep = "disk" gives what "memory" does, bit for bit, and is prepared once.

    Args:
        name: registered data set with the option `keep`.
        options: of its table, with a small source.
        cache: a folder for what is prepared, in the place of the user cache.

    Returns:
        The data set that reads from the disk.
    """
    label = f'datasets "{name}", data.keep = "disk"'
    factory = registry().get("datasets", name)
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(cache)
    try:
        found: list[Dataset] = []
        made: list[set[tuple[str, int]]] = []  # what is prepared, after each
        for keep in ("memory", "disk", "disk"):
            table = {**options, "keep": keep}
            given = arguments(factory, table, {"files": DataFiles(), "seed": 0}, label)
            found.append(factory(**given))
            folders = [path for path in (cache / "lebm/prepared").glob("*") if path.is_dir()]
            made.append({(path.name, path.stat().st_ino) for path in folders})
    finally:
        del os.environ["XDG_CACHE_HOME"]
        os.environ |= {} if before is None else {"XDG_CACHE_HOME": before}
    assert made[1] and made[1] == made[2], f"{label}: it is not prepared once"
    memory, disk, again = found
    for other in (disk, again):
        _check_equal(memory, other, label)
    return disk


def _check_equal(memory: Dataset, disk: Dataset, label: str) -> None:
    for fact in ("sizes", "summary", "classes"):
        was, now = (json.dumps(getattr(each, fact), default=str) for each in (memory, disk))
        assert was == now, f"{label}: {fact} {now}, in memory {was}"
    with tempfile.TemporaryDirectory() as folder:
        for place, each in (("memory", memory), ("disk", disk)):
            (Path(folder) / place).mkdir()
            each.save(Path(folder) / place)
        for file in sorted((Path(folder) / "memory").rglob("*")):
            other = Path(folder) / "disk" / file.name
            assert file.read_bytes() == other.read_bytes(), f"{label}: save() writes {file.name}"
    for split in SPLITS:
        assert disk.length(split) == memory.length(split), f"{label}: length of {split}"
        if memory.length(split):
            _check_rows(memory, disk, split, label)
        for generator in (None, 1):
            seeds = [None if generator is None else seeded() for _ in range(2)]
            here, there = (
                each.batches(split, N, generator=g)
                for each, g in zip((memory, disk), seeds, strict=True)
            )
            for one, two in zip(here, there, strict=True):
                for part, a, b in zip(one._fields, one, two, strict=True):
                    assert (a is None) == (b is None), f"{label}, {split}: {part} of a batch"
                    if a is not None:
                        check_same(b, a, f"{label}, {split}: {part} of a batch")


def _check_rows(memory: Dataset, disk: Dataset, split: str, label: str) -> None:
    rows = torch.arange(min(N, memory.length(split)))
    was, now = (each.vectors(split, rows) for each in (memory, disk))
    was, now = (x.toarray() if issparse(x) else np.array(x, dtype=float) for x in (was, now))
    same = np.array_equal(was, now, equal_nan=True)  # None is NaN
    assert same, f"{label}: vectors() of {split} are others than in memory"
    kinds, others = (each.properties(split, rows) or {} for each in (memory, disk))
    assert list(kinds) == list(others), f"{label}: properties of {split}"
    for kind, values in kinds.items():
        check_same(others[kind], values, f"{label}: property {kind} of {split}")


def _check_split(dataset: Dataset, split: str, label: str) -> None:
    total = dataset.length(split)
    for generator in (None, seeded()):
        order = dataset.order(split, N, generator)
        if dataset.weights is None or split != "train":
            rows = torch.cat(order).sort().values
            check_same(rows, torch.arange(total), f"{label}: an epoch is not every row once")
        assert max(map(len, order)) <= N, f"{label}: a batch has more than {N} rows"
    index = order[0]
    n = len(index)
    batch, again = dataset.batch(split, index), dataset.batch(split, index)
    assert len(batch.x) == n, f"{label}: {len(batch.x)} examples for {n} rows"
    check_same(batch.x, again.x, f"{label}: a batch is not the same twice")
    if batch.y is not None:
        assert tuple(batch.y.shape) == (n,), f"{label}: y has shape {tuple(batch.y.shape)}"
        most = dataset.sizes.get("n_classes", int(batch.y.max()) + 1)
        assert bool(((batch.y >= -1) & (batch.y < most)).all()), f"{label}: y = {batch.y.tolist()}"
    assert len(dataset.classes) in (0, dataset.sizes.get("n_classes")), f"{label}: classes"
    if batch.context is not None:
        width = dataset.sizes.get("context_dim")
        assert tuple(batch.context.shape) == (n, width), f"{label}: shape of the context"
    if batch.rows is not None:
        check_same(batch.rows, index, f"{label}: rows are not the row numbers")
    vectors = dataset.vectors(split, index)
    assert vectors is None or vectors.shape[0] == n, f"{label}: rows of vectors()"
    for key, values in (dataset.properties(split, index) or {}).items():
        assert tuple(values.shape) == (n,), f"{label}: shape of the property {key}"


def check_metric(name: str, options: Mapping[str, Any] | None = None) -> None:
    """Check a registered metric: of data that are not its own it says so in one line.

    A metric that takes any data gives values, each with its definition.

    Args:
        name: registered.
        options: of its table.
    """
    _check_measure("metrics", name, options)


def check_baseline(name: str, options: Mapping[str, Any] | None = None) -> None:
    """Check a registered baseline: as a metric, with a title for its row."""
    assert registry().find("baselines", name).summary, f'baselines "{name}" has no title'
    _check_measure("baselines", name, options)


def _check_measure(kind: str, name: str, options: Mapping[str, Any] | None) -> None:
    label = f'{kind} "{name}"'
    factory = registry().get(kind, name)
    measure = factory(**arguments(factory, options or {}, {}, label))
    assert callable(measure), f"{label}: the factory gives {type(measure).__name__}"
    with tempfile.TemporaryDirectory() as folder:
        evaluation = toys.evaluation(Path(folder))
        values = _taken(lambda: dict(measure(evaluation)), label)
    for key, value in (values or {}).items():
        assert isinstance(value, Value), f"{label}: {key} is a {type(value).__name__}"
        assert value.definition, f"{label}: {key} has no definition"
        assert value.value is not None or value.refused, (
            f"{label}: {key} is neither given nor refused"
        )
        assert value.better in ("", "higher", "lower"), f"{label}: {key}: better = {value.better!r}"


def _taken(call: Callable[[], T], label: str) -> T | None:
    """What is given for data of another kind; None where it is refused in one line."""
    try:
        return call()
    except LebmError as error:
        check_message(error, label)
        return None
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise AssertionError(f"{label}: data of another kind end in {what}") from error


def check_figure(name: str) -> None:
    """Check registered figures: files with captions, or one line about data of another kind."""
    label = f'figures "{name}"'
    figures = registry().get("figures", name)
    check_parameters(figures, 1, label)
    with tempfile.TemporaryDirectory() as folder:
        drawn = _taken(lambda: list(figures(toys.evaluation(Path(folder)))), label)
        for file, caption in drawn or []:
            assert Path(file).is_file() and caption, f"{label}: {file} has no file or no caption"


def check_parameters(function: Any, n: int, label: str) -> None:
    """Refuse a function that cannot be called with n positional arguments."""
    parameters = inspect.signature(function).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty]
    assert len(required) <= n <= len(parameters), f"{label} takes {required}, not {n} arguments"
