"""Numbers with the digits that their standard errors allow."""

from __future__ import annotations

import math

from lebm_core.evaluation.values import Value

__all__ = ["format_value"]


def format_value(value: Value) -> str:
    """The figure with its standard error: two significant digits of the error decide.

    >>> format_value(Value(98.3125, 0.4217))
    '98.31 ± 0.42'
    >>> format_value(Value(0.123456))
    '0.1235'
    >>> format_value(Value(None, refused="too few effective samples"))
    'refused'
    >>> format_value(Value(1.234567e253, 4.2e251))
    '1.235e+253 ± 4.2e+251'
    """
    if value.value is None or not math.isfinite(value.value):
        return "refused" if value.refused else "none"
    error = value.standard_error
    if error is None or not math.isfinite(error) or error <= 0:
        return _significant(value.value, 4)
    if error < 1e-6 * abs(value.value):  # exact for every purpose: metrics.json has the error
        return f"{value.value:.6g}"
    decimals = 1 - math.floor(math.log10(error))
    if decimals > 8:
        return f"{value.value:.3g} ± {error:.2g}"
    if max(abs(value.value), error) >= 1e9:  # not in full digits
        digits = decimals + math.floor(math.log10(max(abs(value.value), error))) + 1
        return f"{value.value:.{digits}g} ± {error:.2g}"
    decimals = max(0, decimals)
    return f"{value.value:.{decimals}f} ± {error:.{decimals}f}"


def _significant(x: float, digits: int) -> str:
    if x == 0 or float(x).is_integer() and abs(x) < 10**6:
        return f"{x:g}"
    size = math.floor(math.log10(abs(x)))
    if not -4 <= size < 6:
        return f"{x:.{digits - 1}e}"
    return f"{x:.{max(0, digits - 1 - size)}f}"
