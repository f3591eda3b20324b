"""Initialise the classes of a coupled prior by k-means on posterior means.

Information between code and class is as large for classes that are certain, of equal size and
independent of x as for any others: which are found depends on the start. Networks that start at
random may end at either kind; clusters of codes that were learned without classes represent x from
the start (deep clustering: Xie et al. 2016, arXiv 1511.06335). The codes go on changing, and
classes need not follow: a refit may initialise them again (as Caron et al. 2018, arXiv 1807.05520,
do in every epoch).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.latent.codes import aggregate_codes
from lebm_core.latent.parts import LatentModel
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Coupled

__all__ = ["check_clusters", "fit_clusters", "init_classes"]

CODES = 20_000  # that are clustered
STARTS, ITERATIONS = 3, 100  # of k-means, the best of which is taken
STEPS, BATCH, RATE = 400, 256, 3e-3  # of Adam, for F to learn the clusters


def check_clusters(model: LatentModel, clusters: int) -> None:
    """Refuse clusters for a model whose classes cannot be initialised from them.

    Raises:
        UsageError: without an encoder or as many classes, or with a context.
    """
    prior = model.prior
    if clusters > prior.n_classes or prior.context_dim or model.encoder is None:
        raise UsageError(
            f"learning.symbols.clusters = {clusters} needs an encoder and a coupled prior of at "
            f"least {clusters} classes without a context, and this one has {prior.n_classes} "
            f"classes and {prior.context_dim} features of context; use 0."
        )


def init_classes(model: LatentModel, dataset: Dataset, clusters: int, seed: int) -> None:
    """Make the first classes of the prior those of k-means on posterior means, in place.

    Args:
        model: with an encoder and a coupled prior.
        dataset: its training split.
        clusters: how many, at most the classes of the prior.
        seed: of all randomness; the same on every process of a training.
    """
    generator = torch.Generator(model.device).manual_seed(seed)
    training = model.training
    model.eval()
    codes = aggregate_codes(model, dataset, CODES, generator, mean=True)
    model.train(training)
    fit_clusters(model.prior, codes, clusters, seed, generator)


def fit_clusters(
    prior: Prior, codes: Tensor, clusters: int, seed: int, generator: torch.Generator
) -> None:
    """Teach F of a coupled prior, in place, that codes (N, d) of the k-th cluster have class k."""
    from sklearn.cluster import KMeans  # takes a second to import

    n = min(clusters, len(codes))
    k_means = KMeans(n, n_init=STARTS, max_iter=ITERATIONS, random_state=seed)
    labels = k_means.fit(codes.cpu().numpy()).labels_
    y = torch.from_numpy(labels).long().to(codes.device)
    optimizer = torch.optim.Adam(prior.parameters(), RATE)
    with torch.enable_grad():
        for _ in range(STEPS):
            rows = torch.randint(len(codes), (BATCH,), generator=generator, device=codes.device)
            loss = cross_entropy(cast(Coupled, prior).logits(codes[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    optimizer.zero_grad(set_to_none=True)
