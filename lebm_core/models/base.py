"""What a model family gives: the contract, and how a recipe builds one."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import nn

from lebm_core.data.dataset import Dataset
from lebm_core.registry.parts import Part, arguments, make

__all__ = ["Model", "build"]


@runtime_checkable
class Model(Protocol):
    """A generative model of a registered family: an `nn.Module` with these methods.

    The constructor's parameters that are marked as `Part`s are the tables of a recipe; the others
    are keys of its [model] table. A family whose parts need more than that has a class method
    `build(tables, options, dataset, seed)`, see `LatentEBM.build`.
    """

    def parts(self) -> dict[str, nn.Module]:
        """What is trained, by name: each has an optimiser of its own, [training.parts.NAME]."""

    def sample(self, n: int, *, generator: torch.Generator | None = None, **options: Any) -> Any:
        """n draws of x."""

    def save_pretrained(self, folder: str | Path) -> Any:
        """Write the model to a folder."""

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read what `save_pretrained` wrote; the model is in evaluation mode."""


def build(
    family: type[Any],
    tables: Mapping[str, Any],
    options: Mapping[str, Any],
    dataset: Dataset,
    seed: int,
) -> Any:
    """The untrained model of a family; its weights depend on the seed alone.

    Args:
        family: the class.
        tables: of its parts, by the names of its constructor's parameters.
        options: of the [model] table.
        dataset: its sizes fill what a part leaves open.
        seed: of the weights.

    Raises:
        UsageError: where parts are missing or do not fit each other.
    """
    if hasattr(family, "build"):  # it has more to do than to make its parts
        return family.build(tables, options, dataset, seed)
    torch.manual_seed(seed)
    hints = typing.get_type_hints(family.__init__, include_extras=True)
    parts = {}
    for name in inspect.signature(family).parameters:
        marks = [m for m in getattr(hints.get(name), "__metadata__", ()) if isinstance(m, Part)]
        if marks:
            parts[name] = make(marks[0], tables.get(name), dataset.sizes)
    given = {**options, **parts}
    return family(**arguments(family, given, dataset.sizes, f"model {family.__name__}"))
