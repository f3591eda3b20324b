"""Anomaly scores that are fitted to normal images alone: tails and typicality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.special import log_ndtr

from lebm_core import EBMPrior, Langevin, LatentEBM, Prior, SecondStagePrior
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_images.data.dataset import ArrayPixels, ImageDataset
from lebm_images.data.derived.anomaly import KINDS
from lebm_images.metrics.anomaly import _values, build
from lebm_images.metrics.anomaly_scores import (
    SMOOTHING,
    STATISTICS,
    TAILS,
    aggregate,
    tails,
    typicality,
)
from lebm_images.networks.decoder import DeconvDecoder
from lebm_images.networks.encoder import ConvEncoder


def parts(n: int, shift: dict[str, float], seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: 100 + 5 * torch.randn(n, generator=generator) + shift.get(name, 0)
        for name in STATISTICS
    }


def test_too_good_is_as_strange_as_too_bad() -> None:
    normal = parts(2_000, {}, 0)
    usual = typicality(normal, parts(500, {}, 1))
    for name in STATISTICS:
        for shift in (-30.0, 30.0):  # six standard deviations
            strange = typicality(normal, parts(500, {name: shift}, 2))
            assert float((strange > usual.quantile(0.99)).float().mean()) > 0.9
    # -log N(x; 0, 1 + h^2) of x ~ N(0, 1), h = 2000^(-1/5), is 1.419 on average, and .7 spread
    assert abs(float(usual.mean()) - 3 * 1.419) < 4.5 * (3 * 0.5 * (1 / 500 + 1 / 2_000)) ** 0.5


def test_a_part_without_spread_is_left_out() -> None:
    normal, seen = parts(500, {}, 0), parts(50, {}, 1)
    normal["tilt"], seen["tilt"] = torch.zeros(500), torch.zeros(50)
    assert bool(typicality(normal, seen).isfinite().all())


def test_tails_of_normal_images_are_those_of_two_probabilities() -> None:
    """Parts are N(100, 5^2): each adds -log Phi(-t / s), t ~ N(0, 1), kernel in s."""
    n, m = 4_000, 2_000
    s = (1 + m**-0.4) ** 0.5
    t = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    weight = torch.softmax(-t.square() / 2, 0)
    each = -log_ndtr(-t / s)
    mean = float((weight * each).sum())
    spread = float((weight * (each - mean).square()).sum()) ** 0.5
    found = tails(parts(m, {}, 0), parts(n, {}, 1))
    assert abs(mean - 1) < 0.05  # of an exact probability it would be 1
    assert abs(float(found.mean()) - 2 * mean) < 4.5 * 2**0.5 * spread * (1 / n + 1 / m) ** 0.5


def test_tails_ask_on_one_side_and_in_no_unit() -> None:
    normal = parts(2_000, {}, 0)
    usual, seen = tails(normal, parts(500, {}, 1)), parts(500, {}, 2)
    for name in TAILS:
        worse, better = (tails(normal, parts(500, {name: by}, 2)) for by in (30.0, -30.0))
        assert bool((worse > usual.quantile(0.95)).all())
        assert bool((better < worse).all()) and float(better.mean()) < float(usual.mean())
    scaled = [{**part, "reconstruction": 1024 * part["reconstruction"]} for part in (normal, seen)]
    torch.testing.assert_close(tails(*scaled), tails(normal, seen))
    # what they do not look at changes nothing
    assert tails(normal, {**seen, "reference": 1e6 + seen["reference"]}).equal(tails(normal, seen))


def test_tails_of_f_0_are_those_of_the_reconstruction() -> None:
    normal, seen = parts(500, {}, 0), parts(50, {}, 1)
    alone = tails(normal, seen)
    normal["tilt"], seen["tilt"] = torch.zeros(500), torch.zeros(50)
    flat = tails(normal, seen)
    order = seen["reconstruction"].argsort()
    assert bool((flat[order].diff() >= 0).all())
    assert bool((flat < alone).all())


def test_the_aggregate_is_the_ratio_of_two_densities() -> None:
    """Against a mixture by torch, at the smoothing of greatest likelihood."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(300, 4, generator=generator)
    std = 0.05 + 0.1 * torch.rand(300, 4, generator=generator)
    valid = torch.randn(200, 4, generator=generator)
    z = 2 * torch.randn(50, 4, generator=generator)
    reference = Independent(Normal(torch.zeros(4), torch.ones(4)), 1)

    def log_q(z: torch.Tensor, h: float) -> torch.Tensor:
        parts = Independent(Normal(mean, (std.square() + h**2).sqrt()), 1)
        return MixtureSameFamily(Categorical(torch.ones(300)), parts).log_prob(z)

    best = max(SMOOTHING, key=lambda h: float(log_q(valid, h).mean()))
    assert SMOOTHING[0] < best < SMOOTHING[-1]
    found = aggregate(Independent(Normal(mean, std), 1), valid, z, reference)
    torch.testing.assert_close(found, reference.log_prob(z) - log_q(z, best), atol=1e-3, rtol=1e-4)


