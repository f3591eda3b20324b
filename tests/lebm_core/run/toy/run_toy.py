"""Runs the toy recipe as a command would: run_toy.py RECIPE OUT [--resume] [key=value ...]"""

import importlib.metadata
import sys

import lebm_core.registry
from lebm_core.errors import LebmError

point = importlib.metadata.EntryPoint("toy", "lebm_toy", "lebm")
found = lebm_core.registry.Registry([point])
lebm_core.registry.discover = lambda: found

if __name__ == "__main__":
    from lebm_core.run.run import run_recipe

    recipe, out, *rest = sys.argv[1:]
    resume = "--resume" in rest
    try:
        run_recipe(
            recipe, "", [word for word in rest if "=" in word], out=out, resume=resume
        )
    except LebmError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
