"""A user's own files: tables, JSON, labels of any writing, and what is refused in one sentence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch

from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_text.data.corpus import read_sentences
from lebm_text.data.labelled.agnews import agnews_splits
from lebm_text.data.labelled.files import corpus_of, read_labelled
from lebm_text.data.labelled.sources import agnews, labelled, sst2
from lebm_text.data.readers import read_snli, read_yahoo
from lebm_text.data.sources import file, hub, ptb, snli, yahoo

TABLE = 'id,text,kind\n1,"one, two\nthree",b\n2,four  five,NA\n3,"six ""seven""",a\n'
TEXTS = ["one, two three", "four five", 'six "seven"']
OBJECTS = [
    {"text": "one, two\nthree", "kind": "b"},
    {"text": "four five", "kind": None},
    {"text": 'six "seven"', "kind": "a"},
]


def labels_of(data) -> list[int]:
    return [int(y) for split in SPLITS for y in data.labels[split]]


def one_sentence(error: pytest.ExceptionInfo[UsageError]) -> str:
    said = str(error.value)
    assert "\n" not in said and len(said) < 900 and said[-1] in ".?"
    return said


def test_minus_one_is_no_class(build, cases):
    data = build(labelled, source=str(cases / "lab_neg1.tsv"))
    assert data.classes == ["0", "1"] and sum(c >= 0 for c in labels_of(data)) == 200
    assert data.length("test") == pytest.approx(120, abs=5)  # a fifth of so few


@pytest.mark.parametrize("word", ["NA", "nan", "None", "?", "", "<NA>", "-1", "-1.0", "null"])
def test_every_word_for_a_missing_label_is_none(build, tmp_path, word):
    path = tmp_path / "my.tsv"
    path.write_text("".join(f"{('x', 'y', word)[i % 3]}\tsentence {i}\n" for i in range(30)))
    data = build(labelled, source=str(path))
    assert data.classes == ["x", "y"] and labels_of(data).count(-1) == 10


def test_numbers_are_classes_by_value_in_the_order_of_size(build, tmp_path):
    path = tmp_path / "my.tsv"
    written = ("10", "9", "9.0", "100", "9e0")
    path.write_text("".join(f"{written[i % 5]}\tsentence {i}\n" for i in range(60)))
    data = build(labelled, source=str(path))
    assert data.classes == ["9", "10", "100"]
    assert [labels_of(data).count(c) for c in range(3)] == [36, 12, 12]


def test_a_header_is_no_sentence_and_may_turn_the_columns(tmp_path):
    path = tmp_path / "my.tsv"
    path.write_text("Label\tText\n1\ta b\n")
    assert [line[:2] for line in read_labelled(path, 10)] == [("1", "a b")]
    path.write_text("sentence\tlabel\na b\t1\nc\td\t2\n")
    assert [line[:2] for line in read_labelled(path, 10)] == [("1", "a b"), ("2", "c d")]
    path.write_text("y\tx\n1\ta b\n")  # not what a header of such a file says
    assert len(read_labelled(path, 10)) == 2


def written(folder: Path, name: str) -> Path:
    content = {
        "my.csv": TABLE,
        "my.tsv": TABLE.replace(", two", "; two").replace(",", "\t").replace("; two", ", two"),
        "my.jsonl": "\n".join(map(json.dumps, OBJECTS)) + "\n\n",
        "my.json": json.dumps(OBJECTS, indent=1),
    }[name.removesuffix(".gz")].encode()
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["my.csv", "my.tsv", "my.jsonl", "my.json", "my.csv.gz"])
def test_a_column_of_a_table_or_of_json(build, tmp_path, name):
    path = written(tmp_path, name)
    assert read_sentences(path, field="text") == TEXTS
    lines = read_labelled(path, 10, field="text", label="kind")
    assert [line.sentence for line in lines] == TEXTS
    corpus = corpus_of({"train": lines, "valid": lines, "test": []}, "my")
    assert corpus.classes == ["a", "b"] and corpus.labels["valid"] == [1, -1, 0]
    same = {split: str(path) for split in ("source", "valid", "test")}
    assert build(file, **same, field="text").length("test") == 3
    assert build(labelled, **same, field="text", label="kind").classes == ["a", "b"]


