"""text.chain: sentences along a chain from p0 to the prior, interpolations and reconstructions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch

from lebm_core.chains.samplers import with_steps
from lebm_core.errors import DivergenceError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.priors.profile import EnergyProfile, energy_profile
from lebm_core.sequences.dataset import TokenDataset
from lebm_text.figures.chain import energy_figure

__all__ = ["ChainText"]


@dataclass(frozen=True)
class ChainText:
    """The metric text.chain.

    Attributes:
        chain_steps: steps of the prior's chain at which its sentences are shown
        chain_sentences: chains, pairs and reconstructions shown
        chain_profile: chains that the energy profile is averaged over
        interpolation_steps: sentences from one end of an interpolation to the other
    """

    chain_steps: tuple[int, ...] = (0, 40, 100)
    chain_sentences: int = 5
    chain_profile: int = 200
    interpolation_steps: int = 7

    @property
    def steps(self) -> tuple[int, ...]:
        """`chain_steps` in order."""
        return tuple(sorted(self.chain_steps))

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Write chain.md and chain.json to the model's folder, and a figure of the energy."""
        data = evaluation.need(TokenDataset, "text.chain")
        if evaluation.model.latent_dim == 0:
            return {}
        shown: dict[str, Any] = {
            "reconstructions": self._reconstructions(evaluation, data),
            "interpolations": self._interpolations(evaluation, data),
        }
        values: dict[str, Value] = {}
        if evaluation.model.prior.sampler is not None:  # others are drawn without a chain
            values["energy_drop"] = self._chain(evaluation, data, shown)
        folder = evaluation.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "chain.json").write_text(json.dumps(shown, indent=1), encoding="utf-8")
        (folder / "chain.md").write_text(_markdown(shown), encoding="utf-8")
        return values

    def _chain(self, evaluation: Evaluation, data: TokenDataset, shown: dict[str, Any]) -> Value:
        """Run the chains, add their sentences to `shown`, and draw the energy."""
        model, steps = evaluation.model, self.steps
        n = max(self.chain_profile, self.chain_sentences)
        text = "Mean energy -f(z) - log p0(z) in nats at the start of the chain minus at its end."
        try:
            profile = _profile(evaluation, n, steps)
        except DivergenceError as error:
            return Value(None, n=n, split="samples", definition=text, refused=str(error))
        states = {step: z.to(model.device) for step, z in profile.states.items()}
        shown["chain"] = {
            str(step): data.strings(model.decode_mode(states[step][: self.chain_sentences]))
            for step in steps
        }
        shown["energy"], shown["acceptance"] = profile.energy, profile.acceptance
        evaluation.figure(
            energy_figure(profile, steps, evaluation.folder / "figures" / "chain.png"),
            f"Mean energy of {n} chains from p0 to the prior; the sentences at steps "
            f"{', '.join(map(str, steps))} are in chain.md.",
        )
        with torch.no_grad():
            last = float(model.prior.energy(states[steps[-1]]).mean())
        drop = profile.energy[0] - last if profile.energy else 0.0
        return Value(drop, None, n, "samples", text, extra={"steps": steps[-1]})

    def _reconstructions(self, evaluation: Evaluation, data: TokenDataset) -> list[list[str]]:
        x = _examples(evaluation, data, self.chain_sentences)
        again = evaluation.model.reconstruct(x, generator=evaluation.generator)
        return [list(pair) for pair in zip(data.strings(x), data.strings(again), strict=True)]

    def _interpolations(self, evaluation: Evaluation, data: TokenDataset) -> list[list[str]]:
        n = self.chain_sentences
        x = _examples(evaluation, data, 2 * n)
        lines = []
        for first, second in zip(x[:n], x[n:], strict=False):
            between = evaluation.model.interpolate(
                first[None], second[None], self.interpolation_steps, generator=evaluation.generator
            )
            ends = data.strings(torch.stack([first, second]))
            lines.append([ends[0], *data.strings(between), ends[1]])
        return lines


def _profile(evaluation: Evaluation, n: int, steps: tuple[int, ...]) -> EnergyProfile:
    prior = evaluation.model.prior
    assert prior.sampler is not None
    sampler = with_steps(prior.sampler, steps[-1])
    return energy_profile(prior, n, sampler=sampler, keep=steps, generator=evaluation.generator)


def _examples(evaluation: Evaluation, data: TokenDataset, n: int) -> torch.Tensor:
    """Sentences of 5 to 20 words, spread evenly over the split; of any length where few are."""
    lengths = data.lengths(evaluation.split)
    fitting = ((lengths >= 6) & (lengths <= 21)).nonzero().squeeze(1)
    if len(fitting) < n:
        fitting = torch.arange(len(lengths))
    rows = fitting[torch.linspace(0, len(fitting) - 1, n).long()]
    x: torch.Tensor = data.batch(evaluation.split, rows).x
    return x.to(evaluation.model.device)


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
    lines += ["## Reconstructions", "", "The sentence, then its reconstruction.", ""]
    for original, again in shown["reconstructions"]:
        lines += [f"- {original}", f"  - {again}"]
    lines += ["", "## Interpolations", ""]
    lines += ["Points on the line between the codes of the first and the last sentence."]
    for sentences in shown["interpolations"]:
        lines += ["", *(f"{i}. {s}" for i, s in enumerate(sentences, 1))]
    return "\n".join(lines) + "\n"
