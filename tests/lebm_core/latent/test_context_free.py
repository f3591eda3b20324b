"""A decoder or encoder whose `forward` takes no context works beside a conditioned prior."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Batch, Decoder, EBMPrior, Encoder, LatentEBM, gaussian_code


class Bare(Decoder):
    def __init__(self, latent_dim: int = 2) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.net = nn.Linear(latent_dim, 3)

    def forward(self, z: Tensor) -> Independent:
        return Independent(Normal(self.net(z), 0.5), 1)


class BareEncoder(Encoder):
    def __init__(self, latent_dim: int = 2) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.net = nn.Linear(3, 2 * latent_dim)

    def forward(self, x: Tensor) -> Independent:
        return gaussian_code(self.net(x))


def test_it_trains_samples_and_scores_without_a_context() -> None:
    torch.manual_seed(0)
    model = LatentEBM(EBMPrior(2, sampler={"steps": 3}), Bare(), BareEncoder())
    x = torch.randn(4, 3)
    assert model.sample(5).shape == (5, 3)
    assert model.reconstruct(x).shape == x.shape
    assert model.score(x).total.shape == (4,)
    assert model.decoder.likelihood(x)(torch.randn(8, 2)).shape == (8,)  # two codes of each


def test_the_context_of_the_prior_is_left_out() -> None:
    torch.manual_seed(0)
    prior = EBMPrior(2, sampler={"steps": 3}, context_dim=1)
    model = LatentEBM(prior, Bare(), BareEncoder())
    context, x = torch.randn(4, 1), torch.randn(4, 3)
    assert model.sample(4, context=context).shape == (4, 3)
    z = model.inference(model, Batch(x, context=context))
    assert torch.equal(model.decoder(z, context).mean, model.decoder(z).mean)
    assert model.reconstruct(x, context=context).shape == x.shape
