"""Seeded damage to a file, of the kinds that editors, transfers and other programs do."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["mutate", "overrides"]

CELLS = (
    "", "NA", "nan", "-inf", "1e308", "-1e308", "1e-320", "-1", "0", "0.5", "1_000", "9" * 400,
    "1,5", "None", "true", "[]", "{}", "#", '"', "'", "\\", "%s", "٣", "🙂", "a" * 3000, "\x00",
    "\u2028", "x" * 5, "(((((((", "C1CC", "<unk>", "2024-02-30",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 0.5, 1e308, 10**12, 10**400, float("nan"), float("inf"), "", "none",
    "x" * 3000, "a\nb", [], [0], [-1], [None], [10**12], {}, {"a": 1}, "../../etc", "\x00",
)  # fmt: skip
TOML = (
    "-1", "0", "1", "0.5", "1e308", "nan", "inf", "-inf", "1000000000000", "9" * 5000, "true",
    '""', '"word"', '"none"', "[]", "[0]", "[-1]", "[1000000000000]", "[[1]]", "{}", "{ a = 1 }",
    '"a\\nb"', '"' + "x" * 3000 + '"', "[" * 2000, "2024-02-30", "0x", '"\\u0000"', "none", "1__0",
)  # fmt: skip
LINES = re.compile(rb"(?<=\n)")
BINARY = ("", ".npz", ".png", ".jpg", ".bin", ".mat", ".arrow", ".safetensors")  # MNIST's has none
SEPARATORS = (b",", b"\t", b";", b" ", b"|")


def mutate(data: bytes, rng: random.Random, file: str) -> bytes:
    """Damage a file once to three times.

    Args:
        data: of a good file.
        rng: source of all randomness.
        file: its name, whose ending says what is in it; half of the damage to JSON, TOML and
            arrays is done to what the file says.
    """
    ending = Path(file).suffix
    for _ in range(rng.choice((1, 1, 2, 3))):
        try:
            if ending in INSIDE and rng.random() < 0.6:
                data = INSIDE[ending](data, rng)
            else:
                data = rng.choice(BYTES if ending in BINARY else BYTES + TEXT)(data, rng)
        except Exception:  # NumPy and zipfile raise any kind: it is beyond a second damage
            return data
    return data


def overrides(keys: list[str], rng: random.Random) -> str:
    """One "key=value" of the command line, of which key or value may be wrong."""
    key = rng.choice(keys)
    if rng.random() < 0.2:
        key = rng.choice((key[:-1], f"{key}.x", key.partition(".")[0], f" {key}", "", "a" * 3000))
    value = rng.choice((*TOML, *CELLS))
    return rng.choice((f"{key}={value}",) * 9 + (key, f"{key}=", f"{key}=={value}"))


def _place(data: bytes, rng: random.Random) -> int:
    return rng.randrange(len(data) + 1)


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _drop(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + rng.choice((1, 2, 10, 200)) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    added = rng.choice(
        (rng.randbytes(4), b"\xff\xfe", b"\xed\xa0\x80", b"\x00", b"\r", b"[" * 3000)
    )
    return data[:at] + added + data[at:]


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: _place(data, rng)]


def _whole(data: bytes, rng: random.Random) -> bytes:
    """What is done to a whole file: emptied, doubled, zipped, given another beginning."""
    every: tuple[Callable[[bytes], bytes], ...] = (
        lambda d: b"", lambda d: d + d, gzip.compress, lambda d: b"\xef\xbb\xbf" + d,
        lambda d: gzip.compress(d)[:-9], lambda d: b"\n" * 3, lambda d: d[::-1],
    )  # fmt: skip
    return rng.choice(every)(data)


def _line(data: bytes, rng: random.Random) -> bytes:
    """Drop, repeat or exchange lines."""
    lines = LINES.split(data)
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(4)
    if what == 0:
        del lines[a]
    elif what == 1:
        lines.insert(b, lines[a])
    elif what == 2:
        lines[a], lines[b] = lines[b], lines[a]
    else:
        lines = lines[:1] + [lines[a]] * 3 + lines[1:]
    return b"".join(lines)


def _cell(data: bytes, rng: random.Random) -> bytes:
    """Put another word in place of one."""
    words = list(re.finditer(rb"[^\s,;]+", data))
    word = rng.choice(words)
    return data[: word.start()] + rng.choice(CELLS).encode() + data[word.end() :]


def _column(data: bytes, rng: random.Random) -> bytes:
    """Put another word in place of one of every line."""
    at, new = rng.randrange(4), rng.choice(CELLS).encode()
    before = rb"(?m)^((?:[^,\t;\n]*[,\t;]){%d})[^,\t;\n]*" % at
    return re.sub(before, lambda found: found[1] + new, data)


def _separator(data: bytes, rng: random.Random) -> bytes:
    return data.replace(rng.choice(SEPARATORS), rng.choice(SEPARATORS))


def _ends(data: bytes, rng: random.Random) -> bytes:
    """Other ends of lines, or another encoding."""
    text = data.decode(errors="replace")
    ends = rng.choice((b"\r", b"\r\n", b"\n\n", b""))
    return rng.choice((data.replace(b"\n", ends), text.encode("utf-16"), text.encode("utf-16-le")))


BYTES = (_flip, _flip, _drop, _insert, _truncate, _whole)
TEXT = (_line, _line, _cell, _cell, _cell, _column, _separator, _ends)


def _json(data: bytes, rng: random.Random) -> bytes:
    """Change, drop or rename one value of a JSON file, at any depth."""
    found = json.loads(data)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                walk(node[key])

    if isinstance(found, (dict, list)):
        walk(found)
    if not places or rng.random() < 0.05:
        return json.dumps(rng.choice(VALUES)).encode()
    node, key = rng.choice(places)
    if rng.random() < 0.2:
        value = node.pop(key)
        if isinstance(node, dict):
            node[rng.choice((f"{key}x", "", "name"))] = value
    else:
        node[key] = rng.choice(VALUES)
    return json.dumps(found).encode()


def _object(data: bytes, rng: random.Random) -> bytes:
    """Change one value in one line of a file of JSON objects."""
    lines = data.split(b"\n")
    at = rng.choice([i for i, line in enumerate(lines) if line])
    lines[at] = _json(lines[at], rng)
    return b"\n".join(lines)


def _toml(data: bytes, rng: random.Random) -> bytes:
    """Change, drop or repeat one key of a TOML file, or a table's name."""
    lines = data.decode().split("\n")
    at = rng.choice([i for i, line in enumerate(lines) if "=" in line or line.startswith("[")])
    key = lines[at].partition("=")[0]
    if lines[at].startswith("["):
        lines[at] = rng.choice(("[", "[x]", f"[{lines[at]}]", "", lines[at][:-2] + "]"))
    elif rng.random() < 0.2:
        lines[at] = rng.choice((lines[at] + "\n" + lines[at], "", f"x{lines[at]}", f"{key}.a = 1"))
    else:
        lines[at] = f"{key}= {rng.choice(TOML)}"
    return "\n".join(lines).encode()


