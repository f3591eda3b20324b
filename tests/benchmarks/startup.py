"""What the command line costs before it works: startup.py LEBM measures and prints it.

`lebm --help` is to take 0.3 s, `lebm recipe NAME --show` 1 s of processor time (the best of five
runs each). What is over is marked; it fails at twice its limit, for machines differ.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

LIMITS = {
    ("--help",): 0.3,
    ("recipe", "text-ptb", "--show"): 1.0,
    ("recipe", "control-molecules", "--preset", "smoke", "--show"): 1.0,
    ("data",): 1.0,
}
RUNS = 5


def cost(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of one run."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(lebm: str) -> int:
    """Measure each command; 1 where one takes twice its limit."""
    over = 0
    for words, limit in LIMITS.items():
        runs = [cost([lebm, *words]) for _ in range(RUNS)]
        wall, processor = (min(each) for each in zip(*runs, strict=True))
        over += processor > 2 * limit
        mark = "" if processor <= limit else f"  (over the {limit} s that it is to take)"
        said = f"{wall:.2f} s wall, {processor:.2f} s processor{mark}"
        print(f"lebm {' '.join(words)}: {said}", flush=True)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
