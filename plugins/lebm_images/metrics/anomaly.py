"""MNIST with one digit held out, and images.anomaly: how well a model tells it from the others.

Source of the protocol: the public code of Yu et al., NeurIPS 2023, arXiv 2306.03323, as in Zenati
et al. 2018, arXiv 1802.06222: all 70,000 images, 80 % of the normal ones to train on; the test set
is the other 20 % and every image of the held-out digit. The score "tails" combines probabilities by
Fisher's method, "Statistical methods for research workers", 4th edition, 1932; "typicality" follows
Morningstar et al., "Density of states estimation for out-of-distribution detection", AISTATS 2021,
arXiv 2006.09273.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import KernelDensity
from torch import Tensor
from torch.special import log_ndtr

from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.evidence.estimate import Estimate
from lebm_core.latent.amortized import Amortized
from lebm_images.data.anomaly import KINDS
from lebm_images.data.dataset import ImageDataset
from lebm_images.figures.grids import grid
from lebm_images.metrics.reconstruction import images_of

__all__ = ["build", "tails", "typicality"]
STATISTICS = ("reconstruction", "tilt", "reference")
# log Z, one number for all images, moves no rank: it is left out, and need not be supported.
NO_CONSTANT = Estimate(torch.zeros(()), torch.zeros(()), None, "left out", 0)
TAILS = ("reconstruction", "tilt")
TEXTS = {
    "joint": "-log p(x, z) at the posterior's z",
    "reconstruction": "-log p(x|z), a part of it",
    "prior": "-log p(z), a part of it",
    "tilt": "-f(z), a part of it",
    "reference": "-log p0(z), a part of it",
    "evidence": "-log p(x), up to log Z, by {draws} importance samples",
    "tails": "-log of the shares of normal validation images with a greater reconstruction and "
    "with a greater tilt, added",
    "typicality": "-log density of the three parts of -log p(x, z) among normal validation images",
}


def build(
    *, anomaly_batch: int = 250, anomaly_draws: int = 20
) -> Callable[[Evaluation], Mapping[str, Value]]:
    """The metric images.anomaly, for data whose test split has the classes normal and held out.

    Args:
        anomaly_batch: images at once
        anomaly_draws: importance samples for -log p(x); 0 leaves that score out
    """

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split = images_of(evaluation, "images.anomaly"), evaluation.split
        if tuple(data.classes) != KINDS or data.labels[split].sum() == 0:
            raise UsageError(
                "The metric images.anomaly needs data with the classes normal and held out, such "
                "as data.name=images.mnist-anomaly, and some of both in the split."
            )
        scores = _parts(evaluation, data, split, anomaly_batch, anomaly_draws)
        if data.length("valid"):
            normal = _parts(evaluation, data, "valid", anomaly_batch, 0)
            scores["tails"] = tails(normal, scores)
            scores["typicality"] = typicality(normal, scores)
        shown = scores.get("tails", scores["reconstruction"])
        evaluation.figure(*_picture(evaluation, data, shown))
        y = data.labels[split].numpy()
        prevalence = float(y.mean())
        said = {"prevalence": round(prevalence, 4), "anomalies": int(y.sum())}
        values: dict[str, Value] = {}
        if "joint" not in scores:
            text = TEXTS["joint"]
            values["auprc"] = Value(
                None, None, len(y), split, f"Average precision. Score: {text}.",
                refused="the prior has no density that can be computed",
            )  # fmt: skip
        for name, score in scores.items():
            end = "" if name == "joint" else f"_{name}"
            text = TEXTS[name].format(draws=anomaly_draws)
            precision, area = average_precision_score(y, score), roc_auc_score(y, score)
            values[f"auprc{end}"] = Value(
                float(precision), _spread(y, score), len(y), split,
                f"Average precision, the held-out digit as positive; its chance level is the "
                f"prevalence {prevalence:.3f}. Score: {text}. The error is by bootstrap.",
                extra=said,
            )  # fmt: skip
            values[f"auroc{end}"] = Value(
                float(area), None, len(y), split,
                f"Area under the ROC curve; chance is .5. Score: {text}.", extra=said,
            )  # fmt: skip
        return values

    return metric


def tails(normal: Mapping[str, Tensor], seen: Mapping[str, Tensor]) -> Tensor:
    """-log of how rarely normal images are so badly explained, or so unlike the prior, (N,).

    The sum of -log P(a normal image's value is greater) over `TAILS`: -log p(x|z), and the tilt
    -f(z) = log p0(z) - log p(z) + const, the likelihood ratio of reference and learned prior. A
    probability weighs both alike, where the sum of nats over hundreds of pixels would drown the
    code; and it needs no anomaly and has no weight to tune. (Fisher's method, 1932.)

    Args:
        normal: the parts of normal images that were not trained on, each (M,).
        seen: the parts of the images to score, each (N,).
    """
    total = torch.zeros(len(seen["reconstruction"]), dtype=torch.float64)
    for values, found in _standardised(normal, seen, TAILS):
        width = len(values) ** -0.2  # Scott's rule
        shares = [
            log_ndtr((values - part[:, None]) / width).logsumexp(1) for part in found.split(500)
        ]
        total -= torch.cat(shares) - math.log(len(values))
    return total


def typicality(normal: Mapping[str, Tensor], seen: Mapping[str, Tensor]) -> Tensor:
    """-log of how often normal images have such parts of -log p(x, z), (N,) (Morningstar 2021).

    Each of `STATISTICS` has a kernel density estimate, by Scott's rule, of its values on normal
    images; the score is the sum of their negative logarithms. It uses no anomaly, and an image
    that is explained too well is as strange as one that is explained too badly.

    Args:
        normal: the parts of normal images that were not trained on, each (M,).
        seen: the parts of the images to score, each (N,).
    """
    total = torch.zeros(len(seen["reconstruction"]), dtype=torch.float64)
    for values, found in _standardised(normal, seen, STATISTICS):
        density = KernelDensity(bandwidth="scott").fit(values[:, None].numpy())
        total -= torch.from_numpy(density.score_samples(found[:, None].numpy()))
    return total


def _standardised(
    normal: Mapping[str, Tensor], seen: Mapping[str, Tensor], names: Sequence[str]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Each part of normal and of seen images in standard deviations of the normal ones.

    A part without spread is left out: f = 0 has no tilt. So is one that is not there: the second
    stage of a two-stage VAE has no density.
    """
    for name in names:
        if name not in normal:
            continue
        spread = normal[name].double().std()
        if spread > 0:
            yield normal[name].double() / spread, seen[name].double() / spread


def _parts(
    evaluation: Evaluation, data: ImageDataset, split: str, batch_size: int, draws: int
) -> dict[str, Tensor]:
    """Each score of the images of `split`, (N,), higher for stranger; see `TEXTS`."""
    model, generator = evaluation.model, evaluation.generator
    parts: dict[str, list[Tensor]] = {}
    for batch in data.batches(split, batch_size):
        x = batch.x.to(model.device)
        try:
            found = model.score(x, generator=generator)
        except UnsupportedEstimate:  # no density of z: what remains is -log p(x|z)
            z = model.posterior(x, inference=Amortized(mean=True), generator=generator)
            with torch.no_grad():
                alone = -model.decoder.likelihood(x)(z)
            parts.setdefault("reconstruction", []).append(alone.double().cpu())
            continue
        some = {
            "joint": found.total, "reconstruction": found.reconstruction,
            "prior": found.tilt + found.reference, "tilt": found.tilt, "reference": found.reference,
        }  # fmt: skip
        if draws and model.encoder is not None:
            estimate = model.log_prob(x, n_samples=draws, log_z=NO_CONSTANT, generator=generator)
            some["evidence"] = -estimate.value
        for name, value in some.items():
            parts.setdefault(name, []).append(value.double().cpu())
    return {name: torch.cat(values) for name, values in parts.items()}


def _picture(
    evaluation: Evaluation, data: ImageDataset, score: Tensor, n: int = 10
) -> tuple[Path, str]:
    """The images of either kind that seem least and most strange, and what comes back of them."""
    rows, model = [], evaluation.model
    for kind, name in enumerate(KINDS):
        own = (data.labels[evaluation.split] == kind).nonzero()[:, 0]
        order = own[score[own].argsort()]
        for how, picked in (("least", order[:n]), ("most", order[-n:].flip(0))):
            x = data.batch(evaluation.split, picked).x
            back = model.reconstruct(x.to(model.device), generator=evaluation.generator).cpu()
            rows += [(f"{name}, {how} strange", x), ("reconstructed", back)]
    file = evaluation.folder / "figures" / "anomalies.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    return grid(rows, file), "Images by the score of tails: the least and the most strange."


def _spread(y: np.ndarray, score: Tensor, repetitions: int = 50) -> float:
    """The standard deviation of the average precision over bootstrap samples of the test set."""
    rng = np.random.default_rng(0)
    values = score.numpy()
    found = []
    for _ in range(repetitions):
        rows = rng.integers(len(y), size=len(y))
        found.append(average_precision_score(y[rows], values[rows]))
    return float(np.std(found))
