"""Checks of options, each refused in one sentence."""

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
    """Refuse a word that is not one of a few.

    Raises:
        UsageError: naming those that are accepted, and the nearest.
    """
    words = list(accepted)
    if value not in words:
        raise UsageError(
            f'{key} = "{value}" is unknown; use {", ".join(words)}.{did_you_mean(value, words)}'
        )
