"""What a model says of an example that the user has entered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lebm_app import html
from lebm_app.explorer import Explorer
from lebm_core.base.table import Table
from lebm_core.data.dataset import Batch
from lebm_core.errors import LebmError, UsageError

__all__ = ["HIDDEN", "answers"]

DRAWS = 20  # of the code, that p(y | x) is the mean over; futures
COMPLETIONS = 4
HIDDEN = ("lower half", "upper half", "left half", "right half", "middle")
COMPARED = 200  # examples whose scores are known


def answers(explorer: Explorer, entered: Any, hidden: str, wanted: Sequence[str], seed: int) -> str:
    """What was entered, as the model sees it, and an answer of each kind that is wanted.

    Args:
        explorer: the run.
        entered: a string, a file, a mapping of strings, or the number of an example.
        hidden: the part of a drawing that is to be completed.
        wanted: names of answers, of `Explorer.does`.
        seed: of the draws.

    Raises:
        UsageError: naming what is wrong with what was entered.
    """
    batch, told = explorer.given(entered)
    seen = html.shown(explorer.view.show(batch.x, batch.context)) + (
        html.note(told) if told else ""
    )
    sections = [("As the model sees it", seen)]
    known: dict[str, Callable[[], str]] = {
        "Predict": lambda: _predicted(explorer, batch, seed),
        "Reconstruct": lambda: _reconstructed(explorer, batch, seed),
        "Complete": lambda: _completed(explorer, batch, hidden, seed),
        "Classify": lambda: _classified(explorer, batch, seed),
        "Score": lambda: _scored(explorer, batch, seed),
    }
    for name in wanted:
        try:
            sections.append((name, known[name]()))
        except LebmError as error:
            sections.append((name, html.error(str(error))))
    return html.answer(sections)


def _predicted(explorer: Explorer, batch: Batch, seed: int) -> str:
    """Draws of x given the context of each example."""
    assert batch.context is not None
    context = batch.context.repeat_interleave(DRAWS, 0)
    x = explorer.model.sample(
        len(context), context=context, generator=explorer.generator(seed, "predict"),
        **explorer.data.sample_options,
    )  # fmt: skip
    return html.shown(explorer.view.show(x, context))


def _reconstructed(explorer: Explorer, batch: Batch, seed: int) -> str:
    x = explorer.model.reconstruct(
        batch.x, context=batch.context, generator=explorer.generator(seed, "reconstruct")
    )
    return html.shown(explorer.view.show(x, batch.context))


def _completed(explorer: Explorer, batch: Batch, hidden: str, seed: int) -> str:
    x = batch.x[:1].repeat_interleave(COMPLETIONS, 0)
    known = explorer.data.is_known(x)
    if x.ndim == 4:
        known &= _open(x, hidden)
    elif bool(known.all()):
        return html.note("Leave a value empty: it is then filled in.")
    context = None if batch.context is None else batch.context[:1].expand(COMPLETIONS, -1)
    done = explorer.model.complete(
        x, known, context=context, generator=explorer.generator(seed, "complete")
    )
    told = html.note(f"{COMPLETIONS} draws of what is hidden, given the rest.")
    return html.shown(explorer.view.show(done, context)) + told


def _open(x: Tensor, hidden: str) -> Tensor:
    """Where images (n, C, H, W) are known, a part being hidden."""
    known = torch.ones_like(x, dtype=torch.bool)
    height, width = x.shape[-2:]
    parts = {
        "lower half": (slice(height // 2, None), slice(None)),
        "upper half": (slice(None, height // 2), slice(None)),
        "left half": (slice(None), slice(None, width // 2)),
        "right half": (slice(None), slice(width // 2, None)),
        "middle": (slice(height // 4, -height // 4), slice(width // 4, -width // 4)),
    }
    if hidden not in parts:
        raise UsageError(f"There is no part {hidden}; hide one of {', '.join(HIDDEN)}.")
    known[..., parts[hidden][0], parts[hidden][1]] = False
    return known


def _classified(explorer: Explorer, batch: Batch, seed: int) -> str:
    p = explorer.model.classify(
        batch.x, draws=DRAWS, context=batch.context, generator=explorer.generator(seed, "answers")
    )
    names = explorer.classes or [str(i) for i in range(p.shape[1])]
    if len(p) > 1:
        best = p.max(1)
        columns: dict[str, Any] = {
            "example": list(range(1, len(p) + 1)),
            "class": [names[i] for i in best.indices.tolist()],
            "probability": best.values.tolist(),
        }
        return html.table(Table(columns))
    order = p[0].argsort(descending=True).tolist()
    return html.table(
        Table({"class": [names[i] for i in order], "probability": p[0][order].tolist()})
    )


def _scored(explorer: Explorer, batch: Batch, seed: int) -> str:
    """The score with its parts, and how many examples have a lower one."""
    found = explorer.model.score(
        batch.x, context=batch.context, generator=explorer.generator(seed, "answers")
    )
    names = ("score", "reconstruction", "tilt", "reference")
    told = "In nats, up to a constant: the higher, the more unusual."
    with torch.no_grad():
        others = _others(explorer)
    if others is not None and len(found[0]) == 1:
        share = float((others < found[0][0]).float().mean())
        told += f" It is above that of {share:.0%} of {len(others)} examples of {explorer.split}."
    columns = {name: part.tolist() for name, part in zip(names, found, strict=True)}
    return html.table(Table(columns)) + html.note(told)


def _others(explorer: Explorer) -> Tensor | None:
    """The scores of some examples, computed once; None without examples or of missing values."""
    if explorer.examples is None:
        return None
    known: Tensor | None = explorer.__dict__.get("_scores")
    if known is None:
        batch = explorer.data.batch(explorer.split, explorer.rows[:COMPARED])
        generator = explorer.generator(0, "answers")
        try:
            found = explorer.model.score(batch.x, context=batch.context, generator=generator)
        except LebmError:
            return None
        known = explorer.__dict__["_scores"] = found[0]
    return known
