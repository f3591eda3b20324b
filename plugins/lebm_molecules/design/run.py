"""A design from the model of a run: what it starts from, and the files that it writes."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lebm_core.base.files import write_atomically
from lebm_core.data.dataset import subset
from lebm_core.errors import UsageError
from lebm_core.run.artifacts import check_same_data, load_dataset, load_model
from lebm_core.run.build import build_dataset
from lebm_core.run.old.recipe import load
from lebm_core.run.stages import stream
from lebm_molecules.chemistry.rdkit import canonical
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.files import read_smiles
from lebm_molecules.design.oracle import Oracle, of_property
from lebm_molecules.design.search import Design, Round, design
from lebm_molecules.design.shifting import DesignOptions, Scored
from lebm_molecules.figures.molecules import draw

__all__ = ["design_run", "summary", "write"]

DRAWN, CURVES = 12, 5  # molecules in the picture; rounds whose distribution is drawn


def design_run(
    folder: str | Path,
    name: str,
    *,
    options: DesignOptions = DesignOptions(),  # noqa: B008 - it is frozen
    minimise: bool = False,
    start: str | Path | None = None,
    similar_to: Sequence[str] = (),
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    seed: int = 0,
    log: Callable[[str], None] | None = None,
) -> Design:
    """Designs molecules by a property of RDKit's, with the model of a run.

    Args:
        folder: of the run, or of one of its controls.
        name: of the property, one of `lebm_molecules.chemistry.properties.PROPERTIES`.
        options: how.
        minimise: the property is to be small; values are then given with their sign changed.
        start: a file of SMILES to start from; by default molecules of the training split, drawn
            by the seed, as many as the population.
        similar_to: SMILES to better by molecules that are similar to them, in place of `start`.
        out: a folder for history.csv, molecules.csv, design.json and two pictures, written after
            each round (the pictures at the end); None for none.
        data_dir: where the data are looked for first.
        seed: of everything.
        log: takes a line for each round.

    Raises:
        UsageError: for an unknown property, a folder that is no run of molecules, a SMILES that
            is no molecule, or a folder in use.
    """
    folder, say = Path(folder), log or (lambda line: None)
    function = of_property(name, minimise)
    if start is not None and similar_to:
        raise UsageError("--start and --similar-to: give one of the two.")
    for smiles in similar_to:  # what is wrong is said before anything is loaded
        good, reason = canonical(smiles)
        if good is None:
            raise UsageError(f'--similar-to "{smiles}" is no molecule: {reason}.')
    target = None if out is None else Path(out)
    if target is not None and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f'--out "{target}" is there already: give another folder.')
    model, data = load_model(folder), load_dataset(folder)
    if not isinstance(data, MoleculeDataset):
        raise UsageError(f'"{folder}" is a run of {type(data).__name__}, not of molecules.')
    recipe = load(folder / "recipe.toml")
    if similar_to:
        first: list[str] = []
    elif start is not None:
        first = [smiles for _, smiles in read_smiles(Path(start))]
    else:
        first = _training_molecules(folder, data_dir, options, seed)
    known = f"minus_{name}" if minimise else name
    if known not in model.heads.known:
        say(f"The run has no head for {known}: one is learned as molecules are judged.")

    def each(found: Design) -> None:
        say(_line(found.history[-1], options))
        if target is not None:
            write(found, target)

    found = design(
        model, data, Oracle(function, options.calls), first, name=known, options=options,
        similar_to=similar_to, learning=recipe.learning, training=recipe.training,
        generator=torch.Generator(model.device).manual_seed(stream(seed, "design")), each=each,
    )  # fmt: skip
    if target is not None and found.history:
        given = dataclasses.asdict(options) | {"property": known, "seed": seed}
        write_atomically(
            target / "design.json", json.dumps(summary(found) | {"options": given}, indent=1) + "\n"
        )
        figure(found, known, target / "history.png")
        best = found.molecules[:DRAWN]
        labels = [f"{m.value:.4g}" for m in best]
        draw([m.smiles for m in best], target / "molecules.png", labels)
    return found


def _training_molecules(
    folder: Path, data_dir: str | Path | None, options: DesignOptions, seed: int
) -> list[str]:
    """As many of the training split as the population, of a length that the start allows."""
    dataset = build_dataset(load(folder / "recipe.toml"), data_dir)
    check_same_data(dataset, folder)
    assert isinstance(dataset, MoleculeDataset)
    short = (dataset.lengths("train") - 1 <= options.limit(0)).nonzero().squeeze(1)
    rows = short[subset(len(short), options.population, seed)]
    return dataset.sentences(dataset.batch("train", rows).x)


def _line(row: Round, options: DesignOptions) -> str:
    valid = "" if math.isnan(row.validity) else f", valid {row.validity:.3f}"
    return (
        f"round {row.round}/{options.rounds}: best {row.best:.4g}, top 3 {row.top_3:.4g}, "
        f"top 100 {row.top_100:.4g}, mean {row.mean:.4g}{valid}, {row.unseen} asked, "
        f"{row.entered} kept, {row.calls} oracle calls in all"
    )


def summary(found: Design) -> dict[str, Any]:
    """The figures of a design, for JSON."""
    last = found.history[-1]
    values: dict[str, Any] = {
        "oracle_calls": last.calls,
        "rounds": last.round,
        "best": last.best,
        "top_3": last.top_3,
        "top_100": last.top_100,
        "start_top_3": found.history[0].top_3,
        "validity_last_round": None if math.isnan(last.validity) else last.validity,
        "seconds": last.seconds,
        "interrupted": found.interrupted,
        "molecules": [m.smiles for m in found.molecules[:3]],
    }
    if found.starts:
        pairs = list(zip(found.improved(), found.starts, strict=True))
        gains = np.array([best.value - before.value for best, before in pairs])
        values |= {
            "starts": len(gains),
            "improvement": float(gains.mean()),
            "improvement_sd": float(gains.std()),
            "success": float((gains > 0).mean()),
            "similarity": float(np.mean([best.similarity for best, _ in pairs])),
        }
    return values


def write(found: Design, folder: Path) -> None:
    """history.csv, a row a round, and molecules.csv, the best first; each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    ranked: list[Sequence[Any]] = [(i, *m) for i, m in enumerate(found.molecules, 1)]
    tables: dict[str, tuple[Sequence[str], Sequence[Sequence[Any]]]] = {
        "history.csv": (Round._fields, found.history),
        "molecules.csv": (("rank", *Scored._fields), ranked),
    }
    for name, (header, rows) in tables.items():
        part = folder / f"{name}.part"
        with part.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(header)
            table.writerows(rows)
        part.replace(folder / name)


