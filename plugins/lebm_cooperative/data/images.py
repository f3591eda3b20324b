"""Data sets "cooperative.digit-edges" and "cooperative.fonts": images of two domains."""

from __future__ import annotations

import string
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from lebm_cooperative.data.domains import DomainData, split_items
from lebm_core.base.checks import at_least, whole
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import UsageError

__all__ = ["digit_edges", "edges", "fonts", "letters"]

COUNTS = SplitCounts(train=1000, valid=100, test=400)
FONTS = ("DejaVuSans.ttf", "DejaVuSerif.ttf")  # they come with matplotlib
SHIFT = 1.5  # pixels of 16, by which letters are moved


def edges(x: Tensor) -> Tensor:
    """The known map A -> B: the size of the gradient, (n, 1, S, S) in [-1, 1].

    Central differences of the grey levels, which are 0 beyond the image; the largest possible is
    at 1.
    """
    ink = pad((x + 1) / 2, (1, 1, 1, 1))
    across = torch.tensor([[[[-0.5, 0.0, 0.5]]]])
    dx = conv2d(ink[:, :, 1:-1], across)
    dy = conv2d(ink[:, :, :, 1:-1], across.transpose(2, 3))
    return 2 * (dx.square() + dy.square()).mul(2).sqrt().clamp(max=1) - 1


def digit_edges(
    *, files: Any, seed: int, valid: int = 97, test: int = 300, side: int = 8, paired: bool = False
) -> DomainData:
    """scikit-learn's handwritten digits (A) and their edges (B) by a fixed filter.

    Half of the training digits are seen as digits, and the edges of the others. The filter has no
    exact inverse: where a stroke is one pixel wide its middle has no gradient.

    Args:
        files: not used: scikit-learn carries the images.
        seed: of the split.
        valid: pairs to choose by
        test: pairs to judge by
        side: pixels of a side, 8 to 16
        paired: pair the training examples, for regression

    Raises:
        UsageError: for sizes that are not possible.
    """
    from sklearn.datasets import load_digits

    whole("data.side", side, 8, 16)
    whole("data.valid", valid, 1)
    whole("data.test", test, 1)
    images = torch.from_numpy(load_digits().images)[:, None].float() / 8 - 1
    if (n := (len(images) - valid - test) // 2) < 1:
        raise UsageError(
            f"data.valid = {valid} and data.test = {test} leave none of the {len(images)} images "
            "to train on."
        )
    if side > images.shape[-1]:
        images = interpolate(images, (side, side), mode="bilinear").clamp(-1, 1)
    a = images[torch.from_numpy(np.random.default_rng(seed).permutation(len(images)))]
    pairs = torch.stack([a, edges(a)], dim=1)
    return split_items(
        pairs, {"train": n, "valid": valid, "test": test}, paired=paired,
        source="scikit-learn's digits, and their edges", facts={"kind": "images"},
    )  # fmt: skip


def letters(n: int, side: int, rng: np.random.Generator, tilt: float = 10.0) -> Tensor:
    """n letters in a sans-serif and in a serif font, (n, 2, 1, side, side) in [-1, 1].

    Both of a pair have the same size, place and tilt, drawn at random.

    Args:
        n: how many.
        side: pixels.
        rng: source of all randomness.
        tilt: standard deviation of the turning, degrees.
    """
    from matplotlib import get_data_path
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    alphabet = string.ascii_uppercase + string.ascii_lowercase
    properties = [FontProperties(fname=f"{get_data_path()}/fonts/ttf/{name}") for name in FONTS]
    paths = {
        (c, f): TextPath((0, 0), c, size=1, prop=prop)
        for c in alphabet
        for f, prop in enumerate(properties)
    }
    boxes = {key: path.get_extents() for key, path in paths.items()}
    middles = {key: (box.x0 + box.x1) / 2 for key, box in boxes.items()}
    renderer: Any = cast(Any, RendererAgg)(side, side, 72)
    context = renderer.new_gc()
    x = np.empty((n, 2, 1, side, side), np.float32)
    for i in range(n):
        letter = alphabet[rng.integers(len(alphabet))]
        size, turned = side * rng.uniform(0.75, 0.95), tilt * rng.standard_normal()
        moved = side / 16 * rng.uniform(-SHIFT, SHIFT, 2)
        for f in range(2):
            path = paths[letter, f]
            # The fonts differ in width, not in height.
            place = Affine2D().translate(-middles[letter, f], -0.35).scale(size).rotate_deg(turned)
            place = place.translate(*(side / 2 + moved))
            renderer.clear()
            renderer.draw_path(context, path, place, (0.0, 0.0, 0.0))
            x[i, f, 0] = np.asarray(renderer.buffer_rgba())[..., 3] / 127.5 - 1
    return torch.from_numpy(x)


def fonts(
    *, files: Any, seed: int, options: SplitCounts = COUNTS, side: int = 16, tilt: float = 10.0,
    paired: bool = False,
) -> DomainData:  # fmt: skip
    """Letters in DejaVu Sans (A) and in DejaVu Serif (B), which come with matplotlib.

    Both of a pair have the same letter, size, place and tilt. The densities alone would let
    letters of one frequency change places; networks that look at neighbouring pixels do not.

    Args:
        files: not used: matplotlib carries the fonts.
        seed: of the letters, sizes and places.
        side: pixels of a side
        tilt: standard deviation of the turning of a letter, degrees
        paired: pair the training examples, for regression

    Raises:
        UsageError: for a size or a tilt that is not possible.
    """
    whole("data.side", side, 8, 64)
    at_least("data.tilt", tilt, 0)
    counts = options.sizes
    total = counts["test"] + counts["valid"] + 2 * counts["train"]
    pairs = letters(total, side, np.random.default_rng(seed), tilt)
    source = "generated: letters of DejaVu Sans and DejaVu Serif"
    return split_items(pairs, counts, paired=paired, source=source, facts={"kind": "images"})
