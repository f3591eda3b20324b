"""Trains on two processes, resumes, and writes what each of them ends with: OUT STEPS ...

Unless a launcher has started both, it is the first and starts the second.
"""

import json
import os
import socket
import sys
from pathlib import Path

import torch
from lebm_toy import ToyData, ToyDecoder, ToyEncoder

from lebm_core.learning.two_part import TwoPart
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.ebm import EBMPrior
from lebm_core.run.training.callbacks import run_callbacks
from lebm_core.run.training.loop import train
from lebm_core.run.training.options import TrainingOptions


def second() -> None:
    """Become two processes, with what a launcher tells each; torch is imported once for both."""
    import torch._dynamo  # noqa: F401  (which every optimizer imports)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rank = "0" if os.fork() else "1"
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": rank, "LOCAL_RANK": rank,
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
    }  # fmt: skip


if __name__ == "__main__":
    if "RANK" not in os.environ:
        second()
    out = Path(sys.argv[1])
    for steps in map(int, sys.argv[2:]):
        torch.manual_seed(0)
        prior = EBMPrior(2, energy={"hidden": [16]}, sampler={"steps": 5})
        model = LatentEBM(prior, ToyDecoder(2, 2), ToyEncoder(2, 2))
        options = TrainingOptions(epochs=9, max_steps=steps, checkpoint_every=3, device="cpu")
        result = train(
            model, ToyData(64, 0), TwoPart(), options, batch_size=16,
            callbacks=run_callbacks(out, options, resume=steps != int(sys.argv[2])),
        )  # fmt: skip
        rank = torch.distributed.get_rank()
        weights = torch.cat([p.flatten() for p in model.parameters()]).tolist()
        facts = {"weights": weights, "steps": result.steps, "processes": result.processes}
        (out / f"rank-{rank}-{steps}.json").write_text(json.dumps(facts))
    if rank == 0 and "TORCHELASTIC_RUN_ID" not in os.environ:
        sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
