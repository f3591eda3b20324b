"""Time and memory of lebm against the size of everything: a table, and plots.

    python tests/benchmarks/scaling.py --parts parts --figure docs/results/scaling.png

Each size runs in a process of its own, on one thread; its time is the processor's, the least of
two, and its memory the most that the process held, less what it held before the work. Both are
fitted by size^k over all sizes by least squares in logarithms, and between the last two sizes,
where what is paid once no longer counts. A part that was measured stands in --parts and is not
measured again.
"""

from __future__ import annotations

import argparse
import atexit
import csv
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

TOP = Path(__file__).parents[2]
Work = Callable[[], object]


class Axis(NamedTuple):
    """One size that grows.

    Attributes:
        what: is measured.
        of: what the sizes count.
        sizes: measured.
        prepare: size -> the work.
    """

    what: str
    of: str
    sizes: Sequence[int]
    prepare: Callable[[int], Work]


def prior_chain(d: int = 32, n: int = 500, steps: int = 40, classes: int = 0) -> Work:
    """A Langevin chain on a tilted prior."""
    import torch

    from lebm_core import CoupledPrior, EBMPrior, Langevin

    torch.set_num_threads(1)
    torch.manual_seed(0)
    prior = CoupledPrior(d, classes) if classes else EBMPrior(d)
    start = torch.randn(n, d)
    return lambda: prior.sample(n, start=start, sampler=Langevin(steps, 0.1))


def tempering(temperatures: int) -> Work:
    import torch

    from lebm_core import EBMPrior
    from lebm_core.chains.tempering import Tempering

    torch.set_num_threads(1)
    torch.manual_seed(0)
    prior, start = EBMPrior(32), torch.randn(500, 32)
    return lambda: prior.sample(500, start=start, sampler=Tempering(20, 0.2, temperatures))


def posterior(sentences: int) -> Work:
    """Five posterior steps of sentences of 20 words."""
    import torch

    from lebm_core import Batch, EBMPrior, LatentEBM, SequenceDecoder, ShortRun

    torch.set_num_threads(1)
    torch.manual_seed(0)
    decoder = SequenceDecoder(32, 2000, embed_dim=128, hidden=128)
    inference = ShortRun({"steps": 5, "step_size": 0.1})
    model = LatentEBM(EBMPrior(32), decoder, None, inference).eval()
    x = torch.randint(3, 2000, (sentences, 20))
    x[:, -1] = 2
    return lambda: model.posterior(Batch(x).x)


def rows_on_disk(rows: int) -> Work:
    """A table of 8 numbers, prepared and read for one epoch; all that is held is a batch."""
    from lebm_core.data.files import DataFiles
    from lebm_core.registry.parts import arguments
    from lebm_core.registry.registry import registry

    atexit.register(shutil.rmtree, folder := Path(tempfile.mkdtemp()))
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    draw = np.random.default_rng(0)

    def written(n: int) -> Path:
        path = folder / f"{n}.csv"
        with path.open("w", newline="") as out:
            csv.writer(out).writerow([f"n{i}" for i in range(8)])
            for first in range(0, n, 10_000):
                block = draw.normal(size=(min(10_000, n - first), 8))
                np.savetxt(out, block, fmt="%.4f", delimiter=",")
        return path

    def epoch(source: Path) -> None:
        factory = registry().get("datasets", "tabular.file")
        table = {"source": str(source), "label": "", "keep": "disk"}
        given = arguments(factory, table, {"files": DataFiles(), "seed": 0}, "data")
        for batch in factory(**given).batches("train", 1024):
            float(batch.x.sum())

    epoch(written(100))  # what is loaded once
    source = written(rows)
    return lambda: epoch(source)


AXES = {
    "batch": Axis("prior chain, 40 steps, d = 32", "chains", [100, 1000, 10_000, 30_000],
                  lambda n: prior_chain(n=n)),
    "latent-dim": Axis("prior chain, 40 steps, 500 chains", "dimensions of z",
                       [8, 32, 128, 512, 1024], lambda d: prior_chain(d=d)),
    "steps": Axis("prior chain, d = 32, 500 chains", "steps", [20, 80, 320],
                  lambda k: prior_chain(steps=k)),
    "classes": Axis("coupled prior's chain, 40 steps, 500 chains", "classes",
                    [2, 10, 100, 1000], lambda c: prior_chain(classes=c)),
    "temperatures": Axis("tempering, 20 steps, 500 chains", "temperatures", [2, 4, 8],
                         tempering),
    "sentences": Axis("posterior of text, 5 steps", "sentences", [16, 64, 256, 1024], posterior),
    "rows": Axis('a .csv, data.keep = "disk", prepared and read once', "rows",
                 [10**3, 10**4, 10**5, 10**6, 10**7], rows_on_disk),
}  # fmt: skip


