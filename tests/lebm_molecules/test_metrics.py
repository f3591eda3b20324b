"""molecules.quality and molecules.reconstruction: the rows of a recipe's table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

from lebm_core import EBMPrior, LatentEBM, SequenceDecoder, SequenceEncoder
from lebm_core.evaluation.evaluation import Evaluation
from lebm_molecules.chemistry.describe import describe, fingerprint
from lebm_molecules.chemistry.pains import has_pains
from lebm_molecules.chemistry.rdkit import DATA, Chem, quiet
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.options import MoleculeOptions
from lebm_molecules.data.prepare import prepare
from lebm_molecules.metrics.quality import RATIOS, Quality
from lebm_molecules.metrics.reconstruction import Reconstruction

TRAIN = ["CCO", "CCN", "CC(C)O", "c1ccccc1", "CCCC", "OCCO", "NCCN", "CC(=O)O"]
TEST = ["CCCO", "CCCN", "CC(C)N"]


def molecules() -> MoleculeDataset:
    return prepare({"train": TRAIN, "valid": TEST, "test": TEST}, "here", {}, MoleculeOptions())


def evaluation(tmp_path: Path, data: MoleculeDataset, name: str, drawn: list[str]) -> Evaluation:
    """The samples of the model are the molecules given."""
    torch.manual_seed(0)
    sizes = {"embed_dim": 8, "hidden": 8, "max_length": 12}
    model = LatentEBM(
        EBMPrior(2, {"hidden": [4]}, {"steps": 2}),
        SequenceDecoder(2, len(data.tokenizer), **sizes),  # type: ignore[arg-type]
        SequenceEncoder(2, len(data.tokenizer), embed_dim=8, hidden=8),
    ).eval()
    rows = [torch.tensor(data.tokenizer.encode(smiles)) for smiles in drawn]
    x = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return Evaluation(
        model, data, "test", torch.Generator().manual_seed(0), 0, tmp_path, tmp_path,
        None, lambda line: None, name, draw=lambda: x,
    )  # fmt: skip


def test_the_rows_that_no_prior_can_better_stand_beside_the_model(tmp_path: Path) -> None:
    data, metric = molecules(), Quality(compared_molecules=0, pictured=0)
    drawn = ["OCC", "CCO", "CCCC", "C(C"]  # one molecule twice, and one that is none
    found = metric(evaluation(tmp_path, data, "model", drawn))
    assert found["validity"].value == 3 / 4
    assert found["uniqueness"].value == 2 / 3
    assert found["novelty"].value == 0
    assert found["novelty"].extra["train"] == len(TRAIN)
    assert "real/nearest_similarity" in found and "aggregate/validity" in found
    assert "reference/validity" in found
    assert not any(f"real/{name}" in found for name in RATIOS)
    assert {value.row for value in found.values()} == {"", "real", "aggregate", "reference"}
    baseline = metric(evaluation(tmp_path, data, "f0", drawn))
    assert baseline.keys() == {name for name, value in found.items() if not value.row}
    assert all(baseline[name] == found[name] for name in baseline)


def test_processes_share_the_work_and_change_nothing(tmp_path: Path) -> None:
    drawn = ["OCC", "CCO", "CCCC", "C(C"]
    alone, shared = (
        Quality(compared_molecules=0, pictured=0)(
            replace(evaluation(tmp_path, molecules(), "model", drawn), processes=processes)
        )
        for processes in (1, 2)
    )
    assert alone == shared


def test_an_untrained_model_gives_few_molecules_back(tmp_path: Path) -> None:
    metric = Reconstruction(reconstruction_molecules=2)
    found = metric(evaluation(tmp_path, molecules(), "model", ["CC"]))
    assert found["reconstructed"].n == 2 and found["reconstructed"].value == 0


def test_a_fingerprint_alone_is_that_of_the_description() -> None:
    for smiles in ("CCO", "c1ccc2[nH]ccc2c1", "C[C@H](N)C(=O)O"):
        assert fingerprint(smiles) == describe(smiles).fingerprint


def test_pains_are_those_of_the_catalogue() -> None:
    parameters = FilterCatalogParams()
    parameters.AddCatalog(FilterCatalogParams.FilterCatalogs.PAINS)
    catalogue = FilterCatalog(parameters)
    rhodanine, quinone = "O=C1NC(=S)SC1=Cc1ccccc1", "O=C1C=CC(=O)C=C1"
    lines = (DATA / "NCI" / "first_5K.smi").read_text().splitlines()[::10]
    with quiet():
        read = map(Chem.MolFromSmiles, [rhodanine, quinone, "CCO", *(s.split()[0] for s in lines)])
        molecules = [molecule for molecule in read if molecule is not None]
        expected = [catalogue.HasMatch(molecule) for molecule in molecules]
        assert [has_pains(molecule) for molecule in molecules] == expected
    assert expected[:3] == [True, True, False] and sum(expected) > 10
