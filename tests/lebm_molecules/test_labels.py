"""Labelled molecules: properties as classes, scaffold splits, a user's own labels, fingerprints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import Crippen

from lebm_core import run_recipe
from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles
from lebm_core.data.labels import choose_labelled, labels_of
from lebm_core.errors import UsageError
from lebm_core.run.build import check_recipe
from lebm_core.run.config.recipe import load
from lebm_molecules.chemistry.rdkit import DATA
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.labels import by_property, by_word, fingerprints, scaffold
from lebm_molecules.data.options import MoleculeOptions
from lebm_molecules.data.prepare import prepare
from lebm_molecules.data.sources import file, nci, zinc

ALKANES = ["C" * n for n in range(1, 21)]


def splits(**given: list[str]) -> dict[str, list[str]]:
    return {split: given.get(split, []) for split in SPLITS}


def test_a_property_is_cut_at_quantiles_of_the_training_split() -> None:
    found = by_property(splits(train=ALKANES, test=["C", "C" * 40]), "weight", 4)
    assert np.bincount(found.ids["train"]).tolist() == [5, 5, 5, 5]
    assert found.ids["train"] == sorted(found.ids["train"])
    assert found.ids["test"] == [0, 3]
    hexane = 6 * 12.011 + 14 * 1.008
    assert found.names[0] == f"weight < {hexane:.4g}"
    assert found.names[1].startswith(f"{hexane:.4g} <= weight < ")
    assert found.names[3].startswith("weight >= ")


def test_what_is_at_a_boundary_is_above_it_and_what_is_no_molecule_has_no_class() -> None:
    rings = ["CC", "CCC", "C1CC1", "C1CC1C", "C1CC1C1CC1", "no"]
    found = by_property(splits(train=rings), "rings", 2)
    assert found.names == ["rings < 1", "rings >= 1"]
    assert found.ids["train"] == [0, 0, 1, 1, 1, -1]


@pytest.mark.parametrize(
    ("name", "count", "said"),
    [
        ("logP", 2, r'data.classes = "logP" is unknown; .*Did you mean "logp"'),
        ("logp", 1, "data.class_count = 1 is too small; use at least 2"),
        ("rings", 3, "data.class_count = 3 is too many: the rings"),
    ],
)
def test_classes_that_cannot_be(name: str, count: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        by_property(splits(train=["C1CC1", *ALKANES]), name, count)


def test_a_subset_is_what_is_computed_and_cut() -> None:
    options = MoleculeOptions(train_molecules=10, classes="weight")
    data = prepare(splits(train=ALKANES, valid=["C" * 6]), "here", {}, options)
    assert labels_of(data, "train").tolist() == [0] * 5 + [1] * 5
    assert labels_of(data, "valid").tolist() == [1]
    assert data.sizes["n_classes"] == 2
    assert data.summary["classes of train"] == {data.classes[0]: 5, data.classes[1]: 5}


def test_only_the_smiles_given_has_the_label() -> None:
    options = MoleculeOptions(randomised=2, classes="weight")
    y = labels_of(prepare(splits(train=ALKANES), "here", {}, options), "train")
    assert (y[:20] >= 0).all() and (y[20:] == -1).all() and len(y) == 60


def test_classes_are_saved_and_an_older_data_set_has_none(tmp_path: Path) -> None:
    for classes in ("weight", ""):
        data = prepare(splits(train=ALKANES), "here", {}, MoleculeOptions(classes=classes))
        data.save(tmp_path)
        again = MoleculeDataset.load(tmp_path)
        assert again.classes == data.classes and bool(again.classes) == bool(classes)
        assert again.sizes == data.sizes
    text = (tmp_path / "text.json").read_text(encoding="utf-8")
    (tmp_path / "text.json").write_text(text.replace('"classes": [], ', ""), encoding="utf-8")
    assert MoleculeDataset.load(tmp_path).classes == []


def test_no_scaffold_is_in_two_splits(build: Any, tmp_path: Path) -> None:
    some = tmp_path / "some.smi"
    lines = (DATA / "NCI" / "first_5K.smi").read_text().splitlines()[:1000]
    some.write_text("\n".join(lines))
    shares = {"valid_share": 0.15, "test_share": 0.15}
    data = build(file, source=str(some), split_by="scaffold", **shares)
    there = [
        {scaffold(s) for s in data.strings(data.batch(split, torch.arange(data.length(split))).x)}
        for split in SPLITS
    ]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not there[a] & there[b]
    assert all(len(scaffolds) > 20 for scaffolds in there)
    assert data.length("test") == pytest.approx(0.15 * 1000, abs=20)
    with pytest.raises(UsageError, match=r'data.split_by = "scafold".*Did you mean "scaffold"'):
        build(nci, split_by="scafold")


def test_zinc_by_scaffold_needs_no_published_numbers(build: Any, tmp_path: Path) -> None:
    rings = ["C1" + "C" * n + "1" for n in range(2, 32)]
    molecules = [f"{'C' * n}{ring}" for ring in rings for n in (0, 1, 2)]
    folder = tmp_path / "zinc250k"
    folder.mkdir()
    (folder / "zinc250k.smi").write_text("\n".join(molecules) + "\n", encoding="utf-8")
    data = build(zinc, DataFiles(tmp_path), split_by="scaffold")
    assert [data.length(split) for split in SPLITS] == [72, 9, 9]
    assert "30 Bemis-Murcko scaffolds" in data.summary["split"]


def test_a_scaffold_is_the_rings_and_what_joins_them() -> None:
    assert scaffold("CC(C)c1ccccc1CCC1CC1CC") == scaffold("c1ccccc1CCC1CC1")
    assert scaffold("CCCC") == ""
    assert scaffold("Cc1ccccc1") != scaffold("CC1CCCCC1")


def table(tmp_path: Path, labels: list[str], name: str = "my.csv") -> Path:
    path = tmp_path / name
    rows = [f"{'C' * n},{label}" for n, label in enumerate(labels, 1)]
    path.write_text("\n".join(["smiles,active", *rows]) + "\n", encoding="utf-8")
    return path


def test_a_users_own_labels(build: Any, tmp_path: Path) -> None:
    words = ["yes", "no", ""] * 20
    path = table(tmp_path, words)
    data = build(file, source=str(path), label="active", test_share=0.2)
    assert data.classes == ["no", "yes"]
    for split in SPLITS:
        y = labels_of(data, split).tolist()
        smiles = data.strings(data.batch(split, torch.arange(len(y))).x)
        assert y == [{"yes": 1, "no": 0, "": -1}[words[len(s) - 1]] for s in smiles]
    assert len(choose_labelled(labels_of(data, "train"), 4, 0)) == 4


def test_numbers_are_in_their_order_and_what_training_lacks_is_unknown() -> None:
    found = by_word(splits(train=["10", "9", "", "10"], test=["11", "9"]), "active")
    assert found.names == ["9", "10"]
    assert found.ids == {"train": [1, 0, -1, 1], "valid": [], "test": [-1, 0]}


def test_what_is_missing_is_no_class(build: Any, cases: Path) -> None:
    source = str(cases / "molecules_label_NA_nan.csv")
    data = build(file, source=source, label="active")
    assert data.classes == ["0", "1"]
    y = torch.cat([labels_of(data, split) for split in SPLITS])
    assert len(y) == 400 and int((y >= 0).sum()) == 160


def test_one_number_is_one_class_in_all_splits() -> None:
    found = by_word(splits(train=["0", "1.0", "-1", "?"], test=["0.0", "1", "-1.0"]), "active")
    assert found.names == ["0", "1"]
    assert found.ids["train"] == [0, 1, -1, -1] and found.ids["test"] == [0, 1, -1]
    found = by_word(splits(train=["0", "no"], test=["0.0", "no"]), "active")
    assert found.ids["test"] == [-1, 1]  # with a word among them they are words


@pytest.mark.parametrize(
    ("column", "options", "said"),
    [
        ("activ", {}, r'my.csv, line 1: there is no column "activ".*Did you mean "active"'),
        ("active", {"classes": "qed"}, "two ways to give classes"),
        ("active", {}, 'data.label = "active" holds one class, "yes": at least two'),
    ],
)
def test_labels_that_cannot_be(
    build: Any, tmp_path: Path, column: str, options: dict[str, str], said: str
) -> None:
    path = table(tmp_path, ["yes"] * 60)
    with pytest.raises(UsageError, match=said):
        build(file, source=str(path), label=column, **options)


def test_fingerprints_are_of_the_molecule_not_of_its_writing() -> None:
    found = fingerprints(["OCC", "CCO", "CCN", "no"]).toarray()
    assert found.shape == (4, 2048)
    assert found.sum(1).tolist() == [6, 6, 6, 0]  # three atoms, each alone and with its neighbours
    assert (found[0] == found[1]).all() and (found[0] != found[2]).any() and not found[3].any()


def test_vectors_of_a_data_set_are_its_molecules_fingerprints() -> None:
    smiles = ["CCO", "c1ccccc1C", "CC(=O)N"]
    for notation in ("smiles", "selfies"):
        data = prepare(splits(train=smiles), "here", {}, MoleculeOptions(notation=notation))
        found = data.vectors("train", torch.tensor([2, 0]))
        assert (found != fingerprints([smiles[2], smiles[0]])).nnz == 0


def test_the_class_is_the_property_that_rdkit_gives(build: Any) -> None:
    data = build(nci, train_molecules=300, eval_molecules=50, classes="logp")
    edge = float(data.classes[0].split(" < ")[1])
    for split in SPLITS:
        y = labels_of(data, split)
        smiles = data.strings(data.batch(split, torch.arange(len(y))).x)
        values = np.array([Crippen.MolLogP(Chem.MolFromSmiles(s)) for s in smiles])
        far = np.abs(values - edge) > 1e-3 * abs(edge)
        assert ((values >= edge) == y.numpy().astype(bool))[far].all() and far.sum() > 40


@pytest.mark.parametrize("preset", ["cpu", "smoke"])
def test_every_preset_and_baseline_of_the_recipe_resolves(preset: str) -> None:
    recipe = load("semi-molecules", preset)
    check_recipe(recipe)
    m2 = recipe.baselines["m2"].learning
    assert m2["prior"]["name"] == "none" and m2["decoder"]["encoder_tilt"] == 0
    assert m2["symbols"]["information"] == m2["symbols"]["vat"] == 0


@pytest.mark.slow
def test_the_recipe_from_data_to_report(tmp_path: Path) -> None:
    few = ["evaluation.baselines=[vae, logistic, self_training, spreading]"]
    run = run_recipe("semi-molecules", "smoke", few, out=tmp_path / "run", log=lambda line: None)
    row = run.results["model"]
    assert row["accuracy"].n > 50 and row["accuracy"].value is not None
    assert run.results["vae"]["accuracy"].value is not None
    for baseline in ("logistic", "self_training", "spreading"):  # on fingerprints
        assert run.results[baseline]["accuracy"].value is not None
