"""`lebm molecules evaluate` against a plain loop over RDKit, of the same definitions as MOSES.

Run it by `python tests/benchmarks/molecules.py ZINC.csv` (of any size; two disjoint samples of n
molecules are drawn for each n).

The plain loop parses each line once and computes with RDKit's own functions what the definitions
name (Polykovskiy et al., "Molecular sets (MOSES)", 2020, arXiv 1811.12823). Both take turns, one
process each; the time is the processor's (Linux), of the process and the one that it works in, the
least of the repetitions. The values of both are compared. Prints Markdown: times, their ratio, and
the exponent of the time against n, fitted by least squares in logarithms.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent


def plain_description(molecule: Any, catalogues: Sequence[Any], generator: Any) -> dict[str, Any]:
    from rdkit import Chem
    from rdkit.Chem import BRICS, QED, Crippen, Descriptors
    from rdkit.Chem.Scaffolds import MurckoScaffold
    from rdkit.Contrib.SA_Score import sascorer  # type: ignore[import-not-found]

    rings = molecule.GetRingInfo().NumRings()
    scaffold = Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(molecule))
    return {
        "numbers": (
            QED.qed(molecule), Crippen.MolLogP(molecule), sascorer.calculateScore(molecule),
            Descriptors.MolWt(molecule),
        ),
        "fragments": Chem.MolToSmiles(BRICS.BreakBRICSBonds(molecule)).split("."),
        "scaffold": scaffold, "rings": rings,
        "bits": generator.GetFingerprint(molecule),
        "passed": [not each.HasMatch(molecule) for each in catalogues],
    }  # fmt: skip


def cosine(a: Sequence[str], b: Sequence[str]) -> float:
    x, y = Counter(a), Counter(b)
    dot = sum(n * y[key] for key, n in x.items())
    return float(dot / math.sqrt(sum(n * n for n in x.values()) * sum(n * n for n in y.values())))


def plain(samples: Sequence[str], train: Sequence[str]) -> dict[str, float]:
    """The metrics by a loop over molecules."""
    from rdkit import Chem, DataStructs, RDLogger
    from rdkit.Chem import rdFingerprintGenerator
    from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams
    from scipy.stats import wasserstein_distance

    RDLogger.DisableLog("rdApp.*")
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    catalogues = []
    for name in ("PAINS", "BRENK"):
        parameters = FilterCatalogParams()
        parameters.AddCatalog(getattr(FilterCatalogParams.FilterCatalogs, name))
        catalogues.append(FilterCatalog(parameters))
    sides, forms = [], []
    for lines in (samples, train):
        valid = [m for m in map(Chem.MolFromSmiles, lines) if m is not None]
        forms.append([Chem.MolToSmiles(m) for m in valid])
        sides.append([plain_description(m, catalogues, generator) for m in valid])
    a, b = sides
    bits = [[d["bits"] for d in side] for side in sides]
    n = len(a)
    similar = sum(sum(DataStructs.BulkTanimotoSimilarity(each, bits[0])) for each in bits[0])
    nearest = [max(DataStructs.BulkTanimotoSimilarity(each, bits[1])) for each in bits[0]]
    different = set(forms[0])
    numbers = [np.array([d["numbers"] for d in side]) for side in sides]
    found = {
        "validity": n / len(samples), "uniqueness": len(different) / n,
        "novelty": len(different - set(forms[1])) / len(different),
        "internal_diversity_as_published": 1 - similar / n**2,
        "nearest_similarity": float(np.mean(nearest)),
        "fragment_similarity": cosine(*([f for d in s for f in d["fragments"]] for s in sides)),
        "scaffold_similarity_as_published": cosine(
            *([d["scaffold"] for d in side if d["rings"] >= 2] for side in sides)
        ),
        "pains_pass": float(np.mean([d["passed"][0] for d in a])),
        "brenk_pass": float(np.mean([d["passed"][1] for d in a])),
    }  # fmt: skip
    for i, name in enumerate(("QED", "logP", "SA", "weight")):
        found[f"wasserstein_{name}"] = float(
            wasserstein_distance(numbers[0][:, i], numbers[1][:, i])
        )
    return found


def ours(samples: Sequence[str], train: Sequence[str], compared: int = 0) -> dict[str, float]:
    """The same by lebm, in one process."""
    from lebm_molecules.data.files import read_smiles
    from lebm_molecules.metrics.quality_scores import evaluate

    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, lines in (("a.smi", samples), ("b.smi", train)):
            paths.append(Path(folder) / name)
            paths[-1].write_text("\n".join(lines) + "\n")
        values = evaluate(
            read_smiles(paths[0]), read_smiles(paths[1]), compared=compared, processes=1
        )
    return {key: each.value for key, each in values.items() if each.value is not None}


SIDES: dict[str, Callable[..., dict[str, float]]] = {"plain": plain, "lebm": ours}


def used() -> tuple[float, float]:
    """Processor seconds of this process and its living children, and the most MB of one of them."""
    spent, peak, tick = 0.0, 0.0, os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if os.getpid() not in (int(folder.name), int(fields[1])):
                continue
            spent += (int(fields[11]) + int(fields[12])) / tick
            lines = (folder / "status").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        peak = max(peak, *(int(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM")))
    return spent, peak


def one(side: str, path: Path, n: int, compared: int) -> dict[str, Any]:
    """One measurement, in this process."""
    lines = path.read_text().splitlines()
    random.Random(n).shuffle(lines)
    drawn = [line.strip() for line in lines[: 2 * n]]
    if len(drawn) < 2 * n:
        sys.exit(f"{path} has {len(lines):,} molecules, and two samples of {n:,} are wanted")
    extra = {"compared": compared} if side == "lebm" else {}
    SIDES[side](drawn[:20], drawn[20:40], **extra)  # what is read once: catalogues, tables
    before, _ = used()
    values = SIDES[side](drawn[:n], drawn[n:], **extra)
    now, peak = used()
    return {"cpu": now - before, "peak": peak, "values": values}


def best(side: str, path: Path, n: int, compared: int, repeats: int) -> list[dict[str, Any]]:
    command = [sys.executable, __file__, str(path), "--one", side, str(n), str(compared)]
    return [json.loads(subprocess.check_output(command, env=os.environ)) for _ in range(repeats)]


def exponent(sizes: Sequence[int], times: Sequence[float]) -> float:
    """The slope of log time by log n."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path", type=Path, help="SMILES: .smi, .csv, or .gz of them")
    parser.add_argument("--sizes", type=int, nargs="*", default=[500, 2000, 8000])
    parser.add_argument("--lines", type=int, nargs="*", default=[10_000, 30_000, 90_000])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--one", nargs=3, metavar=("SIDE", "N", "COMPARED"))
    given = parser.parse_args()
    path = given.path
    if given.one:
        side, n, compared = given.one
        print(json.dumps(one(side, path, int(n), int(compared))))
        return
    with tempfile.TemporaryDirectory() as folder:
        if path.suffix != ".smi":
            from lebm_molecules.data.files import read_smiles

            flat = Path(folder) / "all.smi"
            flat.write_text("\n".join(smiles for _, smiles in read_smiles(path)) + "\n")
            path = flat
        if given.sizes:
            print("| molecules a side | plain loop, s | lebm, s | ratio | largest difference |")
            print("|---|---|---|---|---|")
        times: dict[str, list[float]] = {side: [] for side in SIDES}
        for n in given.sizes:
            turns = [[best(s, path, n, 0, 1)[0] for s in SIDES] for _ in range(given.repeats)]
            for i, side in enumerate(SIDES):
                times[side].append(min(turn[i]["cpu"] for turn in turns))
            wanted, found = (each["values"] for each in turns[0])
            apart = {key: abs(found[key] - wanted[key]) for key in wanted}
            worst = max(apart, key=lambda key: apart[key])
            a, b = (times[side][-1] for side in SIDES)
            print(f"| {n:,} | {a:.1f} | {b:.1f} | {a / b:.2f} | {apart[worst]:.1e}, {worst} |",
                  flush=True)  # fmt: skip
        if len(given.sizes) > 1:
            fits = {side: exponent(given.sizes, each) for side, each in times.items()}
            print("\nExponent of the time: " + ", ".join(f"{s} {e:.2f}" for s, e in fits.items()))
        if given.lines:
            print("\n| lines a side, 1,000 compared | lebm, s | most memory, MB |\n|---|---|---|")
            spent = []
            for n in given.lines:
                runs = best("lebm", path, n, 1000, given.repeats)
                spent.append(min(each["cpu"] for each in runs))
                peak = min(each["peak"] for each in runs)
                print(f"| {n:,} | {spent[-1]:.1f} | {peak:.0f} |", flush=True)
            if len(spent) > 1:
                print(f"\nExponent of the time: {exponent(given.lines, spent):.2f}")


if __name__ == "__main__":
    main()
