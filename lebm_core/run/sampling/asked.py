"""What is drawn from a trained run: its model, its data set, and what was asked of the samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lebm_core.control.base import Control
from lebm_core.control.syntax import parse_control
from lebm_core.data.dataset import SPLITS, Dataset
from lebm_core.data.saved import load_dataset
from lebm_core.errors import RunError, UsageError
from lebm_core.run.artifacts import check_same_data, load_model, need_run
from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import Recipe, load
from lebm_core.run.draw import draw_latent, draw_samples, is_conditioned

__all__ = ["Asked", "ask", "need_split", "same_data"]


@dataclass(frozen=True)
class Asked:
    """Draws of a trained run, of any kind or as asked.

    Attributes:
        folder: of the run, or of one of its baselines.
        model: in evaluation mode, on the CPU.
        dataset: writes samples; of a conditioned model it has the examples of the contexts.
        split: that a conditioned model takes its contexts from.
        y: class id or name, or None.
        control: as written, in the syntax of the command line.
        controls: the same, bound to the model and the data set.
        codes: whether z is drawn in the place of x.
    """

    folder: Path
    model: Any  # classes and shifts are not asked of every family
    dataset: Dataset
    split: str
    y: int | str | None
    control: tuple[str, ...]
    controls: list[Control]
    codes: bool

    @property
    def conditioned(self) -> bool:
        """Whether sample i is for the context of example i."""
        return is_conditioned(self.model, self.dataset)

    @property
    def suffix(self) -> str:
        """Of a file of such draws, with the full stop."""
        return ".npy" if self.codes else self.dataset.suffix

    def name(self, n: int, seed: int) -> str:
        """The name of a file or folder of n draws, without a suffix."""
        words = [self.split] if self.conditioned and self.split != "test" else []
        words += [f"y{self.y}"] if self.y is not None else []
        words += [word.replace(">", "-above-").replace("<", "-below-") for word in self.control]
        words = [re.sub(r"[^A-Za-z0-9=.@+-]+", "-", word) for word in words]
        return "-".join([f"{'codes' if self.codes else 'samples'}-{n}-{seed}", *words])

    def draw(self, n: int, seed: int, first: int = 0) -> Any:
        """n draws on the CPU, of a conditioned model for the examples from `first` on.

        Raises:
            UsageError: the model does not know what is asked.
            RunError: what is drawn is not finite.
        """
        draw = draw_latent if self.codes else draw_samples
        try:
            return draw(
                self.model, self.dataset, n, seed=seed, split=self.split, y=self.y,
                control=self.controls, first=first,
            )  # fmt: skip
        except RunError as error:
            weights = next((self.folder / "model").glob("*.safetensors"), self.folder / "model")
            raise type(error)(f"{weights}: {error}") from error


def ask(
    folder: Path,
    *,
    y: int | str | None = None,
    control: Sequence[str] = (),
    split: str = "test",
    data_dir: str | Path | None = None,
    codes: bool = False,
) -> Asked:
    """Load a run's model, and its data where samples need their contexts.

    Args:
        folder: of the run, or of one of its baselines.
        y: class id or name, for a coupled prior.
        control: controls in the syntax of the command line, such as "qed>0.8".
        split: that a conditioned model takes its contexts from.
        data_dir: where the data are looked for first.
        codes: z is to be drawn in the place of x.

    Raises:
        UsageError: the folder holds no trained model, or does not know a property or control; of a
            conditioned model also where the data are not those of the run.
    """
    need_run(folder)
    need_split(split)
    model: Any = load_model(folder)
    dataset = load_dataset(folder)
    if is_conditioned(model, dataset):
        dataset = same_data(folder, load(folder / "recipe.toml"), data_dir)
    if hasattr(model, "classes") and not model.classes and dataset.classes:
        if len(dataset.classes) == model.prior.n_classes:
            model.classes = tuple(dataset.classes)
    controls = [parse_control(string).bind(model, dataset) for string in control]
    return Asked(folder, model, dataset, split, y, tuple(control), controls, codes)


def need_split(split: str) -> None:
    """Refuse the name of no split."""
    if split not in SPLITS:
        raise UsageError(f'There is no split "{split}": accepted are {", ".join(SPLITS)}.')


def same_data(folder: Path, recipe: Recipe, data_dir: str | Path | None) -> Dataset:
    """The run's data, read again."""
    dataset = build_dataset(recipe, data_dir)
    check_same_data(dataset, folder)
    return dataset
