"""Sizes that cannot be, refused while a part is made and before memory is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from lebm_core.base.checks import fits
from lebm_core.errors import UsageError

__all__ = ["PossibleSizes"]

# What weights and buffers are made by; none of them draws a random number.
MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.eye)


class PossibleSizes(TorchFunctionMode):
    """A scope in which a tensor of a negative size, or one too many for this machine, is refused.

    Args:
        owner: what is made, for messages.
        options: that it is made with.
    """

    def __init__(self, owner: str, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.owner, self.options, self.numbers = owner, options, 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func in MAKERS and given.get("device") != "meta":
            try:
                planned = func(*args, **{**given, "device": "meta"})  # a shape without memory
            except (RuntimeError, TypeError, OverflowError) as error:
                raise UsageError(
                    f"{self.owner} cannot be made with such sizes: {self._said()}."
                ) from error
            self.numbers += planned.numel()
            fits(self.numbers, f"{self.owner} ({self._said()})")
        return func(*args, **given)

    def _said(self) -> str:
        """The options that are numbers, or lists of them."""
        kept = {
            key: value
            for key, value in self.options.items()
            if isinstance(value, (int, float, list)) and not isinstance(value, bool)
        }
        string = ", ".join(f"{key} = {value}" for key, value in kept.items())
        return string if len(string) <= 200 else f"{string[:200]}..."
