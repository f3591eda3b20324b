"""Sentences of Yelp with their sentiment, cut from the two parts of them that are at hand."""

from __future__ import annotations

from lebm_core.data.files import DataFiles
from lebm_core.data.splits import hash_key
from lebm_text.data.corpus import read_sentences
from lebm_text.data.dataset import TextDataset
from lebm_text.data.labelled.files import SENTIMENT, Line, without_copies
from lebm_text.data.options import explained
from lebm_text.data.prepare import TextOptions, prepare

__all__ = ["yelp_shen"]

HOW = (
    "The files of Shen et al. 2017 hold one sentence a line, sentiment.*.0 the negative ones and "
    "sentiment.*.1 the positive ones."
)
SPLIT = (
    "not the published one: train is the published test part, valid and test are halves of the "
    "published dev part, cut by a hash of the sentence"
)


@explained
def yelp_shen(
    *,
    files: DataFiles,
    seed: int,
    representation: str = "tokens",
    stop_words: bool = True,
    vocab_size: int = 0,
    min_count: int = 2,
    max_line: int = 1000,
    train_lines: int = 0,
    eval_lines: int = 0,
) -> TextDataset:
    """Yelp (Shen et al. 2017), sentences of at most 15 words with their sentiment.

    THE SPLIT IS NOT THE PUBLISHED ONE: the training part (443,000 sentences) is not used. Train is
    the published test part (50,278 negative and 76,392 positive lines) less the 13,350 whose
    sentence occurs in the dev part; valid and test are halves of the published dev part (25,278
    and 38,205), cut by a hash of the sentence, so that no sentence is in two splits. Words are
    counted in train alone. Lines come in the order of a hash, so the first so many of them are
    a fair draw.
    """
    options = TextOptions(
        vocab_size=vocab_size, min_count=min_count, max_length=0, train_lines=train_lines,
        eval_lines=eval_lines, representation=representation, stop_words=stop_words,
    )  # fmt: skip
    paths = {
        (part, label): files.find(
            "text.yelp_shen", [f"yelp_shen2017/sentiment.{part}.{label}"], HOW
        )
        for part in ("test", "dev")
        for label in SENTIMENT
    }
    train, held = (
        [
            Line(label, sentence, str(path))
            for (part, label), path in paths.items()
            if part == wanted
            for sentence in read_sentences(path, max_line=max_line)
        ]
        for wanted in ("test", "dev")
    )
    halves: tuple[list[Line], list[Line]] = [], []
    for line in held:
        halves[hash_key(line.sentence)[-1] % 2].append(line)
    train, valid, test = (
        sorted(lines, key=lambda line: (hash_key(line.sentence), line.label))
        for lines in (train, *halves)
    )
    corpus = without_copies(
        train, valid, test, "Yelp", names=SENTIMENT, paths=list(paths.values()),
        facts={"splits": SPLIT},
    )  # fmt: skip
    return prepare(corpus, options)
