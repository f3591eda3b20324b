"""DailyDialog (Li et al. 2017, arXiv 1710.03957): utterances, their dialogue acts and emotions.

Acts and emotions are not classes of the data set: they are attributes that a metric reads after
training, and no batch has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lebm_core.base.files import sha256
from lebm_core.data.classes import is_unlabelled
from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles, open_lines
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError, shown
from lebm_text.data.corpus import Corpus, check_length
from lebm_text.data.dataset import TextDataset
from lebm_text.data.options import TextOptions
from lebm_text.data.prepare import prepare_tokens
from lebm_text.data.words import dialogue_words

__all__ = ["ACTS", "DialogueDataset", "EMOTIONS", "dailydialog"]

ACTS = ("inform", "question", "directive", "commissive")  # 1 to 4 in the files
EMOTIONS = ("none", "anger", "disgust", "fear", "happiness", "sadness", "surprise")  # 0 to 6
FIRST = {"act": 1, "emotion": 0}
NAMES = {"act": ACTS, "emotion": EMOTIONS}
END = "__eou__"  # of each utterance
DIALOGUES = Needs(
    "text.dailydialog",
    [
        "dailydialog/dialogues_train.txt",
        "dailydialog/dialogues_act_train.txt",
        "dailydialog/dialogues_emotion_train.txt",
        "dailydialog/dialogues_validation.txt",
        "dailydialog/dialogues_act_validation.txt",
        "dailydialog/dialogues_emotion_validation.txt",
        "dailydialog/dialogues_test.txt",
        "dailydialog/dialogues_act_test.txt",
        "dailydialog/dialogues_emotion_test.txt",
    ],
    how="One dialogue a line, utterances end in __eou__; acts and emotions one digit each.",
    address="https://github.com/Ls-Dai/"
    "Deep-Reinforcement-Learning-for-Dialogue-Generation-in-PyTorch, data",
    licence="CC BY-NC-SA 4.0, as commonly stated",
)
CUT = TextOptions(vocab_size=10_000, long_lines="truncate")


class Dialogue(NamedTuple):
    """The utterances of a dialogue; act and emotion of each, -1 where unknown."""

    utterances: list[str]
    act: list[int]
    emotion: list[int]


class DialogueDataset(TextDataset):
    """Utterances as token ids, with attributes that evaluation alone reads.

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


def dailydialog(
    *, files: DataFiles, seed: int, copies: bool = False, options: TextOptions = CUT
) -> DialogueDataset:
    """DailyDialog (Li et al. 2017): 87,171 / 8,069 / 7,740 utterances of everyday dialogues.

    Act and emotion of each utterance are kept for evaluation; training does not see them. Of a
    training dialogue too long utterances are cut (data.long_lines = "truncate"): none is dropped.

    Args:
        copies: keep training dialogues that occur word for word in valid or test too
    """
    if options.long_lines != "truncate":
        raise UsageError('text.dailydialog takes data.long_lines = "truncate" alone.')
    paths = DIALOGUES.find(files)
    dialogues = {
        split: read_dialogues(*paths[3 * i : 3 * i + 3], max_line=options.max_line)
        for i, split in enumerate(SPLITS)
    }
    held = {tuple(d.utterances) for split in ("valid", "test") for d in dialogues[split]}
    kept = [d for d in dialogues["train"] if copies or tuple(d.utterances) not in held]
    left_out = len(dialogues["train"]) - len(kept)
    dialogues["train"] = kept
    train, valid, test = ([u for d in dialogues[s] for u in d.utterances] for s in SPLITS)
    facts = {
        "dialogues": {split: len(dialogues[split]) for split in SPLITS},
        "training dialogues left out, also in valid or test": left_out,
        "sha256": {path.name: sha256(path) for path in paths},
    }
    source, reading = f"DailyDialog ({paths[0]})", {"words": "dailydialog"}
    corpus = Corpus(train, valid, test, source, facts, reading=reading)
    text = prepare_tokens(corpus, options)

    def column(rows: list[list[int]], split: str) -> Tensor:
        flat = [i for row in rows for i in row]
        return torch.tensor(flat[: text.length(split)], dtype=torch.long)

    attributes = {
        name: {s: column([getattr(d, name) for d in dialogues[s]], s) for s in SPLITS}
        for name in NAMES
    }
    text.summary["attributes known"] = {
        name: {s: int((ids >= 0).sum()) for s, ids in of.items()} for name, of in attributes.items()
    }
    numbers = {
        s: column([[i] * len(d.utterances) for i, d in enumerate(dialogues[s])], s) for s in SPLITS
    }
    return DialogueDataset(
        text.tokenizer,
        {s: [row[:-1].tolist() for row in text.rows(s)] for s in SPLITS},
        text.summary,
        reading=text.reading,
        attributes=attributes,
        names=NAMES,
        dialogues=numbers,
    )


def read_dialogues(text: Path, acts: Path, emotions: Path, *, max_line: int) -> list[Dialogue]:
    """Read the dialogues of a split.

    Where a dialogue has another number of labels than of utterances (one of the published training
    dialogues has), their owners are not known: the labels count as unknown.

    Raises:
        UsageError: naming file and line, for an empty utterance, one that is too long, a label that
            is no such number, or files of different lengths.
    """
    dialogues = []
    labels = [_read_labels(acts, "act"), _read_labels(emotions, "emotion")]
    lines = [(n, line) for n, line in open_lines(text) if line.strip()]
    for file, rows in zip((acts, emotions), labels, strict=True):
        if len(rows) != len(lines):
            raise UsageError(
                f"{file} has {len(rows)} lines, but {text} has {len(lines)} dialogues: one line of "
                "labels is needed for each."
            )
    for (number, line), *each in zip(lines, *labels, strict=True):
        parts = line.strip().removesuffix(END).split(END)
        utterances = [dialogue_words(part) for part in parts]
        for utterance in utterances:
            if not utterance:
                raise UsageError(f"{text}, line {number}, has an utterance without words.")
            check_length(utterance.count(" ") + 1, max_line, f"{text}, line {number},")
        n = len(utterances)
        act, emotion = (ids if len(ids) == n else [-1] * n for ids in each)
        dialogues.append(Dialogue(utterances, act, emotion))
    return dialogues


def _read_labels(path: Path, name: str) -> list[list[int]]:
    """Read the ids of each line, counted from 0, -1 where unknown."""
    first, count = FIRST[name], len(NAMES[name])
    known = {str(first + i): i for i in range(count)}
    rows = []
    for number, line in open_lines(path):
        if not line.strip():
            continue
        for word in line.split():
            if word not in known and not is_unlabelled(word):
                raise UsageError(
                    f"{path}, line {number}, has the {name} {shown(word)}: accepted are {first} to "
                    f"{first + count - 1}."
                )
        rows.append([known.get(word, -1) for word in line.split()])
    return rows
