"""The chains of lebm against the plain loop of the published code.

Run it by `python tests/benchmarks/speed.py`.

Both use the same weights, step sizes and batches in one process; each time is the least of several
repetitions, so that what else the machine does counts little. Prints a Markdown table. On a machine
that does other work `--clock cpu --threads 1` counts only the time for which this process ran.
"""

from __future__ import annotations

import argparse
import copy
import math
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lebm_core import (
    Batch,
    EBMPrior,
    Langevin,
    LatentEBM,
    SequenceDecoder,
    ShortRun,
    TwoPart,
    langevin,
)
from lebm_core.base.modules import frozen
from lebm_core.chains.densities import Total
from lebm_images.networks.decoder import DeconvDecoder
from lebm_trajectories.networks.paths import TrajectoryDecoder, TrajectoryEncoder
from lebm_trajectories.prediction import means

sys.path.insert(0, str(Path(__file__).parent))
from products import least_of_products  # noqa: E402


class Comparison(NamedTuple):
    """Milliseconds of both, and the means of a statistic of both with their standard errors.

    Attributes:
        products: milliseconds that the matrix products of ours take by themselves, each as fast as
            the library of this machine does one of its shape.
    """

    name: str
    plain: float
    ours: float
    plain_mean: float
    ours_mean: float
    error: float
    products: float

    @property
    def ratio(self) -> float:
        return self.plain / self.ours


def plain_prior_chain(prior: EBMPrior, z: Tensor, steps: int, s: float) -> Tensor:
    """As published: autograd through the energy network at every step."""
    for _ in range(steps):
        z = z.detach().requires_grad_(True)
        energy = -prior.logits(z)  # one logit: no logsumexp, as there
        (gradient,) = torch.autograd.grad(energy.sum(), z)
        z = z - 0.5 * s * s * (gradient + z) + s * torch.randn_like(z)
    return z.detach()


def plain_log_likelihood(decoder: SequenceDecoder, x: Tensor, z: Tensor) -> Tensor:
    """As published: embed, concatenate z, unroll, project and normalise, all again at each step."""
    inputs = torch.cat([torch.full_like(x[:, :1], decoder.bos), x[:, :-1]], dim=1)
    code = z[:, None].expand(-1, x.shape[1], -1)
    first = decoder.net.first_state(z)
    state = first if decoder.cell == "lstm" else first[0]
    h, _ = decoder.net.rnn(torch.cat([decoder.embedding(inputs), code], dim=-1), state)
    log_p = decoder.output(decoder.project(h)).log_softmax(-1)
    return (log_p.gather(-1, x[..., None]).squeeze(-1) * (x != decoder.pad)).sum(1)


def plain_posterior_chain(
    decoder: SequenceDecoder, prior: EBMPrior, x: Tensor, z: Tensor, steps: int, s: float
) -> Tensor:
    """As published: autograd through decoder and energy at every step."""
    for _ in range(steps):
        z = z.detach().requires_grad_(True)
        log_p = plain_log_likelihood(decoder, x, z) + prior.logits(z).squeeze(-1)
        (gradient,) = torch.autograd.grad(log_p.sum(), z)
        z = z + 0.5 * s * s * (gradient - z) + s * torch.randn_like(z)
    return z.detach()


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
clock = CLOCKS["wall"]


def least(repetitions: int, *work: Callable[[], object]) -> list[float]:
    """The least time of each in ms; they take turns, so that both meet the same machine."""
    best = [float("inf")] * len(work)
    for _ in range(repetitions):
        for i, run in enumerate(work):
            began = clock()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            best[i] = min(best[i], 1e3 * (clock() - began))
    return best


