"""Chains in blocks of steps: on a GPU a block is captured as a CUDA graph, and then replayed.

A step of a small chain is a dozen kernels, and launching one from Python takes longer than the
kernel itself. A captured block is launched as a whole. The same block runs as it stands where there
is no GPU, and for a density that does not say that it may be captured. Neither looks at a number
within a block, so that nothing waits: divergence is checked after it.
"""

from __future__ import annotations

import functools
import gc
import warnings
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from lebm_core.chains.trace import Move

__all__ = ["LENGTH", "Block", "Recording", "State", "repeated", "run_blocks"]

State = tuple[Tensor, ...]
T = TypeVar("T")
Block = Callable[[State, int], tuple[State, T]]  # (state, steps) -> the next, and what to look at

LENGTH = 10  # steps of a block at most: as many states are held at once
SHARE = 5  # blocks of a chain at least: the first is run and the second captured, each at full cost


class Recording(Protocol):
    """Work on fixed memory that can be done again at once."""

    def replay(self) -> Any:
        """Do the work; returns what it computed, which the next replay overwrites."""


Recorder = Callable[[Callable[[], Any]], Recording]


def run_blocks(
    block: Block[T],
    state: State,
    steps: int,
    after: Callable[[int, T], None],
    *,
    target: object,
    generator: torch.Generator | None,
    multiple: int = 1,
    plain: int = LENGTH,
) -> State:
    """Run a chain block by block; returns its last state.

    Args:
        block: so many steps from a state; the same kernels each time, on the memory of the state
            and of the target.
        state: where it starts; not changed.
        steps: of the chain.
        after: called after each block with the number of its first step, and with what the block
            left to be looked at, which it must not keep on a GPU.
        target: the density, whose `capturable` says whether a block on it may be captured.
        generator: that the block draws from.
        multiple: that a block's length is of.
        plain: length of a block that is not captured.
    """
    record = None if _kind(target) in _refused else recorder_for(target, state, generator)
    length = max(1, plain // multiple) * multiple
    if record is not None:
        shorter = min(LENGTH, steps // SHARE) // multiple * multiple
        if shorter:
            length = shorter
        else:
            record = None
    recorded: _Recorded[T] | None = None
    done = 0
    while done < steps:
        n = min(length, steps - done)
        if record is not None and recorded is None and done and n == length:
            recorded = _Recorded.made(block, state, n, record)
            if recorded is None:
                _refused.add(_kind(target))
            record = None  # once
        if recorded is not None and n == length:
            state, seen = recorded(state)
        elif record is not None:
            state, seen = _aside(block, state, n)
        else:
            state, seen = block(state, n)
        after(done, seen)
        done += n
    return tuple(each.clone() for each in state) if recorded is not None else state


def repeated(step: Callable[..., tuple[State, Move]]) -> Block[list[Move]]:
    """A block of so many of these steps."""

    def block(state: State, steps: int) -> tuple[State, list[Move]]:
        moves = []
        for _ in range(steps):
            state, move = step(*state)
            moves.append(move)
        return state, moves

    return block


_refused: set[str] = set()  # kinds of densities of which a capture has failed


def _kind(target: object) -> str:
    """The names of what a density is made of."""
    parts = getattr(target, "parts", (target,))
    return ", ".join(getattr(part, "__qualname__", type(part).__qualname__) for part in parts)


class _Recorded(Generic[T]):
    """A block on a state of its own, which each replay moves on."""

    def __init__(self, block: Block[T], state: State, steps: int, record: Recorder) -> None:
        self.state = tuple(each.clone() for each in state)

        def work() -> T:
            # A copy, for what the block leaves to be looked at may hold where it began.
            moved, seen = block(tuple(each.clone() for each in self.state), steps)
            with torch.no_grad():
                for here, there in zip(self.state, moved, strict=True):
                    here.copy_(there)
            return seen

        self.recording = record(work)

    @classmethod
    def made(
        cls, block: Block[T], state: State, steps: int, record: Recorder
    ) -> _Recorded[T] | None:
        """The recorded block, or None where it cannot be recorded."""
        try:
            return cls(block, state, steps, record)
        except RuntimeError as error:
            warnings.warn(
                f"A chain runs without a CUDA graph, for it could not be captured: {error}",
                RuntimeWarning, stacklevel=3,
            )  # fmt: skip
            return None

    def __call__(self, state: State) -> tuple[State, T]:
        if state is not self.state:
            for here, given in zip(self.state, state, strict=True):
                here.copy_(given)
        return self.state, self.recording.replay()


def recorder_for(
    target: object, state: State, generator: torch.Generator | None
) -> Recorder | None:
    """What records a block on this density; None where blocks run as they are."""
    device = state[0].device
    if device.type != "cuda" or not getattr(target, "capturable", False):
        return None
    if generator is not None and generator.device.type != "cuda":
        return None  # its numbers come from the CPU
    if torch.cuda.is_current_stream_capturing():
        return None  # the caller captures the chain
    return functools.partial(_Graph, device=device, generator=generator)


@functools.cache
def _side(device: torch.device) -> torch.cuda.Stream:
    """The stream on which blocks are captured: the default one cannot be."""
    return torch.cuda.Stream(device)


def _aside(block: Block[T], state: State, steps: int) -> tuple[State, T]:
    """Run a block on the stream of captures: libraries prepare themselves there by a first call."""
    device = state[0].device
    if device.type != "cuda":
        return block(state, steps)
    here, side = torch.cuda.current_stream(device), _side(device)
    side.wait_stream(here)
    with torch.cuda.stream(side):
        moved = block(state, steps)
    here.wait_stream(side)
    return moved


class _Graph:
    """Work captured as a CUDA graph, its draws from the generator included.

    `torch.cuda.graph` would wait for the GPU, collect garbage and empty the cache of memory first.
    """

    def __init__(
        self, work: Callable[[], Any], device: torch.device, generator: torch.Generator | None
    ) -> None:
        self.work = work  # and by it all that the graph reads
        self.graph = torch.cuda.CUDAGraph()
        generators = [torch.cuda.default_generators[device.index or 0]]
        if generator is not None and generator is not generators[0]:
            self.graph.register_generator_state(generator)
            generators.append(generator)
        spare = [each.clone_state() for each in generators]
        here, side = torch.cuda.current_stream(device), _side(device)
        side.wait_stream(here)
        collecting = gc.isenabled()
        gc.disable()  # what it frees might end the capture
        try:
            with torch.cuda.stream(side):
                self.graph.capture_begin(capture_error_mode="thread_local")
                try:
                    self.result = work()
                finally:
                    self.graph.capture_end()
        except Exception:
            for each, state in zip(generators, spare, strict=True):
                each.graphsafe_set_state(state)  # its own still waits for the end of the capture
            raise
        finally:
            if collecting:
                gc.enable()
            here.wait_stream(side)

    def replay(self) -> Any:
        """Launch the graph; the generator goes on as if the work had been done by itself."""
        self.graph.replay()
        return self.result
