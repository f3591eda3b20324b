"""SMILES in the scikit-learn estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lebm_core import LatentEBMClassifier
from lebm_molecules.data.adapters import MoleculeAdapter

ALCOHOLS = [f"{'C' * n}({'C' * m})CO" for n in range(1, 9) for m in range(1, 6)]
AMINES = [f"{'C' * n}({'C' * m})CN" for n in range(1, 9) for m in range(1, 6)]
QUICK: dict[str, Any] = {
    "latent_dim": 4, "prior_hidden": (16,), "decoder_options": {"embed_dim": 8, "hidden": 16},
    "encoder_options": {"embed_dim": 8, "hidden": 16}, "batch_size": 40, "refit_steps": 0,
    "random_state": 0,
}  # fmt: skip


def test_smiles_go_there_and_back() -> None:
    smiles = ["CC(=O)Nc1ccc(O)cc1", "C[C@H](N)C(=O)O", " CCl "]
    adapter = MoleculeAdapter().fit(smiles)
    x = adapter.transform(np.array(smiles))
    assert x.dtype == torch.long and x.shape == (3, adapter.sizes["max_length"])
    assert (x[2, :4] > 3).sum() == 2 and x[2, 2] == 2 and (x[2, 3:] == 0).all()
    assert adapter.inverse_transform(x) == [s.strip() for s in smiles]
    assert MoleculeAdapter("selfies").fit(["CCO"]).inverse_transform(x[2:, :0]) == [""]


def test_molecules_are_classified_from_few_labels() -> None:
    """With the estimator's own virtual adversarial loss, of the embedded symbols."""
    x = [*ALCOHOLS, *AMINES]
    y = np.array(["alcohol"] * len(ALCOHOLS) + ["amine"] * len(AMINES), dtype=object)
    few = y.copy()
    few[np.random.RandomState(0).permutation(80)[:60]] = -1
    model = LatentEBMClassifier("molecules", max_iter=40, learning_rate=1e-2, **QUICK).fit(x, few)
    assert model.score(x, y) > 0.9
    assert "vat_loss" in model.history_[-1] and model.history_[-1]["label_loss"] < 0.5
    drawn = model.sample(5, y="amine")
    assert len(drawn) == 5 and all(isinstance(smiles, str) for smiles in drawn)
    assert model.transform(x[:3]).shape == (3, 4)
    longer = "C" * 40 + "O"
    assert model.predict_proba([longer, "CO"])[1] == pytest.approx(
        model.predict_proba(["CO"])[0], abs=1e-5
    )


def test_the_inputs_own_sizes_of_nets_give_way_to_the_users() -> None:
    few = {**QUICK, "encoder_options": None, "max_iter": 1}
    model = LatentEBMClassifier("molecules", **few).fit(["CO", "CN", "CC"], [0, 1, -1]).model_
    assert model.decoder.net.hidden == 16 and model.encoder.left.hidden_size == 64


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ("CCO", "X must be a list of SMILES, not str"),
        (["CO", 3], "X, row 1: a SMILES is needed, not 3"),
        (["CO", "C!"], r'X, row 1: the molecule "C!" is no SMILES: "!", character 2'),
        (["", "CC"], "X, row 0: the SMILES is empty"),
        (
            ["CC", "C" * 200_000],
            r'row 1: the molecule "C{80}..." \(200,000 characters\) is too long',
        ),
        (["CC", "!" * 1_000], r'"!{80}\.\.\." \(1,000 characters\) is no SMILES'),
    ],
)
def test_what_is_no_smiles_says_so(x: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MoleculeAdapter().fit(x)


def test_a_symbol_that_training_never_saw_is_named_with_its_row() -> None:
    model = LatentEBMClassifier("molecules", max_iter=1, **QUICK).fit(["CO", "CN"], [0, 1])
    with pytest.raises(ValueError, match='X, row 1: the molecule "CBr" has the symbol Br, which'):
        model.predict(["CO", "CBr"])
    with pytest.raises(ValueError, match='notation = "inchi" is unknown'):
        LatentEBMClassifier("molecules", adapter_options={"notation": "inchi"}).fit(["C"], [0])
