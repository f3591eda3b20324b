"""Prior "class-mixture": a Gaussian of z for each class; any decoder is then given a class."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core import Prior
from lebm_core.base.checks import positive, whole
from lebm_core.base.randomness import randint, standard_normal
from lebm_core.errors import UsageError
from lebm_core.priors.coupled import class_ids

__all__ = ["ClassMixture"]

MOST_CLASSES, MOST_DIMENSIONS = 10_000, 100_000


class ClassMixture(Prior):
    """A fixed prior of a class and a code, normalised exactly: y uniform, z given y Gaussian.

    The first C - 1 numbers of z are N(scale v_y, width^2 I), with v_y the C corners of a regular
    simplex of radius 1, and the others N(0, I), whatever the class. With p0 = N(0, diag(width^2,
    1)) the coupling is linear: F_y(z) = (scale v_y . z - scale^2 / 2) / width^2 - log C, and
    log Z = 0.

    Args:
        latent_dim: dimension d of z, at least one less than the number of classes.
        n_classes: C, at least 2; of a recipe, by default those of the data.
        scale: distance of the mean of a class from 0.
        width: standard deviation of the first C - 1 numbers; classes overlap where it is not far
            below scale.

    Raises:
        UsageError: for fewer than two classes, or fewer dimensions than classes.
    """

    normalised = True

    def __init__(
        self, latent_dim: int = 32, n_classes: int = 0, scale: float = 2.0, width: float = 0.25
    ) -> None:
        super().__init__()
        whole("prior.latent_dim", latent_dim, 0, MOST_DIMENSIONS)
        if whole("prior.n_classes", n_classes, 0, MOST_CLASSES) < 2:
            raise UsageError(f"A mixture of classes needs at least 2 of them, not {n_classes}.")
        if latent_dim < n_classes - 1:
            raise UsageError(
                f"prior.latent_dim = {latent_dim} is too small for the corners of {n_classes} "
                f"classes; use at least {n_classes - 1}."
            )
        positive("prior.scale", scale)
        positive("prior.width", width)
        self.latent_dim, self.n_classes = latent_dim, n_classes
        self.scale, self.width = scale, width
        std = torch.ones(latent_dim)
        std[: n_classes - 1] = width
        self.register_buffer("std", std, persistent=False)
        means = torch.zeros(n_classes, latent_dim)
        means[:, : n_classes - 1] = scale * simplex(n_classes)
        self.register_buffer("means", means, persistent=False)

    std: Tensor
    means: Tensor

    @property
    def reference(self) -> Independent[Normal]:
        return Independent(Normal(torch.zeros_like(self.std), self.std, validate_args=False), 1)

    def logits(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """F(z), (B, C): log p(y, z) - log p0(z)."""
        return (z @ self.means.T - self.scale**2 / 2) / self.width**2 - math.log(self.n_classes)

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        logits = self.logits(z)
        ids = class_ids(y, len(z), self.n_classes, z.device)
        return logits.logsumexp(-1) if ids is None else logits.gather(1, ids[:, None]).squeeze(1)

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n draws of z, (n, d); of the classes y where they are given, else of any."""
        ids = class_ids(y, n, self.n_classes, self.std.device)
        if ids is None:
            ids = randint(self.n_classes, n, self.std, generator)
        return self.means[ids] + self.draw_reference(n, generator)

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self.std * standard_normal((n, self.latent_dim), self.std, generator)


def simplex(corners: int) -> Tensor:
    """The corners of a regular simplex of radius 1 about 0, (C, C - 1), by Helmert's contrasts."""
    rows = torch.arange(1, corners)[:, None]
    columns = torch.arange(corners)[None]
    contrasts = (columns < rows).double() - rows * (columns == rows)
    unit = contrasts / (rows * (rows + 1)).sqrt()
    found: Tensor = unit.T * (corners / (corners - 1)) ** 0.5
    return found.float()
