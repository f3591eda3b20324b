"""The energy of sets of points, its clouds, and the metric: symmetry, closed forms, chance."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lebm_core.contracts.toys import evaluation
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import UsageError
from lebm_core.models.ebm import EBM
from lebm_core.priors.coupled import CoupledPrior
from lebm_energies.data.clouds import CloudData, clouds
from lebm_energies.figures.clouds import pictures
from lebm_energies.metrics import points
from lebm_energies.networks.sets import POOLINGS, PointSet

FEW = SplitCounts(train=30, valid=6, test=18)


@pytest.fixture(scope="module")
def data() -> CloudData:
    return clouds(files=None, seed=0, options=FEW, points=32)


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_order_of_points_does_not_matter(pooling: str, normalised: bool) -> None:
    energy = PointSet(60, [20, 3], [8, 16], [8], pooling, 2, normalised, outputs=3)
    x = torch.randn(4, 20, 3)
    order = torch.randperm(20)
    assert torch.allclose(energy(x.flatten(1)), energy(x[:, order].flatten(1)), atol=1e-5)
    moved = x.clone()
    moved[:, 0] += 1
    assert not torch.allclose(energy(x.flatten(1)), energy(moved.flatten(1)), atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_clouds_of_any_size_are_scored(pooling: str) -> None:
    """Every point twice is the same distribution of points, so the same f."""
    energy = PointSet(60, [20, 3], [8, 16], [8], pooling, 1, True)
    x = torch.randn(4, 20, 3)
    assert torch.allclose(energy(x.flatten(1)), energy(x.repeat(1, 2, 1).flatten(1)), atol=1e-5)


def test_options_that_are_not_possible() -> None:
    with pytest.raises(UsageError, match="energy.pooling"):
        PointSet(60, [20, 3], pooling="sum")
    with pytest.raises(UsageError, match="takes points"):
        PointSet(60, [60])
    with pytest.raises(UsageError, match="energy.hidden"):
        PointSet(60, [20, 3], hidden=[0])
    with pytest.raises(UsageError, match="data.kinds"):
        clouds(files=None, seed=0, options=FEW, kinds=["sofa"])


def test_clouds_lie_on_their_surfaces() -> None:
    found = clouds(files=None, seed=3, options=FEW, points=64, kinds=["ring", "box"])
    rings, boxes = found.x["train"][0::2], found.x["train"][1::2]
    # Of a ring every point is a tube's radius from a circle: a^2 = (r - R)^2 + z^2, linear in R
    # and R^2 - a^2, so that two unknowns explain all 64 points.
    for ring in rings.double():
        r = ring[:, :2].norm(dim=1)
        design = torch.stack([2 * r, torch.ones_like(r)], 1)
        right = r.square() + ring[:, 2].square()
        fit = torch.linalg.lstsq(design, right[:, None]).solution
        assert torch.allclose(design @ fit, right[:, None], atol=1e-5)
    for box in boxes:  # every point has one coordinate at a face, and no other face is passed
        reach = box.abs().amax(0)
        assert ((box.abs() - reach).abs().amin(1) < 1e-5).all()
    assert found.classes == ["ring", "box"] and found.sizes == {"n_classes": 2}


def test_chamfer_by_hand_and_by_loops() -> None:
    a = torch.tensor([[[0.0, 0], [1, 0]]])
    b = torch.tensor([[[0.0, 0], [0, 2]]])
    # From a: 0 and 1, mean .5; from b: 0 and 4, mean 2.
    assert points.chamfer(a, b).item() == pytest.approx(2.5)
    x, y = torch.randn(3, 7, 3), torch.randn(2, 5, 3)
    loops = torch.stack([
        torch.stack([
            (d := torch.cdist(u, v).square()).amin(1).mean() + d.amin(0).mean() for v in y
        ])
        for u in x
    ])  # fmt: skip
    assert torch.allclose(points.chamfer(x, y), loops, atol=1e-5)
    assert points.chamfer(x, x).diagonal().abs().max() < 1e-5


def test_metric_and_figure_of_an_untrained_model(data: CloudData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    energy = {"name": "set", "shape": [32, 3], "widths": [8], "hidden": [8]}
    prior = CoupledPrior(96, 3, energy, sampler={"steps": 2, "step_size": 0.01})
    model = EBM(prior, [32, 3]).eval()
    judged = evaluation(tmp_path, model, data)
    values = points.build(clouds=18, labels=3)(judged)
    assert values["told_apart"].value > 0.9  # noise is no surface
    assert values["model-given-y/told_apart"].value > 0.9
    assert values["real/told_apart"].value < 0.9
    assert values["nearest_sample"].value > 2 * values["real/nearest_sample"].value
    assert values["raw/few_labels"].value > 0.6  # the classes are three
    ((file, caption),) = pictures(judged)
    assert file.is_file() and caption
