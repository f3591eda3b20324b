"""The rule joint.cycle and the model two-domains: losses by hand, no leaks, a known optimum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lebm_cooperative.learning.cycle import Cycle
from lebm_cooperative.metrics.translation import nearest, ridge, root_mean_square, scores
from lebm_cooperative.models.two_domains import TwoDomains
from lebm_core import Batch, Decoder, EBMPrior, Encoder, contracts
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.registry.parts import Part, make

SHAPE = [2]


def model_of(
    hidden: tuple[int, ...] = (), steps: int = 3, noise: float = 0.0, seed: int = 0
) -> TwoDomains:
    torch.manual_seed(seed)
    sizes = {"shape": SHAPE, "latent_dim": 2}
    encoder: Encoder = make(Part("encoders"), {"name": "perceptron", "hidden": hidden}, sizes)
    decoder: Decoder = make(Part("decoders"), {"name": "perceptron", "hidden": hidden}, sizes)
    sampler = {"name": "langevin", "steps": steps, "step_size": 0.1, "noise": noise}
    energy = {"name": "mlp", "hidden": [4]}
    return TwoDomains(encoder, decoder, EBMPrior(2, energy, sampler, bound=0.0), kept=5)


@pytest.fixture
def batch() -> Batch:
    return Batch(torch.randn(6, 2, 2, generator=torch.Generator().manual_seed(1)))


def translate(model: TwoDomains, x: Tensor, to: int) -> Tensor:
    """By hand: linear networks."""
    encoder: Any = model.encoders[1 - to]
    decoder: Any = model.decoders[to]
    first, last = encoder.net[0], decoder.net[0]
    z = x @ first.weight[:2].T + first.bias[:2]
    found: Tensor = z @ last.weight.T + last.bias
    return found


def f(model: TwoDomains, x: Tensor, domain: int) -> Tensor:
    found: Tensor = model.log_tilt(x, domain)
    return found


def test_the_critics_losses_by_hand(batch: Batch) -> None:
    model = model_of()
    a, b = batch.x[:, 0], batch.x[:, 1]
    rule = Cycle("critic", teaching=2.0, cycle=3.0, identity=0.5)
    losses, _ = rule(model, batch)
    to_b, to_a = translate(model, a, 1), translate(model, b, 0)
    taught = (f(model, to_b, 1) - 1).square().mean() + (f(model, to_a, 0) - 1).square().mean()
    cycle = (translate(model, to_b, 0) - a).abs().mean() + (
        translate(model, to_a, 1) - b
    ).abs().mean()
    same = (translate(model, b, 1) - b).abs().mean() + (translate(model, a, 0) - a).abs().mean()
    assert torch.allclose(losses["decoder"], 2 * taught + 3 * cycle + 0.5 * same, atol=1e-6)
    learned = 0.5 * sum(
        (f(model, real, k) - 1).square().mean() + f(model, false, k).square().mean()
        for k, (real, false) in enumerate(((a, to_a), (b, to_b)))
    )
    assert torch.allclose(losses["descriptor"], learned, atol=1e-6)


def test_the_cooperative_losses_by_hand(batch: Batch) -> None:
    """One step of the chain without noise: x + s^2/2 grad (f(x) - |x|^2/2)."""
    model = model_of(steps=1)
    a, b = batch.x[:, 0], batch.x[:, 1]
    losses, metrics = Cycle("cooperative", teaching=4.0, cycle=0.0)(model, batch)
    taught, learned = torch.zeros(()), torch.zeros(())
    for k, (source, real) in enumerate(((b, a), (a, b))):
        guess = translate(model, source, k)
        at = guess.detach().requires_grad_()
        (slope,) = torch.autograd.grad(f(model, at, k).sum() - at.square().sum() / 2, at)
        revised = (at + 0.1**2 / 2 * slope).detach()
        taught = taught + (guess - revised).square().mean()
        learned = learned + f(model, revised, k).mean() - f(model, real, k).mean()
    assert torch.allclose(losses["decoder"], 4 * taught, atol=1e-7, rtol=1e-4)
    assert torch.allclose(losses["descriptor"], learned, atol=1e-6)
    assert "cycle_a" not in metrics


def test_the_shared_codes_terms_by_hand(batch: Batch) -> None:
    """With nothing else the loss is reconstruction and KL, of codes drawn from one generator."""
    model = model_of()
    both = (batch.x[:, 0], batch.x[:, 1])
    rule = Cycle("critic", teaching=0.0, cycle=0.0, reconstruction=2.0, kl=0.3)
    losses, _ = rule(model, batch, generator=torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    q: list[Any] = [model.code(x, k) for k, x in enumerate(both)]
    z = [each.mean + each.stddev * torch.randn(6, 2, generator=generator) for each in q]
    decoded = [[model.decoded(z[k], to) for to in (0, 1)] for k in (0, 1)]
    own = sum((decoded[k][k] - both[k]).abs().mean() for k in (0, 1))
    unit = torch.distributions.Normal(0.0, 1.0)
    kl = torch.zeros(())
    for k in (0, 1):
        for x in (both[k], decoded[1 - k][k]):
            each: Any = model.code(x, k)
            terms = torch.distributions.kl_divergence(each.base_dist, unit)
            kl = kl + terms.sum(1).mean() / 2
    assert torch.allclose(losses["decoder"], 2 * own + 0.3 * kl, atol=1e-5)


@pytest.mark.parametrize("opponent", ["cooperative", "critic"])
def test_no_gradient_leaks(opponent: Any, batch: Batch) -> None:
    model = model_of(hidden=(8,))
    rule = Cycle(opponent, cycle=1.0, identity=1.0, reconstruction=1.0, kl=1.0, noise=0.1)
    losses, _ = rule(model, batch, generator=torch.Generator().manual_seed(0))
    translators = [*model.encoders.parameters(), *model.decoders.parameters()]
    descriptors = [*model.descriptors.parameters()]

    def touched(loss: Tensor, weights: list[nn.Parameter]) -> int:
        grads = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        return sum(g is not None and bool(g.abs().max() > 0) for g in grads)

    own = [p for p in translators if p.requires_grad]
    assert touched(losses["decoder"], own) == len(own)
    assert touched(losses["decoder"], descriptors) == 0
    assert touched(losses["descriptor"], own) == 0
    assert touched(losses["descriptor"], descriptors) > 0


@pytest.mark.parametrize("opponent", ["cooperative", "critic"])
def test_linear_gaussian_domains_reach_the_known_translator(opponent: Any) -> None:
    """N(0, 1) to N(1, 0.25): of the affine maps only 1 + a/2 and 1 - a/2 keep the densities.

    From the identity the first is reached. The data themselves know the means and the deviations
    to 3 / sqrt(2000) = 0.07; the game of two networks goes on about its balance, so twice that, and
    twice again for the way back, whose slope is 2.
    """
    generator = torch.Generator().manual_seed(0)
    n, steps = 2000, 400
    a = torch.randn(n, 1, generator=generator)
    b = 1 + torch.randn(n, 1, generator=generator) / 2
    torch.manual_seed(0)
    sizes = {"shape": [1], "latent_dim": 1}
    encoder: Encoder = make(Part("encoders"), {"name": "perceptron", "hidden": []}, sizes)
    decoder: Decoder = make(Part("decoders"), {"name": "perceptron", "hidden": []}, sizes)
    sampler = {"name": "langevin", "steps": 10, "step_size": 0.2, "noise": 0.0}
    prior = EBMPrior(1, {"name": "mlp", "hidden": [16]}, sampler, bound=0.0, reference_std=2.0)
    model = TwoDomains(encoder, decoder, prior, kept=5)
    with torch.no_grad():  # both translators begin at the identity
        for part in (*model.encoders, *model.decoders):
            part.net[0].weight[:1], part.net[0].bias[:1] = 1, 0
    rule = Cycle(opponent, teaching=5.0 if opponent == "cooperative" else 1.0, cycle=0.3)
    adam = torch.optim.Adam(model.parameters(), lr=2e-2, betas=(0.5, 0.99))
    slower = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, steps)
    for _ in range(steps):
        rows = torch.randint(n, (2, 100), generator=generator)
        x = torch.stack([a[rows[0]], b[rows[1]]], dim=1)
        losses, _ = rule(model, Batch(x), generator=generator)
        adam.zero_grad()
        torch.stack([*losses.values()]).sum().backward()
        adam.step()
        slower.step()
    points = torch.tensor([[-1.0], [0.0], [1.0]])
    there = model.translate(points, "b", refine=False)
    assert (there - (1 + points / 2)).abs().max() < 0.15
    back = model.translate(1 + points / 2, "a", refine=False)
    assert (back - points).abs().max() < 0.3


def test_regression_on_pairs_leaves_the_descriptors_alone(batch: Batch) -> None:
    losses, _ = Cycle("pairs")(model := model_of(), batch)
    assert [*losses] == ["decoder"]
    a, b = batch.x[:, 0], batch.x[:, 1]
    by_hand = (translate(model, a, 1) - b).square().mean() + (
        translate(model, b, 0) - a
    ).square().mean()
    assert torch.allclose(losses["decoder"], by_hand, atol=1e-6)


def test_the_model_translates_saves_and_samples(tmp_path: Path) -> None:
    model = model_of(noise=1.0).eval()
    x = torch.randn(4, 2)
    assert torch.allclose(model.translate(x, "a", refine=False), translate(model, x, 0), atol=1e-6)
    moved = model.translate(x, "b", generator=torch.Generator().manual_seed(0))
    assert not torch.equal(moved, model.translate(x, "b", refine=False))
    model.sources.normal_()
    contracts.check_model(model, "two-domains")
    pairs = model.sample(7, generator=torch.Generator().manual_seed(0))
    assert pairs.shape == (7, 2, 2)
    assert all(bool((model.sources == row).all(1).any()) for row in pairs[:, 0])
    with pytest.raises(UsageError, match="to ="):
        model.translate(x, "c")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="shape"):
        model.translate(torch.randn(4, 3), "b")


def test_what_the_rule_refuses() -> None:
    model = model_of()
    Cycle("critic").check(model)
    with pytest.raises(UsageError, match="model.name"):
        Cycle().check(nn.Linear(1, 1))
    prior = EBMPrior(2, {"name": "mlp", "hidden": [4]}, bound=10.0)
    bounded = TwoDomains(model.encoder, model.decoder, prior)
    with pytest.raises(UsageError, match="descriptor.bound"):
        Cycle("critic").check(bounded)
    with pytest.raises(DivergenceError, match="domain b"):
        Cycle().warnings({"spread_b": 30.0})
    with pytest.raises(UsageError, match="learning.cycle"):
        Cycle(cycle=-1.0)


def test_the_metrics_by_hand() -> None:
    guess, truth = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 2.0], [1.0, 1.0]])
    value = root_mean_square(guess, truth, "test", "x")
    assert value.value == pytest.approx(1.0)  # errors 2 and 0, mean 1; their error 1, of the root
    assert value.standard_error == pytest.approx(0.5)
    images = scores(torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2), 1, "test", "images")
    assert images["psnr_b"].value == pytest.approx(10 * torch.tensor(4.0).log10().item())
    one = torch.eye(3)[torch.tensor([[0, 1, 2], [2, 1, 0]])]
    other = torch.eye(3)[torch.tensor([[0, 1, 1], [2, 1, 0]])]
    tokens = scores(one, other, 0, "test", "tokens")
    assert tokens["tokens_a"].value == pytest.approx(5 / 6)
    assert tokens["whole_a"].value == pytest.approx(1 / 2)


def test_ridge_finds_a_linear_map_and_nearest_the_nearest() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=generator)
    matrix = torch.randn(3, 2, generator=generator)
    found = ridge(x, x @ matrix + 1, x[:20], 1e-6)
    assert torch.allclose(found, x[:20] @ matrix + 1, atol=1e-4)
    examples = torch.tensor([[0.0, 0.0], [3.0, 3.0]])
    assert torch.equal(nearest(torch.tensor([[1.0, 1.0], [2.0, 2.1]]), examples), examples)
