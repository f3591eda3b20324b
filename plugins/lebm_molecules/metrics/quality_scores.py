"""Scores of generated molecules: those of `lebm molecules evaluate`, as an API.

Each score is a `Value` with its definition and its counts. Sources: Polykovskiy et al. (MOSES),
2020, arXiv 1811.12823; Preuer et al. (Frechet ChemNet distance), 2018, arXiv 1803.09518. Both
sides of every comparison are canonicalised by the RDKit that runs.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from lebm_core.base.checks import at_least
from lebm_core.errors import UsageError, shown
from lebm_core.evaluation.values import Value
from lebm_molecules.chemistry.describe import Description
from lebm_molecules.chemistry.limited import Refused
from lebm_molecules.chemistry.parallel import mapped
from lebm_molecules.chemistry.rdkit import canonical_line
from lebm_molecules.data.files import Line
from lebm_molecules.metrics.distribution_scores import compare, described
from lebm_molecules.metrics.hashes import Hashes, distinct, hash_of, unknown

__all__ = ["Invalid", "Molecules", "evaluate", "summary"]

FIRST = {"uniqueness_1k": 1_000, "uniqueness_10k": 10_000}
SHOWN = 3  # lines
SEED = 0  # of which molecules the distributions are compared on
STEREO = {True: "stereochemistry kept", False: "stereochemistry dropped"}


class Invalid(NamedTuple):
    """A line that is no molecule."""

    line: int
    smiles: str
    reason: str


@dataclass
class Molecules:
    """The content of a file that scores depend on.

    Attributes:
        lines: number of lines that are not blank.
        valid: number of molecules among them.
        distinct: a hash of each distinct canonical SMILES, sorted.
        raw: a hash of each line as it stands, in the order of the file.
        first: number of distinct ones among the first 1,000 and 10,000 valid ones.
        sample: canonical SMILES of valid lines, each line equally likely to be in it.
        described: the sample with its descriptions, once it was compared.
        given_up: lines that took RDKit too long; they are not valid.
        shown: the first lines that are not valid, for a message.
    """

    lines: int = 0
    valid: int = 0
    distinct: Hashes = field(default_factory=lambda: distinct(array("Q")))
    raw: Hashes = field(default_factory=lambda: distinct(array("Q")))
    first: dict[str, int] = field(default_factory=dict)
    sample: list[str] = field(default_factory=list)
    described: list[tuple[str, Description]] = field(default_factory=list)
    given_up: int = 0
    shown: list[str] = field(default_factory=list)


def evaluate(
    samples: Iterable[Line],
    train: Iterable[Line] | Molecules | None = None,
    test: Iterable[Line] | Molecules | None = None,
    *,
    stereo: bool = True,
    compared: int = 10_000,
    processes: int = 1,
    invalid: Callable[[Invalid], object] | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, Value]:
    """Return validity, uniqueness, novelty, and distances to reference molecules.

    What is held of a line is 16 bytes, besides the `compared` molecules.

    Args:
        samples: generated SMILES with line numbers, as `read_smiles` gives them.
        train: the molecules that the model was trained on, for novelty; or their `summary` of the
            same `stereo` and `compared`.
        test: molecules to compare distributions with, likewise; without them those of `train`.
        stereo: whether molecules that differ in stereochemistry alone are different.
        compared: molecules of each side whose distributions are compared, drawn at random with a
            fixed seed; 0 for all.
        processes: that share the work; 0 for one for each core.
        invalid: is called with each line of `samples` that is no molecule.
        progress: is called with "samples", "train", "test" or "properties" and how many
            molecules of it are done.

    Raises:
        UsageError: where `samples` has no line that is not blank, `train` or `test` has no
            molecule, or an option is not possible.
    """
    at_least("--compare", compared, 0)
    read = partial(_read, processes, stereo=stereo, compared=compared, progress=progress)
    made = read("samples", samples, invalid=invalid)
    if not made.lines:
        raise UsageError("There is nothing to evaluate: no line of the samples holds a SMILES.")
    known = train if isinstance(train, Molecules) or train is None else read("train", train)
    held = test if isinstance(test, Molecules) or test is None else read("test", test)
    for part, of in (("training", known), ("test", held)):
        if of is not None and not of.valid:
            raise UsageError(f"The {part} set holds no molecule: {', '.join(of.shown)}.")
    values = _ratios(made, known, held, STEREO[stereo])
    reference, name = (held, "test") if held is not None else (known, "train")
    if reference is not None:
        for side in (made, reference):
            if not side.described:  # a reference is described once
                side.described = described(side.sample, processes, progress)
        values |= compare(made.described, reference.described, name)
    return values


def summary(
    lines: Iterable[Line], *, stereo: bool = True, compared: int = 10_000, processes: int = 1
) -> Molecules:
    """Summarise a file for `evaluate`, where several others are compared with it."""
    return _read(processes, "", lines, stereo=stereo, compared=compared)


def _read(
    processes: int,
    name: str,
    lines: Iterable[Line],
    *,
    stereo: bool,
    compared: int,
    invalid: Callable[[Invalid], object] | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Molecules:
    molecules, rng = Molecules(), random.Random(SEED)
    raw, forms = array("Q"), array("Q")
    for (number, smiles), found in mapped(partial(canonical_line, stereo), lines, processes):
        good, reason = (None, found.reason) if isinstance(found, Refused) else found
        molecules.lines += 1
        molecules.given_up += isinstance(found, Refused)
        if good is None and len(molecules.shown) < SHOWN:
            molecules.shown.append(f"line {number} is {shown(smiles, 40)}")
        raw.append(hash_of(smiles))
        if progress is not None and molecules.lines % 1_000 == 0:
            progress(name, molecules.lines)
        if good is None:
            if invalid is not None:
                invalid(Invalid(number, smiles, reason))
            continue
        molecules.valid += 1
        forms.append(hash_of(good))
        for key, n in FIRST.items():
            if molecules.valid == n:
                molecules.first[key] = len(distinct(forms))
        if not compared or len(molecules.sample) < compared:
            molecules.sample.append(good)
        elif (place := rng.randrange(molecules.valid)) < compared:  # Vitter's algorithm R
            molecules.sample[place] = good
    if progress is not None:
        progress(name, molecules.lines)
    molecules.distinct, molecules.raw = distinct(forms), np.array(raw, dtype=np.uint64)
    return molecules


def _share(
    part: int, whole: int, definition: str, names: tuple[str, str], first: Sequence[str] = (),
    better: str = "higher",
) -> Value:  # fmt: skip
    counts = {names[0]: part, names[1]: whole}
    if not whole:
        why = f"No line is a molecule: {', '.join(first)}."
        return Value(None, None, 0, "samples", definition, why, counts, better=better)
    return Value.share(part, "samples", definition, counts, of=whole, better=better)


def _ratios(
    made: Molecules, known: Molecules | None, held: Molecules | None, stereo: str
) -> dict[str, Value]:
    different = len(made.distinct)
    values = {
        "validity": _share(
            made.valid, made.lines,
            "Lines that RDKit parses and sanitises, over lines that are not blank; nothing is "
            "corrected.",
            ("valid", "lines"),
        ),
        "uniqueness": _share(
            different, made.valid,
            f"Distinct canonical SMILES over valid ones; {stereo}.",
            ("distinct", "valid"), made.shown,
        ),
    }  # fmt: skip
    if made.given_up:
        values["validity"].extra["given up by RDKit's limit of time"] = made.given_up
    for key, n in FIRST.items():
        if key in made.first:
            definition = f"The same among the first {n:,} valid ones."
            values[key] = _share(made.first[key], n, definition, ("distinct", "valid"))
    if known is not None:
        new = unknown(made.distinct, known.distinct)
        values["novelty"] = _share(
            new, different,
            "Distinct valid molecules that are not in the training set, over distinct valid ones; "
            f"both sides canonicalised by the same RDKit, {stereo}.",
            ("new", "distinct"), made.shown,
        )  # fmt: skip
        values["novelty"].extra |= {"train": len(known.distinct)}
        if known.lines > known.valid:
            values["novelty"].extra["train lines that are no molecule"] = known.lines - known.valid
    values["uniqueness_as_published"] = _share(
        len(distinct(made.raw)), made.lines,
        "Distinct strings over all lines, as in the public code of Kong et al. 2023: one molecule "
        "written in two ways counts twice, and invalid strings count.",
        ("distinct strings", "lines"), better="",
    )  # fmt: skip
    if held is not None:
        values["novelty_as_published"] = _share(
            unknown(made.raw, distinct(held.raw)), made.lines,
            "Lines whose string is not in the test file, over all lines, as in the public code of "
            "Kong et al. 2023: an invalid string is new, and so is the training set.",
            ("strings not in test", "lines"), better="",
        )  # fmt: skip
    return values
