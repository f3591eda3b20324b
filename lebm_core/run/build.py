"""From a recipe's tables to objects: the data set, the model, the metrics."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch

from lebm_core.coupled_prior import build_prior
from lebm_core.data import Dataset
from lebm_core.errors import MissingExtra, UsageError
from lebm_core.inference import build_inference
from lebm_core.learning import Learning
from lebm_core.model import LatentEBM
from lebm_core.options import PriorOptions
from lebm_core.registry import registry
from lebm_core.run.datasets import DataFiles
from lebm_core.run.evaluation import Metric
from lebm_core.run.optimizers import check_options
from lebm_core.run.recipe import Recipe, metric_options, options
from lebm_core.run.schema import gathered

__all__ = ["build_dataset", "build_metrics", "build_model", "check_recipe", "component"]

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def build_dataset(recipe: Recipe, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """The data set of a recipe, its files found and read."""
    factory = registry().get("datasets", recipe.data["name"])
    given = gathered(factory, options(recipe.data))
    built: Dataset = factory(files=DataFiles(data_dir), seed=recipe.seed, **given)
    return built


def build_model(recipe: Recipe, dataset: Dataset) -> LatentEBM:
    """The untrained model of a recipe; its weights depend on the recipe's seed alone.

    Raises:
        UsageError: where parts are missing or do not fit each other.
    """
    torch.manual_seed(recipe.seed)
    d = recipe.prior.latent_dim
    decoder = component("decoders", recipe.decoder, d, dataset.sizes)
    decoder.initialise(dataset)
    encoder = None
    if recipe.encoder["name"] and d:  # without z there is nothing to encode
        encoder = component("encoders", recipe.encoder, d, dataset.sizes)
    prior = build_prior(_sized(recipe.prior, dataset.sizes))
    model = LatentEBM(prior, decoder, encoder, build_inference(recipe.inference))
    if prior.n_classes == len(dataset.classes):
        model.classes = tuple(dataset.classes)
    return model


def build_metrics(recipe: Recipe) -> dict[str, Metric]:
    """The metrics of a recipe by name."""
    names = recipe.evaluation.get("metrics", [])
    return {name: registry().get("metrics", name)(**metric_options(recipe, name)) for name in names}


def check_recipe(recipe: Recipe, where: str = "") -> None:
    """Refuses what cannot work before anything is written.

    Args:
        recipe: resolved.
        where: "" or the control that it is, for the message.

    Raises:
        UsageError: naming the keys that contradict each other.
    """
    check_options(recipe.training)
    if not -(2**62) < recipe.seed < 2**62:
        raise UsageError(f"seed = {recipe.seed} is out of range: take one of fewer digits.")
    if int(recipe.data.get("batch_size", 1)) < 1:
        raise UsageError(f"data.batch_size must be at least 1, not {recipe.data['batch_size']}.")
    if recipe.training.tensorboard and find_spec("tensorboard") is None:
        raise MissingExtra("tensorboard", "tensorboard", needed_by="training.tensorboard")
    Learning(recipe.learning)
    place = f" (control {where})" if where else ""
    if not recipe.encoder["name"] and recipe.prior.latent_dim:
        if recipe.learning.decoder in ("variational", "autoencoder"):
            raise UsageError(
                f'learning.decoder = "{recipe.learning.decoder}" needs an encoder{place}: set '
                'encoder.name, or learning.decoder = "mcmc".'
            )
        if recipe.inference.kind.startswith("amortized"):
            raise UsageError(
                f'inference.kind = "{recipe.inference.kind}" needs an encoder{place}: set '
                'encoder.name, or inference.kind = "short-run".'
            )
    if int(recipe.evaluation.get("samples") or 0) < 0:
        raise UsageError(f"evaluation.samples = {recipe.evaluation['samples']} is below 0{place}.")


def component(kind: str, table: Mapping[str, Any], latent_dim: int, sizes: dict[str, Any]) -> Any:
    """Makes a decoder or encoder; what the data set knows fills what the recipe leaves open.

    Raises:
        UsageError: where the data set does not say a size that it needs.
    """
    make = registry().get(kind, table["name"])
    given = options(table)
    parameters = inspect.signature(make).parameters
    for name, parameter in parameters.items():
        if name == "latent_dim":
            given[name] = latent_dim
        elif name in sizes and given.get(name, parameter.default) in (None, parameter.default):
            given[name] = sizes[name]
    asked = [name for name, p in parameters.items() if p.default is p.empty and p.kind in NAMED]
    missing = [name for name in asked if name not in given]
    if missing:
        part = kind.removesuffix("s")
        raise UsageError(
            f'The {part} "{table["name"]}" needs {" and ".join(missing)}, which this data set does '
            f"not give: it gives {', '.join(sizes) or 'none'}. Choose other data, or another "
            f"{part}."
        )
    return make(**given)


def _sized(prior: PriorOptions, sizes: dict[str, Any]) -> PriorOptions:
    """The prior's options, with classes and context as the data set has them."""
    filled: dict[str, Any] = {}
    if prior.kind == "coupled" and prior.n_classes == 0 and "n_classes" in sizes:
        filled["n_classes"] = sizes["n_classes"]
    if prior.context_dim == 0 and "context_dim" in sizes:
        filled["context_dim"] = sizes["context_dim"]
    return dataclasses.replace(prior, **filled)
