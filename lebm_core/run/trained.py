"""`Run`: a trained run in Python, and what it says of examples that it has not seen."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lebm_core.base.randomness import stream
from lebm_core.base.table import Table
from lebm_core.control.base import Control
from lebm_core.control.sampling import Classes
from lebm_core.data.dataset import Batch, Dataset
from lebm_core.data.saved import load_dataset
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import join
from lebm_core.models.base import Model
from lebm_core.run.artifacts import load_model, need_run, part_folder
from lebm_core.run.config.recipe import Recipe, load
from lebm_core.run.draw import draw_samples
from lebm_core.run.report.numbers import format_value
from lebm_core.run.report.report import results_table
from lebm_core.run.report.results import Results, collect
from lebm_core.run.sampling.asked import ask
from lebm_core.run.sampling.shards import SHARD, draw_shards
from lebm_core.run.training.tracking import to_stderr

__all__ = ["Run"]

BATCH = 500  # examples at once
DRAWS = 20  # codes of an example that p(y | x) is the mean over


@dataclass
class Run:
    """A run: its model, its data's preparation, its results, and answers about new examples.

    Examples are given as `data.source` of the recipe takes them, a file or a folder, or in memory
    as the kind of data says (`Dataset.new`). Answers are a `Table` that repeats what tells the
    examples apart, and adds columns; the same examples get the same answers each time.

    Attributes:
        folder: the run directory.
        recipe: resolved.
        results: values by row ("model", each baseline, and rows that metrics add) and metric.
    """

    folder: Path
    recipe: Recipe
    results: Results

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """A run, or one of its baselines, from its folder.

        Raises:
            UsageError: where the folder is no run, or is damaged.
        """
        folder = Path(folder)
        need_run(folder)
        recipe = load(folder / "recipe.toml")
        return cls(folder, recipe, collect(folder, recipe).rows)

    def _repr_html_(self) -> str:
        """The recipe, the folder and the results for a notebook."""
        name, folder = html.escape(self.recipe.name), html.escape(str(self.folder))
        return f"<p><b>{name}</b> in {folder}</p>{self.table._repr_html_()}"

    def baseline(self, name: str) -> Run:
        """A baseline as a run of its own."""
        return Run.load(part_folder(self.folder, name))

    @functools.cached_property
    def model(self) -> Model:
        """The trained model, on the CPU."""
        return load_model(self.folder)

    @functools.cached_property
    def data(self) -> Dataset:
        """What the data were prepared by; its splits are empty."""
        return load_dataset(self.folder)

    @property
    def classifies(self) -> bool:
        """Whether the model has classes."""
        return bool(getattr(getattr(self.model, "prior", None), "n_classes", 0))

    @property
    def table(self) -> Table:
        """The results as the report has them: a row for each model, a column for each metric."""
        head, *rows = results_table(collect(self.folder, self.recipe), format_value)
        return Table({name: [row[i] for row in rows] for i, name in enumerate(head)})

    @property
    def figures(self) -> list[tuple[Path, str]]:
        """The pictures of the model, each with its caption."""
        found = collect(self.folder, self.recipe).figures
        return [(self.folder / file, caption) for row, file, caption in found if row == "model"]

    @property
    def samples(self) -> Path | None:
        """The file of the samples that the run has drawn."""
        return next(iter(sorted(self.folder.glob("samples.*"))), None)

    def predict(self, source: Any) -> Table:
        """The likeliest class of each example, its probability, and that of every class.

        Raises:
            UsageError: the model has no classes; or naming what is wrong with the source.
        """
        model: Any = self.model
        if not self.classifies:
            raise UsageError(
                f"The model of {self.folder} has no classes: it was trained on data without "
                'labels, or without prior.name = "coupled".'
            )

        def probabilities(batch: Batch, generator: torch.Generator) -> Tensor:
            p: Tensor = model.classify(
                batch.x, draws=DRAWS, context=batch.context, generator=generator
            )
            return p

        records, p = self._asked(source, probabilities)
        names = list(map(str, model.classes or range(p.shape[1])))
        best = p.argmax(1)
        answers: dict[str, Sequence[Any]] = {
            "predicted": [names[i] for i in best.tolist()],
            "probability": p.max(1).values.tolist(),
        }
        return records.joined(answers | {f"p({n})": p[:, i].tolist() for i, n in enumerate(names)})

    def encode(self, source: Any) -> Table:
        """The code z of each example: the encoder's mean, or a draw of the posterior chain."""
        code = self._method("code")
        records, z = self._asked(
            source, lambda batch, generator: code(batch.x, batch.context, generator)
        )
        return records.joined({f"z{i + 1}": z[:, i].tolist() for i in range(z.shape[1])})

    def score(self, source: Any) -> Table:
        """How unusual each example is: -log p(x, z) up to log Z, in nats, and its parts."""
        score = self._method("score")

        def scores(batch: Batch, generator: torch.Generator) -> Tensor:
            return torch.stack(score(batch.x, context=batch.context, generator=generator), dim=1)

        records, parts = self._asked(source, scores)
        names = ("score", "reconstruction", "tilt", "reference")
        return records.joined({name: parts[:, i].tolist() for i, name in enumerate(names)})

    def complete(self, source: Any) -> Any:
        """The examples with what is not known filled in, in the units of the source.

        Missing values of a table; strings are the beginnings of longer ones, each beside its own.
        """
        complete = self._method("complete")

        def filled(batch: Batch, generator: torch.Generator) -> Tensor:
            known = self.data.is_known(batch.x)
            done: Tensor = complete(batch.x, known, context=batch.context, generator=generator)
            return done

        records, x = self._asked(source, filled)
        raw = self.data.raw(x)
        if isinstance(raw, Table):
            return raw.unrounded(records)  # what is known is left exactly as it is
        strings = isinstance(raw, list) and all(isinstance(each, str) for each in raw)
        return records.joined({"completion": raw}) if strings else raw

    def sample(
        self, n: int = 1, *, y: Classes | None = None, control: Sequence[Control] = (),
        seed: int = 0,
    ) -> Any:  # fmt: skip
        """n samples in the form and the units of the source."""
        return self.data.raw(
            draw_samples(self.model, self.data, n, seed=seed, y=y, control=control)
        )

    def sample_shards(
        self,
        n: int,
        out: str | Path,
        *,
        y: int | str | None = None,
        control: Sequence[str] = (),
        seed: int = 0,
        codes: bool = False,
        shard: int = SHARD,
        resume: bool = False,
        split: str = "test",
        data_dir: str | Path | None = None,
        log: Callable[[str], None] | None = None,
    ) -> list[Path]:
        """Draw n samples into files, in the memory of one of them; see `draw_shards`.

        Args:
            n: how many.
            out: the folder of the files.
            y: class id or name, for a coupled prior.
            control: controls in the syntax of the command line, such as "qed>0.8".
            seed: of the draw.
            codes: draw z in the place of x, as .npy.
            shard: samples of a file.
            resume: go on with a draw that was stopped.
            split: that a conditioned model takes its contexts from.
            data_dir: where its data are looked for first.
            log: takes lines of progress; by default they go to standard error.

        Returns:
            The files in order.
        """
        asked = ask(self.folder, y=y, control=control, split=split, data_dir=data_dir, codes=codes)
        return draw_shards(
            asked, n, Path(out), seed=seed, shard=shard, resume=resume, log=log or to_stderr
        )

    def _asked(
        self, source: Any, ask: Callable[[Batch, torch.Generator], Tensor]
    ) -> tuple[Table, Tensor]:
        """What tells new examples apart, and the answers for them, (n, ...) on the CPU."""
        new = self.data.new(source)
        device = getattr(self.model, "device", torch.device("cpu"))
        generator = torch.Generator(device).manual_seed(stream(self.recipe.seed, "answers"))
        answers = [ask(batch, generator).cpu() for batch in self._batches(new, device)]
        if not answers:
            raise UsageError("There is no example in what was given.")
        return new.records("test"), join(answers)

    def _method(self, name: str) -> Callable[..., Any]:
        """A method that not every family of models has."""
        found: Callable[..., Any] | None = getattr(self.model, name, None)
        if found is None:
            raise UsageError(f"{type(self.model).__name__} has no {name}().")
        return found

    @staticmethod
    def _batches(new: Dataset, device: torch.device) -> Iterator[Batch]:
        """The examples in the order of the source."""
        for rows in torch.arange(new.length("test")).split(BATCH):
            yield new.batch("test", rows).to(device)
