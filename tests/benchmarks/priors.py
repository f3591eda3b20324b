"""Kinds of priors on the codes of one trained run: distance to the codes, and time.

`python tests/benchmarks/priors.py RUN` takes a run whose prior sees no context, such as one of
`lebm recipe image-mnist --preset cpu evaluation.baselines=[]`. Each prior is learned anew from the
posterior codes of the training split, with the same updates; then 5,000 draws are held against
codes of the test split. Prints a Markdown table. `--samplers` leaves the run's prior as it is and
holds its samplers against each other instead, distance after so much time; `--figure FILE` draws
that.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from lebm_core import Evaluation, LatentEBM, Prior, Refit, Run, make
from lebm_core.base.modules import frozen
from lebm_core.evaluation.two_sample import energy_distance, told_apart
from lebm_core.latent.codes import aggregate_codes
from lebm_core.learning.refit import refit_prior
from lebm_core.registry.parts import Part
from lebm_core.registry.registry import registry
from lebm_core.run.build import build_dataset

PRIOR = Part("priors")
CODES, DRAWS, BLOCKS = 50_000, 5_000, 10
ENERGY = {"hidden": [200, 200]}
RATIO = {"name": "density-ratio", "reference_samples": 2, "code_pool": 0, "energy_l2": 1e-4}
CHAINS = {"name": "persistent", "chain_steps": 20, "chains": 4000, "restart": 0.02,
          "energy_l2": 1e-4}  # fmt: skip
LONG = {"name": "langevin", "steps": 300, "step_size": 0.25}
SHORT = {"name": "langevin", "steps": 60, "step_size": 0.4}
TILT = {"name": "ebm", "energy": ENERGY, "sampler": LONG, "bound": 20.0}
# Of each kind: the prior, the rule that teaches it, and the learning rate.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any] | None, float]] = {
    "f = 0": ({"name": "gaussian"}, None, 0),
    "mixture of 10 Gaussians": ({"name": "mixture"}, None, 0),
    "second VAE": ({"name": "second-stage"}, None, 0),
    "energy, density ratio": (TILT, RATIO, 1e-3),
    "energy, persistent chains": (TILT, CHAINS, 5e-4),
    # Later stages learn from chains of the earlier ones, in every update.
    "energy in 3 stages, density ratio": ({**TILT, "stages": 3, "sampler": SHORT}, RATIO, 1e-3),
    "energy, chains from a denoising model": (
        {**TILT, "name": "diffusion-amortized", "sampler": {**SHORT, "step_size": 0.25}},
        {"name": "diffusion-amortized", "chain_steps": 20, "energy_l2": 1e-4}, 1e-3),
    "flow (splines)": ({"name": "flow", "fit_steps": 4000}, None, 0),
    "tilted flow, noise-contrastive": (
        {"name": "tilted-flow", "energy": ENERGY, "reference_share": 0.5}, RATIO, 1e-3),
    "diffusion, recovery likelihood": (
        {"name": "diffusion", "energy": ENERGY}, {"name": "recovery-likelihood", "versions": 1},
        2e-3),
    "denoising, no energy": ({"name": "denoising", "fit_steps": 4000}, None, 0),
}  # fmt: skip
SAMPLERS: dict[str, list[dict[str, Any]]] = {
    "langevin": [{"steps": k, "step_size": s} for s in (0.25, 0.4) for k in (20, 60, 150, 300)],
    "mala": [{"steps": k, "step_size": "auto"} for k in (20, 60, 150, 300)],
    "hmc": [{"steps": k, "step_size": "auto", "leapfrog": 5} for k in (4, 12, 30, 60)],
    "tempering": [{"steps": k} for k in (20, 60, 150)],
    "resampling": [{"candidates": k} for k in (100, 1000)],
}


def distances(z: Tensor, codes: Tensor, generator: torch.Generator) -> tuple[float, float, float]:
    """Energy distance with its standard error, and the share that a classifier assigns rightly."""
    found = energy_distance(*(each.unflatten(0, (BLOCKS, -1)) for each in (z, codes)))
    right = told_apart(z, codes, generator)
    return float(found.mean()), float(found.std()) / BLOCKS**0.5, float(right.float().mean())


def learned(kind: str, d: int, codes: Tensor, steps: int, seed: int) -> Prior:
    table, rule, rate = KINDS[kind]
    torch.manual_seed(seed)
    prior: Prior = make(PRIOR, table, {"latent_dim": d})
    if rule is None:
        if hasattr(prior, "fit"):
            prior.fit(codes, seed)
        return prior
    options = Refit(steps=steps, rule=rule, lr=rate, batch=400)
    generator = torch.Generator().manual_seed(seed)
    refit_prior(prior, codes, options, generator=generator, log=lambda line: None)
    return prior


def frechet(run: Run, data: Any, prior: Prior, name: str) -> str:
    """The Fréchet distance of decoded draws, where the run's recipe measures one."""
    model: Any = run.model
    if "images.frechet" not in run.recipe.evaluation["metrics"]:
        return ""
    owner = LatentEBM(prior, model.decoder, model.encoder).eval()
    metric = registry().get("metrics", "images.frechet")(manifold_images=0, neighbour_samples=0)
    generator = torch.Generator().manual_seed(0)
    evaluation = Evaluation(
        owner, data, "test", generator, 0, run.folder / "cache", run.folder, run.recipe, print,
        name=name, draw=lambda: owner.sample(10_000, generator=generator, noise=False).cpu(),
    )  # fmt: skip
    return " | ".join(f"{v.value:.1f}" for v in metric(evaluation).values() if v.value is not None)


