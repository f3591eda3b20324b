"""An energy-based prior whose reference p0 is a normalizing flow.

Source: Gao et al., "Flow contrastive estimation of energy-based models", CVPR 2020, arXiv
1912.00589.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from lebm_core import EBMPrior, Sampler
from lebm_core.base.checks import within
from lebm_core.base.modules import frozen
from lebm_core.chains.densities import LogDensity
from lebm_core.errors import UsageError
from lebm_core.priors.base import PriorTarget
from lebm_core.priors.ebm import ENERGY
from lebm_core.priors.energy import Energy
from lebm_core.priors.tilt_target import Readout
from lebm_core.registry.parts import Part, make
from lebm_flows.networks.flow import Flow, FlowKind

__all__ = ["TiltedFlowPrior"]

SAMPLER = Part("samplers", "resampling")


class TiltedFlowPrior(EBMPrior):
    """p(z) = exp(f(z)) q(z) / Z: the flow q is learned by likelihood, then f against it.

    A rule that teaches p0 too, "prior.density-ratio" or "prior.flow-contrastive", is needed. Where
    the flow is near the codes, resampling its draws is exact and cheap, so that is the sampler.

    Args:
        latent_dim: dimension d of z.
        energy: the network f, an `Energy`, or its table {"name": ..., options}.
        sampler: of z; chains begin at draws of the flow.
        bound: C of the bounded tilt f = C tanh(f/C), in nats; 0 or none leaves f unbounded.
        stages: tilts learned one after another by density ratio; f is their sum.
        kind: of the flow, see `FlowPrior`.
        transforms: of the flow.
        hidden: widths of the flow's networks.
        reference_share: share of the prior's training in which the flow alone is learned.

    Raises:
        UsageError: for sizes that are not possible.
    """

    def __init__(
        self,
        latent_dim: int = 32,
        energy: Annotated[Energy | Mapping[str, Any] | str | None, ENERGY] = None,
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        bound: float | None = 10.0,
        stages: int = 1,
        kind: FlowKind = "spline-coupling",
        transforms: int = 4,
        hidden: Sequence[int] = (128, 128),
        reference_share: float = 0.5,
    ) -> None:
        super().__init__(latent_dim, energy, make(SAMPLER, sampler), bound=bound, stages=stages)
        within("prior.reference_share", reference_share, 0, 1)
        self.reference_share = reference_share
        self.flow = Flow(kind, latent_dim, 0, transforms, hidden)
        for tilt in self.energies:
            tilt.start_at_zero()

    @property
    def reference(self) -> Distribution:
        return _FlowDistribution(self.flow, self.latent_dim)

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        with torch.no_grad():
            return self.flow.draw(n, None, generator)

    def reference_loss(self, codes: Tensor) -> Tensor:
        """The mean of -log p0 over codes (N, d), a scalar with gradients for its weights."""
        return -self.flow.log_prob(codes).mean()

    def kl(
        self, q: Independent[Normal], z: Tensor | None = None, context: Tensor | None = None
    ) -> Tensor:
        """log q(z|x) - log p0(z) at draws z (B, d), an equal share for each dimension, (B, d).

        The flow's weights take no gradient.

        Raises:
            UsageError: without draws.
        """
        if z is None:
            raise UsageError("The KL to a flow has no closed form: pass z, draws of q.")
        with frozen(self.flow):
            total = q.log_prob(z) - self.flow.log_prob(z)
        each: Tensor = (total / self.latent_dim)[:, None].expand_as(z)
        return each

    def target(
        self,
        y: Tensor | None = None,
        context: Tensor | None = None,
        *,
        stages: int | None = None,
        half_rows: int = 0,
        readout: Readout | None = None,
    ) -> LogDensity:
        """f + log q, or that of the first so many stages, its gradient by autograd."""
        return _Target(self, stages, readout)


class _FlowDistribution(Distribution):
    """q(z) as torch's own distributions are, with log_prob alone."""

    arg_constraints: dict[str, Any] = {}

    def __init__(self, flow: Flow, latent_dim: int) -> None:
        super().__init__(event_shape=torch.Size([latent_dim]), validate_args=False)
        self.flow = flow

    def log_prob(self, value: Tensor) -> Tensor:
        return self.flow.log_prob(value)


class _Target(PriorTarget):
    """The density of some of the stages, or of another readout of the logits."""

    def __init__(self, prior: TiltedFlowPrior, stages: int | None, readout: Readout | None) -> None:
        super().__init__(prior, None, None)
        self.stages, self.readout = stages, readout

    def __call__(self, z: Tensor) -> Tensor:
        return self.tilt(z) + self.prior.reference.log_prob(z)

    def tilt(self, z: Tensor) -> Tensor:
        """f of the stages, or what else the readout makes of F, (B,), without the flow."""
        prior: Any = self.prior
        logits = prior.logits(z, None, self.stages) if self.stages != 0 else z.new_zeros(len(z), 1)
        return logits.logsumexp(-1) if self.readout is None else self.readout.value(logits)
