"""The registered data sets. The keyword parameters of each are the keys of a recipe's [data]."""

from __future__ import annotations

import functools
from pathlib import Path

from lebm_core.data.files import DataFiles, file_sha256
from lebm_core.errors import UsageError
from lebm_text.data.corpus import Corpus, read_sentences, split_by_hash
from lebm_text.data.dataset import TextDataset
from lebm_text.data.hub import hub_corpus
from lebm_text.data.options import explained, split_files, user_corpus, word_rule
from lebm_text.data.prepare import TextOptions, prepare
from lebm_text.data.pydocs import pydoc_sentences
from lebm_text.data.readers import read_lines, read_snli, read_yahoo

__all__ = ["file", "hub", "ptb", "pydocs", "snli", "yahoo"]

SUBSET = 100_000, 10_000, 10_000  # sentences of SNLI and Yahoo that the text-VAE papers use
NO_DOWNLOAD = "The recipe text-pydocs needs no download."


@explained
def ptb(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    tokenizer: str = "",
    vocab_size: int = 0,
    min_count: int = 1,
    max_length: int = 40,
    long_lines: str = "drop",
    max_line: int = 1000,
    train_lines: int = 0,
    eval_lines: int = 0,
) -> TextDataset:
    """The Penn Treebank as Mikolov et al. 2010 prepared it: 42,068 / 3,370 / 3,761 sentences.

    Its own <unk> is the unknown word. `source` takes the user's own file instead.
    """
    options = TextOptions(
        tokenizer, vocab_size, min_count, max_length, long_lines, train_lines, eval_lines
    )
    if source:
        return prepare(user_corpus(source, max_line), options)
    how = f"The files of Mikolov et al. 2010 hold one sentence a line. {NO_DOWNLOAD}"
    paths = [
        files.find("text.ptb", [f"ptb/ptb.{s}.txt", f"ptb.{s}.txt"], how)
        for s in ("train", "valid", "test")
    ]
    return prepare(split_files(paths, [read_lines] * 3, max_line), options)


@explained
def snli(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    tokenizer: str = "",
    vocab_size: int = 10_000,
    min_count: int = 1,
    max_length: int = 40,
    long_lines: str = "drop",
    max_line: int = 1000,
    train_lines: int = 0,
    eval_lines: int = 0,
) -> TextDataset:
    """Sentences of SNLI (Bowman et al. 2015), 100,000 / 10,000 / 10,000 of them."""
    options = TextOptions(
        tokenizer, vocab_size, min_count, max_length, long_lines, train_lines, eval_lines
    )
    if source:
        return prepare(user_corpus(source, max_line), options)
    how = f"SNLI 1.0 is taken as .jsonl or .txt, or as one sentence a line. {NO_DOWNLOAD}"
    paths = []
    for split, plain in (("train", "train"), ("dev", "valid"), ("test", "test")):
        names = [f"snli/snli_1.0_{split}.jsonl", f"snli/snli_1.0_{split}.txt"]
        names += [f"snli/snli.{plain}.txt", f"snli/{plain}.txt"]
        paths.append(files.find("text.snli", names, how))
    readers = [functools.partial(read_snli, most=most) for most in SUBSET]
    return prepare(split_files(paths, readers, max_line), options)


