"""Does unlabelled data help? Accuracy against the number of unlabelled examples.

    python tests/benchmarks/unlabelled.py [--recipe NAME] [--draws 5] [--figure FILE]

Of a recipe with few labels, on its test split; without one, of `LatentEBMClassifier` on 50 labelled
digits of scikit-learn, test half as in no other place: rows from 1,198 on of one shuffle. Each size
adds unlabelled examples to the same labelled ones; the trainings are of equal length in steps.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from lebm_core import LatentEBMClassifier, Part, make
from lebm_core.data.dataset import Dataset
from lebm_core.data.labels import choose_labelled, labels_of
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.build import build_dataset, build_model
from lebm_core.run.config.recipe import load
from lebm_core.run.training.loop import train

TRAIN, LABELS, STEPS, BATCH = 1198, 50, 240, 200
UNLABELLED = (0, 50, 150, 350, 700, TRAIN - LABELS)


SHARES = (0, 1 / 64, 1 / 16, 1 / 4, 1)  # of a recipe's unlabelled examples
CODES = 10  # that p(y | x) is the mean over


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="", help="with few labels; by default digits")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--figure", default="")
    options = parser.parse_args()
    found: dict[int, list[float]] = {}
    for draw in range(options.draws):
        for n, score in recipe(options.recipe, draw) if options.recipe else digits(draw):
            found.setdefault(n, []).append(score)
            print(f"draw {draw}, {_name(n)}: {score:.3f}", flush=True)
    for n, scores in found.items():
        print(f"{_name(n)}: {_shown(scores)}")
    if options.figure:
        _draw(found, options.figure)


def digits(draw: int) -> Iterator[tuple[int, float]]:
    """Unlabelled examples and accuracy; -1 for logistic regression on the labelled alone."""
    x, y = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(x))
    x, y = x[order], y[order]
    test = slice(TRAIN, None)
    labelled = choose_labelled(torch.as_tensor(y[:TRAIN]), LABELS, seed=draw).numpy()
    others = np.random.RandomState(draw).permutation(np.setdiff1d(np.arange(TRAIN), labelled))
    alone = LogisticRegression(max_iter=2000).fit(x[labelled], y[labelled])
    yield -1, float(alone.score(x[test], y[test]))
    for n in UNLABELLED:
        rows = np.concatenate([labelled, others[:n]])
        given = np.where(np.arange(len(rows)) < LABELS, y[rows], -1)
        model = LatentEBMClassifier(
            adapter_options={"scaling": "all"}, random_state=draw, refit_steps=0,
            max_iter=STEPS // -(-len(rows) // BATCH),
        ).fit(x[rows], given)  # fmt: skip
        yield n, float(model.score(x[test], y[test]))


def recipe(name: str, draw: int) -> Iterator[tuple[int, float]]:
    """Unlabelled examples and accuracy of the recipe's preset cpu, the seed being `draw`."""
    given = load(name, "cpu", [f"seed={draw}"])
    size = int(given.data["batch_size"])
    data = build_dataset(given, None)
    labelled = choose_labelled(labels_of(data, "train"), given.learning["symbols"]["labels"], draw)
    others = torch.ones(data.length("train"), dtype=torch.bool)
    others[labelled] = False
    rest = others.nonzero().squeeze(1)
    rest = rest[torch.randperm(len(rest), generator=torch.Generator().manual_seed(draw))]
    steps = given.training.epochs * -(-data.length("train") // size)
    for n in [round(share * len(rest)) for share in SHARES]:
        rows = torch.cat([labelled, rest[:n]])
        # Labels are drawn from the whole training split, where words and scales come from too;
        # the updates see these rows alone.
        epochs = -(-steps // -(-len(rows) // size))
        length = [f"training.epochs={epochs}", f"training.max_steps={steps}"]
        given = load(name, "cpu", [f"seed={draw}", *length])
        data = build_dataset(given, None)
        _restrict(data, rows)
        torch.manual_seed(draw)
        model = build_model(given, data)
        rule = make(Part("learning_rules", "two-part"), given.learning)
        rule.monitor = False
        train(model, data, rule, given.training, batch_size=size, seed=draw)
        yield n, _accuracy(model, data)


def _restrict(data: Dataset, rows: torch.Tensor) -> None:
    """Training goes through these rows alone."""
    whole = data.order

    def order(
        split: str, batch_size: int, generator: torch.Generator | None = None
    ) -> list[torch.Tensor]:
        if split != "train":
            return whole(split, batch_size, generator)
        turn = torch.arange(len(rows))
        if generator is not None:
            turn = torch.randperm(len(rows), generator=generator, device=generator.device).cpu()
        return list(rows[turn].split(batch_size))

    data.order = order  # type: ignore[method-assign]


@torch.no_grad()
def _accuracy(model: LatentEBM, data: Dataset) -> float:
    """The share of the test split whose likeliest class is theirs."""
    model.eval()
    generator = torch.Generator(model.device).manual_seed(0)
    y, right = labels_of(data, "test"), 0
    for rows in torch.arange(len(y)).split(500):
        batch = data.batch("test", rows).to(model.device)
        p = model.classify(batch.x, draws=CODES, context=batch.context, generator=generator)
        right += int((p.argmax(1).cpu() == y[rows]).sum())
    return right / len(y)


def _name(n: int) -> str:
    return "logistic regression, labelled alone" if n < 0 else f"{n} unlabelled"


def _error(scores: list[float]) -> float:
    return statistics.stdev(scores) / len(scores) ** 0.5 if len(scores) > 1 else 0.0


def _shown(scores: list[float]) -> str:
    error = f" ± {_error(scores):.3f}" if len(scores) > 1 else ""
    return f"{statistics.fmean(scores):.3f}{error}"


def _draw(found: dict[int, list[float]], file: str) -> None:
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axis = figure.subplots()
    curve = {n: scores for n, scores in found.items() if n >= 0}
    means = [statistics.fmean(scores) for scores in curve.values()]
    axis.errorbar(list(curve), means, [_error(s) for s in curve.values()], marker="o", capsize=3)
    if -1 in found:
        axis.axhline(statistics.fmean(found[-1]), color="0.5", ls="--", lw=1)
        axis.legend(["labelled alone, logistic regression", "LatentEBMClassifier"])
    axis.set(xlabel="unlabelled examples beside the labelled", ylabel="accuracy")
    axis.locator_params(axis="x", nbins=5)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
