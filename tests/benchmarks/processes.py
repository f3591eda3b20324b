"""Training by one and by two processes: seconds for an epoch, and the ratio.

    python tests/benchmarks/processes.py image-digits molecule-qm9 --steps 60

Each recipe is trained for so many steps, preset `cpu`, without baselines and metrics, by one
process and by two of `torch.distributed`, which average their gradients; each process has one
thread, so that two cores are enough. Seconds are of the clock on the wall, of training alone, the
least of `--repeats`: meant for a machine with nothing else running.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LAUNCHER = ("-m", "torch.distributed.run", "--standalone")
NOTHING_ELSE = ("evaluation.metrics=[]", "evaluation.baselines=[]", "evaluation.chains=0")


def trained(recipe: str, steps: int, processes: int, folder: Path) -> dict[str, Any]:
    """What one run says of its training: seconds, steps, epochs, processes."""
    launcher = (*LAUNCHER, f"--nproc-per-node={processes}") if processes > 1 else ()
    subprocess.run(
        [
            sys.executable, *launcher, "-m", "lebm_core", "recipe", recipe, "--preset", "cpu",
            "--jobs", "1", "--out", str(folder), f"training.max_steps={steps}", *NOTHING_ELSE,
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())["training"]["model"]
    if found["processes"] != processes:
        raise SystemExit(f"{recipe} was trained by {found['processes']} processes: {folder}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", nargs="+")
    parser.add_argument("--steps", type=int, default=100, help="of one process; two make half")
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    print("| recipe | one process, s an epoch | two | ratio |\n|---|---|---|---|")
    for recipe in given.recipe:
        times = []
        for processes in (1, 2):
            with tempfile.TemporaryDirectory() as made:
                runs = [
                    trained(recipe, given.steps // processes, processes, Path(made) / str(i))
                    for i in range(given.repeats)
                ]
            # An epoch is the same examples for both: so much of one was done in the seconds.
            times.append(min(run["seconds"] / run["epochs"] for run in runs))
        one, two = times
        print(f"| {recipe} | {one:.1f} | {two:.1f} | {one / two:.2f} |", flush=True)


if __name__ == "__main__":
    main()
