"""Sentences with classes: what is read, how it is cut, what is counted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_text.data.bag_dataset import BagDataset
from lebm_text.data.dataset import TextDataset
from lebm_text.data.labelled.agnews import clean
from lebm_text.data.labelled.sources import agnews, labelled, short_yelp, sst2

TRAIN = "good\tthe film is a joy\nbad\tthe film is a bore , a bore\n\tthe film is long\n"
HELD = "bad\ta bore\ngood\tthe joy of it\n"


@pytest.fixture
def three(tmp_path):
    """The three files of a small data set, as options."""
    for name, text in (("train", TRAIN), ("valid", HELD), ("test", HELD)):
        (tmp_path / f"{name}.tsv").write_text(text)
    names = {"source": "train", "valid": "valid", "test": "test"}
    return {key: str(tmp_path / f"{name}.tsv") for key, name in names.items()}


def all_of(data, split):
    return data.batch(split, torch.arange(data.length(split)))


def test_labels_and_classes_are_those_of_the_file(build, three):
    data = build(labelled, **three)
    assert data.classes == ["bad", "good"] and data.sizes["n_classes"] == 2
    assert all_of(data, "train").y.tolist() == [1, 0, -1]
    assert all_of(data, "valid").y.tolist() == [0, 1]
    assert data.strings(all_of(data, "train").x)[2] == "the film is long"
    assert data.summary["labels known"] == {"train": 2, "valid": 2, "test": 2}


def test_a_dropped_sentence_takes_its_label_along(build, three):
    data = build(labelled, **three, max_length=5)
    assert data.length("train") == 2 and all_of(data, "train").y.tolist() == [1, -1]
    assert build(labelled, **three, max_length=5, long_lines="truncate").length("train") == 3


def test_a_bag_counts_the_most_frequent_words(build, three):
    data = build(labelled, **three, representation="bag", vocab_size=3)
    assert data.columns == ["a", "film", "is"]  # three times each, as "the": by the alphabet
    assert data.sizes == {"features": 3, "n_classes": 2}
    x = all_of(data, "train").x
    assert x.dtype == torch.float32 and x[1].tolist() == [2, 1, 1]
    assert all_of(data, "train").y.tolist() == [1, 0, -1]
    assert data.strings(x)[1] == "a a film is"
    assert "a" not in build(labelled, **three, representation="bag", stop_words=False).columns


def test_what_is_saved_reads_and_writes_samples(build, three, tmp_path):
    for representation, kind in (("bag", BagDataset), ("tokens", TextDataset)):
        data = build(labelled, **three, representation=representation)
        data.save(tmp_path / representation)
        again = kind.load(tmp_path / representation)
        assert again.sizes == data.sizes and again.classes == data.classes
        assert all(again.length(split) == 0 for split in SPLITS)
        x = all_of(data, "valid").x
        file = again.write(x, tmp_path / "samples")
        assert file.read_text().splitlines() == data.strings(x)


@pytest.mark.parametrize("representation", ["tokens", "bag"])
def test_vectors_are_the_tf_idf_of_scikit_learn(build, three, representation):
    data = build(labelled, **three, representation=representation, vocab_size=0)
    lines = [line.split("\t")[1] for line in TRAIN.splitlines()]
    other = TfidfVectorizer(token_pattern=r"\S+", sublinear_tf=True).fit(lines)
    ours = data.vectors("valid", torch.tensor([1, 0]))
    held = [line.split("\t")[1] for line in HELD.splitlines()]
    theirs = other.transform([held[1], held[0]]).toarray()
    words = getattr(data, "text", data).tokenizer.words
    order = [words.index(w) - 4 for w in other.get_feature_names_out()]
    assert ours.format == "csr"
    assert abs(ours.toarray()[:, order] - theirs).max() < 1e-6


def test_a_single_file_is_cut_by_the_sentence(build, tmp_path):
    path = tmp_path / "all.tsv"
    lines = [f"{'ab'[i % 2]}\tsentence number {i // 2} of {'ab'[i % 2]}" for i in range(200)]
    path.write_text("\n".join(lines * 2))
    data = build(labelled, source=str(path), valid_share=0.2, test_share=0.1)
    assert [data.length(s) for s in SPLITS] == [280, 80, 40]
    seen = {s: set(data.strings(all_of(data, s).x)) for s in SPLITS}
    assert not seen["train"] & seen["valid"] and not seen["train"] & seen["test"]
    for split in SPLITS:
        both = zip(data.strings(all_of(data, split).x), all_of(data, split).y, strict=True)
        assert all(sentence.endswith("ab"[y]) for sentence, y in both)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("good\ta joy\na bore\n", r"train.tsv, line 2, has no tab"),
        ("good\ta joy\nbad\t \n", r"train.tsv, line 2, has a label and no sentence"),
        ("good\ta joy\ngood\ta bore\n", r'holds one class, "good": at least two'),
        ("\ta joy\n\ta bore\n", r"holds no label: at least two"),
        ("good\ta joy\nbd\ta bore\n", r'valid.tsv, line 1, has the label "bad".*mean "bd"'),
    ],
)
def test_bad_files_are_named_with_their_line(build, three, text, said):
    with open(three["source"], "w") as file:
        file.write(text)
    with pytest.raises(UsageError, match=said):
        build(labelled, **three)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"representation": "bags"}, 'data.representation = "bags" is unknown; use tokens, bag'),
        ({"representation": "bag", "tokenizer": "x.json"}, "leave data.tokenizer empty"),
        ({"test": ""}, "takes both data.valid and data.test, or neither"),
        ({"source": ""}, r"text\.labelled needs data\.source = my\.tsv"),
    ],
)
def test_bad_options(build, three, options, said):
    with pytest.raises(UsageError, match=said):
        build(labelled, **{**three, **options})


def test_what_is_left_of_html_is_taken_out():
    assert clean(r"Tuesday #39;s gain of #36;4\at &lt;A HREF=\"x\"&gt;Oracle&lt;/A&gt;") == (
        "tuesday's gain of $ N at oracle"
    )
    assert clean("Oracle Corp. &lt;A HREF=") == "oracle corp ."


def test_agnews_in_small(build, tmp_path):
    """An item of test, whole or by its first 60 characters, and one twice, are left out."""
    long = "w" * 30 + " " + "v" * 30
    folder = tmp_path / "agnews"
    folder.mkdir()
    untitled = ["Twice here . \t 0", f"{long} other end . \t 1", "alone, \t 3", "of test \t 2"]
    untitled += [f"more of {word} \t {c}" for c, word in enumerate("abcd")]
    (folder / "train10000_lower.tsv").write_text("sentence \t label\n" + "\n".join(untitled))
    titled = [
        {"label": y, "headline": f"title {y}", "text": text}
        for y, text in ((1, "Twice - here"), (2, "second"), (3, "third"), (4, "fourth"))
    ]
    (folder / "dev5000_from_train.jsonl").write_text("\n".join(map(json.dumps, titled)))
    (folder / "test.csv").write_text(f'"3","T","Of test"\n"4","T","{long} this end"\n')
    files = DataFiles(tmp_path)
    data = build(agnews, files, valid_size=1, representation="tokens")
    assert data.classes == ["World", "Sports", "Business", "Sci/Tech"]
    assert data.summary["left out of the pool"] == {"occur in test": 2, "occur twice": 1}
    found = {s: data.strings(all_of(data, s).x) for s in SPLITS}
    assert len(found["train"]) == 8 and len(found["valid"]) == 1
    assert all_of(data, "test").y.tolist() == [2, 3]
    y = dict(zip(found["train"], all_of(data, "train").y.tolist(), strict=True))
    assert y["alone ,"] == 3
    bare = build(agnews, files, valid_size=1, representation="tokens", titles=False)
    assert not any("title" in s for s in bare.strings(all_of(bare, "train").x))
    with pytest.raises(UsageError, match="data.valid_size = 4: accepted are 1 to 3"):
        build(agnews, files, valid_size=4)
    (folder / "test.csv").write_text('"3","T","' + "w " * 30 + '"\n')
    with pytest.raises(UsageError, match="test.csv, line 1, has 31 words; at most data.max_line"):
        build(agnews, files, valid_size=1, max_line=20)
    (folder / "test.csv").write_text('"9","T","Of test"\n')
    with pytest.raises(UsageError, match='line 1, has the class "9": accepted are 1, 2, 3, 4'):
        build(agnews, files)


@pytest.mark.parametrize(
    ("factory", "name", "lengths"),
    [
        (short_yelp, "short_yelp/short_yelp.test.txt.gz", [9201, 10000, 10000]),
        (sst2, "sst2/test.tsv.gz", [6917, 872, 1821]),
        pytest.param(agnews, "agnews/test.csv.gz", [12444, 2000, 7600], marks=pytest.mark.slow),
    ],
)
def test_the_published_data(build, factory, name, lengths):
    if not (Path(os.environ.get("LEBM_DATA", "")) / name).is_file():
        pytest.skip(f"LEBM_DATA has no {name}")
    data = build(factory, representation="tokens")
    assert [data.length(split) for split in SPLITS] == lengths
    text = {s: set(data.strings(all_of(data, s).x)) for s in SPLITS}
    assert all(bool((all_of(data, s).y >= 0).all()) for s in SPLITS)
    if factory is not agnews:  # which drops more, and has too many rare words
        whole = {x for x in text["train"] if "<unk>" not in x}
        assert not whole & text["test"] and not whole & text["valid"]
    if factory is short_yelp:
        few = all_of(build(factory, published_labels=1000), "train").y
        assert int((few >= 0).sum()) == 912 and bool((few[-8000:] == -1).all())
        with pytest.raises(UsageError, match="published_labels = 10001"):
            build(factory, published_labels=10001)
