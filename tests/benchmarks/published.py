"""Train a model of lebm by the plain loop of the published code, an update at a time.

The networks are those of the recipe's preset `cpu`; chains, batch size, bound and the prior's rate
are the published ones, of the preset `paper`. The other rates are the caller's.

Source: Pang et al., NeurIPS 2020, arXiv 2006.08205; Pang et al., CVPR 2021, arXiv 2104.03086.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lebm_core import Batch
from lebm_core.data.dataset import Dataset

sys.path.insert(0, str(Path(__file__).parent))
from speed import plain_log_likelihood, plain_prior_chain  # noqa: E402

NO_ENCODER = ['encoder.name=""', "inference.name=short-run", "learning.decoder.name=mcmc"]


class Published(NamedTuple):
    """One published training.

    Attributes:
        overrides: of the recipe's preset `cpu`, which make its model the published one.
        loss: (model, batch) -> what an update minimises; a third argument is the chains' memory.
        remembers: whether its chains have one; a training that goes on fills it anew.
        batch, epochs: of the published training.
        lr: of the prior.
        decay: decoupled weight decay of the prior.
        beta1: Adam's.
        double: in float64.
    """

    overrides: list[str]
    loss: Callable[..., Tensor]
    batch: int
    epochs: int
    lr: float
    decay: float = 0.0
    beta1: float = 0.9
    double: bool = False
    remembers: bool = False


def posterior_chain(
    log_p: Callable[[Tensor], Tensor], z: Tensor, steps: int, s: float, noise: float
) -> Tensor:
    """Autograd through decoder and energy at every step."""
    for _ in range(steps):
        z = z.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(log_p(z).sum(), z)
        z = z + 0.5 * s * s * (gradient - z) + noise * s * torch.randn_like(z)
    return z.detach()


def contrast(prior: Any, drawn: Tensor, z: Tensor) -> Tensor:
    return prior.logits(drawn).mean() - prior.logits(z).mean()  # type: ignore[no-any-return]


def text_loss(model: Any, batch: Batch) -> Tensor:
    prior, decoder, x = model.prior, model.decoder, batch.x
    start = [torch.randn(len(x), prior.latent_dim) for _ in range(2)]
    drawn = plain_prior_chain(prior, start[0], 40, 0.5)
    decoder.eval()

    def log_p(z: Tensor) -> Tensor:
        tilted: Tensor = plain_log_likelihood(decoder, x, z) + prior.logits(z).squeeze(-1)
        return tilted

    z = posterior_chain(log_p, start[1], 20, 0.5, 0.0)
    decoder.train()
    return contrast(prior, drawn, z) - plain_log_likelihood(decoder, x, z).mean()


def image_loss(model: Any, batch: Batch) -> Tensor:
    prior, net, x = model.prior, model.decoder.net, batch.x
    start = [torch.randn(len(x), prior.latent_dim) for _ in range(2)]
    drawn = plain_prior_chain(prior, start[0], 60, 0.4)

    def error(z: Tensor) -> Tensor:
        off: Tensor = (net(z[:, :, None, None]) - x).square().flatten(1).sum(1)
        return off / (2 * 0.3**2)

    def log_p(z: Tensor) -> Tensor:
        tilted: Tensor = prior.logits(z).squeeze(-1) - error(z)
        return tilted

    z = posterior_chain(log_p, start[1], 20, 0.1, 1.0)
    return contrast(prior, drawn, z) + error(z).mean()


class Memory:
    """Where the chains of so many earlier rows ended; chains begin there once it is full."""

    def __init__(self, rows: int = 200_000) -> None:
        self.rows, self.ends, self.oldest = rows, torch.empty(0), 0

    def start(self, cold: Tensor) -> Tensor:
        """Ends drawn at random, whatever their context was; cold starts before it is full."""
        if len(self.ends) < self.rows:
            return cold
        return self.ends[torch.randint(self.rows, (len(cold),))]

    def add(self, ends: Tensor) -> None:
        """Keep these, in the place of the oldest."""
        if len(self.ends) < self.rows:
            self.ends = torch.cat([self.ends.to(ends), ends])[: self.rows]
            return
        places = (self.oldest + torch.arange(len(ends))) % self.rows
        self.ends[places], self.oldest = ends, (self.oldest + len(ends)) % self.rows


def trajectory_loss(model: Any, batch: Batch, memory: Memory) -> Tensor:
    """The encoder's bound, and a chain of 20 steps for the prior."""
    prior, x, past = model.prior, batch.x.double(), batch.context
    assert past is not None
    past = past.double()
    cold = prior.std * torch.randn(len(x), prior.latent_dim, dtype=torch.float64)
    drawn = memory.start(cold)
    for _ in range(20):
        drawn = drawn.detach().requires_grad_(True)
        energy = (drawn / prior.std).square().sum() / 2 - prior.logits(drawn, past).sum()
        (gradient,) = torch.autograd.grad(energy, drawn)
        drawn = drawn - 0.08 * gradient + 0.4 * torch.randn_like(drawn)
    drawn = drawn.detach()
    memory.add(drawn)
    q = model.need_encoder("")(x, past)
    z = q.rsample()
    kl = torch.distributions.kl_divergence(q, prior.reference).mean()
    f = [prior.logits(each, past).mean() for each in (drawn, z)]
    off: Tensor = kl - model.decoder.likelihood(x, past)(z).mean() + f[0] - f[1]
    return off


