"""How a line of text is cut into words. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Callable

from lebm_core.base.checks import choice

__all__ = ["PLAIN", "dialogue_words", "simple_words", "word_rule"]

WORD = re.compile(r"i\.e\.|e\.g\.|\w+(?:['._/-]\w+)*|[^\w\s]")
APOSTROPHE = re.compile(r"(?<=\w) ?' ?(?=(?:s|t|m|d|re|ve|ll)\b)")
SPOKEN = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
PLAIN = str.maketrans({"“": '"', "”": '"', "’": "'", "‘": "'", "–": "-", "—": "-"})


def simple_words(text: str) -> str:
    """Return lower-cased words and punctuation with one space between; every number is "N"."""
    words = WORD.findall(text.translate(PLAIN).lower())
    return " ".join("N" if word[0].isdigit() else word for word in words)


def dialogue_words(text: str) -> str:
    """Return lower-cased words and punctuation with one space between, as DailyDialog has them.

    >>> dialogue_words("I guess you are right.But Let ’ s go !")
    "i guess you are right . but let's go !"
    """
    return " ".join(SPOKEN.findall(APOSTROPHE.sub("'", text.translate(PLAIN).lower())))


RULES = {"whitespace": None, "simple": simple_words}


def word_rule(words: str) -> Callable[[str], str] | None:
    """Return the function that cuts a line into words; None where white space alone does.

    Raises:
        UsageError: for another value than "whitespace" or "simple".
    """
    choice("data.words", words, RULES)
    return RULES[words]
