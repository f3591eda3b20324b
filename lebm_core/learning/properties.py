"""Property heads of a trained model, learned from what its data set says of the examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lebm_core.data.dataset import Dataset, subset
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.learning.property_fit import PropertyFit, fit_property

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["check_properties", "fit_properties"]

EXAMPLES, DRAWS, AT_ONCE = 20_000, 4, 128  # training examples, codes of each, examples at once


def check_properties(model: LatentEBM, dataset: Dataset, names: Sequence[str]) -> None:
    """Refuses properties that cannot be learned, before anything is trained.

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
        raise UsageError("learning.properties needs a prior with codes.")


@torch.no_grad()
def fit_properties(
    model: LatentEBM,
    dataset: Dataset,
    names: Sequence[str],
    generator: torch.Generator | None = None,
    log: Callable[[str], None] = print,
) -> list[PropertyFit]:
    """Learns a head for each property on posterior codes of the training split.

    Of a data set with a context the heads see it beside the code.

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
    for index in subset(dataset.length("train"), EXAMPLES, 0).split(AT_ONCE):
        batch = dataset.batch("train", index).to(model.device)
        draws = [model.inference(model, batch, generator=generator) for _ in range(DRAWS)]
        codes.append(torch.stack(draws, 1))
        if batch.context is not None:
            contexts.append(batch.context)
        found = dataset.properties("train", index) or {}
        for name in names:
            values[name].append(found[name])
    z, context = torch.cat(codes), torch.cat(contexts) if contexts else None
    fits = []
    for name in names:
        fit = fit_property(
            model, name, z, torch.cat(values[name]), context=context, generator=generator
        )
        log(f"property {fit}")
        fits.append(fit)
    return fits
