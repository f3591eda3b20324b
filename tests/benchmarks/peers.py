"""A Langevin chain of lebm against those of torchebm and ebmkit, on the same network.

Run it by `pip install --no-deps torchebm ebmkit` and `python tests/benchmarks/peers.py`.

All three walk on f(x) + log N(x; 0, I) with the same weights, batch, steps and step size, by turns
in one process and one thread; each time is the least processor time of several repetitions. The
mean of |x|^2 of the last states is compared: equal within Monte Carlo error. Prints Markdown.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lebm_core import EBMPrior

STEP = 0.1
DIMENSIONS = {2: 1000, 8: 500, 32: 500, 128: 500, 784: 200}  # d: chains
CASES: dict[str, dict[str, Any]] = {
    **{
        f"perceptron 200-200, d = {d}, {n:,} chains": {
            "d": d, "n": n, "energy": {"hidden": [200, 200]}}
        for d, n in DIMENSIONS.items()
    },
    "convolution 16-32-64, 1 x 8 x 8, 200 chains": {
        "d": 64, "n": 200,
        "energy": {"name": "convolution", "shape": [1, 8, 8], "widths": [16, 32, 64]}},
    "convolution 16-32-64, 1 x 28 x 28, 64 chains": {
        "d": 784, "n": 64,
        "energy": {"name": "convolution", "shape": [1, 28, 28], "widths": [16, 32, 64]}},
}  # fmt: skip
Chain = Callable[[Tensor], Tensor]


def chains(prior: EBMPrior, steps: int) -> dict[str, Chain]:
    """The chain of each library, from a start to its end."""

    class Potential(nn.Module):
        """-f(x) - log N(x; 0, I), up to a constant."""

        def forward(self, x: Tensor) -> Tensor:
            return -prior.log_tilt(x) + 0.5 * x.square().sum(-1)

    found: dict[str, Chain] = {"lebm": lambda x: prior.sample(len(x), start=x)}
    try:
        from torchebm.core import BaseModel
        from torchebm.samplers import LangevinDynamics

        class TheirModel(BaseModel):
            def __init__(self) -> None:
                super().__init__()
                self.inner = Potential()

            def forward(self, x: Tensor) -> Tensor:
                return self.inner(x)

        theirs = LangevinDynamics(TheirModel(), step_size=STEP**2 / 2, noise_scale=1.0)
        found["torchebm"] = lambda x: theirs.sample(x=x, n_steps=steps)
    except ImportError:
        print("torchebm is not installed")
    try:
        from ebm.samplers.langevin import LangevinDynamics as Other

        other = Other(step_size=STEP**2 / 2, steps=steps)
        potential = Potential()
        found["ebmkit"] = lambda x: other.sample(potential, x)
    except ImportError:
        print("ebmkit is not installed")
    return found


def measure(case: dict[str, Any], steps: int, repeats: int) -> tuple[dict[str, float], float]:
    """Milliseconds a step of each library, and how far |x|^2 is apart, in standard errors."""
    torch.manual_seed(0)
    d, n = case["d"], case["n"]
    sampler = {"name": "langevin", "steps": steps, "step_size": STEP}
    prior = EBMPrior(d, case["energy"], sampler, bound=0.0).eval()
    start = prior.draw_reference(n)
    runs = chains(prior, steps)
    best = dict.fromkeys(runs, math.inf)
    ends: dict[str, list[Tensor]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            began = time.process_time()
            end = run(start.clone())
            best[name] = min(best[name], time.process_time() - began)
            ends[name].append(end.square().sum(-1))
    means = {name: torch.cat(each) for name, each in ends.items()}
    ours = means["lebm"]
    apart = [
        float((each.mean() - ours.mean()) / math.sqrt((each.var() + ours.var()) / len(ours)))
        for name, each in means.items() if name != "lebm"
    ]  # fmt: skip
    took = {name: 1000 * each / steps for name, each in best.items()}
    return took, max(map(abs, apart), default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | lebm, ms a step | torchebm | ratio | ebmkit | ratio | apart, errors |")
    print("|---|---|---|---|---|---|---|")
    for name, case in CASES.items():
        took, apart = measure(case, options.steps, options.repeats)
        ours = took.pop("lebm")
        cells = [
            f"{took[each]:.3f} | {took[each] / ours:.2f}" if each in took else " | "
            for each in ("torchebm", "ebmkit")
        ]
        print(f"| {name} | {ours:.3f} | {' | '.join(cells)} | {apart:.1f} |", flush=True)


if __name__ == "__main__":
    main()
