"""A run in small before its first step: what cannot work is refused before anything is written.

One batch goes through the losses, one sample is drawn, and each metric is asked what it needs, all
with a model that is thrown away and with random states that are put back: the run's own results
are those that it would have had without.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from lebm_core.base.checks import fits
from lebm_core.data.dataset import SPLITS, Batch, Dataset
from lebm_core.errors import LebmError, MissingSize, RunError, UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.learning.rules import Rule
from lebm_core.models.base import sizes_for, sizes_of
from lebm_core.registry.parts import make
from lebm_core.registry.registry import registry
from lebm_core.run.build import build_baselines, build_learning, build_metrics, build_model
from lebm_core.run.config.recipe import Recipe
from lebm_core.run.config.schema import family
from lebm_core.run.draw import draw_samples
from lebm_core.run.training.optimizers import check_parts

__all__ = ["rehearse"]

ROWS = 8  # of the batch that is tried
MOST_TENSORS = 20_000  # of weights in one part: a layer has a few
LATE = 0.999  # share of the training at which the terms that begin later take part


def rehearse(recipe: Recipe, dataset: Dataset, name: str) -> None:
    """Try what the recipe of a part of a run will do.

    Args:
        recipe: of the model or of a baseline.
        dataset: its data.
        name: of the part, for messages.

    Raises:
        UsageError: where a size, the training, a sample or a metric is not possible.
        RunError: where any of them fails otherwise.
    """
    if dataset.length("train") == 0:
        raise UsageError("The training split has no examples.")
    cuda = recipe.training.device != "cpu" and torch.cuda.is_available()
    devices = [torch.cuda.current_device()] if cuda else []
    with torch.random.fork_rng(devices), _explained(name):
        _check_sizes(recipe, dataset)
        model: Any = build_model(recipe, dataset)
        rule = build_learning(recipe)
        rule.check(model)
        model.to("cuda" if cuda else "cpu")
        check_parts(model, recipe.training)
        rule.prepare(model, dataset, recipe.seed)
        batch = _learn(recipe, dataset, model, rule)
        split = next(s for s in reversed(SPLITS) if dataset.length(s))
        _draw(recipe, dataset, model, split, batch)
        metrics = [*build_metrics(recipe).values()]
        metrics += build_baselines(recipe).values() if name == "model" else []
        for metric in metrics:
            _ask(metric, recipe, dataset, model, split)


def _learn(recipe: Recipe, dataset: Dataset, model: Any, rule: Rule) -> Batch:
    """One batch through the losses, as in the first step and near the last; gives the batch."""
    if getattr(rule, "waiting", None) is not None:
        cast(Any, rule).waiting = None  # classes from the clusters of all codes take a while
    rows = min(ROWS, int(recipe.data["batch_size"]), dataset.length("train"))
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    batch = dataset.batch("train", torch.arange(rows)).to(device)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    half = torch.autocast(device.type, torch.bfloat16, enabled=recipe.training.precision == "bf16")
    model.train()
    for progress in (0.0, LATE):
        try:
            with half:
                outcome = rule(model, batch, progress=progress, generator=generator)
            losses = [loss.float() for loss in outcome.losses.values() if loss.requires_grad]
            if losses:
                torch.stack(losses).sum().backward()
        except RunError:
            pass  # chains may run away under weights that have learned nothing yet
        except Exception as error:
            if progress == 0 or isinstance(error, UsageError):
                raise
    model.zero_grad()
    return batch


@torch.no_grad()
def _draw(recipe: Recipe, dataset: Dataset, model: Any, split: str, batch: Batch) -> None:
    """One sample, and codes of the batch where the model has codes."""
    model.eval()
    with suppress(RunError):
        x = draw_samples(model, dataset, 1, seed=recipe.seed, split=split)
        n = int(recipe.evaluation["samples"])
        fits(n * (x.numel() if isinstance(x, Tensor) else 1), f"evaluation.samples = {n}")
    if getattr(model, "latent_dim", 0) and hasattr(model, "posterior"):
        with suppress(RunError):
            model.posterior(batch.x, context=batch.context)


class _Enough(BaseException):
    """A metric has begun what takes time: it had nothing more to check. No error: no `except`."""


class _Question(Evaluation):
    """An evaluation that lets a metric check its data, and ends it at whatever comes next."""

    ANSWERED = ("need", "dataset", "split", "seed", "labels", "recipe", "name")

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name in _Question.ANSWERED:
            return super().__getattribute__(name)
        raise _Enough


def _ask(metric: Metric, recipe: Recipe, dataset: Dataset, model: Any, split: str) -> None:
    """Let a metric refuse the data set; nothing is computed or written."""
    data = copy.copy(dataset)

    def enough(*args: Any, **options: Any) -> Any:
        raise _Enough

    for costly in ("batch", "batches", "vectors", "properties"):
        object.__setattr__(data, costly, enough)
    nothing = cast(Any, None)
    question = _Question.__new__(_Question)
    answers = {"dataset": data, "split": split, "seed": recipe.seed, "recipe": recipe}
    vars(question).update(answers, name="model", model=nothing)
    try:
        dict(metric(question))
    except UsageError:
        raise
    except (_Enough, Exception):
        pass  # what else goes wrong may be due to the question


def _check_sizes(recipe: Recipe, dataset: Dataset) -> None:
    """Make each part without memory for its weights, so that sizes that cannot be are refused."""
    found = registry().get("models", recipe.model["name"])
    sizes = sizes_of(found, recipe.parts, dataset)
    for name, option in family(recipe.model["name"]).items():
        table = recipe.parts.get(name)
        if table is None or option.part is None:
            continue
        with _few_tensors(name, table), torch.device("meta"):
            try:
                make(option.part, table, sizes_for(name, sizes))
            except MissingSize:
                pass  # one that the family of models fills itself
            except LebmError:
                raise
            except Exception:
                pass  # a constructor that computes with its weights; it is made again, with memory


@contextmanager
def _few_tensors(name: str, table: Mapping[str, Any]) -> Iterator[None]:
    """Within the scope a part of so many layers that making them would not end is refused."""
    made = itertools.count(1)

    def count(module: nn.Module, key: str, parameter: Any) -> None:
        if next(made) > MOST_TENSORS:
            numbers = {k: v for k, v in table.items() if isinstance(v, int)}
            key = max(numbers, key=lambda k: numbers[k], default="")
            said = f"{name}.{key} = {numbers[key]}" if key else f"The {name}"
            raise UsageError(
                f"{said} is too large: the {name} would have more than {MOST_TENSORS:,} tensors of "
                "weights; use a smaller number."
            )

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Whatever fails is one message that names the part of the run."""
    try:
        yield
    except LebmError:
        raise
    except (MemoryError, OverflowError) as error:
        raise UsageError(
            f"The sizes of the part {name} ask for more memory than there is; use smaller ones."
        ) from error
    except Exception as error:
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise RunError(
            f"Before the first step, {name} fails with {type(error).__name__}: {reason} "
            "(LEBM_DEBUG=1 shows where)."
        ) from error
