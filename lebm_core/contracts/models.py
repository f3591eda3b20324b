"""Checks of model families."""

from __future__ import annotations

import tempfile

import torch
from torch import Tensor, nn

from lebm_core.contracts.checks import check_same, has_option, seeded
from lebm_core.latent.parts import LatentModel
from lebm_core.models.base import Model
from lebm_core.registry.registry import registry

__all__ = ["check_model"]

N = 8


def check_model(model: Model, name: str) -> None:
    """Check a model of a registered family: its parts, its draws, and that it can be saved.

    Args:
        model: made by the family, its parts registered by plugins.
        name: of the family.
    """
    label = f'models "{name}"'
    family = registry().get("models", name)
    assert isinstance(model, family), f"{label}: a {type(model).__name__} is no {family.__name__}"
    assert isinstance(model, nn.Module) and isinstance(model, Model), f"{label}: no Model"
    assert has_option("models", name, "name") is False, f"{label}: its table's key name is taken"
    parts = model.parts()
    assert parts and all(isinstance(part, nn.Module) for part in parts.values()), f"{label}: parts"
    own = {id(p) for p in model.parameters()}
    assert all(id(p) in own for part in parts.values() for p in part.parameters()), (
        f"{label}: a part's parameter is none of the model's"
    )
    model.eval()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        again = family.from_pretrained(folder)
    assert not again.training, f"{label}: from_pretrained leaves it in training mode"
    given = _context(model)
    first, second, loaded = (
        each.sample(N, generator=seeded(), **given) for each in (model, model, again)
    )
    assert len(first) == N, f"{label}: sample({N}) gives {len(first)}"
    check_same(first, second, f"{label}: draws depend on more than the generator")
    check_same(first, loaded, f"{label}: loaded, it draws otherwise")


def _context(model: Model) -> dict[str, Tensor]:
    if not isinstance(model, LatentModel) or not model.prior.context_dim:
        return {}
    return {"context": torch.randn(N, model.prior.context_dim, generator=seeded(4))}
