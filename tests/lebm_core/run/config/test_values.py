"""A value of a recipe fits the type of its option, or it is refused; nothing is guessed."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest

from lebm_core.run.config.values import describe, fit

Choice = Literal["lstm", "gru"]


@pytest.mark.parametrize(
    ("annotation", "value", "raw", "fitted"),
    [
        (int, 3, None, 3),
        (float, 1, None, 1.0),
        (float, math.inf, None, math.inf),
        (bool, True, None, True),
        (str, "3", None, "3"),
        (str, 3, "3", "3"),  # key=value: the option is a string, so its text is meant
        (str, "none", "none", "none"),
        (int | None, "none", None, None),
        (float | None, None, None, None),
        (str | None, 3, "3", "3"),
        (Any, "none", None, None),
        (Any, {"a": 1}, None, {"a": 1}),
        (list[int], [1, 2], None, [1, 2]),
        (list[int], (1, 2), None, [1, 2]),
        (list[float], [1, 2.5], None, [1.0, 2.5]),
        (list[str], "[a, b.c]", "[a, b.c]", ["a", "b.c"]),
        (list[list[int]], [[1], [2]], None, [[1], [2]]),
        (tuple[int, ...], [8, 8], None, (8, 8)),
        (Choice, "gru", "gru", "gru"),
        (dict[str, float], {"a": 1}, None, {"a": 1.0}),
    ],
)
def test_what_fits(annotation, value, raw, fitted):
    found = fit(annotation, value, raw)
    assert found == fitted and type(found) is type(fitted)


@pytest.mark.parametrize(
    ("annotation", "value", "raw"),
    [
        (int, "3", None),
        (int, 3.0, None),
        (int, True, None),
        (float, "1", None),
        (float, True, None),
        (bool, 1, None),
        (str, 3, None),
        (str, ["a"], '["a"]'),
        (int | None, "3", None),
        (list[int], 8, None),
        (list[int], ["a"], None),
        (list[str], "[a, b]", None),  # in a file it is a string
        (tuple[int, int], [1, 2, 3], None),
        (Choice, "grut", None),
        (dict[str, float], {"a": "b"}, None),
    ],
)
def test_what_does_not(annotation, value, raw):
    with pytest.raises(ValueError):
        fit(annotation, value, raw)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "an integer"),
        (float | None, 'a number or "none"'),
        (list[str], "a list of strings"),
        (tuple[int, ...], "a list of integers"),
        (Choice, 'one of "lstm", "gru"'),
        (dict[str, int], "a table"),
        (Any, "a value"),
    ],
)
def test_types_in_words(annotation, words):
    assert describe(annotation) == words
