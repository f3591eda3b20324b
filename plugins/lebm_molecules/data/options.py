"""Options that the data sets of molecules share; they are keys of a recipe's [data] table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lebm_core.base.checks import at_least, choice

__all__ = ["SPLITS_BY", "MoleculeOptions", "SplitOptions"]

SPLITS_BY = ("molecule", "scaffold")


@dataclass(frozen=True)
class MoleculeOptions:
    """How molecules become numbers.

    Attributes:
        notation: "smiles" or "selfies".
        randomised: each training molecule is also written this many times with its atoms in random
            orders; 0 for the SMILES given alone (Arus-Pous et al. 2019). A molecule's class goes
            with the SMILES given, the others have none.
        max_length: training molecules of more tokens are dropped; 0 for no limit.
        train_molecules, eval_molecules: only the first so many of a split; 0 for all.
        classes: a property that is cut into classes: "qed", "logp", "sa", "weight" (g/mol),
            "rings", "tpsa" (square angstrom), "plogp" or "plogp_z" (penalised logP, see
            `lebm_molecules.chemistry.properties`); "" for none.
        class_count: how many, cut at quantiles of the training split.
    """

    notation: Literal["smiles", "selfies"] = "smiles"
    randomised: int = 0
    max_length: int = 0
    train_molecules: int = 0
    eval_molecules: int = 0
    classes: str = ""
    class_count: int = 2

    def __post_init__(self) -> None:
        for name in ("randomised", "max_length", "train_molecules", "eval_molecules"):
            at_least(f"data.{name}", getattr(self, name), 0)


@dataclass(frozen=True)
class SplitOptions:
    """How molecules without a published split are cut.

    Attributes:
        valid_share: of the molecules; 0 for 0.1, or 0.2 of fewer than 1,000
        test_share: of the molecules; 0 likewise
        split_by: molecule, or scaffold (Bemis-Murcko) for no scaffold in two splits
    """

    valid_share: float = 0.0
    test_share: float = 0.0
    split_by: Literal["molecule", "scaffold"] = "molecule"

    def __post_init__(self) -> None:
        choice("data.split_by", self.split_by, SPLITS_BY)
