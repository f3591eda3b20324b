"""`Explorer`: a run as the page sees it, its model, its data where they are found, what it can."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import lebm_app.offline  # noqa: F401
from lebm_core.base.randomness import stream
from lebm_core.data.dataset import Batch, Dataset, subset
from lebm_core.data.view import View
from lebm_core.errors import LebmError, UsageError
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.artifacts import check_same_data
from lebm_core.run.build import build_dataset
from lebm_core.run.draw import is_conditioned
from lebm_core.run.trained import Run

__all__ = ["Explorer"]

MOST = 8  # of a user's examples, that are answered at once
EXAMPLES = 500  # of the test split: codes of the map, scores to compare with


class Explorer:
    """A run and what its model and its kind of data allow.

    Args:
        folder: of a run, or of one of its baselines.
        data_dir: where the data are looked for first.

    Attributes:
        run: the run.
        missing: why the examples of the run are not to be had; "" where they are.

    Raises:
        UsageError: the folder is no run, or its model is of a family that has no codes.
    """

    def __init__(self, folder: Path, data_dir: Path | None = None) -> None:
        self.run = Run.load(folder)
        model: Any = self.run.model
        if not isinstance(model, LatentEBM):
            raise UsageError(
                f"lebm explore shows models with a prior and a decoder, and that of {folder} is a "
                f"{type(model).__name__}."
            )
        self.model: Any = model  # a family may have more than the first of them
        self.data, self.missing = self._data(folder, data_dir)
        if not model.classes and len(self.data.classes) == model.prior.n_classes:
            model.classes = tuple(self.data.classes)

    def _data(self, folder: Path, data_dir: Path | None) -> tuple[Dataset, str]:
        """The run's data read again; where they are not found, their preparation and why."""
        try:
            data = build_dataset(self.run.recipe, data_dir)
            check_same_data(data, folder)
        except (LebmError, OSError) as error:
            return self.run.data, " ".join(str(error).split())
        return data, ""

    @functools.cached_property
    def view(self) -> View:
        """How examples are shown and entered."""
        return self.data.view()

    @property
    def title(self) -> str:
        """The name of the run's recipe."""
        return self.run.recipe.name

    @property
    def classes(self) -> list[str]:
        """The names of the model's classes."""
        n = int(self.model.prior.n_classes)
        names = [str(each) for each in self.model.classes]
        return names if len(names) == n else [str(i) for i in range(n)]

    @property
    def properties(self) -> list[str]:
        """The properties that samples are controlled by."""
        return list(self.model.heads.known)

    @functools.cached_property
    def conditioned(self) -> bool:
        """Whether samples need a context."""
        return is_conditioned(self.model, self.data)

    @functools.cached_property
    def decoding(self) -> dict[str, float]:
        """The options of decoding that are numbers, such as a temperature, and their defaults."""
        if self.model.latent_dim == 0:
            return {}
        context = torch.zeros(1, self._width) if self._width else None
        with torch.no_grad():
            sample = self.model.decoder(torch.zeros(1, self.model.latent_dim), context).sample
        known = inspect.signature(sample).parameters
        return {
            name: float(known[name].default) for name in ("temperature", "top_p") if name in known
        }

    @property
    def _width(self) -> int:
        return int(self.model.prior.context_dim or self.model.decoder.context_dim)

    @property
    def has_codes(self) -> bool:
        """Whether an example has a code that is another thing than itself."""
        return not self.model.observed and self.model.latent_dim > 0

    @property
    def split(self) -> str:
        """The split whose examples the page shows; "" where there are none."""
        return next((s for s in ("test", "valid") if self.data.length(s)), "")

    def generator(self, seed: int, name: str) -> torch.Generator:
        """The source of randomness of one use."""
        return torch.Generator().manual_seed(stream(seed, name))

    @functools.cached_property
    def rows(self) -> Tensor:
        """The rows of the examples that the page shows."""
        return subset(self.data.length(self.split), EXAMPLES, 0) if self.split else torch.arange(0)

    @functools.cached_property
    def examples(self) -> Batch | None:
        """The examples that the page compares with; None without any."""
        return self.data.batch(self.split, self.rows) if len(self.rows) else None

    def contexts(self, n: int) -> Tensor | None:
        """The contexts (n, c) of the first examples, in turn; None for a model without.

        Raises:
            UsageError: there is no example to take one from.
        """
        if not self.conditioned:
            return None
        if self.examples is None or self.examples.context is None:
            raise UsageError(
                "This model is conditioned on a context, and there is no example here to take it "
                f"from: {self.missing or 'give your own.'}"
            )
        return self.examples.context[torch.arange(n) % len(self.rows)]

    def given(self, entered: Any) -> tuple[Batch, str]:
        """A user's own examples, prepared as those of the training were, the first few.

        Args:
            entered: see `View.source`; a number n for the n-th example of the run.

        Returns:
            The examples, and what there is to say of them.

        Raises:
            UsageError: naming what is wrong with them.
        """
        if isinstance(entered, int):
            return self._example(entered), ""
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                new = self.run.data.new(self.view.source(entered))
        except LebmError as error:
            if not isinstance(entered, Path):
                raise
            # A user knows the file by its name, and not where it was uploaded to.
            raise UsageError(str(error).replace(str(entered), entered.name)) from error
        n = new.length("test")
        if not n:
            raise UsageError("There is no example in what was given.")
        # A drawing is scaled already, so that its few strokes are no other range of pixels.
        heard = () if self.view.asks == "drawing" else told
        said = [str(each.message) for each in heard if each.category is UserWarning]
        said += [f"The first {MOST} of {n:,} examples."] if n > MOST else []
        words = " ".join(said)
        if isinstance(entered, Path):
            words = words.replace(str(entered), entered.name)
        return new.batch("test", torch.arange(min(n, MOST))), words

    def _example(self, number: int) -> Batch:
        if not 1 <= number <= len(self.rows):
            raise UsageError(
                f"There are {len(self.rows)} examples here: give a number from 1 to that."
            )
        return self.data.batch(self.split, self.rows[number - 1 : number])

    @property
    def first(self) -> str:
        """What stands at first where a page asks for a line: an example of the run."""
        if self.examples is None:
            return self.view.example
        context = self.examples.context
        shown = self.view.show(self.examples.x[:1], None if context is None else context[:1])
        captions = [caption for _, caption in shown.pictures]
        return (shown.lines or captions or [self.view.example])[0]

    def codes(self, batch: Batch, seed: int = 0) -> Tensor:
        """The code z (B, d) of each example."""
        generator = self.generator(seed, "codes")
        z: Tensor = self.model.code(batch.x, batch.context, generator)
        return z.detach()

    def decoded(self, z: Tensor, context: Tensor | None = None) -> Any:
        """The likeliest x of each code."""
        return self.model.decode_mode(z, context)

    @functools.cached_property
    def does(self) -> Mapping[str, Callable[..., Any]]:
        """What the model answers about an example, by the name of the answer."""
        found: dict[str, Callable[..., Any]] = {}
        model = self.model
        if self.conditioned:
            found["Predict"] = model.sample
        if self.has_codes:
            found["Reconstruct"] = model.reconstruct
        if self.view.asks in ("drawing", "row", "line"):  # of which a part can be left open
            found["Complete"] = model.complete
        if model.prior.n_classes and model.density is model:  # a generator's energy tells none
            found["Classify"] = model.classify
        found["Score"] = model.score
        return found
