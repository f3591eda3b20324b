"""Checks of learning rules."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lebm_core.base.modules import Configured
from lebm_core.contracts import toys
from lebm_core.contracts.checks import (
    check_finite,
    check_grads,
    check_same,
    filled,
    made,
    rebuilt,
    seeded,
)
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.learning.symbol import Symbols
from lebm_core.priors.base import Prior
from lebm_core.registry.registry import registry

__all__ = ["check_rule"]

N, D = 8, 2
Options = Mapping[str, Any]


def check_rule(
    name: str,
    options: Options | None = None,
    model: Any = None,
    dataset: Dataset | None = None,
    priors: Mapping[str, Options] | None = None,
) -> None:
    """Check a registered learning rule.

    Losses are finite scalars with finite gradients, the same for the same generator, and a rule
    that is loaded from its state goes on bit for bit.

    Args:
        name: registered; "decoder.X" and "prior.X" are checked as parts of the rule "two-part".
        options: of its table.
        model: that it teaches; by default a small latent model.
        dataset: that it teaches it from; by default `Points`.
        priors: options of the plugin's own priors, by name, that a prior rule is tried on.
    """
    label = f'learning_rules "{name}"'
    rule = made("learning_rules", name, options)
    assert isinstance(rule, Configured), f"{label} remembers no options"
    rebuilt(rule, "learning_rules", label)
    if name.startswith("decoder."):
        _check_decoder_rule(rule, label)
    elif name.startswith("prior."):
        _check_prior_rule(rule, name, label, priors or {})
    else:
        dataset = toys.Points() if dataset is None else dataset
        _check_whole(rule, toys.latent_model() if model is None else model, dataset, label)


def _check_decoder_rule(rule: Any, label: str) -> None:
    kinds = [("ebm", {}), ("coupled", {"n_classes": 2})][: 1 + rule.learns_labels]
    for kind, more in kinds:
        small = {"energy": {"hidden": [8]}, "sampler": {"steps": 3}, **more}
        model = toys.latent_model(made("priors", kind, small, {"latent_dim": D})).train()
        batch = toys.Points().batch("train", torch.arange(N))
        codes, again = (
            copy.deepcopy(rule)(copy.deepcopy(model), batch, Symbols(), 0.5, seeded())
            for _ in range(2)
        )
        check_finite(codes.z, (N, D), f"{label}: its codes")
        assert not codes.z.requires_grad, f"{label}: its codes take part in a graph"
        check_same(codes.z, again.z, f"{label}: codes depend on more than the generator")
        check_same(codes.losses, again.losses, f"{label}: losses depend on more than the generator")
        found = rule(model, batch, Symbols(), 0.5, seeded())
        _check_losses(found.losses, label)
        loss = _total(found.losses, label)
        assert filled(check_grads(loss, model.decoder, f"{label}: decoder's gradient")), (
            f"{label} teaches no decoder"
        )
        if kind == "ebm":
            assert not filled(check_grads(loss, model.prior, label)), (
                f"{label} moves the prior, which is the prior rule's"
            )


def _check_prior_rule(rule: Any, name: str, label: str, options: Mapping[str, Options]) -> None:
    taught = False
    for prior in _priors(registry().find("learning_rules", name).plugin, options):
        context = None
        if prior.context_dim:
            if not rule.takes_context:
                continue
            context = torch.randn(N, prior.context_dim, generator=seeded(3))
        batches = [torch.randn(N, D, generator=seeded(i)) for i in range(4)]
        before = copy.deepcopy(prior.state_dict())
        first, resumed = copy.deepcopy(rule), copy.deepcopy(rule)
        try:
            for z in batches[:3]:
                first(prior, z, context, 0.5, seeded(8))
        except UsageError:  # it is for priors of another kind, of which there must be one
            continue
        resumed.load_state_dict({k: v.clone() for k, v in first.state_dict().items()})
        one, two = (r(prior, batches[3], context, 0.5, seeded(9)) for r in (first, resumed))
        check_finite(one.loss, (), f"{label}: its loss")
        check_same(one.loss, two.loss, f"{label}: loaded from its state it goes on otherwise")
        check_same(before, prior.state_dict(), f"{label} changes the prior itself")
        if one.loss.requires_grad:
            taught |= filled(check_grads(one.loss, prior, f"{label}: gradient of the prior"))
    assert taught == rule.trains, f"{label}: trains is {rule.trains}, and no prior gets a gradient"


def _priors(plugin: str, options: Mapping[str, Options]) -> list[Prior]:
    """Priors to teach: a tilted one, one with a context, and those of the rule's own plugin."""
    small = {"energy": {"hidden": [8]}, "sampler": {"steps": 3}}
    found = [made("priors", "ebm", small | {"context_dim": c}, {"latent_dim": D}) for c in (0, 2)]
    for name in registry().names("priors"):
        if registry().find("priors", name).plugin == plugin != "lebm":
            sizes = {"latent_dim": D, "n_classes": 2}
            found.append(made("priors", name, options.get(name), sizes))
    return found


def _check_whole(rule: Any, model: Any, dataset: Dataset, label: str) -> None:
    batch_size = min(N, dataset.length("train"))
    batches = [dataset.batch("train", torch.arange(batch_size)) for _ in range(4)]

    def steps(rule: Any, model: Any, generator: torch.Generator, some: slice) -> None:
        for number, batch in list(enumerate(batches))[some]:
            outcome = rule(model, batch, progress=number / len(batches), generator=generator)
            _check_losses(outcome.losses, label)
            model.zero_grad()
            _total(outcome.losses, label).backward()
            with torch.no_grad():
                for p in model.parameters():
                    if p.grad is not None:
                        assert bool(p.grad.isfinite().all()), f"{label}: a gradient is not finite"
                        p.sub_(0.01 * p.grad)

    def begun() -> tuple[Any, Any]:
        own, taught = copy.deepcopy(rule), copy.deepcopy(model).train()
        own.prepare(taught, dataset, 0)
        return own, taught

    (whole, unbroken), (half, broken), (rest, resumed) = begun(), begun(), begun()
    steps(whole, unbroken, seeded(), slice(None))
    generator = seeded()
    steps(half, broken, generator, slice(2))
    state = half.state_dict()
    assert all(isinstance(value, Tensor) for value in state.values()), f"{label}: state_dict"
    resumed.load_state_dict(broken.state_dict())
    rest.load_state_dict({k: v.clone() for k, v in state.items()}, resumed)
    steps(rest, resumed, generator, slice(2, None))
    check_same(
        unbroken.state_dict(), resumed.state_dict(), f"{label}: a resumed training ends otherwise"
    )
    assert isinstance(whole.warnings({"loss/decoder": 1.0}), list), f"{label}: warnings()"
    whole.finish(unbroken.eval(), dataset, seeded(), lambda line: None)


def _check_losses(losses: Mapping[str, Tensor], label: str) -> None:
    assert losses, f"{label} gives no loss"
    for part, loss in losses.items():
        check_finite(loss, (), f"{label}: loss of {part}")


def _total(losses: Mapping[str, Tensor], label: str) -> Tensor:
    trained = [loss for loss in losses.values() if loss.requires_grad]
    assert trained, f"{label}: no loss has a gradient"
    return torch.stack(trained).sum()
