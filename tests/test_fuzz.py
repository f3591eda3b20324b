"""Damaged files and every reader: the answer is a sane value or one sentence, in time.

A failure names the seed: `mutate(GOOD, random.Random(f"{reader}-{seed}"), kind)` is the file.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from damage import limited, one_sentence
from mutations import mutate, overrides
from PIL import Image
from torch import Tensor

from lebm_core.data.classes import is_missing
from lebm_core.data.dataset import SPLITS, Dataset
from lebm_core.data.files import DataFiles
from lebm_core.errors import LebmError
from lebm_core.registry.parts import arguments
from lebm_core.registry.registry import registry
from lebm_core.run.build import build_learning, build_metrics, check_recipe
from lebm_core.run.config.layers import flatten
from lebm_core.run.config.recipe import dump, load

EACH = 25  # mutations of a test


class Reader(NamedTuple):
    """A reader and a good example of what it reads.

    Attributes:
        kind: of the mutations.
        files: the example; the first file is damaged, or one at random where `every`.
        read: takes the folder; its answer is checked by it.
        tests: how many, of `EACH` mutations.
    """

    kind: str
    files: dict[str, bytes]
    read: Callable[[Path], None]
    tests: int
    every: bool = False


def data_set(name: str, file: str = "", **options: Any) -> Callable[[Path], None]:
    """A reader of a registered data set, of `data.source` = file or else of --data-dir."""

    def read(folder: Path) -> None:
        factory = registry().get("datasets", name)
        where = {"source": str(folder / file)} if file else {}
        given = {"files": DataFiles(folder), "seed": 0, **where, **options}
        sane(factory(**arguments(factory, given, {}, name)), own=bool(file))

    return read


def sane(data: Dataset, own: bool) -> None:
    """Refuse numbers that are none, labels out of range, and for the user's own file, which lebm
    cuts by itself, a sequence of the training that is also in another split.
    """
    names = list(data.classes)
    assert len({*names}) == len(names) and not any(map(is_missing, names)), names[:5]
    assert "-1" not in names and "-1.0" not in names, names[:5]
    assert data.length("train") > 0
    known: dict[str, set[Any]] = {}
    for split in SPLITS:
        n = data.length(split)
        if not n:
            continue
        batch = data.batch(split, torch.arange(n))
        x = batch.x
        if batch.y is not None:
            assert len(batch.y) == n and -1 <= int(batch.y.min()) <= int(batch.y.max())
            assert int(batch.y.max()) < len(names), "a label out of range"
        if not isinstance(x, Tensor):
            continue
        assert len(x) == n
        if x.is_floating_point():
            missing = data.sizes.get("missing", False)
            assert not (x.isinf() if missing else ~x.isfinite()).any(), "no number"
        else:
            known[split] = {tuple(row) for row in x.tolist()}
    train, *others = (known.get(split, set()) for split in SPLITS)
    assert not own or not train & set().union(*others), "one sequence in two splits"
    if data.sizes.get("features") and hasattr(data, "mean"):
        spread = np.nanvar(data.batch("train", torch.arange(data.length("train"))).x.numpy(), 0)
        assert ((spread < 1e-6) | (abs(spread - 1) < 1e-2)).all(), f"columns of {spread} variance"


def recipe(folder: Path) -> None:
    """A recipe that is read is written and read back as it is."""
    try:
        found = load(folder / "my.toml", "smoke")
    except LebmError as error:
        one_sentence(str(error), folder, "my.toml", "synthetic")
        return
    check_recipe(found)
    build_learning(found), build_metrics(found)
    again = folder / "again.toml"
    again.write_text(dump(found))
    assert repr(load(again)) == repr(found)


def keys(folder: Path) -> None:
    """key=value on the command line: what is damaged is the line, not a file."""
    load("synthetic-8gaussians", "smoke", [(folder / "line").read_bytes().decode()])


def tokenized(folder: Path) -> None:
    (folder / "my.txt").write_bytes(text(SENTENCES))
    options = {"tokenizer": str(folder / "tokenizer.json"), "valid_share": 0.2, "test_share": 0.2}
    data_set("text.file", "my.txt", **options)(folder)


def labelled_images(folder: Path) -> None:
    data_set("images.folder", "my", side=8, labels=str(folder / "labels.csv"))(folder)


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def picture(seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "JPEG" if seed % 3 == 0 else "PNG")
    return out.getvalue()


def text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


WORDS = "a the cat dog man sees hears likes old red house tree and runs away".split()
NUMBERS = np.random.default_rng(0)
TABLE = NUMBERS.normal(size=(60, 3)).round(3)
SENTENCES = [
    " ".join(random.Random(i).choices(WORDS, k=4 + i % 5)) + f" {i % 7}" for i in range(120)
]
KINDS = ["", "one", "two"]
SMILES = ["C" * a + b + c for a in range(1, 6) for b in ("O", "N", "c1ccccc1", "C(=O)O")
          for c in ("", "C", "Cl", "F")]  # fmt: skip
WALKS = [(t, a, round(0.5 * t + a, 3), round(2.0 * a + 0.3 * np.sin(t), 3))
         for t in range(300) for a in range(2)]  # fmt: skip
DIGITS = NUMBERS.integers(0, 256, (40, 8, 8), dtype=np.uint8)
JPEGS = {f"{'ab'[i % 2]}/{i}.{'jpg' if i % 3 == 0 else 'png'}": picture(i) for i in range(24)}
LABELLED = [f"{KINDS[i % 3]}\t{s}" for i, s in enumerate(SENTENCES)]
ROWS = [f"{a},{b},{c},{KINDS[i % 3]}" for i, (a, b, c) in enumerate(TABLE.tolist())]
SMILES_CSV = [f"{s},{i % 2}" for i, s in enumerate(SMILES)]
QUESTIONS = [f'"{i % 10 + 1}","{s}","{s} {s}","{s} {i}, and so it is"' for i, s in
             enumerate(SENTENCES)]  # fmt: skip
PAIRS = [json.dumps({"sentence1": s, "sentence2": f"{s} again"}) for s in SENTENCES]
WIDE = NUMBERS.normal(size=(60, 10)).round(3).tolist()
PARTS = ("train", "val", "test")
PIXELS = ["scene,frame,track_id,x_px,y_px",
          *(f"{'ab'[t % 2]},{t},{a},{30 * x},{30 * y}" for t, a, x, y in WALKS)]  # fmt: skip
RATED = [f"{s}\t{i % 2}" for i, s in enumerate(SENTENCES)]
LONG = NUMBERS.normal(size=(60, 27)).round(2).tolist()
RECORDS = NUMBERS.integers(0, 256, 3 * 3073, dtype=np.uint8)
RECORDS[::3073] %= 10
RECORDS = RECORDS.tobytes()
BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
TOKENIZER = json.dumps({
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
    "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(
        ["<unk>", "<bos>", "<eos>", "<pad>", *dict.fromkeys(WORDS), *"0123456789"])},
              "unk_token": "<unk>"},
})  # fmt: skip
RECIPE = Path(__file__).parents[1] / "recipes/lebm_recipes/synthetic-8gaussians.toml"
OF_WALKS = {"observed": 4, "predicted": 4, "valid_share": 0.2, "test_share": 0.2}

READERS = {
    "tabular.csv": Reader("text", {"my.csv": text(["a,b,c,label", *ROWS])},
                          data_set("tabular.file", "my.csv"), 6),
    "tabular.csv-no-label": Reader("text", {"my.csv": text(["a,b,c,d", *ROWS]).replace(b"one", b"1")
                                            .replace(b"two", b"2")},
                                   data_set("tabular.file", "my.csv", label=""), 4),
    "tabular.npz": Reader("npz", {"my.npz": npz(x=TABLE, label=np.arange(60) % 3)},
                          data_set("tabular.file", "my.npz"), 4),
    "text.file": Reader("text", {"my.txt": text(SENTENCES)},
                        data_set("text.file", "my.txt", valid_share=0.2, test_share=0.2), 4),
    "text.labelled": Reader("text", {"my.tsv": text(LABELLED)},
                            data_set("text.labelled", "my.tsv"), 5),
    "molecules.smi": Reader("text", {"my.smi": text(SMILES)},
                            data_set("molecules.file", "my.smi", valid_share=0.2), 4),
    "molecules.csv": Reader("text", {"my.csv": text(["smiles,active", *SMILES_CSV])},
                            data_set("molecules.file", "my.csv", label="active",
                                     valid_share=0.2, test_share=0.2), 5),
    "images.folder": Reader("bytes", {f"my/{name}": b for name, b in JPEGS.items()},
                            data_set("images.folder", "my", side=8, valid=0.2, test=0.2), 5, True),
    "images.npz": Reader("npz", {"my.npz": npz(x=DIGITS, y=np.arange(40) % 4)},
                         data_set("images.folder", "my.npz", valid=0.2, test=0.2), 4),
    "trajectories.txt": Reader("text", {"my.txt": text([" ".join(map(str, w)) for w in WALKS])},
                               data_set("trajectories.file", "my.txt", **OF_WALKS), 4),
    "trajectories.csv": Reader(
        "text",
        {"my.csv": text(["scene,frame,id,x,y", *(f"{'ab'[t % 2]},{t},{a},{x},{y}"
                                                 for t, a, x, y in WALKS)])},
        data_set("trajectories.file", "my.csv", **OF_WALKS), 4),
    "text.yahoo": Reader("text", {f"yahoo/{s}.csv": text(QUESTIONS) for s in ("train", "test")},
                         data_set("text.yahoo"), 2, True),
    "text.snli": Reader("text", {f"snli/snli_1.0_{s}.jsonl": text(PAIRS)
                                 for s in ("train", "dev", "test")},
                        data_set("text.snli"), 2, True),
    "text.sst2": Reader("text", {f"sst2/{s}.tsv": text(["sentence\tlabel", *RATED[i::3]])
                                 for i, s in enumerate(("train", "dev", "test"))},
                        data_set("text.sst2", vocab_size=20), 1, True),
    "text.tokenizer": Reader("json", {"tokenizer.json": TOKENIZER.encode()}, tokenized, 1),
    "images.labels": Reader("text", {"labels.csv": text([f"{f},{f[0]}" for f in JPEGS]),
                                     **{f"my/{name}": b for name, b in JPEGS.items()}},
                            labelled_images, 1),
    "images.cifar10": Reader("bytes", {f"cifar-10-batches-bin/{s}.bin": RECORDS for s in BATCHES},
                             data_set("images.cifar10", valid=2), 1, True),
    "tabular.hepmass": Reader(
        "text", {f"hepmass/all_{s}.csv": text([f"{i % 2},{','.join(map(str, r))}"
                                               for i, r in enumerate(LONG)])
                 for s in ("train", "test")},
        data_set("tabular.hepmass", train_rows=30, valid=10, test_rows=30), 1, True),
    "tabular.protein": Reader(
        "text",
        {"uci_protein/data.txt": text([" ".join(map(str, r)) for r in WIDE]),
         "uci_protein/test_indices.json": b'{"test": {"0": [1, 5, 7, 9]}}'},
        data_set("tabular.protein", classes=3, valid=5), 2, True),
    "images.mnist": Reader("npz", {"mnist/mnist.npz": npz(
        x_train=DIGITS, y_train=np.arange(40) % 10, x_test=DIGITS, y_test=np.arange(40) % 10)},
                           data_set("images.mnist", valid=5), 2),
    "trajectories.eth_ucy": Reader("text", {
        "eth_ucy/splits.json": json.dumps({"splits": {"zara1": {s: [
            {"file": "biwi_eth.txt", "first_line": 0, "end_line": 300}] for s in PARTS}}}).encode(),
        **{f"eth_ucy/{name}.txt": text([" ".join(map(str, w)) for w in WALKS])
           for name in ("biwi_eth", "biwi_hotel", "crowds_zara01", "crowds_zara02",
                        "crowds_zara03", "students001", "students003", "uni_examples")}},
        data_set("trajectories.eth_ucy", observed=4, predicted=4), 1),
    "trajectories.sdd": Reader("text", {f"sdd_trajnet/{s}.csv": text(PIXELS)
                                        for s in ("train", "test")},
                               data_set("trajectories.sdd", observed=4, predicted=4), 1, True),
    "recipe": Reader("toml", {"my.toml": RECIPE.read_bytes()}, recipe, 6),
    "overrides": Reader("text", {"line": b"seed=1"}, keys, 4),
}  # fmt: skip
UNNAMED = ("recipe", "overrides")  # whose messages name the key
KEYS = [k for k in flatten(load("synthetic-8gaussians", "smoke").tables()) if k != "name"]
TESTS = [(name, i * EACH) for name, reader in READERS.items() for i in range(reader.tests)]


def _last(file: str) -> str:
    return Path(file).name


def damaged(name: str, seed: int, folder: Path) -> str:
    """Write the example of a reader with one file damaged, whose name is the answer."""
    reader = READERS[name]
    rng = random.Random(f"{name}-{seed}")
    if name == "overrides":
        folder.mkdir()
        (folder / "line").write_bytes(overrides(KEYS, rng).encode())
        return "line"
    chosen = rng.choice(list(reader.files)) if reader.every else next(iter(reader.files))
    for file, content in reader.files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(
            mutate(content, rng, reader.kind) if file == chosen else content
        )
    return chosen


@pytest.mark.parametrize("name", READERS)
def test_the_example_itself_is_read(tmp_path: Path, name: str) -> None:
    for file, content in READERS[name].files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    READERS[name].read(tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "first"), TESTS, ids=[f"{n}-{i}" for n, i in TESTS])
def test_a_damaged_file_is_read_or_named(tmp_path: Path, name: str, first: int) -> None:
    failures = []
    for seed in range(first, first + EACH):
        folder = tmp_path / str(seed)
        file = damaged(name, seed, folder)
        try:
            with limited():
                READERS[name].read(folder)
        except LebmError as error:
            try:
                others = [folder.name, *map(_last, READERS[name].files)]
                named = [] if name in UNNAMED else others if READERS[name].every else [_last(file)]
                one_sentence(str(error), folder, *named)
            except AssertionError as wrong:
                failures.append(f"{name}-{seed}: {wrong}")
        except Exception as error:  # whatever else is what this test looks for
            what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            failures.append(f"{name}-{seed}: {what}")
    assert not failures, "\n" + "\n".join(each[:400] for each in failures)
