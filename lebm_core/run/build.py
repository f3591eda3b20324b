"""From a recipe's tables to objects: the data set, the model, the metrics."""

from __future__ import annotations

import dataclasses
import os
from importlib.util import find_spec
from typing import Any

import torch

from lebm_core.data.dataset import Dataset
from lebm_core.data.files import DataFiles
from lebm_core.errors import MissingExtra, UsageError
from lebm_core.evaluation.evaluation import Metric
from lebm_core.latent.build import build_inference
from lebm_core.learning.options import PriorOptions
from lebm_core.learning.two_part import Learning
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.coupled import build_prior
from lebm_core.registry.components import component
from lebm_core.registry.registry import registry
from lebm_core.run.old.recipe import Recipe, metric_options, options
from lebm_core.run.old.schema import gathered
from lebm_core.run.training.optimizers import check_options

__all__ = ["build_dataset", "build_metrics", "build_model", "check_recipe"]


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


def _sized(prior: PriorOptions, sizes: dict[str, Any]) -> PriorOptions:
    """The prior's options, with classes and context as the data set has them."""
    filled: dict[str, Any] = {}
    if prior.kind == "coupled" and prior.n_classes == 0 and "n_classes" in sizes:
        filled["n_classes"] = sizes["n_classes"]
    if prior.context_dim == 0 and "context_dim" in sizes:
        filled["context_dim"] = sizes["context_dim"]
    return dataclasses.replace(prior, **filled)
