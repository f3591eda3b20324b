"""Quality against seconds: lebm's recipes beside the plain loop of the published code.

    python tests/benchmarks/quality.py text-ptb --seconds 480 --out quality --figure DIR

The plain loop (`published.py`) trains for `--seconds` and is measured at half of them, a quarter
and so on: with its decoder at the published rate, or by `--rates recipe` at that of the recipe,
which is 8 to 10 times as high. lebm runs its recipe, preset `cpu`, at growing shares of its length
(the steps of training and of a refit alike) within a fifth of `--seconds`, or `--ours`; each is a
training of its own, since its schedule ends with it. Seconds are the processor's, on one thread, of
training alone. Every measurement is one line of OUT/points.jsonl; those that stand there are not
made again.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch

from lebm_core.run.build import build_dataset, build_learning, build_model
from lebm_core.run.config.recipe import load
from lebm_core.run.training.loop import train

sys.path.insert(0, str(Path(__file__).parent))
from measures import TASKS  # noqa: E402
from published import PUBLISHED, updates  # noqa: E402

Point = dict[str, Any]
SHARES = (1 / 256, 1 / 128, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)  # of the steps
METHODS = {"published": "plain", "recipe": "plain-recipe"}  # of the decoder's rate
LABELS = {"plain": "plain loop", "plain-recipe": "plain loop, the recipe's rate", "lebm": "lebm"}
STYLES = {"plain": "s--C1", "plain-recipe": "^:C2", "lebm": "o-C0"}
SHOWN = ("perplexity", "Frechet distance", "reconstruction error", "minADE", "minFDE")


class Points:
    """Measurements, one a line."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file = folder, folder / "points.jsonl"

    def of(self, task: str, method: str) -> list[Point]:
        """Those of one method by their seconds."""
        lines = self.file.read_text().splitlines() if self.file.is_file() else []
        found = [json.loads(line) for line in lines]
        mine = [p for p in found if (p["task"], p["method"]) == (task, method)]
        return sorted(mine, key=lambda p: float(p["seconds"]))

    def add(self, model: Any, dataset: Any, **point: Any) -> None:
        """Measure the model."""
        torch.manual_seed(0)
        began = time.process_time()
        point["quality"] = TASKS[point["task"]](model.eval(), dataset, self.folder)
        point["measuring"] = time.process_time() - began
        with self.file.open("a") as out:
            out.write(json.dumps(point) + "\n")
        print(json.dumps(point), flush=True)


def plain(task: str, rate: str, seconds: float, ladder: int, points: Points) -> None:
    """Train the plain loop for so long, and measure it on the way."""
    method, how = METHODS[rate], PUBLISHED[task]
    done = len(points.of(task, method))
    recipe = load(task, "cpu", how.overrides)
    dataset = build_dataset(recipe, None)
    model = build_model(recipe, dataset)
    model = model.double() if how.double else model  # type: ignore[attr-defined]
    times = [seconds / 2**i for i in range(ladder)][::-1]
    rated = recipe.training if rate == "recipe" else load(task, "paper").training
    rates = {name: cast(float, rated.of(name).lr) for name in model.parts()}
    kept = points.folder / f"{task}-{method}.pt"
    training = cast(Any, updates(how, model, dataset, rates, kept))
    for step, spent in training:
        if done == len(times):
            return
        if spent >= times[done]:
            epochs = step * how.batch / dataset.length("train")
            ready = copy.deepcopy(model).float() if how.double else model  # type: ignore[attr-defined]
            state = torch.get_rng_state()
            points.add(
                ready, dataset, task=task, method=method, seconds=spent, steps=step,
                share=epochs / how.epochs,
            )  # fmt: skip
            torch.set_rng_state(state)
            training.send("keep")
            done += 1


def ours(task: str, seconds: float, points: Points) -> None:
    """Run the recipe at growing shares of its length while they fit into the seconds."""
    whole = load(task, "cpu")
    dataset = build_dataset(whole, None)
    batch = int(whole.data["batch_size"])
    options = whole.training
    steps = options.epochs * len(dataset.order("train", batch, torch.Generator().manual_seed(0)))
    spent = 0.0
    for share, following in itertools.pairwise((*SHARES, math.inf)):
        made = [p for p in points.of(task, "lebm") if p["share"] == share]
        if not made:
            refit = int(whole.learning.get("refit", {}).get("steps", 0) * share)
            recipe = load(task, "cpu", [
                f"training.max_steps={math.ceil(steps * share)}",
                f"training.warmup_steps={int(options.warmup_steps * share)}",
                *([f"learning.refit.steps={refit}"] if refit else []),
            ])  # fmt: skip
            model = build_model(recipe, dataset)
            began = time.process_time()
            train(
                cast(Any, model), dataset, build_learning(recipe), recipe.training,
                batch_size=batch, seed=recipe.seed,
            )  # fmt: skip
            spent = time.process_time() - began
            points.add(
                model, dataset, task=task, method="lebm", seconds=spent,
                steps=math.ceil(steps * share), share=share,
            )  # fmt: skip
        else:
            spent = made[0]["seconds"]
        if spent * following / share > seconds:
            return


