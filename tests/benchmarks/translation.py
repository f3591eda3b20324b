"""Translate images of one texture into another: chains of the target's energy from the source.

    python tests/benchmarks/translation.py RUN --texture grass --figure FILE.png

RUN is of `ebm-textures`; the source is the test part of another picture. For each number of steps
it prints how far the log spectrum is from that of the target's test crops and of the source's, and
the correlation of each image with its source (`--figure`: a row for each number of steps).
Source: Zhao, Xie and Li, "Learning Energy-Based Generative Models via Coarse-to-Fine Expanding and
Sampling", ICLR 2021.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from lebm_core.run.artifacts import load_model
from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load
from lebm_energies.metrics.texture import spectrum
from lebm_images.pictures import sheet, to_uint8

SHOWN = 8


def apart(x: Tensor, y: Tensor) -> float:
    """Root mean square difference of the logarithms of the mean spectra of images."""
    return float((spectrum(x).log() - spectrum(y).log()).square().mean().sqrt())


def correlation(x: Tensor, y: Tensor) -> float:
    """The mean correlation of images with others, each with its own."""
    a, b = (each.flatten(1) - each.flatten(1).mean(1, keepdim=True) for each in (x, y))
    return float(torch.nn.functional.cosine_similarity(a, b).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--texture", default="grass", help="of the source, or a picture's path")
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 30, 100, 400])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load(given.run / "recipe.toml")
    target = build_dataset(recipe, None)
    source = build_dataset(
        load(given.run / "recipe.toml", overrides=[f"data.texture={given.texture}"]), None
    )
    model: Any = load_model(given.run)
    rows = torch.arange(given.images)
    wanted, x = (cast(Tensor, each.batch("test", rows).x) for each in (target, source))
    own = cast(Any, model.prior.sampler)
    generator = torch.Generator().manual_seed(0)
    shown = [x[:SHOWN]]
    print(
        "| steps | to the target | to the source | correlation with the source |\n|---|---|---|---|"
    )
    for steps in (0, *given.steps):
        chain = own.replaced(steps=steps)
        now = model.translate(x, sampler=chain, generator=generator) if steps else x
        print(
            f"| {steps} | {apart(now, wanted):.2f} | {apart(now, x):.2f} "
            f"| {correlation(now, x):.2f} |",
            flush=True,
        )
        if steps:
            shown.append(now[:SHOWN])
    noise = model.sample(given.images, generator=generator)
    print(
        f"| samples | {apart(noise, wanted):.2f} | {apart(noise, x):.2f} "
        f"| {correlation(noise, x):.2f} |"
    )
    if given.figure is not None:
        sheet(to_uint8(torch.cat([*shown, wanted[:SHOWN]])), given.figure)


if __name__ == "__main__":
    main()
