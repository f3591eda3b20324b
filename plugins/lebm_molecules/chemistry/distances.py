"""Distances between two samples of described molecules.

Sources: Polykovskiy et al., "Molecular sets (MOSES)", 2020, arXiv 1811.12823, for internal
diversity, nearest-neighbour similarity and the similarities of fragments and scaffolds; each
definition below says where it departs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["cosine", "internal_diversity", "nearest_similarity", "unpack"]

BLOCK = 1_000  # rows compared at once: 1,000 x 10,000 floats are 40 MB

Bits = NDArray[np.float32]


def unpack(fingerprints: Iterable[bytes]) -> Bits:
    """Return fingerprints as rows of 0 and 1, (N, bits)."""
    rows = [np.unpackbits(np.frombuffer(f, np.uint8)) for f in fingerprints]
    return np.stack(rows).astype(np.float32)


def tanimoto(a: Bits, b: Bits) -> NDArray[np.float32]:
    """Return shared bits over bits in either, (N, M); two molecules without a bit have 1."""
    shared = a @ b.T
    either = a.sum(1)[:, None] + b.sum(1)[None] - shared
    similarity: NDArray[np.float32] = np.where(either > 0, shared / np.maximum(either, 1), 1)
    return similarity


def internal_diversity(a: Bits) -> tuple[float, float]:
    """Return 1 - the mean Tanimoto similarity of two different rows, and of any two as in MOSES."""
    n, total = len(a), 0.0
    for i in range(0, n, BLOCK):
        total += float(tanimoto(a[i : i + BLOCK], a).sum(dtype=np.float64))
    return 1 - (total - n) / (n * (n - 1)), 1 - total / n**2


def nearest_similarity(a: Bits, b: Bits) -> NDArray[np.float32]:
    """Return the Tanimoto similarity of each row of a to the nearest row of b, (N,)."""
    blocks = [tanimoto(a[i : i + BLOCK], b).max(1) for i in range(0, len(a), BLOCK)]
    return np.concatenate(blocks)


def cosine(a: Sequence[str], b: Sequence[str]) -> float:
    """Return the cosine between the counts of the strings in a and in b."""
    x, y = Counter(a), Counter(b)
    dot = float(sum(n * y[key] for key, n in x.items()))
    norms = [float(sum(n * n for n in counts.values())) ** 0.5 for counts in (x, y)]
    return dot / (norms[0] * norms[1]) if all(norms) else 0.0
