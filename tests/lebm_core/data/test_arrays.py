"""Arrays of .npz files: good ones as NumPy reads them, and every damage in one sentence."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lebm_core.data.arrays import need_array, read_npz
from lebm_core.errors import UsageError


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def header(text: str, body: bytes = b"") -> bytes:
    padded = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + body


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("_npy", ".npy"), content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(save: Any, tmp_path: Path) -> None:
    arrays = {
        "x": np.arange(12.0).reshape(3, 4), "fortran": np.asfortranarray(np.eye(3)),
        "words": np.array(["a", "bc"]), "none": np.zeros((0, 5)), "one": np.array(3),
        "kinds": np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]), "flags": np.array([True, False]),
    }  # fmt: skip
    save(tmp_path / "mine.npz", **arrays)
    found = read_npz(tmp_path / "mine.npz")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert need_array(found, "x", tmp_path) is found["x"]
    with pytest.raises(UsageError, match='no array "word": .* Did you mean "words".* Here it is'):
        need_array(found, "word", tmp_path, " Here it is.")


DAMAGED: dict[str, tuple[bytes, str]] = {
    "terabytes": (
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000), }", b"1234"),
        r'"x", is damaged: its header tells of 8,000,000,000,000 bytes, and there are 4\.',
    ),
    "beyond numbers": (
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 40 + ",), }"),
        "is damaged",
    ),
    "negative": (
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
        "is damaged",
    ),
    "cut": (npy(np.zeros(9))[:-3], "tells of 72 bytes, and there are 69"),
    "longer": (npy(np.zeros(9)) + b"1", "tells of 72 bytes, and there are 73"),
    "no header": (b"", "does not begin as an array does"),
    "no dictionary": (header("open("), "does not begin as an array does"),
    "a strange type": (
        header("{'descr': [('a',), 3], 'fortran_order': False, 'shape': (1,), }"),
        "does not begin as an array does",
    ),
    "unknown type": (
        header("{'descr': '<q9', 'fortran_order': False, 'shape': (1,), }"),
        "does not begin as an array does",
    ),
    "objects": (npy(np.array([None])), '"x", holds Python objects: save plain numbers or strings'),
    "version 9": (b"\x93NUMPY\x09\x00" + npy(np.zeros(3))[8:], "is damaged"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_array_is_one_sentence(kind: str, tmp_path: Path) -> None:
    content, said = DAMAGED[kind]
    with pytest.raises(UsageError, match=said) as caught:
        read_npz(archive(tmp_path / "mine.npz", x_npy=content))
    assert str(caught.value).startswith(str(tmp_path / "mine.npz"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    for content, said in (
        (b"", "is no .npz file, or is damaged"),
        (b"a,b\n1,2\n", "is no .npz file, or is damaged"),
        (npy(np.zeros(3)), r"holds a single array as an .npy file does: .*numpy.savez\(file, x="),
    ):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=said):
            read_npz(path)
    with pytest.raises(UsageError, match="holds no array: numpy.savez writes such a file"):
        read_npz(archive(path, readme=b"hello"))
    with pytest.raises(UsageError, match='no file ".*/mine2.npz". Did you mean "mine.npz"'):
        read_npz(tmp_path / "mine2.npz")
    with pytest.raises(UsageError, match="cannot be read as an .npz file: Is a directory"):
        read_npz(tmp_path)


def test_no_damage_to_an_archive_is_a_traceback(tmp_path: Path) -> None:
    """200 seeded changes of bytes: the arrays, or a UsageError."""
    np.savez_compressed(tmp_path / "good.npz", x=np.arange(50.0), y=np.arange(50))
    good = (tmp_path / "good.npz").read_bytes()
    rng = np.random.default_rng(0)
    path, refused = tmp_path / "bad.npz", 0
    for _ in range(200):
        damaged = bytearray(good)
        for place in rng.integers(0, len(good), rng.integers(1, 9)):
            damaged[place] = rng.integers(256)
        path.write_bytes(
            bytes(damaged[: rng.integers(1, len(good))] if rng.random() < 0.2 else damaged)
        )
        try:
            read_npz(path)
        except UsageError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 100