def chain(steps: int, size: float, posterior: bool = True, noise: float = 1.0) -> list[str]:
    """The overrides of the prior's chain, and of the posterior's, which has 20 steps."""
    prior = ["prior.bound=0", f"prior.sampler.steps={steps}", f"prior.sampler.step_size={size}"]
    if not posterior:
        return prior
    own = size if noise == 0 else 0.1
    return [
        *prior, *NO_ENCODER, "inference.sampler.steps=20", f"inference.sampler.step_size={own}",
        f"inference.sampler.noise={noise}",
    ]  # fmt: skip


PUBLISHED = {
    "text-ptb": Published(chain(40, 0.5, noise=0.0), text_loss, 32, 32, 1e-4, decay=1e-3),
    "image-mnist": Published(chain(60, 0.4), image_loss, 100, 200, 2e-5, beta1=0.5),
    "trajectory-eth-ucy": Published(
        [*chain(20, 0.4, posterior=False), "prior.reference_std=2.0"],
        trajectory_loss, 70, 100, 1e-4, double=True, remembers=True,
    ),
}  # fmt: skip


def updates(
    how: Published, model: Any, dataset: Dataset, rates: dict[str, float], kept: Path
) -> Iterator[tuple[int, float]]:
    """Train on and on; yield the updates done and their processor seconds so far.

    Args:
        how: the training.
        model: trained in place.
        dataset: its training split is used.
        rates: learning rate of each part but the prior.
        kept: the state, written where `send("keep")` asks for it, and gone on from.
    """
    groups = [
        {"params": list(part.parameters()), "lr": how.lr if name == "prior" else rates[name],
         "weight_decay": how.decay if name == "prior" else 0.0}
        for name, part in model.parts().items()
    ]  # fmt: skip
    adam = torch.optim.AdamW(groups, betas=(how.beta1, 0.999))
    step, seconds = 0, 0.0
    if kept.is_file():
        state = torch.load(kept, weights_only=True)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        step, seconds = state["step"], state["seconds"]
    torch.manual_seed(step)
    memory = (Memory(),) if how.remembers else ()
    while True:
        order = torch.randperm(dataset.length("train"))
        for rows in order[: len(order) // how.batch * how.batch].split(how.batch):
            began = time.process_time()
            model.train()
            loss = how.loss(model, dataset.batch("train", rows), *memory)
            adam.zero_grad()
            loss.backward()
            for name, part in model.parts().items():
                torch.nn.utils.clip_grad_norm_(part.parameters(), 1.0 if name == "prior" else 5.0)
            adam.step()
            step, seconds = step + 1, seconds + time.process_time() - began
            if (yield step, seconds) == "keep":
                state = {"model": model.state_dict(), "adam": adam.state_dict()}
                torch.save(state | {"step": step, "seconds": seconds}, kept)
                yield step, seconds
