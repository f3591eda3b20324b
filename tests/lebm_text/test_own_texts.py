"""From texts of one's own to predictions: the recipe, the command, and Python agree."""

import csv
import json
import warnings

import pytest
import torch

from lebm_core import LatentEBM, Run, run_recipe
from lebm_core.base.table import Table
from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_core.run.cli import main
from lebm_text.data.bag_dataset import BagDataset
from lebm_text.data.dataset import TextDataset
from lebm_text.data.labelled.sources import labelled
from lebm_text.data.sources import file

TINY = ["evaluation.metrics=[]", "evaluation.baselines=[]", "training.max_steps=3"]
GOOD, BAD = "good fine lovely".split(), "bad poor dull".split()


def rows():
    """120 texts of two classes, a third without one; the last words are in one text alone."""
    for i in range(120):
        kind = i % 3
        words = GOOD if i % 2 else BAD
        text = f"The film, so {words[i % 3]}: {words[i // 7 % 3]} number{i}!"
        yield i, text, "" if kind == 2 else ("pos" if i % 2 else "neg")


def written(path, lines, names=("id", "text", "kind")):
    with path.open("w", newline="") as out:
        csv.writer(out).writerows([names, *lines])
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return written(tmp_path_factory.mktemp("own") / "my.csv", rows())


@pytest.fixture(scope="module")
def run(table):
    given = [f"data.source={table}", "data.field=text", "data.label=kind", *TINY]
    return run_recipe("text", "smoke", given, out=table.parent / "run", log=lambda line: None)


def test_one_recipe_for_texts_with_classes_and_without(run, table):
    assert run.recipe.data["name"] == "text.file" and run.recipe.parts["prior"]["name"] == "coupled"
    plain = table.parent / "my.txt"
    plain.write_text("".join(f"{text}\n" for _, text, _ in rows()))
    given = [f"data.source={plain}", *TINY]
    bare = run_recipe("text", "smoke", given, out=table.parent / "bare", log=lambda line: None)
    assert bare.recipe.parts["prior"]["name"] == "ebm"
    assert Run.load(bare.folder).encode(plain).names[:3] == ["line", "text", "z1"]
    with pytest.raises(UsageError, match="has no classes"):
        Run.load(bare.folder).predict(plain)


def test_predictions_are_the_same_in_python_and_by_the_command(run, table, capsys):
    trained = Run.load(run.folder)
    found = trained.predict(table)
    assert found.names[:5] == ["id", "text", "kind", "predicted", "probability"]
    assert found.names[5:] == ["p(neg)", "p(pos)"] and len(found) == 120
    for command in ("predict", "encode", "score"):
        capsys.readouterr()
        assert main([command, str(run.folder), str(table)]) == 0
        assert capsys.readouterr().out == getattr(trained, command)(table).csv()
    texts = [text for _, text, _ in rows()]
    objects = table.with_name("my.jsonl")
    objects.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    plain = table.with_name("new.txt")
    plain.write_text("\n\n".join(texts))
    for source in (texts, Table({"text": texts}), {"text": texts, "n": texts}, objects, plain):
        assert trained.predict(source)["p(pos)"] == found["p(pos)"]
    assert trained.predict(plain)["line"][:2] == [1, 3]
    model = LatentEBM.from_pretrained(run.folder / "model")
    ids = trained.data.new(texts[:1]).batch("test", torch.tensor([0])).x
    p = [model.classify(x, generator=torch.Generator().manual_seed(0)) for x in (texts[:1], ids)]
    assert torch.equal(*p)


def test_samples_are_texts(run):
    trained = Run.load(run.folder)
    drawn = trained.sample(3, y="pos")
    assert len(drawn) == 3 and all(isinstance(text, str) for text in drawn)
    assert len(trained.predict([text or "good" for text in drawn])) == 3


