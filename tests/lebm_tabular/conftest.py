"""Small files in the layouts of the public tables."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest


class Layouts:
    """Writes the files of a data set to a folder, and returns the table that is in them."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    @staticmethod
    def write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)

    def protein(self, folder: Path, rows: int = 200) -> np.ndarray:
        table = np.round(self.random.normal(50, 20, (rows, 10)), 3)
        text = "\n".join(" ".join(f"{v:g}" for v in row) for row in table) + "\n"
        self.write(folder / "uci_protein" / "data.txt.gz", text)
        splits = {str(s): list(range(s, rows, 10)) for s in range(5)}
        self.write(folder / "uci_protein" / "test_indices.json.gz", json.dumps({"test": splits}))
        return table

    def hepmass(self, folder: Path, kind: str = "all", rows: int = 60, end: str = "") -> np.ndarray:
        """With the mass, as all_*.csv.gz; 1000_test.csv.gz has a comma at the end instead."""
        mass = ["mass"] if kind == "all" else []
        head = ",".join(["# label", *(f"f{i}" for i in range(27)), *mass])
        table = self.random.normal(size=(rows, 27 + len(mass)))
        lines = [
            f"{i % 2:.18e}," + ",".join(f"{v:.6e}" for v in row) + end
            for i, row in enumerate(table)
        ]
        for part in ("train", "test"):
            self.write(folder / "hepmass" / f"{kind}_{part}.csv.gz", "\n".join([head, *lines, ""]))
        return table

    def miniboone(self, folder: Path, signal: int = 30, background: int = 50) -> np.ndarray:
        """Its fourth row is one without a measurement."""
        table = self.random.normal(size=(signal + background, 50))
        table[3] = -999.0
        lines = ["   " + "  ".join(f"{v:.6e}" for v in row) for row in table]
        head = f"  {signal}  {background}"
        self.write(folder / "miniboone" / "MiniBooNE_PID.txt", "\n".join([head, *lines, ""]))
        return table


@pytest.fixture
def layouts() -> Layouts:
    return Layouts()
