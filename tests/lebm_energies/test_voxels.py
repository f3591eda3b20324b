"""The energy of voxels, its solids, and the metric: closed forms, and what chance gives."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lebm_core.contracts.toys import evaluation
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import UsageError
from lebm_core.models.ebm import EBM
from lebm_core.priors.coupled import CoupledPrior
from lebm_energies.data.furniture import CLASSES, furniture
from lebm_energies.data.parts import Box, Frustum, Torus, on_surface
from lebm_energies.data.solids import SolidData, centres_of, solids, voxels_of
from lebm_energies.evaluators.filling import every_second, unknown_mask
from lebm_energies.figures.solids import pictures
from lebm_energies.metrics import voxels
from lebm_energies.metrics.neighbours import coverage, neighbour_accuracy
from lebm_energies.metrics.recovery import nearest_by_known, repeated
from lebm_energies.networks.voxels import Voxels

FEW = SplitCounts(train=24, valid=6, test=9)


@pytest.fixture(scope="module")
def data() -> SolidData:
    return solids(files=None, seed=0, options=FEW, side=8)


def test_blocks_make_the_convolution_of_stride_two() -> None:
    energy = Voxels(7 * 6 * 5, [1, 7, 6, 5], [3])
    plain = nn.Conv3d(1, 3, 4, 2, 1)
    with torch.no_grad():
        weight = plain.weight.view(3, 1, 2, 2, 2, 2, 2, 2).permute(0, 1, 3, 5, 7, 2, 4, 6)
        energy.features[1].weight.copy_(weight.reshape(3, 8, 2, 2, 2))
        energy.features[1].bias.copy_(plain.bias)
    x = torch.randn(2, 1, 7, 6, 5)
    even = nn.functional.pad(x, (0, 1, 0, 0, 0, 1))  # what halves upwards: sides 4, 3 and 3
    assert torch.allclose(energy.features[:2](x), plain(even), atol=1e-5)


def test_voxels_refuse_other_shapes() -> None:
    with pytest.raises(UsageError, match=r"takes voxels \(C, D, H, W\)"):
        Voxels(64, [8, 8])
    with pytest.raises(UsageError, match="latent_dim = 64"):
        Voxels(64, [1, 8, 8, 8])


@pytest.mark.parametrize(
    ("part", "volume"),
    [
        (Box((-0.5, -0.7, -0.2), (0.6, 0.3, 0.9)), 1.1 * 1.0 * 1.1),
        (Frustum((0.1, 0), -0.8, 0.4, 0.7, 0.3), math.pi * 1.2 / 3 * (0.49 + 0.21 + 0.09)),
        (Torus((0, 0, 0.1), 0.6, 0.2), 2 * math.pi**2 * 0.6 * 0.04),
    ],
    ids=["box", "frustum", "torus"],
)
def test_parts_have_their_volume_and_their_surface(part: Box, volume: float) -> None:
    rng = np.random.default_rng(0)
    n = 40_000
    share = volume / 8
    found = part.inside(rng.uniform(-1, 1, (n, 3))).mean()
    assert abs(found - share) < 4 * math.sqrt(share * (1 - share) / n)
    points = part.surface(2000, rng)
    outward = 1e-6  # a point of the surface is inside of a part that is a little larger
    assert not part.inside(points, outward).any() and part.inside(points, -outward).all()
    # Points of a uniform surface lie below a plane in proportion to the area there: by symmetry
    # half of a torus; and half the mean of an outward normal is 0 for every closed surface.
    if isinstance(part, Torus):
        assert abs((points[:, 2] < 0.1).mean() - 0.5) < 4 * 0.5 / math.sqrt(2000)


def test_the_side_of_a_frustum_is_drawn_uniformly() -> None:
    part = Frustum((0, 0), 0.0, 1.0, 0.9, 0.0)
    points = part.surface(20_000, np.random.default_rng(1))
    side = points[points[:, 2] > 1e-9]
    n = len(side)
    assert abs(n / 20_000 - part.areas[2] / part.area) < 4 * 0.5 / math.sqrt(20_000)
    # Of a cone's side, the part above half of its height is a quarter.
    assert abs((side[:, 2] > 0.5).mean() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / n)


def test_a_union_has_no_points_inside_its_parts() -> None:
    parts = [Box((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5)), Box((0, 0, 0), (0.9, 0.9, 0.9))]
    points = on_surface(parts, 500, np.random.default_rng(0))
    assert len(points) == 500
    assert not any(part.inside(points).any() for part in parts)


def test_solids_stand_in_their_room_in_one_piece() -> None:
    from scipy.ndimage import label

    rng, centres = np.random.default_rng(0), centres_of(16)
    for k in range(60):
        solid = voxels_of(furniture(CLASSES[k % 3], rng), centres)
        assert 0.01 < solid.mean() < 0.4
        assert label(solid)[1] == 1, CLASSES[k % 3]
        assert solid[:, :, 0].any(), "it does not stand on the floor"


def test_solids_are_the_same_of_a_seed(data: SolidData) -> None:
    again, other = (solids(files=None, seed=s, options=FEW, side=8) for s in (0, 1))
    assert torch.equal(data.x["train"], again.x["train"])
    assert not torch.equal(data.x["train"], other.x["train"])
    assert data.x["train"].shape == (24, 1, 8, 8, 8)
    assert set(data.x["train"].unique().tolist()) == {0.0, 1.0}
    assert data.y["train"].bincount().tolist() == [8, 8, 8]


def test_overlap_by_hand() -> None:
    a = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0]])
    b = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0]])
    expected = torch.tensor([[1 - 1 / 3, 1.0], [1.0, 0.0]])
    assert torch.allclose(voxels.distances(a, b), expected)


def test_two_sample_accuracy_of_equal_and_of_other_clouds() -> None:
    generator = torch.Generator().manual_seed(0)
    n = 300
    a, b = (torch.randn(n, 2, generator=generator) for _ in range(2))

    def accuracy(x: torch.Tensor, y: torch.Tensor) -> float:
        apart = neighbour_accuracy(torch.cdist(x, x), torch.cdist(y, y), torch.cdist(x, y))
        return float(apart.float().mean())

    # Mutual neighbours make the 2 n trials dependent: at most twice the binomial variance.
    assert abs(accuracy(a, b) - 0.5) < 4 * math.sqrt(2 * 0.25 / (2 * n))
    assert accuracy(a, b + 20) == 1.0
    assert accuracy(a, a.clone() + 1e-6) < 0.01  # copies


def test_coverage_by_hand() -> None:
    across = torch.tensor([[0.0, 1, 2], [0.5, 1, 2], [3, 2, 1]])
    assert coverage(across).tolist() == [True, False, True]


def test_masks_and_the_nearest_by_known(data: SolidData) -> None:
    x, train = data.x["test"], data.x["train"]
    grid = every_second(x)
    assert grid.float().mean() == 1 / 8
    blocks = repeated(torch.where(grid, x, torch.nan))  # nothing but what is known is looked at
    assert torch.equal(blocks[grid], x[grid])
    assert torch.equal(blocks[..., 0::2, 0::2, 0::2], blocks[..., 1::2, 1::2, 1::2])
    mask = unknown_mask(x, 0.3, torch.Generator().manual_seed(0))
    n = mask.numel()
    assert abs(float(mask.float().mean()) - 0.3) < 4 * math.sqrt(0.21 / n)
    found = nearest_by_known(x, mask, train)
    for i in range(len(x)):
        wrong = (((train - x[i]) * mask[i]) ** 2).flatten(1).sum(1)
        assert ((found[i] - x[i]) * mask[i]).square().sum() == wrong.min()


def test_metric_and_figures_of_an_untrained_model(data: SolidData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    energy = {"name": "voxels", "shape": [1, 8, 8, 8], "widths": [4, 4]}
    prior = CoupledPrior(512, 3, energy, sampler={"steps": 2, "step_size": 0.01})
    model = EBM(prior, [1, 8, 8, 8]).eval()
    judged = evaluation(tmp_path, model, data)
    values = voxels.build(recovered=4, steps=2, completions=3, labels=2)(judged)
    assert values["model-given-y/told_apart"].n == values["told_apart"].n
    # Wrong voxels of a mean above one half are fewer than those of a draw, for noise above all.
    assert values["average/coarse_error"].value < values["coarse_error"].value
    assert values["repeated/coarse_overlap"].value > values["mean/coarse_overlap"].value
    assert values["told_apart"].value > 0.8  # noise is no furniture, though rings are near it
    assert values["real/overlap_test"].value > 0.4 > values["overlap_test"].value
    assert values["nearest/scattered_error"].value < values["scattered_error"].value
    assert values["few_labels"].n == 9 and values["raw/few_labels"].value > 1 / 3
    files = list(pictures(judged))
    assert len(files) == 3 and all(file.is_file() for file, _ in files)


def test_samples_are_written_as_voxels(data: SolidData, tmp_path: Path) -> None:
    x = data.x["test"][:3] + 0.1 * torch.randn(3, 1, 8, 8, 8)
    file = data.write(x, tmp_path / "samples")
    with np.load(file) as saved:
        assert saved["x"].dtype == np.bool_
        assert (saved["x"] == (data.x["test"][:3, 0] > 0.5).numpy()).all()
