"""The checks of everything that a plugin registered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from lebm_core.contracts import bounds, commands, data, inference, models, parts, priors, rules
from lebm_core.contracts.options import OPTIONLESS, check_options
from lebm_core.data.dataset import Dataset
from lebm_core.errors import MissingData, MissingExtra
from lebm_core.registry.registry import registry
from lebm_core.registry.signatures import options_of
from lebm_core.run.build import build_dataset, build_model
from lebm_core.run.config.layers import read_source
from lebm_core.run.config.recipe import Recipe, load

__all__ = ["check_all"]

ALONE: dict[str, Callable[[str], Any]] = {
    "priors": priors.check_prior,
    "energies": priors.check_energy,
    "samplers": inference.check_sampler,
    "inference": inference.check_inference,
    "metrics": data.check_metric,
    "figures": data.check_figure,
    "baselines": data.check_baseline,
    "recipes": commands.check_recipe,
    "commands": commands.check_command,
}  # kinds whose checks need nothing but the name
BOUNDED = ("priors", "energies", "samplers", "inference")  # those whose options are checked alone


def check_all(
    plugin: str,
    *,
    examples: Mapping[str, Any] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> list[str]:
    """Check everything that a plugin registered.

    Decoders, encoders, models and whole rules are checked on the data of the plugin's recipes, in
    their smallest preset, or on its data sets with their defaults.

    Args:
        plugin: the name of its entry point.
        examples: X of an adapter, or the value of a control, by registered name.
        data_dir: where data files are looked for first.

    Returns:
        A line for each part that could not be checked, with the reason.

    Raises:
        AssertionError: the first promise that is not kept.
    """
    given, left = dict(examples or {}), list[str]()
    known = [entry.name for entry in registry().plugins()]
    assert plugin in ("lebm", *known), f'no plugin "{plugin}" is installed, but {known}'
    cases = list(_cases(plugin, data_dir, left))
    for kind in registry().kinds():
        for name in registry().names(kind):
            if registry().find(kind, name).plugin != plugin:
                continue
            if kind not in OPTIONLESS:
                check_options(kind, name)
            try:
                reason = _check(kind, name, cases, given.get(name))
            except (MissingData, MissingExtra) as error:
                reason = str(error)
            left += [f"{kind} {name}: {reason}"] if reason else []
    return left


Case = tuple[Dataset, Recipe | None]


def _cases(plugin: str, data_dir: str | os.PathLike[str] | None, left: list[str]) -> Iterator[Case]:
    """Data sets of the plugin: first those of its recipes, with the recipe."""
    for name in registry().names("recipes"):
        if registry().find("recipes", name).plugin == plugin:
            presets = read_source(name).presets()
            recipe = load(name, "smoke" if "smoke" in presets else "")
            try:
                yield build_dataset(recipe, data_dir), recipe
            except (MissingData, MissingExtra) as error:
                left.append(f"recipes {name}: {error}")
    for name in registry().names("datasets"):
        if registry().find("datasets", name).plugin == plugin:
            try:
                yield data.check_dataset(name, data_dir=data_dir), None
            except (MissingData, MissingExtra) as error:
                left.append(f"datasets {name}: {error}")


def _check(kind: str, name: str, cases: list[Case], example: Any) -> str:
    """Check one part; the reason where it could not be checked."""
    if kind in ALONE:
        ALONE[kind](name)
        if kind in BOUNDED:
            bounds.check_bounds(kind, name, {"latent_dim": 2, "n_classes": 3})
    elif kind == "adapters":
        parts.check_adapter(name, example)
        return "" if example is not None else "no examples X are given"
    elif kind == "controls":
        commands.check_control(name, example or "")
        return "" if example else "no value is given"
    elif kind in ("decoders", "encoders"):
        return _check_network(kind, name, cases)
    elif kind == "models":
        for dataset, recipe in cases:
            if recipe is not None and recipe.model["name"] == name:
                models.check_model(build_model(recipe, dataset), name)
                return ""
        return "no recipe of the plugin names it"
    elif kind == "learning_rules":
        return _check_rule(name, cases)
    return ""


def _check_network(kind: str, name: str, cases: list[Case]) -> str:
    """A decoder or encoder, on the data of a recipe that names it or any that give its sizes."""
    table = kind.removesuffix("s")
    named = [(d, r) for d, r in cases if r and (r.parts.get(table) or {}).get("name") == name]
    needed = {key for key, option in options_of(kind, name).items() if option.required}
    able = [(d, None) for d, _ in cases if needed - {"latent_dim"} <= set(d.sizes)]
    for dataset, recipe in [*named, *able][:1]:
        latent_dim = 2 if recipe is None else recipe.parts["prior"]["latent_dim"]  # type: ignore[index]
        options = {} if recipe is None else dict(recipe.parts[table] or {})
        options.pop("name", None)
        bounds.check_bounds(kind, name, {**dataset.sizes, "latent_dim": latent_dim}, options)
        if kind == "decoders":
            parts.check_decoder(name, dataset.sizes, options, latent_dim)
        else:
            batch = dataset.batch("train", torch.arange(min(5, dataset.length("train"))))
            parts.check_encoder(
                name, batch.x, dataset.sizes, options, context=batch.context, latent_dim=latent_dim
            )
        return ""
    return "no data set of the plugin gives its sizes"


def _check_rule(name: str, cases: list[Case]) -> str:
    if name.startswith(("decoder.", "prior.")):
        rules.check_rule(name)
        bounds.check_bounds("learning_rules", name)
        return ""
    for dataset, recipe in cases:
        if recipe is not None and recipe.learning["name"] == name:
            rules.check_rule(name, None, build_model(recipe, dataset), dataset)
            return ""
    return "no recipe of the plugin names it"
