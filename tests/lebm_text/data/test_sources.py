from __future__ import annotations

import csv
import gzip
import json

import pytest

from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_text.data.corpus import split_by_hash
from lebm_text.data.options import SplitOptions
from lebm_text.data.readers import pydoc_sentences
from lebm_text.data.sources import file, hub, ptb, pydocs, snli, yahoo
from lebm_text.data.words import simple_words


def text(data, split):
    return data.strings(data.batch(split, data.order(split, 10_000)[0]).x)


def test_splits_by_hash_share_no_sentence_and_ignore_order(sentences):
    shares = SplitOptions(0.1, 0.2)
    corpus = split_by_hash([*sentences, *sentences[:50]], shares, "here")
    sets = [set(corpus.train), set(corpus.valid), set(corpus.test)]
    assert [len(s) for s in sets] == [140, 20, 40] and set.union(*sets) == set(sentences)
    assert len(corpus.train) + len(corpus.valid) + len(corpus.test) == 250
    again = split_by_hash(sentences[::-1], shares, "here")
    assert set(again.test) == sets[2]


@pytest.mark.parametrize("factory", [ptb, snli, yahoo, file])
def test_a_users_own_file_goes_the_same_way(build, factory, text_file, sentences):
    data = build(factory, source=str(text_file))
    found = [s for split in ("train", "valid", "test") for s in text(data, split)]
    words = {word for s in text(data, "train") for word in s.split()}
    assert len(found) == 200
    assert {s for s in found if "<unk>" not in s} <= set(sentences)
    assert set(text(data, "train")) <= set(sentences)  # all its words are known
    assert words == set(data.tokenizer.words[4:])


