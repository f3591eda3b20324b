"""Uses an installed lebm-strange in a process of its own: FOLDER begin, then FOLDER rest.

"begin" is killed in the middle of a training; "rest" resumes it, does everything else, and writes
facts.json.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

KILLED_AT = 23  # steps, between the checkpoints at 20 and at 25


def begin(folder: Path) -> None:
    from lebm_strange.rules import Contrastive

    from lebm_core import run_recipe

    step, calls = Contrastive.__call__, itertools.count(1)

    def killed(self: Contrastive, *args: Any, **options: Any) -> Any:
        if next(calls) == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, *args, **options)

    Contrastive.__call__ = killed
    run_recipe("strange-data", "", out=folder / "broken")


def rest(folder: Path) -> None:
    import numpy as np
    from safetensors.torch import load_file

    from lebm_core import run_recipe
    from lebm_core.contracts import check_all
    from lebm_core.run.cli import main

    resumed = run_recipe("strange-data", "", out=folder / "broken", resume=True)
    whole = run_recipe("strange-data", "", out=folder / "whole")
    latent = run_recipe("strange-latent", "smoke", out=folder / "latent")
    first, second = (load_file(run.folder / "model/model.safetensors") for run in (resumed, whole))
    facts: dict[str, Any] = {
        "same weights": all(bool((first[name] == second[name]).all()) for name in second),
        "results": {
            name: {row: sorted(values) for row, values in run.results.items()}
            for name, run in (("data", whole), ("latent", latent))
        },
        "models": [
            type(model).__name__ + " " + type(model.prior).__name__
            for model in (whole.model, latent.model, latent.baseline("tilted").model)
        ],
        "distance": {},
    }
    for run in (whole, latent):
        for name, words in (("plain", []), ("near", ["--control", "near=1,0"])):
            file = folder / f"{run.folder.name}-{name}.csv"
            assert main(["sample", str(run.folder), "-n", "200", "--out", str(file), *words]) == 0
            x = np.loadtxt(file, delimiter=",")
            away = np.linalg.norm(x - np.array([1.0, 0.0]), axis=1).mean()
            facts["distance"][file.stem] = float(away)
    facts["unchecked"] = check_all("strange", examples={"near": "1,0"})
    (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    {"begin": begin, "rest": rest}[sys.argv[2]](Path(sys.argv[1]))