def peak() -> float:
    """The most memory of this process until now, MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(axis: str, size: int, repeats: int = 2) -> dict[str, float]:
    """Measure in this process."""
    work = AXES[axis].prepare(size)
    before, times = peak(), []
    for _ in range(1 if axis == "rows" else repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return {"seconds": min(times), "memory": peak() - before, "peak": peak()}


def measured(axis: str, size: int, parts: Path) -> dict[str, float]:
    """From the parts, or measured now."""
    kept = parts / f"{axis}-{size}.json"
    if not kept.is_file():
        command = [sys.executable, __file__, "--one", axis, str(size)]
        kept.write_text(subprocess.check_output(command, text=True))
        print(f"{axis} {size:,}: {kept.read_text().strip()}", flush=True)
    found: dict[str, float] = json.loads(kept.read_text())
    return found


def exponent(sizes: Sequence[int], values: Sequence[float], least: float) -> str:
    """The fitted power of the size; "flat" where the values stay below what can be told."""
    if max(values) < least:
        return "flat"
    usable = [(n, v) for n, v in zip(sizes, values, strict=True) if v > 0]
    x, y = np.log([n for n, _ in usable]), np.log([v for _, v in usable])
    last = (y[-1] - y[-2]) / (x[-1] - x[-2])
    return f"{float(np.polyfit(x, y, 1)[0]):.2f}, {last:.2f}"


def plots(found: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Time and memory, one panel for each size that grows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = 4
    figure, axes = pyplot.subplots(
        math.ceil(len(found) / columns), columns, figsize=(11, 5), squeeze=False
    )
    for each in axes.flat[len(found) :]:
        each.set_axis_off()
    for place, (name, values) in zip(axes.flat, found.items(), strict=False):
        sizes = AXES[name].sizes
        place.loglog(sizes, [v["seconds"] for v in values], "o-", color="C0", ms=3)
        place.set_title(AXES[name].what, fontsize=7)
        place.set_xlabel(AXES[name].of, fontsize=7)
        place.set_ylabel("seconds", fontsize=7, color="C0")
        twin = place.twinx()
        twin.loglog(sizes, [max(v["memory"], 0.1) for v in values], "s--", color="C1", ms=3)
        twin.set_ylabel("MB", fontsize=7, color="C1")
        for side, key in ((place, "seconds"), (twin, "memory")):
            shown = [max(v[key], 0.1) if key == "memory" else v[key] for v in values]
            side.set_ylim(10 ** math.floor(math.log10(min(shown))),
                          10 ** math.ceil(math.log10(max(shown))))  # fmt: skip
            side.tick_params(labelsize=6)
            side.minorticks_off()
        place.set_xticks(sizes, [f"{n:.0e}" if n > 9999 else f"{n:,}" for n in sizes])
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def table(found: dict[str, list[dict[str, float]]]) -> list[str]:
    lines = [
        "| what | sizes | seconds | exponent: all, last two | memory, MB | exponent |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in found.items():
        axis = AXES[name]
        seconds, memory = ([v[key] for v in values] for key in ("seconds", "memory"))
        cells = [
            axis.what, f"{', '.join(f'{n:,}' for n in axis.sizes)} {axis.of}",
            ", ".join(f"{v:.3g}" for v in seconds), exponent(axis.sizes, seconds, 0.0),
            ", ".join(f"{v:.0f}" for v in memory), exponent(axis.sizes, memory, 30.0),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", type=Path, default=Path("scaling-parts"))
    parser.add_argument("--only", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--figure", type=Path, help="write the plots here")
    parser.add_argument("--one", nargs=2, metavar=("AXIS", "SIZE"))
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], int(given.one[1]))))
        return
    given.parts.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, float]]] = {
        name: [measured(name, size, given.parts) for size in AXES[name].sizes]
        for name in given.only
    }
    print("\n".join(table(found)))
    if given.figure is not None:
        plots(found, given.figure)


if __name__ == "__main__":
    main()
