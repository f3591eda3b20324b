"""How far controls move a prior: what they cost, and what they change."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.controlled_prior import ControlledPrior
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.partition import AGREEMENT, LEAST_ESS, Estimate, from_log_weights

__all__ = ["ControlShift", "control_shift", "frechet"]

RUNS = 4  # pools annealed apart, whose spread is the standard error


@dataclass(frozen=True)
class ControlShift:
    """A prior before and after its controls; printed, a small table.

    Attributes:
        n: draws before, and as many after.
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
        lines.append(f"effective share of the prior's draws: {self.ess:.2g} (n = {self.n})")
        lines.append(f"Frechet distance in z: {self.distance:.3g}")
        if self.refused:
            lines.append(f"KL and log Z: refused: {self.refused}")
        else:
            lines.append(f"KL from the prior: {_said(self.cost)} nats")
            lines.append(f"log Z ratio: {_said(self.annealed)} nats")
        return "\n".join(lines)


@torch.no_grad()
def control_shift(
    controlled: ControlledPrior, n: int = 2000, *, generator: torch.Generator | None = None
) -> ControlShift:
    """Measures what the controls do, from n draws of the prior and n under control.

    log Z is estimated by annealing, in four pools apart, and by importance weights of the prior's
    draws. It is refused where the error between pools is above 0.1 nats, or where the weights rest
    on 50 effective draws and still disagree by more than 0.1 nats and 4.5 standard errors.

    Args:
        controlled: without a context.
        n: draws, a multiple of 4 is taken.
        generator: source of all randomness.

    Raises:
        UsageError: for a conditioned prior, or fewer than 200 draws.
        DivergenceError: where the controls are too strong for the chain.
    """
    if controlled.context_dim:
        raise UsageError("The shift is measured for priors without a context.")
    if n < 50 * RUNS:
        raise UsageError(f"The shift needs at least {50 * RUNS} draws, not {n}.")
    prior, size = controlled.prior, n // RUNS
    steps, befores, afters, ratios = controlled.steps, [], [], []
    for _ in range(RUNS):
        still = ControlledPrior(prior, []).annealed(size, generator=generator).z
        found = controlled.annealed(size, start=still, steps=steps, generator=generator)
        befores.append(still)
        afters.append(found.z)
        ratios.append(found.log_ratio[0])
    before, after, n = torch.cat(befores), torch.cat(afters), size * RUNS
    g = controlled.change(before)
    weighted = from_log_weights(g, "importance")
    annealed = from_log_weights(torch.stack(ratios), "annealing")
    gains = torch.stack([controlled.change(z).double().mean() for z in afters])
    costs = gains - torch.stack(ratios)
    cost = Estimate(costs.mean(), costs.std() / RUNS**0.5, None, "annealing", n)
    terms = [
        (term.name, term.strength, float(a.mean()), float(b.mean()))
        for term, a, b in zip(
            controlled.terms, controlled.energies(before), controlled.energies(after), strict=True
        )
    ]
    return ControlShift(
        n, terms, (float(prior.log_tilt(before).mean()), float(prior.log_tilt(after).mean())),
        float(weighted.ess) / n if weighted.ess is not None else 1.0, frechet(before, after),
        annealed, weighted, cost, _refused(annealed, weighted),
    )  # fmt: skip


def _refused(annealed: Estimate, weighted: Estimate) -> str:
    error = float(annealed.standard_error)
    if not error <= AGREEMENT:
        return (
            f"log Z by annealing is {_said(annealed)}: an error above {AGREEMENT:g} nats carries "
            "no figure; more draws narrow it."
        )
    apart = abs(float(annealed) - float(weighted))
    both = float((annealed.standard_error**2 + weighted.standard_error**2).sqrt())
    enough = weighted.ess is not None and float(weighted.ess) >= LEAST_ESS
    if enough and apart > max(AGREEMENT, 4.5 * both):
        return (
            f"log Z is {_said(annealed)} by annealing and {_said(weighted)} by importance weights: "
            "they disagree."
        )
    return ""


def _said(estimate: Estimate) -> str:
    return f"{float(estimate):.2f} ± {float(estimate.standard_error):.2f}"


def frechet(a: Tensor, b: Tensor) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), of (n, d) and (m, d)."""
    a, b = a.double(), b.double()
    first, second = (torch.cov(x.T).reshape(x.shape[1], -1) for x in (a, b))
    root = _root(first)
    cross = _root(root @ second @ root)
    gap = (a.mean(0) - b.mean(0)).square().sum()
    return float((gap + (first + second - 2 * cross).diagonal().sum()).clamp(min=0))


def _root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a positive semidefinite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    found: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return found
