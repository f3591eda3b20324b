"""Readers of molecules and what they read."""

from __future__ import annotations

import json

from reader import DataSet, Reader, further, lines, saved

__all__ = ["READERS"]

SMILES = ["C" * a + b + c for a in range(1, 6) for b in ("O", "N", "c1ccccc1", "C(=O)O")
          for c in ("", "C", "Cl", "F")]  # fmt: skip
TABLE = ["smiles,active", *(f"{s},{i % 2}" for i, s in enumerate(SMILES))]
OWN = {"valid_share": 0.2, "test_share": 0.2}
PUBLISHED = {
    "jtvae": {"valid": [3, 8, 13], "test": [1, 5, 21, 34]},
    "moflow_gdss": {"heldout": [2, 3, 5, 7]},
}
LINES = Reader({"my.smi": lines(SMILES)}, DataSet("molecules.file", "my.smi", valid_share=0.2))
IN_TABLE = Reader({"my.csv": lines(TABLE)},
                  DataSet("molecules.file", "my.csv", label="active", **OWN), 2)  # fmt: skip
ZINC = {"zinc250k/splits.json": json.dumps(PUBLISHED).encode(),
        "zinc250k/zinc250k.smi": lines(SMILES)}  # fmt: skip

READERS = {
    "molecules.smi": LINES,
    "molecules.csv": IN_TABLE,
    "molecules.zinc": Reader(ZINC, DataSet("molecules.zinc"), 1, True),
    "molecules.zinc-moflow": Reader(ZINC, DataSet("molecules.zinc", split="moflow")),
    "molecules.qm9": Reader({"qm9/qm9.smi": lines(SMILES)},
                            DataSet("molecules.qm9", notation="selfies", **OWN)),
    "molecules.new": further(IN_TABLE, "new.csv", lines(TABLE[:20])),
    "molecules.saved": saved(LINES),
}  # fmt: skip
