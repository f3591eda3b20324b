"""The registered data sets of sentences with classes; keyword parameters are keys of [data]."""

from __future__ import annotations

from pathlib import Path

from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_text.data.dataset import TextDataset
from lebm_text.data.labelled.agnews import CLASSES, agnews_splits
from lebm_text.data.labelled.files import (
    SENTIMENT,
    corpus_of,
    read_labelled,
    read_table,
    split_lines,
    without_copies,
)
from lebm_text.data.options import explained, word_rule
from lebm_text.data.prepare import TextOptions, prepare

__all__ = ["agnews", "labelled", "short_yelp", "sst2"]


@explained
def short_yelp(
    *,
    files: DataFiles,
    seed: int,
    published_labels: int = 0,
    representation: str = "tokens",
    stop_words: bool = True,
    vocab_size: int = 0,
    min_count: int = 1,
    max_line: int = 1000,
    train_lines: int = 0,
    eval_lines: int = 0,
) -> TextDataset:
    """Short Yelp: sentences of at most 15 words, 10,000 / 10,000 / 10,000, with their sentiment.

    Training sentences that occur in valid or test are left out.

    Args:
        published_labels: only the first so many lines of the training file keep their label, as in
            the published subsets of 100, 500, 1,000 and 2,000; 0 for all. Learn with
            learning.labels = 0 then
    """
    options = TextOptions(
        vocab_size=vocab_size, min_count=min_count, max_length=0, train_lines=train_lines,
        eval_lines=eval_lines, representation=representation, stop_words=stop_words,
    )  # fmt: skip
    how = 'The files hold "label TAB sentence" lines, 1 positive.'
    paths = [
        files.find("text.short_yelp", [f"short_yelp/short_yelp.{part}.txt"], how)
        for part in ("train.10000", "valid", "test")
    ]
    train, valid, test = (read_labelled(path, max_line) for path in paths)
    if not 0 <= published_labels <= len(train):
        raise UsageError(
            f"data.published_labels = {published_labels}: accepted are 0, for all, to {len(train)}."
        )
    if published_labels:
        rest = [line._replace(label="") for line in train[published_labels:]]
        train = train[:published_labels] + rest
    corpus = without_copies(train, valid, test, "short Yelp", names=SENTIMENT, paths=paths)
    return prepare(corpus, options)


@explained
def sst2(
    *,
    files: DataFiles,
    seed: int,
    representation: str = "tokens",
    stop_words: bool = True,
    vocab_size: int = 0,
    min_count: int = 1,
    max_line: int = 1000,
    train_lines: int = 0,
    eval_lines: int = 0,
) -> TextDataset:
    """SST-2 (Socher et al. 2013), sentences alone: 6,920 / 872 / 1,821, with their sentiment.

    Training sentences that occur in valid or test are left out.
    """
    options = TextOptions(
        vocab_size=vocab_size, min_count=min_count, max_length=0, train_lines=train_lines,
        eval_lines=eval_lines, representation=representation, stop_words=stop_words,
    )  # fmt: skip
    how = 'The files have the header "sentence TAB label", 1 positive.'
    paths = [
        files.find("text.sst2", [f"sst2/{part}.tsv"], how) for part in ("train", "dev", "test")
    ]
    train, valid, test = (list(read_table(path, max_line)) for path in paths)
    corpus = without_copies(train, valid, test, "SST-2", names=SENTIMENT, paths=paths)
    return prepare(corpus, options)


@explained
def agnews(
    *,
    files: DataFiles,
    seed: int,
    titles: bool = True,
    valid_size: int = 2000,
    representation: str = "bag",
    stop_words: bool = False,
    vocab_size: int = 10_000,
    min_count: int = 1,
    max_length: int = 0,
    long_lines: str = "truncate",
    train_lines: int = 0,
    eval_lines: int = 0,
) -> TextDataset:
    """AG News (Zhang et al. 2015): 15,000 items of its training part, and the test part of 7,600.

    10,000 of the items have no title. All are tokenised and lower-cased alike; items that occur
    twice, or in the test part (the first 60 characters of the text, less punctuation), are left
    out; valid is cut from the 5,000 items with a title, by a hash of the text.

    Args:
        titles: whether the title, where there is one, stands before the text
        valid_size: items of valid
    """
    options = TextOptions(
        vocab_size=vocab_size, min_count=min_count, max_length=max_length, long_lines=long_lines,
        train_lines=train_lines, eval_lines=eval_lines, representation=representation,
        stop_words=stop_words,
    )  # fmt: skip
    how = "It needs the test part as .csv, and items of the training part as .jsonl and .tsv."
    names = ("train10000_lower.tsv", "dev5000_from_train.jsonl", "test.csv")
    paths = [files.find("text.agnews", [f"agnews/{name}"], how) for name in names]
    splits, facts = agnews_splits(paths[0], paths[1], paths[2], titles, valid_size)
    corpus = corpus_of(splits, "AG News", names=CLASSES, paths=paths, facts=facts)
    return prepare(corpus, options)


@explained
def labelled(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    valid: str = "",
    test: str = "",
    valid_share: float = 0.1,
    test_share: float = 0.1,
    words: str = "whitespace",
    representation: str = "tokens",
    stop_words: bool = True,
    tokenizer: str = "",
    vocab_size: int = 0,
    min_count: int = 1,
    max_length: int = 0,
    long_lines: str = "drop",
    max_line: int = 1000,
    train_lines: int = 0,
    eval_lines: int = 0,
) -> TextDataset:
    """Sentences of the user's own with a class: lines of `label TAB sentence`.

    An empty label is one that is not known.

    Args:
        source: the file, or the training file where valid and test are given
        valid: file of the validation sentences; both valid and test, or neither
        test: file of the test sentences
    """
    options = TextOptions(
        tokenizer, vocab_size, min_count, max_length, long_lines, train_lines, eval_lines,
        representation, stop_words,
    )  # fmt: skip
    if not source:
        raise UsageError(
            'data.source is empty: text.labelled needs a file of "label TAB sentence" lines, '
            "data.source=my.tsv."
        )
    if bool(valid) != bool(test):
        raise UsageError("text.labelled takes both data.valid and data.test, or neither.")
    rule = word_rule(words)
    paths = [Path(each).expanduser() for each in (source, valid, test) if each]
    read = [read_labelled(path, max_line, rule) for path in paths]
    if valid:
        splits, facts = dict(zip(("train", "valid", "test"), read, strict=True)), {}
    else:
        splits = split_lines(read[0], valid_share, test_share, source)
        facts = {"splits": f"by a hash of the text: valid {valid_share:g}, test {test_share:g}"}
    return prepare(corpus_of(splits, source, paths=paths, facts=facts), options)
