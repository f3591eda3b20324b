"""Reuse the trained weights of another row for a baseline, so that it needs no training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lebm_core.errors import UsageError, did_you_mean
from lebm_core.models.base import Model
from lebm_core.run.artifacts import load_model, part_folder
from lebm_core.run.config.recipe import Recipe

__all__ = ["check_weights", "source_of", "take_weights"]


def source_of(recipe: Recipe, name: str, run: Path) -> Path | None:
    """The folder of the row whose weights a row takes; None where it is trained.

    Args:
        recipe: of the run, its baselines resolved.
        name: of the row.
        run: the run directory.

    Raises:
        UsageError: where there is no such row, or it is not trained itself.
    """
    own = recipe if name == "model" else recipe.baselines[name]
    if not own.weights:
        return None
    if name == "model":
        raise UsageError(
            f'weights = "{own.weights}" is for a baseline, [baseline.NAME]; leave it out.'
        )
    trained = [row for row, each in recipe.baselines.items() if not each.weights]
    rows = ["model", *trained]
    if own.weights not in rows:
        raise UsageError(
            f'baseline.{name}.weights = "{own.weights}" is no row that is trained.'
            f"{did_you_mean(own.weights, rows)} Accepted are {', '.join(rows)}."
        )
    return part_folder(run, own.weights)


def check_weights(name: str, model: Model, source: Model) -> None:
    """Refuse a row whose weights are not those of its source, by name and shape.

    Raises:
        UsageError: naming the first that differs.
    """
    own, other = ({k: tuple(v.shape) for k, v in _state(each).items()} for each in (model, source))
    for key in [*own, *other]:
        if own.get(key) != other.get(key):
            raise UsageError(
                f"baseline.{name} cannot take the weights of another row: {key} has the shape "
                f"{_shown(own.get(key))} here and {_shown(other.get(key))} there. It may differ in "
                "what is not trained alone, such as a sampler."
            )


def take_weights(model: Model, source: Path) -> None:
    """Fill a model with the weights of a trained row, in place.

    Args:
        model: of the same parts.
        source: folder of the row.
    """
    trained: Any = load_model(source)
    receiver: Any = model
    if hasattr(trained, "heads"):
        receiver.heads = trained.heads
    receiver.load_state_dict(trained.state_dict())
    receiver.eval()


def _state(model: Model) -> dict[str, Any]:
    """The weights; property heads come with them, whatever they are."""
    state: dict[str, Any] = model.state_dict()  # type: ignore[attr-defined]
    return {key: value for key, value in state.items() if not key.startswith("heads.")}


def _shown(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else str(shape)
