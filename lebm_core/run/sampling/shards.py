"""Any number of samples in flat memory: files of equal size, over processes, resumable."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from lebm_core.base.checks import whole
from lebm_core.base.randomness import SEEDS, stream
from lebm_core.errors import Interrupted, UsageError, shown
from lebm_core.run.config.recipe import load
from lebm_core.run.draw import write_samples
from lebm_core.run.folder.leftovers import clear, written
from lebm_core.run.folder.lock import LOCK, locked
from lebm_core.run.process.signals import signal_of, stoppable
from lebm_core.run.sampling.asked import Asked
from lebm_core.run.sampling.index import INDEX, Index, model_checksums
from lebm_core.run.sampling.progress import Progress
from lebm_core.run.training.processes import launched, wait_for_everyone

__all__ = ["SHARD", "draw_shards", "seed_of"]

SHARD = 10_000  # samples of a file, up to which a draw is one file


def seed_of(seed: int, number: int) -> int:
    """The seed of file `number`: no two files of a draw have the same.

    >>> len({seed_of(0, number) for number in range(1000)})
    1000
    """
    return (stream(seed, "shards") + number) % SEEDS


def draw_shards(
    asked: Asked,
    n: int,
    folder: Path,
    *,
    seed: int = 0,
    shard: int = SHARD,
    resume: bool = False,
    log: Callable[[str], None],
) -> list[Path]:
    """Draw n samples into files of `shard` each; of one file only is ever in memory.

    File k is drawn by a generator of its own, seeded from `seed` and k: it is the same, bit for bit
    on one machine, whatever the number of processes, and whether or not the draw was stopped. Each
    process of `accelerate launch` draws its share of the files; all have to see the folder. On a
    GPU where the run's training.device takes one.

    Args:
        asked: what is drawn.
        n: how many samples.
        folder: to write to; new or empty, but to resume.
        seed: of the draw.
        shard: samples of a file.
        resume: go on with the draw that was stopped in the folder.
        log: takes lines of progress.

    Returns:
        The files in order.

    Raises:
        UsageError: the folder cannot be used, or holds another draw; as `Asked.draw`.
        RunError: the disk is full; what is drawn is not finite.
        Interrupted: after a signal, with all whole files kept.
    """
    state = launched(load(asked.folder / "recipe.toml").training.device)
    asked.model.to(state.device)
    index = Index(
        whole("-n", n, 1, 2**53), seed, whole("--shard", shard, 1), asked.codes, asked.y,
        list(asked.control), asked.split if asked.conditioned else "", state.device.type,
        asked.suffix, model_checksums(asked.folder / "model"),
    )  # fmt: skip
    main = state.process_index == 0
    if main:
        _check(folder, index, resume)
    with stoppable(), locked(folder) if main else nullcontext(), _ended(folder, index, resume):
        if main:
            clear(folder)
            if not (folder / INDEX).exists():
                with written(f"The samples in {shown(folder, 300)}"):
                    index.write(folder)
        wait_for_everyone(state)  # the folder is ready
        missing = index.missing(folder)
        progress = Progress(index, folder, len(missing), log if main else None)
        wait_for_everyone(state)  # all have seen what is missing, and nobody wrote
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()  # no process waits for another from here
        own = missing[state.process_index :: state.num_processes]
        # The first process holds the lock until all files are there: what another has not drawn
        # by then, since it is slow or gone, it draws too, and they are the same.
        left = [number for number in reversed(missing) if number not in set(own)] if main else []
        for number in [*own, *left]:
            if index.file(folder, number).exists():
                continue
            rows = index.rows(number)
            x = asked.draw(len(rows), seed_of(seed, number), rows.start)
            with written(f"{shown(index.file(folder, number), 300)}"):
                write_samples(asked.dataset, x, folder / index.stem(number), asked.codes)
            del x  # before the next are drawn
            progress.show()
        if not index.missing(folder):  # true of the process that ends last
            dataclasses.replace(index, complete=True).write(folder)
        progress.end()
    return [index.file(folder, number) for number in range(len(index))]


def _check(folder: Path, index: Index, resume: bool) -> None:
    """Refuse a folder that the draw cannot be written to, before anything is drawn."""
    try:
        here = [name for name in os.listdir(folder) if name != LOCK] if folder.exists() else []
    except OSError as error:  # a file, no permission, a name too long
        raise UsageError(f"--out {shown(folder, 300)} cannot be used: {error.strerror}.") from error
    if resume and INDEX not in here:
        raise UsageError(
            f"--resume: there is no draw in {shown(folder, 300)} ({INDEX} is missing)."
        )
    if resume:
        index.check_same(Index.read(folder), folder)
    elif INDEX in here:
        raise UsageError(
            f"--out {shown(folder, 300)} holds a draw: --resume goes on with it; otherwise give "
            "another folder."
        )
    elif here:
        raise UsageError(f"--out {shown(folder, 300)} is not empty; give another folder.")


@contextmanager
def _ended(folder: Path, index: Index, resume: bool) -> Iterator[None]:
    """Whatever ends a draw early, its whole files are kept; of none nothing is."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(_kept(folder, index), signal_of(error)) from error
    except UsageError:  # of what is asked, known when the first file is drawn
        if not resume and len(index.missing(folder)) == len(index):
            (folder / INDEX).unlink(missing_ok=True)
        raise


def _kept(folder: Path, index: Index) -> str:
    there = len(index) - len(index.missing(folder))
    return (
        f"Interrupted; {folder} keeps {there:,} of {len(index):,} files: the same command with "
        "--resume goes on."
    )
