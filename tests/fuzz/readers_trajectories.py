"""Readers of recordings and what they read."""

from __future__ import annotations

import json

import numpy as np
from reader import DataSet, Reader, further, lines, saved

__all__ = ["READERS"]

WALKS = [(t, a, round(0.5 * t + a, 3), round(2.0 * a + 0.3 * np.sin(t), 3))
         for t in range(150) for a in range(2)]  # fmt: skip
OF_WALKS = {"observed": 4, "predicted": 4, "valid_share": 0.2, "test_share": 0.2}
SCENES = [f"{'ab'[t % 2]},{t},{a},{x},{y}" for t, a, x, y in WALKS]
PIXELS = ["scene,frame,track_id,x_px,y_px",
          *(f"{'ab'[t % 2]},{t},{a},{30 * x},{30 * y}" for t, a, x, y in WALKS)]  # fmt: skip
RECORDINGS = ("biwi_eth", "biwi_hotel", "crowds_zara01", "crowds_zara02", "crowds_zara03",
              "students001", "students003", "uni_examples")  # fmt: skip
PARTS = {
    split: [{"file": "biwi_eth.txt", "first_line": start, "end_line": start + 100}]
    for split, start in (("train", 0), ("val", 100), ("test", 200))
}


def walks(walks: list[tuple]) -> bytes:
    return lines([" ".join(map(str, walk)) for walk in walks])


TXT = Reader({"my.txt": walks(WALKS)}, DataSet("trajectories.file", "my.txt", **OF_WALKS))

READERS = {
    "trajectories.txt": TXT,
    "trajectories.csv": Reader({"my.csv": lines(["scene,frame,id,x,y", *SCENES])},
                               DataSet("trajectories.file", "my.csv", **OF_WALKS), 2),
    "trajectories.eth_ucy": Reader(
        {"eth_ucy/splits.json": json.dumps({"splits": {"zara1": PARTS}}).encode(),
         **{f"eth_ucy/{name}.txt": walks(WALKS) for name in RECORDINGS}},
        DataSet("trajectories.eth_ucy", observed=4, predicted=4)),
    "trajectories.sdd": Reader({f"sdd_trajnet/{s}.csv": lines(PIXELS) for s in ("train", "test")},
                               DataSet("trajectories.sdd", observed=4, predicted=4), 1, True),
    "trajectories.new": further(TXT, "new.txt", walks(WALKS[:60])),
    "trajectories.saved": saved(TXT),
}  # fmt: skip
