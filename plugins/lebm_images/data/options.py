"""Options that several data sets of images share: keys of a recipe's [data]."""

from __future__ import annotations

from dataclasses import dataclass

from lebm_core.base.checks import WIDEST, whole
from lebm_core.errors import UsageError
from lebm_images.data.ranges import asked_range

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

    def __post_init__(self) -> None:
        whole("data.train_images", self.train_images)


@dataclass(frozen=True)
class OwnImageOptions:
    """How the user's own images are read and split.

    Attributes:
        channels: 1 (grey) or 3
        side: to which the centre square of each image is scaled
        valid: share of the images to choose by, where no split is for that
        test: share of the images to judge by, where no split is for that
        low: the pixel value of black; none to tell it from the images
        high: the pixel value of white; none to tell it from the images
    """

    channels: int = 3
    side: int = 64
    valid: float = 0.1
    test: float = 0.1
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise UsageError(f"data.channels = {self.channels} must be 1 or 3.")
        whole("data.side", self.side, 1, WIDEST)
        asked_range(self.low, self.high)
