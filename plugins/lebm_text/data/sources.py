"""The registered data sets without classes; the parameters of each are keys of [data]."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

from lebm_core.base.files import sha256
from lebm_core.data.disk.prepared import asks_disk
from lebm_core.data.files import DataFiles, own_path
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError, shown
from lebm_text.data.bag_dataset import BagDataset
from lebm_text.data.corpus import (
    Corpus,
    read_sentences,
    split_by_hash,
    split_files,
    user_corpus,
)
from lebm_text.data.dataset import TextDataset
from lebm_text.data.labelled.own import own_corpus
from lebm_text.data.options import SplitOptions, TextOptions
from lebm_text.data.prepare import on_disk, prepare
from lebm_text.data.readers import pydoc_sentences, read_hub, read_lines, read_snli, read_yahoo
from lebm_text.data.records import kind_of
from lebm_text.data.words import word_rule

__all__ = ["file", "hub", "ptb", "pydocs", "snli", "yahoo"]

SUBSET = 100_000, 10_000, 10_000  # sentences of SNLI and Yahoo that the text-VAE papers use
PTB = Needs(
    "text.ptb",
    [
        ["ptb/ptb.train.txt", "ptb.train.txt"],
        ["ptb/ptb.valid.txt", "ptb.valid.txt"],
        ["ptb/ptb.test.txt", "ptb.test.txt"],
    ],
    how="The files of Mikolov et al. 2010 hold one sentence a line.",
    address="https://github.com/timbmg/RNNLM, data/ptb.zip",
    licence="LDC's, of the Penn Treebank",
)
SNLI = Needs(
    "text.snli",
    [
        [
            "snli/snli_1.0_train.jsonl",
            "snli/snli_1.0_train.txt",
            "snli/snli.train.txt",
            "snli/train.txt",
        ],
        [
            "snli/snli_1.0_dev.jsonl",
            "snli/snli_1.0_dev.txt",
            "snli/snli.valid.txt",
            "snli/valid.txt",
        ],
        [
            "snli/snli_1.0_test.jsonl",
            "snli/snli_1.0_test.txt",
            "snli/snli.test.txt",
            "snli/test.txt",
        ],
    ],
    how="SNLI 1.0 is taken as .jsonl or .txt, or as one sentence a line.",
    address="https://nlp.stanford.edu/projects/snli",
    licence="CC BY-SA 4.0",
)
YAHOO = Needs(
    "text.yahoo",
    [
        ["yahoo/yahoo.train.txt", "yahoo/train.txt", "yahoo/train.csv"],
        ["yahoo/yahoo.test.txt", "yahoo/test.txt", "yahoo/test.csv"],
    ],
    how="The files of Yang et al. 2017 hold one document a line; train.csv and test.csv of Zhang "
    "et al. 2015 will do too.",
    address="https://github.com/jxhe/vae-lagging-encoder, prepare_data.py",
)
YAHOO_VALID = ["yahoo/yahoo.valid.txt", "yahoo/valid.txt"]
FILE = Needs("text.file", source="my.txt, a text file, or a .csv, .tsv or .json with data.field")
HUB = Needs("text.hub", source="the id of a data set of the hub, or a local folder")

WHOLE = TextOptions()
FREQUENT = TextOptions(vocab_size=10_000)
DOCUMENTS = TextOptions(vocab_size=20_000, max_length=200)
REPEATED = TextOptions(min_count=2)
LARGE = TextOptions(vocab_size=20_000)
OWN = SplitOptions()
TENTHS = SplitOptions(valid_share=0.1, test_share=0.1)


def ptb(
    *, files: DataFiles, seed: int, source: str = "", options: TextOptions = WHOLE
) -> TextDataset | BagDataset:
    """The Penn Treebank as Mikolov et al. 2010 prepared it: 42,068 / 3,370 / 3,761 sentences.

    Its own <unk> is the unknown word.

    Args:
        source: the user's own file instead, one sentence a line
    """
    if source:
        return prepare(user_corpus(source, options.max_line), options)
    paths = PTB.find(files)
    return prepare(split_files(paths, [read_lines] * 3, options.max_line), options)


def snli(
    *, files: DataFiles, seed: int, source: str = "", options: TextOptions = FREQUENT
) -> TextDataset | BagDataset:
    """Sentences of SNLI (Bowman et al. 2015), 100,000 / 10,000 / 10,000 of them.

    Args:
        source: the user's own file instead, one sentence a line
    """
    if source:
        return prepare(user_corpus(source, options.max_line), options)
    readers = [functools.partial(read_snli, most=most) for most in SUBSET]
    paths = SNLI.find(files)
    corpus = split_files(paths, readers, options.max_line)
    if "snli_1.0" in paths[0].name:  # else the lines are tokenised already
        corpus.reading = {"words": "simple"}
    return prepare(corpus, options)


def yahoo(
    *, files: DataFiles, seed: int, source: str = "", options: TextOptions = DOCUMENTS
) -> TextDataset | BagDataset:
    """Documents of Yahoo Answers (Yang et al. 2017), 100,000 / 10,000 / 10,000 of them.

    Of the .csv files of Zhang et al. 2015 the validation part is taken from the training file.

    Args:
        source: the user's own file instead, one document a line
    """
    max_line = options.max_line
    if source:
        return prepare(user_corpus(source, max_line), options)
    train, test = YAHOO.find(files)
    n_train, n_valid, n_test = SUBSET
    if kind_of(train) != ".csv":
        paths = [train, files.find("text.yahoo", YAHOO_VALID, YAHOO.how), test]
        return prepare(split_files(paths, [read_yahoo] * 3, max_line), options)
    both = read_yahoo(train, max_line, n_train + n_valid)
    n_valid = min(n_valid, len(both) // 10)
    facts = {"sha256": {path.name: sha256(path) for path in (train, test)}}
    corpus = Corpus(
        both[n_valid:], both[:n_valid], read_yahoo(test, max_line, n_test), str(train.parent),
        facts, reading={"words": "simple"},
    )  # fmt: skip
    return prepare(corpus, options)


def pydocs(
    *,
    files: DataFiles,
    seed: int,
    shares: SplitOptions = TENTHS,
    options: TextOptions = REPEATED,
) -> TextDataset | BagDataset:
    """Sentences of the Python reference in CPython (`pydoc_data.topics`): no download."""
    corpus = split_by_hash(list(pydoc_sentences()), shares, "pydoc_data.topics")
    corpus.reading = {"words": "simple"}
    return prepare(corpus, options)


def file(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    valid: str = "",
    test: str = "",
    field: str = "",
    label: str = "",
    shares: SplitOptions = OWN,
    words: Literal["whitespace", "simple"] = "whitespace",
    keep: Literal["memory", "disk"] = "memory",
    options: TextOptions = WHOLE,
) -> TextDataset | BagDataset:
    """Any text file, one sentence a line; a column of a table, one sentence a row, and its classes.

    Args:
        source: the text, or the training text where valid and test are given
        valid: file of the validation sentences; both valid and test, or neither
        test: file of the test sentences
        field: the column that holds the text, of a .csv, .tsv, .json or .jsonl file
        label: the column of the classes beside it, empty, -1, NA, nan, None, null or ? where not
            known; "" for no classes
        words: "whitespace" takes lines as they are, "simple" lower-cases and parts punctuation
        keep: where the sentences are: memory; or disk, for more than fit: they are prepared once
            in the user cache, and read from there batch by batch
    """
    FILE.check(source)
    if bool(valid) != bool(test):
        raise UsageError("text.file takes both data.valid and data.test, or neither.")
    if label and not field:
        raise UsageError(
            f"data.label = {shown(label)} names a column of a table: name that of the text too, "
            'with data.field; lines of "label TAB sentence" are data.name=text.labelled.'
        )
    if asks_disk(keep):
        paths = [own_path(each) for each in (source, valid, test) if each]
        called = source if valid or label else ""
        return on_disk(paths, shares, words, field, options, called, label)
    if label:
        corpus = own_corpus((source, valid, test), field, label, shares, words, options.max_line)
        return prepare(corpus, options)
    if not valid:
        return prepare(user_corpus(source, options.max_line, shares, words, field), options)
    rule = word_rule(words)

    def read(path: Path, limit: int) -> list[str]:
        return read_sentences(path, max_line=limit, prepare=rule, field=field)

    paths = [own_path(each) for each in (source, valid, test)]
    corpus = split_files(paths, [read] * 3, options.max_line)
    corpus.source, corpus.reading = source, {"words": words, "field": field}
    return prepare(corpus, options)


def hub(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    config: str = "",
    field: str = "text",
    shares: SplitOptions = OWN,
    words: Literal["whitespace", "simple"] = "whitespace",
    options: TextOptions = LARGE,
) -> TextDataset | BagDataset:
    """A data set of the `datasets` library; missing splits are cut from the training split.

    Args:
        source: an id of the hub, or a local folder
        config: the name of a configuration, where the data set has several
        field: the column that holds the text
        words: "whitespace" takes lines as they are, "simple" lower-cases and parts punctuation
    """
    HUB.check(source)
    rule = word_rule(words)
    corpus = read_hub(source, config, field, shares, options.max_line, rule)
    corpus.reading = {"words": words, "field": field}
    return prepare(corpus, options)
