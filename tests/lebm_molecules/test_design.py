"""Gradual distribution shifting: an oracle with a known optimum, calls counted, files, mistakes."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from lebm_core import EBMPrior, GaussianPrior, LatentEBM, SequenceDecoder, SequenceEncoder
from lebm_core.errors import Interrupted, UsageError
from lebm_core.run.cli import main
from lebm_core.run.run import run_recipe
from lebm_molecules.chemistry.properties import values_of
from lebm_molecules.cli import app
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.options import MoleculeOptions
from lebm_molecules.data.prepare import prepare
from lebm_molecules.design.options import DesignOptions
from lebm_molecules.design.oracle import Oracle, morgan, of_property, similarities
from lebm_molecules.design.record import Design
from lebm_molecules.design.run import design_run
from lebm_molecules.design.search import design

CHAINS = ["CCO", "CCN", "CNC", "OCCO", "NCCN", "COC", "CC", "CCC", "CNO"]


def chains() -> MoleculeDataset:
    return prepare({"train": CHAINS, "valid": [], "test": []}, "here", {}, MoleculeOptions())


def model_of(data: MoleculeDataset, latent_dim: int = 2) -> LatentEBM:
    torch.manual_seed(0)
    n = len(data.tokenizer)
    decoder = SequenceDecoder(latent_dim, n, embed_dim=8, hidden=16)
    if not latent_dim:
        return LatentEBM(GaussianPrior(0), decoder)
    encoder = SequenceEncoder(latent_dim, n, embed_dim=8, hidden=8)
    return LatentEBM(EBMPrior(latent_dim, {"hidden": [8]}, {"steps": 2}), decoder, encoder).eval()


def carbons(smiles: str) -> float:
    return smiles.count("C")


QUICK = {"population": 60, "longest": 12, "lr": 1e-2, "batch_size": 16, "passes": 2}


def run(options: DesignOptions, oracle: object = carbons, start: object = CHAINS) -> Design:
    data = chains()
    generator = torch.Generator().manual_seed(0)
    return design(
        model_of(data),
        data,
        oracle,
        start,
        options=options,
        generator=generator,  # type: ignore[arg-type]
    )


def test_the_known_optimum_is_found_where_random_search_does_not_come_near() -> None:
    found = run(DesignOptions(rounds=18, **QUICK))  # type: ignore[arg-type]
    assert found.molecules[0].smiles == "C" * 12  # nothing of 12 tokens has more carbons
    assert found.molecules[0].value == found.history[-1].best == 12
    assert found.best(3) == found.history[-1].top_3 > 11
    means = [row.mean for row in found.history[2:]]
    assert means[-1] > means[0] + 5
    calls = found.oracle.calls
    blind = run(DesignOptions(rounds=60, calls=calls, random=True, **QUICK))  # type: ignore[arg-type]
    assert blind.best(1) < 10


@pytest.mark.parametrize("limit", [0, 57])
def test_the_oracle_is_asked_once_for_each_molecule_and_no_more_than_allowed(limit: int) -> None:
    asked: list[str] = []

    def oracle(smiles: str) -> float:
        asked.append(smiles)
        return carbons(smiles)

    found = run(DesignOptions(rounds=8, calls=limit, **QUICK), oracle)  # type: ignore[arg-type]
    assert len(asked) == len(set(asked)) == found.oracle.calls == found.history[-1].calls
    assert sum(row.unseen for row in found.history) == len(asked)
    assert {m.smiles for m in found.molecules} <= set(asked)
    assert not limit or len(asked) == limit
    assert found.oracle.ask(asked[:3]) == [carbons(s) for s in asked[:3]]
    assert found.oracle.calls == len(asked)  # what is known costs nothing


def test_what_is_kept_is_the_best_of_all_that_was_asked() -> None:
    data, options = chains(), DesignOptions(rounds=4, **QUICK)  # type: ignore[arg-type]
    model, oracle = model_of(data), Oracle(carbons)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    each: list[int] = []
    found = design(
        model, data, oracle, ["OCC", "CCO", "C"], options=options,
        generator=torch.Generator().manual_seed(1), each=lambda f: each.append(len(f.history)),
    )  # fmt: skip
    assert found.history[0].calls == 2  # ethanol twice, by another string
    kept = [m.value for m in found.molecules]
    assert kept == sorted(oracle.known.values(), reverse=True)[:60]
    assert each == [1, 2, 3, 4, 5] and found.history[-1].entered <= found.history[-1].unseen
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    moved = dict(found.model.named_parameters())
    assert all(not torch.equal(moved[name], before[name]) for name in ("decoder.output.bias",))


def test_without_passes_nothing_learns() -> None:
    data, options = chains(), DesignOptions(rounds=2, **(QUICK | {"passes": 0}))  # type: ignore[arg-type]
    model = model_of(data)
    found = design(model, data, carbons, CHAINS, options=options)
    theirs = dict(found.model.named_parameters())
    assert all(torch.equal(value, theirs[name]) for name, value in model.named_parameters())


def test_a_value_that_is_none_is_not_kept() -> None:
    found = run(
        DesignOptions(rounds=3, **QUICK),  # type: ignore[arg-type]
        lambda s: math.nan if "O" in s else carbons(s),
    )
    assert found.molecules and not any("O" in m.smiles for m in found.molecules)
    assert any("O" in smiles for smiles in found.oracle.known)
    with pytest.raises(UsageError, match=r"The oracle gave 'high' for .*, no number"):
        run(DesignOptions(), lambda s: "high")


def test_under_a_constraint_each_start_has_its_own_similar_molecules() -> None:
    data = chains()
    options = DesignOptions(rounds=6, population=40, longest=12, at_least=0.3)
    found = design(
        model_of(data), data, carbons, similar_to=["CCO", "CCN"], options=options,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert [m.value for m in found.starts] == [2, 2]
    assert len(found.molecules) > 4
    for molecule in found.molecules:
        bits = morgan([molecule.smiles, found.starts[molecule.start].smiles])
        likeness = float(similarities(bits[:1], bits[1:])[0])
        assert likeness == pytest.approx(molecule.similarity) and likeness >= 0.3
    better = found.improved()
    assert [m.start for m in better] == [0, 1] and all(m.value >= 2 for m in better)
    assert sum(m.start == 0 for m in found.molecules) <= 20


def test_similarity_is_that_of_rdkit() -> None:
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator
    from rdkit.DataStructs import TanimotoSimilarity

    a, b = "CC(=O)Nc1ccc(O)cc1", "CC(=O)Oc1ccccc1C(=O)O"
    made = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    theirs = TanimotoSimilarity(*(made.GetFingerprint(Chem.MolFromSmiles(s)) for s in (a, b)))
    assert similarities(morgan([a]), morgan([b]))[0] == pytest.approx(theirs)


def test_penalised_logp_by_hand() -> None:
    # Crippen: aromatic CH 0.1581 + 0.1230, CH2 0.1441 + 2 * 0.1230. Both have the least SA, 1.
    found = values_of(["c1ccccc1", "C1CCCCCCC1"], ["plogp", "plogp_z"])
    benzene, octane = 6 * 0.2811, 8 * 0.3901
    assert found[0][0] == pytest.approx(benzene - 1)
    assert found[1][0] == pytest.approx(octane - 1 - 1)  # one ring of more than 6 atoms
    sa, ring = (1 - 3.0525811) / 0.8335207, 0.0485697 / 0.2860212
    assert found[0][1] == pytest.approx((benzene - 2.4570953) / 1.4343244 - sa + ring, abs=1e-4)
    longer = (2 - 0.0485697) / 0.2860212  # its ring has two atoms too many
    assert found[1][1] == pytest.approx((octane - 2.4570953) / 1.4343244 - sa - longer, abs=1e-4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"start": ["CC", "C(C"]}, r'"C\(C" is no molecule: '),
        ({"start": ["CCCl"]}, '"CCCl" cannot be started from: .* a symbol that no training'),
        ({"start": ["C" * 13]}, "cannot be started from: it has more than 12 tokens"),
        ({}, "needs either molecules to start from or"),
        ({"similar_to": ["CC"] * 61}, "population = 60 is less than the 61 molecules"),
    ],
)
def test_starts_that_cannot_be(given: dict[str, list[str]], said: str) -> None:
    data, options = chains(), DesignOptions(**QUICK)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=said):
        design(model_of(data), data, carbons, options=options, **given)  # type: ignore[arg-type]


def test_mistakes_are_named() -> None:
    data = chains()
    with pytest.raises(UsageError, match="needs a model with a code z"):
        design(model_of(data, 0), data, carbons, CHAINS)
    with pytest.raises(UsageError, match=r'property = "plog" is unknown; .*Did you mean "plogp"'):
        of_property("plog")
    with pytest.raises(UsageError, match=r"population = 0 is too small; use at least 1"):
        DesignOptions(population=0)
    with pytest.raises(UsageError, match=r"at_least = 1.5 is above 1"):
        DesignOptions(at_least=1.5)
    with pytest.raises(UsageError, match=r"grow_from = 80 is above longest = 72"):
        DesignOptions(grow_from=80)


def test_the_limit_of_length_may_rise_and_is_kept() -> None:
    options = DesignOptions(rounds=10, grow_from=4, **QUICK)  # type: ignore[arg-type]
    assert [options.limit(n) for n in (0, 4, 8, 10)] == [4, 6, 12, 12]
    longest: list[int] = []
    data = chains()
    found = design(
        model_of(data), data, carbons, CHAINS, options=options,
        generator=torch.Generator().manual_seed(0),
        each=lambda f: longest.append(max(len(m.written) for m in f.molecules)),
    )  # fmt: skip
    assert all(length <= options.limit(n) for n, length in enumerate(longest))
    assert longest[-1] > 6 and max(map(len, found.oracle.known)) <= 12


def test_ctrl_c_leaves_what_there_is() -> None:
    asked = iter(range(10**6))

    def oracle(smiles: str) -> float:
        if next(asked) == 60:
            raise KeyboardInterrupt
        return carbons(smiles)

    found = run(DesignOptions(rounds=50, **QUICK), oracle)  # type: ignore[arg-type]
    assert found.interrupted and len(found.history) > 1
    assert found.oracle.calls == 60 and found.molecules


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of the smoke preset on RDKit's own molecules, without evaluation."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    run_recipe(
        "control-molecules", "smoke",
        ["data.name=molecules.nci", "data.train_molecules=200", "evaluation.metrics=[]",
         "evaluation.baselines=[]", "learning.properties=[logp]", "learning.refit.steps=0"],
        out=folder, log=lambda line: None,
    )  # fmt: skip
    yield folder


def test_a_design_from_a_run_writes_its_files(
    trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made"
    options = ["--rounds", "1", "--population", "60", "--out", str(out), "--json", "--seed", "3"]
    assert main(["molecules", "design", str(trained), "--property", "logp", *options]) == 0
    said, noise = capfd.readouterr()
    values = json.loads(said)
    assert all(line.startswith("round ") for line in noise.splitlines()), noise  # RDKit is quiet
    assert values["rounds"] == 1 and values["start_top_3"] <= values["top_3"]
    with (out / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert [row["round"] for row in history] == ["0", "1"]
    assert int(history[-1]["calls"]) == values["oracle_calls"] >= 60
    with (out / "molecules.csv").open() as file:
        molecules = list(csv.DictReader(file))
    numbers = [float(row["value"]) for row in molecules]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == pytest.approx(values_of([molecules[0]["smiles"]], ["logp"])[0][0])
    assert np.mean(numbers[:3]) == pytest.approx(values["top_3"])
    assert (out / "history.png").stat().st_size > 1000
    assert (out / "molecules.png").stat().st_size > 1000
    assert json.loads((out / "design.json").read_text())["options"]["seed"] == 3
    again = design_run(
        trained, "logp", options=DesignOptions(rounds=1, population=60), seed=3
    )  # the same seed, the same molecules
    assert [m.smiles for m in again.molecules] == [row["smiles"] for row in molecules]


def test_what_is_small_may_be_asked_for_and_a_head_may_be_missing(trained: Path) -> None:
    lines: list[str] = []
    options = DesignOptions(rounds=1, population=60)
    found = design_run(trained, "weight", options=options, minimise=True, log=lines.append)
    assert lines[0].startswith("The run has no head for minus_weight: one is learned")
    assert found.molecules[0].value == -min(-m.value for m in found.molecules)
    assert "minus_weight" in found.model.heads


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--property", "qedd"], 2, '"qedd" is unknown; use qed, logp.*Did you mean "qed"'),
        (["--property", "qed", "--similar-to", "C1CC"], 2, '--similar-to "C1CC" is no molecule'),
        (["--property", "qed", "--out", "."], 2, "is there already"),
        (["--property", "qed", "--start", "a", "--similar-to", "CC"], 2, "give one of the two"),
        (["--property", "qed", "--start", "none.smi"], 2, "none.smi"),
    ],
)
def test_mistakes_on_the_command_line(
    words: list[str], code: int, said: str, trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import re

    assert main(["molecules", "design", str(trained), *words]) == code
    out, error = capfd.readouterr()
    assert not out and re.search(said, error) and len(error.splitlines()) == 1


def test_ctrl_c_on_the_command_line_has_written_what_there_was(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter(range(10**6))

    def interrupted(name: str, minimise: bool = False) -> object:
        def function(smiles: str) -> float:
            if next(asked) == 62:
                raise KeyboardInterrupt
            return len(smiles)

        return function

    monkeypatch.setattr("lebm_molecules.design.run.of_property", interrupted)
    words = ["design", str(trained), "--property", "logp", "--population", "60"]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "made"), "--rounds", "90"])
    assert isinstance(result.exception, Interrupted) and result.exception.exit_code == 130
    assert "in " + str(tmp_path / "made") in str(result.exception)
    with (tmp_path / "made" / "molecules.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 60
