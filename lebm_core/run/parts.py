"""Train and evaluate the parts of a run, updating the report as results arrive."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lebm_core.run.config.recipe import Recipe
from lebm_core.run.process.workers import Workers
from lebm_core.run.report.report import report_run
from lebm_core.run.stages import Part, evaluate_part, train_part

__all__ = ["complete_parts", "in_waves"]

FIRST = "figures"  # is what comes first of what is measured, see `stages`


def in_waves(parts: Sequence[Part]) -> list[list[Part]]:
    """The parts that are trained, and after them those that take the weights of one."""
    return [[p for p in parts if p.source is None], [p for p in parts if p.source is not None]]


def complete_parts(
    parts: Sequence[Part],
    workers: Workers,
    folder: Path,
    recipe: Recipe,
    *,
    resume: bool,
    log: Callable[[str], None],
) -> None:
    """Train and measure every part, side by side where there are cores, the model first.

    Args:
        parts: of the run.
        workers: that do it.
        folder: the run directory.
        recipe: of the run.
        resume: go on with trainings from their last checkpoints.
        log: takes lines of progress.
    """
    for wave in in_waves(parts):
        processes = workers.share(len(wave))
        one = functools.partial(
            _complete, folder=folder, recipe=recipe, resume=resume, processes=processes
        )
        workers.each(one, [(part,) for part in wave], log)


def _complete(
    part: Part,
    *,
    folder: Path,
    recipe: Recipe,
    resume: bool,
    processes: int,
    log: Callable[[str], None],
) -> None:
    """Train a part and measure it, unless that is done.

    Of the model the report is written as soon as there are samples, and after each metric: slow
    evaluators and baselines follow it.
    """
    began = time.monotonic()
    train_part(part, resume=resume, main=True, log=log)
    report = functools.partial(report_run, folder, recipe)
    first = part.name == "model" and not (folder / "report.html").exists()

    def after(metric: str) -> None:
        report()
        if first and metric == FIRST:
            log(
                f"model: the first report, after {time.monotonic() - began:.0f} s, is "
                f"{folder / 'report.html'}; figures follow."
            )

    evaluate_part(
        part,
        cache=folder / "cache",
        log=log,
        processes=processes,
        after=after if part.name == "model" else None,
    )
    report()
