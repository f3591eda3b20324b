"""Sentences of Yelp with their sentiment, from the test and dev parts of Shen et al. 2017."""

from __future__ import annotations

from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.data.splits import hash_key
from lebm_text.data.bag_dataset import BagDataset
from lebm_text.data.corpus import read_sentences
from lebm_text.data.dataset import TextDataset
from lebm_text.data.labelled.files import SENTIMENT, Line, without_copies
from lebm_text.data.options import TextOptions
from lebm_text.data.prepare import prepare

__all__ = ["yelp_shen"]

YELP = Needs(
    "text.yelp_shen",
    [
        "yelp_shen2017/sentiment.test.0",
        "yelp_shen2017/sentiment.test.1",
        "yelp_shen2017/sentiment.dev.0",
        "yelp_shen2017/sentiment.dev.1",
    ],
    how="The files of Shen et al. 2017 hold one sentence a line, sentiment.*.0 the negative ones "
    "and sentiment.*.1 the positive ones.",
    address="https://github.com/shentianxiao/language-style-transfer, data/yelp",
    licence="Yelp's terms for its data",
)
PARTS = (("test", "0"), ("test", "1"), ("dev", "0"), ("dev", "1"))  # of `YELP`, in its order

SPLIT = (
    "not the published one: train is the published test part, valid and test are halves of the "
    "published dev part, cut by a hash of the sentence"
)


REPEATED = TextOptions(min_count=2, max_length=0)


def yelp_shen(
    *, files: DataFiles, seed: int, options: TextOptions = REPEATED
) -> TextDataset | BagDataset:
    """Yelp (Shen et al. 2017), sentences of at most 15 words with their sentiment.

    THE SPLIT IS NOT THE PUBLISHED ONE: the training part (443,000 sentences) is not used. Train is
    the published test part (50,278 negative and 76,392 positive lines) less the 13,350 whose
    sentence occurs in the dev part; valid and test are halves of the published dev part (25,278
    and 38,205), cut by a hash of the sentence, so that no sentence is in two splits. Words are
    counted in train alone. Lines come in the order of a hash, so the first so many of them are
    a fair draw.
    """
    paths = YELP.find(files)
    lines: dict[str, list[Line]] = {"test": [], "dev": []}
    for (part, label), path in zip(PARTS, paths, strict=True):
        sentences = read_sentences(path, max_line=options.max_line)
        lines[part] += [Line(label, sentence, str(path)) for sentence in sentences]
    halves: tuple[list[Line], list[Line]] = [], []
    for line in lines["dev"]:
        halves[hash_key(line.sentence)[-1] % 2].append(line)
    train, valid, test = (
        sorted(some, key=lambda line: (hash_key(line.sentence), line.label))
        for some in (lines["test"], *halves)
    )
    corpus = without_copies(
        train,
        valid,
        test,
        f"Yelp ({paths[0]})",
        names=SENTIMENT,
        paths=paths,
        facts={"splits": SPLIT},
    )
    return prepare(corpus, options)
