"""What came of samples under a target of a property: is it obeyed, and the class as well?"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import spearmanr
from torch import Tensor

from lebm_core.evaluation.values import Value

__all__ = ["NEAR", "Obeyed"]

NEAR = 0.5  # standard deviations of the training images: as near is near enough


@dataclass
class Obeyed:
    """Samples under a target of a property, and what came of it.

    Attributes:
        y: (n,) the class asked for, or -1.
        verdict: (n,) the class as judged.
        target: (n,) the value asked for.
        found: (n,) the value measured on the sample, NaN where there is nothing to measure.
        spread: (n,) standard deviation of the property among training images (of the class).
    """

    y: Tensor
    verdict: Tensor
    target: Tensor
    found: Tensor
    spread: Tensor

    def values(self, name: str, sigma: float) -> dict[str, Value]:
        """Figures by name: "slant_error" of a class with a slant, "slant_alone_error" of a slant.

        Args:
            name: of the property.
            sigma: of its head.
        """
        classes = bool((self.y >= 0).all())
        prefix = name if classes else f"{name}_alone"
        of = f"of a class with a {name}" if classes else f"with a {name}, of any class"
        n, away = len(self.y), self.found - self.target
        near = away.abs() <= NEAR * self.spread  # a blank image is near nothing
        gap = away[~away.isnan()].double()
        square = gap.square()
        rms = float(square.mean().sqrt()) if len(gap) else None
        of_rms = float(square.std()) / (2 * rms * len(gap) ** 0.5) if rms and len(gap) > 1 else None
        within = f"{NEAR:g} standard deviations of training images of the {name} asked for"
        said = {"sigma of the head": sigma, "blank": n - len(gap)}
        values = {
            f"{prefix}_error": Value(
                rms, of_rms, len(gap), "samples",
                f"Root mean square of {name} measured less {name} asked for, of samples {of}.",
                extra=said,
            ),
            f"{prefix}_bias": Value(
                float(gap.mean()), float(gap.std()) / max(1, len(gap)) ** 0.5, len(gap), "samples",
                f"Mean of {name} measured less {name} asked for.",
            ),
            f"{prefix}_rank": Value(
                self._rank(self.found), None, len(gap), "samples",
                f"Spearman's rank correlation of {name} asked for and measured, of samples {of}"
                f"{', mean over classes' if classes else ''}; equal targets are ties.",
                extra={"at most": self._rank(self.target)},
            ),
            f"{prefix}_near": _share(near, f"Share of samples {of} that are within {within}."),
        }  # fmt: skip
        if classes:
            right = self.verdict == self.y
            values |= {
                f"{prefix}_class_accuracy": _share(
                    right, f"Share of samples {of} that the judge takes for that class."
                ),
                f"{prefix}_both": _share(
                    near & right,
                    f"Share of samples {of} that the judge takes for that class and that are "
                    f"within {within}.",
                ),
            }
        return values

    def _rank(self, value: Tensor) -> float | None:
        """The correlation of targets with values in the order of `value`, as if without ties."""
        found = []
        for c in self.y.unique():
            mine = (self.y == c) & ~self.found.isnan()
            a, order = self.target[mine], value[mine].argsort(stable=True).argsort()
            if len(a) > 1 and float(a.std()) > 0:
                found.append(float(spearmanr(a, order).statistic))
        return sum(found) / len(found) if found else None


def _share(of: Tensor, definition: str) -> Value:
    """The share of what is true, (n,), with its binomial error."""
    share, n = float(of.double().mean()), len(of)
    return Value(share, (share * (1 - share) / n) ** 0.5, n, "samples", definition)
