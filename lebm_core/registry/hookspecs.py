"""The hooks by which lebm and its plugins register parts: names and import strings, nothing else.

An import string is "module:attribute"; it is imported when the name is asked for, so that a plugin
costs nothing until it is used. A part's constructor is its table in a recipe: its parameters are
the keys, their annotations the types, its docstring's "Args:" the explanations.
"""

from __future__ import annotations

from typing import Protocol

import pluggy

__all__ = ["PROJECT", "Register", "hookimpl", "hookspec"]

PROJECT = "lebm"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """What a hook is given to call, once for each name."""

    def __call__(self, name: str, target: str, summary: str = "") -> None:
        """Register `name`, found at `target`; `summary` is its line in listings and tables."""


@hookspec
def lebm_register_priors(register: Register) -> None:
    """Priors p(z): register("mine.flow", "lebm_mine.flow:FlowPrior"), a `Prior` class."""


@hookspec
def lebm_register_energies(register: Register) -> None:
    """Energy networks: register("mine.net", "lebm_mine.net:Net"), an `Energy` class."""


@hookspec
def lebm_register_samplers(register: Register) -> None:
    """Samplers of a density: register("mine.ula", "lebm_mine.ula:ULA"), a `Sampler` class."""


@hookspec
def lebm_register_decoders(register: Register) -> None:
    """Decoders p(x|z): register("mine.mlp", "lebm_mine.decoder:MLPDecoder"), a `Decoder` class."""


@hookspec
def lebm_register_encoders(register: Register) -> None:
    """Encoders q(z|x): register("mine.mlp", "lebm_mine.decoder:MLPEncoder"), an `Encoder` class."""


@hookspec
def lebm_register_inference(register: Register) -> None:
    """Inference of z given x: register("mine.map", "lebm_mine.map:MAP"), an `Inference` class."""


@hookspec
def lebm_register_learning_rules(register: Register) -> None:
    """Learning rules: register("prior.mine", "lebm_mine.rule:Rule").

    The name says what is trained: "decoder.X" and "prior.X" are the two parts of the rule
    "two-part"; a name without such a prefix is a rule for a whole model.
    """


@hookspec
def lebm_register_models(register: Register) -> None:
    """Model families: register("mine", "lebm_mine.model:Mine"), a `Model` class."""


@hookspec
def lebm_register_adapters(register: Register) -> None:
    """Adapters of an estimator's X: register("mine.mlp", "lebm_mine.data:Rows"), `InputAdapter`s.

    The name is what users give as `LatentEBMClassifier(decoder="mine.mlp")`.
    """


@hookspec
def lebm_register_datasets(register: Register) -> None:
    """Data sets: register("mine.rings", "lebm_mine.data:build"), a factory.

    The factory is `build(*, files: DataFiles, seed: int, **options) -> Dataset`; its other
    parameters are the keys that a recipe's [data] table accepts.
    """


@hookspec
def lebm_register_metrics(register: Register) -> None:
    """Metrics: register("mine.distance", "lebm_mine.metrics:distance"), a factory.

    The factory takes options and returns a callable of an `Evaluation` to named `Value`s.
    """


@hookspec
def lebm_register_figures(register: Register) -> None:
    """Figures of a trained model: register("mine.grid", "lebm_mine.figures:grid").

    A function of an `Evaluation` that draws files and returns them as (path, caption). A `Dataset`
    names the one for its models in `figures`.
    """


@hookspec
def lebm_register_baselines(register: Register) -> None:
    """Baselines: register("mine.knn", "lebm_mine.knn:build", "nearest neighbours"), a factory.

    The factory takes options and returns a callable of an `Evaluation` to named `Value`s, which
    become the row of that name in the table; `summary` is the row's title.
    """


@hookspec
def lebm_register_controls(register: Register) -> None:
    """Controls of `lebm sample --control NAME=VALUE`: register("goal", "lebm_mine.goal:control").

    A function (sign, value, strength) -> `Control`, for instance ("=", "2", 1.0).
    """


@hookspec
def lebm_register_recipes(register: Register) -> None:
    """Recipes: register("mine-demo", "lebm_mine:demo.toml"), a package and a file in it."""


@hookspec
def lebm_register_commands(register: Register) -> None:
    """Commands: register("mine", "lebm_mine.cli:app", "What it does.").

    A typer application, or a function whose annotations typer reads.
    """
