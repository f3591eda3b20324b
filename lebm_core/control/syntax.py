"""Controls as strings: qed=0.9, qed>0.8@2, y=positive, not:y=2.

The string is NAME, a sign, VALUE and perhaps @ with the strength. A registered name goes to the
function registered for it (`lebm_register_controls`); any other is a property of the model's heads.
"""

from __future__ import annotations

import math
import re

from lebm_core.control.base import Control
from lebm_core.control.controls import ClassIs, Not, Property
from lebm_core.errors import UsageError
from lebm_core.registry.registry import registry

__all__ = ["class_control", "parse_control", "property_control"]

PATTERN = re.compile(
    r"\s*(not:)?\s*([A-Za-z][\w.-]*)\s*(>=|<=|=|>|<)\s*([^@]+?)\s*(?:@\s*(\S+)\s*)?"
)
ACCEPTED = "such as qed=0.9, qed>0.8, qed=max, y=2, not:y=2, and @2 at the end for the strength"


def parse_control(string: str) -> Control:
    """The control that a string stands for.

    Raises:
        UsageError: quoting the string, and what is accepted.
    """
    found = PATTERN.fullmatch(string)
    if found is None:
        raise UsageError(f'--control "{string}" is not understood; use controls {ACCEPTED}.')
    negated, name, sign, value, given = found.groups()
    try:
        strength = _number(given, "strength") if given else 1.0
        if name in registry().names("controls"):
            control: Control = registry().get("controls", name)(sign, value, strength)
        else:
            control = property_control(name, sign, value, strength)
        return Not(control) if negated else control
    except UsageError as error:
        raise UsageError(f'--control "{string}": {error}') from error


def class_control(sign: str, value: str, strength: float) -> Control:
    """The control y=2, y=2,3 or y=positive: one of the classes given by id or name."""
    if sign != "=":
        raise UsageError("a class is given by =, y=2.")
    return ClassIs(*(each.strip() for each in value.split(",")), strength=strength)


def property_control(name: str, sign: str, value: str, strength: float) -> Control:
    """The control of a property: =0.9, >0.8, <0.3, =max or =min.

    Args:
        name: of the property, for which the model has a head.
        sign: =, >, >=, < or <=.
        value: a number, "max" or "min".
        strength: weight of the control's energy.

    Raises:
        UsageError: the value is no number, or has another sign than =.
    """
    if value in ("max", "min"):
        if sign != "=":
            raise UsageError(f"{value} is given by =, {name}={value}.")
        extreme = {"max": "maximise", "min": "minimise"}[value]
        return Property(name, **{extreme: True}, strength=strength)
    number = _number(value, "value")
    kind = {"=": "target", ">": "at_least", "<": "at_most"}[sign[0]]
    return Property(name, **{kind: number}, strength=strength)  # type: ignore[arg-type]


def _number(word: str, what: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f'the {what} "{word}" is not a number.')
    return number