@pytest.mark.parametrize("name", ["my.csv", "my.tsv", "my.jsonl", "my.json", "my.csv.gz"])
@pytest.mark.parametrize("factory", [file, ptb, snli, yahoo])
def test_a_table_is_not_read_as_plain_lines(build, tmp_path, name, factory):
    with pytest.raises(UsageError) as error:
        build(factory, source=str(written(tmp_path, name)))
    said = one_sentence(error)
    assert "not plain lines" in said and "data.name=text.file data.field=COLUMN" in said
    assert ("JSON, not" in said) == ("json" in name)


def test_json_lines_by_another_name_and_a_table_without_its_columns_named(build, tmp_path):
    path = tmp_path / "my.txt"
    path.write_text(json.dumps(OBJECTS[0]) + "\n")
    with pytest.raises(UsageError, match="my.txt is JSON, not plain lines"):
        build(file, source=str(path))
    path.write_text("{ a brace } alone\nis text\n")
    assert read_sentences(path) == ["{ a brace } alone", "is text"]
    with pytest.raises(UsageError, match=r"data.field and .* data.label; its line 1 is \"id,text"):
        build(labelled, source=str(written(tmp_path, "my.csv")))
    with pytest.raises(UsageError, match="both data.field and data.label, or neither"):
        build(labelled, source=str(path), field="text")
    with pytest.raises(UsageError, match=r"data.field names a column, and .*my.txt has none"):
        build(file, source=str(path), field="text")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "txt,kind\na b,x\n", r'line 1, has no column "text" .*Did you mean "txt"\?'),
        ("a.csv", "text,text\na,b\n", 'two columns "text"'),
        ("a.csv", "text,kind\na b\n", "line 2, has 1 cells, the header 2 columns"),
        ("a.csv", 'text,kind\n"a b,x\n', "line 2: .* is a quote unclosed"),
        ("a.csv", "text,kind\n", "holds no sentence"),
        ("a.csv", "text\n\0\n", "line 2, holds a NUL byte"),
        ("a.csv", "text\ra\rb\r", "carriage returns alone"),
        ("a.jsonl", '{"text": "a"}\n{"txt": "a"}\n', r'line 2, has no column "text"'),
        ("a.jsonl", '{"text": "a", "text": "b"}\n', 'line 1, has the key "text" twice'),
        ("a.jsonl", '{"text": 3}\n', 'line 1, has "3" as "text", and no text'),
        ("a.jsonl", '{"text": null}\n', 'has "null" as "text"'),
        ("a.jsonl", '{"text": "\\ud800"}\n', "line 1, has half a character"),
        ("a.jsonl", '{"text": "a"\n', "line 1, is not JSON"),
        ("a.jsonl", "[" * 100_000, "is not JSON"),
        ("a.jsonl", '{"a":' * 100_000, "line 1, is not JSON"),
        ("a.json", '["a", "b"]', "item 1, is not a JSON object"),
        ("a.json", "3\n", "line 1, is not a JSON object"),
        ("a.json", "", "is empty"),
    ],
)
def test_a_damaged_table_is_one_sentence(build, tmp_path, name, content, said):
    path = tmp_path / name
    path.write_text(content, newline="")
    with pytest.raises(UsageError, match=said) as error:
        build(file, source=str(path), field="text")
    assert name in one_sentence(error)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1\ta\r2\tb\r", "carriage returns alone"),
        (b"1\ta\r2\tb\n", "carriage returns alone"),  # an LF at the very end
        (b"1\ta\n2\t\0b\n", "line 2, holds a NUL byte"),
        (b"1\ta\n", "has 1 distinct sentence: too few"),
        (b"", "is empty"),
        (gzip.compress(b"1\ta\n" * 999, mtime=0)[:-9], "gzip file is damaged"),
        ("1\ta\n2\tb\n".encode("utf-16"), "is UTF-16"),
        ("1\ta\n2\tb\n".encode("utf-16-le"), "NUL byte"),
        (b"x" * 2000 + b"\ta\ny\tb\nz\tc\n" * 99, None),
    ],
)
def test_labelled_lines_that_will_not_do(build, tmp_path, content, said):
    path = tmp_path / "my.tsv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as error:
        build(labelled, source=str(path))
    one_sentence(error)


