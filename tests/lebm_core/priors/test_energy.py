"""An energy network without a closed form gives the same chains as one with it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lebm_core import MALA, CoupledPrior, EBMPrior, Energy, Langevin
from lebm_core.chains.densities import value_and_gradient
from lebm_core.errors import UsageError
from lebm_core.priors.mlp import MLP


class Plain(Energy):
    """The same function as an MLP, by autograd alone."""

    def __init__(self, latent_dim: int, outputs: int = 1, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.net = nn.Sequential(
            nn.Linear(latent_dim + context_dim, 16), nn.GELU(), nn.Linear(16, outputs)
        )

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return self.net(z if context is None else torch.cat([z, context], -1))


def pair(**options: object) -> tuple[EBMPrior, EBMPrior]:
    """Two priors with the same weights, one with the closed form and one without."""
    torch.manual_seed(0)
    closed = EBMPrior(3, energy={"hidden": [16]}, **options)
    plain = EBMPrior(3, energy=Plain(3, context_dim=closed.context_dim), **options)
    for mine, other in zip(plain.parameters(), closed.parameters(), strict=True):
        mine.data.copy_(other.data)
    return closed, plain


@pytest.mark.parametrize("stages", [1, 2])
@pytest.mark.parametrize("bound", [None, 2.0])
def test_values_gradients_and_chains_agree(stages: int, bound: float | None) -> None:
    closed, plain = pair(stages=stages, bound=bound)
    z = torch.randn(11, 3)
    for a, b in zip(
        value_and_gradient(closed.target(), z), value_and_gradient(plain.target(), z), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-5)
    draws = [
        prior.sample(50, generator=torch.Generator().manual_seed(1)) for prior in (closed, plain)
    ]
    assert torch.allclose(*draws, atol=1e-3)


def test_a_coupled_prior_takes_a_network_of_its_classes() -> None:
    prior = CoupledPrior(2, 4, energy=Plain(2, outputs=4), sampler=MALA(3, 0.1))
    assert prior.sample(6, y=3).shape == (6, 2)
    with pytest.raises(UsageError, match="outputs = 1, the prior needs 4"):
        CoupledPrior(2, 4, energy=Plain(2))
    with pytest.raises(UsageError, match="latent_dim = 3, the prior needs 2"):
        EBMPrior(2, energy=Plain(3))


def test_reset_draws_fresh_weights_and_keeps_later_stages_at_zero() -> None:
    prior = EBMPrior(2, energy={"hidden": [8]}, stages=2)
    before = prior.tilts[0].layers[0].weight.clone()
    prior.reset(torch.Generator().manual_seed(0))
    assert not torch.equal(before, prior.tilts[0].layers[0].weight)
    z = torch.randn(5, 2)
    assert torch.equal(prior.tilts[1](z), torch.zeros(5, 1))
    assert torch.equal(prior.log_ratio(1, z), torch.zeros(5))


def test_a_sharp_network_draws_its_first_layer_larger_and_nothing_else() -> None:
    plain, sharp = MLP(2, [8, 8]), MLP(2, [8, 8], sharpness=4.0)
    for drawn in (plain, sharp, sharp.replaced()):
        drawn.reset(torch.Generator().manual_seed(0))
    for name, p in plain.state_dict().items():
        assert torch.equal(sharp.state_dict()[name], 4 * p if name.startswith("layers.0") else p)
    torch.manual_seed(1)
    first = MLP(2, [8], sharpness=4.0).layers[0].weight  # a new one too
    assert 2**-0.5 < float(first.detach().abs().max()) <= 4 * 2**-0.5
    with pytest.raises(UsageError, match="sharpness = 0"):
        MLP(2, sharpness=0.0)


def test_a_sampler_is_a_part_of_its_own() -> None:
    prior = EBMPrior(2, sampler=Langevin(steps=7, step_size=0.2))
    assert prior.sampler.options == {"steps": 7, "step_size": 0.2, "noise": 1.0}
    assert prior.options["sampler"] == {"name": "langevin", **prior.sampler.options}
    assert prior.sampler.replaced(steps=3).options["steps"] == 3
    mala = EBMPrior(2, sampler={"name": "mala", "steps": 4}).sampler
    assert isinstance(mala, MALA) and mala.adjusted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": {"steps": -1}}, "steps = -1"),
        ({"sampler": {"step_size": 0.0}}, "step_size = 0.0"),
        ({"sampler": {"step_size": float("nan")}}, "step_size = nan"),
        ({"sampler": {"noise": -1.0}}, "noise = -1.0"),
        ({"sampler": {"stps": 1}}, 'no option "stps".*Did you mean "steps"'),
        ({"sampler": "langevn"}, 'Did you mean "langevin"'),
        ({"energy": {"hidden": [0]}}, r"energy.hidden = \[0\]"),
        ({"bound": -5.0}, "prior.bound = -5.0"),
        ({"bound": 1e-300}, "prior.bound = 1e-300"),
        ({"reference_std": 0.0}, "prior.reference_std = 0.0"),
        ({"stages": 0}, "prior.stages = 0"),
    ],
)
def test_options_are_checked_where_they_are_read(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EBMPrior(2, **options)