@pytest.mark.parametrize("representation", ["tokens", "bag"])
@pytest.mark.parametrize("kind", ["table", "pairs"])
def test_a_source_has_the_x_that_it_had_in_the_training(
    build, table, tmp_path, representation, kind
):
    lines = tmp_path / "my.tsv"
    lines.write_text("".join(f"{label}\t{text}\n" for _, text, label in rows()))
    source = table if kind == "table" else lines
    columns = {"field": "text", "label": "kind"} if kind == "table" else {}
    data = build(
        file if kind == "table" else labelled, source=str(source), words="simple", min_count=2,
        representation=representation, **columns,
    )  # fmt: skip
    assert [data.length(split) for split in SPLITS] == [72, 24, 24]  # a fifth of so few
    data.save(tmp_path / "saved")
    loaded = (BagDataset if representation == "bag" else TextDataset).load(tmp_path / "saved")
    new = loaded.new(source)
    every = new.batch("test", torch.arange(new.length("test")))
    rowed = {(*map(int, x[x > 0]), int(y)) for x, y in zip(every.x, every.y, strict=True)}
    assert len(every.x) == 120 and len(new.records("test")) == 120
    for split in SPLITS:
        had = data.batch(split, torch.arange(data.length(split)))
        assert {(*map(int, x[x > 0]), int(y)) for x, y in zip(had.x, had.y, strict=True)} <= rowed
    assert loaded.raw(every.x) == loaded.strings(every.x)
    bare = lines.with_name("bare.txt")
    bare.write_text("".join(f"{text}\n" for _, text, _ in rows()))
    again = loaded.new(bare).batch("test", torch.arange(120))
    assert torch.equal(again.x, every.x) and set(again.y.tolist()) == {-1}


def test_rows_without_a_text_are_left_out_of_a_file_and_refused_in_memory(build, table, tmp_path):
    data = build(file, source=str(table), field="text", label="kind")
    some = written(tmp_path / "some.csv", [(1, "a film", "x"), (2, " ", "pos"), (3, "so", "pos")])
    with pytest.warns(UserWarning, match=r"1 of 3 rows have no text and are left out, .*row 2\."):
        new = data.new(some)
    assert new.records("test")["id"] == ["1", "3"] and new.length("test") == 2
    assert new.batch("test", torch.arange(2)).y.tolist() == [-1, 1]  # "x" is no class of it
    with pytest.raises(UsageError, match="The text at position 1 has no word"):
        data.new(["a", " "])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("no.csv", "There is no file"),
        ("wrong.csv", r'wrong.csv, line 1, has no column "text".*columns are "id, txt, kind"'),
        ("empty.txt", "the file is empty"),
        ([], "There is no example"),
        (["a", 3], "Position 1 holds 3: a string"),
        ({"txt": ["a"]}, r'There is no column "text".*Did you mean "txt"'),
        (7, "A list of strings"),
        (["a " * 1001], "has 1,001 words"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(build, table, tmp_path, source, said):
    data = build(file, source=str(table), field="text")
    (tmp_path / "empty.txt").write_text("")
    written(tmp_path / "wrong.csv", rows(), ("id", "txt", "kind"))
    with warnings.catch_warnings(), pytest.raises(UsageError, match=said) as error:
        warnings.simplefilter("error")
        data.new(tmp_path / source if isinstance(source, str) else source)
    assert "\n" not in str(error.value)


def test_a_label_needs_the_column_of_the_text_and_a_model_of_lines_finds_one(
    build, table, tmp_path
):
    with pytest.raises(UsageError, match=r"with data\.field; lines of .* are data\.name=text\.lab"):
        build(file, source=str(table), label="kind")
    lines = tmp_path / "my.txt"
    lines.write_text("".join(f"{text}\n" for _, text, _ in rows()))
    data = build(file, source=str(lines))
    assert data.new(table).records("test").names == ["id", "text", "kind"]
    other = written(tmp_path / "other.csv", rows(), ("id", "words", "kind"))
    with pytest.raises(UsageError, match='no column "text" with the texts; its columns are "id,'):
        data.new(other)


def test_shares_are_chosen_from_the_number_of_examples(build, tmp_path):
    path = tmp_path / "many.txt"
    path.write_text("".join(f"text {i}\n" for i in range(1000)))
    data = build(file, source=str(path))
    assert [data.length(split) for split in SPLITS] == [800, 100, 100]
    assert data.summary["splits"] == "by a hash of the text: valid 0.1, test 0.1"
    data = build(file, source=str(path), valid_share=0.05)
    assert [data.length(split) for split in SPLITS] == [850, 50, 100]


def test_published_data_sets_take_texts_as_they_were_written(tmp_path):
    from lebm_text.data.sources import pydocs

    data = pydocs(files=DataFiles(), seed=0)
    new = data.new(["The Statement, is: None 7!"])
    assert new.strings(new.batch("test", torch.tensor([0])).x)[0].startswith("the statement , is :")
