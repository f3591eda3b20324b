"""The contract of a control: an energy g(z) with a strength."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

from torch import Tensor

from lebm_core.control.heads import PropertyHead
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.latent.parts import LatentModel

__all__ = ["Control", "Term", "check_strength", "controls_in"]


@dataclass(frozen=True)
class Term:
    """One g(z) of a composed density, all names resolved.

    Attributes:
        name: for messages and tables.
        strength: the factor lambda of g.
        classes: ids whose joint probability is meant, g = log p(y in classes | z); or empty.
        energy: (z, context) -> g(z), (B, d) -> (B,), where the term is no class.
    """

    name: str
    strength: float
    classes: tuple[int, ...] = ()
    energy: Callable[[Tensor, Tensor | None], Tensor] | None = None


class Control(ABC):
    """An energy g(z) with a strength.

    Attributes:
        strength: the factor lambda of g; 1 is Bayes' rule, more is stronger, 0 is none.
    """

    strength: float

    def bind(self, model: LatentModel, dataset: Dataset) -> Control:
        """Return the control for a model and its data, where it depends on them; by default itself.

        A control of the command line is made without a model and bound before it is used.

        Raises:
            UsageError: where it does not apply to such a model or such data.
        """
        return self

    @abstractmethod
    def term(
        self, n_classes: int, classes: Sequence[str], heads: Mapping[str, PropertyHead]
    ) -> Term:
        """The energy for a prior of so many classes and these property heads.

        Raises:
            UsageError: for a class or property that is not known there.
        """

    def complement(self) -> Control:
        """The control whose g is log(1 - exp g), where exp g is a probability.

        Raises:
            UsageError: where it is none.
        """
        raise UsageError(
            f"Not() needs a control that is a probability: a class, or a property with at_least or "
            f"at_most, which {type(self).__name__} here is not."
        )


def controls_in(control: object) -> list[Control]:
    """One control or several, as a list; UsageError for anything else."""
    found = []
    for each in control if isinstance(control, (list, tuple)) else [control]:
        if not isinstance(each, Control):
            raise UsageError(f"A control is a ClassIs, Property, Function or Not, not {each!r}.")
        found.append(each)
    return found


def check_strength(strength: float) -> float:
    """The strength; UsageError where it is negative or not finite."""
    if not (isinstance(strength, Real) and math.isfinite(strength) and strength >= 0):
        raise UsageError(
            f"A control's strength must be 0 or more, not {strength}; Not() is the opposite."
        )
    return float(strength)