def prior_chain(device: str, batch: int, repetitions: int = 25) -> Comparison:
    """100 chains of 40 steps, z 32, 200-200 GELU: text's prior."""
    torch.manual_seed(0)
    prior = EBMPrior(32).to(device)
    for p in prior.parameters():
        torch.nn.init.normal_(p, std=0.1)
    z = torch.randn(batch, 32, device=device)
    steps, s = 40, 0.4

    def plain() -> Tensor:
        return plain_prior_chain(prior, z, steps, s)

    def ours() -> Tensor:
        return prior.sample(batch, start=z, sampler=Langevin(steps, s))

    times = least(repetitions, plain, ours)
    products = least_of_products(ours, clock)
    ends = [torch.cat([f() for _ in range(-(-4_000 // batch))]) for f in (plain, ours)]
    f = [prior.log_prob(each).detach() for each in ends]
    error = float((f[0].var() / len(f[0]) + f[1].var() / len(f[1])).sqrt())
    name = f"prior chain, 40 steps, batch {batch}"
    return Comparison(name, *times, float(f[0].mean()), float(f[1].mean()), error, products)


def posterior_step(
    device: str, cell: str = "lstm", batch: int = 64, vocabulary: int = 10_000, repetitions: int = 5
) -> Comparison:
    """One step of a posterior chain over 64 sentences of 8 to 36 words, 22 on average."""
    torch.manual_seed(0)
    decoder = SequenceDecoder(32, vocabulary, cell=cell, embed_dim=512, hidden=512).to(device)
    prior = EBMPrior(32).to(device)
    lengths = torch.linspace(8, 36, batch).long()  # as published: not bucketed
    x = torch.randint(3, vocabulary, (batch, 36))
    x[torch.arange(36) >= lengths[:, None]] = decoder.pad
    x[torch.arange(batch), lengths - 1] = decoder.eos
    x, z = x.to(device), torch.randn(batch, 32, device=device)
    decoder.eval()
    decoder.net.rnn.train()  # cuDNN differentiates it in no other mode; it has no dropout
    steps, s = 5, 0.1

    def plain() -> Tensor:
        return plain_posterior_chain(decoder, prior, x, z, steps, s)

    def ours() -> Tensor:
        with frozen(decoder, prior, evaluating=True):
            target = Total(decoder.likelihood(x), prior.target())
            return langevin(target, z, steps=steps, step_size=s)

    times = least(repetitions, plain, ours)
    products = least_of_products(ours, clock) / steps
    ends = [f() for f in (plain, ours)]
    with torch.no_grad():
        f = [plain_log_likelihood(decoder, x, each) + prior.log_prob(each) for each in ends]
    difference = f[0] - f[1]  # the same sentences: paired
    error = float(difference.std() / batch**0.5)
    per_step = [t / steps for t in times]
    name = f"posterior step, {cell}, {batch} sentences"
    return Comparison(name, *per_step, float(f[0].mean()), float(f[1].mean()), error, products)


def plain_image_chains(
    net: torch.nn.Module, prior: EBMPrior, x: Tensor, posterior_steps: int
) -> tuple[Tensor, Tensor]:
    """As published: the ends of the prior and the posterior chains for the images x."""
    z_prior = plain_prior_chain(prior, torch.randn(len(x), prior.latent_dim).to(x), 60, 0.4)
    z, s = torch.randn(len(x), prior.latent_dim).to(x), 0.1
    for _ in range(posterior_steps):
        z = z.detach().requires_grad_(True)
        error = (net(z[:, :, None, None]) - x).square().sum() / (2 * 0.3**2)
        (g,) = torch.autograd.grad(error, z)
        (e,) = torch.autograd.grad(-prior.logits(z).sum(), z)
        z = z - 0.5 * s * s * (g + e + z) + s * torch.randn_like(z)
    return z_prior, z.detach()


def svhn(
    device: str, images: int, half: bool
) -> tuple[torch.nn.Module, EBMPrior, DeconvDecoder, Tensor]:
    """The published network as anyone would write it, prior and decoder of it, and images."""
    torch.manual_seed(0)
    prior = EBMPrior(100, sampler={"steps": 60, "step_size": 0.4}, bound=None).to(device)
    decoder = DeconvDecoder(100, 3, 32, "svhn", half=half).to(device)
    net = copy.deepcopy(decoder.net).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with torch.no_grad():
        x = net(torch.randn(images, 100, 1, 1, device=device)).contiguous()
        x = (x + 0.3 * torch.randn_like(x)).clamp(-1, 1)
    return net, prior, decoder, x


class Agreement(NamedTuple):
    """Of posterior draws z by both.

    Attributes:
        means: root mean square of the difference of the means, in its standard error: about 1.
        spread: ratio of lebm's standard deviations to the plain loop's, the geometric mean.
        error: standard error of the logarithm of `spread`.
    """

    means: float
    spread: float
    error: float


def image_posteriors(device: str, images: int = 4, chains: int = 25) -> Agreement:
    """Where the posterior chains of `image_iteration` end, `chains` of them for each image."""
    net, prior, decoder, x = svhn(device, images, half=True)
    x = x.repeat_interleave(chains, 0)
    model = LatentEBM(prior, decoder, None, ShortRun(sampler={"steps": 20, "step_size": 0.1}))
    ends = [plain_image_chains(net, prior, x, 20)[1], model.posterior(x)]
    a, b = (z.view(images, chains, -1) for z in ends)
    difference = (a.mean(1) - b.mean(1)).square() / ((a.var(1) + b.var(1)) / chains)
    ratio = (b.std(1) / a.std(1)).log()
    # Each of the images x d logarithms has the variance 2 / (2 (chains - 1)).
    error = math.sqrt(1 / ((chains - 1) * ratio.numel()))
    return Agreement(float(difference.mean().sqrt()), float(ratio.mean().exp()), error)


def image_iteration(
    device: str, batch: int = 100, repetitions: int = 3, half: bool = True
) -> Comparison:
    """A training iteration with the SVHN network: 60 prior and 20 posterior steps, both updates.

    The learning rates are 0, so that both see the same weights each time.
    """
    net, prior, decoder, x = svhn(device, batch, half)
    model = LatentEBM(prior, decoder, None, ShortRun(sampler={"steps": 20, "step_size": 0.1}))
    learning = TwoPart(decoder="mcmc", prior="short-run")
    adam = torch.optim.Adam([*net.parameters(), *prior.parameters()], lr=0.0)
    ours_adam = torch.optim.Adam(model.parameters(), lr=0.0)

    def plain() -> None:
        z_prior, z = plain_image_chains(net, prior, x, 20)
        adam.zero_grad()
        error = (net(z[:, :, None, None]) - x).square().sum() / batch
        (error + prior.logits(z_prior).mean() - prior.logits(z).mean()).backward()
        adam.step()

    def ours() -> None:
        losses = learning(model, Batch(x)).losses
        ours_adam.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        ours_adam.step()

    times = least(repetitions, plain, ours)
    products = least_of_products(ours, clock)
    ends = [plain_image_chains(net, prior, x, 20)[1], model.posterior(Batch(x).x)]
    with torch.no_grad():
        target = [decoder.likelihood(x)(z) + prior.log_prob(z) for z in ends]
    difference = target[0] - target[1]  # the same images: paired
    error = float(difference.std() / batch**0.5)
    name = f"training iteration, SVHN network, batch {batch}" + ("" if half else ", float32")
    return Comparison(
        name, *times, float(target[0].mean()), float(target[1].mean()), error, products
    )


def molecule_iteration(device: str, batch: int = 32, repetitions: int = 2) -> Comparison:
    """A training iteration with the published network of ZINC250k, 20 prior and posterior steps.

    The molecules have 26 to 66 symbols; the plain loop unrolls to the 72 of the published code. The
    learning rates are 0, so that both see the same weights each time.
    """
    torch.manual_seed(0)
    prior = EBMPrior(100, sampler={"steps": 20, "step_size": 0.4}, bound=None).to(device)
    decoder = SequenceDecoder(
        100, 40, embed_dim=512, hidden=1024, dropout=0.0, tied=False, max_length=72
    ).to(device)
    model = LatentEBM(prior, decoder, None, ShortRun(sampler={"steps": 20, "step_size": 0.1}))
    learning = TwoPart(decoder="mcmc", prior="short-run")
    lengths = torch.linspace(26, 66, batch).long()
    x = torch.randint(3, 40, (batch, 72))
    x[torch.arange(72) >= lengths[:, None]] = decoder.pad
    x[torch.arange(batch), lengths - 1] = decoder.eos
    x = x.to(device)
    adam, ours_adam = (torch.optim.Adam(model.parameters(), lr=0.0) for _ in range(2))

    def plain_chain() -> Tensor:
        z = torch.randn(batch, 100, device=device)
        return plain_posterior_chain(decoder, prior, x, z, 20, 0.1)

    def plain() -> None:
        z_prior = plain_prior_chain(prior, torch.randn(batch, 100, device=device), 20, 0.4)
        z = plain_chain()
        adam.zero_grad()
        tilt = prior.logits(z_prior).mean() - prior.logits(z).mean()
        (tilt - plain_log_likelihood(decoder, x, z).mean()).backward()
        adam.step()

    def ours() -> None:
        losses = learning(model, Batch(x)).losses
        ours_adam.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        ours_adam.step()

    times = least(repetitions, plain, ours)
    products = least_of_products(ours, clock)
    ends = [plain_chain(), model.posterior(Batch(x).x)]
    with torch.no_grad():
        f = [plain_log_likelihood(decoder, x, z) + prior.log_prob(z) for z in ends]
    difference = f[0] - f[1]  # the same molecules: paired
    error = float(difference.std() / batch**0.5)
    name = f"training iteration, ZINC network, {batch} molecules"
    return Comparison(name, *times, float(f[0].mean()), float(f[1].mean()), error, products)


def trajectory_iteration(
    device: str, tilt: str, batch: int = 512, repetitions: int = 10
) -> Comparison:
    """A training iteration of trajectories at the published widths, against float64.

    The plain loop is the published one: the encoder's bound, and a prior chain of 20 steps by
    autograd, in float64. With tilt "short-run" ours has the same chain, with "density-ratio" none.
    """
    torch.manual_seed(0)
    plan, path = (1024, 512, 1024), (1024, 512, 256)
    sizes = {"observed": 8, "predicted": 12, "neighbours": 0}
    prior = EBMPrior(16, sampler={"steps": 20, "step_size": 0.4}, context_dim=14, bound=None)
    decoder = TrajectoryDecoder(16, **sizes, features=16, hidden=plan, path_hidden=path)
    encoder = TrajectoryEncoder(16, **sizes, features=16, hidden=(256, 512))
    model = LatentEBM(prior, decoder, encoder).to(device)
    double = copy.deepcopy(model).double()
    learning = TwoPart(decoder={"kl_cycles": 0}, prior=tilt)
    x = torch.randn(batch, 12, 2, device=device)
    past = torch.randn(batch, 14, device=device)
    adam, ours_adam = (torch.optim.Adam(m.parameters(), lr=0.0) for m in (double, model))

    def plain_chain(z: Tensor, given: Tensor) -> Tensor:
        for _ in range(20):
            z = z.detach().requires_grad_(True)
            energy = -double.prior.logits(z, given).sum()  # type: ignore[operator]
            (gradient,) = torch.autograd.grad(energy, z)
            z = z - 0.08 * (gradient + z) + 0.4 * torch.randn_like(z)
        return z.detach()

    def plain() -> None:
        real, given = x.double(), past.double()
        drawn = plain_chain(torch.randn(batch, 16, dtype=torch.float64, device=device), given)
        adam.zero_grad()
        q = double.need_encoder("")(real, given)
        z = q.rsample()
        kl = torch.distributions.kl_divergence(q, double.prior.reference).mean()
        f = [double.prior.log_tilt(each, None, given).mean() for each in (drawn, z)]
        (kl - double.decoder.likelihood(real, given)(z).mean() + f[0] - f[1]).backward()
        adam.step()

    def ours() -> None:
        losses = learning(model, Batch(x, context=past)).losses
        ours_adam.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        ours_adam.step()

    times = least(repetitions, plain, ours)
    products = least_of_products(ours, clock)
    many = past.repeat(8, 1)
    start = torch.randn(len(many), 16, dtype=torch.float64, device=device)
    ends = [plain_chain(start, many.double()).to(x), prior.sample(len(many), context=many)]
    with torch.no_grad():
        f = [prior.log_prob(z, context=many) for z in ends]
    error = float((f[0].var() / len(many) + f[1].var() / len(many)).sqrt())
    name = f"training iteration, trajectories, batch {batch}, float64 against {tilt}"
    return Comparison(name, *times, float(f[0].mean()), float(f[1].mean()), error, products)


def predicted_agents(device: str, agents: int = 10_000, draws: int = 20) -> float:
    """Seconds in which so many futures of so many agents are predicted, by trajectory's recipe."""
    torch.manual_seed(0)
    sizes = {"observed": 8, "predicted": 12, "neighbours": 8}
    prior = EBMPrior(16, sampler={"steps": 30, "step_size": 0.3}, context_dim=54)
    model = LatentEBM(prior, TrajectoryDecoder(16, **sizes)).to(device).eval()
    context = torch.randn(agents, 54)
    means(model, context[:500], draws)
    return least(1, lambda: means(model, context, draws))[0] / 1e3


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows_of(part: str, device: str) -> list[Comparison]:
    if part == "prior":
        return [prior_chain(device, n) for n in (100, 500, 2_000)]
    if part == "text":
        return [posterior_step(device, cell) for cell in ("lstm", "gru")]
    if part == "images":
        return [image_iteration(device, half=half) for half in (True, False)]
    if part == "molecules":
        return [molecule_iteration(device)]
    return [trajectory_iteration(device, tilt) for tilt in ("short-run", "density-ratio")]


def main() -> None:
    parts = ("prior", "text", "images", "molecules", "trajectories")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", choices=parts, nargs="+", default=parts, help="these rows alone")
    parser.add_argument(
        "--clock", choices=list(CLOCKS), default="wall",
        help="cpu: the time for which this process ran, on one thread",
    )  # fmt: skip
    given = parser.parse_args()
    if given.clock == "cpu" and (given.threads != 1 or given.device != "cpu"):
        parser.error("--clock cpu adds up the threads of the CPU: use it with --threads 1")
    global clock
    clock = CLOCKS[given.clock]
    torch.set_num_threads(given.threads)
    rows = [row for part in given.only for row in rows_of(part, given.device)]
    where = (
        torch.cuda.get_device_name() if given.device == "cuda"
        else f"{platform.machine()} CPU, {given.threads} threads"
    )  # fmt: skip
    print(f"{where}, torch {torch.__version__}, {given.clock} time\n")
    columns = ("what", "plain loop, ms", "lebm, ms", "ratio", "mean log p, plain", "lebm")
    print(f"| {' | '.join(columns)} | s.e. of difference | products alone, ms | share of peak |")
    print("|---|---|---|---|---|---|---|---|---|")
    for r in rows:
        print(
            f"| {r.name} | {r.plain:.1f} | {r.ours:.1f} | {r.ratio:.2f} | {r.plain_mean:.3f} "
            f"| {r.ours_mean:.3f} | {r.error:.3f} | {r.products:.2f} | {r.products / r.ours:.2f} |"
        )
    if "images" in given.only:
        found = image_posteriors(given.device)
        print(
            f"\nPosterior codes of images: the means differ by {found.means:.3f} standard errors "
            f"(root mean square; 1 is expected), the ratio of the spreads is {found.spread:.3f}, "
            f"standard error {found.error:.3f}."
        )
    if "trajectories" in given.only:
        print(f"\n20 futures of 10,000 agents: {predicted_agents(given.device):.1f} s.")


if __name__ == "__main__":
    main()
