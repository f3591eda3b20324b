"""Classes of a coupled prior that begin as clusters of the codes."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor

from lebm_core import Batch, CoupledPrior, LatentEBM, Learning, LearningOptions
from lebm_core.errors import UsageError
from lebm_core.learning.cluster_init import teach_clusters
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

D = 2
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
    prior = CoupledPrior(D, n_classes, (32,), context_dim=context_dim)
    return LatentEBM(prior, TabularDecoder(D, D, (16,)), TabularEncoder(D, D, ()))


def agreement(model: LatentEBM, x: Tensor, group: Tensor) -> float:
    with torch.no_grad():
        found = model.prior.logits(model.encoder(x).mean).argmax(1)  # type: ignore[operator,misc]
    return float(adjusted_mutual_info_score(group, found))


def test_clusters_become_the_first_classes() -> None:
    prior = CoupledPrior(D, 5, (32,))
    codes, group = three_groups()
    teach_clusters(prior, codes, 3, 0, torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = prior.logits(codes).argmax(1)
    assert adjusted_mutual_info_score(group, found) > 0.99
    assert found.max() < 3  # the other classes are free
    assert all(p.grad is None for p in prior.parameters())


def test_classes_begin_once_and_when_information_does() -> None:
    data, model = Rows(), toy()
    options = LearningOptions(class_start=3, kl_zero=0.5, mutual_information=1.0, code_pool=0)
    learning = Learning(options, monitor=False)
    learning.prepare(model, data, seed=0)  # type: ignore[arg-type]
    batch, generator = data.batch("train", torch.arange(60)), torch.Generator().manual_seed(0)
    before = {k: v.clone() for k, v in model.prior.state_dict().items()}
    learning(model, batch, progress=0.4, generator=generator)
    assert all(torch.equal(v, before[k]) for k, v in model.prior.state_dict().items())
    assert not bool(learning.state_dict()["classes_begun"])

    learning(model, batch, progress=0.5, generator=generator)
    assert agreement(model, data.x, data.group) > 0.9
    begun = {k: v.clone() for k, v in model.prior.state_dict().items()}
    learning(model, batch, progress=0.6, generator=generator)
    assert all(torch.equal(v, begun[k]) for k, v in model.prior.state_dict().items())

    again = Learning(options, monitor=False)  # a training that goes on from a checkpoint
    again.prepare(model, data, seed=0)  # type: ignore[arg-type]
    again.load_state_dict(learning.state_dict())
    again(model, batch, progress=0.6, generator=generator)
    assert all(torch.equal(v, begun[k]) for k, v in model.prior.state_dict().items())


@pytest.mark.parametrize("classes", ["likeliest", "clusters"])
def test_classes_are_taken_anew_where_asked(classes: str) -> None:
    """From two classes that are not those of the data to its three groups, or not."""
    data, model = Rows(), toy()
    options = LearningOptions(
        class_start=3, code_pool=0, finish_classes=classes, finish_steps=20,
        finish_tilt="density-ratio",
    )  # fmt: skip
    learning = Learning(options, monitor=False)
    learning.prepare(model, data, seed=0)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    teach_clusters(model.prior, data.x[data.group < 2], 2, 0, generator)  # type: ignore[arg-type]
    learning.finish(model, data, generator, log=lambda line: None)  # type: ignore[arg-type]
    found = agreement(model, data.x, data.group)
    assert found > 0.9 if classes == "clusters" else found < 0.8


def test_labels_that_are_not_learned_do_not_touch_the_classes() -> None:
    data, model = Rows(), toy()
    data.sizes, data.y = {"n_classes": 3}, (data.group + torch.arange(600) // 200) % 3
    options = LearningOptions(
        class_start=3, code_pool=0, label_weight=0, finish_classes="clusters", finish_steps=300,
        finish_tilt="density-ratio", finish_lr=1e-2,
    )  # fmt: skip
    learning = Learning(options, monitor=False)
    learning.prepare(model, data, seed=0)  # type: ignore[arg-type]
    learning.finish(model, data, torch.Generator().manual_seed(0), log=lambda line: None)  # type: ignore[arg-type]
    assert agreement(model, data.x, data.group) > 0.9


def test_every_process_begins_alike() -> None:
    data, options = Rows(), LearningOptions(class_start=3, code_pool=0)
    found = []
    for rank in range(2):
        model = toy()
        learning = Learning(options, monitor=False)
        learning.prepare(model, data, seed=0)  # type: ignore[arg-type]
        batch = data.batch("train", torch.arange(60 * rank, 60 * rank + 60))
        learning(model, batch, generator=torch.Generator().manual_seed(rank))
        found.append(model.prior.state_dict())
    assert all(torch.equal(found[0][k], found[1][k]) for k in found[0])


def test_what_cannot_begin_as_clusters_says_so() -> None:
    for model in (toy(n_classes=2), toy(context_dim=1)):
        learning = Learning(LearningOptions(class_start=3))
        with pytest.raises(UsageError, match="class_start = 3 needs an encoder and a coupled"):
            learning.prepare(model, Rows(), seed=0)  # type: ignore[arg-type]
    named = Rows()
    named.sizes = {"n_classes": 3}
    with pytest.raises(UsageError, match="class_start = 3 is for data without classes: set it"):
        Learning(LearningOptions(class_start=3)).prepare(toy(), named, seed=0)  # type: ignore[arg-type]
    Learning(LearningOptions(class_start=3, label_weight=0)).prepare(toy(), named, seed=0)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="class_start = -1 must be at least 0"):
        Learning(LearningOptions(class_start=-1))
    with pytest.raises(UsageError, match='"clusters" needs learning.class_start, how many, and'):
        Learning(LearningOptions(finish_classes="clusters", class_start=3))
