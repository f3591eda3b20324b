"""Futures under controls: draws, obedience, and distance from real futures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from lebm_core.control.base import Control
from lebm_core.control.controls import ClassIs
from lebm_core.data.dataset import subset
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_trajectories.data.behaviour import BEHAVIOURS, admitted, behaviour, turning
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.prepare import STEPS_OF_SCALE
from lebm_trajectories.goals import goal_control
from lebm_trajectories.metrics.collisions import CLOSE
from lebm_trajectories.metrics.density_scores import MIN_LOG, mixture_log, sigma_of
from lebm_trajectories.networks.paths import TrajectoryDecoder
from lebm_trajectories.prediction import controlled_means, futures

__all__ = ["Steering", "wasserstein"]

HALVINGS = 20


class Steering:
    """The agents of a split and their futures, drawn freely or under a control.

    Paths are (n, k, predicted, 2) in the coordinates and the unit of the recording: means of
    p(x | z, past), as in the other metrics.

    Args:
        evaluation: of a model of trajectories whose classes are `BEHAVIOURS`.
        draws: k.
        goal_sd: standard deviation about a goal, metres.

    Raises:
        UsageError: for other data or another decoder.
    """

    def __init__(self, evaluation: Evaluation, draws: int, goal_sd: float) -> None:
        self.data = evaluation.need(TrajectoryDataset, "trajectories.control")
        self.split = evaluation.split
        if tuple(self.data.classes) != BEHAVIOURS:
            raise UsageError('The metric trajectories.control needs data.classes = "behaviour".')
        if not isinstance(evaluation.model.decoder, TrajectoryDecoder):
            kind = type(evaluation.model.decoder).__name__
            raise UsageError(f"trajectories.control needs the decoder trajectories, not {kind}.")
        self.model, self.decoder = evaluation.model, evaluation.model.decoder
        self.generator, self.seed, self.draws = evaluation.generator, evaluation.seed, draws
        self.windows, self.options = self.data.windows[self.split], self.data.options
        self.unit, self.usual = self.data.unit, self.data.scale / STEPS_OF_SCALE
        self.metre = self.data.metre
        self.close = CLOSE * self.metre
        self.goal_sd = goal_sd * self.metre / self.data.scale
        self.classes = self.model.prior.n_classes > 0
        self._free: dict[tuple[int, ...], Tensor] = {}

    # --- agents ---

    def choose(self, n: int) -> Tensor:
        """Choose rows of n agents at random, or of all."""
        return subset(self.data.length(self.split), n, self.seed)

    def known(self, y: int, n: int) -> Tensor:
        """Choose rows of n agents whose real behaviour is y, or of all such agents."""
        assert self.windows.y is not None
        rows = (self.windows.y == y).nonzero().squeeze(1)
        return rows[subset(len(rows), n, self.seed)]

    def past(self, rows: Tensor) -> Tensor:
        """Return (n, observed, 2)."""
        return self.windows.positions[rows, : self.options.observed]

    def real(self, rows: Tensor) -> Tensor:
        """Return (n, predicted, 2)."""
        return self.windows.positions[rows, self.options.observed :]

    def truth(self, rows: Tensor) -> Tensor:
        """Return the class of each real track."""
        assert self.windows.y is not None
        return self.windows.y[rows]

    def pace(self, rows: Tensor) -> Tensor:
        """Compute the mean step of each past, in usual steps."""
        pace: Tensor = self.past(rows).diff(dim=1).norm(dim=-1).mean(1) / self.usual
        return pace

    def admits(self, rows: Tensor) -> Tensor:
        """Find which classes the track as a whole can still have, (n, 4)."""
        return admitted(self.past(rows), self.options.length, self.usual)

    def goals(self, rows: Tensor, metres_aside: float | None = None) -> Tensor:
        """Return each agent's true end, or a point to the left of where constant velocity ends."""
        if metres_aside is None:
            return self.real(rows)[:, -1]
        there = self.data.local(self.split, self.past(rows), rows)
        end = self.options.predicted * (there[:, -1] - there[:, -2])  # last seen at the origin
        end[:, 1] += metres_aside * self.metre / self.data.scale
        return self.data.world(self.split, end, rows)

    # --- draws ---

    def drawn(self, rows: Tensor) -> Tensor:
        """Draw futures without control."""
        return futures(self.model, self.data, self.split, rows, self.draws, self.generator)

    def free(self, rows: Tensor) -> Tensor:
        """Draw futures without control, once: the same draws each time."""
        key = tuple(rows.tolist())
        if key not in self._free:
            self._free[key] = self.drawn(rows)
        return self._free[key]

    def behaving(self, rows: Tensor, y: int, strength: float) -> Tensor:
        """Draw futures under a behaviour."""
        return self._under(rows, strength, lambda part: [ClassIs(y, strength=strength)])

    def heading_for(self, rows: Tensor, goals: Tensor, strength: float) -> Tensor:
        """Draw futures towards a goal of each agent, (n, 2)."""
        local = self.data.local(self.split, goals[:, None], rows).squeeze(1)
        return self._under(
            rows, strength,
            lambda part: [
                goal_control(self.decoder, local[part], self.draws, self.goal_sd, strength)
            ],
        )  # fmt: skip

    def _under(
        self, rows: Tensor, strength: float, controls: Callable[[Tensor], Sequence[Control]]
    ) -> Tensor:
        if not strength:
            return self.free(rows)
        context = self.data.batch(self.split, rows).context
        assert context is not None
        paths = controlled_means(self.model, context, self.draws, controls, self.generator)
        return self.data.world(self.split, paths, rows)

    # --- measures ---

    def whole(self, rows: Tensor, paths: Tensor) -> Tensor:
        """Join past and path, (n k, observed + predicted, 2)."""
        before = self.past(rows)[:, None].expand(-1, paths.shape[1], -1, -1)
        return torch.cat([before, paths], 2).flatten(0, 1)

    def classified(self, rows: Tensor, paths: Tensor) -> Tensor:
        """Classify each track as a whole, (n, k), by the rule that labels real tracks."""
        return behaviour(self.whole(rows, paths), self.usual).view(paths.shape[:2])

    def colliding(self, rows: Tensor, paths: Tensor) -> Tensor:
        """Find whether a path comes close to where another of its window really went, (n, k).

        One agent is controlled and the others follow their real paths, so that the effect of the
        control is separate from errors about the others.
        """
        result = torch.zeros(paths.shape[:2])
        for i, row in enumerate(rows.tolist()):
            others = self.windows.group == self.windows.group[row]
            others[row] = False
            real = self.windows.positions[others, self.options.observed :]
            away = (paths[i, :, None] - real).norm(dim=-1)  # (k, others, predicted)
            result[i] = (away < self.close).flatten(1).any(1).float()
        return result

    def nll(self, rows: Tensor, paths: Tensor) -> Tensor:
        """Compute the negative log-density of paths under the model's uncontrolled mixture, (n,).

        The mean over steps and draws, each step cut at 20 nats, lengths in the recording's unit.
        """
        middle = self.data.local(self.split, self.free(rows), rows)
        made = self.data.local(self.split, paths, rows)
        sigma = sigma_of(self.model)
        each = [mixture_log(middle, made[:, j], sigma) for j in range(made.shape[1])]
        log_p = torch.stack(each, 1) - 2 * math.log(self.data.scale)
        return -log_p.clamp(min=MIN_LOG).mean((1, 2))

    def speeds(self, rows: Tensor, paths: Tensor) -> Tensor:
        """Compute the lengths of all steps of the futures, flat."""
        start = self.past(rows)[:, None, -1:].expand(-1, paths.shape[1], -1, -1)
        lengths: Tensor = torch.cat([start, paths], 2).diff(dim=2).norm(dim=-1).flatten()
        return lengths

    def turnings(self, rows: Tensor, paths: Tensor) -> Tensor:
        """Compute the turning of tracks as a whole, degrees, flat; NaN where there is none."""
        return turning(self.whole(rows, paths), self.usual).rad2deg()

    def distances(self, rows: Tensor, paths: Tensor) -> tuple[float, float]:
        """Compute Wasserstein distances of speeds and of turnings from the real futures' ones."""
        real = self.real(rows)[:, None]
        speed, turn = (
            wasserstein(of(rows, paths), of(rows, real)) for of in (self.speeds, self.turnings)
        )
        return speed, turn

    def floor(self, rows: Tensor) -> tuple[float, float]:
        """Compute the same distances between two halves of the agents' real futures.

        The mean of 20 halvings approximates the distances of draws of the true distribution.
        """
        random, distances = torch.Generator().manual_seed(self.seed), []
        for _ in range(HALVINGS):
            order = rows[torch.randperm(len(rows), generator=random)]
            halves = [(half, self.real(half)[:, None]) for half in order.chunk(2)]
            distances.append(
                [wasserstein(*(of(*h) for h in halves)) for of in (self.speeds, self.turnings)]
            )
        speed, turn = torch.tensor(distances).nanmean(0).tolist()
        return speed, turn


def wasserstein(a: Tensor, b: Tensor) -> float:
    """Compute the distance of two samples of numbers, NaN left out; NaN where nothing is left."""
    a, b = a[a.isfinite()], b[b.isfinite()]
    if not len(a) or not len(b):
        return math.nan
    return float(wasserstein_distance(a.numpy(), b.numpy()))
