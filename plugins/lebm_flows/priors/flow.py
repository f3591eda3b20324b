"""A normalizing flow as prior: exact log p(z), draws without a chain.

Sources: Dinh et al., "NICE", 2014, arXiv 1410.8516 (additive coupling), and "Density estimation
using Real NVP", ICLR 2017, arXiv 1605.08803 (affine coupling); Papamakarios et al., NeurIPS 2017,
arXiv 1705.07057 (autoregressive); Durkan et al., "Neural spline flows",
NeurIPS 2019, arXiv 1906.04032; as a latent prior: Xie et al., AAAI 2023, arXiv 2301.09300.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core import Prior
from lebm_core.base.checks import whole
from lebm_core.base.randomness import fork, randint, standard_normal
from lebm_core.base.schedules import cosine
from lebm_core.errors import UsageError
from lebm_core.priors.base import check_sizes
from lebm_flows.networks.flow import Flow, FlowKind

__all__ = ["FlowPrior"]

BATCH, RATE, CLIP = 512, 2e-3, 5.0


class FlowPrior(Prior):
    """p(z) of a flow, normalised, so log Z = 0; as a tilt, f(z) = log p(z) - log N(z; 0, I).

    It is N(0, I) before it is trained: by the rule "prior.exact-likelihood" with the decoder, after
    training by `fit` on posterior codes, or by both.

    Args:
        latent_dim: dimension d of z.
        kind: additive, affine or spline transforms of each dimension; coupling of halves draws in
            two passes, autoregressive in d, and is the more flexible.
        transforms: how many follow one another.
        hidden: widths of the network of each.
        fit_steps: updates on posterior codes after training; 0 for none.
        context_dim: features of a context that the flow sees; 0 for none. Then it is not fitted
            after training.

    Raises:
        UsageError: for an unknown kind or sizes that are not possible.
    """

    normalised = True

    def __init__(
        self,
        latent_dim: int = 32,
        kind: FlowKind = "spline-coupling",
        transforms: int = 4,
        hidden: Sequence[int] = (128, 128),
        fit_steps: int = 3000,
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        check_sizes(latent_dim, 1.0)
        whole("prior.latent_dim", latent_dim, 1)
        whole("prior.context_dim", context_dim, 0, 1_000_000)
        self.fit_steps = whole("prior.fit_steps", fit_steps)
        self.latent_dim, self.context_dim = latent_dim, context_dim
        self.fitted_to = "draws" if fit_steps and not context_dim else ""
        self.flow = Flow(kind, latent_dim, context_dim, transforms, hidden)

    @property
    def reference(self) -> Independent[Normal]:
        zero = torch.zeros_like(self.flow.shift)
        return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1)

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return standard_normal((n, self.latent_dim), self.flow.shift, generator)

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        self.check_context(context, len(z))
        f: Tensor = self.flow.log_prob(z, context) - self.reference.log_prob(z)
        return f

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        self.refuse_classes(y)
        self.check_context(context, n)
        return self.flow.draw(n, context, generator)

    def fit(self, codes: Tensor, seed: int = 0, steps: int = 0) -> None:
        """Maximise the likelihood of codes (N, d) from the present weights.

        Args:
            codes: at least 2.
            seed: of the batches.
            steps: updates; 0 for `prior.fit_steps`.

        Raises:
            UsageError: for fewer than 2 codes.
        """
        if not self.fitted_to:
            return
        if len(codes) < 2:
            raise UsageError(f"A flow cannot be fitted to {len(codes)} codes.")
        steps = steps or self.fit_steps
        generator = torch.Generator(codes.device).manual_seed(seed)
        with fork(generator), torch.enable_grad():
            adam = torch.optim.Adam(self.flow.parameters(), RATE)
            for step in range(steps):
                for group in adam.param_groups:
                    group["lr"] = RATE * cosine(step / steps)
                rows = randint(len(codes), min(BATCH, len(codes)), codes, generator)
                adam.zero_grad()
                (-self.flow.log_prob(codes[rows]).mean()).backward()
                torch.nn.utils.clip_grad_norm_(self.flow.parameters(), CLIP)
                adam.step()
        self.zero_grad()
