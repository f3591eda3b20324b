"""text.chain: sentences along a chain from p0 to the prior, interpolations and reconstructions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lebm_core.errors import DivergenceError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.priors.profile import EnergyProfile, energy_profile
from lebm_core.sequences.dataset import TokenDataset
from lebm_text.metrics.base import text_of

__all__ = ["ChainPictures", "build"]


def build(
    *,
    chain_steps: tuple[int, ...] = (0, 40, 100),
    chain_sentences: int = 5,
    chain_profile: int = 200,
    interpolation_steps: int = 7,
) -> ChainPictures:
    """The metric text.chain.

    Args:
        chain_steps: steps of the prior's chain at which its sentences are shown
        chain_sentences: chains, pairs and reconstructions shown
        chain_profile: chains that the energy profile is averaged over
        interpolation_steps: sentences from one end of an interpolation to the other
    """
    steps = tuple(sorted(chain_steps))
    return ChainPictures(steps, chain_sentences, chain_profile, interpolation_steps)


@dataclass
class ChainPictures:
    """See `build` for the fields."""

    steps: tuple[int, ...]
    n: int
    n_profile: int
    n_interpolation: int

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Writes chain.md and chain.json to the model's folder, and a picture of the energy."""
        model, data = evaluation.model, text_of(evaluation)
        if model.latent_dim == 0:
            return {}
        shown: dict[str, Any] = {
            "reconstructions": self._reconstructions(evaluation, data),
            "interpolations": self._interpolations(evaluation, data),
        }
        values: dict[str, Value] = {}
        # A Gaussian or a mixture is drawn from directly: it has no chain to show.
        if hasattr(model.prior, "steps"):
            values["energy_drop"] = self._chain(evaluation, shown)
        folder = evaluation.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "chain.json").write_text(json.dumps(shown, indent=1), encoding="utf-8")
        (folder / "chain.md").write_text(_markdown(shown), encoding="utf-8")
        return values

    def _chain(self, evaluation: Evaluation, shown: dict[str, Any]) -> Value:
        """Runs the chains, puts what they say into `shown` and draws the energy."""
        n = max(self.n_profile, self.n)
        text = "Mean energy -f(z) - log p0(z) in nats at the start of the chain minus at its end."
        try:
            profile = energy_profile(
                evaluation.model.prior,
                n,
                steps=self.steps[-1],
                keep=self.steps,
                generator=evaluation.generator,
            )
        except DivergenceError as error:
            return Value(None, n=n, split="samples", definition=text, refused=str(error))
        shown["chain"] = {
            str(step): _sentences(evaluation, profile.states[step][: self.n]) for step in self.steps
        }
        shown["energy"], shown["acceptance"] = profile.energy, profile.acceptance
        evaluation.figure(
            _picture(profile, self.steps, evaluation.folder / "figures" / "chain.png"),
            f"Mean energy of {n} chains from p0 to the prior; the sentences at steps "
            f"{', '.join(map(str, self.steps))} are in chain.md.",
        )
        prior, end = evaluation.model.prior, profile.states[self.steps[-1]]
        with torch.no_grad():
            last = float(prior.energy(end.to(evaluation.model.device)).mean())
        drop = profile.energy[0] - last if profile.energy else 0.0
        return Value(drop, None, n, "samples", text, extra={"steps": self.steps[-1]})

    def _reconstructions(self, evaluation: Evaluation, data: TokenDataset) -> list[list[str]]:
        x = _examples(evaluation, data, self.n)
        again = evaluation.model.reconstruct(x, generator=evaluation.generator)
        return [list(pair) for pair in zip(data.sentences(x), data.sentences(again), strict=True)]

    def _interpolations(self, evaluation: Evaluation, data: TokenDataset) -> list[list[str]]:
        x = _examples(evaluation, data, 2 * self.n)
        found = []
        for first, second in zip(x[: self.n], x[self.n :], strict=False):
            between = evaluation.model.interpolate(
                first[None], second[None], self.n_interpolation, generator=evaluation.generator
            )
            ends = data.sentences(torch.stack([first, second]))
            found.append([ends[0], *data.sentences(between), ends[1]])
        return found


def _examples(evaluation: Evaluation, data: TokenDataset, n: int) -> torch.Tensor:
    """Sentences of 5 to 20 words, spread evenly over the split; of any length where few are."""
    lengths = data.lengths(evaluation.split)
    fitting = ((lengths >= 6) & (lengths <= 21)).nonzero().squeeze(1)
    if len(fitting) < n:
        fitting = torch.arange(len(lengths))
    rows = fitting[torch.linspace(0, len(fitting) - 1, n).long()]
    found: torch.Tensor = data.batch(evaluation.split, rows).x
    return found.to(evaluation.model.device)


def _sentences(evaluation: Evaluation, z: torch.Tensor) -> list[str]:
    x = evaluation.model.decode_mode(z.to(evaluation.model.device))
    return text_of(evaluation).sentences(x)


def _picture(profile: EnergyProfile, steps: tuple[int, ...], path: Path) -> Path:
    from matplotlib.figure import Figure  # no pyplot: no display and no global state

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(profile.energy)
    for step in steps:
        axes.axvline(step, color="0.8", linewidth=1, zorder=0)
    axes.set_xlabel("step of the chain")
    axes.set_ylabel("energy (nats)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def _markdown(shown: dict[str, Any]) -> str:
    lines = ["# Sentences from the latent space", "", "All by greedy decoding.", ""]
    if "chain" in shown:
        lines += ["## A chain from the reference to the prior", ""]
        for step, sentences in shown["chain"].items():
            lines += [f"Step {step}:", "", *(f"- {s}" for s in sentences), ""]
        energy = shown["energy"]
        places = sorted({0, len(energy) // 4, len(energy) // 2, len(energy) - 1}) if energy else []
        lines += ["| step | mean energy (nats) |", "|---:|---:|"]
        lines += [f"| {i} | {energy[i]:.2f} |" for i in places] + [""]
    lines += ["## Reconstructions", "", "The sentence, then what came back.", ""]
    for original, again in shown["reconstructions"]:
        lines += [f"- {original}", f"  - {again}"]
    lines += ["", "## Interpolations", ""]
    lines += ["Points on the line between the codes of the first and the last sentence."]
    for sentences in shown["interpolations"]:
        lines += ["", *(f"{i}. {s}" for i, s in enumerate(sentences, 1))]
    return "\n".join(lines) + "\n"