def test_long_training_lines_are_dropped_or_cut_and_others_kept(build, tmp_path):
    for name, lines in {
        "train": ["a b", "a b c d e", "b a"], "valid": ["a b c d e"], "test": ["b a c d e a"],
    }.items():  # fmt: skip
        (tmp_path / name).write_text("\n".join(lines))
    paths = {"source": str(tmp_path / "train"), **{s: str(tmp_path / s) for s in ("valid", "test")}}
    dropped = build(file, max_length=3, **paths)
    assert sorted(text(dropped, "train")) == ["a b", "b a"]
    assert dropped.summary["training sentences of more than 3 tokens"] == "1 dropped"
    cut = build(file, max_length=3, long_lines="truncate", **paths)
    assert sorted(text(cut, "train")) == ["a b", "a b c", "b a"]
    for data in (dropped, cut):
        assert text(data, "valid") == ["a b c d e"] and text(data, "test") == ["b a c d e a"]
        assert data.sizes["max_length"] == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty|blank"),
        (b"a b\nc d\na \xff b\n", r"my\.txt, line 3.*UTF-8"),
        (b"a b\n" + b"word " * 10_000 + b"\n", r"my\.txt, line 2, has 10,000 words.*max_line"),
        (b"a b\nc d\n", "too few"),
        (b"word\nword word\nword word word\nword word word word\n", "has 1 word.*at least 2"),
    ],
    ids=["empty", "blank", "not UTF-8", "10,000 words", "two lines", "one word"],
)
def test_a_file_that_will_not_do_gets_one_sentence(build, tmp_path, content, message):
    path = tmp_path / "my.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        build(ptb, source=str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_wrong_choice_are_named(build, tmp_path, text_file, monkeypatch):
    with pytest.raises(UsageError, match=r'my\.txd.*Did you mean "my\.txt"'):
        build(ptb, source=str(text_file.with_name("my.txd")))
    with pytest.raises(
        UsageError, match=r'data.long_lines = "dorp" is unknown; use drop, truncate.*"drop"'
    ):
        build(ptb, source=str(text_file), long_lines="dorp")
    with pytest.raises(UsageError, match="data.words"):
        build(file, source=str(text_file), words="nltk")
    with pytest.raises(UsageError, match="both data.valid and data.test"):
        build(file, source=str(text_file), valid=str(text_file))
    with pytest.raises(UsageError, match=r"more than data\.max_length = 1"):
        build(file, source=str(text_file), max_length=1)
    with pytest.raises(UsageError, match=r"text\.file needs data\.source = my\.txt, a text file"):
        build(file)
    monkeypatch.delenv("LEBM_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for factory, name in ((ptb, "ptb/ptb.train.txt"), (snli, "snli_1.0_train"), (yahoo, "yahoo/")):
        with pytest.raises(UsageError, match=name):
            build(factory)


def pairs(split):
    return [(f"A Man {split} {i}.", f"Someone is {split} {i}!") for i in range(30)]


def test_snli_as_published(build, tmp_path):
    (tmp_path / "snli").mkdir()
    for split in ("train", "dev", "test"):
        lines = [json.dumps({"sentence1": a, "sentence2": b}) for a, b in pairs(split)]
        name = tmp_path / f"snli/snli_1.0_{split}.jsonl.gz"
        name.write_bytes(gzip.compress("\n".join(lines).encode()))
    data = build(snli, DataFiles(tmp_path))
    # Numbers are one word, so the 60 sentences of a split are two.
    assert sorted(text(data, "train")) == ["a man train N .", "someone is train N !"]
    assert data.summary["sentences"] == {"train": 2, "valid": 2, "test": 2}


def test_snli_as_a_table_and_as_lines(build, tmp_path):
    (tmp_path / "snli").mkdir()
    for split in ("train", "dev", "test"):
        rows = ["gold_label\tsentence1\tsentence2", "neutral\tA dog runs.\tIt runs."]
        (tmp_path / f"snli/snli_1.0_{split}.txt").write_text("\n".join(rows))
    data = build(snli, DataFiles(tmp_path))
    assert sorted(text(data, "test")) == ["a dog runs .", "it runs ."]
    (tmp_path / "snli/snli_1.0_test.txt").write_text(rows[0] + "\nneutral\tA dog runs.")
    with pytest.raises(UsageError, match="line 2, has 2 of 3 columns"):
        build(snli, DataFiles(tmp_path))
    (tmp_path / "snli/snli_1.0_test.txt").write_text(rows[0] + "\nneutral\ta\t" + "b " * 1001)
    with pytest.raises(UsageError, match=r"snli_1.0_test.txt, line 2, has 1,001 words"):
        build(snli, DataFiles(tmp_path))
    (tmp_path / "snli/snli_1.0_test.txt").write_text("Plain Line\nPlain Line\n")
    assert build(snli, DataFiles(tmp_path)).length("test") == 2  # as it stands


def test_a_broken_snli_line_is_named(build, tmp_path):
    (tmp_path / "snli").mkdir()
    (tmp_path / "snli/snli_1.0_train.jsonl").write_text('{"sentence1": "A dog."}\n')
    for split in ("dev", "test"):
        (tmp_path / f"snli/snli_1.0_{split}.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="line 1, is not a JSON object with sentence1"):
        build(snli, DataFiles(tmp_path))


def test_yahoo_as_csv_takes_documents_of_20_to_200_words(build, tmp_path):
    (tmp_path / "yahoo").mkdir()
    letters = "abcdefghij"
    for split in ("train", "test"):
        with (tmp_path / f"yahoo/{split}.csv").open("w", newline="") as out:
            for i, letter in enumerate(letters):
                long = f"{split} {letter} " * 12
                csv.writer(out).writerow([1 + i, "Title, with a comma?", long, "An answer."])
            csv.writer(out).writerow([1, "Too", "short", ""])
            csv.writer(out).writerow([1, "Too", "long " * 300, ""])
    data = build(yahoo, DataFiles(tmp_path))
    assert data.summary["sentences"] == {"train": 9, "valid": 1, "test": 10}
    assert text(data, "train")[0].startswith("title , with a comma ? train")


def test_yahoo_as_lines_drops_the_class_number(build, tmp_path):
    (tmp_path / "yahoo").mkdir()
    for split in ("train", "valid", "test"):
        (tmp_path / f"yahoo/yahoo.{split}.txt").write_text("3\tone two three\n4\tfour five\n")
    data = build(yahoo, DataFiles(tmp_path))
    assert sorted(text(data, "train")) == ["four five", "one two three"]


def test_a_folder_of_the_datasets_library(build, tmp_path, sentences):
    datasets = pytest.importorskip("datasets")
    full = datasets.Dataset.from_dict({"body": sentences, "label": list(range(200))})
    both = datasets.DatasetDict({"train": full, "test": full.select(range(5))})
    both.save_to_disk(tmp_path / "d")
    data = build(hub, source=str(tmp_path / "d"), field="body", vocab_size=0)
    assert data.length("test") == 5 and data.length("valid") == 40 and data.length("train") == 160
    with pytest.raises(UsageError, match='"bodi" is not a column.*Did you mean "body"'):
        build(hub, source=str(tmp_path / "d"), field="bodi")
    with pytest.raises(UsageError, match="holds no text"):
        build(hub, source=str(tmp_path / "d"), field="label")


def test_the_python_reference_needs_no_download(build):
    found = list(pydoc_sentences())
    assert len(found) > 1000 and len(set(found)) == len(found)
    assert found == list(pydoc_sentences())
    assert all(word == "N" or word == word.lower() for s in found for word in s.split())
    data = build(pydocs)
    assert data.length("train") > 1000 and data.length("valid") > 100 and data.length("test") > 100


def test_simple_words():
    assert simple_words("It’s 3.14, i.e. “pi”!") == 'it\'s N , i.e. " pi " !'
