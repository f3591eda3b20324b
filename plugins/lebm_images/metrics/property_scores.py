"""Property-control scores: do samples have the requested property, and the class as well?"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import spearmanr
from torch import Tensor

from lebm_core.evaluation.values import Value

__all__ = ["NEAR", "PropertyScores"]

NEAR = 0.5  # standard deviations of the training images that count as near


@dataclass
class PropertyScores:
    """Samples with a requested value of a property, measured.

    Attributes:
        y: (n,) the requested class, or -1.
        predicted: (n,) the class by the classifier.
        target: (n,) the requested value.
        measured: (n,) the value of the sample, NaN where there is nothing to measure.
        spread: (n,) standard deviation of the property among training images (of the class).
    """

    y: Tensor
    predicted: Tensor
    target: Tensor
    measured: Tensor
    spread: Tensor

    def values(self, name: str, sigma: float) -> dict[str, Value]:
        """Name the figures "slant_error" of a class with a slant, "slant_alone_error" of a slant.

        Args:
            name: of the property.
            sigma: of its head.
        """
        classes = bool((self.y >= 0).all())
        prefix = name if classes else f"{name}_alone"
        of = f"of a class with a {name}" if classes else f"with a {name}, of any class"
        error = self.measured - self.target
        near = error.abs() <= NEAR * self.spread  # False for a blank image
        within = f"{NEAR:g} standard deviations of training images of the requested {name}"
        values = {
            **self._errors(error, name, prefix, of, sigma),
            f"{prefix}_rank": Value(
                self._rank(self.measured), None, int((~error.isnan()).sum()), "samples",
                f"Spearman's rank correlation of requested and measured {name}, of samples {of}"
                f"{', mean over classes' if classes else ''}; equal targets are ties.",
                extra={"at most": self._rank(self.target)}, better="higher",
            ),
            f"{prefix}_near": Value.share(
                near, "samples", f"Share of samples {of} that are within {within}.",
                better="higher",
            ),
        }  # fmt: skip
        if classes:
            correct = self.predicted == self.y
            assigned = f"Share of samples {of} that the classifier assigns to that class"
            values |= {
                f"{prefix}_class_accuracy": Value.share(
                    correct, "samples", f"{assigned}.", better="higher"
                ),
                f"{prefix}_both": Value.share(
                    near & correct,
                    "samples",
                    f"{assigned} and that are within {within}.",
                    better="higher",
                ),
            }
        return values

    def _errors(
        self, error: Tensor, name: str, prefix: str, of: str, sigma: float
    ) -> dict[str, Value]:
        """Compute the root mean square and the mean of the errors, blank images left out."""
        error = error[~error.isnan()].double()
        square, n = error.square(), len(error)
        rms = float(square.mean().sqrt()) if n else None
        rms_error = float(square.std()) / (2 * rms * n**0.5) if rms and n > 1 else None
        return {
            f"{prefix}_error": Value(
                rms, rms_error, n, "samples",
                f"Root mean square of measured {name} less requested {name}, of samples {of}.",
                extra={"sigma of the head": sigma, "blank": len(self.y) - n}, better="lower",
            ),
            f"{prefix}_bias": Value(
                float(error.mean()), float(error.std()) / max(1, n) ** 0.5, n, "samples",
                f"Mean of measured {name} less requested {name}.",
            ),
        }  # fmt: skip

    def _rank(self, value: Tensor) -> float | None:
        """Correlate the targets with the order of `value`, as if it had no ties."""
        correlations = []
        for c in self.y.unique():
            members = (self.y == c) & ~self.measured.isnan()
            target, order = self.target[members], value[members].argsort(stable=True).argsort()
            if len(target) > 1 and float(target.std()) > 0:
                correlations.append(float(spearmanr(target, order).statistic))
        return sum(correlations) / len(correlations) if correlations else None
