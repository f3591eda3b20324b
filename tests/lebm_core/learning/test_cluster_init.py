"""Classes of a coupled prior, initialised by k-means on posterior means."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor

from lebm_core import Batch, CoupledPrior, LatentEBM, Refit, Symbols, TwoPart
from lebm_core.errors import UsageError
from lebm_core.learning.cluster_init import fit_clusters
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

D = 2
RULE = {"name": "density-ratio", "code_pool": 0}
GROUPS = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 3.0]])


def three_groups(n: int = 600) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(n) % 3
    return GROUPS[group] + 0.3 * torch.randn(n, D, generator=generator), group


class Rows:
    """Examples x of three groups, as a data set."""

    sizes: dict[str, int] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.x, self.group = three_groups()
        self.y: Tensor | None = None

    def length(self, split: str) -> int:
        return len(self.x) if split == "train" else 0

    def order(
        self, split: str, batch_size: int, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        return list(torch.arange(len(self.x)).split(batch_size))

    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(self.x[index], y=None if self.y is None else self.y[index], rows=index)

    def batches(self, split: str, batch_size: int, **options: object) -> list[Batch]:
        return [self.batch(split, index) for index in self.order(split, batch_size)]


def toy(n_classes: int = 5, context_dim: int = 0) -> LatentEBM:
    torch.manual_seed(0)
    prior = CoupledPrior(D, n_classes, {"hidden": [32]}, context_dim=context_dim)
    return LatentEBM(prior, TabularDecoder(D, D, (16,)), TabularEncoder(D, D, ()))


def agreement(model: LatentEBM, x: Tensor, group: Tensor) -> float:
    with torch.no_grad():
        found = model.prior.logits(model.encoder(x).mean).argmax(1)  # type: ignore[operator,misc]
    return float(adjusted_mutual_info_score(group, found))


def test_clusters_become_the_first_classes() -> None:
    prior = CoupledPrior(D, 5, {"hidden": [32]})
    codes, group = three_groups()
    fit_clusters(prior, codes, 3, 0, torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = prior.logits(codes).argmax(1)
    assert adjusted_mutual_info_score(group, found) > 0.99
    assert found.max() < 3  # the other classes are free
    assert all(p.grad is None for p in prior.parameters())


def test_classes_begin_once_and_when_information_does() -> None:
    data, model = Rows(), toy()
    symbols = Symbols(clusters=3, information=1.0)

    def made() -> TwoPart:
        return TwoPart({"kl_zero": 0.5}, {"code_pool": 0}, symbols)

    rule = made()
    rule.prepare(model, data, seed=0)  # type: ignore[arg-type]
    batch, generator = data.batch("train", torch.arange(60)), torch.Generator().manual_seed(0)
    before = {k: v.clone() for k, v in model.prior.state_dict().items()}
    rule(model, batch, progress=0.4, generator=generator)
    assert all(torch.equal(v, before[k]) for k, v in model.prior.state_dict().items())
    assert not bool(rule.state_dict()["classes_made"])

    rule(model, batch, progress=0.5, generator=generator)
    assert agreement(model, data.x, data.group) > 0.9
    begun = {k: v.clone() for k, v in model.prior.state_dict().items()}
    rule(model, batch, progress=0.6, generator=generator)
    assert all(torch.equal(v, begun[k]) for k, v in model.prior.state_dict().items())

    again = made()  # a training that goes on from a checkpoint
    again.prepare(model, data, seed=0)  # type: ignore[arg-type]
    again.load_state_dict(rule.state_dict())
    again(model, batch, progress=0.6, generator=generator)
    assert all(torch.equal(v, begun[k]) for k, v in model.prior.state_dict().items())


@pytest.mark.parametrize("classes", ["likeliest", "clusters"])
def test_classes_are_taken_anew_where_asked(classes: str) -> None:
    """From two classes that are not those of the data to its three groups, or not."""
    data, model = Rows(), toy()
    refit = Refit(20, rule=RULE, classes=classes)  # type: ignore[arg-type]
    rule = TwoPart(symbols=Symbols(clusters=3), refit=refit)
    rule.prepare(model, data, seed=0)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    fit_clusters(model.prior, data.x[data.group < 2], 2, 0, generator)  # type: ignore[arg-type]
    rule.finish(model, data, generator, log=lambda line: None)  # type: ignore[arg-type]
    found = agreement(model, data.x, data.group)
    assert found > 0.9 if classes == "clusters" else found < 0.8


def test_labels_that_are_not_learned_do_not_touch_the_classes() -> None:
    data, model = Rows(), toy()
    data.sizes, data.y = {"n_classes": 3}, (data.group + torch.arange(600) // 200) % 3
    refit = Refit(300, rule=RULE, classes="clusters", lr=1e-2)
    rule = TwoPart(symbols=Symbols(clusters=3, weight=0), refit=refit)
    rule.prepare(model, data, seed=0)  # type: ignore[arg-type]
    rule.finish(model, data, torch.Generator().manual_seed(0), log=lambda line: None)  # type: ignore[arg-type]
    assert agreement(model, data.x, data.group) > 0.9


def test_every_process_begins_alike() -> None:
    data, found = Rows(), []
    for rank in range(2):
        model = toy()
        rule = TwoPart(symbols=Symbols(clusters=3))
        rule.prepare(model, data, seed=0)  # type: ignore[arg-type]
        batch = data.batch("train", torch.arange(60 * rank, 60 * rank + 60))
        rule(model, batch, generator=torch.Generator().manual_seed(rank))
        found.append(model.prior.state_dict())
    assert all(torch.equal(found[0][k], found[1][k]) for k in found[0])


def test_what_cannot_be_initialised_by_clusters_says_so() -> None:
    three = Symbols(clusters=3)
    for model in (toy(n_classes=2), toy(context_dim=1)):
        with pytest.raises(UsageError, match="clusters = 3 needs an encoder and a coupled"):
            TwoPart(symbols=three).prepare(model, Rows(), seed=0)  # type: ignore[arg-type]
    named = Rows()
    named.sizes = {"n_classes": 3}
    with pytest.raises(UsageError, match="clusters = 3 is for data without classes; use 0"):
        TwoPart(symbols=three).prepare(toy(), named, seed=0)  # type: ignore[arg-type]
    TwoPart(symbols=Symbols(clusters=3, weight=0)).prepare(toy(), named, seed=0)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="learning.symbols.clusters = -1 is too small"):
        Symbols(clusters=-1)
    with pytest.raises(UsageError, match='"clusters" needs learning.symbols.clusters, how many,'):
        TwoPart(symbols=three, refit=Refit(classes="clusters"))