def test_a_code_between_those_of_normal_images_is_strange_to_the_aggregate() -> None:
    corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]).repeat(50, 1)
    codes = corners + 0.1 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    reference = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    q = Independent(Normal(codes[:100], torch.full((100, 2), 0.1)), 1)
    scores = aggregate(q, codes[100:], torch.cat([codes[100:], torch.zeros(1, 2)]), reference)
    assert bool((scores[-1] > scores[:-1]).all())  # though p0 is greatest there


def evaluation_of(
    tmp_path: Path, classes: tuple[str, ...] = KINDS, prior: Prior | None = None
) -> Evaluation:
    """8 x 8 images, bright on the left where normal and on the right where held out."""
    rng = np.random.default_rng(0)
    sizes = {"train": (40, 0), "valid": (60, 0), "test": (50, 30)}
    pixels, labels = {}, {}
    for split, (normal, strange) in sizes.items():
        kind = np.repeat([0, 1], [normal, strange])
        x = rng.integers(0, 60, (len(kind), 8, 8, 1), dtype=np.uint8)
        x[kind == 0, :, :4] += 180
        x[kind == 1, :, 4:] += 180
        pixels[split], labels[split] = ArrayPixels(x), torch.from_numpy(kind)
    torch.manual_seed(0)
    prior = EBMPrior(3, {"hidden": [8]}, Langevin(steps=3)) if prior is None else prior
    model = LatentEBM(prior, DeconvDecoder(3, 1, 8, width=0.125), ConvEncoder(3, 1, 8, 4)).eval()
    rest: dict[str, Any] = {"recipe": None, "log": print, "cache": tmp_path, "folder": tmp_path}
    return Evaluation(
        model, ImageDataset(pixels, 1, 8, {}, labels, classes), "test",
        torch.Generator().manual_seed(0), 0, **rest,
    )  # fmt: skip


def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lebm_images.metrics.anomaly.grid", lambda rows, file: file)


def test_the_metric_gives_every_score_with_its_prevalence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = evaluation_of(tmp_path)
    found = build(anomaly_batch=16, anomaly_draws=3)(evaluation)
    names = {"", "_reconstruction", "_prior", "_tilt", "_reference", "_evidence", "_tails",
             "_typicality", "_aggregate"}  # fmt: skip
    areas = ("auprc", "auprc_normal", "auroc")
    assert set(found) == {f"{area}{name}" for area in areas for name in names}
    data = evaluation.dataset
    x, y = data.batch("test", torch.arange(80)).x, data.labels["test"].numpy()  # type: ignore[attr-defined]
    total = evaluation.model.score(x).total
    assert found["auprc"].value == pytest.approx(average_precision_score(y, total), abs=1e-6)
    assert found["auprc"].extra == {"prevalence": 0.375, "anomalies": 30}
    normal = average_precision_score(1 - y, -total)
    assert found["auprc_normal"].value == pytest.approx(normal, abs=1e-6)
    assert found["auprc_normal"].extra == {"prevalence": 0.625, "normal": 50}
    assert [path.name for path, _ in evaluation.figures] == ["anomalies.png"]
    assert evaluation.figures[0][0].is_file()
    without_figures(monkeypatch)
    fewer = build(anomaly_draws=0, anomaly_codes=0)(evaluation)
    assert not {"auprc_evidence", "auprc_aggregate"} & set(fewer)


def test_a_prior_without_a_density_is_judged_by_its_reconstruction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_figures(monkeypatch)
    prior = SecondStagePrior(3, (8,))
    prior.fit(torch.randn(50, 3), steps=5)
    found = build(anomaly_batch=16, anomaly_draws=3)(evaluation_of(tmp_path, prior=prior))
    assert found["auprc"].value is None and found["auprc"].refused
    assert found["auprc_tails"].value == found["auprc_reconstruction"].value
    scores = ("_reconstruction", "_tails", "_typicality", "_aggregate")
    areas = {f"{area}{score}" for area in ("auprc", "auprc_normal") for score in scores}
    assert {name for name in found if name.startswith("auprc")} == {"auprc", *areas}


def test_either_kind_of_image_can_be_the_positive_one() -> None:
    """Strangest first: two anomalies, a normal image, an anomaly."""
    y, score = np.array([1, 1, 0, 1]), torch.tensor([3.0, 2.0, 1.0, 0.0])
    found = _values({"joint": score}, y, "test", {"draws": 0, "codes": 0})
    assert found["auprc"].value == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found["auprc_normal"].value == pytest.approx(1 / 2)


def test_data_without_the_two_kinds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs data with the classes normal and held out"):
        build()(evaluation_of(tmp_path, ("left", "right")))
