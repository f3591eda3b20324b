"""Random draws from a given generator, on whichever device the generator lives."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from lebm_core.errors import UsageError, did_you_mean

__all__ = ["draw", "fork", "normal_like", "randint", "standard_normal", "stream", "uniform"]

SEEDS = 2**31


def stream(seed: int, name: str) -> int:
    """A seed for each named use of randomness, so that none depends on what ran before it."""
    return (seed * 1_000_003 + zlib.crc32(name.encode())) % SEEDS


def _home(like: Tensor, generator: torch.Generator | None) -> torch.device:
    """A generator draws on its own device only; the numbers then travel."""
    return like.device if generator is None else generator.device


def standard_normal(
    shape: Sequence[int], like: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Standard normal draws of `shape`, with the device and dtype of `like`."""
    home = _home(like, generator)
    drawn = torch.randn(shape, generator=generator, device=home, dtype=like.dtype)
    return drawn if home == like.device else drawn.to(like.device)


def normal_like(z: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal draws of the shape of `z`."""
    return standard_normal(z.shape, z, generator)


def uniform(shape: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draws from U(0, 1) of `shape`, with the device and dtype of `like`."""
    home = _home(like, generator)
    return torch.rand(*shape, generator=generator, device=home, dtype=like.dtype).to(like.device)


def randint(high: int, n: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """`n` integers from 0 to `high` - 1, on the device of `like`."""
    home = _home(like, generator)
    return torch.randint(high, (n,), generator=generator, device=home).to(like.device)


def fork(generator: torch.Generator | None) -> AbstractContextManager[None]:
    """A scope in which torch's global randomness is seeded from `generator`, and then restored.

    For library code that draws only from the global state.
    """
    return nullcontext() if generator is None else _forked(generator)


@contextmanager
def _forked(generator: torch.Generator) -> Iterator[None]:
    seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
    # Seeding the global state reaches the GPU as well, where there is one in use.
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def draw(p: Distribution, generator: torch.Generator | None, **decoding: Any) -> Any:
    """A sample of p. A distribution of ours takes the generator itself; torch's own cannot.

    Raises:
        UsageError: for an option of decoding that p does not have.
    """
    sample: Any = p.sample
    known = [key for key in inspect.signature(sample).parameters if key != "sample_shape"]
    for key in decoding:
        if key not in known and "kwargs" not in known:
            accepted = ", ".join(each for each in known if each != "generator") or "none"
            raise UsageError(
                f'Draws of this decoder have no option "{key}".{did_you_mean(key, known)} Accepted '
                f"are {accepted}."
            )
    if "generator" in known:
        return sample(generator=generator, **decoding)
    with fork(generator):
        return sample(**decoding)
