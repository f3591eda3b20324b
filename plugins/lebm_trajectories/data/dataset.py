"""Trajectories as a `lebm_core` data set: x is the future, the context is the past and who is near.

Each agent has coordinates of its own: the origin is where it was last seen, the first axis points
where it was going. x (B, predicted, 2) and the context are in units of `scale`.

The context (B, c) holds the steps of the observed past, 2 (observed - 1) numbers, and for each of
the nearest neighbours 5: whether there is one, where it is, and its last step. The neighbours are
the agents present in the last two observed steps, whether or not they stay.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.base.files import read_json
from lebm_core.base.table import Table
from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError
from lebm_trajectories.data.disk.windows import opened, written
from lebm_trajectories.data.new import Reading, described, new_windows
from lebm_trajectories.data.options import TrajectoryOptions, of_the_types
from lebm_trajectories.data.windows import Windows
from lebm_trajectories.frames import NEIGHBOUR, Examples, OwnFrame, examples_of, mean_step
from lebm_trajectories.pictures import paths
from lebm_trajectories.view import SceneView

__all__ = ["UNITS", "TrajectoryDataset"]

FILE, USUAL = "trajectories.json", "usual.json"
UNITS = ("metres", "pixels", "units")


class TrajectoryDataset(Dataset):
    """Futures and their contexts by split.

    Args:
        splits: windows of each split, those of training already augmented.
        options: lengths, neighbours and heading.
        scale: the unit of length, in the unit of the recording.
        unit: of the recording, one of `UNITS`.
        summary: facts for the report.
        classes: names of the classes, where the windows have y.
        reading: how a recording was read.

    Attributes:
        windows: by split, in the unit of the recording.
        metre: a metre in the unit of the recording; for another unit `scale` stands for it.
    """

    known: Table | None  # what tells apart the windows that `new` has read
    suffix: ClassVar[str] = ".csv"
    figures: ClassVar[str] = "trajectories.model"

    def __init__(
        self,
        splits: dict[str, Windows],
        options: TrajectoryOptions,
        scale: float,
        unit: str,
        summary: dict[str, Any],
        classes: Sequence[str] = (),
        reading: Reading = Reading(),  # noqa: B008 - it cannot be changed
    ) -> None:
        self.reading, self.known = reading, None
        self.windows, self.options, self.scale, self.unit = splits, options, scale, unit
        self.metre = 1.0 if unit == "metres" else scale
        self.summary, self.classes = summary, list(classes)
        self.sizes = {
            "observed": options.observed,
            "predicted": options.predicted,
            "neighbours": options.neighbours,
            "context_dim": 2 * (options.observed - 1) + NEIGHBOUR * options.neighbours,
        }
        if self.classes:
            self.sizes["n_classes"] = len(self.classes)
        # Of a split on disk no more than this is kept: the rest is computed batch by batch.
        self._usual = {
            s: mean_step(part.positions[:, : options.observed] for part in w.parts())
            for s, w in splits.items()
        }
        self._held = {
            s: self._made(s, None) for s, w in splits.items() if isinstance(w.positions, Tensor)
        }

    def length(self, split: str) -> int:
        return len(self.windows[split]) if split in self.windows else 0

    def batch(self, split: str, index: Tensor) -> Batch:
        y = self.windows[split].y if self.classes else None
        made = self._examples(split, index)
        return Batch(made.x, None if y is None else y[index], context=made.context, rows=index)

    def vectors(self, split: str, index: Tensor) -> Any:
        """Return past and future in each agent's own coordinates, (n, 2 (observed + predicted))."""
        tracks = self.local(split, self.windows[split].positions[index], index)
        return tracks.flatten(1).numpy()

    def properties(self, split: str, index: Tensor) -> dict[str, Tensor]:
        """Measure `pace`, the mean step of the future in the unit of the recording, (n,)."""
        path = self._examples(split, index).x  # from the origin
        steps = torch.cat([torch.zeros_like(path[:, :1]), path], 1).diff(dim=1)
        return {"pace": self.scale * steps.norm(dim=-1).mean(1)}

    def local(self, split: str, points: Tensor, rows: Tensor | None = None) -> Tensor:
        """Transform points (N, ..., 2) of the recording to each agent's own coordinates and scale.

        Args:
            split: whose agents.
            points: one row for each agent.
            rows: which agents; None for all.
        """
        return self._frame(split, rows).local(points)

    def world(self, split: str, points: Tensor, rows: Tensor | None = None) -> Tensor:
        """Apply the inverse of `local`."""
        return self._frame(split, rows).world(points)

    def _frame(self, split: str, rows: Tensor | None) -> OwnFrame:
        if split in self._held:
            frame = self._held[split].frame
            return frame if rows is None else frame.take(rows)
        positions = self.windows[split].positions[slice(None) if rows is None else rows]
        return OwnFrame.of(positions, self.options, self.scale, self._usual[split])

    def _examples(self, split: str, rows: Tensor) -> Examples:
        held = self._held.get(split)
        return self._made(split, rows) if held is None else held.take(rows)

    def _made(self, split: str, rows: Tensor | None) -> Examples:
        windows, every = self.windows[split], slice(None) if rows is None else rows
        positions = windows.positions[every]
        frame = OwnFrame.of(positions, self.options, self.scale, self._usual[split])
        return examples_of(
            positions, windows.near[every], windows.there[every], self.options, frame
        )

    def new(self, source: Any) -> Self:
        """Read a recording and cut its windows as those of the test, see `new_windows`."""
        windows = new_windows(source, self.options, self.reading, self.unit, self.scale)
        if windows.y is None and self.classes:  # of a kind that only the training knows
            windows.y = torch.full((len(windows),), -1)
        read = type(self)(
            {"test": windows}, self.options, self.scale, self.unit, {}, self.classes, self.reading
        )
        read.known = described(windows, self.classes)
        return read

    def records(self, split: str) -> Table:
        """Return scene, last observed frame and id of each window that `new` has read."""
        return super().records(split) if self.known is None else self.known

    def raw(self, x: Tensor) -> Table:
        """Return futures in the unit of the recording, a row for each step.

        The coordinates are each agent's own, since x has no other: it was last seen at (0, 0), and
        with `data.heading` moved along the first axis.
        """
        n, steps, _ = x.shape
        x = x.double().cpu() * self.scale
        places = [(sample, step) for sample in range(n) for step in range(1, steps + 1)]
        return Table({
            "sample": [sample for sample, _ in places], "step": [step for _, step in places],
            "x": x[..., 0].flatten().tolist(), "y": x[..., 1].flatten().tolist(),
        })  # fmt: skip

    def write(self, x: Tensor, path: Path) -> Path:
        """Write predicted futures to `path` with the suffix .csv: what `raw` gives."""
        file = path.with_name(path.name + self.suffix)
        lines = ["sample,step,x,y"]
        for n, path_ in enumerate((x * self.scale).tolist()):
            lines += [f"{n},{t},{a:.5g},{b:.5g}" for t, (a, b) in enumerate(path_, 1)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def picture(self, x: Tensor, path: Path) -> Path | None:
        """Draw the first 64 futures, each from where its agent was last seen, as a .png."""
        return paths(x * self.scale, self.unit, path.with_name(path.name + ".png"))

    def view(self) -> SceneView:
        """Draw futures on their scene, and take a recording."""
        return SceneView(self)

    def save(self, folder: Path) -> None:
        saved = {
            "options": asdict(self.options),
            "scale": self.scale,
            "unit": self.unit,
            "classes": self.classes,
            "summary": self.summary,
            "reading": self.reading._asdict(),
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(saved) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the splits are empty."""
        saved = read_json(folder / FILE)
        try:
            options = TrajectoryOptions(**saved["options"])
            scale, unit, summary = float(saved["scale"]), saved["unit"], dict(saved["summary"])
            reading = Reading(**saved.get("reading", {}))  # absent in older models
            classes = [str(name) for name in saved.get("classes", [])]  # absent in older models
            if (
                not 0 < scale < math.inf
                or unit not in UNITS
                or not (of_the_types(options) and reading.fits())
            ):
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError, UsageError):
            raise UsageError(
                f"{folder / FILE} is damaged: it does not hold the options, scale and unit of "
                "trajectories."
            ) from None
        return cls({}, options, scale, unit, summary, classes, reading)

    def keep(self, folder: Path) -> None:
        """Write the windows too, for `kept` to open."""
        self.save(folder)
        for split, windows in self.windows.items():
            written(windows, folder, split)
        (folder / USUAL).write_text(json.dumps(self._usual), encoding="utf-8")

    @classmethod
    def kept(cls, folder: Path) -> Self:
        """Open what `keep` wrote: positions are read batch by batch."""
        data = cls.load(folder)
        data.windows = {split: opened(folder, split) for split in SPLITS}
        data._usual = read_json(folder / USUAL)
        return data
