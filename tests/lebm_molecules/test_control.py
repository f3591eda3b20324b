"""molecules.control: shares and distances with known answers, the whole metric, its mistakes."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from lebm_core import EBMPrior, LatentEBM, Property, SequenceDecoder, SequenceEncoder, fit_property
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_molecules.chemistry.properties import values_of
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.options import MoleculeOptions
from lebm_molecules.data.prepare import prepare
from lebm_molecules.metrics.control import ControlledMolecules
from lebm_molecules.metrics.control_scores import Drawn, control_scores

TRAIN = ["CCO", "CCN", "CNC", "OCCO", "NCCN", "COC", "CC", "CCC", "CNO"]


def test_shares_and_distances_by_hand() -> None:
    # rings: 0, 0, 1, 2; one string of five is no molecule, and one molecule is there twice
    made = Drawn(5, ["CC", "CC", "C1CC1", "C1CC1C1CC1"])
    free = Drawn(2, ["CC", "CCC"])  # no ring
    found = control_scores("rings=1", Property("rings", target=1.0), made, free, frozenset(["CC"]))
    assert found["validity"].value == 4 / 5
    assert found["uniqueness"].value == 3 / 4
    assert found["novelty"].value == 2 / 3
    assert found["mean"].value == 3 / 4
    assert found["sd"].value == pytest.approx(np.std([0, 0, 1, 2], ddof=1))
    assert found["distance"].value == 3 / 4  # 1, 1, 0, 1
    assert found["shift"].value == 3 / 4  # from 0
    assert found["mean"].extra["median"] == 0.5
    assert "obeyed" not in found


def test_bounds_are_obeyed_or_not_and_what_is_missing_is_refused() -> None:
    made, free = Drawn(3, ["CC", "C1CC1", "C1CC1"]), Drawn(3, ["CC", "CC"])
    least = control_scores("rings>1", Property("rings", at_least=1.0), made, free, frozenset())
    assert least["obeyed"].value == 2 / 3 and "distance" not in least
    most = control_scores("rings<0", Property("rings", at_most=0.0), made, free, frozenset())
    assert most["obeyed"].value == 1 / 3
    one = control_scores(
        "rings>1", Property("rings", at_least=1.0), Drawn(3, ["C"]), free, frozenset()
    )
    assert one["mean"].value is None and one["mean"].refused == "There are 1 valid samples."
    none = control_scores(
        "rings>1", Property("rings", at_least=1.0), Drawn(3, []), free, frozenset()
    )
    assert none["validity"].value == 0 and none["uniqueness"].refused == "There are none."


def evaluation(tmp_path: Path, data: MoleculeDataset, model: LatentEBM) -> Evaluation:
    return Evaluation(
        model, data, "test", torch.Generator().manual_seed(0), 0, tmp_path, tmp_path,
        None, lambda line: None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained() -> tuple[MoleculeDataset, LatentEBM]:
    """Chains whose length is the first coordinate of z, for a decoder made by hand."""
    data = prepare({"train": TRAIN, "valid": [], "test": TRAIN}, "", {}, MoleculeOptions())
    n = len(data.tokenizer)
    torch.manual_seed(0)

    class Chains(SequenceDecoder):
        """C after C; the rounder z[0] + 3 is reached, the surer the end."""

        def next_logits(self, token, state, z):  # type: ignore[no-untyped-def]
            step = 0 if state is None else state
            logits = torch.full((len(z), n), -1e4)
            carbon = data.tokenizer.encode("C")[0]
            ended = step >= (z[:, 0] + 3).clamp(min=1)
            logits[:, carbon] = torch.where(ended, -1e4, 0.0)
            logits[:, self.eos] = torch.where(ended, 0.0, -1e4)
            return logits, step + 1

        def select(self, state, rows):  # type: ignore[no-untyped-def]
            return state

    decoder = Chains(2, n, embed_dim=8, hidden=8, max_length=30)
    model = LatentEBM(
        EBMPrior(2, {"hidden": [4]}, {"steps": 10}),
        decoder,
        SequenceEncoder(2, n, embed_dim=8, hidden=8),
    )
    z = torch.randn(400, 2)
    weights = values_of(["C" * int(k) for k in (z[:, 0] + 3).clamp(min=1).ceil()], ["weight"])
    generator = torch.Generator().manual_seed(0)
    fit_property(model, "weight", z, torch.tensor(weights)[:, 0], steps=600, generator=generator)
    return data, model.eval()


def test_the_property_goes_where_it_is_asked_to_as_the_strength_rises(
    trained: tuple[MoleculeDataset, LatentEBM], tmp_path: Path
) -> None:
    data, model = trained
    metric = ControlledMolecules(
        control_targets=["weight=72", "weight=max"], strengths=[0.0, 1.0, 4.0], controlled=40,
        control_pictured=2,
    )  # fmt: skip
    seen = evaluation(tmp_path, data, model)
    found = metric(seen)
    away = [found[f"weight=72_distance_at_{s}"].value or 0 for s in (0, 1, 4)]
    assert away[0] > 2 * away[1] and away[1] < 12  # pentane, within a CH2
    means = [found[f"weight=max_mean_at_{s}"].value or 0 for s in (0, 1, 4)]
    assert means[0] < means[1] < means[2]
    assert found["weight=72_shift_at_0"].value == 0
    assert found["weight=72_validity_at_4"].value == 1
    assert found["weight_head_r2"].value > 0.9
    assert found["reference/weight=72_distance_at_1"].value < 12
    files = [path.name for path, _ in seen.figures]
    assert files == [
        "control-means.png", "control-validity.png", "control-shift.png", "control-molecules.png"
    ]  # fmt: skip
    assert all(path.stat().st_size > 1000 for path, _ in seen.figures)


def test_mistakes_are_named(trained: tuple[MoleculeDataset, LatentEBM], tmp_path: Path) -> None:
    data, model = trained[0], copy.deepcopy(trained[1])
    seen = evaluation(tmp_path, data, model)
    with pytest.raises(UsageError, match='no property "wieght".*Did you mean "weight"'):
        ControlledMolecules(["wieght=2"])(seen)
    model.heads.clear()
    with pytest.raises(UsageError, match=r'no property "qed".*none \(learning.properties'):
        ControlledMolecules()(seen)
    with pytest.raises(UsageError, match='"y=2" is no property'):
        ControlledMolecules(["y=2"])
    with pytest.raises(UsageError, match="evaluation.controlled = 1 is too small; use at least 2"):
        ControlledMolecules(controlled=1)
    with pytest.raises(UsageError, match="must be one or more numbers >= 0"):
        ControlledMolecules(strengths=[-1.0])
