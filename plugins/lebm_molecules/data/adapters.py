"""Lists of SMILES for `LatentEBMClassifier`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import torch
from torch import Tensor

from lebm_core.data.adapters import InputAdapter
from lebm_core.errors import UsageError, shown
from lebm_core.sequences.dataset import pad
from lebm_core.sequences.tokens import BOS, EOS, PAD
from lebm_molecules.data.tokens import MoleculeTokens, check_notation, symbols_of

__all__ = ["MoleculeAdapter"]


class MoleculeAdapter(InputAdapter):
    """X is n SMILES, a list or an array; the symbols are those of the training molecules.

    Args:
        notation: "smiles" or "selfies", in which the model learns them; X is SMILES either way.

    Raises:
        ValueError: for another notation.
    """

    decoder = "sequence"
    encoder = "sequence"
    vat = (5.0, 0.1)
    decoder_defaults = {"embed_dim": 64, "hidden": 128}
    encoder_defaults = {"embed_dim": 64, "hidden": 64}

    def __init__(self, notation: str = "smiles") -> None:
        try:
            check_notation(notation)
        except UsageError as error:
            raise ValueError(str(error).replace("data.notation", "notation")) from None
        self.notation = notation

    def fit(self, X: Any) -> Self:  # noqa: N803
        symbols = [self._symbols(row, smiles) for row, smiles in enumerate(_texts(X))]
        if not symbols:
            raise ValueError("Found array with 0 sample(s): X holds no SMILES.")
        self.tokens = MoleculeTokens.build(symbols, self.notation)
        self.sizes = {
            "vocab_size": len(self.tokens), "symbols": self.tokens.symbols,
            "pad": PAD, "bos": BOS, "eos": EOS, "max_length": max(map(len, symbols)) + 1,
        }  # fmt: skip
        return self

    def transform(self, X: Any) -> Tensor:  # noqa: N803
        rows = []
        for row, smiles in enumerate(_texts(X)):
            try:
                ids = self.tokens.ids(self._symbols(row, smiles))
            except KeyError as error:
                raise ValueError(
                    f"X, row {row}: the molecule {shown(smiles)} has the symbol {error.args[0]}, "
                    "which no training molecule has."
                ) from None
            rows.append(torch.tensor([*ids, EOS]))
        if not rows:
            raise ValueError("Found array with 0 sample(s): X holds no SMILES.")
        return pad(rows)

    def inverse_transform(self, x: Tensor) -> Any:
        """Return SMILES, a list; some may be no molecule."""
        return [self.tokens.decode(row) for row in x.tolist()]

    def _symbols(self, row: int, smiles: str) -> list[str]:
        try:
            symbols = symbols_of(smiles, self.notation)
        except UsageError as error:
            reason = str(error)
            raise ValueError(f"X, row {row}: {reason[0].lower()}{reason[1:]}") from None
        if not symbols:
            raise ValueError(f"X, row {row}: the SMILES is empty.")
        return symbols


def _texts(X: Any) -> list[str]:  # noqa: N803
    """X as SMILES, stripped of white space."""
    if isinstance(X, str) or not isinstance(X, Iterable):
        raise ValueError(f"X must be a list of SMILES, not {type(X).__name__}.")
    texts = []
    for row, smiles in enumerate(X):
        if not isinstance(smiles, str):
            raise ValueError(f"X, row {row}: a SMILES is needed, not {repr(smiles)[:80]}.")
        texts.append(str(smiles).strip())
    return texts
