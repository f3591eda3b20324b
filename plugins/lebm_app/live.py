"""A chain that is watched while it runs: states are shown as they come, and it can be stopped."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from lebm_core.chains.densities import LogDensity
from lebm_core.chains.samplers import Sampler
from lebm_core.chains.trace import Chain

__all__ = ["Seen", "Stopped", "streamed", "watched"]

LEAST = 0.3  # seconds between two pictures
SHARE = 3.0  # times as long as a picture takes the chain runs on
T = TypeVar("T")

Seen = Callable[[int, int, Tensor], None]  # step, steps, states (n, d)


class Stopped(Exception):
    """Nobody waits for the answer any more."""


class Watch(Chain):
    """A trace that tells of some states and keeps none.

    Args:
        seen: is told of them.
        steps: of the whole chain; 0 where that is not known.
    """

    def __init__(self, seen: Seen, steps: int) -> None:
        super().__init__()
        self.seen, self.steps = seen, steps
        self.next, self.step = 0.0, 0

    def piece(self, first: int) -> Chain:
        """This trace itself: a sampler that runs in pieces records into it."""
        return self

    def append(self, piece: Chain, first: int) -> None:
        """Nothing: the piece is this trace."""

    def record(
        self, step: int, z: Tensor, value: Tensor, gradient: Tensor, moved: Tensor, accept: Tensor
    ) -> None:
        """Tell of the state where it is time for it."""
        super().record(step, z, value, gradient, moved, accept)
        self.step += 1
        now = time.monotonic()
        if now >= self.next:
            self.seen(self.step, self.steps, moved.detach().cpu())
            took = time.monotonic() - now
            self.next = time.monotonic() + max(LEAST, SHARE * took)


class Watched:
    """A sampler whose chains are watched."""

    def __init__(self, sampler: Sampler, seen: Seen) -> None:
        self.sampler, self.seen = sampler, seen
        self.options, self.adjusted = sampler.options, sampler.adjusted

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sampler, name)

    def __call__(
        self,
        target: LogDensity,
        z: Tensor,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        if trace is not None:
            return self.sampler(target, z, generator=generator, trace=trace)
        watch = Watch(self.seen, int(self.options.get("steps") or 0))
        return self.sampler(target, z, generator=generator, trace=watch)

    def replaced(self, **options: Any) -> Watched:
        """The same sampler with other options, watched."""
        return Watched(self.sampler.replaced(**options), self.seen)


@contextmanager
def watched(prior: Any, seen: Seen) -> Iterator[None]:
    """Within the scope the chains of a prior are watched, where it has some on its own density."""
    sampler = prior.sampler
    with ExitStack() as stack:
        if sampler is not None and prior.n_levels == 1 and "sampler" in prior.__dict__:
            prior.sampler = Watched(sampler, seen)
            stack.callback(setattr, prior, "sampler", sampler)
        yield


def streamed(work: Callable[[Callable[[T], None]], T]) -> Iterator[T]:
    """What a long computation tells of as it goes, and at last its result.

    Args:
        work: is given a function to tell by, which raises `Stopped` once nobody listens.
    """
    told: queue.Queue[tuple[str, Any]] = queue.Queue()
    stopped = threading.Event()

    def tell(item: T) -> None:
        if stopped.is_set():
            raise Stopped
        told.put(("item", item))

    def run() -> None:
        try:
            told.put(("end", work(tell)))
        except BaseException as error:  # which is the listener's to handle
            told.put(("error", error))

    thread = threading.Thread(target=run, daemon=True, name="lebm-explore")
    thread.start()
    try:
        while True:
            kind, item = told.get()
            if kind == "error":
                raise item
            yield item
            if kind == "end":
                return
    finally:
        stopped.set()
        thread.join()  # two computations never share a model
