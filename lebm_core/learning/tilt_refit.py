"""The tilt learned once more after training, on codes that no longer move.

While decoder and encoder learn, the tilt runs after codes that change. Once they rest it can be
learned from the aggregate posterior itself, without a decoder in the loop (the second stage of
Aneja et al., "A contrastive learning approach for training variational autoencoder priors",
NeurIPS 2021, arXiv 2010.02917). It goes on from the tilt of the training, or begins from fresh
weights: a tilt that tells codes from the reference too well stands at its bound, where it is flat,
and no chain finds its way from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lebm_core.base.randomness import randint
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.learning.options import LearningOptions
from lebm_core.priors.ebm import EBMPrior

__all__ = ["check_finish", "finish_tilt"]

SAYS_EVERY = 1000  # updates
LOOKS_EVERY = 100  # updates over which f(posterior) - f(chain) is averaged


def finish_tilt(
    prior: EBMPrior,
    codes: Tensor,
    rule: Any,
    options: LearningOptions,
    generator: torch.Generator | None,
    log: Callable[[str], None],
    p: Tensor | None = None,
    context: Tensor | None = None,
) -> None:
    """Learns the prior in place by `options.finish_steps` updates of Adam, the rate falling to 0.

    A coupled prior has two things to learn: f = logsumexp F from the codes, by the rule, and
    softmax F = p(y | z) from the classes of their examples, by cross-entropy. Each leaves the
    other free, so both reach what they would alone, and exp F_y(z) p0(z) is the density of the
    codes of class y times its share. Without the second, learning f drags the classes along.

    Where f(posterior) - f(chain) rises above `options.drift_limit`, it goes back to where it was
    below, and on at half the rate.

    A conditioned prior learns p(z | context): by density ratio from pairs of a code and its
    context against the same contexts with draws of the reference.

    Args:
        prior: any tilt.
        codes: (N, d) draws of q(z | x) over the training data.
        rule: one of the tilt's rules, see `lebm_core.learning.contrastive`.
        options: its finish_ keys.
        generator: source of all randomness.
        log: takes a line of progress now and then.
        p: (N, C) p(y | x) of the example that each code is of, for a coupled prior.
        context: (N, c) of each code, for a conditioned prior.

    Raises:
        UsageError: for a conditioned prior without contexts or with chains that know none, classes
            that `finish_anew` would forget, or options that are not possible.
        DivergenceError: where the loss is not finite.
    """
    if prior.context_dim:
        check_finish(options)
        if context is None:
            raise UsageError(
                f"A prior conditioned on {prior.context_dim} features is finished on codes with "
                "their contexts."
            )
    if not options.finish_lr > 0 or options.finish_batch < 1:
        raise UsageError(
            f"learning.finish_lr = {options.finish_lr:g} and learning.finish_batch = "
            f"{options.finish_batch} must be positive."
        )
    if options.finish_anew:
        if prior.n_classes:
            raise UsageError(
                "learning.finish_anew would forget the classes of a coupled prior: set it to false."
            )
        prior.reset(generator)
    steps, rate = options.finish_steps, options.finish_lr
    adam = torch.optim.Adam(prior.parameters(), rate, betas=(0.9, 0.99))
    kept, kept_at = _copied(prior, rule), 0
    kept_gap = 0.0 if options.finish_anew else math.inf  # what the training left may yet close
    gaps: list[float] = []
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        rows = randint(len(codes), options.finish_batch, codes, generator)
        given = None if context is None else context[rows]
        loss, metrics = rule(prior, codes[rows], given, step / steps, generator)
        if p is not None:
            wrong = cross_entropy(prior.all_logits(codes[rows], given), p[rows])
            loss, metrics = loss + wrong, {**metrics, "label_loss": wrong.detach()}
        if not math.isfinite(float(loss.detach())):
            raise DivergenceError(
                f"The loss of the prior is {float(loss.detach())} at step {step + 1} of learning."
                "finish_steps: lower learning.finish_lr, or bound the tilt (prior.bound)."
            )
        adam.zero_grad()
        loss.backward()
        adam.step()
        done = step + 1
        if "f_posterior" in metrics and "f_chain" in metrics:
            gaps.append(float(metrics["f_posterior"]) - float(metrics["f_chain"]))
        if gaps and (done % LOOKS_EVERY == 0 or done == steps):
            gap = sum(gaps) / len(gaps)
            gaps.clear()
            if gap > max(options.drift_limit, kept_gap):  # f grows where no chain goes
                rate /= 2
                log(
                    f"prior on resting codes: step {done}/{steps}  f(posterior) - f(chain) = "
                    f"{gap:.1f} nats: back to step {kept_at}, and on at half the rate"
                )
                prior.load_state_dict(kept[0])
                rule.load_state_dict(kept[1])
                adam.state.clear()
            else:
                kept, kept_at, kept_gap = _copied(prior, rule), done, gap
        if done % SAYS_EVERY == 0 or done == steps:
            said = ", ".join(f"{name} {float(value):.3g}" for name, value in metrics.items())
            log(f"prior on resting codes: step {done}/{steps}  {said}")


def check_finish(options: LearningOptions) -> None:
    """Refuses a finish that a conditioned prior cannot have, before anything is trained.

    Raises:
        UsageError: for persistent chains.
    """
    if options.finish_tilt == "persistent":
        raise UsageError(
            'learning.finish_tilt = "persistent" knows no context: accepted for this prior are '
            "density-ratio, short-run, or learning.finish_steps = 0."
        )


def _copied(prior: EBMPrior, rule: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of the tilt and the chains of its rule, as they are now."""
    return (
        {name: value.clone() for name, value in prior.state_dict().items()},
        {name: value.clone() for name, value in rule.state_dict().items()},
    )
