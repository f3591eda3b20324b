"""The Frechet ChemNet distance, with the real network, where its extra is installed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from lebm_molecules.metrics.distribution_scores import compare, described

fcd = pytest.importorskip("fcd", reason='needs pip install "lebm[fcd]"')

ALCOHOLS = ["C" * n + "O" for n in range(1, 16)]
RINGS = [f"c1ccc({side})cc1" for side in ("C", "CC", "CO", "N", "O", "F", "Cl", "C#N", "C=O")]


def _distance(made: list[str], reference: list[str]) -> float:
    found = compare(described(made), described(reference), "train")
    value = found["fcd"].value
    assert value is not None
    return value


def test_it_is_the_frechet_distance_of_chemnet_activations() -> None:
    """tr(S1 + S2 - 2 (S1 S2)^1/2) + |m1 - m2|^2 (Preuer et al. 2018, eq. 1), computed apart."""
    model = fcd.load_ref_model()
    a, b = (fcd.get_predictions(model, side).astype(np.float64) for side in (ALCOHOLS, RINGS))
    # Of fewer molecules than features the covariances are singular; their traces are not.
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    small = 1e-6 * np.eye(len(s1))
    root = sqrtm((s1 + small) @ (s2 + small)).real
    apart = np.trace(s1 + s2 - 2 * root) + ((a.mean(0) - b.mean(0)) ** 2).sum()
    assert _distance(ALCOHOLS, RINGS) == pytest.approx(apart, rel=0.02)


def test_a_sample_is_at_no_distance_from_itself_and_nearer_to_its_like() -> None:
    assert _distance(RINGS, RINGS) == pytest.approx(0, abs=1e-2)
    assert _distance(ALCOHOLS[::2], ALCOHOLS[1::2]) < _distance(ALCOHOLS[::2], RINGS)
