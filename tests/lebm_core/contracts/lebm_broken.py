"""A plugin each of whose parts breaks one promise of its kind."""

from __future__ import annotations

import torch
from torch.distributions import Independent, Normal
from torch.distributions import StudentT as StudentT_

from lebm_core import Component, Configured, Energy, GaussianPrior, Langevin, Persistent, TiltLoss
from lebm_core.contracts import toys
from lebm_core.learning.contrastive import PersistentChains
from lebm_core.learning.mcmc import MCMC
from lebm_core.learning.rules import Outcome, PriorRule, Rule
from lebm_core.registry.hookspecs import hookimpl


class TiledCodes(toys.ToyDecoder):
    """Pairs several codes with the wrong examples."""

    def likelihood(self, x, context=None):
        return lambda z: self(z, context).log_prob(x.repeat(len(z) // len(x), 1))


class Draws(toys.ToyDecoder):
    """Draws from the global state."""

    def forward(self, z):
        p = Independent(Normal(self.linear(z), 0.5), 1)
        p.sample = lambda generator=None: p.base_dist.mean + torch.randn(p.base_dist.mean.shape)
        return p


class Unseen(toys.ToyEncoder):
    """Has an option that no table can rebuild."""

    def __init__(self, latent_dim: int, initial: object = torch.zeros) -> None:
        super().__init__(latent_dim)


class OwnDensity(GaussianPrior):
    """log p that is not f + log p0."""

    def log_prob(self, z, y=None, context=None):
        return super().log_prob(z, y, context) - 1


class TakesClasses(GaussianPrior):
    """Takes a class that it does not have."""

    def refuse_classes(self, y):
        pass


class StudentT(GaussianPrior):
    """Heavy tails, which break nothing: t of three degrees of freedom in each dimension.

    Args:
        latent_dim: d.
        scale: of each dimension.
        mean: of each dimension.
        log_z: what is wrong with log p, in nats.
    """

    def __init__(
        self, latent_dim: int = 2, scale: float = 1.0, mean: float = 0.0, log_z: float = 0.0
    ) -> None:
        super().__init__(latent_dim)
        self.scale, self.mean, self.log_z = scale, mean, log_z

    @property
    def _t(self):
        return Independent(StudentT_(3.0, torch.full((self.latent_dim,), self.mean), self.scale), 1)

    def log_tilt(self, z, y=None, context=None):
        return self._t.log_prob(z) + self.log_z - self.reference.log_prob(z)

    def sample(self, n, *, y=None, context=None, generator=None):
        self.refuse_classes(y)
        normal = torch.randn(n, self.latent_dim, generator=generator)
        squares = torch.randn(3, n, self.latent_dim, generator=generator).square().mean(0)
        return self.mean + self.scale * normal / squares.sqrt()


class Half(Energy):
    """A pullback of half the gradient.

    Args:
        latent_dim: d.
        outputs: C.
    """

    def __init__(self, latent_dim: int, outputs: int = 1) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, 0
        self.linear = torch.nn.Linear(latent_dim, outputs)

    def forward(self, z, context=None):
        return self.linear(z)

    def value_and_pullback(self, z, context=None, layers=None, scale=1.0):
        value, back = super().value_and_pullback(z, context, layers, scale)
        return value, lambda gradient, base, share=1.0: back(gradient / 2, base, share)


class Wide(Langevin):
    """Claims to be adjusted."""

    adjusted = True

    def __init__(self, steps: int = 60, step_size: float = 1.2) -> None:
        super().__init__(steps, step_size)

    def __call__(self, target, z, **options):
        return Langevin(self.steps, self.step_size)(target, z, **options)


class Forgets(Persistent):
    """Keeps its chains out of its state."""

    def __init__(self) -> None:
        super().__init__({"steps": 1})

    def state_dict(self):
        return {}


class GlobalNoise(MCMC):
    """Perturbs its codes by the global state."""

    def __call__(self, model, batch, symbols, progress, generator):
        codes = super().__call__(model, batch, symbols, progress, generator)
        return codes._replace(z=codes.z + torch.randn(codes.z.shape))


class ForgetsChains(PersistentChains):
    def state_dict(self):
        return {}


class Idle(Configured, PriorRule):
    """Teaches nothing and does not say so."""

    def __call__(self, prior, codes, context, progress, generator, y=None):
        return TiltLoss(codes.new_zeros(()), {})


class Counts(Configured, Rule):
    """Its loss depends on a counter that is in no state."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, model, batch, *, progress=0.0, generator=None):
        self.calls += 1
        return Outcome({"decoder": self.calls * model.decoder.linear.weight.sum()}, {})


class Stateless(Component):
    """A model whose draws do not survive saving."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = torch.nn.Parameter(torch.randn(()))

    def parts(self):
        return {"shift": self}

    def sample(self, n, *, generator=None):
        return self.shift + torch.randn(n, generator=generator)

    def save_pretrained(self, folder):
        pass

    @classmethod
    def from_pretrained(cls, folder):
        return cls().eval()


class Skips(toys.Points):
    def order(self, split, batch_size, generator=None):
        return super().order(split, batch_size, generator)[:-1]


class Keeps(toys.Points):
    @classmethod
    def load(cls, folder):
        return cls(4)


def skips(*, files, seed, options):
    return Skips()


def keeps(*, files, seed):
    return Keeps()


def weighted(*, files, seed):  # this one is not broken: an epoch has no row of weight 0
    found = toys.Points(16)
    found.weights = (torch.arange(16) % 2).float()
    return found


def blunt():
    return lambda evaluation: {"value": evaluation.dataset.words["a"]}


def bare():
    return lambda evaluation: {"value": 1.0}


def figure(evaluation):
    return [(evaluation.folder / "none.png", "A figure that is not there.")]


def control(sign, value, strength):
    return None


PARTS = {
    "decoders": {"broken.tiled": "TiledCodes", "broken.draws": "Draws"},
    "encoders": {"broken.unseen": "Unseen"},
    "priors": {
        "broken.density": "OwnDensity", "broken.classes": "TakesClasses", "heavy": "StudentT",
    },
    "energies": {"broken.half": "Half"},
    "samplers": {"broken.wide": "Wide"},
    "inference": {"broken.forgets": "Forgets"},
    "learning_rules": {
        "decoder.noise": "GlobalNoise", "prior.forgets": "ForgetsChains", "prior.idle": "Idle",
        "broken.counts": "Counts",
    },
    "models": {"broken.stateless": "Stateless"},
    "datasets": {"broken.skips": "skips", "broken.keeps": "keeps", "broken.weighted": "weighted"},
    "metrics": {"broken.blunt": "blunt", "broken.bare": "bare"},
    "figures": {"broken.figure": "figure"},
    "controls": {"broken": "control"},
}  # fmt: skip


def _hook(kind):
    def hook(register):
        for name, attribute in PARTS[kind].items():
            register(name, f"lebm_broken:{attribute}", "broken")

    hook.__name__ = f"lebm_register_{kind}"
    return hookimpl(hook)


globals().update({f"lebm_register_{kind}": _hook(kind) for kind in PARTS})
