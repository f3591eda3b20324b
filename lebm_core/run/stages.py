"""The stages of a run for each of its parts, the model and its controls: train, then evaluate.

A stage that is complete leaves a JSON file behind, and is not done again.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lebm_core.base.files import write_atomically
from lebm_core.control.controls import Control
from lebm_core.control.sampling import Classes
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric, MetricResult, evaluate
from lebm_core.learning.two_part import Learning
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.artifacts import load_model, save_dataset
from lebm_core.run.build import build_metrics, build_model
from lebm_core.run.old.recipe import Recipe, dump
from lebm_core.run.training.loop import train

__all__ = [
    "Part",
    "draw_samples",
    "evaluate_part",
    "first_contexts",
    "is_conditioned",
    "stream",
    "train_part",
]

TRAINING = "training.json"
CHUNK_SEEDS = 2**31


@dataclass
class Part:
    """The model of a run or one of its controls."""

    name: str
    folder: Path
    recipe: Recipe
    dataset: Dataset

    def trained(self) -> dict[str, Any] | None:
        """What the training cost, or None where it is not complete."""
        try:
            found: dict[str, Any] = json.loads((self.folder / TRAINING).read_text())
        except (OSError, ValueError):
            return None
        return found


def train_part(part: Part, *, resume: bool, main: bool, log: Callable[[str], None]) -> None:
    """Trains a part and saves its model, unless that is done."""
    if part.trained() is not None:
        log(f"{part.name}: trained already.")
        return
    recipe, folder = part.recipe, part.folder
    if main:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "recipe.toml", dump(recipe))
        save_dataset(part.dataset, recipe.data["name"], folder)
    model = build_model(recipe, part.dataset)
    log(f"{part.name}: {_count(model)} parameters, {part.dataset.length('train')} examples.")
    result = train(
        model,
        part.dataset,
        Learning(recipe.learning),
        recipe.training,
        batch_size=int(recipe.data["batch_size"]),
        seed=recipe.seed,
        folder=folder,
        resume=resume,
        log=log,
        name=part.name,
    )
    if main:
        _save_model(model, folder / "model")
        facts = dataclasses.asdict(result) | {"parameters": _sizes(model)}
        write_atomically(folder / TRAINING, json.dumps(facts, indent=1) + "\n")


def evaluate_part(
    part: Part,
    metrics: Mapping[str, Metric] | None = None,
    *,
    cache: Path,
    log: Callable[[str], None],
    split: str = "",
    out: str = "evaluation",
    processes: int = 1,
) -> dict[str, MetricResult]:
    """Runs every metric on a part's saved model; each result is cached in `folder/out`.

    Args:
        part: trained.
        metrics: by registered name; by default those of the part's recipe.
        cache: folder shared by all parts of a run.
        log: takes lines of progress.
        split: "" for test where there is one, else valid, else train.
        out: name of the folder of results.
        processes: that a metric may start.
    """
    recipe, folder, dataset = part.recipe, part.folder, part.dataset
    split = split or next(s for s in ("test", "valid", "train") if dataset.length(s))
    if dataset.length(split) == 0:
        raise UsageError(f'The data set has no examples in the split "{split}".')
    metrics = build_metrics(recipe) if metrics is None else metrics
    model = load_model(folder)
    model.to("cuda" if recipe.training.device != "cpu" and torch.cuda.is_available() else "cpu")
    place = folder if out == "evaluation" else folder / out  # the run's own pictures stay
    (place / "figures").mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, Any] = {}

    def samples() -> Any:
        if "x" not in drawn:
            n = int(recipe.evaluation["samples"])
            log(f"{part.name}: draws {n} samples")
            drawn["x"] = draw_samples(model, dataset, n, seed=recipe.seed, split=split)
        return drawn["x"]

    if recipe.evaluation.get("samples") and not any(folder.glob("samples.*")):
        _write_samples(dataset, samples(), folder)

    def draw_pictures(evaluation: Evaluation) -> dict[str, Any]:
        evaluation.figures += dataset.figures(model, place / "figures", evaluation.generator)
        return {}

    results = {}
    for name, metric in {**metrics, "figures": draw_pictures}.items():
        torch.manual_seed(stream(recipe.seed, name))
        generator = torch.Generator(model.device).manual_seed(stream(recipe.seed, name))
        evaluation = Evaluation(
            model, dataset, split, generator, recipe.seed, cache, place, recipe, log, part.name,
            samples, processes=processes,
        )  # fmt: skip
        results[name] = evaluate(metric, name, evaluation, folder / out / f"{name}.json")
    return results


def draw_samples(
    model: LatentEBM,
    dataset: Dataset,
    n: int,
    *,
    seed: int,
    split: str = "test",
    y: Classes | None = None,
    control: Sequence[Control] = (),
) -> Any:
    """n draws of x, on the CPU; a conditioned model sees the contexts of the first of `split`.

    Raises:
        UsageError: for a class or property that the model has not, or where it needs a context
            and the data set has no example of it.
    """
    generator = torch.Generator(model.device).manual_seed(stream(seed, "samples"))
    context = first_contexts(model, dataset, n, split)
    x = model.sample(
        n, y=y, control=control, context=context, generator=generator, **dataset.sample_options
    )
    return x.cpu() if isinstance(x, torch.Tensor) else x


def is_conditioned(model: LatentEBM, dataset: Dataset) -> bool:
    """Whether samples need a context: with f = 0 the prior asks for none, but the decoder may."""
    return bool(getattr(model.prior, "context_dim", 0)) or "context_dim" in dataset.sizes


def first_contexts(model: LatentEBM, dataset: Dataset, n: int, split: str) -> Tensor | None:
    """The contexts (n, c) of the first n examples of `split`, again and again where it has fewer.

    None for a model without a context.

    Raises:
        UsageError: where the split is empty.
    """
    if not is_conditioned(model, dataset):
        return None
    if dataset.length(split) == 0:
        raise UsageError(
            "This model is conditioned on a context, and the data has no example of the split "
            f'"{split}" to take it from.'
        )
    rows = torch.arange(n) % dataset.length(split)
    return dataset.batch(split, rows).to(model.device).context


def stream(seed: int, name: str) -> int:
    """A seed for each named use of randomness, so that none depends on what ran before it."""
    return (seed * 1_000_003 + zlib.crc32(name.encode())) % CHUNK_SEEDS


def _write_samples(dataset: Dataset, x: Any, folder: Path) -> None:
    temporary = folder / ".samples"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    written = dataset.write(x, temporary / "samples")
    written.replace(folder / written.name)
    shutil.rmtree(temporary)


def _save_model(model: LatentEBM, folder: Path) -> None:
    temporary = folder.with_name(".model")
    for old in (temporary, folder):
        shutil.rmtree(old, ignore_errors=True)
    model.save_pretrained(temporary)
    temporary.rename(folder)


def _sizes(model: LatentEBM) -> dict[str, int]:
    parts = {"prior": model.prior, "decoder": model.decoder, "encoder": model.encoder}
    return {k: sum(p.numel() for p in m.parameters()) for k, m in parts.items() if m is not None}


def _count(model: LatentEBM) -> str:
    sizes = _sizes(model)
    inner = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    return f"{sum(sizes.values()):,} ({inner})"
