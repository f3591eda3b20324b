"""Arguments that the sequence decoder and encoder share, and their checks."""

from __future__ import annotations

from lebm_core.base.checks import LARGEST, whole
from lebm_core.errors import UsageError, did_you_mean

__all__ = ["CELLS", "LONGEST", "MOST_TOKENS", "check_cell", "check_ids"]

CELLS = ("lstm", "gru", "transformer")
MOST_TOKENS = 10_000_000  # of a sequence
LONGEST = 60  # length limit of a decoder without max_length


def check_cell(cell: str, accepted: tuple[str, ...] = CELLS) -> None:
    """Refuse a cell that is not accepted."""
    if cell not in accepted:
        raise UsageError(
            f'Unknown cell "{cell}": accepted are {", ".join(accepted)}.'
            + did_you_mean(cell, accepted)
        )


def check_ids(vocab_size: int, *ids: int) -> None:
    """Refuse special ids outside the vocabulary."""
    whole("vocab_size", vocab_size, 1, LARGEST)
    for each in ids:
        whole("a special id", each, -LARGEST)
    if min(ids) < 0 or max(ids) >= vocab_size:
        raise UsageError(
            f"The special ids {', '.join(map(str, ids))} are not all in a vocabulary of "
            f"{vocab_size}."
        )
