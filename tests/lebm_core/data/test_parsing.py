"""JSON of users' files: no key twice, and row numbers that are rows."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from lebm_core.data.parsing import no_row_twice, open_json, parse_json, row_numbers
from lebm_core.errors import UsageError


def test_json_is_read_plain_or_gzipped(tmp_path: Path) -> None:
    for content in (b'\xef\xbb\xbf{\n"a": [1,\n2]}\n', gzip.compress(b'{"a": [1, 2]}')):
        (tmp_path / "my.json").write_bytes(content)
        assert open_json(tmp_path / "my.json") == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("string", "said"),
    [
        ("{", "here is not JSON"),
        ("[" * 100_000, "here is not JSON"),
        ('{"a": {"b": 1, "b": 2}}', 'here has the key "b" twice'),
        ('{"a": "half\nand half"}', "here is not JSON"),
    ],
)
def test_what_is_no_json_is_named(string: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        parse_json(string, "here")
    (tmp_path / "here").write_text(string)
    with pytest.raises(UsageError, match=said):
        open_json(tmp_path / "here")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "a list of row numbers is needed"),
        ("012", "a list of row numbers is needed"),
        ([0, 3], '"3" is no row number from 0 to 2'),
        ([-1], '"-1" is no row number'),
        ([1.0], '"1.0" is no row number'),
        ([True], '"True" is no row number'),
        ([1, 2, 1], "the row 1 is there 2 times"),
    ],
)
def test_what_are_no_rows_is_named(rows: Any, said: str) -> None:
    assert row_numbers([2, 0], 3, "here") == [2, 0]
    with pytest.raises(UsageError, match=f"here: {said}"):
        row_numbers(rows, 3, "here")


def test_a_row_is_in_one_split() -> None:
    no_row_twice([0, 1, 2], "here")
    with pytest.raises(UsageError, match="here: the row 1 is there 3 times"):
        no_row_twice([1, 2, 1, 2, 1], "here")
