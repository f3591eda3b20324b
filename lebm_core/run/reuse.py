"""Further use of a run folder: samples of its model, an evaluation on another split."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lebm_core.errors import UsageError
from lebm_core.run.artifacts import BASELINES, need_run, run_of
from lebm_core.run.training.tracking import to_stderr

__all__ = ["OF_LINES", "evaluate_run", "sample_run"]
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
    codes: bool = False,
    shard: int | None = None,
    resume: bool = False,
    progress: Callable[[str], None] = to_stderr,
) -> Path:
    """Draw n samples of a trained run and write them, with a picture where the kind has one.

    The data are needed by a conditioned model alone: sample i is for the context of example i. More
    samples than `shard` are a folder of files, see `draw_shards`, without a picture.

    Args:
        folder: of the run, or of one of its baselines.
        n: how many.
        y: class id or name, for a coupled prior.
        seed: of the draw.
        out: the file, with or without its suffix; by default samples-N-SEED in the folder;
            where it is a folder, that file in it. The folder, where there are several files.
        control: controls in the syntax of the command line, such as "qed>0.8".
        log: takes the table of how far the controls move the prior (with a context, in the mean
            over the first 16 at most); None to leave it out.
        split: that a conditioned model takes its contexts from, "train", "valid" or "test".
        data_dir: where the data are looked for first.
        show: takes the first lines of what was drawn, and the path of the picture.
        codes: draw z in the place of x, as .npy.
        shard: samples of a file; None for 10,000.
        resume: go on with a draw in several files that was stopped.
        progress: takes lines on how far such a draw is.

    Returns:
        The file or the folder written.

    Raises:
        UsageError: the folder holds no trained model, or does not know a class, property or
            control; of a conditioned model also where the data are not those of the run.
    """
    import torch

    from lebm_core.base.randomness import stream
    from lebm_core.control.controls import ClassIs
    from lebm_core.run.draw import device, first_contexts, write_samples
    from lebm_core.run.sampling.asked import ask
    from lebm_core.run.sampling.shards import SHARD, draw_shards

    folder = Path(folder)
    asked = ask(folder, y=y, control=control, split=split, data_dir=data_dir, codes=codes)
    model, dataset = asked.model, asked.dataset
    if log is not None and not hasattr(model, "control_shift"):
        raise UsageError(
            f"{type(model).__name__} does not measure how far it is moved: leave --shift out."
        )
    shard = SHARD if shard is None else shard
    many = n > shard
    _check_out(n, out, asked.suffix, many=many, resume=resume)
    target = Path(out) if out is not None else folder / asked.name(n, seed)
    x = None
    if many:
        files = draw_shards(asked, n, target, seed=seed, shard=shard, resume=resume, log=progress)
    else:
        x = asked.draw(n, seed)
    if log is not None:
        wanted = [*([] if y is None else [ClassIs(y)]), *asked.controls]
        generator = torch.Generator(device(model)).manual_seed(stream(seed, "shift"))
        context = first_contexts(model, dataset, min(n, SHIFT_CONTEXTS), split)
        log(str(model.control_shift(wanted, context=context, generator=generator)))
    if many:
        if show is not None:
            _show(files[0], show)
        return target
    if target.is_dir():
        target = target / asked.name(n, seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The data set adds its own suffix; a file name may hold other full stops.
    target = target.with_name(target.name.removesuffix(asked.suffix))
    file = write_samples(dataset, x, target, codes)
    if show is not None:
        _show(file, show)
    if not codes:
        picture = dataset.picture(x, file.with_name(file.name.removesuffix(dataset.suffix)))
        if show is not None and picture is not None:
            show(f"Picture: {picture}")
    return file


def _check_out(n: int, out: str | Path | None, suffix: str, *, many: bool, resume: bool) -> None:
    """Refuse what is for a draw in several files where there is one, and the other way round."""
    if not many and resume:
        raise UsageError(
            f"--resume is for a draw in several files, and {n:,} samples are one: leave it out, or "
            "give a smaller --shard."
        )
    if not many and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            f"{n:,} samples are one file, which one process draws: start one, or give a smaller "
            "--shard."
        )
    if many and out is not None and (Path(out).suffix == suffix or Path(out).is_file()):
        raise UsageError(
            f'--out "{out}" names a file, and {n:,} samples are a folder of several: name a '
            f"folder, or give --shard {n} for one file."
        )


def _show(file: Path, show: Callable[[str], None]) -> None:
    """Show the first lines of a file of lines, cut, and without what would steer a terminal."""
    if file.suffix not in OF_LINES:
        return
    with file.open(encoding="utf-8") as lines:
        first = [line.rstrip("\n") for line in itertools.islice(lines, LINES)]
    for line in ("".join(c if c.isprintable() else " " for c in each) for each in first):
        show(line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}...")


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
    from lebm_core.run.sampling.asked import need_split, same_data
    from lebm_core.run.stages import Part, evaluate_part

    folder = Path(folder)
    need_run(folder)
    need_run(folder, "model")
    need_split(split)
    recipe = load(folder / "recipe.toml")
    dataset = same_data(folder, recipe, data_dir)
    place = folder.resolve()
    results = evaluate_part(
        Part(place.name if place.parent.name == BASELINES else "model", folder, recipe, dataset),
        cache=run_of(folder) / "cache",
        log=log,
        split=split,
        out=f"evaluation-{split}",
    )
    return {k: v for result in results.values() for k, v in result.values.items()}
