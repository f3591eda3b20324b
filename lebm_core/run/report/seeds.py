"""Runs that differ in their seed alone, as one: means, and standard deviations over the seeds."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from lebm_core.errors import UsageError
from lebm_core.evaluation.values import Value
from lebm_core.run.report.results import Collected, Results

__all__ = ["over_seeds"]


def over_seeds(runs: Sequence[Collected]) -> Collected:
    """One run whose values are means over seeds, each with their standard deviation as its error.

    A value that is refused or missing in one of them is refused.

    Args:
        runs: of one recipe, two or more, each of another seed.

    Raises:
        UsageError: where two have the same seed.
    """
    seeds = [run.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise UsageError(
            f"Of these runs of {runs[0].recipe} several have the seed "
            f"{max(seeds, key=seeds.count)}: name runs of different seeds."
        )
    rows: Results = {}
    for row in dict.fromkeys(row for run in runs for row in run.rows):
        found = [run.rows.get(row, {}) for run in runs]
        names = dict.fromkeys(name for values in found for name in values)
        rows[row] = {name: _mean([values.get(name) for values in found]) for name in names}
    seconds = {
        part: round(statistics.fmean(run.seconds[part] for run in runs), 1)
        for part in runs[0].seconds
        if all(part in run.seconds for run in runs)
    }
    complete = all(run.complete for run in runs)
    return dataclasses.replace(runs[0], rows=rows, seconds=seconds, complete=complete, figures=[])


def _mean(values: Sequence[Value | None]) -> Value:
    there = [value for value in values if value is not None]
    numbers = [value.value for value in there if value.value is not None]
    first = there[0]
    if len(numbers) < len(values):
        said = next((value.refused for value in there if value.refused), "it is missing")
        reason = f"in {len(values) - len(numbers)} of {len(values)} runs: {said}"
        return dataclasses.replace(first, value=None, standard_error=None, refused=reason)
    return dataclasses.replace(
        first,
        value=statistics.fmean(numbers),
        standard_error=statistics.stdev(numbers),
        refused=None,
    )
