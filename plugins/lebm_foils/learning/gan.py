"""Rule "joint.gan": a generator against a critic, which is the f of the descriptor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from lebm_core.base.checks import at_least, choice, whole
from lebm_core.base.modules import Configured, frozen
from lebm_core.base.randomness import uniform
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import centre_of
from lebm_core.learning.rules import Metrics, Outcome, Rule
from lebm_core.priors.protocols import Tilted

__all__ = ["GAN", "critic_loss", "generator_loss", "slope_penalty"]

LOSSES = ("logistic", "wasserstein", "hinge")
SPREAD = 10  # times that the data's standard deviation may be that of the generator


class GAN(Configured, Rule):
    """A generative adversarial network: f tells data from g(z), and g learns to be mistaken.

    f is the log-tilt of the descriptor alone, without its reference p0. At the optimum of the
    logistic loss f = log p_data(x) / p_g(x): a ratio, which is 0 where the generator is right, and
    no energy of the data; nor is it with the other two.

    Sources: Goodfellow et al., NeurIPS 2014, arXiv 1406.2661 ("logistic", its generator by the loss
    that does not saturate); Arjovsky et al., ICML 2017, arXiv 1701.07875, with the penalty of
    Gulrajani et al., NeurIPS 2017, arXiv 1704.00028 ("wasserstein"); Lim and Ye 2017, arXiv
    1705.02894 ("hinge"); the penalty on data: Mescheder et al., ICML 2018, arXiv 1801.04406.

    Args:
        loss: "logistic", the log-likelihood of a classifier with logit f; "wasserstein", the
            difference of means; "hinge", the same within a margin of 1
        gradient_penalty: weight of a penalty on the slope |df/dx|; 0 for none. With "wasserstein"
            (slope - 1)^2 on points between data and g(z), which keeps f 1-Lipschitz; else half
            the squared slope on data (R1), by which training converges where p_g = p_data
        critic_steps: the critic learns at every step, the generator at every so many

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(
        self,
        loss: Literal["logistic", "wasserstein", "hinge"] = "logistic",
        gradient_penalty: float = 0.0,
        critic_steps: int = 1,
    ) -> None:
        choice("learning.loss", loss, LOSSES)
        at_least("learning.gradient_penalty", gradient_penalty, 0)
        whole("learning.critic_steps", critic_steps, 1)
        self.loss, self.gradient_penalty, self.critic_steps = loss, gradient_penalty, critic_steps
        self.steps = 0

    def check(self, model: Any) -> None:
        """Refuse a model that the rule cannot teach.

        Raises:
            UsageError: for a model without a descriptor, with an encoder, or with a prior or a
                descriptor that would be learned otherwise.
        """
        descriptor = getattr(model, "descriptor", None)
        shape = model.decoder.event_shape()
        if descriptor is None or descriptor.latent_dim != math.prod(shape):
            raise UsageError(
                'learning.name = "joint.gan" teaches a generator and a critic of x, the model '
                f'"energy-generator" (model.name), and this is a {type(model).__name__}.'
            )
        if model.encoder is not None:
            raise UsageError(
                'learning.name = "joint.gan" teaches no encoder; use encoder.name = "" and '
                'inference.name = "short-run".'
            )
        if any(p.requires_grad for p in model.prior.parameters()):
            raise UsageError(
                'learning.name = "joint.gan" teaches no prior; use prior.name = "gaussian".'
            )
        if descriptor.n_levels > 1 or not isinstance(descriptor, Tilted):
            raise UsageError(
                f"{type(descriptor).__name__} (descriptor.name) has no one f to be the critic; use "
                '"ebm".'
            )

    def prepare(self, model: Any, dataset: Any, seed: int) -> None:
        """As `check`."""
        self.check(model)

    def __call__(
        self,
        model: Any,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        descriptor = model.descriptor
        given = batch.context if descriptor.context_dim else None

        def critic(x: Tensor) -> Tensor:
            f: Tensor = descriptor.log_tilt(x, None, given)
            return f

        real = batch.x.flatten(1)
        z = model.prior.draw_reference(len(real), generator)
        drawn = centre_of(model.decoder(z, batch.context)).flatten(1)
        on_data, on_drawn = critic(real), critic(drawn.detach())
        loss = critic_loss(self.loss, on_data, on_drawn)
        metrics: Metrics = {
            "f_data": on_data.mean().detach(), "f_generated": on_drawn.mean().detach(),
        }  # fmt: skip
        if len(real) > 1:
            spread = real.std(0).mean().clamp(min=1e-12)
            metrics["spread"] = drawn.detach().std(0).mean() / spread
        if self.gradient_penalty:
            penalty = self._penalty(critic, real, drawn.detach(), generator)
            loss = loss + self.gradient_penalty * penalty
            metrics["penalty"] = penalty.detach()
        losses = {"descriptor": loss}
        self.steps += 1
        if self.steps % self.critic_steps == 0:
            with frozen(descriptor):
                losses["decoder"] = generator_loss(self.loss, critic(drawn))
        return Outcome(losses, metrics)

    def _penalty(
        self,
        critic: Callable[[Tensor], Tensor],
        real: Tensor,
        drawn: Tensor,
        generator: torch.Generator | None,
    ) -> Tensor:
        if self.loss == "wasserstein":
            share = uniform((len(real), 1), real, generator)
            return slope_penalty(critic, share * real + (1 - share) * drawn, 1.0)
        return 0.5 * slope_penalty(critic, real, 0.0)

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """A generator that draws nearly the same x from every z."""
        spread = metrics.get("spread", 1.0)
        if spread >= 1 / SPREAD:
            return []
        return [
            f"The generator's draws have {spread:.2g} times the standard deviation of the data: it "
            "has collapsed. Use learning.gradient_penalty, more learning.critic_steps, or a lower "
            "training.parts.decoder.lr."
        ]

    def state_dict(self) -> dict[str, Tensor]:
        """How many steps were made, which says whose turn it is."""
        return {"steps": torch.tensor(self.steps)}

    def load_state_dict(self, state: dict[str, Tensor], model: Any = None) -> None:
        """Restore what `state_dict` returned."""
        self.steps = int(state.get("steps", torch.tensor(0)))


def critic_loss(loss: str, on_data: Tensor, on_drawn: Tensor) -> Tensor:
    """What the critic minimises: f goes up on data (B,) and down on the generator's draws (B,)."""
    if loss == "logistic":
        return softplus(-on_data).mean() + softplus(on_drawn).mean()
    if loss == "hinge":
        return relu(1 - on_data).mean() + relu(1 + on_drawn).mean()
    return on_drawn.mean() - on_data.mean()


def generator_loss(loss: str, on_drawn: Tensor) -> Tensor:
    """What the generator minimises, of f on its draws (B,)."""
    return softplus(-on_drawn).mean() if loss == "logistic" else -on_drawn.mean()


def slope_penalty(critic: Callable[[Tensor], Tensor], x: Tensor, slope: float) -> Tensor:
    """The mean of (|df/dx| - slope)^2 over x (B, n), with gradients for the critic.

    Args:
        critic: f, (B, n) -> (B,).
        x: points.
        slope: that is wanted.
    """
    at = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
    squared = gradient.square().sum(1)
    if slope == 0:  # the root has no slope at 0
        return squared.mean()
    return ((squared + 1e-12).sqrt() - slope).square().mean()
