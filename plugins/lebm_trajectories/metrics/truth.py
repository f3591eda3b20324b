"""trajectories.truth: predictions for a simulated crowd against its known distribution."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.data.dataset import subset
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.two_sample import energy_distance
from lebm_core.evaluation.values import Value, in_row
from lebm_trajectories.data.crowd import MANOEUVRES, CrowdDataset, manoeuvre
from lebm_trajectories.metrics.density_scores import sigma_of
from lebm_trajectories.prediction import MOST_DRAWS, futures

__all__ = ["truth"]


def truth(*, truth_draws: int = 200, truth_agents: int = 500) -> Metric:
    """Metric trajectories.truth: a simulated crowd's predictions against its true distribution.

    Args:
        truth_draws: futures of each agent
        truth_agents: agents of the split
    """
    whole("evaluation.truth_draws", truth_draws, 2, MOST_DRAWS)
    whole("evaluation.truth_agents", truth_agents, 0)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split, generator = evaluation.dataset, evaluation.split, evaluation.generator
        if not isinstance(data, CrowdDataset):
            why = "it needs a simulated crowd, whose distribution is known"
            what = "of last positions to the simulator's, metres"
            return {"energy_distance": Value(None, None, 0, split, what, why, better="lower")}
        rows = subset(data.length(split), truth_agents, evaluation.seed)
        middle = futures(evaluation.model, data, split, rows, truth_draws, generator)
        noise = torch.randn(middle.shape, generator=generator, device=generator.device).cpu()
        noise *= sigma_of(evaluation.model) * data.scale
        simulator = torch.Generator().manual_seed(evaluation.seed)
        real, again = (data.truth(split, rows, truth_draws, simulator) for _ in range(2))
        past = data.windows[split].positions[rows, : data.options.observed]
        step = (past[:, -1] - past[:, -2])[:, None]
        odds = data.odds(split, rows)

        def values(middle: Tensor, drawn: Tensor) -> dict[str, Value]:
            kinds = torch.nn.functional.one_hot(manoeuvre(step, middle), len(MANOEUVRES))
            off = (kinds.float().mean(1) - odds).abs().sum(1) / 2
            return {
                "energy_distance": Value.mean(
                    energy_distance(drawn[:, :, -1], real[:, :, -1]), split,
                    f"of {truth_draws} last positions to as many of the simulator's, metres",
                    better="lower",
                ),
                "manoeuvre_distance": Value.mean(
                    off, split,
                    "total variation of the shares of left, straight on and right from the "
                    f"simulator's own probabilities, by paths without noise; {truth_draws} draws "
                    "are not at 0 either", better="lower",
                ),
            }  # fmt: skip

        result = values(middle, middle + noise)
        if evaluation.name == "model":
            result |= in_row("real", values(again, again))
        return result

    return metric