def reached(seconds: Sequence[float], values: Sequence[float], target: float) -> float:
    """The time at which a falling quality first is as low as the target.

    Between two measurements it falls linearly in log seconds; infinity where it never is so low,
    and the first time where it is from the start.
    """
    before: tuple[float, float] | None = None
    for t, v in zip(seconds, values, strict=True):
        if v <= target:
            if before is None:
                return t
            share = (before[1] - target) / (before[1] - v)
            return float(before[0] * (t / before[0]) ** share)
        before = t, v
    return math.inf


def curves(task: str, points: Points) -> dict[str, dict[str, tuple[list[float], list[float]]]]:
    """Quality to method to its seconds and values."""
    found: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for method in LABELS:
        for point in points.of(task, method):
            for name in SHOWN:
                if name in point["quality"]:
                    s, v = found.setdefault(name, {}).setdefault(method, ([], []))
                    s.append(point["seconds"])
                    v.append(point["quality"][name])
    return found


def figure(task: str, found: dict[str, Any], path: Path) -> None:
    """Quality against seconds, a panel for each quality."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    drawn, axes = pyplot.subplots(1, len(found), figsize=(4 * len(found), 3), squeeze=False)
    for place, (name, methods) in zip(axes.flat, found.items(), strict=True):
        for method, style in STYLES.items():
            if method in methods:
                place.loglog(*methods[method], style, ms=4, label=LABELS[method])
        place.set_xlabel("processor seconds", fontsize=8)
        place.set_ylabel(name, fontsize=8)
        for axis, marks in ((place.xaxis, (1, 2, 5)), (place.yaxis, (1, 1.5, 2, 3, 4, 5, 7))):
            axis.set_major_locator(ticker.LogLocator(subs=marks))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(ticker.NullLocator())
        place.tick_params(labelsize=7)
        place.grid(alpha=0.3)
    axes.flat[0].legend(fontsize=7)
    drawn.suptitle(task, fontsize=9)
    drawn.tight_layout()
    drawn.savefig(path, dpi=100)


def table(task: str, found: dict[str, Any]) -> list[str]:
    """A row for each quality and rate: when the plain loop has its best, and when lebm has it."""
    rows = []
    for name, method in itertools.product(found, METHODS.values()):
        methods = found[name]
        if method not in methods:
            continue
        values, (own, others) = methods[method][1], methods["lebm"]
        first, second = (reached(*methods[each], min(values)) for each in (method, "lebm"))
        bound = second == own[0]
        ratio = f"{'at least ' if bound else ''}{first / second:.1f}"
        time_of = f"{'at most ' if bound else ''}{second:.0f}"
        if second == math.inf:
            ratio, time_of = f"below {first / own[-1]:.1f}", f"not within {own[-1]:.0f}"
        rows.append(
            f"| {task} | {LABELS[method]} | {name} | {min(values):.4g} | {first:.0f} | {time_of} "
            f"| {ratio} | {min(others):.4g} | {own[-1]:.0f} |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=TASKS, nargs="+")
    parser.add_argument("--seconds", type=float, default=0.0, help="of the plain loop; 0: none")
    parser.add_argument("--ours", type=float, help="of lebm's longest training; by default a fifth")
    parser.add_argument("--ladder", type=int, default=5, help="measurements of the plain loop")
    parser.add_argument(
        "--rates", choices=METHODS, default="published", help="whose rate the plain decoder has"
    )
    parser.add_argument("--out", type=Path, default=Path("quality"))
    parser.add_argument("--figure", type=Path, help="folder of the plots")
    given = parser.parse_args()
    torch.set_num_threads(1)
    points = Points(given.out)
    print(
        "| recipe | beside | quality | its best | after, s | lebm, s | ratio | lebm's best "
        "| after, s |"
        "\n|---|---|---|---|---|---|---|---|---|"
    )
    for task in given.task:
        if given.seconds:
            ours(task, given.ours or given.seconds / 5, points)
            plain(task, given.rates, given.seconds, given.ladder, points)
        found = curves(task, points)
        print("\n".join(table(task, found)))
        if given.figure is not None:
            figure(task, found, given.figure / f"quality-{task}.png")


if __name__ == "__main__":
    main()
