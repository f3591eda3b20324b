"""Classes of a coupled prior that begin as clusters of the codes.

Information between code and class is as large for classes that are certain, of equal size and have
nothing to do with x as for any others: which are found depends on where they begin. Networks that
begin at random may end at either kind; clusters of codes that were learned without classes say
something of x from the beginning (deep clustering: Xie et al. 2016, arXiv 1511.06335). What the
codes say of x goes on growing, and classes need not follow: they may be taken anew at the end
(as Caron et al. 2018, arXiv 1807.05520, take theirs anew in every epoch).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lebm_core.errors import UsageError
from lebm_core.latent.codes import aggregate_codes

if TYPE_CHECKING:
    from sklearn.cluster import KMeans

    from lebm_core.data.dataset import Dataset
    from lebm_core.models.latent_ebm import LatentEBM
    from lebm_core.priors.coupled import CoupledPrior

__all__ = ["check_class_start", "k_means", "start_classes", "teach_clusters"]

CODES = 20_000  # that are clustered
STARTS, ROUNDS = 3, 100  # of k-means, the best of which is taken
STEPS, BATCH, RATE = 400, 256, 3e-3  # of Adam, for F to know the clusters


def k_means(x: object, n: int, seed: int) -> KMeans:
    """k-means (the best of 3 starts) with n clusters, or as many as there are rows.

    Args:
        x: (N, features), a tensor or a scipy matrix in CSR form.
        n: clusters.
        seed: of the starts.
    """
    from sklearn.cluster import KMeans  # it takes a second to import

    numbers = x.numpy() if isinstance(x, Tensor) else x
    clusters = min(n, numbers.shape[0])  # type: ignore[attr-defined]
    return KMeans(clusters, n_init=STARTS, max_iter=ROUNDS, random_state=seed).fit(numbers)


def check_class_start(model: LatentEBM, n: int) -> None:
    """Refuses n clusters for a model that cannot begin with them.

    Raises:
        UsageError: without an encoder or n classes, or with a context.
    """
    prior = model.prior
    if n > prior.n_classes or prior.context_dim or model.encoder is None:
        raise UsageError(
            f"learning.class_start = {n} needs an encoder and a coupled prior of at least {n} "
            f"classes without a context: this one has {prior.n_classes} classes and "
            f"{prior.context_dim} features of context."
        )


def start_classes(model: LatentEBM, dataset: Dataset, clusters: int, seed: int) -> None:
    """Makes the first classes of the prior those of k-means on mean codes, in place.

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
    teach_clusters(model.prior, codes, clusters, seed, generator)  # type: ignore[arg-type]


def teach_clusters(
    prior: CoupledPrior, codes: Tensor, clusters: int, seed: int, generator: torch.Generator
) -> None:
    """Teaches F, in place, that codes (N, d) of the k-th cluster are of class k."""
    y = torch.from_numpy(k_means(codes.cpu(), clusters, seed).labels_).long().to(codes.device)
    optimizer = torch.optim.Adam(prior.parameters(), RATE)
    with torch.enable_grad():
        for _ in range(STEPS):
            some = torch.randint(len(codes), (BATCH,), generator=generator, device=codes.device)
            loss = cross_entropy(prior.logits(codes[some]), y[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    optimizer.zero_grad(set_to_none=True)
