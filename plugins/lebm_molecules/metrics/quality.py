"""How good generated molecules are: the figures of `lebm molecules evaluate`, as an API.

Each figure is a `Value` with its definition and its counts. Sources: Polykovskiy et al. (MOSES),
2020, arXiv 1811.12823; Preuer et al. (Frechet ChemNet distance), 2018, arXiv 1803.09518. Both
sides of every comparison are canonicalised by the RDKit that runs.
"""

from __future__ import annotations

import hashlib
import random
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from lebm_core.errors import UsageError
from lebm_core.evaluation.values import Value
from lebm_molecules.chemistry.describe import Description
from lebm_molecules.chemistry.rdkit import canonical
from lebm_molecules.data.files import Line
from lebm_molecules.metrics.distributions import compare, described
from lebm_molecules.metrics.parallel import Workers, mapped, workers

__all__ = ["Invalid", "Molecules", "evaluate", "summary"]

FIRST = {"uniqueness_1k": 1_000, "uniqueness_10k": 10_000}
SEED = 0  # of which molecules the distributions are compared on
STEREO = {True: "stereochemistry kept", False: "stereochemistry dropped"}


class Invalid(NamedTuple):
    """A line that is no molecule."""

    line: int
    smiles: str
    reason: str


@dataclass
class Molecules:
    """What is kept of a file that was read.

    Attributes:
        lines: lines that are not blank.
        valid: how many of them are molecules.
        distinct: a hash of each distinct canonical SMILES.
        first: how many are distinct among the first 1,000 and 10,000 valid ones.
        sample: canonical SMILES of valid lines, each line equally likely to be in it.
        described: what is compared of each of the sample, once that has been asked for.
        raw: a hash of each line as it stands.
    """

    lines: int = 0
    valid: int = 0
    distinct: set[int] = field(default_factory=set)
    first: dict[str, int] = field(default_factory=dict)
    sample: list[str] = field(default_factory=list)
    described: list[Description] = field(default_factory=list)
    raw: array[int] = field(default_factory=lambda: array("Q"))


def evaluate(
    samples: Iterable[Line],
    train: Iterable[Line] | Molecules | None = None,
    test: Iterable[Line] | Molecules | None = None,
    *,
    stereo: bool = True,
    compared: int = 10_000,
    processes: int = 1,
    invalid: Callable[[Invalid], None] | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, Value]:
    """Validity, uniqueness, novelty, and distances to reference molecules.

    Memory is about 100 bytes for each distinct molecule, and what `compared` molecules take.

    Args:
        samples: generated SMILES with line numbers, as `read_smiles` gives them.
        train: the molecules that the model was trained on; novelty needs them. Their `summary`,
            of the same `stereo` and `compared`, will do.
        test: molecules to compare distributions with, likewise; without them those of `train`.
        stereo: whether molecules that differ in stereochemistry alone are different.
        compared: molecules of each side whose distributions are compared, drawn at random with a
            fixed seed; 0 for all.
        processes: to share the work; 0 for one for each core.
        invalid: is called with each line of `samples` that is no molecule.
        progress: is called with "samples", "train", "test" or "properties" and how many
            molecules of it are done.

    Raises:
        UsageError: where `samples` has no line that is not blank, `train` or `test` has no
            molecule, or an option is not possible.
    """
    if compared < 0:
        raise UsageError(f"--compare must be 0 (all) or more, not {compared}.")
    with workers(processes) as pool:
        read = partial(_read, pool, stereo=stereo, compared=compared, progress=progress)
        made = read("samples", samples, invalid=invalid)
        if not made.lines:
            raise UsageError("There is nothing to evaluate: no line of the samples holds a SMILES.")
        known = train if isinstance(train, Molecules) or train is None else read("train", train)
        held = test if isinstance(test, Molecules) or test is None else read("test", test)
        for part, of in (("training", known), ("test", held)):
            if of is not None and not of.valid:
                raise UsageError(f"The {part} set holds no molecule in its {of.lines:,} lines.")
        values = _ratios(made, known, held, STEREO[stereo])
        reference, name = (held, "test") if held is not None else (known, "train")
        if reference is not None:
            for side in (made, reference):
                if not side.described:  # a reference may have been compared with before
                    side.described = described(pool, side.sample, progress)
            values |= compare(
                made.sample, made.described, reference.sample, reference.described, name
            )
    return values


