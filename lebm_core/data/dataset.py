"""What the core asks of a data set: batches, an order for each epoch, a way to write samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from lebm_core.base.table import Table
from lebm_core.data.view import View
from lebm_core.errors import UsageError

__all__ = ["Batch", "BatchSource", "Dataset", "SPLITS", "in_proportion", "prepared", "subset"]

SPLITS = ("train", "valid", "test")


class Batch(NamedTuple):
    """A batch of examples; the first axis of every tensor is the batch.

    Attributes:
        x: what the decoder models, first axis B. Examples of different lengths are padded on the
            right to the longest of the batch, (B, T, ...), and x itself says where each ends: by an
            id that nothing else has, or a flag. NaN is a missing value, and no padding.
        y: (B,) integer class ids, -1 where unknown; None for a data set without classes.
        context: (B, c) what the prior is conditioned on, or None.
        rows: (B,) row numbers in the split; persistent chains are kept by them.
        labelled: other examples, whose y is known, for the terms that need labels; else None.
    """

    x: Any
    y: Tensor | None = None
    context: Tensor | None = None
    rows: Tensor | None = None
    labelled: Batch | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with every tensor on `device`."""
        moved = (v.to(device) if isinstance(v, (Tensor, Batch)) else v for v in self)
        return Batch(*moved)  # type: ignore[arg-type]


class BatchSource(Protocol):
    """Whatever gives the examples of a split in batches; every `Dataset` does."""

    def batches(self, split: str, batch_size: int, /) -> Iterator[Batch]: ...


class Dataset(ABC):
    """A data set with the splits train, valid and test.

    Attributes:
        name: under which it is registered, set by what built it.
        sizes: what the constructor of a prior, a decoder or an encoder may ask for by parameter
            name, for instance {"vocab_size": 10001} or {"features": 2}, in JSON's values. With
            classes "n_classes" is their number; with a context "context_dim" is its width.
        summary: facts for the report: counts per split, source, checksums.
        classes: names of the classes, in the order of their ids; empty where there are none.
        sample_options: options of `model.sample` in runs and in `lebm sample`.
        suffix: of the file that `write` makes, with the full stop, such as ".csv".
        figures: name of the registered figures of a model of such data; "" for none.
        weights: (N,) relative weights of the training examples, by which an epoch has them more or
            less often; None: each once.
    """

    name: str = ""
    sizes: dict[str, Any]
    summary: dict[str, Any]
    classes: Sequence[str] = ()
    sample_options: ClassVar[dict[str, Any]] = {}
    suffix: ClassVar[str] = ""
    figures: ClassVar[str] = ""
    weights: Tensor | None = None

    @abstractmethod
    def length(self, split: str) -> int:
        """The number of examples of `split`."""

    @abstractmethod
    def batch(self, split: str, index: Tensor) -> Batch:
        """The examples with the given row numbers (an integer tensor); deterministic."""

    @abstractmethod
    def write(self, x: Any, path: Path) -> Path:
        """Write samples to `path`, to which the data set adds `suffix`; return the file."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes the preprocessing (not the data) to `folder`, in JSON."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote: enough for `write`; every split is then empty."""

    def order(
        self, split: str, batch_size: int, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """One epoch as a list of index tensors; without a generator, in the order of the file."""
        n = self.length(split)
        rows = torch.arange(n)
        if generator is not None and split == "train" and self.weights is not None:
            rows = in_proportion(self.weights, n, generator)
        elif generator is not None:  # a generator draws on its own device only
            rows = torch.randperm(n, generator=generator, device=generator.device).cpu()
        return list(rows.split(batch_size)) if n else []

    def batches(
        self,
        split: str,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        limit: int | None = None,
    ) -> Iterator[Batch]:
        """The batches of one epoch; `limit` stops after that many examples."""
        seen = 0
        for index in self.order(split, batch_size, generator):
            if limit is not None and seen >= limit:
                return
            if limit is not None:
                index = index[: limit - seen]
            seen += len(index)
            yield self.batch(split, index)

    def vectors(self, split: str, index: Tensor) -> Any:
        """The examples with the given row numbers as vectors, for classifiers that need some.

        Returns:
            (n, features), an array or a scipy matrix in CSR form; None where there is no such
            view. By default x, flattened, where it is of real numbers; of examples that differ in
            length that would depend on the batch.
        """
        x = self.batch(split, index).x
        if not isinstance(x, Tensor) or not x.is_floating_point():
            return None
        return x.flatten(1).numpy()

    def properties(self, split: str, index: Tensor) -> dict[str, Tensor] | None:
        """Scalar properties of the examples with the given row numbers.

        Returns:
            (n,) for each property by name, NaN where it is not known; None for no properties.
            `learning.properties` names those that samples can then be controlled by.
        """
        return None

    def new(self, source: Any) -> Self:
        """Examples that the training did not have, prepared as those of the training were.

        What is scaled, counted or looked up is so by what `save` keeps: a data set that `load` has
        read will do.

        Args:
            source: a file or folder as the kind's own data source takes it, or examples in memory.

        Returns:
            A data set whose split "test" has these examples in their order, y where it is known.

        Raises:
            UsageError: naming what is wrong with the source; this kind of data reads none.
        """
        raise UsageError(f"{type(self).__name__} does not read further examples.")

    def records(self, split: str) -> Table:
        """What tells a user which example is which: the columns of the source, or names.

        By default the row numbers.
        """
        return Table({"row": list(range(self.length(split)))})

    def is_known(self, x: Tensor) -> Tensor:
        """Where a completion takes x (B, ...) as known: by default what is not NaN."""
        return ~x.isnan() if x.is_floating_point() else torch.ones_like(x, dtype=torch.bool)

    def raw(self, x: Any) -> Any:
        """Samples x in the form and the units of the source; by default as they are."""
        return x.numpy(force=True) if isinstance(x, Tensor) else x

    def picture(self, x: Any, path: Path) -> Path | None:
        """A picture of samples beside their file; None where the kind has none.

        Args:
            x: the samples.
            path: as `write` takes it; the picture's own suffix is added.
        """
        return None

    def view(self) -> View:
        """How a page shows examples and asks for one (`lebm explore`), see `View`."""
        return View(self)


def prepared(dataset: Dataset, source: Any) -> Batch:
    """Further examples in one batch, see `Dataset.new`."""
    new = dataset.new(source)
    return new.batch("test", torch.arange(new.length("test")))


def subset(n: int, size: int, seed: int) -> Tensor:
    """`size` row numbers out of n, without repetition and in order; all where size is 0 or more."""
    if size <= 0 or size >= n:
        return torch.arange(n)
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n, generator=generator)[:size].sort().values


def in_proportion(weights: Tensor, size: int, generator: torch.Generator | None = None) -> Tensor:
    """`size` row numbers in random order, each as often as its share of the weights, to within one.

    By systematic sampling, so that equal weights and size N give every row exactly once.

    Args:
        weights: (N,), 0 or more, not all 0.
        size: how many.
        generator: source of all randomness.
    """
    on = "cpu" if generator is None else generator.device
    rows = torch.randperm(len(weights), generator=generator, device=on).cpu()
    ends = weights[rows].double().cumsum(0)
    places = torch.arange(size) + torch.rand(1, generator=generator, device=on).double().cpu()
    taken = torch.searchsorted(ends, places * (ends[-1] / size), right=True)
    last = int((weights[rows] > 0).nonzero()[-1])  # rounding may lead beyond the last
    order = torch.randperm(size, generator=generator, device=on).cpu()
    return rows[taken.clamp(max=last)][order]
