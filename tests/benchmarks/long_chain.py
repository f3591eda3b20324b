"""Does a chain of 10,000 steps stay where the data are? For each model of a run in data space.

Run it by `python tests/benchmarks/long_chain.py RUN`, of a recipe with model.name = "ebm".

Chains start at draws of the model, and walk on by the model's own sampler. Prints, as Markdown, how
far their states are from test examples (energy distance, mean of ten blocks) after so many steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from lebm_core.errors import DivergenceError
from lebm_core.evaluation.two_sample import BLOCKS, energy_distance
from lebm_core.run.artifacts import load_model
from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load

AFTER = (0, 100, 1000, 3000, 10_000)


def distances(model: Any, real: torch.Tensor, chains: int) -> list[str]:
    """The energy distance to real examples after each number of steps, with its error."""
    prior = model.prior
    if prior.sampler is None or "steps" not in prior.sampler.options:
        return ["no chain"]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        z = prior.sample(chains, generator=generator)
    found, done = [], 0
    for steps in AFTER:
        try:
            if steps > done:
                z = prior.sampler.replaced(steps=steps - done)(
                    prior.target(), z, generator=generator
                )
        except DivergenceError:
            return [*found, "diverged"]
        done = steps
        blocks = [each.unflatten(0, (BLOCKS, -1)) for each in (z, real)]
        apart = energy_distance(*blocks)
        found.append(f"{float(apart.mean()):.4f} ± {float(apart.std() / BLOCKS**0.5):.4f}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--chains", type=int, default=500)
    parser.add_argument("--data-dir", default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load(options.run / "recipe.toml")
    dataset = build_dataset(recipe, options.data_dir)
    n = min(options.chains, dataset.length("test")) // BLOCKS * BLOCKS
    real = dataset.batch("test", torch.arange(n)).x.flatten(1)
    folders = [options.run, *sorted((options.run / "baselines").glob("*"))]
    print("| row |", " | ".join(f"{steps:,}" for steps in AFTER), "|")
    print("|---" * (len(AFTER) + 1) + "|")
    for folder in folders:
        model: Any = load_model(folder)
        if getattr(model, "observed", False):
            cells = distances(model, real, n)
            cells += [""] * (len(AFTER) - len(cells))
            print(f"| {'model' if folder == options.run else folder.name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
