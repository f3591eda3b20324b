"""The metric images.outliers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evidence.score import Score
from lebm_images.data.dataset import ArrayPixels, ImageDataset
from lebm_images.metrics.outliers import KINDS, auroc, outliers


class Bright:
    """Knows images to be dark on the left and bright on the right."""

    observed, device = True, torch.device("cpu")

    def score(self, x: torch.Tensor, generator: Any = None) -> Score:
        pattern = torch.linspace(-1, 1, 8).expand(8, 8)
        total = (x - pattern).square().flatten(1).sum(1)
        return Score(total, total * 0, total, total * 0)


def test_a_score_that_knows_the_data_finds_every_kind_of_outlier(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pattern = np.linspace(0, 255, 8)[None, None] + rng.normal(0, 4, (60, 8, 8))
    pixels = ArrayPixels(pattern.clip(0, 255).astype(np.uint8)[..., None])
    data = ImageDataset({"test": pixels}, 1, 8, {})
    evaluation = Evaluation(
        Bright(), data, "test", torch.Generator(), 0, tmp_path, tmp_path, None, print  # type: ignore[arg-type]
    )  # fmt: skip
    values = outliers(outlier_images=50)(evaluation)
    assert set(values) == {"auroc", *(f"auroc_{kind}" for kind in KINDS)}
    for kind in ("turned", "inverted", "shuffled", "noise"):
        assert values[f"auroc_{kind}"].value == 1.0
    # two halves of images that are all alike are no outliers; error of an area of 50 and 50: .058
    halves = values["auroc_halves"].value
    assert halves is not None and abs(halves - 0.5) < 4 * 0.058
    mean = values["auroc"].value
    assert mean == pytest.approx((4 + halves) / 5)


def test_outliers_keep_what_they_say() -> None:
    x = torch.rand(6, 1, 4, 4) * 2 - 1
    generator = torch.Generator().manual_seed(0)
    shuffled = KINDS["shuffled"][1](x, generator)
    assert torch.equal(shuffled.flatten(1).sort().values, x.flatten(1).sort().values)
    assert not torch.equal(shuffled, x)
    halves = KINDS["halves"][1](x, generator)
    assert torch.equal(halves[1, :, :2], x[1, :, :2])
    assert torch.equal(halves[1, :, 2:], x[0, :, 2:])
    assert torch.equal(KINDS["inverted"][1](x, generator), -x)


def test_the_area_is_that_of_pairs() -> None:
    low, high = torch.randn(200), torch.randn(300) + 1
    pairs = [(h > v) + 0.5 * (h == v) for h in high for v in low]
    assert auroc(low, high) == pytest.approx(float(torch.stack(pairs).float().mean()), abs=1e-5)
