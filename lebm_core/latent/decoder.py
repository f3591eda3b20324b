"""Decoder p(x | z): what a plugin provides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, constraints

from lebm_core.base.arguments import dtype_of, floats
from lebm_core.base.modules import Component, accept_context, device_of, frozen
from lebm_core.data.dataset import BatchSource
from lebm_core.errors import UsageError

__all__ = ["Decoder", "centre_of", "join"]


class Decoder(Component):
    """p(x | z). Subclasses give `forward`; those that can hoist work out of a chain, `likelihood`.

    Either may do without the parameter `context`; it is then left out when there is one.

    Attributes:
        latent_dim: dimension d of z.
        context_dim: features of a context that it cannot do without; 0 where it can.
        latent_layers: the dimensions of each layer of z by its name, where z has named layers.
        latent_layout: how z is divided into codes, its options by name; an encoder that divides z
            too must have the same.
        capturable: whether the function that `likelihood` gives does the same work at each call
            and looks at no number, so that a GPU may repeat it by a captured graph.
    """

    latent_dim: int
    context_dim = 0
    latent_layers: Mapping[str, slice] = MappingProxyType({})
    latent_layout: Mapping[str, int] = MappingProxyType({})
    capturable = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        accept_context(cls, "forward", "likelihood")

    def forward(self, z: Tensor, context: Tensor | None = None) -> Distribution:
        """p(x | z) with batch shape (B,): `.log_prob(x)` is (B,) in nats, `.sample()` draws x.

        A `sample` with a parameter `generator` is given the caller's; for one without, such as
        those of torch, the global state is seeded from it meanwhile (`base.randomness.draw`).

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

    def likelihood_of_known(
        self, x: Any, known: Tensor, context: Tensor | None = None
    ) -> Callable[[Tensor], Tensor]:
        """The function z -> log p(x where it is known | z), (B, d) -> (B,): for a completion.

        By default of numbers that are independent given z; a decoder of another kind, such as of
        token ids, overrides this and `filled`.

        Raises:
            UsageError: where p(x | z) has no likelihood for each number.
        """
        seen = torch.where(known, x, torch.zeros_like(x))

        def log_prob(z: Tensor) -> Tensor:
            each: Tensor = self._of_numbers(z, context).base_dist.log_prob(seen) * known
            return each.flatten(1).sum(-1)

        return log_prob

    def filled(
        self,
        z: Tensor,
        x: Any,
        known: Tensor,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Any:
        """x with what is not known as z has it: by default the centre of p(x | z).

        Raises:
            UsageError: as `likelihood_of_known`.
        """
        return torch.where(known, x, centre_of(self._of_numbers(z, context)))

    def _of_numbers(self, z: Tensor, context: Tensor | None) -> Independent[Distribution]:
        """p(x | z), of numbers that are independent given z: others have more to heed."""
        p = self(z, context)
        if not isinstance(p, Independent):
            raise UsageError(
                "complete() needs a decoder whose coordinates are independent given z; "
                f"{type(self).__name__} gives {type(p).__name__}."
            )
        return p

    def examples(self, x: Any, context: Tensor | None = None) -> Any:
        """x as `forward` and `likelihood` take it, from what a user gives to the model.

        By default numbers of the shape of p(x | z)'s events; x of a distribution without such a
        shape is left as it is. A decoder of another kind, such as of token ids, overrides this.

        Args:
            x: examples.
            context: (B, c) as the parts take it, or None.

        Raises:
            UsageError: naming the shape or type that is wanted.
        """
        shape, discrete = self._event_of(context)
        if not shape:
            return x.to(device_of(self)) if isinstance(x, Tensor) else x
        return floats("x", x, shape, self, least=1, discrete=discrete)

    def numbers_of_one(self, context: Tensor | None = None) -> int:
        """How many numbers one x holds, as far as that can be said before it is drawn."""
        longest = getattr(self, "max_length", None)
        return longest if isinstance(longest, int) else math.prod(self._event_of(context)[0])

    def event_shape(self) -> tuple[int, ...]:
        """The shape of one x; () where p(x | z) has none, as of token ids."""
        width = self.context_dim
        given = torch.zeros(1, width, device=device_of(self)) if width else None
        return self._event_of(given)[0]

    def _event_of(self, context: Tensor | None) -> tuple[tuple[int, ...], bool]:
        """The shape of one x, () where p(x | z) has none, and whether x is of classes."""
        known: tuple[tuple[int, ...], bool] | None = self.__dict__.get("_event")
        if known is not None:
            return known
        z = torch.zeros(1, self.latent_dim, device=device_of(self), dtype=dtype_of(self))
        with torch.no_grad(), frozen(self, evaluating=True):
            p = self(z, None if context is None else context[:1])
        try:
            support: Any = p.support
        except (AttributeError, NotImplementedError):
            support = None
        kind = getattr(support, "base_constraint", support)
        discrete = isinstance(kind, type(constraints.integer_interval(0, 1)))
        shape = tuple(p.event_shape) if tuple(p.batch_shape) == (1,) else ()
        self.__dict__["_event"] = shape, discrete  # once, by the decoder's own word
        return shape, discrete

    def initialise(self, dataset: BatchSource) -> None:
        """Sets weights from statistics of the training split before a training; here: none.

        Args:
            dataset: its `batches("train", size)` are all that is asked of it.
        """


def centre_of(p: Distribution) -> Any:
    """The mean of p(x | z), or its mode where there is no mean."""
    try:
        return p.mean
    except NotImplementedError:
        return p.mode


def join(parts: list[Any], pad: float = 0) -> Any:
    """One batch of x out of several; those of different lengths T, (B, T, ...), are padded.

    >>> join([torch.ones(1, 1, 2), torch.ones(1, 2, 2)], 0)[0]
    tensor([[1., 1.],
            [0., 0.]])
    """
    if not isinstance(parts[0], Tensor):
        return [x for part in parts for x in part]
    if len({p.shape[1:] for p in parts}) == 1:
        return torch.cat(parts)
    longest = max(p.shape[1] for p in parts)
    behind = [[0, 0] * (p.ndim - 2) + [0, longest - p.shape[1]] for p in parts]
    padded = [nn.functional.pad(p, n, value=pad) for p, n in zip(parts, behind, strict=True)]
    return torch.cat(padded)
