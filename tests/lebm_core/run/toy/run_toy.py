"""Runs the toy recipe as a command would: RECIPE OUT [--resume] [--jobs] [key=value ...]"""

import importlib.metadata
import sys

import lebm_core.registry.registry
from lebm_core.errors import LebmError

point = importlib.metadata.EntryPoint("toy", "lebm_toy", "lebm")
found = lebm_core.registry.registry.Registry([point])
lebm_core.registry.registry.discover = lambda: found

if __name__ == "__main__":
    from lebm_core.run.run import run_recipe

    recipe, out, *rest = sys.argv[1:]
    resume, jobs = "--resume" in rest, 2 if "--jobs" in rest else 1
    try:
        run_recipe(recipe, "", [w for w in rest if "=" in w], out=out, resume=resume, jobs=jobs)
    except LebmError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
