"""Cutting examples into splits by what they are: the same cut on every machine, for every order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lebm_core.base.checks import whole
from lebm_core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Cut", "GroupCut", "HashCut", "SplitCounts", "by_hash", "check_shares", "chosen_share",
    "hash_key", "homes_by_hash",
]  # fmt: skip

FEW = 1000  # examples, of which a tenth would judge by too few
MOST = 10**8  # examples, generated at once


@dataclass(frozen=True)
class SplitCounts:
    """How many examples are generated.

    Attributes:
        train: examples to learn from
        valid: examples to choose by
        test: examples to judge by
    """

    train: int = 2000
    valid: int = 300
    test: int = 500

    def __post_init__(self) -> None:
        """Refuse counts that are not possible.

        Raises:
            UsageError: naming the key.
        """
        for split, n in self.sizes.items():
            whole(f"data.{split}", n, 1, MOST)

    @property
    def sizes(self) -> dict[str, int]:
        """Examples of each split."""
        return {"train": self.train, "valid": self.valid, "test": self.test}


def hash_key(string: str) -> bytes:
    """A hash of a string, the same on every machine."""
    return hashlib.blake2b(string.encode(), digest_size=16).digest()


def by_hash(strings: Iterable[str]) -> list[str]:
    """The distinct strings in the order of a hash of each: shuffled, and the same everywhere."""
    return sorted(dict.fromkeys(strings), key=hash_key)


def homes_by_hash(
    keys: Sequence[str], valid_share: float, test_share: float, source: str, what: str
) -> list[str]:
    """The split of each key: "train", "valid" or "test". Equal keys have the same.

    Args:
        keys: one for each example.
        valid_share, test_share: shares of the distinct keys.
        source: where the examples are from, for an error.
        what: what one of them is called there, such as "message".

    Raises:
        UsageError: for shares outside (0, 1), or too few keys for three splits.
    """
    hashes = [hash_key(key) for key in keys]
    cut = HashCut(b"".join(hashes), valid_share, test_share, source, what)
    return [cut.home(each) for each in hashes]


class Cut(Protocol):
    """A cut into splits by hashes: the examples themselves need not be in memory."""

    def home(self, hashed: bytes) -> str:
        """The split of an example, by its hash: "train", "valid" or "test"."""


class HashCut:
    """A cut into splits by hashes alone, so that the examples need not be in memory.

    The distinct hashes come in their order: the first are for validation, the next to test.

    Args:
        hashes: those of all examples, 16 bytes each, end to end; see `hash_key`.
        valid_share, test_share: shares of the distinct examples.
        source: where the examples are from, for an error.
        what: what one of them is called there, such as "message".

    Raises:
        UsageError: for shares outside (0, 1), or too few examples for three splits.
    """

    def __init__(
        self, hashes: bytes | bytearray, valid_share: float, test_share: float, source: str,
        what: str,
    ) -> None:  # fmt: skip
        import numpy as np

        check_shares(valid_share, test_share)
        distinct = np.unique(_array(hashes))
        n = len(distinct)
        n_valid, n_test = max(1, round(n * valid_share)), max(1, round(n * test_share))
        if n < n_valid + n_test + 2:
            raise _too_few(source, n, what)
        self._valid, self._test = (_whole(distinct[i]) for i in (n_valid, n_valid + n_test))

    def home(self, hashed: bytes) -> str:
        """The split of an example, by its hash."""
        return "valid" if hashed < self._valid else "test" if hashed < self._test else "train"


class GroupCut:
    """A cut into splits by groups, so that no group is in two splits.

    The groups come in the order of their hashes. Whole groups fill the test split, then the
    validation split, each to its share of the examples; a group that is larger than the room left
    is for training, and so the largest ones are. Examples need not be in memory.

    Args:
        hashes: that of the group of each example, 16 bytes each, end to end; see `hash_key`.
        valid_share, test_share: shares of the examples, kept as nearly as whole groups allow.
        source: where the examples are from, for an error.
        what: what a group is called there, such as "scaffold".

    Attributes:
        groups: how many there are.

    Raises:
        UsageError: for shares outside (0, 1), or where a split would stay empty.
    """

    def __init__(
        self, hashes: bytes | bytearray, valid_share: float, test_share: float, source: str,
        what: str,
    ) -> None:  # fmt: skip
        import numpy as np

        check_shares(valid_share, test_share)
        groups, sizes = np.unique(_array(hashes), return_counts=True)
        self.groups = len(groups)
        self._homes: dict[bytes, str] = {}  # of the groups that are not for training
        for split, share in (("test", test_share), ("valid", valid_share)):
            room = max(1, round(share * (len(hashes) // 16)))
            for group, size in zip(groups, sizes.tolist(), strict=True):
                key = _whole(group)
                if size <= room and key not in self._homes:
                    self._homes[key], room = split, room - size
        if len(set(self._homes.values())) < 2 or len(self._homes) == len(groups):
            raise _too_few(source, len(groups), what)

    def home(self, hashed: bytes) -> str:
        """The split of an example, by the hash of its group."""
        return self._homes.get(hashed, "train")


def chosen_share(share: float, n: int) -> float:
    """The share of n examples for valid or test: as it is given, or for 0 one that suits n.

    A tenth, but a fifth of fewer than 1,000 examples.

    >>> chosen_share(0, 400), chosen_share(0, 4000), chosen_share(0.05, 400)
    (0.2, 0.1, 0.05)
    """
    return share or (0.2 if n < FEW else 0.1)


def check_shares(
    valid: float, test: float, keys: tuple[str, str] = ("data.valid_share", "data.test_share")
) -> None:
    """Refuse shares of which nothing can be chosen, judged or trained by.

    Args:
        valid, test: shares of the examples.
        keys: as a recipe names them.

    Raises:
        UsageError: unless both are above 0 (NaN is not) and their sum is below 1.
    """
    if not (0 < valid and 0 < test and valid + test < 1):
        raise UsageError(
            f"{keys[0]} = {valid:g} and {keys[1]} = {test:g} must be above 0, and their sum below "
            "1, so that something is left to train on."
        )


def _array(hashes: bytes | bytearray) -> NDArray[np.bytes_]:
    """Hashes of 16 bytes, (n,)."""
    import numpy as np  # reading recipes needs none

    return np.array(np.frombuffer(hashes, "S16") if hashes else [], "S16")


def _whole(hashed: bytes) -> bytes:
    """A hash as it was: NumPy takes the zero bytes at the end of a string for padding."""
    return bytes(hashed).ljust(16, b"\0")


def _too_few(source: str, n: int, what: str) -> UsageError:
    return UsageError(
        f"{source} has {n} distinct {what}{'s' * (n != 1)}: too few for a train, a valid and a "
        "test split."
    )
