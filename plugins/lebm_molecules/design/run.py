"""A design with the model of a run: its start and its files."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from lebm_core.base.files import write_atomically
from lebm_core.base.randomness import stream
from lebm_core.data.dataset import subset
from lebm_core.data.saved import load_dataset
from lebm_core.errors import UsageError, shown
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.artifacts import check_same_data, load_model
from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load
from lebm_molecules.chemistry.drawing import draw
from lebm_molecules.chemistry.rdkit import canonical, canonical_all
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.files import read_smiles
from lebm_molecules.design.figure import history_figure
from lebm_molecules.design.options import DesignOptions
from lebm_molecules.design.oracle import Oracle, of_property
from lebm_molecules.design.record import Design, Round, summary, write
from lebm_molecules.design.search import DEFAULT, design

__all__ = ["design_run"]

DRAWN = 12  # molecules in the figure


def design_run(
    folder: str | Path,
    name: str,
    *,
    options: DesignOptions = DEFAULT,
    minimise: bool = False,
    start: str | Path | None = None,
    column: str = "",
    similar_to: Sequence[str] = (),
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    seed: int = 0,
    log: Callable[[str], None] | None = None,
) -> Design:
    """Design molecules by a property of RDKit's, with the model of a run.

    Args:
        folder: of the run, or of one of its baselines.
        name: of the property, one of `lebm_molecules.chemistry.properties.PROPERTIES`.
        options: of the design.
        minimise: minimise the property; values are then given with their sign changed.
        start: a file of SMILES to start from; by default molecules of the training split, drawn
            by the seed, as many as the population.
        column: name or number of the column of the SMILES in `start`; "" for the one called smiles.
        similar_to: SMILES to improve on by similar molecules, in place of `start`.
        out: a folder for history.csv, molecules.csv, design.json and two figures, written after
            each round (the figures at the end); None for none.
        data_dir: the first place to look for the data.
        seed: of everything.
        log: takes a line for each round.

    Raises:
        UsageError: for an unknown property, a folder that is no run of molecules, a SMILES that
            is no molecule, or a folder in use.
    """
    folder, tell = Path(folder), log or (lambda line: None)
    function = of_property(name, minimise)
    if column and start is None:
        raise UsageError(f"--column {column} is for a file that --start names.")
    if start is not None and similar_to:
        raise UsageError("--start and --similar-to: give one of the two.")
    for smiles in similar_to:  # before anything is loaded
        good, reason = canonical(smiles)
        if good is None:
            raise UsageError(f"--similar-to {shown(smiles)} is no molecule: {reason}.")
    target = None if out is None else Path(out)
    if target is not None and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f'--out "{target}" is there already: give another folder.')
    model, data = load_model(folder), load_dataset(folder)
    if not isinstance(data, MoleculeDataset):
        raise UsageError(f'"{folder}" is a run of {type(data).__name__}, not of molecules.')
    if not isinstance(model, LatentEBM):
        raise UsageError(f'"{folder}" has a {type(model).__name__}: a design needs a model with z.')
    recipe = load(folder / "recipe.toml")
    if similar_to:
        first: list[str] = []
    elif start is not None:
        first = _of_file(Path(start), column)
    else:
        first = _training_molecules(folder, data_dir, options, seed)
    known = f"minus_{name}" if minimise else name
    if known not in model.heads.known:
        tell(f"The run has no head for {known}: one is learned as molecules are judged.")

    def each(state: Design) -> None:
        tell(_line(state.history[-1], options))
        if target is not None:
            write(state, target)

    result = design(
        model, data, Oracle(function, options.calls), first, name=known, options=options,
        similar_to=similar_to, learning=recipe.learning, training=recipe.training,
        generator=torch.Generator(model.device).manual_seed(stream(seed, "design")), each=each,
    )  # fmt: skip
    if target is not None and result.history:
        given = dataclasses.asdict(options) | {"property": known, "seed": seed}
        text = json.dumps(summary(result) | {"options": given}, indent=1) + "\n"
        write_atomically(target / "design.json", text)
        history_figure(result, known, target / "history.png")
        best = result.molecules[:DRAWN]
        labels = [f"{m.value:.4g}" for m in best]
        draw([m.smiles for m in best], target / "molecules.png", labels)
    return result


def _of_file(path: Path, column: str) -> list[str]:
    lines = list(read_smiles(path, column))
    forms = canonical_all([smiles for _, smiles in lines])
    for (number, smiles), (form, reason) in zip(lines, forms, strict=True):
        if form is None:
            raise UsageError(f"{path}, line {number}: {shown(smiles)} is no molecule: {reason}.")
    return [smiles for _, smiles in lines]


def _training_molecules(
    folder: Path, data_dir: str | Path | None, options: DesignOptions, seed: int
) -> list[str]:
    """As many of the training split as the population, of a length that the start allows."""
    dataset = build_dataset(load(folder / "recipe.toml"), data_dir)
    check_same_data(dataset, folder)
    assert isinstance(dataset, MoleculeDataset)
    short = (dataset.lengths("train") - 1 <= options.limit(0)).nonzero().squeeze(1)
    rows = short[subset(len(short), options.population, seed)]
    return dataset.strings(dataset.batch("train", rows).x)


def _line(row: Round, options: DesignOptions) -> str:
    valid = "" if math.isnan(row.validity) else f", valid {row.validity:.3f}"
    return (
        f"round {row.round}/{options.rounds}: best {row.best:.4g}, top 3 {row.top_3:.4g}, "
        f"top 100 {row.top_100:.4g}, mean {row.mean:.4g}{valid}, {row.unseen} asked, "
        f"{row.entered} kept, {row.calls} oracle calls in all"
    )
