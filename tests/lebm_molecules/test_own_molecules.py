"""From molecules of one's own to predictions: the recipe, the command, and Python agree."""

import pytest
import torch

from lebm_core import Run, run_recipe
from lebm_core.base.table import Table
from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError
from lebm_core.run.cli import main
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.sources import file

TINY = ["evaluation.metrics=[]", "evaluation.baselines=[]", "training.max_steps=3"]
SMILES = [f"{'C' * (1 + n // 2)}{'ON'[n % 2]}" for n in range(60)]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """60 molecules of two classes, a third without one."""
    path = tmp_path_factory.mktemp("own") / "my.csv"
    rows = [f"m{n},{s},{['yes', 'no'][n % 2] if n % 3 else ''}" for n, s in enumerate(SMILES)]
    path.write_text("\n".join(["name,smiles,active", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def run(table):
    given = [f"data.source={table}", "data.label=active", *TINY]
    return run_recipe("molecules", "smoke", given, out=table.parent / "run", log=lambda line: None)


def test_predictions_are_the_same_in_python_and_by_the_command(run, table, capsys):
    trained = Run.load(run.folder)
    found = trained.predict(table)
    assert found.names[:4] == ["name", "smiles", "active", "predicted"] and len(found) == 60
    assert found.names[-2:] == ["p(no)", "p(yes)"]
    for command in ("predict", "encode", "score"):
        capsys.readouterr()
        assert main([command, str(run.folder), str(table)]) == 0
        assert capsys.readouterr().out == getattr(trained, command)(table).csv()
    lines = table.with_name("new.smi")
    lines.write_text("".join(f"{smiles} m{n}\n" for n, smiles in enumerate(SMILES)))
    for source in (SMILES, Table({"SMILES": SMILES}), lines):
        assert trained.predict(source)["p(yes)"] == found["p(yes)"]
    assert trained.predict(lines).names[:3] == ["line", "smiles", "column 2"]


def test_samples_are_smiles_and_a_picture_of_molecules(run, table):
    trained = Run.load(run.folder)
    assert all(isinstance(smiles, str) for smiles in trained.sample(3, y="yes"))
    x = trained.data.new(["CCO", "CCN"]).batch("test", torch.arange(2)).x
    assert trained.data.raw(x) == ["CCO", "CCN"]
    picture = trained.data.picture(x, table.parent / "drawn")
    assert picture == table.parent / "drawn.png" and picture.read_bytes()[1:4] == b"PNG"
    assert trained.data.picture(torch.tensor([[2], [2]]), table.parent / "none") is None


@pytest.mark.parametrize("notation", ["smiles", "selfies"])
def test_a_source_has_the_x_that_it_had_in_the_training(build, table, tmp_path, notation):
    if notation == "selfies":
        pytest.importorskip("selfies")
    data = build(file, source=str(table), label="active", notation=notation)
    assert [data.length(split) for split in SPLITS] == [36, 12, 12]  # a fifth of so few
    data.save(tmp_path)
    new = MoleculeDataset.load(tmp_path).new(table)
    every = new.batch("test", torch.arange(new.length("test")))
    rows = {(*map(int, x[x > 0]), int(y)) for x, y in zip(every.x, every.y, strict=True)}
    for split in SPLITS:
        had = data.batch(split, torch.arange(data.length(split)))
        assert {(*map(int, x[x > 0]), int(y)) for x, y in zip(had.x, had.y, strict=True)} <= rows
    assert new.raw(every.x) == SMILES


def test_what_is_no_molecule_is_left_out_of_a_file_and_refused_in_memory(build, table, tmp_path):
    data = build(file, source=str(table), label="active")
    some = tmp_path / "some.csv"
    some.write_text("smiles,active\nCCO,no\nCC(,yes\nCCCl,yes\nCCN,perhaps\n")
    with pytest.warns(UserWarning, match=r'2 of 4 molecules are left out, .*: line 3, "CC\(": syn'):
        new = data.new(some)
    assert new.records("test")["smiles"] == ["CCO", "CCN"]
    assert new.batch("test", torch.arange(2)).y.tolist() == [0, -1]
    with pytest.raises(UsageError, match=r'position 1, "CC\(": syntax error'):
        data.new(["CC", "CC("])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("no.smi", "There is no file"),
        ("wrong.csv", r'there is no column "smiles" among id, text'),
        ("empty.smi", "the file is empty"),
        ("head.csv", "holds no molecule"),
        ("bad.smi", "2 of 2 molecules are left out|none of the first lines is a molecule"),
        ([], "There is no example"),
        ([3], "Position 0 holds 3: a string"),
        (["CCCl"], "has the symbol Cl, which no training molecule has"),
        ({"mol": ["C"]}, 'There is no column "smiles"'),
    ],
)
def test_what_cannot_be_read_is_one_sentence(build, table, tmp_path, source, said):
    data = build(file, source=str(table), label="active")
    (tmp_path / "wrong.csv").write_text("id,text\n1,hello\n")
    (tmp_path / "empty.smi").write_text("")
    (tmp_path / "head.csv").write_text("name,smiles\n")
    (tmp_path / "bad.smi").write_text("CC(\nC1C\n")
    with pytest.raises(UsageError, match=said) as error:
        data.new(tmp_path / source if isinstance(source, str) else source)
    assert "\n" not in str(error.value)
