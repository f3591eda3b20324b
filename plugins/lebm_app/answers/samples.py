"""Samples as they are asked for, shown while they are drawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from lebm_app import html
from lebm_app.explorer import Explorer
from lebm_app.live import Seen, streamed, watched
from lebm_core.control.base import Control
from lebm_core.control.controls import ClassIs, Property
from lebm_core.control.syntax import parse_control
from lebm_core.errors import UsageError

__all__ = ["ANY", "KINDS", "Wish", "samples"]

ANY = "any"
KINDS = {"=": "target", "at least": "at_least", "at most": "at_most"}
EXTREMES = {"highest": "maximise", "lowest": "minimise"}
MOST = 64


@dataclass
class Wish:
    """What samples are asked for.

    Attributes:
        n: how many.
        seed: of the draw.
        y: a class by name; "any" for none.
        y_strength: 1 is Bayes' rule.
        name: of a property; "any" for none.
        kind: "=", "at least", "at most", "highest", "lowest".
        value: of the property.
        strength: of the property's control.
        controls: further ones, in the syntax of the command line, between spaces.
        example: whose context samples are for, counted from 1; 0 for one of each.
        decoding: options of decoding.
    """

    n: int = 24
    seed: int = 0
    y: str = ANY
    y_strength: float = 1.0
    name: str = ANY
    kind: str = "at least"
    value: float = 0.0
    strength: float = 1.0
    controls: str = ""
    example: int = 0
    decoding: dict[str, float] = field(default_factory=dict)


def samples(explorer: Explorer, wish: Wish) -> Iterator[tuple[str, str]]:
    """The grid and a sentence about it, again and again until the draw is finished.

    Raises:
        UsageError: for a class, property or control that the model does not know.
    """
    if not 1 <= wish.n <= MOST:
        raise UsageError(f"The page draws 1 to {MOST} samples at once; lebm sample draws more.")
    yield from streamed(lambda tell: _drawn(explorer, wish, tell))


def _drawn(
    explorer: Explorer, wish: Wish, tell: Callable[[tuple[str, str]], None]
) -> tuple[str, str]:
    began = time.monotonic()
    model, view = explorer.model, explorer.view
    context = _context(explorer, wish)
    controls = _controls(explorer, wish)
    given: dict[str, Any] = {**explorer.data.sample_options, **wish.decoding}
    given |= {} if context is None else {"context": context}
    given |= {"control": controls} if controls else {}
    if wish.y != ANY and wish.y_strength == 1:
        given["y"] = wish.y
    moved = bool(controls) or ("y" in given and not model.observed)
    tell(("", "Drawing..." if not moved else "Drawing, then moving the draws to what is asked..."))

    def seen(decode: Callable[[Tensor], Any]) -> Seen:
        def look(step: int, steps: int, states: Tensor) -> None:
            now = states[-wish.n :]
            own = None if context is None else context[: len(now)]
            grid = html.shown(view.show(decode(now), own))
            tell((grid, f"Step {step}" + (f" of {steps}." if steps else ".")))

        return look

    with ExitStack() as scope:
        plain = seen(lambda z: explorer.decoded(z, None if context is None else context[: len(z)]))
        scope.enter_context(watched(model.prior, plain))
        if model.density is not model:
            of_x = seen(model.density.decode_mode)
            scope.enter_context(watched(model.descriptor, of_x))
        generator = explorer.generator(wish.seed, "samples")
        x = model.sample(wish.n, generator=generator, **given)
    seconds = time.monotonic() - began
    told = f"{wish.n} samples in {seconds:.1f} s, seed {wish.seed}."
    return html.shown(view.show(x, context)), told


def _context(explorer: Explorer, wish: Wish) -> Tensor | None:
    """The contexts of the samples: of one example, or of the first ones."""
    if not explorer.conditioned or not wish.example:
        return explorer.contexts(wish.n)
    of_each = explorer.contexts(wish.example)
    assert of_each is not None
    return of_each[-1:].expand(wish.n, -1)


def _controls(explorer: Explorer, wish: Wish) -> list[Control]:
    """The controls that are asked for, without a class of strength 1."""
    found: list[Control] = []
    if wish.y != ANY and wish.y_strength != 1:
        found.append(ClassIs(wish.y, strength=wish.y_strength))
    if wish.name != ANY:
        if wish.kind in EXTREMES:
            asked: dict[str, Any] = {EXTREMES[wish.kind]: True}
        else:
            asked = {KINDS[wish.kind]: float(wish.value)}
        found.append(Property(wish.name, **asked, strength=wish.strength))
    found += [parse_control(each) for each in wish.controls.split()]
    return [each.bind(explorer.model, explorer.data) for each in found]
