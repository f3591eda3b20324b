"""The registered data sets of sentences with classes; the parameters are keys of [data]."""

from __future__ import annotations

from typing import Literal

from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError
from lebm_text.data.bag_dataset import BagDataset
from lebm_text.data.dataset import TextDataset
from lebm_text.data.labelled.agnews import CLASSES, agnews_splits
from lebm_text.data.labelled.files import (
    SENTIMENT,
    corpus_of,
    read_labelled,
    read_table,
    without_copies,
)
from lebm_text.data.labelled.own import own_corpus
from lebm_text.data.options import SplitOptions, TextOptions
from lebm_text.data.prepare import prepare

__all__ = ["agnews", "labelled", "short_yelp", "sst2"]

SHORT_YELP = Needs(
    "text.short_yelp",
    [
        "short_yelp/short_yelp.train.10000.txt",
        "short_yelp/short_yelp.valid.txt",
        "short_yelp/short_yelp.test.txt",
    ],
    how='The files hold "label TAB sentence" lines, 1 positive.',
    address="https://github.com/bpucla/sri_text, datasets/short_yelp_data",
    licence="Yelp's terms for its data",
)
SST2 = Needs(
    "text.sst2",
    ["sst2/train.tsv", "sst2/dev.tsv", "sst2/test.tsv"],
    how='The files have the header "sentence TAB label", 1 positive.',
    address="https://github.com/thunlp/HiddenKiller, data/clean/sst-2",
)
AGNEWS = Needs(
    "text.agnews",
    ["agnews/train10000_lower.tsv", "agnews/dev5000_from_train.jsonl", "agnews/test.csv"],
    how="It needs the test part as .csv, and items of the training part as .jsonl and .tsv.",
    address="https://github.com/mhjabreel/CharCnn_Keras, data/ag_news_csv; "
    "https://github.com/bpucla/ibebm, data/agnews/dev.jsonl; "
    "https://github.com/thunlp/HiddenKiller, data/clean/ag/dev.tsv",
    licence="non-commercial research",
)
LABELLED = Needs(
    "text.labelled",
    source='my.tsv, a file of "label TAB sentence" lines, or a .csv, .tsv or .json with '
    "data.field and data.label",
)

SENTENCES = TextOptions(max_length=0)
NEWS = TextOptions(
    vocab_size=10_000,
    max_length=0,
    long_lines="truncate",
    max_line=10_000,
    representation="bag",
    stop_words=False,
)
OWN = SplitOptions()


def short_yelp(
    *, files: DataFiles, seed: int, published_labels: int = 0, options: TextOptions = SENTENCES
) -> TextDataset | BagDataset:
    """Short Yelp: 10,000 / 10,000 / 10,000 sentences of at most 15 words, by sentiment.

    Training sentences that occur in valid or test are left out.

    Args:
        published_labels: only the first so many lines of the training file keep their label, as in
            the published subsets of 100, 500, 1,000 and 2,000; 0 for all. Learn with
            learning.symbols.labels = 0 then
    """
    paths = SHORT_YELP.find(files)
    train, valid, test = (read_labelled(path, options.max_line) for path in paths)
    if not 0 <= published_labels <= len(train):
        raise UsageError(
            f"data.published_labels = {published_labels}: accepted are 0, for all, to "
            f"{len(train)}, the lines of {paths[0]}."
        )
    if published_labels:
        rest = [line._replace(label="") for line in train[published_labels:]]
        train = train[:published_labels] + rest
    source = f"short Yelp ({paths[0]})"
    corpus = without_copies(train, valid, test, source, names=SENTIMENT, paths=paths)
    return prepare(corpus, options)


def sst2(
    *, files: DataFiles, seed: int, options: TextOptions = SENTENCES
) -> TextDataset | BagDataset:
    """SST-2 (Socher et al. 2013), sentences alone: 6,920 / 872 / 1,821, by sentiment.

    Training sentences that occur in valid or test are left out.
    """
    paths = SST2.find(files)
    train, valid, test = (list(read_table(path, options.max_line)) for path in paths)
    source = f"SST-2 ({paths[0]})"
    corpus = without_copies(train, valid, test, source, names=SENTIMENT, paths=paths)
    return prepare(corpus, options)


def agnews(
    *,
    files: DataFiles,
    seed: int,
    titles: bool = True,
    valid_size: int = 2000,
    options: TextOptions = NEWS,
) -> TextDataset | BagDataset:
    """AG News (Zhang et al. 2015): 15,000 items of its training part, and the test part of 7,600.

    10,000 of the items have no title. All are tokenised and lower-cased alike; items that occur
    twice, or in the test part (the first 60 characters of the text, less punctuation), are left
    out; valid is cut from the 5,000 items with a title, by a hash of the text.

    Args:
        titles: whether the title, where there is one, stands before the text
        valid_size: items of valid
    """
    paths = AGNEWS.find(files)
    splits, facts = agnews_splits(
        paths[0], paths[1], paths[2], titles, valid_size, options.max_line
    )
    corpus = corpus_of(splits, f"AG News ({paths[0]})", names=CLASSES, paths=paths, facts=facts)
    corpus.reading = {"words": "agnews"}
    return prepare(corpus, options)


def labelled(
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
    options: TextOptions = SENTENCES,
) -> TextDataset | BagDataset:
    """Sentences of the user's own with a class: lines of `label TAB sentence`, or a table.

    An empty label is one that is not known, and so are -1, NA, nan, None, null and ?.

    Args:
        source: the file, or the training file where valid and test are given
        valid: file of the validation sentences; both valid and test, or neither
        test: file of the test sentences
        field: the column of the sentences, of a .csv, .tsv, .json or .jsonl file
        label: the column of the labels, where data.field names that of the sentences
        words: "whitespace" takes lines as they are, "simple" lower-cases and parts punctuation
    """
    LABELLED.check(source)
    if bool(valid) != bool(test):
        raise UsageError("text.labelled takes both data.valid and data.test, or neither.")
    if bool(field) != bool(label):
        raise UsageError("text.labelled takes both data.field and data.label, or neither.")
    corpus = own_corpus((source, valid, test), field, label, shares, words, options.max_line)
    return prepare(corpus, options)
