"""Eight Gaussians, rings and the pinwheel: points of the plane whose density is known exactly."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.data.splits import SplitCounts
from lebm_tabular.view import PlaneView

__all__ = [
    "EightGaussians",
    "Pinwheel",
    "Rings",
    "Synthetic",
    "eight_gaussians",
    "pinwheel",
    "rings",
]

POINTS = SplitCounts(train=50_000, valid=5_000, test=10_000)


class Synthetic(Dataset):
    """Points drawn once from a known density; x is (B, 2).

    Args:
        sizes_by_split: number of points of each split.
        seed: of the draw.

    Attributes:
        modes: number of modes.
    """

    suffix: ClassVar[str] = ".csv"
    figures: ClassVar[str] = "tabular.densities"
    modes: int

    def __init__(self, sizes_by_split: dict[str, int], seed: int) -> None:
        self.sizes = {"features": 2}
        generator = torch.Generator().manual_seed(seed)
        self.points = {s: self.draw(n, generator) for s, n in sizes_by_split.items()}
        counts = {split: len(x) for split, x in self.points.items()}
        self.summary = {"source": f"simulated: {type(self).__name__}", "counts": counts}

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n points, (n, 2)."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Compute the true log-density, (B,) in nats."""

    @abstractmethod
    def distance(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Find the nearest mode of each point, (B,), and its distance in standard deviations."""

    def length(self, split: str) -> int:
        return len(self.points.get(split, ()))

    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(self.points[split][index], rows=index)

    def view(self) -> PlaneView:
        return PlaneView(self)

    def write(self, x: Tensor, path: Path) -> Path:
        file = path.with_name(path.name + self.suffix)
        lines = ["x1,x2", *(f"{a:.6g},{b:.6g}" for a, b in x.tolist())]
        file.write_text("\n".join(lines) + "\n")
        return file

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "synthetic.json").write_text(json.dumps(self.summary) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls({}, 0)


class EightGaussians(Synthetic):
    """Eight Gaussians of standard deviation 0.177 on a circle of radius 1.414."""

    modes, radius, std = 8, math.sqrt(2), 0.5 / math.sqrt(8)

    @property
    def centres(self) -> Tensor:
        """Means of the modes, (8, 2)."""
        angle = torch.arange(8) * (2 * math.pi / 8)
        return self.radius * torch.stack([angle.cos(), angle.sin()], dim=1)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        mode = torch.randint(8, (n,), generator=generator)
        return self.centres[mode] + self.std * torch.randn(n, 2, generator=generator)

    def log_prob(self, x: Tensor) -> Tensor:
        square = (x[:, None] - self.centres).square().sum(-1)
        each = -0.5 * square / self.std**2 - math.log(2 * math.pi * self.std**2)
        return each.logsumexp(-1) - math.log(8)

    def distance(self, x: Tensor) -> tuple[Tensor, Tensor]:
        d = torch.cdist(x, self.centres)
        nearest = d.argmin(1)
        return nearest, d.gather(1, nearest[:, None]).squeeze(1) / self.std


class Rings(Synthetic):
    """Three rings of radius 0.6, 1.2 and 1.8 and the same share, 0.1 standard deviations thick."""

    modes, radii, std = 3, (0.6, 1.2, 1.8), 0.1

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        ring = torch.randint(self.modes, (n,), generator=generator)
        angle = 2 * math.pi * torch.rand(n, generator=generator)
        radius = torch.tensor(self.radii)[ring] + self.std * torch.randn(n, generator=generator)
        return radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)

    def log_prob(self, x: Tensor) -> Tensor:
        # A radius below 0 is the point opposite; at 6 standard deviations it counts for nothing.
        r = x.norm(dim=1).clamp(min=1e-12)
        away = (r[:, None] - torch.tensor(self.radii)) / self.std
        each = -0.5 * away.square() - math.log(math.sqrt(2 * math.pi) * self.std)
        found: Tensor = each.logsumexp(1) - math.log(self.modes) - (2 * math.pi * r).log()
        return found

    def distance(self, x: Tensor) -> tuple[Tensor, Tensor]:
        away = (x.norm(dim=1)[:, None] - torch.tensor(self.radii)).abs()
        nearest = away.argmin(1)
        return nearest, away.gather(1, nearest[:, None]).squeeze(1) / self.std


class Pinwheel(Synthetic):
    """Five arms: (r, t) with r ~ N(1, 0.3), t ~ N(0, 0.1), turned by the arm's angle + e^r / 4.

    The density of a point sums over the (r, t) of each arm that map to it; the map's Jacobian
    determinant is 1 - t e^r / 4. Points are scaled by `scale`.
    """

    modes, radial, tangential, rate, scale = 5, 0.3, 0.1, 0.25, 1.2
    GRID = 241  # angles at which roots are bracketed

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        arm = torch.randint(5, (n,), generator=generator)
        noise = torch.randn(n, 2, generator=generator)
        r, t = 1 + self.radial * noise[:, 0], self.tangential * noise[:, 1]
        angle = arm * (2 * math.pi / 5) + self.rate * r.exp()
        c, s = angle.cos(), angle.sin()
        return self.scale * torch.stack([c * r - s * t, s * r + c * t], dim=1)

    def _roots(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Find every (r, t) that maps to a row of x: row, arm, r and t, each (R,)."""
        x = x.double() / self.scale
        rho, phi = x.norm(dim=1), torch.atan2(x[:, 1], x[:, 0])
        arms = torch.arange(self.modes) * (2 * math.pi / self.modes)
        grid = torch.linspace(-math.pi, math.pi, self.GRID, dtype=torch.float64)

        def miss(a: Tensor, rho: Tensor, turned: Tensor) -> Tensor:
            """Compute the remaining angle, in (-pi, pi]."""
            turn = turned + self.rate * (rho * a.cos()).exp() + a
            return torch.remainder(turn + math.pi, 2 * math.pi) - math.pi

        value = miss(grid, rho[:, None, None], arms[:, None] - phi[:, None, None])
        low, high = value[..., :-1], value[..., 1:]
        crossed = (low * high <= 0) & ((high - low).abs() < 2)  # not where the angle wraps
        row, arm, k = crossed.nonzero(as_tuple=True)
        low, high, rho, turned = low[crossed], high[crossed], rho[row], arms[arm] - phi[row]
        a = grid[k] + (grid[1] - grid[0]) * low.abs() / (low.abs() + high.abs()).clamp(min=1e-300)
        for _ in range(3):  # Newton
            slope = 1 - self.rate * rho * a.sin() * (rho * a.cos()).exp()
            a = a - (miss(a, rho, turned) / slope).clamp(-0.03, 0.03)
        return row, arm, rho * a.cos(), rho * a.sin()

    def log_prob(self, x: Tensor) -> Tensor:
        parts = []
        constant = math.log(
            2 * math.pi * self.radial * self.tangential * self.modes * self.scale**2
        )
        for part in x.split(500):
            row, _, r, t = self._roots(part)
            jacobian = (1 - self.rate * r.exp() * t).abs()
            each = -0.5 * self._square(r, t) - jacobian.log()
            none = each.new_full((len(part),), -torch.inf)
            most = none.scatter_reduce(0, row, each, "amax")
            total = torch.zeros_like(none).index_add(0, row, (each - most[row]).exp())
            parts.append(most + total.log() - constant)
        return torch.cat(parts).to(x.dtype)

    def distance(self, x: Tensor) -> tuple[Tensor, Tensor]:
        modes, distances = [], []
        for part in x.split(500):
            row, arm, r, t = self._roots(part)
            square = self._square(r, t)
            best = square.new_full((len(part) * self.modes,), torch.inf)
            best = best.scatter_reduce(0, row * self.modes + arm, square, "amin")
            best = best.view(-1, self.modes)
            modes.append(best.argmin(1))
            distances.append(best.amin(1).sqrt())
        return torch.cat(modes), torch.cat(distances).to(x.dtype)

    def _square(self, r: Tensor, t: Tensor) -> Tensor:
        """Compute the squared distance from the middle of the arm in standard deviations."""
        return ((r - 1) / self.radial) ** 2 + (t / self.tangential) ** 2


def eight_gaussians(*, files: Any, seed: int, options: SplitCounts = POINTS) -> EightGaussians:
    """Eight Gaussians on a circle.

    Args:
        files: not used: the points are simulated.
        seed: of the draw.
    """
    return EightGaussians(options.sizes, seed)


def pinwheel(*, files: Any, seed: int, options: SplitCounts = POINTS) -> Pinwheel:
    """A pinwheel of five arms.

    Args:
        files: not used: the points are simulated.
        seed: of the draw.
    """
    return Pinwheel(options.sizes, seed)


def rings(*, files: Any, seed: int, options: SplitCounts = POINTS) -> Rings:
    """Three rings around one centre.

    Args:
        files: not used: the points are simulated.
        seed: of the draw.
    """
    return Rings(options.sizes, seed)
