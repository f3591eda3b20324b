"""What the rules of this plugin refuse alike."""

from __future__ import annotations

from lebm_core.errors import UsageError
from lebm_core.learning.rules import check_one_level
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Tilted

__all__ = ["check_tilted"]


def check_tilted(prior: Prior, rule: str) -> None:
    """Refuse a prior without a tilt, of which the rule would teach nothing, or in part alone.

    Raises:
        UsageError: naming a prior or a rule that does.
    """
    check_one_level(prior, rule)
    if not isinstance(prior, Tilted) and any(p.requires_grad for p in prior.parameters()):
        raise UsageError(
            f'learning.prior.name = "{rule}" teaches a tilt, which {type(prior).__name__} has not: '
            'use another rule, or prior.name = "ebm".'
        )
