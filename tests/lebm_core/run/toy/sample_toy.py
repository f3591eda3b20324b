"""Draws samples of a toy run in files of 10: RUN OUT N [--resume] [--codes] [--slow]

With the variables of a launcher it is one of its processes. --slow waits after each file.
"""

import importlib.metadata
import sys
import time

import lebm_core.registry.registry
from lebm_core.errors import LebmError

point = importlib.metadata.EntryPoint("toy", "lebm_toy", "lebm")
found = lebm_core.registry.registry.Registry([point])
lebm_core.registry.registry.discover = lambda: found

if __name__ == "__main__":
    from lebm_core.run.reuse import sample_run
    from lebm_core.run.sampling import shards

    run, out, n, *rest = sys.argv[1:]
    if "--slow" in rest:
        write = shards.write_samples
        shards.write_samples = lambda *given: (write(*given), time.sleep(0.2))
    try:
        sample_run(
            run, int(n), out=out, shard=10, codes="--codes" in rest, resume="--resume" in rest,
            progress=print,
        )  # fmt: skip
    except LebmError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
