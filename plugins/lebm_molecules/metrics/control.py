"""The metric molecules.control: are molecules that were asked to have a property like that?

The property is RDKit's, of each molecule drawn, and never what the head predicts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance
from torch import Tensor

from lebm_core.control.controls import Property
from lebm_core.control.syntax import parse_control
from lebm_core.data.dataset import subset
from lebm_core.errors import UsageError
from lebm_core.evaluation.curves import checked_strengths, curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.ebm import EBMPrior
from lebm_core.priors.gaussian import GaussianPrior
from lebm_molecules.chemistry.properties import values_of
from lebm_molecules.chemistry.rdkit import canonical
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.figures.molecules import draw
from lebm_molecules.metrics.registered import molecules_of

__all__ = ["control"]

Metric = Callable[[Evaluation], Mapping[str, Value]]
Numbers = NDArray[np.float64]
TARGETS = ("qed=0.9", "logp=0", "logp=2", "logp=4", "plogp=max")
DRAWABLE = 20  # values: fewer are no distribution
FEW = 2_000  # training molecules whose property is drawn beside the samples'
HOW = {"at_least": ">=", "at_most": "<="}


@dataclass(frozen=True)
class _Drawn:
    """Molecules that were drawn: how many strings, and the valid ones as canonical SMILES."""

    n: int
    valid: list[str]

    def values(self, name: str) -> Numbers:
        return np.array([row[0] for row in values_of(self.valid, [name])])


def control(
    *,
    control_targets: Sequence[str] = TARGETS,
    strengths: Sequence[float] = (1.0, 4.0, 16.0, 64.0),
    controlled: int = 1_000,
    control_pictured: int = 6,
) -> Metric:
    """The metric molecules.control: validity, novelty and the property under controls.

    Args:
        control_targets: what is asked for, one at a time, as --control says it, such as "qed=0.9"
        strengths: of the control; 0, no control, is measured as well
        controlled: molecules drawn for each target and strength
        control_pictured: of each target that are drawn; 0 for no pictures
    """
    swept = [strength for strength in checked_strengths(strengths) if strength]
    targets = {text: parse_control(text) for text in control_targets}
    for text, target in targets.items():
        if not isinstance(target, Property):
            raise UsageError(f'evaluation.control_targets: "{text}" is no property.')
    if controlled < 2:
        raise UsageError(f"evaluation.controlled = {controlled} must be at least 2.")
    asked: dict[str, Property] = targets  # type: ignore[assignment]

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, model = molecules_of(evaluation), evaluation.model
        for target in asked.values():
            target.term(0, (), model.heads.known)  # says what heads there are
        train = _training(data)
        free = _draw(model, data, None, controlled, evaluation.generator)
        found = _sweep(evaluation, model, asked, swept, free, train, controlled)
        values = curve_values({s: rows for s, (rows, _) in found.items()})
        for name in dict.fromkeys(target.name for target in asked.values()):
            values[f"{name}_head_r2"] = Value(
                float(model.heads.known[name].r2), None, 0, "train",
                f"Share of the variance of {name} that its head explains, on codes of training "
                "molecules held out from it: control by it cannot be better.",
            )  # fmt: skip
        if evaluation.name == "model" and isinstance(model.prior, EBMPrior):
            std: Tensor = model.prior.std  # type: ignore[assignment]
            plain = LatentEBM(
                GaussianPrior(model.latent_dim, float(std)), model.decoder, model.encoder
            )  # fmt: skip
            plain.heads = model.heads
            draws = _draw(plain, data, None, controlled, evaluation.generator)
            rows = _sweep(evaluation, plain, asked, swept, draws, train, controlled)
            flat = curve_values({s: row for s, (row, _) in rows.items()})
            values |= {f"reference/{name}": value for name, value in flat.items()}
        if control_pictured:
            _pictures(evaluation, data, asked, found, free, control_pictured)
        return values

    return metric


def _draw(
    model: LatentEBM,
    data: MoleculeDataset,
    target: Property | None,
    n: int,
    generator: torch.Generator,
) -> _Drawn:
    x = model.sample(n, control=[] if target is None else [target], generator=generator)
    forms = [canonical(smiles)[0] for smiles in data.sentences(x)]
    return _Drawn(n, [smiles for smiles in forms if smiles is not None])


@functools.lru_cache(maxsize=2)
def _training(data: MoleculeDataset) -> frozenset[str]:
    forms = (canonical(data.tokenizer.decode(row.tolist()))[0] for row in data.rows("train"))
    return frozenset(smiles for smiles in forms if smiles is not None)


Swept = dict[float, tuple[dict[str, Value], dict[str, _Drawn]]]


def _sweep(
    evaluation: Evaluation,
    model: LatentEBM,
    asked: Mapping[str, Property],
    strengths: Sequence[float],
    free: _Drawn,
    train: frozenset[str],
    n: int,
) -> Swept:
    """Values by name, and what was drawn for each target, at each strength; 0 is no control."""
    data, swept = molecules_of(evaluation), Swept()
    for strength in (0.0, *strengths):
        if strength:
            evaluation.log(f"{evaluation.name}: molecules under controls of strength {strength:g}")
        values: dict[str, Value] = {}
        draws: dict[str, _Drawn] = {}
        for text, target in asked.items():
            made = free
            if strength:
                target = parse_control(f"{text}@{strength}")  # type: ignore[assignment]
                made = _draw(model, data, target, n, evaluation.generator)
            draws[text] = made
            found = _values(text, target, made, free, train)
            values |= {f"{text}_{key}": value for key, value in found.items()}
        swept[strength] = values, draws
    return swept


def _values(
    text: str, target: Property, made: _Drawn, free: _Drawn, train: frozenset[str]
) -> dict[str, Value]:
    valid, name = len(made.valid), target.name
    of = f"of samples asked for {text}"
    distinct = set(made.valid)
    values = {
        "validity": _share(valid, made.n, f"Share {of} that RDKit accepts; nothing is corrected."),
        "uniqueness": _share(len(distinct), valid, f"Distinct molecules among valid ones {of}."),
        "novelty": _share(
            len(distinct - train), len(distinct),
            f"Share of distinct valid molecules {of} that are not in the training split.",
        ),
    }  # fmt: skip
    if valid < 2:
        why = f"There are {valid} valid samples."
        values["mean"] = Value(None, None, valid, "samples", f"Mean {name} {of}.", why)
        return values
    v, before = made.values(name), free.values(name)
    low, middle, high = np.quantile(v, [0.1, 0.5, 0.9]).tolist()
    extra = {"sd": float(v.std()), "10 %": low, "median": middle, "90 %": high}

    def mean_of(x: Numbers, definition: str, **given: object) -> Value:
        error = float(x.std(ddof=1)) / len(x) ** 0.5
        return Value(float(x.mean()), error, len(x), "samples", definition, extra=dict(given))

    means = f"Mean {name} by RDKit, of valid samples asked for {text}."
    values["mean"] = mean_of(v, means, **extra)
    values["sd"] = Value(
        float(v.std(ddof=1)), None, valid, "samples",
        f"Standard deviation of {name} by RDKit, of valid samples asked for {text}.",
    )  # fmt: skip
    if target.kind == "target":
        values["distance"] = mean_of(
            np.abs(v - target.value),
            f"Mean of |{name} - {target.value:g}|, the Wasserstein-1 distance to the target, of "
            f"valid samples asked for {text}.",
        )  # fmt: skip
    if target.kind in HOW:
        obeys = v >= target.value if target.kind == "at_least" else v <= target.value
        values["obeyed"] = _share(
            int(obeys.sum()), valid,
            f"Share of valid samples whose {name} is {HOW[target.kind]} {target.value:g}.",
        )  # fmt: skip
    if len(before) > 1:
        values["shift"] = Value(
            float(wasserstein_distance(v, before)), None, valid, "samples",
            f"Wasserstein-1 distance of {name} between samples asked for {text} and samples "
            "without a control.",
        )  # fmt: skip
    return values


def _share(part: int, whole: int, definition: str) -> Value:
    if not whole:
        return Value(None, None, 0, "samples", definition, "There are none.")
    share = part / whole
    return Value(share, (share * (1 - share) / whole) ** 0.5, whole, "samples", definition)


def _pictures(
    evaluation: Evaluation,
    data: MoleculeDataset,
    asked: Mapping[str, Property],
    found: Swept,
    free: _Drawn,
    pictured: int,
) -> None:
    folder = evaluation.folder / "figures"
    values = {strength: rows for strength, (rows, _) in found.items()}
    aims = {f"{t}_mean": p.value for t, p in asked.items() if p.kind == "target"}
    means = [f"{text}_mean" for text in asked]
    evaluation.figure(
        curve_figure(values, means, folder / "control-means.png", aims),
        "The property by RDKit, against the strength of its control; dashed what was asked for.",
    )
    others = [f"{text}_validity" for text in asked]
    evaluation.figure(
        curve_figure(values, others, folder / "control-validity.png"),
        "Validity of the samples, against the strength of the control.",
    )
    rows = subset(data.length("train"), FEW, evaluation.seed)
    real = data.sentences(data.batch("train", rows).x)
    evaluation.figure(
        _distributions(asked, found, free, _Drawn(len(real), real), folder / "control-shift.png"),
        "The property by RDKit of training molecules, samples, and samples under a control.",
    )
    middle = sorted(found)[len(found) // 2]
    chosen: list[str] = []
    labels: list[str] = []
    for text, target in asked.items():
        some = list(dict.fromkeys(found[middle][1][text].valid))[:pictured]
        numbers = [row[0] for row in values_of(some, [target.name])]
        short = pictured - len(some)
        chosen += [*some, *[""] * short]
        labels += [*(f"{text}: {v:.3g}" for v in numbers), *[""] * short]
    if any(chosen):
        file, _ = draw(chosen, folder / "control-molecules.png", labels, columns=pictured)
        caption = f"The first distinct valid samples for each target, strength {middle:g}."
        evaluation.figure(file, caption)


def _distributions(
    asked: Mapping[str, Property], found: Swept, free: _Drawn, real: _Drawn, file: Path
) -> Path:
    from matplotlib.figure import Figure

    picture = Figure(figsize=(2.9 * len(asked), 2.6), layout="constrained")
    panels = picture.subplots(1, len(asked), squeeze=False)[0]
    for axis, (text, target) in zip(panels, asked.items(), strict=True):
        lines = {"training": (real, "0.6"), "no control": (free, "black")}
        colours = ["#9ecae1", "#4292c6", "#08306b", "#d94801", "#7f2704"]
        some = [strength for strength in found if strength]
        for strength, colour in zip(some, colours, strict=False):
            lines[f"λ = {strength:g}"] = found[strength][1][text], colour
        sides = {label: made.values(target.name) for label, (made, _) in lines.items()}
        there = np.concatenate([v for v in sides.values() if len(v)])
        low, high = np.quantile(there, [0.002, 0.998]).tolist()
        bins = np.linspace(low, high, 41)
        for label, v in sides.items():
            if len(v) >= DRAWABLE and ((v >= low) & (v <= high)).any():
                axis.hist(
                    v, bins, density=True, histtype="step", color=lines[label][1], label=label
                )
        if target.kind not in ("maximise", "minimise"):
            axis.axvline(target.value, color="0.3", lw=0.8, ls="--")
        axis.set(xlabel=target.name, yticks=[])
        axis.set_title(text, fontsize=9)
    panels[0].legend(fontsize=6)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(file, dpi=110)
    return file
