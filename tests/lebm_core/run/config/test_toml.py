"""The TOML that is written is read back by the standard library as it was."""

from __future__ import annotations

import math
import tomllib

import pytest

from lebm_core.run.config.toml import emit_table, emit_value, line_of, parse_value


@pytest.mark.parametrize(
    "value",
    [
        0, -3, True, 1.5, 1e-12, math.inf, -math.inf, "", 'a "b" \\ c', "ü\n\t\x7f\x00", [], [1, 2],
        ["a", 'b"'], [[1], [2, 3]], {"a": 1, "b c": [True]}, {},
    ],
)  # fmt: skip
def test_values_read_back(value):
    assert tomllib.loads(f"value = {emit_value(value)}")["value"] == value
    assert math.isnan(tomllib.loads(f"value = {emit_value(math.nan)}")["value"])


def test_tables_have_headers_comments_and_quoted_keys():
    text = emit_table({"a": 1, "prior.name": "x"}, {"a": "the first"}, 'baseline."f 0"')
    assert text == '[baseline."f 0"]\na = 1  # the first\n"prior.name" = "x"\n'
    assert tomllib.loads(text) == {"baseline": {"f 0": {"a": 1, "prior.name": "x"}}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("1e-4", 1e-4), ("true", True), ("[1, 2]", [1, 2]), ('"a b"', "a b"),
        ("a b", "a b"), ("", ""), ("1 # x", 1), ("2020-01-01", "2020-01-01"),
        ("1\nb = 2", "1\nb = 2"), ("[a, b]", "[a, b]"),
        (".25", 0.25), ("-.5e1", -5.0), ("2.", 2.0), (".", "."), ("a.b", "a.b"), (".txt", ".txt"),
    ],
)  # fmt: skip
def test_a_value_is_toml_or_its_own_text(text, value):
    assert parse_value(text) == value


def test_the_line_of_a_key_is_found_in_every_spelling():
    text = "a = 1\n[t]\n# t.c = 1\nb = 2\n'q.r' = 3\n[u]\n[u . v]\nw = { x = 1 }\n"
    expected = {"a": 1, "t.b": 4, "t.q.r": 5, "t": 2, "u.v.w": 8, "u.v.w.x": 8, "none": None}
    assert {key: line_of(text, key) for key in expected} == expected
