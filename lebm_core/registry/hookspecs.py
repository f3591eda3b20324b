"""The hooks by which a plugin adds to lebm: each registers names and import strings, nothing else.

An import string is "module:attribute"; it is imported when the name is asked for, so that a plugin
costs nothing until it is used.
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
        """Adds `name`, found at `target`; `summary` is its line in listings."""


@hookspec
def lebm_register_decoders(register: Register) -> None:
    """Decoders: register("mine.mlp", "lebm_mine.decoder:MLPDecoder"), a `Decoder` class."""


@hookspec
def lebm_register_encoders(register: Register) -> None:
    """Encoders: register("mine.mlp", "lebm_mine.decoder:MLPEncoder"), an `Encoder` class."""


@hookspec
def lebm_register_inputs(register: Register) -> None:
    """What a classifier takes: register("mine.mlp", "lebm_mine.inputs:Rows"), an `Inputs` class.

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
def lebm_register_recipes(register: Register) -> None:
    """Recipes: register("mine-demo", "lebm_mine:demo.toml"), a package and a file in it."""


@hookspec
def lebm_register_commands(register: Register) -> None:
    """Commands: register("mine", "lebm_mine.cli:app", "what it does"), a typer app."""
