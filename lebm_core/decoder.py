"""Decoder p(x | z) and encoder q(z | x): what a plugin provides."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

if TYPE_CHECKING:
    from lebm_core.data import BatchSource

__all__ = ["Component", "Decoder", "Encoder", "device_of", "frozen", "gaussian_code"]


class Component(nn.Module):
    """A module that remembers the arguments it was made with, so that a model can be rebuilt.

    `options` holds them by name, defaults included; they must be plain JSON values.
    """

    options: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" not in cls.__dict__:
            return
        make = cls.__dict__["__init__"]
        signature = inspect.signature(make)

        @functools.wraps(make)
        def __init__(self: Component, *args: Any, **kw: Any) -> None:
            if "options" not in self.__dict__:  # the outermost class's arguments rebuild it
                bound = signature.bind(self, *args, **kw)
                bound.apply_defaults()
                values = dict(list(bound.arguments.items())[1:])
                self.__dict__["options"] = {
                    k: list(v) if isinstance(v, tuple) else v for k, v in values.items()
                }
            make(self, *args, **kw)

        cls.__init__ = __init__  # type: ignore[assignment,method-assign]


class Decoder(Component):
    """p(x | z). Subclasses give `forward`; those that can hoist work out of a chain, `likelihood`.

    Attributes:
        latent_dim: dimension d of z.
    """

    latent_dim: int

    def forward(self, z: Tensor, context: Tensor | None = None) -> Distribution:
        """p(x | z) with batch shape (B,): `.log_prob(x)` is (B,) in nats, `.sample()` draws x.

        Args:
            z: (B, d).
            context: (B, c) the prior's context, or None.
        """
        raise TypeError(f"{type(self).__name__} defines no forward(z): a decoder returns p(x | z).")

    def likelihood(self, x: Any, context: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """The function z -> log p(x | z), (B, d) -> (B,), for the `x` of one batch.

        It is called at every step of a chain, so all that does not depend on z is computed here,
        once. z may hold k codes for each of the n examples, example by example, (n k, d) -> (n k,);
        this default repeats x for that.
        """
        n = len(x)

        def log_prob(z: Tensor) -> Tensor:
            k = len(z) // n if n else 1
            if k == 1:
                return self(z, context).log_prob(x)  # type: ignore[no-any-return]
            many = x.repeat_interleave(k, 0)
            given = None if context is None else context.repeat_interleave(k, 0)
            return self(z, given).log_prob(many)  # type: ignore[no-any-return]

        return log_prob

    def initialise(self, dataset: BatchSource) -> None:
        """Sets weights from statistics of the training split before a training; here: none.

        Args:
            dataset: its `batches("train", size)` are all that is asked of it.
        """


class Encoder(Component):
    """q(z | x), a diagonal Gaussian."""

    latent_dim: int

    def forward(self, x: Any, context: Tensor | None = None) -> Independent[Normal]:
        """q(z | x) with batch shape (B,) and event shape (d,); see `gaussian_code`."""
        kind = type(self).__name__
        raise TypeError(f"{kind} defines no forward(x): an encoder returns q(z | x).")

    def embed(self, x: Any) -> Any:
        """x as real numbers (B, ...) near which p(y | x) can be smooth; by default x itself.

        An encoder of words gives their embeddings, 0 where there is none, and takes them back in
        `from_embedded` (Miyato et al. 2017, arXiv 1605.07725).
        """
        return x

    def from_embedded(
        self, embedded: Any, x: Any, context: Tensor | None = None
    ) -> Independent[Normal]:
        """q(z | x) from `embed(x)`, moved or not; whoever overrides one overrides both.

        Args:
            embedded: what `embed` gave.
            x: the examples, for what they say beside it, such as where they end.
            context: (B, c) the prior's context, or None.
        """
        found: Independent[Normal] = self(embedded, context)
        return found

    def part(
        self, embedded: Tensor, hidden: float, generator: torch.Generator | None = None
    ) -> Tensor:
        """`embed(x)` of which something is hidden at random: its class is to stay the same.

        An encoder that knows what else leaves a class as it is, such as another view, may do that.

        Args:
            embedded: what `embed` gave, (B, T, E) words or (B, ...) numbers.
            hidden: share that is set to 0: words, else entries.
            generator: source of all randomness.
        """
        shape = embedded.shape[:2] + (1,) if embedded.dim() == 3 else embedded.shape
        device = embedded.device if generator is None else generator.device
        drawn = torch.rand(shape, generator=generator, device=device).to(embedded.device)
        return embedded * (drawn >= hidden)


def gaussian_code(statistics: Tensor, min_log_std: float = -6.0) -> Independent[Normal]:
    """The Gaussian whose mean and log standard deviation are the two halves of (B, 2d).

    The log standard deviation is clamped to [min_log_std, 3]: a code that collapses to a point
    has an infinite KL.
    """
    mean, log_std = statistics.float().chunk(2, dim=-1)
    return Independent(
        Normal(mean, log_std.clamp(min_log_std, 3.0).exp(), validate_args=False), 1
    )


@contextmanager
def frozen(*modules: nn.Module, evaluating: bool = False) -> Iterator[None]:
    """Within the scope no parameter of the modules takes a gradient; z still does.

    Args:
        modules: the modules to freeze.
        evaluating: also switch dropout off, as every chain must.
    """
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    # Each submodule by itself: one may be in evaluation within a model that trains.
    training = [m for module in modules for m in module.modules() if evaluating and m.training]
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
    for tensor in (*module.parameters(), *module.buffers()):
        return tensor.device
    return torch.device("cpu")
