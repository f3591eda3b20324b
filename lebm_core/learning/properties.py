"""Fit property heads after training, on posterior codes of examples whose property is known."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.base.checks import positive, whole
from lebm_core.base.randomness import randint
from lebm_core.base.schedules import cosine
from lebm_core.control.heads import PropertyHead, PropertyHeads
from lebm_core.data.dataset import Dataset, subset
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.latent.parts import LatentModel

__all__ = ["LEAST", "PropertyFit", "check_properties", "fit_properties", "fit_property"]

EXAMPLES, DRAWS, ENCODED = 20_000, 4, 128  # training examples, codes of each, examples at once
LEAST = 50  # examples; of fewer no part can be held out
HELD_OUT = 0.1  # share of the examples for early stopping, and as many for the reported figures
BATCH, CHECK_EVERY, PATIENCE = 256, 50, 10  # codes; updates between checks; checks without gain
SMALLEST_SPREAD = 1e-3  # sigma in standard deviations: below, no chain could follow


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


def check_properties(model: LatentModel, dataset: Dataset, names: Sequence[str]) -> None:
    """Refuse properties that cannot be learned, before anything is trained.

    Raises:
        UsageError: naming those that the data set gives.
    """
    if not names:
        return
    known = dataset.properties("train", torch.arange(min(1, dataset.length("train")))) or {}
    for name in names:
        if name not in known:
            raise UsageError(
                f'learning.properties names "{name}", which this data set does not give.'
                f"{did_you_mean(name, known)} Known: {', '.join(known) or 'none'}."
            )
    if not model.latent_dim:
        raise UsageError("learning.properties needs a prior with codes; use prior.latent_dim > 0.")


@torch.no_grad()
def fit_properties(
    model: LatentModel,
    dataset: Dataset,
    names: Sequence[str],
    generator: torch.Generator | None = None,
    log: Callable[[str], None] = print,
) -> list[PropertyFit]:
    """Fit a head for each property on posterior codes of the training split.

    Of a data set with a context the heads see it in addition to the code.

    Args:
        model: trained; its `heads` get the heads.
        dataset: gives the properties.
        names: of the properties.
        generator: source of all randomness.
        log: takes a line for each.

    Raises:
        UsageError: for a property that the data set does not give.
    """
    check_properties(model, dataset, names)
    codes, contexts = list[Tensor](), list[Tensor]()
    values: dict[str, list[Tensor]] = {name: [] for name in names}
    for index in subset(dataset.length("train"), EXAMPLES, 0).split(ENCODED):
        batch = dataset.batch("train", index).to(model.device)
        draws = [model.inference(model, batch, generator=generator) for _ in range(DRAWS)]
        codes.append(torch.stack(draws, 1))
        if batch.context is not None:
            contexts.append(batch.context)
        known = dataset.properties("train", index) or {}
        for name in names:
            values[name].append(known[name])
    z, context = torch.cat(codes), torch.cat(contexts) if contexts else None
    fits = []
    for name in names:
        v = torch.cat(values[name])
        fits.append(fit_property(model, name, z, v, context=context, generator=generator))
        log(f"property {fits[-1]}")
    return fits


def fit_property(
    model: LatentModel,
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
    """Fit a head for a property and put it into the model, in place of one of that name.

    A tenth of the examples is held out for early stopping, and another to report on and to set
    sigma.

    Args:
        model: its `heads` get the head; nothing else of it changes.
        name: of the property: letters, digits and _.
        codes: (N, d) posterior codes of training examples, or (N, k, d), k draws of each.
        values: (N,) the property of these examples; NaN where it is not known.
        context: (N, c) what the model is conditioned on, for a head that sees it too.
        hidden: widths of the hidden layers.
        steps: most updates.
        lr: learning rate, falling to 0.
        generator: source of all randomness.

    Raises:
        UsageError: for a name that is not possible, fewer than 50 known values, or values that are
            all the same.
    """
    z = codes.detach()[:, None] if codes.ndim == 2 else codes.detach()
    _check(model, name, codes, z, values, context)
    whole("steps", steps, 1)
    positive("lr", lr)
    known = values.isfinite()
    z, v = z[known.to(z.device)].float(), values[known].to(z).float()
    c = None if context is None else context[known.to(context.device)].to(z)
    if len(v) < LEAST:
        raise UsageError(f'The property "{name}" has {len(v)} known values: {LEAST} are needed.')
    order = torch.rand(len(v), generator=generator, device=getattr(generator, "device", "cpu"))
    rows = order.argsort().to(z.device)
    k = max(10, round(HELD_OUT * len(rows)))
    held, stop, learn = rows[:k], rows[k : 2 * k], rows[2 * k :]
    if not float(v[learn].std()) > 1e-6 * max(1.0, float(v.abs().max())):
        raise UsageError(
            f'The property "{name}" is {float(v[learn[0]]):g} in every example to learn from.'
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0 if generator is None else int(randint(2**31, 1, v.cpu(), generator)))
        width = 0 if c is None else c.shape[1]
        head = PropertyHead(model.latent_dim, tuple(hidden), width).to(z.device)
    head.centre.copy_(v[learn].mean())
    head.scale.copy_(v[learn].std())
    standard = (v - head.centre) / head.scale
    done = _least_squares(head, z, standard, c, learn, stop, steps, lr, generator)
    with torch.no_grad():
        error = (head(*_all_draws(z, c, held)).view(len(held), -1) - v[held, None]).square()
        head.spread.copy_((error.mean().sqrt() / head.scale).clamp(min=SMALLEST_SPREAD))
    variance = float(v[held].var(correction=0))
    head.r2.fill_(1 - float(error.mean()) / variance if variance > 0 else math.nan)
    model.heads[name] = head.requires_grad_(False).eval()
    return PropertyFit(name, float(head.r2), head.sigma, len(held), done)


def _check(
    model: LatentModel, name: str, codes: Tensor, z: Tensor, values: Tensor, context: Tensor | None
) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or hasattr(PropertyHeads(), name):
        raise UsageError(
            f'A property cannot be called "{name}"; use letters, digits and _, and no name that '
            "the heads have themselves."
        )
    if name == "y":
        raise UsageError('A property cannot be called "y", which stands for the class.')
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


def _all_draws(z: Tensor, c: Tensor | None, rows: Tensor) -> tuple[Tensor, Tensor | None]:
    """All codes of the given examples, example by example, and the context of each code."""
    repeated = None if c is None else c[rows].repeat_interleave(z.shape[1], 0)
    return z[rows].flatten(0, 1), repeated


def _least_squares(
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
    """Fit the head to standardised values v, keep the best weights on `stop`; updates made."""
    adam = torch.optim.AdamW(head.net.parameters(), lr, weight_decay=1e-3)
    best, kept, waited, step = math.inf, copy.deepcopy(head.net.state_dict()), 0, 0
    while step < steps and waited < PATIENCE:
        for group in adam.param_groups:
            group["lr"] = lr * cosine(step, steps)
        rows = learn[randint(len(learn), BATCH, v, generator)]
        draws = randint(z.shape[1], BATCH, v, generator)
        with torch.enable_grad():
            prediction = head.standardised(z[rows, draws], None if c is None else c[rows])
            loss = (prediction - v[rows]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
        step += 1
        if step % CHECK_EVERY == 0 or step == steps:
            with torch.no_grad():
                checked = head.standardised(*_all_draws(z, c, stop)).view(len(stop), -1)
                now = float((checked - v[stop, None]).square().mean())
            waited = 0 if now < best else waited + 1
            if now < best:
                best, kept = now, copy.deepcopy(head.net.state_dict())
    head.net.load_state_dict(kept)
    return step
