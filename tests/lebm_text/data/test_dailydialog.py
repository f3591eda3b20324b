"""Dialogues: what is read, that training does not see acts and emotions, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_text.data.labelled.dailydialog import DialogueDataset, dailydialog
from lebm_text.data.words import dialogue_words

PARTS = {"train": "train", "valid": "validation", "test": "test"}
TRAIN = (
    "Hi , Ann.How are you ? __eou__ Fine . __eou__\n"
    "Come in ! __eou__ No , I won ’ t . __eou__ Why ? __eou__\n"
    "Good day . __eou__ Bye . __eou__\n"
)
ACTS = "2 1 \n3 4 \n1 1 \n"  # the second dialogue lacks one
EMOTIONS = "0 4 \n0 1 2 \n0 0 \n"
HELD = ("Good day . __eou__ Bye . __eou__\n", "1 1 \n", "0 6 \n")


def write(folder: Path, split: str, text: str, acts: str, emotions: str) -> None:
    (folder / "dailydialog").mkdir(exist_ok=True)
    for kind, content in (("", text), ("_act", acts), ("_emotion", emotions)):
        (folder / "dailydialog" / f"dialogues{kind}_{PARTS[split]}.txt").write_text(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "train", TRAIN, ACTS, EMOTIONS)
    write(tmp_path, "valid", *HELD)
    write(tmp_path, "test", *HELD)
    return tmp_path


def sentences(data: DialogueDataset, split: str) -> list[str]:
    return data.strings(data.batch(split, torch.arange(data.length(split))).x)


def test_utterances_and_what_is_known_of_them(build, folder):
    data = build(dailydialog, DataFiles(folder))
    assert sentences(data, "train") == [
        "hi , ann . how are you ?", "fine .", "come in !", "no , i won't .", "why ?",
    ]  # fmt: skip
    assert data.attributes["emotion"]["train"].tolist() == [0, 4, 0, 1, 2]
    # One act is missing, and nobody knows which: none of that dialogue is known.
    assert data.attributes["act"]["train"].tolist() == [1, 0, -1, -1, -1]
    assert data.names["act"][1] == "question" and data.names["emotion"][4] == "happiness"
    assert data.dialogues["train"].tolist() == [0, 0, 1, 1, 1]
    assert data.attributes["emotion"]["test"].tolist() == [0, 6]


def test_training_sees_neither_acts_nor_emotions(build, folder):
    data = build(dailydialog, DataFiles(folder))
    for split in SPLITS:
        assert data.batch(split, torch.arange(data.length(split))).y is None
    assert "n_classes" not in data.sizes and data.classes == []


def test_copies_of_evaluation_dialogues_are_left_out_unless_asked_for(build, folder):
    summary = build(dailydialog, DataFiles(folder)).summary
    assert summary["training dialogues left out, also in valid or test"] == 1
    data = build(dailydialog, DataFiles(folder), copies=True)
    assert sentences(data, "train")[5:] == ["good day .", "bye ."]
    assert data.attributes["act"]["train"].tolist() == [1, 0, -1, -1, -1, 0, 0]


def test_limits_cut_attributes_along(build, folder):
    data = build(dailydialog, DataFiles(folder), train_lines=3, eval_lines=1, max_length=3)
    assert sentences(data, "train") == ["hi , ann", "fine .", "come in !"]
    assert data.attributes["act"]["train"].tolist() == [1, 0, -1]
    assert [len(data.dialogues[split]) for split in SPLITS] == [3, 1, 1]


def test_what_is_saved_reads_and_writes_samples(build, folder, tmp_path):
    data = build(dailydialog, DataFiles(folder))
    data.save(tmp_path / "saved")
    again = DialogueDataset.load(tmp_path / "saved")
    assert again.sizes == data.sizes and again.length("test") == 0 and again.attributes == {}
    x = data.batch("train", torch.arange(2)).x
    assert again.write(x, tmp_path / "samples").read_text() == "hi , ann . how are you ?\nfine .\n"


@pytest.mark.parametrize(
    ("text", "acts", "emotions", "said"),
    [
        (TRAIN, "2 5 \n1 1 1 \n1 1 \n", EMOTIONS, r'line 1, has the act "5": accepted are 1 to 4'),
        (TRAIN, ACTS, "0 4 \n0 x 2 \n0 0 \n", r'line 2, has the emotion "x": .* 0 to 6'),
        (TRAIN, "2 1 \n3 4 \n", EMOTIONS, r"_act_train.txt has 2 lines, but .* has 3 dialogues"),
        ("Hi . __eou__ __eou__ Fine . __eou__\n", "1 1 \n", "0 0 \n", "line 1, has an utterance w"),
        ("a b c d . __eou__\n", "1 \n", "0 \n", r"line 1, has 5 words; at most data.max_line = 4"),
    ],
)
def test_files_that_are_not_such_dialogues_are_refused(build, folder, text, acts, emotions, said):
    write(folder, "train", text, acts, emotions)
    limit = 4 if "a b c" in text else 1000
    with pytest.raises(UsageError, match=said):
        build(dailydialog, DataFiles(folder), max_line=limit)


def test_files_that_are_missing_are_named(build, tmp_path, monkeypatch):
    monkeypatch.delenv("LEBM_DATA", raising=False)
    with pytest.raises(UsageError, match=r"dailydialog/dialogues_train\.txt"):
        build(dailydialog, DataFiles(tmp_path))


def test_words():
    assert dialogue_words("Let ' s go.It’s 5 o'clock - \"now\" !") == (
        "let's go . it's 5 o'clock - \" now \" !"
    )
    assert dialogue_words("the girls ' song") == "the girls ' song"


@pytest.mark.slow
@pytest.mark.skipif(
    not (Path(os.environ.get("LEBM_DATA", "")) / "dailydialog").is_dir(),
    reason="$LEBM_DATA has no dailydialog",
)
def test_the_published_release_is_whole(build):
    data = build(dailydialog, DataFiles(), copies=True)
    assert [data.length(split) for split in SPLITS] == [87_171, 8_069, 7_740]
    assert len(data.tokenizer) == 10_004 and data.max_length > 41 == data.lengths("train").max()
    # One training dialogue of 12 utterances has 11 labels.
    assert int((data.attributes["act"]["train"] < 0).sum()) == 12
    act, emotion = data.attributes["act"]["test"], data.attributes["emotion"]["test"]
    assert float((act == 0).double().mean()) == pytest.approx(0.457, abs=1e-3)
    assert float((emotion == 0).double().mean()) == pytest.approx(0.817, abs=1e-3)


def test_options_that_would_tear_dialogues_apart_are_refused(build, folder):
    with pytest.raises(UsageError, match='takes data.long_lines = "truncate" alone'):
        build(dailydialog, DataFiles(folder), long_lines="drop")
    with pytest.raises(UsageError, match='"bag" is not possible with DailyDialog .*; use "tokens"'):
        build(dailydialog, DataFiles(folder), representation="bag")
