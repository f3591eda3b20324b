"""Normalizing flows for lebm: as a prior, and as the p0 that an energy tilts."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = ["lebm_register_learning_rules", "lebm_register_priors"]


@hookimpl
def lebm_register_priors(register: Register) -> None:
    """Register a flow, and an energy-based prior whose reference p0 is one."""
    register("flow", "lebm_flows.priors.flow:FlowPrior", "needs lebm[flows]")
    register("tilted-flow", "lebm_flows.priors.tilted:TiltedFlowPrior", "needs lebm[flows]")


@hookimpl
def lebm_register_learning_rules(register: Register) -> None:
    """Register maximum likelihood of codes, and flow contrastive estimation."""
    register("prior.exact-likelihood", "lebm_flows.learning.likelihood:Likelihood")
    register("prior.flow-contrastive", "lebm_flows.learning.contrastive:FlowContrastive")
