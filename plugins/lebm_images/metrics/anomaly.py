"""images.anomaly: how well a model separates a held-out class from the normal images.

Source of the protocol: the public code of Yu et al., NeurIPS 2023, arXiv 2306.03323, as in Zenati
et al. 2018, arXiv 1802.06222: all 70,000 images, 80 % of the normal ones to train on; the test set
is the other 20 % and every image of the held-out digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.base.checks import whole
from lebm_core.base.modules import frozen
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_core.evidence.estimate import Estimate
from lebm_images.data.dataset import ImageDataset
from lebm_images.data.derived.anomaly import KINDS
from lebm_images.figures.grids import grid
from lebm_images.metrics.anomaly_scores import aggregate, tails, typicality

__all__ = ["build"]

# log Z, the same for all images, changes no rank: it is left out, and need not be supported.
NO_CONSTANT = Estimate(torch.zeros(()), torch.zeros(()), None, "left out", 0)
TEXTS = {
    "joint": "-log p(x, z) at the posterior's z",
    "reconstruction": "-log p(x|z), a part of it",
    "prior": "-log p(z), a part of it",
    "tilt": "-f(z), a part of it",
    "reference": "-log p0(z), a part of it",
    "evidence": "-log p(x), up to log Z, by {draws} importance samples",
    "aggregate": "log p0(z) - log q(z), q the aggregate posterior of {codes} training images: the "
    "tilt that density ratio has for its optimum",
    "tails": "-log of the shares of normal validation images with a greater reconstruction and "
    "with a greater tilt, added",
    "typicality": "-log density of the three parts of -log p(x, z) among normal validation images",
}


def build(
    *, anomaly_batch: int = 250, anomaly_draws: int = 20, anomaly_codes: int = 10_000
) -> Metric:
    """Metric images.anomaly, for data whose test split has the classes normal and held out.

    Args:
        anomaly_batch: images at once
        anomaly_draws: importance samples for -log p(x); 0 leaves that score out
        anomaly_codes: training images whose codes make the aggregate posterior; 0 leaves it out
    """
    whole("evaluation.anomaly_codes", anomaly_codes)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split = evaluation.need(ImageDataset, "images.anomaly"), evaluation.split
        if tuple(data.classes) != KINDS or data.labels[split].sum() == 0:
            raise UsageError(
                "The metric images.anomaly needs data with the classes normal and held out, such "
                "as data.name=images.mnist-anomaly, and some of both in the split."
            )
        scores = _scores(evaluation, data, split, anomaly_batch, anomaly_draws)
        if data.length("valid"):
            normal = _scores(evaluation, data, "valid", anomaly_batch, 0)
            scores["tails"] = tails(normal, scores)
            scores["typicality"] = typicality(normal, scores)
            if anomaly_codes and evaluation.model.encoder is not None:
                scores["aggregate"] = _aggregate(evaluation, data, split, anomaly_codes)
        shown = scores.get("tails", scores["reconstruction"])
        evaluation.figure(*_extremes(evaluation, data, shown))
        texts = {"draws": anomaly_draws, "codes": min(anomaly_codes, data.length("train"))}
        return _values(scores, data.labels[split].numpy(), split, texts)

    return metric


def _values(
    scores: Mapping[str, Tensor], y: np.ndarray, split: str, texts: Mapping[str, int]
) -> dict[str, Value]:
    """Compute average precision, of either kind of image, and the ROC area of each score."""
    prevalence = float(y.mean())
    facts = {"prevalence": round(prevalence, 4), "anomalies": int(y.sum())}
    normal = {"prevalence": round(1 - prevalence, 4), "normal": int((1 - y).sum())}
    values: dict[str, Value] = {}
    if "joint" not in scores:
        values["auprc"] = Value(
            None, None, len(y), split, f"Average precision. Score: {TEXTS['joint']}.",
            refused="the prior has no density that can be computed", better="higher",
        )  # fmt: skip
    for name, score in scores.items():
        suffix = "" if name == "joint" else f"_{name}"
        text = TEXTS[name].format(**texts)
        values[f"auprc{suffix}"] = Value(
            float(average_precision_score(y, score)), _bootstrap_error(y, score), len(y), split,
            f"Average precision, the held-out digit as positive; its chance level is the "
            f"prevalence {prevalence:.3f}. Score: {text}. The error is by bootstrap.",
            extra=facts, better="higher",
        )  # fmt: skip
        # Some published tables seem to count the normal images: see docs/results/anomaly-mnist.
        values[f"auprc_normal{suffix}"] = Value(
            float(average_precision_score(1 - y, -score)), _bootstrap_error(1 - y, -score), len(y),
            split, "Average precision, the normal images as positive; its chance level is their "
            f"prevalence {1 - prevalence:.3f}. Score: {text}. The error is by bootstrap.",
            extra=normal, better="higher",
        )  # fmt: skip
        values[f"auroc{suffix}"] = Value(
            float(roc_auc_score(y, score)), None, len(y), split,
            f"Area under the ROC curve; chance is .5. Score: {text}.", extra=facts,
            better="higher",
        )  # fmt: skip
    return values


def _scores(
    evaluation: Evaluation, data: ImageDataset, split: str, batch_size: int, draws: int
) -> dict[str, Tensor]:
    """Compute each score of the images of `split`, (N,), higher for stranger; see `TEXTS`."""
    model, generator = evaluation.model, evaluation.generator
    parts: dict[str, list[Tensor]] = {}
    for batch in data.batches(split, batch_size):
        x = batch.x.to(model.device)
        try:
            score = model.score(x, generator=generator)
        except UnsupportedEstimate:  # no density of z: what remains is -log p(x|z)
            z = model.posterior(x, inference=model.inference.point(), generator=generator)
            with torch.no_grad():
                reconstruction = -model.decoder.likelihood(x)(z)
            parts.setdefault("reconstruction", []).append(reconstruction.double().cpu())
            continue
        scores = {
            "joint": score.total, "reconstruction": score.reconstruction,
            "prior": score.tilt + score.reference, "tilt": score.tilt,
            "reference": score.reference,
        }  # fmt: skip
        if draws and model.encoder is not None:
            estimate = model.log_prob(x, n_samples=draws, log_z=NO_CONSTANT, generator=generator)
            scores["evidence"] = -estimate.value
        for name, value in scores.items():
            parts.setdefault(name, []).append(value.double().cpu())
    return {name: torch.cat(values) for name, values in parts.items()}


def _aggregate(evaluation: Evaluation, data: ImageDataset, split: str, codes: int) -> Tensor:
    """Compute the score "aggregate" of the images of `split`, (N,)."""
    model = evaluation.model
    encoder = model.need_encoder("The score aggregate")

    @torch.no_grad()
    def encoded(name: str, most: int | None = None) -> Independent[Normal]:
        found = [encoder(batch.x.to(model.device)) for batch in data.batches(name, 250, limit=most)]
        mean, std = (torch.cat([getattr(q, of) for q in found]) for of in ("mean", "stddev"))
        return Independent(Normal(mean, std), 1)

    with frozen(encoder, evaluating=True):
        normal, valid, images = encoded("train", codes), encoded("valid").mean, encoded(split).mean
    return aggregate(normal, valid, images, model.prior.reference).double().cpu()


def _extremes(
    evaluation: Evaluation, data: ImageDataset, score: Tensor, n: int = 10
) -> tuple[Path, str]:
    """Draw the least and the most strange images of either kind over their reconstructions."""
    rows, model = [], evaluation.model
    for kind, name in enumerate(KINDS):
        members = (data.labels[evaluation.split] == kind).nonzero()[:, 0]
        order = members[score[members].argsort()]
        for how, picked in (("least", order[:n]), ("most", order[-n:].flip(0))):
            x = data.batch(evaluation.split, picked).x
            back = model.reconstruct(x.to(model.device), generator=evaluation.generator).cpu()
            rows += [(f"{name}, {how} strange", x), ("reconstructed", back)]
    file = evaluation.folder / "figures" / "anomalies.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    return grid(rows, file), "Images by the score of tails: the least and the most strange."


def _bootstrap_error(y: np.ndarray, score: Tensor, repetitions: int = 50) -> float:
    """Estimate the standard error of the average precision by bootstrap over the test set."""
    rng = np.random.default_rng(0)
    values = score.numpy()
    precisions = []
    for _ in range(repetitions):
        rows = rng.integers(len(y), size=len(y))
        precisions.append(average_precision_score(y[rows], values[rows]))
    return float(np.std(precisions))
