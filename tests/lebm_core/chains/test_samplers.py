"""Every sampler against quadrature, and on modes that Langevin from p0 does not reach."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lebm_core import MALA, CoupledPrior, EBMPrior, Langevin
from lebm_core.chains.hmc import HMC
from lebm_core.chains.resampling import Resampling
from lebm_core.chains.samplers import Sampler
from lebm_core.chains.tempering import Tempering
from lebm_core.chains.trace import Chain
from lebm_core.errors import UnsupportedEstimate, UsageError

N = 8_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class StandardNormal:
    """p0 = N(0, I)."""

    def log_prob(self, z: Tensor) -> Tensor:
        return -0.5 * z.square().sum(-1) - 0.5 * z.shape[-1] * math.log(2 * math.pi)

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, 2, generator=generator)


class FarModes:
    """0.8 N((2, 0), 0.25 I) + 0.2 N((-2, 0), 0.25 I): modes eight standard deviations apart."""

    by_row, reference = False, StandardNormal()

    def __call__(self, z: Tensor) -> Tensor:
        parts = [
            math.log(share) - 2 * (z - z.new_tensor([at, 0.0])).square().sum(-1)
            for share, at in ((0.8, 2.0), (0.2, -2.0))
        ]
        return torch.stack(parts).logsumexp(0) + 3.0  # not normalised


def share_of_the_right_mode(sampler: Sampler) -> float:
    start = FarModes.reference.draw(N, seeded(1))
    z = sampler(FarModes(), start, generator=seeded())
    return float((z[:, 0] > 0).float().mean())


@pytest.mark.parametrize("sampler", [Tempering(100), Resampling()])
def test_modes_far_apart_have_their_weights(sampler: Sampler) -> None:
    z = sampler(FarModes(), FarModes.reference.draw(N, seeded(1)), generator=seeded())
    right = z[:, 0] > 0
    error = math.sqrt(0.8 * 0.2 / N)
    assert abs(float(right.float().mean()) - 0.8) < 4.5 * error  # 0.02, where 0.05 is promised
    for side, at in ((right, 2.0), (~right, -2.0)):
        width = 0.5 / math.sqrt(int(side.sum()))
        assert torch.allclose(z[side].mean(0), torch.tensor([at, 0.0]), atol=4.5 * width)
        spread = 0.25 * 4.5 * math.sqrt(2 / int(side.sum()))
        assert torch.allclose(z[side].var(0), torch.full((2,), 0.25), atol=spread)


@pytest.mark.parametrize("sampler", [Langevin(60, 0.2), MALA(60, 0.2), HMC(60, 0.2)])
def test_a_chain_from_p0_stays_in_the_mode_where_it_began(sampler: Sampler) -> None:
    assert share_of_the_right_mode(sampler) < 0.6


def prior_of_the_plane(classes: int = 0) -> EBMPrior:
    torch.manual_seed(3)
    energy = {"hidden": [16], "activation": "tanh"}
    prior = CoupledPrior(2, classes, energy=energy) if classes else EBMPrior(2, energy=energy)
    with torch.no_grad():
        for p in prior.parameters():
            p.mul_(4.0)
    return prior


def moments(prior: EBMPrior, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and mean square of each coordinate, (2,), by quadrature."""
    axis = torch.linspace(-7, 7, 281)
    grid = torch.cartesian_prod(axis, axis)
    known = None if y is None else y.expand(len(grid))
    with torch.no_grad():
        p = prior.log_prob(grid, known).double().softmax(0)[:, None]
    return (p * grid).sum(0).float(), (p * grid.square()).sum(0).float()


@pytest.mark.parametrize(
    "sampler",
    [
        Langevin(300, 0.25),
        Langevin(200, "auto"),
        MALA(100, "auto"),
        HMC(40, "auto"),
        HMC(40, 0.3, 3),
        Tempering(60, temperatures=4),
        Tempering(60, 0.5, 3, 1),
        Resampling(),
    ],
    ids=lambda s: f"{type(s).__name__}{tuple(s.options.values())}",
)
def test_a_tilted_prior_in_the_plane(sampler: Sampler) -> None:
    prior = prior_of_the_plane()
    mean, square = moments(prior)
    z = prior.sample(N, generator=seeded(), sampler=sampler)
    for drawn, true in ((z, mean), (z.square(), square)):
        error = drawn.std(0) / math.sqrt(N)
        bias = 0.0 if sampler.adjusted else 0.03  # of the unadjusted chain, of order s^2
        assert bool(((drawn.mean(0) - true).abs() < 4.5 * error + bias).all())
    # The test can tell p from p0.
    assert float((mean.abs() / (prior.sample(N).std(0) / math.sqrt(N))).max()) > 10


