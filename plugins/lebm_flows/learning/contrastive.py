"""Prior rule "flow-contrastive": an energy and the flow that it is told from, against each other.

Source: Gao et al., "Flow contrastive estimation of energy-based models", CVPR 2020, arXiv
1912.00589.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lebm_core import Prior
from lebm_core.base.checks import at_least, whole
from lebm_core.base.modules import Configured, frozen
from lebm_core.errors import UsageError
from lebm_core.learning.rules import Metrics, PriorRule, TiltLoss
from lebm_flows.priors.tilted import TiltedFlowPrior

__all__ = ["FlowContrastive"]


class FlowContrastive(Configured, PriorRule):
    """Flow contrastive estimation: f by logistic regression, the flow by deceiving it.

    First the flow is learned by likelihood (`prior.reference_share` of the training). Then f, whose
    own constant makes log Z near 0, tells codes from draws of the flow (noise-contrastive
    estimation), and the flow ascends the same loss through its draws (pathwise gradient), which
    minimises the Jensen-Shannon divergence. Both may take turns by how well f does: while it is
    right less often than `accuracy` the flow rests.

    Args:
        samples: draws of the flow per code
        accuracy: of f, below which the flow rests; 0.5 for never
        likelihood: weight of the codes' likelihood in the flow's objective, which keeps it on them
        energy_l2: L2 penalty of f on codes and draws

    Raises:
        UsageError: for an option that is not possible.
    """

    takes_context = False

    def __init__(
        self,
        samples: int = 1,
        accuracy: float = 0.55,
        likelihood: float = 1.0,
        energy_l2: float = 0.0,
    ) -> None:
        self.samples = whole("learning.prior.samples", samples, 1, 10_000)
        for key, value in (
            ("accuracy", accuracy), ("likelihood", likelihood), ("energy_l2", energy_l2)
        ):  # fmt: skip
            at_least(f"learning.prior.{key}", value, 0)
        self.accuracy, self.likelihood, self.energy_l2 = accuracy, likelihood, energy_l2

    def check(self, prior: Prior) -> None:
        if not isinstance(prior, TiltedFlowPrior) or prior.n_stages != 1:
            raise UsageError(
                'learning.prior.name = "flow-contrastive" needs a flow as reference and one stage: '
                'use prior.name = "tilted-flow" and prior.stages = 1.'
            )

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
        y: Tensor | None = None,
    ) -> TiltLoss:
        self.check(prior)
        assert isinstance(prior, TiltedFlowPrior)
        if progress < prior.reference_share:
            loss = prior.reference_loss(codes)
            return TiltLoss(loss, {"reference": loss.detach()})
        drawn = prior.flow.draw(self.samples * len(codes), None, generator)
        f_codes, f_drawn = prior.log_tilt(codes), prior.log_tilt(drawn.detach())
        loss = softplus(-f_codes).mean() + softplus(f_drawn).mean()
        penalty = f_codes.square().mean() + f_drawn.square().mean()
        right = ((f_codes > 0).float().mean() + (f_drawn < 0).float().mean()) / 2
        metrics: Metrics = {
            "f_posterior": f_codes.mean().detach(),
            "logistic": loss.detach(),
            "right": right.detach(),
        }
        total = loss + self.energy_l2 * penalty
        if float(right) >= self.accuracy:
            total = total + self._deceive(prior, codes, drawn)
        return TiltLoss(total, metrics)

    def _deceive(self, prior: TiltedFlowPrior, codes: Tensor, drawn: Tensor) -> Tensor:
        """Minus the logistic loss as a function of the flow's weights alone.

        The logit of a draw is f = log p - log q with both at the draw, so the flow acts through
        where the draw lies, on log p, and through its own density.
        """
        with frozen(*prior.energies):
            # log p = f + log q is held, as the energy's own density, and q moves. What a draw's
            # place does to log q, held and not, cancels: there f alone is left, which is the logit.
            at = drawn.detach()
            log_q, log_q_codes = prior.flow.log_prob(at), prior.flow.log_prob(codes)
            logit = prior.log_tilt(drawn) + log_q.detach() - log_q
            logit_codes = prior.log_tilt(codes).detach() + log_q_codes.detach() - log_q_codes
        deceived = -(softplus(-logit_codes).mean() + softplus(logit).mean())
        return deceived - self.likelihood * log_q_codes.mean()
