"""The share of a run's samples that are nowhere near its data: spurious modes of a chain.

Run it by `python tests/benchmarks/spurious.py RUN...`, of recipes of images, row by row.

A sample is spurious where its nearest training image is further than that of any validation image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load
from lebm_images.data.dataset import to_unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    for run in parser.parse_args().runs:
        dataset = build_dataset(load(run / "recipe.toml"), None)
        train, valid = (
            dataset.batch(split, torch.arange(dataset.length(split))).x.flatten(1)
            for split in ("train", "valid")
        )

        def nearest(x: Tensor, train: Tensor = train) -> Tensor:
            return torch.cdist(x, train).min(1).values

        most = nearest(valid).max()
        for folder in (run, *sorted((run / "baselines").iterdir())):
            x = to_unit(torch.from_numpy(np.load(folder / "samples.npz")["x"])).flatten(1)
            distance = nearest(x)
            far = distance > most
            print(
                f"{run.name} {folder.name}: {float(far.float().mean()):.3f} beyond {most:.2f}, "
                f"the others at {float(distance[~far].mean()):.2f}, "
                f"these at {float(distance[far].mean()):.2f}"
            )


if __name__ == "__main__":
    main()
