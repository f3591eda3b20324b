"""Controls as the command line says them: qed=0.9, qed>0.8@2, y=positive, not:y=2."""

from __future__ import annotations

import math
import re

from lebm_core.control.controls import ClassIs, Control, Not, Property
from lebm_core.errors import UsageError

__all__ = ["parse_control"]

PATTERN = re.compile(r"\s*(not:)?\s*([A-Za-z]\w*)\s*(>=|<=|=|>|<)\s*([^@]+?)\s*(?:@\s*(\S+)\s*)?")
ACCEPTED = "such as qed=0.9, qed>0.8, qed=max, y=2, not:y=2, and @2 at the end for the strength"


def parse_control(text: str) -> Control:
    """The control that a text stands for.

    Raises:
        UsageError: quoting the text, and what is accepted.
    """
    found = PATTERN.fullmatch(text)
    if found is None:
        raise UsageError(f'--control "{text}" is not understood: accepted are controls {ACCEPTED}.')
    negated, name, sign, value, given = found.groups()
    strength = _number(given, text, "strength") if given else 1.0
    control: Control
    if name == "y":
        if sign != "=":
            raise UsageError(f'--control "{text}": a class is given by =, y=2.')
        ids = [each.strip() for each in value.split(",")]
        control = ClassIs(*ids, strength=strength)
    elif value in ("max", "min"):
        if sign != "=":
            raise UsageError(f'--control "{text}": {value} is given by =, {name}={value}.')
        control = Property(
            name, maximise=value == "max", minimise=value == "min", strength=strength
        )
    else:
        number = _number(value, text, "value")
        kind = {"=": "target", ">": "at_least", "<": "at_most"}[sign[0]]
        control = Property(name, **{kind: number}, strength=strength)  # type: ignore[arg-type]
    return Not(control) if negated else control


def _number(word: str, text: str, what: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f'--control "{text}": the {what} "{word}" is not a number.')
    return number
