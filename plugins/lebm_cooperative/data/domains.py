"""What the data sets of two domains share: unpaired examples to learn from, pairs to judge by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.base.files import read_json
from lebm_core.errors import UsageError

__all__ = ["DomainData", "split_items"]

FILE = "domains.json"


class DomainData(Dataset):
    """Examples of two domains in memory; x is (B, 2, ...), the first of A and the second of B.

    In the splits valid and test both are views of one item, so b is the known map of a. In train
    they are of different items, and no item is seen in both domains.

    Args:
        x: (N, 2, ...) of each split.
        partners: (N, ...) the true b of the training examples of A, which no learning sees; for
            the bound that a regression on pairs gives.
        summary: facts for the report.
        facts: what `write` and figures need to know, in JSON's values: "kind" is plane, images or
            tokens.
    """

    suffix: ClassVar[str] = ".npz"
    figures: ClassVar[str] = "cooperative.translation"

    def __init__(
        self,
        x: Mapping[str, Tensor],
        partners: Tensor | None,
        summary: dict[str, Any],
        facts: dict[str, Any],
    ) -> None:
        self.x, self.partners = dict(x), partners
        self.summary, self.facts = summary, facts
        self.sizes = {}

    @property
    def kind(self) -> str:
        """What one example is: a point of the plane, an image, or a sequence of tokens."""
        return str(self.facts["kind"])

    def length(self, split: str) -> int:
        return len(self.x[split]) if split in self.x else 0

    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(self.x[split][index], rows=index)

    def domain(self, split: str, which: int) -> Tensor:
        """The examples (N, ...) of domain A (0) or B (1)."""
        return self.x[split][:, which]

    def write(self, x: Tensor, path: Path) -> Path:
        """Write pairs to `path` with the suffix .npz, key "x"; of tokens their ids."""
        file = path.with_name(path.name + self.suffix)
        np.savez_compressed(file, x=self.raw(x))
        return file

    def raw(self, x: Any) -> Any:
        """Numbers as they are; sequences as ids (B, 2, T), each the likeliest token."""
        found = x.argmax(-1) if self.kind == "tokens" else x
        return found.numpy(force=True)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        saved = {"summary": self.summary, "facts": self.facts}
        (folder / FILE).write_text(json.dumps(saved) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        saved = read_json(folder / FILE)
        try:
            return cls({}, None, dict(saved["summary"]), dict(saved["facts"]))
        except (KeyError, TypeError, ValueError):
            raise UsageError(f"{folder / FILE} is not as a run writes it.") from None


def split_items(
    pairs: Tensor, counts: Mapping[str, int], *, paired: bool, source: str, facts: dict[str, Any]
) -> DomainData:
    """A data set of two domains out of true pairs, (N, 2, ...), in an order of chance.

    Args:
        pairs: test, valid, then twice the training examples: A is of the first half of these and
            B of the second.
        counts: examples of each split.
        paired: leave the training examples paired, for regression: half of the items are then
            not used.
        source: of the examples, for the report.
        facts: see `DomainData`.
    """
    n = counts["train"]
    test, valid, rest = pairs.split(
        [counts["test"], counts["valid"], len(pairs) - counts["test"] - counts["valid"]]
    )
    first, second = rest[:n], rest[n : 2 * n]
    train = first if paired else torch.stack([first[:, 0], second[:, 1]], dim=1)
    summary = {"source": source, "counts": dict(counts), "paired": paired}
    x = {"train": train, "valid": valid, "test": test}
    return DomainData(x, first[:, 1], summary, facts)
