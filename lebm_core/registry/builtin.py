"""What lebm itself registers, through the hooks that every plugin uses."""

from __future__ import annotations

from importlib.resources import files

from lebm_core.registry.hookspecs import Register, hookimpl

__all__ = []


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    register("sequence", "lebm_core.sequences.decoder:SequenceDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    register("sequence", "lebm_core.sequences.encoder:SequenceEncoder")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    register("labels.accuracy", "lebm_core.evaluation.accuracy:accuracy")


@hookimpl
def lebm_register_recipes(register: Register) -> None:
    for file in sorted(entry.name for entry in files("lebm_recipes").iterdir()):
        if file.endswith(".toml"):
            register(file.removesuffix(".toml"), f"lebm_recipes:{file}")