def of_kinds(run: Run, data: Any, steps: int, only: list[str]) -> Iterator[str]:
    model: Any = run.model
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        codes = aggregate_codes(model, data, CODES, generator)
        fresh = aggregate_codes(model, data, DRAWS, generator, split="test")
        n = len(fresh) // BLOCKS * BLOCKS
        again = aggregate_codes(model, data, n, generator, split="train")[:n]
    yield "| prior | energy distance | told apart | learned, s | 10,000 draws, s | Fréchet |"
    yield "|---|---|---|---|---|---|"
    gap, error, apart = distances(again, fresh[:n], generator)
    yield f"| codes of the training split | {gap:.4f} ± {error:.4f} | {apart:.3f} | | | |"
    for kind in only or KINDS:
        began = time.monotonic()
        prior = learned(kind, model.latent_dim, codes, steps, 0)
        took, began = time.monotonic() - began, time.monotonic()
        with torch.no_grad(), frozen(prior):
            z = prior.sample(n, generator=generator)
        drawing = (time.monotonic() - began) * 10_000 / n
        gap, error, apart = distances(z, fresh[:n], generator)
        score = frechet(run, data, prior, kind)
        yield (
            f"| {kind} | {gap:.4f} ± {error:.4f} | {apart:.3f} | {took:.0f} | {drawing:.1f} "
            f"| {score} |"
        )


def of_samplers(run: Run, data: Any, figure: Path | None = None) -> Iterator[str]:
    model: Any = run.model
    prior, generator = model.prior, torch.Generator().manual_seed(0)
    with torch.no_grad():
        fresh = aggregate_codes(model, data, DRAWS, generator, split="test")
    n = len(fresh) // BLOCKS * BLOCKS
    yield "| sampler | options | 10,000 draws, s | energy distance | told apart |"
    yield "|---|---|---|---|---|"
    found: list[tuple[str, float, float]] = []
    for name, several in SAMPLERS.items():
        for options in several:
            sampler = make(Part("samplers"), {"name": name, **options})
            began = time.monotonic()
            said = ", ".join(f"{k} {v}" for k, v in options.items())
            try:
                with torch.no_grad(), frozen(prior):
                    z = prior.sample(n, generator=generator, sampler=sampler)
            except Exception as refused:
                yield f"| {name} | {said} | | | {refused} |"
                continue
            took = (time.monotonic() - began) * 10_000 / n
            gap, error, apart = distances(z, fresh[:n], generator)
            yield f"| {name} | {said} | {took:.1f} | {gap:.4f} ± {error:.4f} | {apart:.3f} |"
            kind = f"{name}, step {options['step_size']}" if "step_size" in options else name
            found.append((kind, took, gap))
    if figure is not None:
        draw_times(found, figure)


def draw_times(points: list[tuple[str, float, float]], file: Path) -> None:
    """Energy distance against seconds, a line for each kind of sampler."""
    axes = plt.subplots(figsize=(7, 4))[1]
    for kind in dict.fromkeys(kind for kind, _, _ in points):
        x, y = zip(*((t, gap) for each, t, gap in points if each == kind), strict=True)
        axes.loglog(x, y, marker="o", label=kind)
    axes.set(xlabel="seconds for 10,000 draws", ylabel="energy distance to codes of the test split")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    axes.figure.savefig(file, dpi=110, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samplers", action="store_true", help="compare samplers, not priors")
    parser.add_argument("--figure", type=Path, help="a .png of --samplers")
    parser.add_argument("--steps", type=int, default=4000, help="updates of each prior")
    parser.add_argument("--only", action="append", default=[], choices=list(KINDS))
    parser.add_argument("--data-dir", default=None)
    given = parser.parse_args()
    run = Run.load(given.run)
    data = build_dataset(run.recipe, given.data_dir)
    kinds = of_kinds(run, data, given.steps, given.only)
    for line in of_samplers(run, data, given.figure) if given.samplers else kinds:
        print(line, flush=True)


if __name__ == "__main__":
    main()
