"""Molecules as tokens and as a data set."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_molecules.chemistry.properties import SAMPLED_BY, values_of
from lebm_molecules.chemistry.rdkit import canonical
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.options import MoleculeOptions
from lebm_molecules.data.prepare import prepare
from lebm_molecules.data.sources import file, nci, qm9, zinc
from lebm_molecules.data.tokens import MoleculeTokens, symbols_of


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CClBr", ["C", "Cl", "Br"]),
        ("C[C@@H](N)C(=O)[O-]", ["C", "[C@@H]", "(", "N", ")", "C", "(", "=", "O", ")", "[O-]"]),
        ("C%12CC%12", ["C", "%12", "C", "C", "%12"]),
        ("F/C=C\\F", ["F", "/", "C", "=", "C", "\\", "F"]),
        ("[13CH4].[Na+]", ["[13CH4]", ".", "[Na+]"]),
        ("C%(123)CC%(123)", ["C", "%(123)", "C", "C", "%(123)"]),
    ],
)
def test_symbols_of_smiles(smiles: str, expected: list[str]) -> None:
    assert symbols_of(smiles, "smiles") == expected
    assert "".join(expected) == smiles


@pytest.mark.parametrize(
    ("smiles", "where"), [("CC[N", "3"), ("C é", "2"), ("CC!", "3"), ("]", "1")]
)
def test_what_is_no_smiles_is_named_with_its_place(smiles: str, where: str) -> None:
    with pytest.raises(UsageError, match=f"character {where}") as caught:
        symbols_of(smiles, "smiles")
    assert smiles in str(caught.value)


@pytest.mark.parametrize("notation", ["smiles", "selfies"])
def test_what_was_encoded_comes_back(notation: str) -> None:
    molecules = ["CC(=O)Nc1ccc(O)cc1", "C[C@H](N)C(=O)O", "F/C=C/Cl", "[O-][N+](=O)c1ccccc1Br"]
    tokens = MoleculeTokens.build([symbols_of(s, notation) for s in molecules], notation)
    again = MoleculeTokens(tokens.to_json()["symbols"], notation)
    for smiles in molecules:
        back = again.decode([1, *tokens.encode(smiles), 2, 0, 0])
        assert canonical(back) == canonical(smiles)
        assert notation == "selfies" or back == smiles
    with pytest.raises(UsageError, match=r"\"CI\" has the symbol"):
        tokens.encode("CI")


def test_every_string_of_selfies_is_a_molecule() -> None:
    rows = [symbols_of(s, "selfies") for s in ("CC(=O)Nc1ccc(O)cc1", "C[N+](C)(C)CC#N")]
    tokens = MoleculeTokens.build(rows, "selfies")
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        ids = torch.randint(4, len(tokens), (12,), generator=generator).tolist()
        smiles = tokens.decode(ids)
        assert smiles == "" or canonical(smiles)[0] is not None


def parts(**splits: list[str]) -> dict[str, list[str]]:
    return {split: splits.get(split, []) for split in SPLITS}


def test_symbols_are_of_the_training_split_and_what_has_others_is_counted() -> None:
    splits = parts(train=["CCO", "CCN"], valid=["OCC", "CCCl"], test=["NCC"])
    data = prepare(splits, "here", {}, MoleculeOptions())
    assert data.sizes["vocab_size"] == 4 + 3
    assert [data.length(s) for s in SPLITS] == [2, 1, 1]
    reason = "CCCl has the symbol Cl, which no training molecule has"
    assert data.summary["left out of valid"] == f"1, the first: {reason}"


def test_training_molecules_are_rewritten_the_same_way_each_time() -> None:
    splits = parts(train=["CC(=O)Nc1ccc(O)cc1", "CCO"])
    first, again = (prepare(splits, "here", {}, MoleculeOptions(randomised=3)) for _ in range(2))
    assert first.length("train") == 8
    written = first.strings(first.batch("train", torch.arange(8)).x)
    assert written == again.strings(again.batch("train", torch.arange(8)).x)
    assert len(set(written)) > 4
    assert {canonical(s)[0] for s in written} == {canonical(s)[0] for s in splits["train"]}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"notation": "smile"}, 'Did you mean "smiles"?'),
        ({"max_length": 2}, "at most data.max_length = 2 tokens"),
    ],
)
def test_options_that_are_not_possible(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(parts(train=["CCO"]), "here", {}, MoleculeOptions(**options))  # type: ignore[arg-type]
    assert said in str(caught.value)
    with pytest.raises(UsageError, match="randomised = -1 is too small"):
        MoleculeOptions(randomised=-1)


def test_samples_are_written_one_a_line_and_an_empty_one_is_no_blank(tmp_path: Path) -> None:
    data = prepare(parts(train=["CCO", "CC"]), "here", {}, MoleculeOptions())
    x = torch.tensor([[4, 4, 5, 2], [2, 0, 0, 0]])
    assert data.write(x, tmp_path / "samples").read_text().splitlines() == ["CCO", "<empty>"]
    data.save(tmp_path)
    again = MoleculeDataset.load(tmp_path)
    assert again.strings(x) == ["CCO", ""] and again.sizes == data.sizes
    saved = json.loads((tmp_path / "text.json").read_text())
    for tokens, said in (
        ({}, "holds no list of symbols"),
        ({"symbols": ["C", "C"], "notation": "smiles"}, "holds no list of symbols, each once"),
        ({"symbols": ["C", "<eos>"], "notation": "smiles"}, "each once"),
        ({"symbols": ["C", "O"], "notation": "smile"}, "its notation is none of smiles, selfies"),
    ):
        (tmp_path / "text.json").write_text(json.dumps({**saved, "tokenizer": tokens}))
        with pytest.raises(UsageError, match=rf"text\.json is damaged: .*{said}"):
            MoleculeDataset.load(tmp_path)


def test_a_file_keeps_its_molecules_and_counts_the_rest(build: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,y\n" + "\n".join(f"{'C' * n},1" for n in range(1, 40)) + "\nCC(,1\n")
    data = build(file, source=str(path), valid_share=0.1, test_share=0.1)
    assert sum(data.length(split) for split in SPLITS) == 39
    assert data.summary["lines that are no molecule"].startswith("1, the first: line 41, ")
    path.write_text("smiles\nCC(\n")
    with pytest.raises(UsageError, match=r'holds no molecule; line 2, "CC\(": syntax error'):
        build(file, source=str(path))
    path.write_text("smiles\nhello\n")
    with pytest.raises(UsageError, match=r'is a molecule \(line 2 has "hello"'):
        build(file, source=str(path))
    path.write_text("id,text,kind\n" + "\n".join(f"{n},{'C' * n},{n % 2}" for n in range(1, 40)))
    with pytest.raises(UsageError, match=r"Molecules are in --column text \(in a recipe data.col"):
        build(file, source=str(path))
    data = build(file, source=str(path), column="text", label="kind")
    assert sum(data.length(split) for split in SPLITS) == 39 and data.classes == ["0", "1"]
    with pytest.raises(UsageError, match=r"molecules\.file needs data\.source = my\.smi"):
        build(file)


def test_nci_needs_no_download(build: Any) -> None:
    data = build(nci)
    assert [data.length(split) for split in SPLITS] == [3_934, 494, 504]


def test_one_molecule_in_several_writings_stays_in_one_split(build: Any, tmp_path: Path) -> None:
    written = [w for n in range(3, 40) for w in (f"{'C' * n}O", f"O{'C' * n}", f"C({'C' * n})O")]
    path = tmp_path / "mine.smi"
    path.write_text("\n".join(written))
    data = build(file, source=str(path), valid_share=0.2, test_share=0.2)
    forms = [
        {canonical(s)[0] for s in data.strings(data.batch(split, torch.arange(9)).x)}
        for split in SPLITS
    ]
    assert sum(data.length(split) for split in SPLITS) == len(written)
    assert forms[0].isdisjoint(forms[2]) and forms[1].isdisjoint(forms[2])


def test_what_selfies_would_change_is_refused() -> None:
    with pytest.raises(UsageError, match="has no SELFIES: it comes back as"):
        symbols_of("[CH3:1]O", "selfies")
    with pytest.raises(UsageError, match=r'"\*CC" has no SELFIES: (?!SMILES)'):
        symbols_of("*CC", "selfies")
    assert symbols_of("[NH3]->[Pt]", "smiles") == ["[NH3]", "->", "[Pt]"]


def real(name: str) -> DataFiles:
    folder = os.environ.get("LEBM_DATA")
    if not folder or not (Path(folder) / name).is_dir():
        pytest.skip(f"LEBM_DATA has no {name}")
    return DataFiles(folder)


@pytest.mark.slow
def test_zinc_by_its_published_indices(build: Any) -> None:
    files = real("zinc250k")
    data = build(zinc, files)
    assert [data.length(split) for split in SPLITS] == [220_010, 24_445, 5_000]
    test = data.strings(data.batch("test", torch.arange(3)).x)
    every = (Path(os.environ["LEBM_DATA"]) / "zinc250k" / "zinc250k.smi.gz").read_bytes()
    assert test == gzip.decompress(every).decode().split()[:3]  # the first 5,000 lines
    other = build(zinc, files, split="moflow")
    assert [other.length(split) for split in SPLITS] == [224_568, 12_444, 12_443]
    with pytest.raises(UsageError, match='Did you mean "jtvae"'):
        build(zinc, files, split="jtva")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"valid": [5], "test": [1]}, 'jtvae, valid: "5" is no row number from 0 to 3'),
        ({"valid": [0], "test": [-1]}, 'jtvae, test: "-1" is no row number'),  # would be the last
        ({"valid": [0], "test": [True]}, 'jtvae, test: "True" is no row number'),
        ({"valid": [0, 2], "test": [1, 2]}, "jtvae: the row 2 is there 2 times"),
        ({"valid": 0, "test": [1]}, "jtvae, valid: a list of row numbers is needed"),
        ({"valid": [0]}, "does not hold valid and test of jtvae"),
    ],
)
def test_indices_of_another_file_are_refused(
    build: Any, tmp_path: Path, held: dict[str, Any], said: str
) -> None:
    (tmp_path / "zinc250k").mkdir()
    (tmp_path / "zinc250k" / "zinc250k.smi").write_text("CC\nCO\nCN\nCCC\n")
    (tmp_path / "zinc250k" / "splits.json").write_text(json.dumps({"jtvae": held}))
    with pytest.raises(UsageError, match="splits.json.*" + said):
        build(zinc, DataFiles(tmp_path))
    (tmp_path / "zinc250k" / "splits.json").write_text("[" * 100_000)
    with pytest.raises(UsageError, match="splits.json is not JSON"):
        build(zinc, DataFiles(tmp_path))


@pytest.mark.slow
def test_qm9_is_whole(build: Any) -> None:
    data = build(qm9, real("qm9"))
    assert sum(data.length(split) for split in SPLITS) == 133_885


def test_molecules_have_properties_to_sample_by() -> None:
    molecules = ["CC(=O)Nc1ccc(O)cc1", "C", "CCO"]
    tokens = MoleculeTokens.build([symbols_of(s, "smiles") for s in molecules], "smiles")
    data = MoleculeDataset(tokens, {"train": [tokens.encode(s) for s in molecules]}, {})
    found = data.properties("train", torch.tensor([0, 2]))
    assert list(found) == ["qed", "logp", "sa", "weight", "plogp"]
    assert found["weight"].tolist() == pytest.approx([151.165, 46.069], abs=1e-2)  # by formula
    assert found["qed"][0] == pytest.approx(0.595, abs=2e-3)  # paracetamol, Bickerton et al.
    assert np.isnan(values_of(["no(molecule", ""], SAMPLED_BY)).all()
