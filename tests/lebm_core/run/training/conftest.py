"""Small trainings of the toy data set."""

import pytest
import torch

from lebm_core.latent.amortized import Amortized
from lebm_core.learning.two_part import TwoPart
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.ebm import EBMPrior
from lebm_core.run.training.callback import Callback
from lebm_core.run.training.callbacks import run_callbacks
from lebm_core.run.training.loop import train
from lebm_core.run.training.options import TrainingOptions

VARIATIONAL = (lambda: TwoPart(decoder={"kl_cycles": 2}), Amortized)


class Stop(Exception):
    """The crash that a test asks for."""


class Watch(Callback):
    """Calls a function after each step."""

    def __init__(self, look):
        self.look = look

    def after_step(self, state):
        self.look(state)


@pytest.fixture
def watch():
    """A callback that calls a function after each step."""
    return Watch


@pytest.fixture
def weights():
    """A function of a model: its parameters as one vector."""
    return lambda model: torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.fixture
def make(toy, tmp_path):
    """A function that trains in a folder: the model, the result, printed lines, rows of steps."""
    import lebm_toy

    def start(
        folder, rule=VARIATIONAL, crash=None, resume=False, prior=None, callbacks=(), **changed
    ):
        torch.manual_seed(3)
        learning, inference = rule
        small = {"energy": {"hidden": [16]}, "sampler": {"steps": 4}}
        prior = EBMPrior(2, **small) if prior is None else prior
        model = LatentEBM(prior, lebm_toy.ToyDecoder(2, 2), lebm_toy.ToyEncoder(2, 2), inference())
        data = lebm_toy.ToyData(64, 0)
        plain, steps = data.batch, []

        def batch(split, index):
            steps.append(index.tolist())
            if crash is not None and len(steps) > crash:
                raise Stop
            return plain(split, index)

        data.batch = batch
        settings = {"epochs": 6, "checkpoint_every": 4, "log_every": 3, "ema": 0.9, "device": "cpu"}
        options = TrainingOptions(**{**settings, **changed})
        lines = []
        try:
            result = train(
                model, data, learning(), options, batch_size=16, seed=5, log=lines.append,
                callbacks=[*callbacks, *run_callbacks(tmp_path / folder, options, resume=resume)],
            )  # fmt: skip
        except Stop:
            result = None
        return model, result, lines, steps

    return start
