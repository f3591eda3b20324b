"""Are samples of a class of that class? `semi-digits` as trained, and with its prior refitted.

Run it by `python tests/benchmarks/class_samples.py --seeds 3`. A support vector machine that is
trained apart, on the pixels and all labels of the training split, judges 100 samples of each digit.
Prints a Markdown table: means and standard deviations over seeds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch
from sklearn.svm import SVC
from torch import Tensor

from lebm_core import ClassIs, Dataset, LatentEBM, run_recipe
from lebm_core.data.labels import labels_of
from lebm_core.run.build import build_dataset

REFIT = [
    "learning.refit.steps=1000", "learning.refit.rule.name=density-ratio",
    "learning.refit.rule.code_pool=0", "learning.refit.lr=1e-3",
]  # fmt: skip
PRIORS = {
    "as trained": [],
    "refitted, soft": [*REFIT, "learning.refit.classes=soft"],
    "refitted, likeliest": [*REFIT, "learning.refit.classes=likeliest"],
}
EACH, CLASSES = 100, 10
COLUMNS = ("plain chain on F_y", "annealed", "annealed, λ = 2", "accuracy", "−log p(y \\| x)")


def pixels(data: Dataset, split: str) -> Tensor:
    return data.batch(split, torch.arange(data.length(split))).x.flatten(1)


def agreement(judge: SVC, x: Tensor) -> float:
    """The share of samples, `EACH` of each class in turn, that are judged to be of their class."""
    asked = torch.arange(CLASSES).repeat_interleave(EACH).numpy()
    return float((judge.predict(x.flatten(1).numpy()) == asked).mean())


def drawn(model: LatentEBM, how: str, generator: torch.Generator) -> Tensor:
    found = []
    for y in range(CLASSES):
        if how == "plain chain on F_y":
            z = model.prior.sample(EACH, y=y, generator=generator)
            found.append(model.decode_mode(z))
        else:
            strength = 2.0 if how.endswith("2") else 1.0
            control = ClassIs(y, strength=strength)
            found.append(model.sample(EACH, control=control, generator=generator, noise=False))
    return torch.cat(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    rows: dict[str, list[list[float]]] = {name: [] for name in PRIORS}
    rights = []
    for seed in range(seeds):
        for name, overrides in PRIORS.items():
            few = ["evaluation.baselines=[]", "evaluation.metrics=[labels.accuracy]", *overrides]
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "run"
                run = run_recipe(
                    "semi-digits", "cpu", few, out=out, seed=seed, log=lambda line: None
                )
                data, model = build_dataset(run.recipe, None), run.model
            row = run.results["model"]
            judge = SVC().fit(pixels(data, "train").numpy(), labels_of(data, "train").numpy())
            rights.append(float(judge.score(pixels(data, "test"), labels_of(data, "test"))))
            generator = torch.Generator().manual_seed(seed)
            shares = [agreement(judge, drawn(model, how, generator)) for how in COLUMNS[:3]]
            rows[name].append([*shares, row["accuracy"].value, row["label_nll"].value])
    print("| prior | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * len(COLUMNS))
    for name, found in rows.items():
        cells = [
            f"{statistics.mean(x):.3f} ± {statistics.stdev(x) if seeds > 1 else 0:.3f}"
            for x in zip(*found, strict=True)
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(f"\nThe judge is right on {statistics.mean(rights):.3f} of the test split.")


if __name__ == "__main__":
    main()