def _npz(data: bytes, rng: random.Random) -> bytes:
    """Change one array of an .npz file, or the bytes of one member."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    if rng.random() < 0.4:
        members[name] = rng.choice(BYTES)(members[name], rng)
    else:
        array = np.load(io.BytesIO(members[name]))
        out = io.BytesIO()
        np.save(out, rng.choice(ARRAYS)(array))
        members[name] = out.getvalue()
    if rng.random() < 0.2:
        members[rng.choice(("z.npy", "x.txt", "../x.npy"))] = members.pop(name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return packed.getvalue()


def _holed(array: Any) -> Any:
    holed = array.astype(np.float64)
    holed.ravel()[:1] = np.nan
    return holed


ARRAYS: tuple[Callable[[Any], Any], ...] = (
    _holed, lambda a: a[:0], lambda a: a[..., None], lambda a: a.astype(np.float64) * 1e300,
    lambda a: -a.astype(np.int64), lambda a: a.astype(str), lambda a: a.astype(complex),
    lambda a: np.array(3), lambda a: a.astype(np.float16), lambda a: a[::-1][:-1],
    lambda a: a > 0, lambda a: a.astype("datetime64[s]"), lambda a: a.ravel(),
    lambda a: a.astype(np.float64) + np.inf, lambda a: np.zeros((0, 3)), lambda a: a.astype(bytes),
    lambda a: a.astype(np.int64) + 10**12, lambda a: a.astype(object).astype("U1"),
)  # fmt: skip
INSIDE = {".json": _json, ".jsonl": _object, ".toml": _toml, ".npz": _npz}