def summary(
    lines: Iterable[Line], *, stereo: bool = True, compared: int = 10_000, processes: int = 1
) -> Molecules:
    """What `evaluate` keeps of a file, for one that is compared with several times."""
    with workers(processes) as pool:
        return _read(pool, "", lines, stereo=stereo, compared=compared)


def _canonical(stereo: bool, chunk: list[Line]) -> list[tuple[int, str, str | None, str]]:
    return [(number, smiles, *canonical(smiles, stereo)) for number, smiles in chunk]


def _read(
    pool: Workers | None,
    name: str,
    lines: Iterable[Line],
    *,
    stereo: bool,
    compared: int,
    invalid: Callable[[Invalid], None] | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Molecules:
    found, rng = Molecules(), random.Random(SEED)
    for number, smiles, good, reason in mapped(pool, partial(_canonical, stereo), lines):
        found.lines += 1
        found.raw.append(_hash(smiles))
        if progress is not None and found.lines % 1_000 == 0:
            progress(name, found.lines)
        if good is None:
            if invalid is not None:
                invalid(Invalid(number, smiles, reason))
            continue
        found.valid += 1
        found.distinct.add(_hash(good))
        for key, n in FIRST.items():
            if found.valid == n:
                found.first[key] = len(found.distinct)
        if not compared or len(found.sample) < compared:
            found.sample.append(good)
        elif (place := rng.randrange(found.valid)) < compared:  # Vitter's algorithm R
            found.sample[place] = good
    if progress is not None:
        progress(name, found.lines)
    return found


def _hash(text: str) -> int:
    """8 bytes: among 1,000,000 molecules two share one with a chance of 3e-8."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _share(part: int, whole: int, definition: str, names: tuple[str, str]) -> Value:
    counts = {names[0]: part, names[1]: whole}
    if not whole:
        return Value(None, None, 0, "samples", definition, f"There are no {names[1]}.", counts)
    value = part / whole
    error = (value * (1 - value) / whole) ** 0.5
    return Value(value, error, whole, "samples", definition, extra=counts)


def _ratios(
    made: Molecules, known: Molecules | None, held: Molecules | None, stereo: str
) -> dict[str, Value]:
    distinct = len(made.distinct)
    values = {
        "validity": _share(
            made.valid, made.lines,
            "Lines that RDKit parses and sanitises, over lines that are not blank; nothing is "
            "corrected.",
            ("valid", "lines"),
        ),
        "uniqueness": _share(
            distinct, made.valid,
            f"Distinct canonical SMILES over valid ones; {stereo}.",
            ("distinct", "valid"),
        ),
    }  # fmt: skip
    for key, n in FIRST.items():
        if key in made.first:
            definition = f"The same among the first {n:,} valid ones."
            values[key] = _share(made.first[key], n, definition, ("distinct", "valid"))
    if known is not None:
        new = len(made.distinct - known.distinct)
        values["novelty"] = _share(
            new, distinct,
            "Distinct valid molecules that are not in the training set, over distinct valid ones; "
            f"both sides canonicalised by the same RDKit, {stereo}.",
            ("new", "distinct"),
        )  # fmt: skip
        values["novelty"].extra |= {"train": len(known.distinct)}
        if known.lines > known.valid:
            values["novelty"].extra["train lines that are no molecule"] = known.lines - known.valid
    values["uniqueness_as_published"] = _share(
        len(set(made.raw)), made.lines,
        "Distinct strings over all lines, as in the public code of Kong et al. 2023: one molecule "
        "written in two ways counts twice, and so does what is no molecule.",
        ("distinct strings", "lines"),
    )  # fmt: skip
    if held is not None:
        there = set(held.raw)
        values["novelty_as_published"] = _share(
            sum(each not in there for each in made.raw), made.lines,
            "Lines whose string is not in the test file, over all lines, as in the public code of "
            "Kong et al. 2023: what is no molecule is new, and so is the training set.",
            ("strings not in test", "lines"),
        )  # fmt: skip
    return values
