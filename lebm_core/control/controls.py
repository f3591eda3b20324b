"""Control energies g(z), added to a prior's log-tilt with a weight.

The density is proportional to exp(f(z) + sum_k strength_k g_k(z)) p0(z). At strength 1 a g that is
the log-probability of an event given z makes this Bayes' rule: the prior, given the event. Several
controls are a conjunction of events that are independent given z (Du et al., "Compositional visual
generation with energy based models", NeurIPS 2020, arXiv 2004.06030; Nie et al., "Controllable and
compositional generation with latent-space energy-based models", NeurIPS 2021, arXiv 2110.10873).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from lebm_core.control.base import Control, Term, check_strength
from lebm_core.control.heads import PropertyHead
from lebm_core.errors import UsageError, did_you_mean

__all__ = ["ClassIs", "Function", "Not", "Property", "class_id"]


class ClassIs(Control):
    """The sample is of a class, or of one of several: g(z) = log p(y in classes | z).

    With strength 1, f + g = F_y, the tilt of that class.

    Args:
        classes: ids or names.
        strength: lambda.
    """

    def __init__(self, *classes: int | str, strength: float = 1.0, negated: bool = False) -> None:
        if not classes:
            raise UsageError("ClassIs() needs a class, an id or a name.")
        self.classes, self.strength, self.negated = classes, check_strength(strength), negated

    def term(
        self, n_classes: int, classes: Sequence[str], heads: Mapping[str, PropertyHead]
    ) -> Term:
        ids = sorted({class_id(y, n_classes, classes) for y in self.classes})
        said = " or ".join(classes[i] if classes else str(i) for i in ids)
        if self.negated:
            ids = [i for i in range(n_classes) if i not in ids]
            if not ids:
                raise UsageError(f"Not y = {said} leaves no class.")
        name = f"{'not ' if self.negated else ''}y = {said}"
        return Term(name, self.strength, tuple(ids))

    def complement(self) -> ClassIs:
        return ClassIs(*self.classes, strength=self.strength, negated=not self.negated)


class Property(Control):
    """A property of the sample, predicted from z by a head: v | z ~ N(mean(z), sigma^2).

    Args:
        name: of a head that the model has (`fit_property`).
        target: g(z) = log N(target; mean(z), sigma^2).
        at_least: g(z) = log p(v >= at_least | z).
        at_most: g(z) = log p(v <= at_most | z).
        maximise: g(z) = mean(z), in standard deviations of the values that the head learned from.
        minimise: the same with the other sign.
        strength: lambda.

    Raises:
        UsageError: unless exactly one of the five is given.
    """

    def __init__(
        self,
        name: str,
        *,
        target: float | None = None,
        at_least: float | None = None,
        at_most: float | None = None,
        maximise: bool = False,
        minimise: bool = False,
        strength: float = 1.0,
    ) -> None:
        given = {"target": target, "at_least": at_least, "at_most": at_most}
        chosen = [kind for kind, value in given.items() if value is not None]
        chosen += [k for k, on in (("maximise", maximise), ("minimise", minimise)) if on]
        if len(chosen) != 1:
            raise UsageError(
                f'Property("{name}") takes one of target, at_least, at_most, maximise, minimise, '
                f"not {', '.join(chosen) or 'none'}."
            )
        self.name, self.kind, self.strength = name, chosen[0], check_strength(strength)
        self.value = float(given.get(self.kind) or 0.0)
        if not math.isfinite(self.value):
            raise UsageError(f'Property("{name}"): {self.kind} = {self.value} is not a number.')

    def term(
        self, n_classes: int, classes: Sequence[str], heads: Mapping[str, PropertyHead]
    ) -> Term:
        if self.name not in heads:
            known = ", ".join(heads) or "none (learning.properties, or fit_property)"
            raise UsageError(
                f'This model has no property "{self.name}".{did_you_mean(self.name, heads)} '
                f"Known: {known}."
            )
        head, kind, value = heads[self.name], self.kind, self.value
        sign = {"at_least": ">=", "at_most": "<=", "target": "="}
        if kind in sign:
            name = f"{self.name} {sign[kind]} {value:g}"
        else:
            name = f"{kind} {self.name}"
        return Term(name, self.strength, (), lambda z, c: head.log_density(z, kind, value, c))

    def complement(self) -> Property:
        if self.kind == "at_least":
            return Property(self.name, at_most=self.value, strength=self.strength)
        if self.kind == "at_most":
            return Property(self.name, at_least=self.value, strength=self.strength)
        found = super().complement()
        assert isinstance(found, Property)
        return found


class Function(Control):
    """A function of the user's, g: z (B, d) -> (B,), in nats.

    Its gradient is taken by autograd; one that has none (a hard constraint of 0 and -inf) is
    obeyed by accepting and rejecting alone.

    Args:
        function: g; it must not grow faster than the reference p0 falls.
        strength: lambda.
        name: for messages and tables.
        with_context: g takes (z, context), a row (B, c) of the context for each z.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        strength: float = 1.0,
        name: str = "",
        with_context: bool = False,
    ) -> None:
        if not callable(function):
            raise UsageError(f"Function() takes a function of z, not {function!r}.")
        self.function, self.strength = function, check_strength(strength)
        self.with_context = with_context
        self.name = name or getattr(function, "__name__", "function").strip("<>")

    def term(
        self, n_classes: int, classes: Sequence[str], heads: Mapping[str, PropertyHead]
    ) -> Term:
        def energy(z: Tensor, context: Tensor | None) -> Tensor:
            if not self.with_context:
                return self.function(z)
            if context is None:
                raise UsageError(
                    f'The control "{self.name}" is a function of z and a context: pass '
                    "context=(n, c)."
                )
            return self.function(z, context)

        return Term(self.name, self.strength, (), energy)


def Not(control: Control | int | str, strength: float | None = None) -> Control:
    """The negation of a class or of a bounded property: g(z) = log(1 - p(event | z)).

    It is a probability as well: at most 0, and 0 where the event is unlikely anyway, whereas a
    negative strength would reward being as unlike the event as can be.

    Args:
        control: `ClassIs`, `Property` with at_least or at_most, or a class.
        strength: lambda; by default that of the control.
    """
    inner = control if isinstance(control, Control) else ClassIs(control)
    found = inner.complement()
    if strength is not None:
        found.strength = check_strength(strength)
    return found


def class_id(y: int | str, n_classes: int, classes: Sequence[str] = ()) -> int:
    """The id of a class given by id or by name; a name that is a number may be either, names first.

    Raises:
        UsageError: naming the classes that there are.
    """
    if n_classes == 0:
        raise UsageError(
            "This model has no classes: y needs a coupled prior (prior.name = coupled)."
        )
    if isinstance(y, str):
        if y in classes:
            return list(classes).index(y)
        by_lower = [name.lower() for name in classes]
        if by_lower.count(y.lower()) == 1:
            return by_lower.index(y.lower())
    try:
        found = int(y) if isinstance(y, str) else operator.index(y)
    except (TypeError, ValueError):
        found = -1
    if not 0 <= found < n_classes:
        if not classes:
            raise UsageError(f"Class ids run from 0 to {n_classes - 1}, not {y}.")
        known = ", ".join(classes)
        raise UsageError(f'There is no class "{y}".{did_you_mean(str(y), classes)} Known: {known}.')
    return found
