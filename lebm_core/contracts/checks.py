"""What the checks share: seeds, comparisons, and the way of a part through its table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lebm_core.errors import LebmError
from lebm_core.registry.parts import Part, describe, make
from lebm_core.registry.signatures import options_of

__all__ = [
    "check_finite",
    "check_grads",
    "check_same",
    "close",
    "filled",
    "has_option",
    "made",
    "check_message",
    "rebuilt",
    "seeded",
]


def seeded(seed: int = 0) -> torch.Generator:
    """A generator; the global state is seeded otherwise at every call, since nothing may use it."""
    torch.seed()
    return torch.Generator().manual_seed(seed)


def made(
    kind: str,
    name: str,
    options: Mapping[str, Any] | None = None,
    sizes: Mapping[str, Any] | None = None,
) -> Any:
    """The registered part, its weights those of one seed."""
    torch.manual_seed(0)
    return make(Part(kind), {"name": name, **(options or {})}, sizes)


def has_option(kind: str, name: str, option: str) -> bool:
    """Whether the part takes an option of that name."""
    return option in options_of(kind, name)


def rebuilt(part: Any, kind: str, label: str) -> Any:
    """The part made again from its table, with its state.

    Raises:
        AssertionError: where the table is no JSON, or makes another part.
    """
    table = describe(part, kind)
    assert table["name"] is not None, f"{label}: {type(part).__name__} is registered by no plugin"
    try:
        read = json.loads(json.dumps(table))
    except TypeError as error:
        raise AssertionError(f"{label}: its options are no JSON values: {error}") from error
    assert read == table, f"{label}: its options change when written as JSON: {table}"
    torch.manual_seed(1)
    again = make(Part(kind), read)
    assert describe(again, kind) == table, f"{label}: made from its table it has another table"
    if isinstance(part, nn.Module):
        again.load_state_dict(part.state_dict())
        again.train(part.training)
    return again


def check_same(a: Any, b: Any, message: str) -> None:
    """Refuse two results that are not equal bit for bit."""
    assert _equal(a, b), message


def close(a: Tensor, b: Tensor, message: str, tolerance: float = 1e-3) -> None:
    """Refuse two results that differ by more than rounding."""
    scale = 1.0 + float(b.detach().abs().max()) if b.numel() else 1.0
    assert a.shape == b.shape, f"{message}: shape {tuple(a.shape)}, not {tuple(b.shape)}"
    gap = float((a.detach().double() - b.detach().double()).abs().max()) if b.numel() else 0.0
    assert gap <= tolerance * scale, f"{message}: they differ by {gap:.3g}"


def check_finite(value: Tensor, shape: Iterable[int], message: str) -> None:
    """Refuse another shape, or a number that is not finite."""
    assert tuple(value.shape) == tuple(shape), f"{message}: shape {tuple(value.shape)}"
    assert bool(value.isfinite().all()), f"{message}: not finite"


def check_grads(loss: Tensor, module: nn.Module, message: str) -> list[Tensor | None]:
    """The gradients of a loss, one for each trained parameter; each is finite."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    grads = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    for grad in grads:
        assert grad is None or bool(grad.isfinite().all()), f"{message}: not finite"
    return list(grads)


def filled(grads: Iterable[Tensor | None]) -> bool:
    """Whether a gradient is not 0."""
    return any(grad is not None and bool((grad != 0).any()) for grad in grads)


def check_message(error: LebmError, label: str) -> None:
    """Refuse a message that is not one line with a full stop."""
    message = str(error).strip()
    assert message and "\n" not in message, f"{label}: its message is no single line: {message!r}"
    assert message[-1] in ".?", f"{label}: its message ends without a full stop: {message!r}"


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | (a != a)).all())
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == list(b) and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)
