"""Readers of tables and what they read."""

from __future__ import annotations

import numpy as np
from reader import DataSet, Reader, further, lines, npz, saved

__all__ = ["READERS"]

NUMBERS = np.random.default_rng(0)
TABLE = NUMBERS.normal(size=(60, 3)).round(3)
KINDS = ["", "one", "two"]
ROWS = [f"{a},{b},{c},{KINDS[i % 3]}" for i, (a, b, c) in enumerate(TABLE.tolist())]
PLAIN = [f"{a},{b},{c},{i % 3}" for i, (a, b, c) in enumerate(TABLE.tolist())]
WIDE = NUMBERS.normal(size=(60, 10)).round(3).tolist()
LONG = NUMBERS.normal(size=(60, 27)).round(2).tolist()
BOSONS = NUMBERS.normal(size=(60, 50)).round(2).tolist()


def labelled(rows: list[list[float]]) -> bytes:
    return lines([f"{i % 2},{','.join(map(str, row))}" for i, row in enumerate(rows)])


CSV = Reader({"my.csv": lines(["a,b,c,label", *ROWS])}, DataSet("tabular.file", "my.csv"), 2)
WORDS = Reader(
    {"my.csv": lines(["a,colour,size,label", *(f"{a},{'red green blue'.split()[i % 3]},"
                                              f"{['S', 'M', ''][i // 3 % 3]},{i % 2}"
                                              for i, (a, *_) in enumerate(TABLE.tolist()))])},
    DataSet("tabular.file", "my.csv"), 2)  # fmt: skip

READERS = {
    "tabular.csv": CSV,
    "tabular.words": WORDS,
    "tabular.words-new": further(WORDS, "new.csv", lines(["size,a,colour", "M,1.5,red", ",2,blue",
                                                          "S,0.5,green"])),
    "tabular.words-saved": saved(WORDS),
    "tabular.csv-no-label": Reader({"my.csv": lines(["a,b,c,d", *PLAIN])},
                                   DataSet("tabular.file", "my.csv", label="")),
    "tabular.npz": Reader({"my.npz": npz(x=TABLE, label=np.arange(60) % 3)},
                          DataSet("tabular.file", "my.npz")),
    "tabular.hepmass": Reader(
        {f"hepmass/all_{s}.csv": labelled(LONG) for s in ("train", "test")},
        DataSet("tabular.hepmass", train_rows=30, valid=10, test_rows=30), 1, True),
    "tabular.miniboone": Reader(
        {"miniboone/MiniBooNE_PID.txt": lines(["20 40", *(" ".join(map(str, r)) for r in BOSONS)])},
        DataSet("tabular.miniboone", train_rows=30, valid=10, test_rows=20)),
    "tabular.protein": Reader(
        {"uci_protein/data.txt": lines([" ".join(map(str, r)) for r in WIDE]),
         "uci_protein/test_indices.json": b'{"test": {"0": [1, 5, 7, 9]}}'},
        DataSet("tabular.protein", classes=3, valid=5), 1, True),
    "tabular.new": further(CSV, "new.csv", lines(["c,b,a", *(r.rpartition(",")[0]
                                                             for r in ROWS[:9])])),
    "tabular.saved": saved(CSV),
}  # fmt: skip
