"""What every registered part promises, as functions that check it: plain asserts, no test runner.

`check_all("mine")` checks whatever the plugin "mine" registered; the functions of the other modules
check one part, with options, sizes or examples of your own. `check_bounds` makes a part with
numbers that no option can have. That draws of p(x | z) are those of its density, and that this is
normalised, is checked by none.
"""

from __future__ import annotations

from lebm_core.contracts.bounds import check_bounds
from lebm_core.contracts.commands import check_command, check_control, check_recipe
from lebm_core.contracts.data import (
    check_baseline,
    check_dataset,
    check_figure,
    check_kept_on_disk,
    check_metric,
)
from lebm_core.contracts.inference import check_inference, check_sampler
from lebm_core.contracts.models import check_model
from lebm_core.contracts.options import check_options
from lebm_core.contracts.parts import check_adapter, check_decoder, check_encoder
from lebm_core.contracts.plugins import check_all
from lebm_core.contracts.priors import check_energy, check_prior
from lebm_core.contracts.rules import check_rule

__all__ = [
    "check_adapter",
    "check_all",
    "check_baseline",
    "check_bounds",
    "check_command",
    "check_control",
    "check_dataset",
    "check_decoder",
    "check_encoder",
    "check_energy",
    "check_figure",
    "check_inference",
    "check_kept_on_disk",
    "check_metric",
    "check_model",
    "check_options",
    "check_prior",
    "check_recipe",
    "check_rule",
    "check_sampler",
]
