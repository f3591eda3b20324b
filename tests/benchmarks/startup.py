"""What the command line costs before it works: startup.py LEBM measures, prints and checks it.

`lebm --help` may take 0.3 s of wall time, `lebm recipe NAME --show` 1 s of processor time (the
best of five runs each).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

LIMITS = {
    ("--help",): ("wall", 0.3),
    ("recipe", "text-ptb", "--show"): ("processor", 1.0),
    ("recipe", "control-molecules", "--preset", "smoke", "--show"): ("processor", 1.0),
    ("data",): ("processor", 1.0),
}
RUNS = 5


def cost(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of one run."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(lebm: str) -> int:
    """Measure each command; 1 where one is over its limit."""
    over = 0
    for words, (what, limit) in LIMITS.items():
        runs = [cost([lebm, *words]) for _ in range(RUNS)]
        wall, processor = (min(each) for each in zip(*runs, strict=True))
        took = wall if what == "wall" else processor
        over += took > limit
        mark = "" if took <= limit else f"  OVER its limit of {limit} s"
        said = f"{wall:.2f} s wall, {processor:.2f} s processor{mark}"
        print(f"lebm {' '.join(words)}: {said}", flush=True)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
