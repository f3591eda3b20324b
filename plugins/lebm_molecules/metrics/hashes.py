"""Sets of strings as arrays of hashes: 8 bytes each, where a set of Python's takes a hundred."""

from __future__ import annotations

import hashlib
from array import array

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hashes", "distinct", "hash_of", "unknown"]

Hashes = NDArray[np.uint64]
BLOCK = 100_000  # hashes that are looked up at a time


def hash_of(string: str) -> int:
    """Return 8 bytes: among 2,000,000 molecules two share one with a chance of 1e-7."""
    return int.from_bytes(hashlib.blake2b(string.encode(), digest_size=8).digest(), "little")


def distinct(hashes: array[int] | Hashes) -> Hashes:
    """Return the different ones among hashes, sorted; one copy of them is made."""
    found = np.array(hashes, dtype=np.uint64)
    found.sort()
    new = np.ones(len(found), dtype=bool)
    np.not_equal(found[1:], found[:-1], out=new[1:])
    return found if new.all() else found[new]


def unknown(hashes: Hashes, known: Hashes) -> int:
    """Return how many of the hashes are not among `known`, which are sorted."""
    if not len(known):
        return len(hashes)
    count = 0
    for first in range(0, len(hashes), BLOCK):
        block = hashes[first : first + BLOCK]
        places = np.minimum(known.searchsorted(block), len(known) - 1)
        count += int((known[places] != block).sum())
    return count