@pytest.mark.parametrize("sampler", [Tempering(60), Resampling(2000)])
def test_each_row_has_the_density_of_its_class(sampler: Sampler) -> None:
    prior = prior_of_the_plane(3)
    y = torch.arange(3).repeat_interleave(600)
    z = prior.sample(1800, y=y, generator=seeded(), sampler=sampler)
    for label in range(3):
        mean, _ = moments(prior, torch.tensor(label))
        rows = z[y == label]
        assert bool(((rows.mean(0) - mean).abs() < 4.5 * rows.std(0) / math.sqrt(600)).all())


@pytest.mark.parametrize("width", [0.03, 1.0, 30.0])
@pytest.mark.parametrize("sampler", [Langevin(200, "auto"), MALA(200, "auto"), HMC(60, "auto")])
def test_an_automatic_step_is_that_of_the_density(sampler: Sampler, width: float) -> None:
    z = width * torch.randn(500, 5, generator=seeded(1))
    trace = Chain()
    end = sampler(lambda v: -0.5 * (v / width).square().sum(-1), z, generator=seeded(), trace=trace)
    late = torch.stack(trace.acceptance[-20:]).mean()
    assert abs(float(late) - sampler.aim) < 0.06  # type: ignore[attr-defined]
    assert len(trace.acceptance) == sampler.options["steps"] and trace.step_size is not None
    assert 0.1 < trace.step_size / width < 3
    untraced = sampler(lambda v: -0.5 * (v / width).square().sum(-1), z, generator=seeded())
    assert torch.allclose(untraced.var(), end.var(), rtol=0.2)


def test_a_piece_of_a_trace_keeps_the_states_asked_for() -> None:
    trace = Chain(keep=(0, 7, 40))
    start = torch.randn(4, 2, generator=seeded())
    end = MALA(40, "auto")(FarModes(), start, generator=seeded(), trace=trace)
    assert sorted(trace.states) == [0, 7, 40]
    assert torch.equal(trace.states[0], start) and torch.equal(trace.states[40], end)


def test_tempering_without_a_reference_flattens_the_density() -> None:
    target = FarModes()
    start = torch.full((2000, 2), 2.0)
    z = Tempering(250, temperatures=6)(lambda v: target(v), start, generator=seeded())
    assert abs(float((z[:, 0] > 0).float().mean()) - 0.8) < 0.05


def test_resampling_draws_no_more_than_it_needs() -> None:
    class Near:
        """N(0.5, 1) as a tilt of N(0, 1): log w = z / 2 - 1 / 8, effective share exp(-1/4)."""

        by_row, drawn = False, 0

        @property
        def reference(self) -> Near:
            return self

        def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
            self.drawn += n
            return torch.randn(n, 1, generator=generator)

        def log_prob(self, z: Tensor) -> Tensor:
            raise AssertionError("the tilt alone is enough")

        def tilt(self, z: Tensor) -> Tensor:
            return z[:, 0] / 2 - 1 / 8

        def __call__(self, z: Tensor) -> Tensor:
            raise AssertionError("the tilt alone is enough")

    near, n = Near(), 4000
    z = Resampling(100)(near, torch.zeros(n, 1), generator=seeded())
    assert near.drawn == 20 * n  # 10 n are not enough: exp(-1/4) of them are effective
    assert abs(float(z.mean()) - 0.5) < 4 / n**0.5 and abs(float(z.std()) - 1) < 4 / (2 * n) ** 0.5
    assert len(z.unique()) > 0.93 * n  # hardly any is a copy of another


def test_resampling_refuses_what_too_few_draws_carry() -> None:
    narrow = EBMPrior(2, bound=None)

    class Narrow:
        by_row, reference = False, StandardNormal()

        def __call__(self, z: Tensor) -> Tensor:
            return -0.5 * ((z - 3) / 0.01).square().sum(-1)

    with pytest.raises(UnsupportedEstimate, match="prior.sampler.candidates"):
        Resampling(10)(Narrow(), torch.zeros(100, 2), generator=seeded())
    with pytest.raises(UsageError, match="does not tilt"):
        Resampling(10)(lambda z: -z.square().sum(-1), torch.zeros(100, 2), generator=seeded())
    assert narrow.sample(0, sampler=Resampling(10)).shape == (0, 2)

    class Rare:  # a mode with .8 of the mass, met by 1 draw of p0 in 740
        by_row, reference = False, StandardNormal()

        def __call__(self, z: Tensor) -> Tensor:
            return StandardNormal().log_prob(z) + 8.0 * (z[:, 0] > 3)

    for seed in range(8):  # all 5,000 candidates are drawn first; of 500 half would meet none
        with pytest.raises(UnsupportedEstimate, match="effective"):
            Resampling(100)(Rare(), torch.zeros(50, 2), generator=seeded(seed))


@pytest.mark.parametrize("make", [
    lambda: MALA(60, "automatic"), lambda: Langevin(60, "auto", 0.5), lambda: HMC(leapfrog=0),
    lambda: Tempering(temperatures=1), lambda: Resampling(1), lambda: HMC(step_size=-1.0),
    lambda: Tempering(exchange=0),
])  # fmt: skip
def test_options_that_are_not_possible_are_refused(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError):
        make()
