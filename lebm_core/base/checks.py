"""Checks of options: a value that is not possible is a UsageError that says what is."""

from __future__ import annotations

from collections.abc import Iterable

from lebm_core.errors import UsageError, did_you_mean

__all__ = ["at_least", "choice"]


def at_least(key: str, value: float, least: float) -> None:
    """Refuse a number below a bound.

    Args:
        key: as a recipe names it, such as "learning.prior_start".
        value: its value.
        least: the smallest that is accepted.

    Raises:
        UsageError: where it is smaller, or NaN.
    """
    if not value >= least:
        raise UsageError(f"{key} = {value} is too small; use at least {least}.")


def choice(key: str, value: str, accepted: Iterable[str]) -> None:
    """Refuse a name that is not one of a few.

    Raises:
        UsageError: naming those that are accepted, and the nearest.
    """
    names = list(accepted)
    if value not in names:
        raise UsageError(
            f'{key} = "{value}" is unknown; use {", ".join(names)}.{did_you_mean(value, names)}'
        )
