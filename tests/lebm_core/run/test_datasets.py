"""Where data files are looked for, and text files that are not what they should be."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path

import pytest

from lebm_core.data.files import DataFiles, cache_dir, open_lines, open_rows, own_path
from lebm_core.errors import MissingData, UsageError


@pytest.fixture
def places(tmp_path, monkeypatch):
    """--data-dir, $LEBM_DATA and the user cache, all empty."""
    found = {name: tmp_path / name for name in ("given", "variable", "cache")}
    for folder in found.values():
        folder.mkdir()
    monkeypatch.setenv("LEBM_DATA", str(found["variable"]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(found["cache"]))
    found["cache"] = cache_dir()
    return found


def put(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("x\n")
    return folder / name


def test_the_places_are_tried_in_order(places):
    files = DataFiles(places["given"])
    names = ["ptb/ptb.train.txt", "ptb/train.txt"]
    expected = [
        put(places["cache"], "ptb/train.txt"),
        put(places["variable"], "ptb/ptb.train.txt.gz"),
        put(places["given"], "ptb.train.txt"),
        put(places["given"], "ptb/ptb.train.txt"),
    ]
    # Each place that comes earlier wins as soon as it has a file.
    assert files.find("text.ptb", names, "") == expected[3]
    expected[3].unlink()
    assert files.find("text.ptb", names, "") == expected[2]
    expected[2].unlink()
    assert files.find("text.ptb", names, "") == expected[1]
    expected[1].unlink()
    assert files.find("text.ptb", names, "") == expected[0]


def test_missing_files_are_told_with_every_place(places, monkeypatch):
    with pytest.raises(MissingData) as error:
        DataFiles(places["given"]).find("text.ptb", ["ptb/ptb.train.txt"], "Mikolov's files.")
    sentence = str(error.value)
    for word in ("text.ptb", "ptb/ptb.train.txt", "Mikolov's files."):
        assert word in sentence
    for folder in places.values():
        assert str(folder) in sentence
    again = pickle.loads(pickle.dumps(error.value))  # as it comes back from a worker
    assert (str(again), again.dataset) == (sentence, "text.ptb")
    monkeypatch.delenv("LEBM_DATA")
    with pytest.raises(UsageError, match=r"\$LEBM_DATA \(not given\)"):
        DataFiles().find("text.ptb", ["ptb/ptb.train.txt"], "")
    with pytest.raises(UsageError, match="--data-dir .* is not a folder"):
        DataFiles(places["given"] / "nowhere")


@pytest.mark.parametrize("zipped", [False, True])
def test_text_is_read_line_by_line_plain_or_zipped(tmp_path, zipped):
    data = "\ufeffone\r\n\nthrée".encode()
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress(data) if zipped else data)
    assert list(open_lines(path)) == [(1, "one"), (2, ""), (3, "thrée")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"good\nb\xffd\n", "line 2: byte 0xff is not valid UTF-8"),
        (gzip.compress(b"good\nb\xffd\n", mtime=0), "line 2: byte 0xff"),
        (gzip.compress(b"good\n" * 1000, mtime=0)[:-12], "gzip file is damaged"),
        (b"a\rb\rc", "carriage returns alone"),
        (gzip.compress(b"a\rb\r", mtime=0), "carriage returns alone"),
        (b"a\rb\rc\n", "carriage returns alone"),
        (b"good\nb\0d\n", "line 2, holds a NUL byte"),
        ("a\nb\n".encode("utf-16"), "is UTF-16"),
    ],
)
def test_unreadable_text_is_one_sentence(tmp_path, data, words):
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    with pytest.raises(UsageError) as error:
        list(open_lines(path))
    assert words in str(error.value) and "bad.txt" in str(error.value)


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "train.txt").write_text("x")
    with pytest.raises(UsageError, match='There is no file .*trian.txt". Did you mean "train.txt"'):
        list(open_lines(tmp_path / "trian.txt"))
    with pytest.raises(UsageError, match="There is no file"):
        list(open_lines(tmp_path / "no" / "folder.txt"))
    with pytest.raises(UsageError, match="cannot be read: it is a folder"):
        list(open_lines(tmp_path))


def test_a_path_that_cannot_be_one_is_one_sentence(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # which would wait for a writer for ever
    paths = {"x" * 5000: "too long", "a\0b": "null byte", tmp_path / "pipe": "no regular file"}
    for path, said in paths.items():
        with pytest.raises(UsageError, match=said) as error:
            list(open_lines(path))
        assert len(str(error.value)) < 400 and "\n" not in str(error.value)
    with pytest.raises(UsageError, match="is not a folder"):
        DataFiles("x" * 5000)
    assert own_path("~nobody-of-this-name/a") == Path("~nobody-of-this-name/a")


def test_rows_keep_line_breaks_in_quotes_and_know_where_they_begin(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a,"b\nc"\n\n , \nd,e\n', encoding="utf-8")
    assert list(open_rows(path)) == [(1, ["a", "b\nc"]), (5, ["d", "e"])]
    path.write_text('a,b\nc,"d\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"a.csv, line 2: .* is a quote unclosed"):
        list(open_rows(path))
