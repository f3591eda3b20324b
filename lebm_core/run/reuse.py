"""Further use of a run folder: samples of its model, an evaluation on another split."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lebm_core.data.dataset import SPLITS, Dataset
from lebm_core.data.saved import load_dataset
from lebm_core.errors import RunError, UsageError
from lebm_core.run.artifacts import (
    BASELINES,
    check_same_data,
    load_model,
    need_run,
    run_of,
)
from lebm_core.run.training.tracking import to_stderr

if TYPE_CHECKING:
    from lebm_core.run.config.recipe import Recipe

__all__ = ["evaluate_run", "sample_run"]
OF_LINES = (".csv", ".txt", ".smi")
LINES, WIDTH = 5, 160  # that are shown of such a file
SHIFT_CONTEXTS = 16  # that the shift is the mean over: each costs a third of a second or more


def sample_run(
    folder: str | Path,
    n: int,
    y: int | str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    control: Sequence[str] = (),
    log: Callable[[str], None] | None = None,
    split: str = "test",
    data_dir: str | Path | None = None,
    show: Callable[[str], None] | None = None,
) -> Path:
    """Draw n samples of a trained run and write them, with a picture where the kind has one.

    The data are needed by a conditioned model alone: sample i is for the context of example i.

    Args:
        folder: of the run, or of one of its baselines.
        n: how many.
        y: class id or name, for a coupled prior.
        seed: of the draw.
        out: the file, with or without its suffix; by default samples-N-SEED in the folder;
            where it is a folder, that file in it.
        control: controls in the syntax of the command line, such as "qed>0.8".
        log: takes the table of how far the controls move the prior (with a context, in the mean
            over the first 16 at most); None to leave it out.
        split: that a conditioned model takes its contexts from, "train", "valid" or "test".
        data_dir: where the data are looked for first.
        show: takes the first lines of what was drawn, and the path of the picture.

    Returns:
        The file written.

    Raises:
        UsageError: the folder holds no trained model, or does not know a class, property or
            control; of a conditioned model also where the data are not those of the run.
    """
    import torch

    from lebm_core.base.randomness import stream
    from lebm_core.control.controls import ClassIs
    from lebm_core.control.syntax import parse_control
    from lebm_core.run.config.recipe import load
    from lebm_core.run.draw import (
        device,
        draw_samples,
        first_contexts,
        is_conditioned,
        write_samples,
    )

    folder = Path(folder)
    need_run(folder)
    _need_split(split)
    model: Any = load_model(folder)  # classes and shifts are not asked of every family
    if log is not None and not hasattr(model, "control_shift"):
        raise UsageError(
            f"{type(model).__name__} does not measure how far it is moved: leave --shift out."
        )
    dataset = load_dataset(folder)
    conditioned = is_conditioned(model, dataset)
    if conditioned:
        dataset = _same_data(folder, load(folder / "recipe.toml"), data_dir)
    if hasattr(model, "classes") and not model.classes and dataset.classes:
        if len(dataset.classes) == model.prior.n_classes:
            model.classes = tuple(dataset.classes)
    controls = [parse_control(string).bind(model, dataset) for string in control]
    try:
        x = draw_samples(model, dataset, n, seed=seed, split=split, y=y, control=controls)
    except RunError as error:
        weights = next((folder / "model").glob("*.safetensors"), folder / "model")
        raise type(error)(f"{weights}: {error}") from error
    if log is not None:
        asked = [*([] if y is None else [ClassIs(y)]), *controls]
        generator = torch.Generator(device(model)).manual_seed(stream(seed, "shift"))
        context = first_contexts(model, dataset, min(n, SHIFT_CONTEXTS), split)
        log(str(model.control_shift(asked, context=context, generator=generator)))
    words = [split] if conditioned and split != "test" else []
    words += [f"y{y}"] if y is not None else []
    words += [word.replace(">", "-above-").replace("<", "-below-") for word in control]
    words = [re.sub(r"[^A-Za-z0-9=.@+-]+", "-", word) for word in words]
    name = "-".join([f"samples-{n}-{seed}", *words])
    target = Path(out) if out is not None else folder / name
    if target.is_dir():
        target = target / name
    target.parent.mkdir(parents=True, exist_ok=True)
    # The data set adds its own suffix; a file name may hold other full stops.
    target = target.with_name(target.name.removesuffix(dataset.suffix))
    file = write_samples(dataset, x, target)
    picture = dataset.picture(x, file.with_name(file.name.removesuffix(dataset.suffix)))
    if show is not None:
        for line in _first_lines(file):
            show(line)
        if picture is not None:
            show(f"Picture: {picture}")
    return file


def _first_lines(file: Path) -> list[str]:
    """The first lines of a file of lines, cut, and without what would steer a terminal."""
    if file.suffix not in OF_LINES:
        return []
    with file.open(encoding="utf-8") as lines:
        first = [line.rstrip("\n") for line in itertools.islice(lines, LINES)]
    plain = ["".join(c if c.isprintable() else " " for c in line) for line in first]
    return [line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..." for line in plain]


def evaluate_run(
    folder: str | Path,
    split: str = "test",
    data_dir: str | Path | None = None,
    log: Callable[[str], None] = to_stderr,
) -> dict[str, Any]:
    """Run the recipe's metrics on another split of a trained run.

    Args:
        folder: of the run, or of one of its baselines.
        split: "train", "valid" or "test".
        data_dir: where the data are looked for first.
        log: takes lines of progress.

    Returns:
        Values by metric; they and their figures are kept in evaluation-SPLIT/ of the folder.

    Raises:
        UsageError: the folder holds no trained model, or the data are not those of the run.
    """
    from lebm_core.run.config.recipe import load
    from lebm_core.run.stages import Part, evaluate_part

    folder = Path(folder)
    need_run(folder)
    need_run(folder, "model")
    _need_split(split)
    recipe = load(folder / "recipe.toml")
    dataset = _same_data(folder, recipe, data_dir)
    place = folder.resolve()
    results = evaluate_part(
        Part(place.name if place.parent.name == BASELINES else "model", folder, recipe, dataset),
        cache=run_of(folder) / "cache",
        log=log,
        split=split,
        out=f"evaluation-{split}",
    )
    return {k: v for result in results.values() for k, v in result.values.items()}


def _need_split(split: str) -> None:
    if split not in SPLITS:
        raise UsageError(f'There is no split "{split}": accepted are {", ".join(SPLITS)}.')


def _same_data(folder: Path, recipe: Recipe, data_dir: str | Path | None) -> Dataset:
    """The run's data, read again."""
    from lebm_core.run.build import build_dataset

    dataset = build_dataset(recipe, data_dir)
    check_same_data(dataset, folder)
    return dataset
