"""Options of evaluators that several metrics share: keys of a recipe's [evaluation]."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FeatureOptions"]


@dataclass(frozen=True)
class FeatureOptions:
    """The classifier whose features are compared.

    Attributes:
        feature_width: width of the classifier whose features are compared
        feature_epochs: epochs of its training
    """

    feature_width: int = 32
    feature_epochs: int = 3
