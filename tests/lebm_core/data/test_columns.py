"""Columns by name: of a file, or in memory."""

from __future__ import annotations

import numpy as np
import pytest

from lebm_core.base.table import Table
from lebm_core.data.columns import columns_in, numbers_in, read_columns
from lebm_core.errors import UsageError


def test_a_file_a_mapping_and_a_table_are_the_same_columns(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('a , b\n1,"x, y"\n2,z\n')
    assert read_columns(file).columns == {"a": ["1", "2"], "b": ["x, y", "z"]}
    for source in ({"a": [1, 2]}, Table({"a": [1, 2]}), {"a": np.array([1, 2])}):
        assert read_columns(source).columns == {"a": [1, 2]}
    assert columns_in([[1, 2]]) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [("a,a\n1,2\n", 'line 1: the column "a" is there twice'), ("a,b\n1\n", "line 2: 1 of the 2")],
)
def test_a_file_that_is_no_table_is_refused_with_its_line(tmp_path, content, said):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(UsageError, match=said):
        read_columns(tmp_path / "a.csv")


def test_a_source_without_columns_is_refused():
    with pytest.raises(UsageError, match="A list has no columns by name"):
        read_columns([[1, 2]])


def test_numbers_come_in_the_order_that_is_asked_for():
    table = Table({"a": ["1", "2"], "b": [3, 4.5]})
    assert numbers_in(table, ["b", "a"]).tolist() == [[3, 1], [4.5, 2]]


@pytest.mark.parametrize("cell", ["x", "", None, "inf", float("nan")])
def test_what_is_no_finite_number_is_refused_with_its_place(cell):
    with pytest.raises(UsageError, match='my.csv, row 2: .* in the column "b" is no finite number'):
        numbers_in(Table({"b": [1, cell]}), ["b"], "my.csv")


def test_a_column_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match='no column "widht" in the table; .*Did you mean "width"'):
        numbers_in(Table({"width": [1]}), ["widht"])