@pytest.mark.parametrize("factory", [file, labelled, ptb, hub])
def test_paths_that_name_no_file(build, tmp_path, factory):
    (tmp_path / "empty").mkdir()
    for path in ("x" * 5000, "a\0b", str(tmp_path / "empty"), "~nobody-of-this-name/my.txt"):
        with pytest.raises(UsageError) as error:
            build(factory, source=path)
        one_sentence(error)


def test_a_line_break_in_quotes_parts_words(build, cases, tmp_path):
    (document,) = read_yahoo(cases / "yahoo_quoted_newline.csv", 1000)
    assert "ends here next begins word" in document
    (tmp_path / "test.csv").write_text('"1","A\ntitle","ends here\nnext begins"\n')
    (tmp_path / "dev.jsonl").write_text("".join(
        json.dumps({"label": i, "headline": "t", "text": word}) + "\n"
        for i, word in ((1, "one"), (-1, "two"), (None, "three"))
    ))  # fmt: skip
    (tmp_path / "train.tsv").write_text("sentence\tlabel\nfour\t-1\nfive\t1.0\n")
    names = ("train.tsv", "dev.jsonl", "test.csv")
    splits, _ = agnews_splits(*(tmp_path / name for name in names), True, 1, 1000)
    assert [line.sentence for line in splits["test"]] == ["a title ends here next begins"]
    every = {line.sentence: line.label for line in (*splits["train"], *splits["valid"])}
    assert every == {"t one": "0", "t two": "", "t three": "", " four": "", " five": "1"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"sentence1": null, "sentence2": "a"}', 'has "null" as "sentence1"'),
        ('{"sentence1": "a", "sentence1": "b", "sentence2": "c"}', 'key "sentence1" twice'),
        ("3", "is not a JSON object with sentence1 and sentence2"),
        ("", "is empty"),
    ],
)
def test_a_line_of_snli_that_will_not_do(tmp_path, line, said):
    path = tmp_path / "snli.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(UsageError, match=said):
        read_snli(path, 1000)


def test_an_unknown_label_of_a_published_table_is_no_class(build, tmp_path, monkeypatch):
    monkeypatch.delenv("LEBM_DATA", raising=False)  # where the real AG News may be
    (tmp_path / "sst2").mkdir()
    for name in ("train", "dev", "test"):
        rows = [
            f"a {name} sentence {word} \t {y}" for word, y in zip("abc", (0, 1, -1), strict=True)
        ]
        (tmp_path / f"sst2/{name}.tsv").write_text("\n".join(["sentence \t label", *rows]))
    data = build(sst2, DataFiles(tmp_path))
    assert data.classes == ["negative", "positive"]
    assert data.batch("test", torch.arange(3)).y.tolist() == [0, 1, -1]
    with pytest.raises(UsageError):
        build(agnews, DataFiles(tmp_path / "sst2"))


def test_a_data_set_saved_alone_is_cut_by_hash(build, tmp_path, sentences):
    datasets = pytest.importorskip("datasets")
    alone = datasets.Dataset.from_dict({"text": sentences})
    alone.save_to_disk(tmp_path / "alone")
    data = build(hub, source=str(tmp_path / "alone"), vocab_size=0)
    (tmp_path / "my.txt").write_text("\n".join(sentences))
    lines = build(file, source=str(tmp_path / "my.txt"))
    assert [data.length(split) for split in SPLITS] == [120, 40, 40]
    for split in SPLITS:  # as the file of the same sentences
        order = torch.arange(data.length(split))
        texts = (d.strings(d.batch(split, order).x) for d in (data, lines))
        assert len(set(map(tuple, texts))) == 1
    with pytest.raises(UsageError, match='my.txt" is a file: an id of the hub or a folder'):
        build(hub, source=str(tmp_path / "my.txt"))
    (tmp_path / "alone/state.json").write_text("{")
    with pytest.raises(UsageError, match="state.json is damaged: it is not JSON"):
        build(hub, source=str(tmp_path / "alone"))
