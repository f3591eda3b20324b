"""Checks of options: a value that is not possible is a UsageError that says what is."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from lebm_core.errors import UsageError, did_you_mean, shown

__all__ = [
    "LARGEST",
    "WIDEST",
    "at_least",
    "choice",
    "fits",
    "positive",
    "refuse_kinds",
    "share",
    "whole",
    "widths",
    "within",
]

LARGEST = 10**9  # of whole numbers that count steps, draws or examples
WIDEST = 10**6  # units of a layer
BEYOND = 1e30  # what float32 holds, its squares too large as they are


def at_least(key: str, value: float, least: float) -> None:
    """Refuse a number below a bound.

    Args:
        key: as a recipe names it, such as "learning.prior_start".
        value: its value.
        least: the smallest that is accepted.

    Raises:
        UsageError: where it is smaller, infinite, or not a number.
    """
    _real(key, value)
    if value < least:
        raise UsageError(f"{key} = {value} is too small; use at least {least}.")
    if value == math.inf:
        raise UsageError(f"{key} = {value} is too large; use a finite number.")


def within(key: str, value: float, least: float, most: float) -> None:
    """Refuse a number outside [least, most].

    Raises:
        UsageError: naming both ends.
    """
    at_least(key, value, least)
    if value > most:
        raise UsageError(f"{key} = {value} is too large; use at most {most:g}.")


def positive(key: str, value: float) -> None:
    """Refuse a number that is not above 0, or beyond what float32 can square.

    Raises:
        UsageError: naming the key.
    """
    _real(key, value)
    if value < 1 / BEYOND:
        raise UsageError(f"{key} = {value} is too small; use a number above 0.")
    if value > BEYOND:
        raise UsageError(f"{key} = {value} is too large; use at most {BEYOND:g}.")


def share(key: str, value: float) -> None:
    """Refuse what is no share from 0 to below 1, such as of units that are dropped.

    Raises:
        UsageError: naming the key.
    """
    _real(key, value)
    if not 0 <= value < 1:
        raise UsageError(f"{key} = {value} is not possible; use 0 to below 1.")


def whole(key: str, value: object, least: int = 0, most: int = LARGEST) -> int:
    """The value as an int; refuse what is no whole number in [least, most].

    Raises:
        UsageError: naming the key and the end that is passed.
    """
    if not isinstance(value, Integral):
        raise UsageError(f"{key} = {_said(value)} is not possible; use a whole number.")
    number = int(value)
    if number < least:
        raise UsageError(f"{key} = {number} is too small; use at least {least}.")
    if number > most:
        raise UsageError(f"{key} = {number} is too large; use at most {most:,}.")
    return number


def widths(key: str, values: Sequence[int], least: int = 0) -> None:
    """Refuse widths of layers that cannot be.

    Args:
        key: of the list.
        values: the widths.
        least: how many layers there are at least.

    Raises:
        UsageError: for what is no list of whole numbers from 1 on.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise UsageError(f"{key} = {_said(values)} is not possible; use a list of widths.")
    given = str(list(values))[:80]
    if len(values) < least:
        raise UsageError(f"{key} = {given} is too short; use at least {least} width.")
    if not all(isinstance(each, Integral) and 1 <= int(each) <= WIDEST for each in values):
        raise UsageError(f"{key} = {given} is not possible; use widths from 1 to {WIDEST:,}.")


def fits(numbers: float, what: str) -> None:
    """Refuse so many numbers of 4 bytes that this machine's memory cannot hold them.

    Args:
        numbers: how many there would be.
        what: needs them, such as "n = 10 samples".

    Raises:
        UsageError: naming the memory that is needed and the memory that there is.
    """
    if 4 * numbers > _memory():
        raise UsageError(
            f"{what} would need {4 * numbers / 1e9:,.0f} GB of memory, and this machine has "
            f"{_memory() / 1e9:,.0f} GB; use less."
        )


def choice(key: str, value: str, accepted: Iterable[str]) -> None:
    """Refuse a name that is not one of a few.

    Raises:
        UsageError: naming those that are accepted, and the nearest.
    """
    names = list(accepted)
    if value not in names:
        raise UsageError(
            f'{key} = "{value}" is unknown; use {", ".join(names)}.'
            f"{did_you_mean(str(value), names)}"
        )


def refuse_kinds(owner: str, options: Mapping[str, Any], integers: Collection[str]) -> None:
    """Refuse an option that is NaN, which no comparison would find, or a fraction for an integer.

    Args:
        owner: the part, for messages.
        options: by name.
        integers: names of those that are integers, or lists of them.

    Raises:
        UsageError: naming the owner and the option.
    """
    for key, value in options.items():
        for each in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(each, float) and (each != each or key in integers):
                wanted = "whole number" if key in integers else "number"
                raise UsageError(f"{owner}: {key} = {value} is not possible; use a {wanted}.")


def _real(key: str, value: object) -> None:
    if not isinstance(value, Real) or value != value:
        raise UsageError(f"{key} = {_said(value)} is not possible; use a number.")


def _said(value: object) -> str:
    return str(value) if isinstance(value, Real) else shown(value)


def _memory() -> float:
    """Bytes of memory of this machine; where nobody says, a tebibyte."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return float(2**40)
