"""Numbers that no option can have: a part is made with them or refuses them."""

from __future__ import annotations

import math
import signal
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import Any

from lebm_core.contracts.checks import check_message, made
from lebm_core.errors import UsageError
from lebm_core.registry.option import Option
from lebm_core.registry.signatures import options_of

__all__ = ["check_bounds"]

SECONDS = 60
NUMBERS = (math.nan, -1, 0, 1e300, 10**12)


def check_bounds(
    kind: str,
    name: str,
    sizes: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> int:
    """Check a part with each numeric option in turn set to NaN, -1, 0, 1e300 and 10**12.

    Args:
        kind: of the registry, such as "priors".
        name: registered.
        sizes: what a data set would give.
        options: of its table.

    Returns:
        How many were refused.

    Raises:
        AssertionError: where it is made with NaN, raises anything but a `UsageError`, or takes
            longer than a minute.
    """
    label, refused = f'{kind} "{name}"', 0
    for path, table in _tables(options_of(kind, name)):
        key = ".".join(path)
        try:
            with _in_time():
                made(kind, name, {**(options or {}), **table}, sizes)
        except UsageError as error:
            check_message(error, f"{label}, {key}")
            refused += 1
        except Exception as error:
            raise AssertionError(
                f"{label} with {table} raises {type(error).__name__}: {error}"
            ) from error
        else:
            assert "nan" not in str(table), f"{label} is made with {table}"
    return refused


def _tables(
    options: Mapping[str, Option], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Tables of one option each, nested as those of the part are."""
    for key, option in options.items():
        if option.table is not None and not option.many:
            for path, table in _tables(option.table, (*above, key)):
                yield path, {key: table}
            continue
        for number in NUMBERS if _counts(option.annotation) else ():
            several = typing.get_origin(option.annotation) is list
            yield (*above, key), {key: [number] if several else number}


@contextmanager
def _in_time() -> Iterator[None]:
    """Stop a part that is made without end, such as of 10**12 layers, where signals can."""
    if not hasattr(signal, "setitimer") or current_thread() is not main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"it is still being made after {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _counts(annotation: Any) -> bool:
    """Whether an option's type is a number, or a list of them."""
    inner = typing.get_args(annotation)
    return annotation in (int, float) or int in inner or float in inner
