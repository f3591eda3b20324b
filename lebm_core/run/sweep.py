"""A sweep: one recipe at every combination of some options, with a table and a figure of them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lebm_core.base.files import read_json, write_atomically
from lebm_core.errors import UsageError, shown
from lebm_core.run.config.recipe import default_preset, load
from lebm_core.run.folder.begin import INCOMPLETE
from lebm_core.run.report.results import Collected, collect
from lebm_core.run.report.sweep import sweep_figure, sweep_table
from lebm_core.run.run import run_recipe
from lebm_core.run.training.tracking import to_stderr

__all__ = ["Point", "points_of", "sweep"]

MOST = 1000  # combinations
DESCRIPTION = "sweep.json"


class Point(NamedTuple):
    """One combination: (key, value) of the options that vary, as they were written."""

    options: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """Of its folder."""
        return ",".join(f"{key}={_plain(value)}" for key, value in self.options)

    @property
    def overrides(self) -> list[str]:
        return [f"{key}={value}" for key, value in self.options]


def sweep(
    name: str | Path,
    overrides: Sequence[str],
    preset: str | None = None,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    jobs: int | None = 1,
    log: Callable[[str], None] = to_stderr,
) -> Path:
    """Run a recipe at every combination, each in a folder of its own, and write table and figure.

    A combination that is complete is not run again, one that was stopped goes on, and a baseline
    that does not depend on what varies is trained once.

    Args:
        name: a registered recipe, or the path of a TOML file.
        overrides: "key=value"; where there are several values, parted by commas, the key varies.
        preset: its name; None for the machine's.
        data_dir: where data files are looked for first.
        out: folder of the sweep; by default runs/NAME-PRESET-sweep-KEYS.
        seed: in place of the recipe's.
        jobs: see `run_recipe`.
        log: takes lines of progress.

    Returns:
        The table, `sweep.md`; `sweep.png` is beside it.

    Raises:
        UsageError: where no key varies, a key varies twice, or another sweep is in the folder.
        RunError: where a run fails.
    """
    fixed, points = points_of(overrides)
    if seed is not None:
        fixed.append(f"seed={seed}")
    preset = default_preset(name) if preset is None else preset
    # What is mistyped in the last combination is refused before the first is run.
    recipes = [load(name, preset, [*fixed, *point.overrides]) for point in points]
    keys = [key for key, _ in points[0].options]
    folder = Path(out) if out is not None else Path("runs") / "-".join(
        filter(None, (recipes[0].name, preset, "sweep", *keys))
    )  # fmt: skip
    _begin(folder, {"recipe": str(name), "preset": preset, "fixed": fixed, "keys": keys})
    done: list[tuple[Point, Collected]] = []
    for number, point in enumerate(points, 1):
        place = folder / point.name
        begun = (place / "recipe.toml").is_file()
        if begun and not (place / INCOMPLETE).exists():
            log(f"{point.name}: run already.")
        else:
            log(f"{point.name}: run {number} of {len(points)}.")
            run_recipe(
                name, preset, [*fixed, *point.overrides], data_dir, place, resume=begun, log=log,
                jobs=jobs, finished=[folder / each.name for each, _ in done],
            )  # fmt: skip
        done.append((point, collect(place, load(place / "recipe.toml"))))
        sweep_figure(done, folder / "sweep.png")
        write_atomically(folder / "sweep.md", sweep_table(done))
    return folder / "sweep.md"


def points_of(overrides: Sequence[str]) -> tuple[list[str], list[Point]]:
    """The overrides that are fixed, and every combination of those that vary.

    >>> fixed, points = points_of(["seed=1", "prior.sampler.steps=20,60"])
    >>> fixed, [point.name for point in points]
    (['seed=1'], ['prior.sampler.steps=20', 'prior.sampler.steps=60'])

    Raises:
        UsageError: where none or too many vary, or one is given twice.
    """
    fixed: list[str] = []
    varying: dict[str, list[str]] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        values = _values(value)
        if not equals or len(values) < 2:
            fixed.append(override)
        elif key in varying:
            raise UsageError(f"{key} varies twice; give all of its values at once: {key}=A,B.")
        elif len(set(values)) < len(values):
            raise UsageError(f"{shown(override)} has a value twice.")
        else:
            varying[key] = values
    if not varying:
        raise UsageError(
            "A sweep varies at least one option; give its values parted by commas, such as "
            "prior.sampler.steps=20,60,200."
        )
    options = [[(key, value) for value in values] for key, values in varying.items()]
    points = [Point(each) for each in itertools.product(*options)]
    if len(points) > MOST:
        raise UsageError(f"This sweep has {len(points):,} combinations; use at most {MOST:,}.")
    return fixed, points


def _values(value: str) -> list[str]:
    """The parts of a value at the commas outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for c in value:
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        else:
            depth += (c in "[{") - (c in "]}")
        if c == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts]


def _plain(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", value).strip("_")


def _begin(folder: Path, facts: Mapping[str, Any]) -> None:
    """Make the folder of a sweep, or refuse that of another one."""
    known = folder / DESCRIPTION
    if known.is_file():
        if read_json(known) != dict(facts):
            raise UsageError(f"{shown(folder)} holds another sweep; give another folder: --out.")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--out {shown(folder)} is not empty; give another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(known, json.dumps(facts, indent=1) + "\n")
