"""Molecules as a `lebm_core` data set: token ids of SMILES or SELFIES."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from torch import Tensor

from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError
from lebm_core.sequences.dataset import TokenDataset
from lebm_molecules.data.tokens import MoleculeTokens, check_notation, symbols_of

if TYPE_CHECKING:
    from lebm_molecules.data.labels import Classes

__all__ = ["Labels", "MoleculeDataset", "MoleculeOptions", "prepare"]

EMPTY = "<empty>"  # a sample of no symbol: a blank line would not be counted


class MoleculeDataset(TokenDataset):
    """`TokenDataset` whose texts are SMILES, and whose samples are written as .smi."""

    file = "text.json"  # as saved models have it

    def __init__(self, tokenizer: MoleculeTokens, *args: Any, **options: Any) -> None:
        super().__init__(tokenizer, *args, **options)
        self.sizes["symbols"] = list(tokenizer.symbols)

    def write(self, x: Tensor, path: Path) -> Path:
        """Writes one SMILES a line to `path` with the suffix .smi."""
        file = path.with_name(path.name + ".smi")
        lines = (smiles or EMPTY for smiles in self.sentences(x))
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return file

    def properties(self, split: str, index: Tensor) -> dict[str, Tensor]:
        """qed, logp, sa (SA score), weight (g/mol) and plogp of each molecule, by RDKit.

        Penalised logP is logP - SA score - rings of more than 6 atoms, not standardised.
        """
        from lebm_molecules.chemistry.properties import SAMPLED_BY, values_of

        found = values_of(self.sentences(self.batch(split, index).x), SAMPLED_BY)
        columns = torch.tensor(found, dtype=torch.float32).reshape(-1, len(SAMPLED_BY)).T
        return dict(zip(SAMPLED_BY, columns, strict=True))

    def vectors(self, split: str, index: Tensor) -> Any:
        """Morgan fingerprints of the molecules as counts, (n, 2048) in CSR form."""
        from lebm_molecules.data.labels import fingerprints

        return fingerprints(self.sentences(self.batch(split, index).x))

    def figures(
        self, model: Any, folder: Path, generator: torch.Generator
    ) -> Iterator[tuple[Path, str]]:
        """Molecules on the line between two of the test split, where the model has a z."""
        from lebm_molecules.figures.molecules import line

        split = next((s for s in ("test", "valid", "train") if self.length(s) > 1), "")
        if not split or model.latent_dim == 0:
            return
        ends = [self.batch(split, torch.tensor([i])).x.to(model.device) for i in (0, 1)]
        between = model.interpolate(*ends, 12, generator=generator)
        yield line(self.sentences(between), folder / "interpolation.png")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote; the splits are empty."""
        saved = cls.saved(folder)
        tokens = MoleculeTokens(saved["tokenizer"]["symbols"], saved["tokenizer"]["notation"])
        return cls(tokens, {}, saved["summary"], saved["max_length"], classes=saved["classes"])


@dataclass(frozen=True)
class MoleculeOptions:
    """How molecules become numbers; the fields are keys of a recipe's [data] table.

    Attributes:
        notation: "smiles" or "selfies".
        randomised: each training molecule is written this many times anew, its atoms in random
            orders, beside the SMILES given; 0 for that alone (Arus-Pous et al. 2019). A molecule's
            class goes with the SMILES given, the others have none.
        max_length: training molecules of more tokens are dropped; 0 for no limit.
        train_molecules, eval_molecules: only the first so many of a split; 0 for all.
        classes: a property that is cut into classes: "qed", "logp", "sa", "weight" (g/mol),
            "rings", "tpsa" (square angstrom), "plogp" or "plogp_z" (penalised logP, see
            `lebm_molecules.chemistry.properties`); "" for none.
        class_count: how many, cut at quantiles of the training split.
    """

    notation: str = "smiles"
    randomised: int = 0
    max_length: int = 0
    train_molecules: int = 0
    eval_molecules: int = 0
    classes: str = ""
    class_count: int = 2

    def __post_init__(self) -> None:
        for name in ("randomised", "max_length", "train_molecules", "eval_molecules"):
            if getattr(self, name) < 0:
                raise UsageError(f"data.{name} = {getattr(self, name)} must not be negative.")


class Labels(NamedTuple):
    """A user's own labels: a word for each molecule of each split, "" where unknown."""

    words: dict[str, list[str]]
    column: str


