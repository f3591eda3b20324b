"""Parts that remember their constructor arguments, and switches for a scope."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Self

import torch
from torch import nn

from lebm_core.base.allocation import PossibleSizes
from lebm_core.base.checks import refuse_kinds

__all__ = ["Component", "Configured", "accept_context", "device_of", "frozen"]

# Annotations, as they are or postponed, of options that are whole numbers.
INTEGERS = (int, "int", "int | None", "Sequence[int]", "list[int]")


class Configured:
    """A part that remembers the arguments it was made with, so that it can be made again.

    `options` holds them by name, defaults included: plain JSON values, or other parts. An option
    that is NaN, a fraction for an integer, and sizes that no memory holds, are refused for every
    part; other bounds are checked by its constructor (`lebm_core.base.checks`).
    """

    options: dict[str, Any]

    def __init__(self) -> None:
        """Takes no arguments, where a subclass does not say otherwise."""
        self.__dict__.setdefault("options", {})
        super().__init__()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" not in cls.__dict__:
            return
        make = cls.__dict__["__init__"]
        signature = inspect.signature(make)
        integers = {k for k, p in signature.parameters.items() if p.annotation in INTEGERS}

        @functools.wraps(make)
        def __init__(self: Configured, *args: Any, **kw: Any) -> None:
            if "options" in self.__dict__:
                make(self, *args, **kw)
                return
            bound = signature.bind(self, *args, **kw)
            bound.apply_defaults()
            values = dict(list(bound.arguments.items())[1:])
            for name, parameter in signature.parameters.items():
                if parameter.kind is parameter.VAR_KEYWORD:  # stand by their own names
                    values |= values.pop(name, {})
            refuse_kinds(type(self).__name__, values, integers)
            # The outermost class's arguments rebuild it.
            self.__dict__["options"] = {
                k: list(v) if isinstance(v, tuple) else v
                for k, v in values.items()
                if not k.startswith("_")
            }
            with PossibleSizes(type(self).__name__, self.__dict__["options"]):
                make(self, *args, **kw)

        cls.__init__ = __init__  # type: ignore[method-assign]

    def remember(self, **options: Any) -> None:
        """Keep tables in the place of arguments, for parts that were given by name or not at all.

        Those that the outermost class does not take are not among its options.
        """
        self.options.update({key: options[key] for key in options if key in self.options})

    def replaced(self, **options: Any) -> Self:
        """A new part of the same class with some options changed."""
        return type(self)(**{**self.options, **options})


class Component(Configured, nn.Module):
    """A module that remembers its constructor's arguments: saved and rebuilt from them."""


@contextmanager
def frozen(*modules: nn.Module, evaluating: bool = False) -> Iterator[None]:
    """Within the scope no parameter of the modules takes a gradient; z still does.

    Args:
        modules: the modules to freeze.
        evaluating: also switch dropout off, as every chain must.
    """
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    # Each submodule by itself: one may be in evaluation within a model that trains.
    everything = [m for module in modules for m in module.modules()] if evaluating else []
    training = [m for m in everything if m.training]
    for p in parameters:
        p.requires_grad_(False)
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)
        for module in training:
            module.training = True


def device_of(module: nn.Module) -> torch.device:
    """Where the module's parameters (or buffers) live; the CPU where it has none."""
    for tensor in chain(module.parameters(), module.buffers()):
        return tensor.device
    return torch.device("cpu")


def accept_context(cls: type, *methods: str) -> None:
    """Let methods that a class defines without a parameter `context` be called with one.

    A conditioned prior may stand beside a decoder that does not see the context.
    """
    for name in methods:
        method = cls.__dict__.get(name)
        if method is None:
            continue
        parameters = inspect.signature(method).parameters
        if "context" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            continue
        setattr(cls, name, _without_context(method, len(parameters)))


def _without_context(method: Callable[..., Any], taken: int) -> Callable[..., Any]:
    @functools.wraps(method)
    def called(*args: Any, context: Any = None, **kw: Any) -> Any:
        return method(*args[:taken], **kw)

    return called
