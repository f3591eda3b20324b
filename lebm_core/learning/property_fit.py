"""Fit a property head on posterior codes."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lebm_core.base.randomness import randint
from lebm_core.control.heads import PropertyHead, PropertyHeads
from lebm_core.errors import UsageError

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["PropertyFit", "fit_property"]

LEAST = 50  # examples: fewer say nothing of a held-out part
HELD_OUT = 0.1  # share of the examples to stop by, and as many to report on
BATCH, LOOKS_EVERY, PATIENCE = 256, 50, 10  # codes; updates between looks; looks without gain
TIGHTEST = 1e-3  # sigma in standard deviations: below, no chain could follow


@dataclass(frozen=True)
class PropertyFit:
    """How well a head does on examples that it did not learn from.

    Attributes:
        name: of the property.
        r2: share of the variance that the mean explains, of codes of held-out examples.
        sigma: root mean square error there, in the property's unit.
        n: held-out examples.
        steps: updates.
    """

    name: str
    r2: float
    sigma: float
    n: int
    steps: int

    def __str__(self) -> str:
        return f"{self.name}: R^2 {self.r2:.3f}, sigma {self.sigma:.3g} (n = {self.n}, held out)"


def fit_property(
    model: LatentEBM,
    name: str,
    codes: Tensor,
    values: Tensor,
    *,
    context: Tensor | None = None,
    hidden: Sequence[int] = (64, 64),
    steps: int = 3000,
    lr: float = 2e-3,
    generator: torch.Generator | None = None,
) -> PropertyFit:
    """Learns a head for a property and gives it to the model, in place of one of that name.

    Of the examples a tenth is held out to stop by, and another to report on and to set sigma.

    Args:
        model: its `heads` get the head; nothing else of it changes.
        name: of the property: letters, digits and _.
        codes: (N, d) posterior codes of training examples, or (N, k, d), k draws of each.
        values: (N,) the property of these examples; NaN where it is not known.
        context: (N, c) what the model is conditioned on, for a head that sees it beside z.
        hidden: widths of the hidden layers.
        steps: most updates.
        lr: learning rate, falling to 0.
        generator: source of all randomness.

    Raises:
        UsageError: for a name that cannot be, fewer than 50 known values, or values that are
            all the same.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or hasattr(PropertyHeads(), name):
        raise UsageError(f'A property cannot be called "{name}": letters, digits and _ are taken.')
    if name == "y":
        raise UsageError('A property cannot be called "y", which stands for the class.')
    z = codes.detach()[:, None] if codes.ndim == 2 else codes.detach()
    if z.ndim != 3 or z.shape[2] != model.latent_dim or values.shape != (len(z),):
        raise UsageError(
            f'The property "{name}" needs codes (N, {model.latent_dim}) and values (N,), not '
            f"{tuple(codes.shape)} and {tuple(values.shape)}."
        )
    if context is not None and (context.ndim != 2 or len(context) != len(z)):
        raise UsageError(
            f'The property "{name}" needs a context (N, c) for its {len(z)} codes, not '
            f"{tuple(context.shape)}."
        )
    known = values.isfinite()
    z, v = z[known.to(z.device)].float(), values[known].to(z).float()
    c = None if context is None else context[known.to(context.device)].to(z)
    if len(v) < LEAST:
        raise UsageError(f'The property "{name}" has {len(v)} known values: {LEAST} are needed.')
    order = torch.rand(len(v), generator=generator, device=getattr(generator, "device", "cpu"))
    held, stop, learn = (z.new_tensor(part, dtype=torch.long) for part in _split(order))
    if not float(v[learn].std()) > 1e-6 * max(1.0, float(v.abs().max())):
        raise UsageError(
            f'The property "{name}" is {float(v[learn[0]]):g} in every example to learn from.'
        )
    with torch.random.fork_rng(devices=[]):
        seeded = 0 if generator is None else int(randint(2**31, 1, v.cpu(), generator))
        torch.manual_seed(seeded)
        width = 0 if c is None else c.shape[1]
        head = PropertyHead(model.latent_dim, tuple(hidden), width).to(z.device)
    head.centre.copy_(v[learn].mean())
    head.scale.copy_(v[learn].std())
    taken = _learn(head, z, (v - head.centre) / head.scale, c, learn, stop, steps, lr, generator)
    with torch.no_grad():
        wrong = (head(*_each_draw(z, c, held)).view(len(held), -1) - v[held, None]).square()
        mse = float(wrong.mean())
        head.spread.copy_((wrong.mean().sqrt() / head.scale).clamp(min=TIGHTEST))
    spread = float(v[held].var(correction=0))
    head.r2.fill_(1 - mse / spread if spread > 0 else math.nan)
    model.heads[name] = head.requires_grad_(False).eval()
    return PropertyFit(name, float(head.r2), head.sigma, len(held), taken)


def _split(order: Tensor) -> tuple[list[int], list[int], list[int]]:
    """Rows to report on, to stop by and to learn from."""
    rows = order.argsort().tolist()
    k = max(10, round(HELD_OUT * len(rows)))
    return rows[:k], rows[k : 2 * k], rows[2 * k :]


def _each_draw(z: Tensor, c: Tensor | None, rows: Tensor) -> tuple[Tensor, Tensor | None]:
    """All codes of some examples, example by example, and the context of each code."""
    given = None if c is None else c[rows].repeat_interleave(z.shape[1], 0)
    return z[rows].flatten(0, 1), given


def _learn(
    head: PropertyHead,
    z: Tensor,
    v: Tensor,
    c: Tensor | None,
    learn: Tensor,
    stop: Tensor,
    steps: int,
    lr: float,
    generator: torch.Generator | None,
) -> int:
    """Least squares on standardised values v; the weights that were best on `stop` stay."""
    adam = torch.optim.AdamW(head.net.parameters(), lr, weight_decay=1e-3)
    best, kept, waited, step = math.inf, copy.deepcopy(head.net.state_dict()), 0, 0
    while step < steps and waited < PATIENCE:
        for group in adam.param_groups:
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        rows = learn[randint(len(learn), BATCH, v, generator)]
        draws = randint(z.shape[1], BATCH, v, generator)
        with torch.enable_grad():
            given = None if c is None else c[rows]
            loss = (head.standardised(z[rows, draws], given) - v[rows]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
        step += 1
        if step % LOOKS_EVERY == 0 or step == steps:
            with torch.no_grad():
                seen = head.standardised(*_each_draw(z, c, stop)).view(len(stop), -1)
                now = float((seen - v[stop, None]).square().mean())
            waited = 0 if now < best else waited + 1
            if now < best:
                best, kept = now, copy.deepcopy(head.net.state_dict())
    head.net.load_state_dict(kept)
    return step
