"""Trains on two processes, resumes, and writes what each of them ends with: OUT STEPS ..."""

import json
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

if __name__ == "__main__":
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
