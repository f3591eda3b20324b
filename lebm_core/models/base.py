"""What a model family gives: the contract, and how a recipe builds one."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.registry.parts import Part, arguments, make

__all__ = ["Model", "arguments_of", "build", "need_shape", "shape_of", "sizes_for", "sizes_of"]


@runtime_checkable
class Model(Protocol):
    """A generative model of a registered family: an `nn.Module` with these methods.

    The constructor's parameters that are marked as `Part`s are the tables of a recipe; the others
    are keys of its [model] table. A family whose parts need more than that has a class method
    `build(tables, options, dataset, seed)`, see `LatentEBM.build`; one whose parts take sizes that
    the data set does not give by itself has a class method `sizes(tables, dataset)`.
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
    sizes = sizes_of(family, tables, dataset)
    torch.manual_seed(seed)
    marked = {name: mark for name, mark in arguments_of(family).items() if mark is not None}
    parts = {
        name: make(mark, tables.get(name), sizes_for(name, sizes)) for name, mark in marked.items()
    }
    given = {**options, **parts}
    return family(**arguments(family, given, sizes, f"model {family.__name__}"))


def arguments_of(family: type[Any]) -> dict[str, Part | None]:
    """The constructor's parameters by name, each with its mark where it is a registered part."""
    hints = typing.get_type_hints(family.__init__, include_extras=True)
    found: dict[str, Part | None] = {}
    for name in inspect.signature(family).parameters:
        metadata = getattr(hints.get(name), "__metadata__", ())
        found[name] = next((mark for mark in metadata if isinstance(mark, Part)), None)
    return found


def shape_of(dataset: Dataset) -> list[int] | None:
    """The shape of one x; None where x is not of real numbers, or there are no examples."""
    if not dataset.length("train"):
        return None
    x = dataset.batch("train", torch.arange(1)).x
    real = isinstance(x, Tensor) and x.is_floating_point() and x.ndim > 1
    return list(x.shape[1:]) if real else None


def need_shape(dataset: Dataset, family: str) -> list[int]:
    """The shape of one x, for a model family with a density over real numbers.

    Args:
        dataset: its training split is looked at.
        family: registered name, for the message.

    Raises:
        UsageError: for data that are not real numbers of one shape.
    """
    shape = shape_of(dataset)
    if shape is None:
        raise UsageError(
            f"The model {family} needs real numbers of one shape, and the examples of "
            f"{dataset.name} are others; use the model latent-ebm."
        )
    return shape


def sizes_of(family: type[Any], tables: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """What fills sizes that the parts' tables leave open: by default those of the data set.

    Where a part is over another space than the others, its name holds the sizes that are its own;
    see `sizes_for`.
    """
    own = getattr(family, "sizes", None)
    found: dict[str, Any] = dataset.sizes if own is None else own(tables, dataset)
    return found


def sizes_for(part: str, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of one part: those of all, and its own before them.

    >>> sizes_for("descriptor", {"latent_dim": 2, "descriptor": {"latent_dim": 64}})["latent_dim"]
    64
    """
    return {**sizes, **sizes.get(part, {})}
