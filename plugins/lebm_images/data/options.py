"""Options that several data sets of images share: keys of a recipe's [data]."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BenchmarkOptions", "OwnImageOptions"]


@dataclass(frozen=True)
class BenchmarkOptions:
    """How the published training images are used.

    Attributes:
        valid: training images kept to choose by
        train_images: use only so many training images; 0 for all
    """

    valid: int = 5000
    train_images: int = 0


@dataclass(frozen=True)
class OwnImageOptions:
    """How the user's own images are read and split.

    Attributes:
        channels: 1 (grey) or 3
        side: to which the centre square of each image is scaled
        valid: share of the images to choose by, where no split is for that
        test: share of the images to judge by, where no split is for that
    """

    channels: int = 3
    side: int = 64
    valid: float = 0.1
    test: float = 0.1
