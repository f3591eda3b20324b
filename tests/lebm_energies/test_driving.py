"""Inverse optimal control: dynamics, costs, demonstrations and learning, against closed forms."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lebm_core import HMC, EBMPrior, Evaluation
from lebm_core.errors import UsageError
from lebm_core.models.ebm import EBM
from lebm_energies.control.costs import Costs, Scene
from lebm_energies.control.demonstrations import CostTarget, demonstrate
from lebm_energies.control.dynamics import Bicycle, PointMass, dynamics_of
from lebm_energies.control.scenes import draw_scenes
from lebm_energies.data.driving import Driving, DrivingOptions
from lebm_energies.evaluators.driving import draws_of, theta_of
from lebm_energies.learning.divergence import ContrastiveDivergence
from lebm_energies.metrics.driving import driving
from lebm_energies.networks.driving import DrivingCost

H = 0.25


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_point_mass_flies_a_parabola() -> None:
    mass, time = PointMass(H), H * torch.arange(9)
    start = torch.tensor([1.0, -2.0, 3.0, 0.5])
    states = mass.rollout(start, torch.tensor([[0.8, -1.2]]).expand(8, 2))
    a = torch.tensor([0.8, -1.2]) * torch.tensor(mass.units)
    place = start[:2] + time[:, None] * start[2:] + 0.5 * time[:, None] ** 2 * a
    torch.testing.assert_close(states[:, :2], place)
    torch.testing.assert_close(states[:, 2:], start[2:] + time[:, None] * a)


def test_a_roll_out_is_its_steps_one_after_another() -> None:
    u = torch.randn(3, 2, 6, 2, generator=seeded())
    for dynamics in (PointMass(H), Bicycle(H)):
        start = torch.randn(3, 2, 4, generator=seeded(1))
        whole, state = dynamics.rollout(start, u), start
        for step in range(6):
            torch.testing.assert_close(whole[:, :, step], state)
            state = dynamics.rollout(state, u[:, :, step : step + 1])[:, :, 1]
        torch.testing.assert_close(whole[:, :, 6], state)


def test_a_bicycle_drives_a_circle_of_the_known_radius() -> None:
    car, steering, speed = Bicycle(H), 0.1, 5.0
    u = torch.tensor([[0.0, steering / car.units[1]]]).expand(200, 2)
    states = car.rollout(torch.tensor([0.0, 0.0, speed, 0.0]), u).double()
    rate = speed * math.tan(steering) / car.wheelbase
    radius = speed * H / (2 * math.sin(rate * H / 2))  # of the circle through chords' ends
    distance = (states[:, :2] - torch.tensor([0.0, radius])).norm(dim=-1)
    assert (distance - radius).abs().max() < 1e-3 * radius
    assert abs(radius / (car.wheelbase / math.tan(steering)) - 1) < (rate * H) ** 2 / 20
    torch.testing.assert_close(states[:, 3], rate * H * torch.arange(201.0).double(),
                               rtol=1e-4, atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("hidden", [(), (4,)])
@pytest.mark.parametrize("name", ["bicycle", "point-mass"])
def test_the_gradient_through_the_dynamics_is_that_of_finite_differences(
    name: str, hidden: tuple[int, ...]
) -> None:
    context = draw_scenes(3, dynamics_of(name, H), 2, 4, seeded()).double()
    energy = DrivingCost(16, 24, 2, name, H, hidden=hidden).double()
    u = torch.randn(3, 16, generator=seeded(1), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: energy(z, context), u)


def test_features_of_a_scene_that_is_known() -> None:
    scene = Scene(
        start=torch.tensor([[[0.0, 0.0, 4.0, 0.0]]]), lane=torch.tensor([[1.0]]),
        speed=torch.tensor([[5.0]]), goal=torch.tensor([[[2.0, 2.0]]]),
        obstacles=torch.tensor([[[2.0, 3.0, 0.0, 0.0]]]),
    )  # fmt: skip
    costs = Costs(PointMass(H), 1, 12)
    x = torch.zeros(1, 4)  # two steps of a metre along x
    found = dict(zip(costs.names, costs.total(x, scene.context())[0].tolist(), strict=True))
    r2 = 2 * costs.radius**2
    close = 4 * (math.exp(-(1 + 9) / r2) + math.exp(-9 / r2))
    wanted = {"lane": 2, "speed": 2, "drive": 0, "steer": 0, "smooth": 0, "goal": 1}
    assert found == pytest.approx({**wanted, "obstacles": close})
    assert float(costs.nearest(x, scene.context())) == pytest.approx(3.0)
    x = torch.tensor([[1.0, 2.0, 3.0, 2.0]])
    found = dict(zip(costs.names, costs.total(x, scene.context())[0].tolist(), strict=True))
    assert (found["drive"], found["steer"], found["smooth"]) == (10, 8, 4)


def test_agents_count_each_pair_once() -> None:
    costs = Costs(PointMass(H), 3, 24)
    place = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    still = torch.cat([place, torch.zeros(3, 2)], dim=1)[None]
    scene = Scene(still, still[..., 1], still[..., 2], still[..., :2], torch.zeros(1, 0, 4))
    phi = costs.total(torch.zeros(1, 6), scene.context())[0, -1]
    expected = sum(4 * math.exp(-(d**2) / (2 * costs.radius**2)) for d in (1.0, 2.0, 3.0))
    assert float(phi) == pytest.approx(expected, rel=1e-5)
    assert float(costs.nearest(torch.zeros(1, 6), scene.context())) == pytest.approx(1.0)


class Quadratic:
    """A point mass without obstacles: cost and scene give a Gaussian over controls.

    phi_k(u) = u' A_k u / 2 + b_k' u + c_k, of which A_k is the same in all scenes.
    """

    T, N = 4, 200

    def __init__(self) -> None:
        self.costs = Costs(PointMass(H), 1, 8)
        self.context = draw_scenes(self.N, self.costs.dynamics, 1, self.T, seeded())[:, :8]
        zero = torch.zeros(self.N, 2 * self.T)

        def total(u: Tensor) -> Tensor:
            return self.costs.total(u[None], self.context[:1])[0]

        self.a = torch.func.hessian(total)(zero[0]).double()
        each = [torch.func.jacrev(lambda u, c=c: self.costs.total(u[None], c[None])[0])(zero[0])
                for c in self.context]  # fmt: skip
        self.b = torch.stack(each).double()  # (N, K, d)
        self.c = self.costs.total(zero, self.context).double()
        self.theta = torch.tensor([1.5, 0.8, 0.5, 0.4, 0.6, 1.2])

    def gaussian(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (N, d) and precision (d, d)."""
        precision = torch.einsum("k,kij->ij", theta.double(), self.a)
        slope = torch.einsum("k,nkd->nd", theta.double(), self.b)
        return -torch.linalg.solve(precision, slope.T).T, precision

    def log_z(self, theta: Tensor) -> Tensor:
        """log of the integral of exp(-theta . phi), (N,)."""
        mean, precision = self.gaussian(theta)
        d = 2 * self.T
        quadratic = 0.5 * torch.einsum("nd,de,ne->n", mean, precision, mean)
        volume = 0.5 * (d * math.log(2 * math.pi) - torch.logdet(precision))
        return quadratic + volume - self.c @ theta.double()

    def loss(self, theta: Tensor, x: Tensor) -> Tensor:
        """-log p(x | scene), the mean."""
        phi = self.costs.total(x, self.context).double()
        return (phi @ theta.double() + self.log_z(theta)).mean()

    def draw(self, generator: torch.Generator) -> Tensor:
        mean, precision = self.gaussian(self.theta)
        p = torch.linalg.cholesky(torch.linalg.inv(precision))
        noise = torch.randn(mean.shape, generator=generator, dtype=torch.float64)
        return (mean + noise @ p.T).float()


