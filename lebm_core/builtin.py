"""What lebm itself registers, through the hooks that every plugin uses."""

from __future__ import annotations

from importlib.resources import files

from lebm_core.hookspecs import Register, hookimpl

__all__: list[str] = []


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    register("sequence", "lebm_core.sequence:SequenceDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    register("sequence", "lebm_core.sequence:SequenceEncoder")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    register("labels.accuracy", "lebm_core.run.classification:accuracy")


@hookimpl
def lebm_register_recipes(register: Register) -> None:
    for file in sorted(entry.name for entry in files("lebm_recipes").iterdir()):
        if file.endswith(".toml"):
            register(file.removesuffix(".toml"), f"lebm_recipes:{file}")
