"""How far controls move a prior: what they cost, and what they change."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.base.arguments import entry, floats
from lebm_core.base.checks import whole
from lebm_core.base.statistics import frechet
from lebm_core.control.prior import ControlledPrior
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.evidence.estimate import AGREEMENT, LEAST_ESS, Estimate, from_log_weights

__all__ = ["ControlShift", "control_shift"]

RUNS = 4  # pools annealed apart, whose spread is the standard error


@dataclass(frozen=True)
class ControlShift:
    """A prior before and after its controls; printed, a small table.

    Of a conditioned prior every figure is the mean over the contexts, each measured by itself.

    Attributes:
        n: draws before, and as many after, of each context.
        contexts: how many; 1 for a prior without.
        terms: name, strength, mean of g before and after, for each control.
        tilt: mean of f before and after.
        ess: effective share of the draws before, weighted to those after: 1 where nothing moves.
        distance: Frechet distance of z before and after: squared Wasserstein distance of the
            Gaussians with their moments.
        annealed: log of E_prior exp(sum strength g), by annealing; for probabilities at strength 1
            the log of how often the prior itself draws what is asked for.
        weighted: the same by importance weights of the draws before.
        cost: nats, KL(controlled || prior) with its error.
        refused: why `log_ratio` and `kl` are refused, or "".
    """

    n: int
    contexts: int
    terms: list[tuple[str, float, float, float]]
    tilt: tuple[float, float]
    ess: float
    distance: float
    annealed: Estimate
    weighted: Estimate
    cost: Estimate
    refused: str

    @property
    def log_ratio(self) -> Estimate:
        """log Z of the controlled prior less log Z of the prior.

        Raises:
            UnsupportedEstimate: where the estimates disagree.
        """
        if self.refused:
            raise UnsupportedEstimate(self.refused)
        return self.annealed

    @property
    def kl(self) -> Estimate:
        """KL(controlled || prior) in nats: how far the control has moved the prior.

        Raises:
            UnsupportedEstimate: where log Z is not supported.
        """
        if self.refused:
            raise UnsupportedEstimate(self.refused)
        return self.cost

    def __str__(self) -> str:
        rows = [("f", 1.0, *self.tilt), *self.terms]
        width = max(len(name) for name, *_ in rows)
        lines = [f"{'':{width}}  strength    before     after"]
        lines += [f"{name:{width}}  {s:8.3g}  {a:8.3f}  {b:8.3f}" for name, s, a, b in rows]
        each = f", mean of {self.contexts} contexts" if self.contexts > 1 else ""
        lines.append(f"effective share of the prior's draws: {self.ess:.2g} (n = {self.n}{each})")
        lines.append(f"Frechet distance in z: {self.distance:.3g}")
        if self.refused:
            lines.append(f"KL and log Z: refused: {self.refused}")
        else:
            lines.append(f"KL from the prior: {_format(self.cost)} nats")
            lines.append(f"log Z ratio: {_format(self.annealed)} nats")
        return "\n".join(lines)


@entry
@torch.no_grad()
def control_shift(
    controlled: ControlledPrior,
    n: int = 2000,
    *,
    context: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> ControlShift:
    """Measures what the controls do, from n draws of the prior and n under control.

    With a context so many draws of each of its rows: each has a log Z, a KL and a distance of its
    own, and the means over rows are given. Their errors are those of the drawing, the contexts
    being as they are.

    log Z is estimated by annealing, in four pools apart, and by importance weights of the prior's
    draws. It is refused where the error between pools is above 0.1 nats, or where the weights rest
    on 50 effective draws (of every context) and still disagree by more than 0.1 nats and 4.5
    standard errors.

    Args:
        controlled: the prior under its controls.
        n: draws, a multiple of 4 is taken.
        context: (c, features), for a conditioned prior or a control that sees one.
        generator: source of all randomness.

    Raises:
        UsageError: for a conditioned prior without contexts, or fewer than 200 draws.
        DivergenceError: where the controls are too strong for the chain.
    """
    if controlled.context_dim and context is None:
        raise UsageError(
            f"The shift of a prior conditioned on {controlled.context_dim} features is measured "
            "for given contexts: pass context=(c, features)."
        )
    if context is not None:
        width = controlled.context_dim or None
        context = floats("context", context, (width,), controlled, least=1)
    if whole("n", n) < 50 * RUNS:
        raise UsageError(f"The shift needs at least {50 * RUNS} draws, not {n}.")
    prior, size = controlled.prior, n // RUNS
    steps, befores, afters, ratios = controlled.steps, [], [], []
    for _ in range(RUNS):
        still = ControlledPrior(prior, []).smc(size, context=context, generator=generator).z
        found = controlled.smc(size, context=context, start=still, steps=steps, generator=generator)
        befores.append(still.unflatten(0, (-1, size)))
        afters.append(found.z.unflatten(0, (-1, size)))
        ratios.append(found.log_ratio)
    before, after, n = torch.cat(befores, 1), torch.cat(afters, 1), size * RUNS  # (c, n, d)
    given = None if context is None else context.repeat_interleave(n, 0)
    g = controlled.change(before.flatten(0, 1), given).view(len(before), n)
    weighted = from_log_weights(g.T, "importance")
    annealed = from_log_weights(torch.stack(ratios), "annealing")
    gained = controlled.change(after.flatten(0, 1), given).double().view(-1, RUNS, size).mean(2)
    costs = gained.T - torch.stack(ratios)
    cost = Estimate(costs.mean(0), costs.std(0) / RUNS**0.5, None, "annealing", n)
    (f, *each), (f_after, *each_after) = (
        [
            prior.log_tilt(z.flatten(0, 1), None, given),
            *controlled.control_terms(z.flatten(0, 1), given),
        ]
        for z in (before, after)
    )
    terms = [
        (term.name, term.strength, float(a.mean()), float(b.mean()))
        for term, a, b in zip(controlled.terms, each, each_after, strict=True)
    ]
    apart = sum(frechet(a, b) for a, b in zip(before, after, strict=True)) / len(before)
    share = float(weighted.ess.mean()) / n if weighted.ess is not None else 1.0
    annealed, weighted, cost = (_mean(estimate) for estimate in (annealed, weighted, cost))
    return ControlShift(
        n, len(before), terms, (float(f.mean()), float(f_after.mean())), share, apart, annealed,
        weighted, cost, _refused(annealed, weighted),
    )  # fmt: skip


def _mean(each: Estimate) -> Estimate:
    """The mean of independent estimates (c,); its effective draws are those of the worst."""
    error = each.standard_error.square().sum().sqrt() / len(each.value)
    ess = None if each.ess is None else each.ess.min()
    return Estimate(each.value.mean(), error, ess, each.method, each.n_samples)


def _refused(annealed: Estimate, weighted: Estimate) -> str:
    error = float(annealed.standard_error)
    if not error <= AGREEMENT:
        return (
            f"log Z by annealing is {_format(annealed)}; its standard error exceeds {AGREEMENT:g} "
            "nats, so it is not reported. Increase n."
        )
    apart = abs(float(annealed) - float(weighted))
    both = float((annealed.standard_error**2 + weighted.standard_error**2).sqrt())
    enough = weighted.ess is not None and float(weighted.ess) >= LEAST_ESS
    if enough and apart > max(AGREEMENT, 4.5 * both):
        return (
            f"log Z is {_format(annealed)} by annealing and {_format(weighted)} by importance "
            "weights: they disagree."
        )
    return ""


def _format(estimate: Estimate) -> str:
    return f"{float(estimate):.2f} ± {float(estimate.standard_error):.2f}"
