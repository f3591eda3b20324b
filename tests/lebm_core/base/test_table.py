"""Columns by name: joined, printed, and written."""

import doctest

import numpy as np
import pytest

from lebm_core.base import table
from lebm_core.base.table import Table
from lebm_core.errors import UsageError


def test_examples_in_the_docstrings():
    assert doctest.testmod(table).failed == 0


def test_a_name_that_is_taken_gets_a_number():
    both = Table({"predicted": ["a"]}).joined({"predicted": ["b"], "p": [1.0]})
    assert both.names == ["predicted", "predicted_2", "p"]
    assert both.joined({"predicted": ["c"]}).names[-1] == "predicted_3"


def test_what_is_written_can_be_read(tmp_path):
    given = Table({"a": np.array([1.5, np.nan]), 'say "b"': ["x,y", "two\nlines"]})
    given.write(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == 'a,"say ""b"""\n1.5,"x,y"\n,"two\nlines"\n'


def test_a_notebook_shows_it_escaped_and_cut():
    shown = Table({"<b>": [f"<i>{i}" for i in range(30)]})._repr_html_()
    assert "<b>" not in shown and "<i>" not in shown and shown.count("<tr>") == 21
    assert str(Table({"a": list(range(30))})).endswith("... 10 more rows")


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(UsageError, match="different lengths"):
        Table({"a": [1], "b": [1, 2]})