@explained
def yahoo(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    tokenizer: str = "",
    vocab_size: int = 20_000,
    min_count: int = 1,
    max_length: int = 200,
    long_lines: str = "drop",
    max_line: int = 1000,
    train_lines: int = 0,
    eval_lines: int = 0,
) -> TextDataset:
    """Documents of Yahoo Answers (Yang et al. 2017), 100,000 / 10,000 / 10,000 of them.

    Of the .csv files of Zhang et al. 2015 the validation part is taken from the training file.
    """
    options = TextOptions(
        tokenizer, vocab_size, min_count, max_length, long_lines, train_lines, eval_lines
    )
    if source:
        return prepare(user_corpus(source, max_line), options)
    how = (
        "The files of Yang et al. 2017 hold one document a line; train.csv and test.csv of Zhang "
        f"et al. 2015 will do too. {NO_DOWNLOAD}"
    )
    names = {
        s: [f"yahoo/yahoo.{s}.txt", f"yahoo/{s}.txt", f"yahoo/{s}.csv"]
        for s in ("train", "valid", "test")
    }
    first, last = (files.find("text.yahoo", names[s], how) for s in ("train", "test"))
    n_train, n_valid, n_test = SUBSET
    if ".csv" not in first.suffixes:
        paths = [first, files.find("text.yahoo", names["valid"], how), last]
        return prepare(split_files(paths, [functools.partial(read_yahoo)] * 3, max_line), options)
    both = read_yahoo(first, max_line, n_train + n_valid)
    n_valid = min(n_valid, len(both) // 10)
    corpus = Corpus(
        both[n_valid:],
        both[:n_valid],
        read_yahoo(last, max_line, n_test),
        str(first.parent),
        {"sha256": {path.name: file_sha256(path) for path in (first, last)}},
    )
    return prepare(corpus, options)


@explained
def pydocs(
    *,
    files: DataFiles,
    seed: int,
    tokenizer: str = "",
    vocab_size: int = 0,
    min_count: int = 2,
    max_length: int = 40,
    long_lines: str = "drop",
    train_lines: int = 0,
    eval_lines: int = 0,
    valid_share: float = 0.1,
    test_share: float = 0.1,
) -> TextDataset:
    """Sentences of the Python reference that CPython carries (`pydoc_data.topics`): no download."""
    options = TextOptions(
        tokenizer, vocab_size, min_count, max_length, long_lines, train_lines, eval_lines
    )
    sentences = list(pydoc_sentences())
    return prepare(split_by_hash(sentences, valid_share, test_share, "pydoc_data.topics"), options)


@explained
def file(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    valid: str = "",
    test: str = "",
    valid_share: float = 0.05,
    test_share: float = 0.05,
    words: str = "whitespace",
    tokenizer: str = "",
    vocab_size: int = 0,
    min_count: int = 1,
    max_length: int = 40,
    long_lines: str = "drop",
    max_line: int = 1000,
    train_lines: int = 0,
    eval_lines: int = 0,
) -> TextDataset:
    """Any text file, one sentence a line.

    Args:
        source: the text, or the training text where valid and test are given
        valid: file of the validation sentences; both valid and test, or neither
        test: file of the test sentences
    """
    options = TextOptions(
        tokenizer, vocab_size, min_count, max_length, long_lines, train_lines, eval_lines
    )
    if not source:
        raise UsageError("data.source is empty: text.file needs a text file, data.source=my.txt.")
    if bool(valid) != bool(test):
        raise UsageError("text.file takes both data.valid and data.test, or neither.")
    if not valid:
        return prepare(user_corpus(source, max_line, valid_share, test_share, words), options)
    rule = word_rule(words)

    def read(path: Path, limit: int) -> list[str]:
        return read_sentences(path, max_line=limit, prepare=rule)

    paths = [Path(each).expanduser() for each in (source, valid, test)]
    corpus = split_files(paths, [read] * 3, max_line)
    corpus.source = source
    return prepare(corpus, options)


@explained
def hub(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    config: str = "",
    field: str = "text",
    valid_share: float = 0.05,
    test_share: float = 0.05,
    words: str = "whitespace",
    tokenizer: str = "",
    vocab_size: int = 20_000,
    min_count: int = 1,
    max_length: int = 40,
    long_lines: str = "drop",
    max_line: int = 1000,
    train_lines: int = 0,
    eval_lines: int = 0,
) -> TextDataset:
    """A data set of the `datasets` library; splits that it lacks are cut from the training split.

    Args:
        source: an id of the hub, or a local folder
        config: the name of a configuration, where the data set has several
        field: the column that holds the text
    """
    options = TextOptions(
        tokenizer, vocab_size, min_count, max_length, long_lines, train_lines, eval_lines
    )
    if not source:
        raise UsageError("data.source is empty: text.hub needs an id or a local folder.")
    corpus = hub_corpus(source, config, field, valid_share, test_share, max_line, word_rule(words))
    return prepare(corpus, options)
