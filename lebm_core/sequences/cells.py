"""Checks that the sequence decoder and encoder share."""

from __future__ import annotations

from lebm_core.errors import UsageError, did_you_mean

__all__ = []

CELLS = ("lstm", "gru", "transformer")
LONGEST = 60  # drawn by a decoder that was told no other length


def _check(
    cell: str, vocab_size: int, pad: int, bos: int, eos: int, cells: tuple[str, ...] = CELLS
) -> None:
    if cell not in cells:
        raise UsageError(
            f'Unknown cell "{cell}": accepted are {", ".join(cells)}.' + did_you_mean(cell, cells)
        )
    if min(pad, bos, eos) < 0 or max(pad, bos, eos) >= vocab_size:
        raise UsageError(
            f"The special ids {pad}, {bos}, {eos} are not all in a vocabulary of {vocab_size}."
        )
