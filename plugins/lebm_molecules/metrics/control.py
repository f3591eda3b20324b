"""molecules.control: molecules controlled to have a property: do they have it?"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lebm_core.base.checks import at_least
from lebm_core.control.controls import Property
from lebm_core.control.syntax import parse_control
from lebm_core.data.dataset import subset
from lebm_core.errors import UsageError
from lebm_core.evaluation.curves import checked_strengths, curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.gaussian import GaussianPrior
from lebm_core.priors.protocols import Tilted
from lebm_molecules.chemistry.drawing import draw
from lebm_molecules.chemistry.properties import values_of
from lebm_molecules.chemistry.rdkit import canonical_all
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.figures.control import COLOURS, Panel, densities
from lebm_molecules.metrics.control_scores import Drawn, control_scores

__all__ = ["ControlledMolecules"]

FEW = 2_000  # training molecules in the figure of densities
Targets = Mapping[str, Property]
Swept = dict[float, tuple[dict[str, Value], dict[str, Drawn]]]


@dataclass(frozen=True)
class ControlledMolecules:
    """The metric molecules.control: validity, novelty and the property under controls.

    Attributes:
        control_targets: the controls, one at a time, as --control takes them, such as "qed=0.9"
        strengths: of the control; 0, no control, is measured as well
        controlled: molecules drawn for each target and strength
        control_pictured: of each target that are drawn; 0 for no figures

    Raises:
        UsageError: for a control that is no property, or numbers that are not possible.
    """

    control_targets: Sequence[str] = ("qed=0.9", "logp=0", "logp=2", "logp=4", "plogp=max")
    strengths: Sequence[float] = (1.0, 4.0, 16.0, 64.0)
    controlled: int = 1_000
    control_pictured: int = 6

    def __post_init__(self) -> None:
        checked_strengths(self.strengths)
        at_least("evaluation.controlled", self.controlled, 2)
        for text in self.control_targets:
            _property(text)

    @functools.cached_property
    def targets(self) -> Targets:
        """The controls by their text."""
        return {text: _property(text) for text in self.control_targets}

    def __call__(self, evaluation: Evaluation) -> Mapping[str, Value]:
        """Return the scores of each control at each strength; with the model row "reference"."""
        data, model = evaluation.need(MoleculeDataset, "molecules.control"), evaluation.model
        for target in self.targets.values():
            target.term(0, (), model.heads.known)  # refuses a property without a head
        train = _training(data)
        free = _draw(model, data, None, self.controlled, evaluation.generator)
        swept = self._sweep(evaluation, data, model, free, train)
        values = curve_values({s: scores for s, (scores, _) in swept.items()})
        for name in dict.fromkeys(target.name for target in self.targets.values()):
            values[f"{name}_head_r2"] = Value(
                float(model.heads.known[name].r2), None, 0, "train",
                f"Share of the variance of {name} that its head explains, on codes of training "
                "molecules held out from it: control by it cannot be better.", better="higher",
            )  # fmt: skip
        if evaluation.name == "model" and isinstance(model.prior, Tilted):
            plain = _untilted(model)
            draws = _draw(plain, data, None, self.controlled, evaluation.generator)
            flat = self._sweep(evaluation, data, plain, draws, train)
            scores = curve_values({s: scores for s, (scores, _) in flat.items()})
            values |= in_row("reference", scores)
        if self.control_pictured:
            self._figures(evaluation, data, swept, free)
        return values

    def _sweep(
        self,
        evaluation: Evaluation,
        data: MoleculeDataset,
        model: LatentEBM,
        free: Drawn,
        train: frozenset[str],
    ) -> Swept:
        """Scores by name, and the molecules drawn for each target, at each strength."""
        swept = Swept()
        for strength in (0.0, *(s for s in checked_strengths(self.strengths) if s)):
            if strength:
                name = evaluation.name
                evaluation.log(f"{name}: molecules under controls of strength {strength:g}")
            values: dict[str, Value] = {}
            drawn: dict[str, Drawn] = {}
            for text, target in self.targets.items():
                drawn[text] = free
                if strength:
                    target = _property(f"{text}@{strength}")
                    n, generator = self.controlled, evaluation.generator
                    drawn[text] = _draw(model, data, target, n, generator)
                scores = control_scores(text, target, drawn[text], free, train)
                values |= {f"{text}_{key}": value for key, value in scores.items()}
            swept[strength] = values, drawn
        return swept

    def _figures(
        self, evaluation: Evaluation, data: MoleculeDataset, swept: Swept, free: Drawn
    ) -> None:
        """Draw curves over the strength, densities of the property, and molecules."""
        folder, targets = evaluation.folder / "figures", self.targets
        values = {strength: scores for strength, (scores, _) in swept.items()}
        aims = {f"{t}_mean": p.value for t, p in targets.items() if p.kind == "target"}
        means = [f"{text}_mean" for text in targets]
        evaluation.figure(
            curve_figure(values, means, folder / "control-means.png", aims),
            "The property by RDKit, against the strength of its control; dashed the target.",
        )
        others = [f"{text}_validity" for text in targets]
        evaluation.figure(
            curve_figure(values, others, folder / "control-validity.png"),
            "Validity of the samples, against the strength of the control.",
        )
        rows = subset(data.length("train"), FEW, evaluation.seed)
        real = data.strings(data.batch("train", rows).x)
        panels = _panels(targets, swept, free, Drawn(len(real), real))
        evaluation.figure(
            densities(panels, folder / "control-shift.png"),
            "The property by RDKit of training molecules, samples, and samples under a control.",
        )
        middle, n = sorted(swept)[len(swept) // 2], self.control_pictured
        chosen: list[str] = []
        labels: list[str] = []
        for text, target in targets.items():
            some = list(dict.fromkeys(swept[middle][1][text].valid))[:n]
            numbers = [row[0] for row in values_of(some, [target.name])]
            chosen += [*some, *[""] * (n - len(some))]
            labels += [*(f"{text}: {v:.3g}" for v in numbers), *[""] * (n - len(some))]
        if any(chosen):
            file, _ = draw(chosen, folder / "control-molecules.png", labels, columns=n)
            caption = f"The first distinct valid samples for each target, strength {middle:g}."
            evaluation.figure(file, caption)


def _property(text: str) -> Property:
    control = parse_control(text)
    if not isinstance(control, Property):
        raise UsageError(f'evaluation.control_targets: "{text}" is no property.')
    return control


def _untilted(model: LatentEBM) -> LatentEBM:
    """The model with f = 0: the same decoder, heads and reference."""
    std = float(model.prior.reference.stddev[0])
    plain = LatentEBM(GaussianPrior(model.latent_dim, std), model.decoder, model.encoder)
    plain.heads = model.heads
    return plain


def _draw(
    model: LatentEBM,
    data: MoleculeDataset,
    target: Property | None,
    n: int,
    generator: torch.Generator,
) -> Drawn:
    x = model.sample(n, control=[] if target is None else [target], generator=generator)
    return Drawn(n, [form for form, _ in canonical_all(data.strings(x)) if form is not None])


@functools.lru_cache(maxsize=2)
def _training(data: MoleculeDataset) -> frozenset[str]:
    """Canonical SMILES of the training split."""
    molecules = [data.tokenizer.decode(row.tolist()) for row in data.rows("train")]
    return frozenset(form for form, _ in canonical_all(molecules) if form is not None)


def _panels(targets: Targets, swept: Swept, free: Drawn, real: Drawn) -> dict[str, Panel]:
    """The panel of `densities` for each control."""
    panels: dict[str, Panel] = {}
    for text, target in targets.items():
        drawn = {"training": real, "no control": free}
        for strength in [s for s in swept if s][: len(COLOURS)]:
            drawn[f"λ = {strength:g}"] = swept[strength][1][text]
        sides: dict[str, np.ndarray] = {k: d.values(target.name) for k, d in drawn.items()}
        aim = None if target.kind in ("maximise", "minimise") else target.value
        panels[text] = target.name, sides, aim
    return panels
