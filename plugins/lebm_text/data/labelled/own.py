"""A user's own sentences with classes: lines of `label TAB sentence`, or two columns."""

from __future__ import annotations

from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import own_path
from lebm_text.data.corpus import Corpus
from lebm_text.data.labelled.files import corpus_of, read_labelled, split_lines
from lebm_text.data.options import SplitOptions
from lebm_text.data.words import word_rule

__all__ = ["own_corpus"]


def own_corpus(
    sources: tuple[str, str, str],
    field: str,
    label: str,
    shares: SplitOptions,
    words: str,
    max_line: int,
) -> Corpus:
    """Read sentences with their classes.

    Args:
        sources: the files of train, valid and test; or the one that is cut into them, and "" twice.
        field: the column of the sentences; "" for lines of `label TAB sentence`.
        label: the column of the labels, with `field`.
        shares: of valid and of test.
        words: how a line is cut into words.
        max_line: the most words of a line.

    Raises:
        UsageError: as `read_labelled`, and for one class.
    """
    rule = word_rule(words)
    paths = [own_path(each) for each in sources if each]
    read = [read_labelled(path, max_line, rule, field, label) for path in paths]
    facts: dict[str, object] = {}
    if len(read) > 1:
        splits = dict(zip(SPLITS, read, strict=True))
    else:
        splits, facts = split_lines(read[0], shares, sources[0])
    corpus = corpus_of(splits, sources[0], paths=paths, facts=facts)
    corpus.reading = {"words": words, "field": field, "label": label, "pairs": not field}
    return corpus
