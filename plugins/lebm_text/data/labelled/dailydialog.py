"""DailyDialog (Li et al. 2017, arXiv 1710.03957): utterances, their dialogue acts and emotions.

Acts and emotions are no classes of the data set: they are attributes that a metric looks at after
training, and no batch has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles, file_sha256, open_text
from lebm_core.errors import UsageError
from lebm_text.data.corpus import Corpus, check_length
from lebm_text.data.dataset import TextDataset
from lebm_text.data.options import explained
from lebm_text.data.prepare import TextOptions, prepare

__all__ = ["ACTS", "DialogueDataset", "EMOTIONS", "dailydialog", "dialogue_words"]

ACTS = ("inform", "question", "directive", "commissive")  # 1 to 4 in the files
EMOTIONS = ("none", "anger", "disgust", "fear", "happiness", "sadness", "surprise")  # 0 to 6
FIRST = {"act": 1, "emotion": 0}
NAMES = {"act": ACTS, "emotion": EMOTIONS}
FILES = {"train": "train", "valid": "validation", "test": "test"}
END = "__eou__"
PLAIN = str.maketrans({"“": '"', "”": '"', "’": "'", "‘": "'", "–": "-", "—": "-"})
APOSTROPHE = re.compile(r"(?<=\w) ?' ?(?=(?:s|t|m|d|re|ve|ll)\b)")
WORD = re.compile(r"\w+(?:'\w+)*|[^\w\s]")


def dialogue_words(text: str) -> str:
    """Lower-cased words and punctuation with one space between.

    >>> dialogue_words("I guess you are right.But Let ’ s go !")
    "i guess you are right . but let's go !"
    """
    return " ".join(WORD.findall(APOSTROPHE.sub("'", text.translate(PLAIN).lower())))


class Dialogue(NamedTuple):
    """The utterances of a dialogue; act and emotion of each, -1 where unknown."""

    utterances: list[str]
    act: list[int]
    emotion: list[int]


class DialogueDataset(TextDataset):
    """Utterances as token ids; what they are like is known to evaluation alone.

    Args:
        args: as `TextDataset`.
        attributes: attribute to split to the id of each utterance, -1 where unknown.
        names: attribute to the names of its ids.
        dialogues: split to the number of each utterance's dialogue.
        kwargs: as `TextDataset`.
    """

    def __init__(
        self,
        *args: Any,
        attributes: Mapping[str, Mapping[str, Tensor]] | None = None,
        names: Mapping[str, tuple[str, ...]] | None = None,
        dialogues: Mapping[str, Tensor] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.attributes = dict(attributes or {})
        self.names = dict(names or {})
        self.dialogues = dict(dialogues or {})


@explained
def dailydialog(
    *,
    files: DataFiles,
    seed: int,
    copies: bool = False,
    vocab_size: int = 10_000,
    min_count: int = 1,
    max_length: int = 40,
    max_line: int = 1000,
    train_lines: int = 0,
    eval_lines: int = 0,
) -> DialogueDataset:
    """DailyDialog (Li et al. 2017): 87,171 / 8,069 / 7,740 utterances of everyday dialogues.

    Longer training utterances are cut to max_length tokens. Act and emotion of each utterance are
    kept for evaluation; training does not see them.

    Args:
        copies: keep training dialogues that occur word for word in valid or test too
    """
    how = f"One dialogue a line, utterances end in {END}; acts and emotions one digit each."

    def path(kind: str, split: str) -> Path:
        name = f"dailydialog/dialogues{kind}_{FILES[split]}.txt"
        return files.find("text.dailydialog", [name], how)

    paths = {s: (path("", s), path("_act", s), path("_emotion", s)) for s in SPLITS}
    found = {split: read_dialogues(*paths[split], max_line=max_line) for split in SPLITS}
    held = {tuple(d.utterances) for split in ("valid", "test") for d in found[split]}
    kept = [d for d in found["train"] if copies or tuple(d.utterances) not in held]
    left_out = len(found["train"]) - len(kept)
    found["train"] = kept
    train, valid, test = ([u for d in found[split] for u in d.utterances] for split in SPLITS)
    corpus = Corpus(
        train,
        valid,
        test,
        source="DailyDialog",
        facts={
            "dialogues": {split: len(found[split]) for split in SPLITS},
            "training dialogues left out, also in valid or test": left_out,
            "sha256": {file.name: file_sha256(file) for each in paths.values() for file in each},
        },
    )
    options = TextOptions(
        vocab_size=vocab_size, min_count=min_count, max_length=max_length, long_lines="truncate",
        train_lines=train_lines, eval_lines=eval_lines,
    )  # fmt: skip
    text = prepare(corpus, options)

    def column(of: Callable[[int, Dialogue], list[int]], split: str) -> Tensor:
        flat = [i for number, d in enumerate(found[split]) for i in of(number, d)]
        return torch.tensor(flat[: text.length(split)], dtype=torch.long)

    attributes = {
        "act": {s: column(lambda _, d: d.act, s) for s in SPLITS},
        "emotion": {s: column(lambda _, d: d.emotion, s) for s in SPLITS},
    }
    text.summary["attributes known"] = {
        name: {s: int((ids >= 0).sum()) for s, ids in of.items()} for name, of in attributes.items()
    }
    return DialogueDataset(
        text.tokenizer,
        {s: [row[:-1].tolist() for row in text.rows(s)] for s in SPLITS},
        text.summary,
        attributes=attributes,
        names=NAMES,
        dialogues={s: column(lambda i, d: [i] * len(d.utterances), s) for s in SPLITS},
    )


def read_dialogues(text: Path, acts: Path, emotions: Path, *, max_line: int) -> list[Dialogue]:
    """The dialogues of a split.

    Where a dialogue has another number of labels than of utterances (one of the published training
    dialogues has), nobody can tell whose they are: they count as unknown.

    Raises:
        UsageError: naming file and line, for an empty utterance, one that is too long, a label that
            is no such number, or files of different lengths.
    """
    found = []
    labels = [_read_labels(acts, "act"), _read_labels(emotions, "emotion")]
    lines = [(n, line) for n, line in open_text(text) if line.strip()]
    for file, rows in zip((acts, emotions), labels, strict=True):
        if len(rows) != len(lines):
            raise UsageError(
                f"{file} has {len(rows)} lines, but {text} has {len(lines)} dialogues: one line of "
                "labels is needed for each."
            )
    for (number, line), *each in zip(lines, *labels, strict=True):
        said = [dialogue_words(part) for part in line.strip().removesuffix(END).split(END)]
        for utterance in said:
            if not utterance:
                raise UsageError(f"{text}, line {number}, has an utterance without words.")
            check_length(utterance.count(" ") + 1, max_line, f"{text}, line {number},")
        act, emotion = (ids if len(ids) == len(said) else [-1] * len(said) for ids in each)
        found.append(Dialogue(said, act, emotion))
    return found


def _read_labels(path: Path, name: str) -> list[list[int]]:
    """The ids of each line, from 0 on."""
    first, count = FIRST[name], len(NAMES[name])
    known = {str(first + i): i for i in range(count)}
    rows = []
    for number, line in open_text(path):
        if not line.strip():
            continue
        for word in line.split():
            if word not in known:
                raise UsageError(
                    f'{path}, line {number}, has the {name} "{word}": accepted are {first} to '
                    f"{first + count - 1}."
                )
        rows.append([known[word] for word in line.split()])
    return rows
