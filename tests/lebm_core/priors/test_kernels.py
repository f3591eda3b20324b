"""The energy of kernels: a mixture over the reference, and what density ratio makes of it."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from lebm_core import EBMPrior
from lebm_core.errors import UsageError
from lebm_core.learning.density_ratio import DensityRatio
from lebm_core.priors.kernels import Kernels


def test_the_tilted_prior_is_the_mixture_of_its_kernels() -> None:
    torch.manual_seed(0)
    energy = Kernels(3, kernels=7, width=0.5, outputs=2)
    with torch.no_grad():
        energy.log_widths += 0.3 * torch.randn(14)
        energy.log_weights += torch.randn(14)
    z = torch.randn(20, 3)
    p0 = Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
    for c in range(2):
        rows = slice(7 * c, 7 * c + 7)
        spread = energy.log_widths[rows].exp()[:, None].expand(7, 3)
        parts = Independent(Normal(energy.centres[rows], spread), 1)
        weights = energy.log_weights[rows]
        mixture = MixtureSameFamily(Categorical(logits=weights), parts).log_prob(z)
        wanted = mixture + weights.logsumexp(0) - p0.log_prob(z)
        torch.testing.assert_close(energy(z)[:, c], wanted, atol=1e-4, rtol=1e-4)
    # Each logit of a new network has weights of sum 1.
    fresh = Kernels(3, kernels=7, outputs=2).log_weights.view(2, 7).logsumexp(1)
    torch.testing.assert_close(fresh, torch.zeros(2))


def test_density_ratio_finds_two_clusters_that_are_far_apart() -> None:
    """log Z is near 0 and log p(codes) near the entropy, which an N(0, I) misses by far."""
    generator = torch.Generator().manual_seed(0)
    prior = EBMPrior(4, {"name": "kernels", "kernels": 20}, bound=0.0)
    rule = DensityRatio(reference_samples=4, code_pool=0)
    adam = torch.optim.Adam(prior.parameters(), 0.03)

    def codes(n: int) -> torch.Tensor:
        side = torch.randint(2, (n, 1), generator=generator) * 2.0 - 1
        return 1.2 * side + 0.3 * torch.randn(n, 4, generator=generator)

    for _ in range(400):
        adam.zero_grad()
        rule(prior, codes(200), None, 0.0, generator).loss.backward()
        adam.step()
    z = codes(4000)
    with torch.no_grad():
        log_p = prior.log_tilt(z) + prior.reference.log_prob(z)
        away = prior.log_tilt(torch.zeros(1, 4))
    entropy = 4 * (0.5 + 0.5 * torch.tensor(2 * torch.pi).log() + torch.tensor(0.3).log())
    wanted = float(-entropy - torch.tensor(2.0).log())
    assert abs(float(log_p.mean()) - wanted) < 0.25
    assert float(prior.reference.log_prob(z).mean()) < wanted - 2
    assert float(away) < float(prior.log_tilt(z).detach().quantile(0.01)) - 4


@pytest.mark.parametrize(("options", "why"), [
    ({"kernels": 0}, "energy.kernels"), ({"width": 0.0}, "energy.width"),
])  # fmt: skip
def test_what_is_not_possible_is_refused(options: dict[str, float], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Kernels(3, **options)  # type: ignore[arg-type]
