"""Uses an installed lebm-strange: FOLDER, where facts.json is written.

A process of its own is killed in the middle of a training; this one resumes it, and does everything
else.
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


FEW = ["evaluation.metrics=[]", "evaluation.baselines=[]"]


def begin(folder: Path) -> None:
    from lebm_strange.rules import Contrastive

    from lebm_core import run_recipe

    step, calls = Contrastive.__call__, itertools.count(1)

    def end(self: Contrastive, *args: Any, **options: Any) -> Any:
        if next(calls) == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, *args, **options)

    Contrastive.__call__ = end
    run_recipe("strange-data", "", FEW, out=folder / "broken")


def killed(folder: Path) -> int:
    """Begin in another process; its exit code."""
    import torch._dynamo  # noqa: F401  (what both need is imported once)

    import lebm_core.run.run  # noqa: F401

    child = os.fork()
    if not child:
        begin(folder)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def use(folder: Path) -> None:
    import numpy as np
    from safetensors.torch import load_file

    from lebm_core import run_recipe
    from lebm_core.contracts import check_all
    from lebm_core.run.cli import main

    code = killed(folder)
    kept = sorted(p.name for p in (folder / "broken/checkpoints").glob("step-*"))
    resumed = run_recipe("strange-data", "", FEW, out=folder / "broken", resume=True)
    whole = run_recipe("strange-data", "", out=folder / "whole")
    latent = run_recipe("strange-latent", "smoke", ["training.epochs=4"], out=folder / "latent")
    first, second = (load_file(run.folder / "model/model.safetensors") for run in (resumed, whole))
    facts: dict[str, Any] = {
        "killed": [code, kept[-1]],
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
    use(Path(sys.argv[1]))