class _Row(NamedTuple):
    """One string to learn: the SMILES, its symbols, and its molecule's class."""

    smiles: str
    symbols: list[str]
    y: int


def prepare(
    splits: dict[str, list[str]],
    source: str,
    facts: dict[str, Any],
    options: MoleculeOptions,
    labels: Labels | None = None,
) -> MoleculeDataset:
    """Encodes SMILES by split, with the symbols of the training split.

    Molecules that the notation or these symbols cannot write are left out and counted.

    Args:
        splits: SMILES by split.
        source: where they are from.
        facts: for the report.
        options: how.
        labels: the user's own; None for none.

    Raises:
        UsageError: for an unknown notation or property, or where no training molecule is left.
    """
    check_notation(options.notation)
    limit = {"train": options.train_molecules}
    used = {s: slice(limit.get(s, options.eval_molecules) or None) for s in SPLITS}
    kept = {s: splits[s][used[s]] for s in SPLITS}
    words = None if labels is None else {s: labels.words[s][used[s]] for s in SPLITS}
    classes = _classes(kept, options, words, "" if labels is None else labels.column)
    left_out: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    rows: dict[str, list[_Row]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        times = options.randomised if split == "train" else 0
        known = None if classes is None else classes.ids[split]
        for smiles, y in _written(kept[split], known, times):
            try:
                rows[split].append(_Row(smiles, symbols_of(smiles, options.notation), y))
            except UsageError as error:
                left_out[split][str(error)] += 1
    limit_tokens = options.max_length or max((len(r.symbols) for r in rows["train"]), default=0)
    long = sum(len(row.symbols) > limit_tokens for row in rows["train"])
    rows["train"] = [row for row in rows["train"] if len(row.symbols) <= limit_tokens]
    if not rows["train"]:
        reason = next(iter(left_out["train"]), "")
        raise UsageError(
            f"{source} has no training molecule"
            + (f" of at most data.max_length = {options.max_length} tokens" if long else "")
            + (f": {reason}" if reason else ".")
        )
    tokens = MoleculeTokens.build((row.symbols for row in rows["train"]), options.notation)
    ids: dict[str, list[list[int]]] = {split: [] for split in SPLITS}
    ys: dict[str, list[int]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        for row in rows[split]:
            try:
                ids[split].append(tokens.ids(row.symbols))
                ys[split].append(row.y)
            except KeyError as error:
                reason = (
                    f"{row.smiles} has the symbol {error.args[0]}, which no training molecule has"
                )
                left_out[split][reason] += 1
    summary = {
        "source": source,
        "molecules": {split: len(kept[split]) for split in SPLITS},
        "notation": options.notation,
        "symbols": len(tokens),
        "training strings used": len(ids["train"]),
        "training strings of more tokens than data.max_length": long,
        **facts,
    }
    for split, reasons in left_out.items():
        if reasons:
            summary[f"left out of {split}"] = f"{reasons.total()}, the first: {next(iter(reasons))}"
    if classes is None:
        return MoleculeDataset(tokens, ids, summary)
    for split in SPLITS:
        counts = Counter(ys[split])
        told = {name: counts[i] for i, name in enumerate(classes.names)}
        summary[f"classes of {split}"] = told | ({"unknown": counts[-1]} if counts[-1] else {})
    return MoleculeDataset(tokens, ids, summary, labels=ys, classes=classes.names)


def _classes(
    molecules: dict[str, list[str]],
    options: MoleculeOptions,
    words: dict[str, list[str]] | None,
    column: str,
) -> Classes | None:
    """Classes from the user's words, else of the property asked for, else none."""
    if words is None and not options.classes:
        return None
    from lebm_molecules.data.labels import by_property, by_word

    if words is not None:
        return by_word(words, column)
    return by_property(molecules, options.classes, options.class_count)


def _written(molecules: list[str], y: list[int] | None, times: int) -> Iterator[tuple[str, int]]:
    """Each SMILES with its class, and `times` others of it without one.

    The others have their atoms in orders that are random and fixed.
    """
    yield from zip(molecules, [-1] * len(molecules) if y is None else y, strict=True)
    if not times:
        return
    from lebm_molecules.chemistry.describe import rewritten

    for n, smiles in enumerate(molecules, 1):
        yield from ((other, -1) for other in rewritten(smiles, times, seed=n))