def figure(found: Design, name: str, file: Path) -> Path:
    """The best values against oracle calls, validity by round, the distribution as it shifts."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    picture = Figure(figsize=(10.5, 2.9), layout="constrained")
    left, middle, right = picture.subplots(1, 3)
    rows = found.history
    for key, style in (("top_3", "-"), ("top_100", "--"), ("mean", ":")):
        left.plot([r.calls for r in rows], [getattr(r, key) for r in rows], style, label=key)
    left.set(xlabel="oracle calls", ylabel=name)
    left.legend(fontsize=7)
    made = [r for r in rows if not math.isnan(r.validity)]
    middle.plot([r.round for r in made], [r.validity for r in made], color="#1f4e79")
    middle.set(xlabel="round", title="share of proposals that are molecules", ylim=(0, 1.02))
    middle.title.set_fontsize(8)
    chosen = np.unique(np.linspace(0, len(rows) - 1, CURVES).round().astype(int)).tolist()
    values = np.concatenate([found.spread[row] for row in chosen])
    bins = np.histogram_bin_edges(values, 40)
    for i, row in enumerate(chosen):
        colour = colormaps["viridis"](i / max(1, len(chosen) - 1))
        label = "start" if row == 0 else f"round {rows[row].round}"
        v = found.spread[row]
        right.hist(v, bins, density=True, histtype="step", color=colour, label=label)
    right.set(xlabel=f"{name} of the molecules kept", yticks=[])
    right.legend(fontsize=7)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(file, dpi=110)
    return file
