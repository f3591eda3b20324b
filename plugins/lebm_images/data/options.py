"""Options that several data sets of images share: keys of a recipe's [data]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lebm_core.base.checks import WIDEST, whole
from lebm_core.errors import UsageError
from lebm_images.data.ranges import asked_range

__all__ = ["BenchmarkOptions", "OwnImageOptions", "Size"]

LARGEST = 64  # side that is chosen without being asked for
Size = tuple[int, int]  # width and height


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
        channels: 1 (grey) or 3; 0 for grey where all images are
        side: to which the centre square of each image is scaled; 0 for that of the images, at most
            64
        valid: share of the images to choose by, where no split is for that
        test: share of the images to judge by, where no split is for that
        low: the pixel value of black; none to tell it from the images
        high: the pixel value of white; none to tell it from the images
    """

    channels: int = 0
    side: int = 0
    valid: float = 0.1
    test: float = 0.1
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.channels not in (0, 1, 3):
            raise UsageError(
                f"data.channels = {self.channels} must be 1 (grey) or 3, or 0 to tell it from the "
                "images."
            )
        whole("data.side", self.side, 0, WIDEST)
        asked_range(self.low, self.high)

    def chosen(self, sizes: Iterable[Size], grey: bool) -> OwnImageOptions:
        """The same with what is left to the images told from them.

        Args:
            sizes: width and height of each.
            grey: none of them has a pixel of colour.
        """
        largest = max(min(size) for size in sizes)
        return replace(
            self,
            channels=self.channels or (1 if grey else 3),
            side=self.side or min(LARGEST, largest),
        )

    def described(self, sizes: Iterable[Size]) -> str:
        """Say what images of these sizes become, such as "28 x 28, grey"."""
        told = f"{self.side} x {self.side}, {'grey' if self.channels == 1 else 'colour'}"
        other = sorted(set(sizes) - {(self.side, self.side)})
        if not other:
            return told
        first = f"{other[0][0]} x {other[0][1]}"
        return f"{told}, scaled from {first if len(other) == 1 else f'{len(other)} other sizes'}"