@pytest.fixture(scope="module")
def quadratic() -> Quadratic:
    return Quadratic()


def test_chains_draw_the_gaussian_of_a_linear_quadratic_scene(quadratic: Quadratic) -> None:
    n = 2000
    mean, precision = quadratic.gaussian(quadratic.theta)
    covariance = torch.linalg.inv(precision)
    scene = quadratic.context[:1].expand(n, -1)
    x = demonstrate(quadratic.costs, quadratic.theta, scene, 24, quadratic.T, seeded()).x.double()
    std = covariance.diagonal().sqrt()
    assert ((x.mean(0) - mean[0]).abs() < 4.5 * std / math.sqrt(n)).all()
    # standard error of a covariance: sqrt((v_i v_j + c_ij^2) / n)
    error = ((torch.outer(std, std).square() + covariance.square()) / n).sqrt()
    assert ((x.T.cov() - covariance).abs() < 4.5 * error).all()


def test_maximum_likelihood_by_chains_is_that_of_the_closed_form(quadratic: Quadratic) -> None:
    x = quadratic.draw(seeded(1))
    log = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    newton = torch.optim.LBFGS([log], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        newton.zero_grad()
        loss = quadratic.loss(log.exp(), x)
        loss.backward()
        return loss

    newton.step(closure)  # type: ignore[no-untyped-call]
    exact = log.exp().detach()
    fisher = torch.func.hessian(lambda t: quadratic.log_z(t).mean())(quadratic.theta.double())
    covariance = torch.linalg.inv(fisher * quadratic.N)
    off = exact - quadratic.theta
    # chi squared of 6 degrees of freedom, above 22.5 in one of a thousand
    assert float(off @ torch.linalg.inv(covariance) @ off) < 22.5

    torch.manual_seed(0)  # of the weights that it starts with
    energy = DrivingCost(8, 8, 1, "point-mass", H)
    prior = EBMPrior(8, energy, HMC(2, 0.3, 5), bound=0.0, reference_std=20.0, context_dim=8)
    rule, tail = ContrastiveDivergence(2), []
    adam = torch.optim.Adam(energy.parameters(), 0.1)
    for step in range(320):
        for group in adam.param_groups:
            group["lr"] = 0.1 if step < 160 else 0.02
        loss = rule(prior, x, quadratic.context, 0.0, seeded(step)).loss
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        if step >= 200:
            tail.append(energy.theta.detach())
    learned = torch.stack(tail).mean(0)
    # The mean of noisy updates is nearer to the exact maximum than that is to theta*.
    assert ((learned - exact).abs() < covariance.diagonal().sqrt()).all()


@pytest.mark.parametrize("options", [DrivingOptions(train=80, valid=1, test=1, chain_steps=50)])
def test_demonstrations_are_at_rest(options: DrivingOptions) -> None:
    data = Driving(options, 0)
    x, context = data.controls["train"].flatten(1), data.contexts["train"]
    target = CostTarget(data.costs, data.theta, context)
    later = HMC(10, 0.2, 12)(target, x, generator=seeded(5))
    before, after = (data.costs.total(each, context) for each in (x, later))
    moved = after - before
    assert float((later - x).square().mean().sqrt()) > 0.3  # the chain has moved on
    assert (moved.mean(0).abs() < 4 * moved.std(0) / math.sqrt(len(x))).all()
    assert data.summary["largest R-hat of places"] < 1.5


SMALL = DrivingOptions(train=12, valid=4, test=8, chain_steps=30)


def model_of(data: Driving, std: float = 1.0) -> EBM:
    """A model whose cost, with p0's, is theta*."""
    d = data.controls["train"][0].numel()
    energy = DrivingCost(
        d, data.sizes["context_dim"], data.options.agents, data.options.dynamics, H
    )
    own = data.theta.clone()
    own[2:4] -= 0.5 / std**2
    with torch.no_grad():
        energy.log_theta.copy_(own.log())
    prior = EBMPrior(
        d, energy, HMC(30, 0.15, 16), bound=0.0, reference_std=std,
        context_dim=data.sizes["context_dim"],
    )  # fmt: skip
    return EBM(prior, data.controls["train"].shape[1:]).eval()


@pytest.mark.parametrize("agents", [1, 2])
def test_p0_is_a_part_of_the_cost(agents: int) -> None:
    data = Driving(DrivingOptions(train=6, valid=1, test=1, chain_steps=8, agents=agents), 0)
    model = model_of(data)
    torch.testing.assert_close(theta_of(model, data), data.theta)
    x, context = data.controls["train"].flatten(1), data.contexts["train"]
    value = model.prior.log_prob(x, None, context)
    cost = data.costs.total(x, context) @ data.theta
    difference = value + cost
    torch.testing.assert_close(difference, difference[:1].expand(6), rtol=0, atol=1e-3)


def test_the_metric_finds_the_true_cost_and_its_draws(tmp_path: Path) -> None:
    data = Driving(SMALL, 0)
    model = model_of(data)
    evaluation = Evaluation(model, data, "test", seeded(), 0, tmp_path, tmp_path, None, print)
    found = driving(driving_scenes=8, driving_draws=10)(evaluation)
    assert found["theta_cosine"].value == pytest.approx(1.0)
    assert found["theta_error"].value == pytest.approx(0.0, abs=1e-5)
    for name in ("rmse", "collisions", "true_cost"):
        own, real = found[name].value, found[f"real/{name}"].value
        assert own is not None and real is not None
    # the cost of 80 draws of either has a standard deviation near sqrt(32 / 2) = 4 nats
    gap = (found["true_cost"].value or 0) - (found["real/true_cost"].value or 0)
    assert abs(gap) < 4 * 4 * math.sqrt(2 / 80)
    assert (found["rmse_best"].value or 9) < (found["rmse"].value or 0)
    with torch.no_grad():
        model.prior.energies[0].log_theta.add_(torch.arange(7.0))  # type: ignore[operator]
    assert float(torch.cosine_similarity(theta_of(model, data), data.theta, dim=0)) < 0.9


def test_a_clipped_gradient_is_the_chains_alone() -> None:
    data = Driving(SMALL, 0)
    free = DrivingCost(32, 16)
    clipped = free.replaced(clip=1.0)
    clipped.load_state_dict(free.state_dict())
    x, context = data.controls["train"].flatten(1), data.contexts["train"]
    torch.testing.assert_close(clipped(x, context), free(x, context))
    gradients = []
    for energy in (free, clipped):
        z = x.clone().requires_grad_()
        by_theta, by_z = torch.autograd.grad(energy(z, context).sum(), [energy.log_theta, z])
        gradients.append((by_theta, by_z))
    torch.testing.assert_close(gradients[0][0], gradients[1][0])
    long = gradients[0][1].norm(dim=-1)
    assert (long > 1).all() and gradients[1][1].norm(dim=-1).max() <= 1 + 1e-5
    torch.testing.assert_close(gradients[1][1], gradients[0][1] / long[:, None])


def test_saved_and_read_it_is_the_same(tmp_path: Path) -> None:
    data = Driving(DrivingOptions(train=6, valid=1, test=3, chain_steps=8, agents=2), 0)
    model = model_of(data)
    model.save_pretrained(tmp_path / "model")
    again = EBM.from_pretrained(tmp_path / "model")
    torch.testing.assert_close(theta_of(again, data), data.theta)
    rows = torch.arange(3)
    first, second = (draws_of(m, data, "test", rows, 2, seeded()) for m in (model, again))
    assert torch.equal(first, second)
    data.save(tmp_path)
    read = Driving.load(tmp_path)
    assert read.options == data.options and not read.length("train")
    x = data.batch("test", rows).x
    with read.write(x, tmp_path / "samples").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 3 * 2 * 16
    assert [lines[-1][k] for k in ("sample", "agent", "step")] == ["2", "1", "15"]
    acceleration = float(lines[-1]["acceleration"])
    assert acceleration == pytest.approx(1.5 * float(x[2, 1, 15, 0]), rel=1e-4)


def test_the_same_seed_gives_the_same_demonstrations() -> None:
    few = DrivingOptions(train=4, valid=1, test=1, chain_steps=8, dynamics="point-mass")
    first, second, other = (Driving(few, seed).controls["train"] for seed in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_what_is_not_possible_is_refused() -> None:
    with pytest.raises(UsageError, match="context of 11 numbers is no scene of 1 agents"):
        DrivingCost(8, 11)
    with pytest.raises(UsageError, match="latent_dim = 10; use a multiple of 4"):
        DrivingCost(10, 16, agents=2)
    with pytest.raises(UsageError, match='"car" is unknown; use point-mass, bicycle'):
        DrivingCost(8, 8, dynamics="car")
    with pytest.raises(UsageError, match="needs a scene"):
        DrivingCost(8, 8)(torch.zeros(2, 8))
    with pytest.raises(UsageError, match="learned in one stage"):
        EBMPrior(8, DrivingCost(8, 8), context_dim=8, stages=2)
    with pytest.raises(UsageError, match="data.horizon = 1 is too small"):
        DrivingOptions(horizon=1)
    with pytest.raises(UsageError, match="data.interval = 0"):
        DrivingOptions(interval=0)
    with pytest.raises(UsageError, match="takes no context"):
        from lebm_core.learning.contrastive import PersistentChains

        prior = EBMPrior(8, DrivingCost(8, 8), context_dim=8)
        PersistentChains()(prior, torch.zeros(2, 8), torch.zeros(2, 8), 0.0, seeded())
