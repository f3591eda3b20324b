"""What a run folder gives back: its data set's preprocessing, samples, a second evaluation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.run.artifacts import check_same_data, load_dataset, load_model, need_run
from lebm_core.run.training.tracking import to_stderr

if TYPE_CHECKING:
    from lebm_core.run.old.recipe import Recipe

__all__ = ["evaluate_run", "sample_run"]
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
) -> Path:
    """Draws n samples of a trained run and writes them.

    The data are needed by a conditioned model alone: sample i is for the context of example i.

    Args:
        folder: of the run, or of one of its controls.
        n: how many.
        y: class id or name, for a coupled prior.
        seed: of the draw.
        out: the file, with or without its suffix; by default samples-N-SEED in the folder;
            where it is a folder, that file in it.
        control: what the samples shall be, as the command line says it, such as "qed>0.8".
        log: takes the table of how far the controls move the prior (with a context, in the mean
            over the first 16 at most); None to leave it out.
        split: that a conditioned model takes its contexts from, "train", "valid" or "test".
        data_dir: where the data are looked for first.

    Returns:
        The file written.

    Raises:
        UsageError: where the folder holds no trained model, or for a class, property or control
            that it does not know; of a conditioned model also where the data are not those of
            the run.
    """
    import torch

    from lebm_core.control.controls import ClassIs
    from lebm_core.control.syntax import parse_control
    from lebm_core.run.old.recipe import load
    from lebm_core.run.stages import draw_samples, first_contexts, is_conditioned, stream

    folder = Path(folder)
    need_run(folder)
    _need_split(split)
    model = load_model(folder)
    dataset = load_dataset(folder)
    conditioned = is_conditioned(model, dataset)
    if conditioned:
        dataset = _same_data(folder, load(folder / "recipe.toml"), data_dir)
    if not model.classes and len(dataset.classes) == model.prior.n_classes:
        model.classes = tuple(dataset.classes)
    controls = [parse_control(text) for text in control]
    x = draw_samples(model, dataset, n, seed=seed, split=split, y=y, control=controls)
    if log is not None:
        asked = [*([] if y is None else [ClassIs(y)]), *controls]
        generator = torch.Generator(model.device).manual_seed(stream(seed, "shift"))
        context = first_contexts(model, dataset, min(n, SHIFT_CONTEXTS), split)
        log(str(model.control_shift(asked, context=context, generator=generator)))
    said = [split] if conditioned and split != "test" else []
    said += [f"y{y}"] if y is not None else []
    named = [w.replace(">", "-above-").replace("<", "-below-") for w in (*said, *control)]
    words = [re.sub(r"[^A-Za-z0-9=.@+-]+", "-", word) for word in named]
    name = "-".join([f"samples-{n}-{seed}", *words])
    target = Path(out) if out is not None else folder / name
    if target.is_dir():
        target = target / name
    target.parent.mkdir(parents=True, exist_ok=True)
    known = {"", ".txt", ".csv", ".npz", ".png", ".smi"}  # the data set adds its own
    return dataset.write(x, target.with_suffix("") if target.suffix in known else target)


def evaluate_run(
    folder: str | Path,
    split: str = "test",
    data_dir: str | Path | None = None,
    log: Callable[[str], None] = to_stderr,
) -> dict[str, Any]:
    """Runs the recipe's metrics on another split of a trained run.

    Args:
        folder: of the run, or of one of its controls.
        split: "train", "valid" or "test".
        data_dir: where the data are looked for first.
        log: takes lines of progress.

    Returns:
        Values by metric; they and their pictures are kept in evaluation-SPLIT/ of the folder.

    Raises:
        UsageError: where the folder holds no trained model, or the data are not those of the run.
    """
    from lebm_core.run.build import build_metrics
    from lebm_core.run.old.recipe import load
    from lebm_core.run.stages import Part, evaluate_part

    folder = Path(folder)
    need_run(folder)
    need_run(folder, "model")
    _need_split(split)
    recipe = load(folder / "recipe.toml")
    dataset = _same_data(folder, recipe, data_dir)
    control = folder.resolve().parent.name == "controls"
    root = folder.resolve().parent.parent if control else folder
    results = evaluate_part(
        Part(folder.resolve().name if control else "model", folder, recipe, dataset),
        build_metrics(recipe),
        cache=root / "cache",
        log=log,
        split=split,
        out=f"evaluation-{split}",
    )
    return {k: v for result in results.values() for k, v in result.values.items()}


def _need_split(split: str) -> None:
    if split not in ("train", "valid", "test"):
        raise UsageError(f'There is no split "{split}": accepted are train, valid, test.')


def _same_data(folder: Path, recipe: Recipe, data_dir: str | Path | None) -> Dataset:
    """The run's data, read again."""
    from lebm_core.run.build import build_dataset

    dataset = build_dataset(recipe, data_dir)
    check_same_data(dataset, folder)
    return dataset
