"""Sentences of the Python reference that CPython carries in `pydoc_data.topics`: no download."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lebm_text.data.words import PLAIN, simple_words

__all__ = ["pydoc_sentences"]

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\(?[A-Z])")
MARKUP = re.compile(r"\*\*?(?=\S)([^*]+?)(?<=\S)\*\*?")
CODE = re.compile(r"::=|>>>|[{}|=<>\\~^]|\.\.\.\(")
FOOTNOTE = re.compile(r"\s*\[\d+\]")
RULE = set("*=-~+ ")


def _prose(paragraph: str) -> bool:
    """Return whether a paragraph is text rather than code, a heading, a signature or a table."""
    if any(set(line.strip()) <= RULE for line in paragraph.strip().splitlines()):
        return False
    return paragraph.rstrip().endswith((".", ":", "?", "!")) and not CODE.search(paragraph)


def pydoc_sentences() -> Iterator[str]:
    """Yield the distinct sentences of the topics in their order, tokenised and lower-cased.

    Paragraphs that hold code are left out, and so are the marks around names of the language.
    The text depends on the version of Python.
    """
    from pydoc_data.topics import topics

    seen: set[str] = set()
    for text in topics.values():
        for paragraph in re.split(r"\n\s*\n", text):
            if not _prose(paragraph):
                continue
            joined = re.sub(r"-\n\s*(?=[a-z])", "-", paragraph.translate(PLAIN))
            joined = " ".join(joined.replace('"', "").split())
            joined = FOOTNOTE.sub("", MARKUP.sub(r"\1", joined).removeprefix("* "))
            for sentence in SENTENCE_END.split(joined):
                words = simple_words(sentence)
                if words.count(" ") >= 3 and words not in seen:
                    seen.add(words)
                    yield words
