"""data.keep = "disk" gives what "memory" does, bit for bit, of every reader that has the option."""

import csv
import functools
import subprocess
import sys

import numpy as np
import pytest
import torch

from lebm_core import contracts
from lebm_core.data.disk.lines import Lines
from lebm_core.data.disk.prepared import prepared
from lebm_core.data.disk.tensors import DiskTensor, TensorWriter
from lebm_core.data.splits import by_hash, hash_key, homes_by_hash
from lebm_core.errors import RunError, UsageError
from lebm_core.registry.registry import registry
from lebm_core.registry.signatures import options_of

N = 300
COLOURS = ("red", "green", "blue")


def rows(n=N, label=True, missing=True, words=True, columns=3):
    """A table of numbers, words, missing values and labels."""
    draw = np.random.default_rng(0)
    names = [f"n{i}" for i in range(columns)] + ["colour"] * words + ["label"] * label
    yield names
    for i in range(n):
        row = [f"{v:.5g}" for v in draw.normal(size=columns) * 10.0 ** np.arange(columns)]
        row += [COLOURS[draw.integers(3)]] * words
        if missing and i % 7 == 3:
            row[i % len(row)] = ("", "NA", "?")[i % 3]
        yield row + [("yes", "no", "", "-1")[i % 4]] * label


def table(folder, **how):
    file = folder / "table.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(rows(**how))
    return str(file)


def arrays(folder):
    """Numbers with missing values, a column of few of them, and labels."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(N, 3)) * 10.0 ** np.arange(3)
    x[:, 1] = draw.integers(0, 4, N)
    x[5::9, 1], x[7, 2] = np.nan, np.nan
    np.savez(folder / "table.npz", x=x, label=np.array(["yes", "no", "?"])[np.arange(N) % 3])
    return str(folder / "table.npz")


def sentences(folder, name="my.txt", n=N, seed=0, field=""):
    """Lines of 1 to 12 words, some twice, some blank."""
    draw, file = np.random.default_rng(seed), folder / name
    lines = [" ".join(f"w{k}" for k in draw.geometric(0.1, draw.integers(1, 13))) for _ in range(n)]
    lines += [*lines[:5], "", "  "]
    if field:
        kept = [line for line in lines if line.strip()]
        rows = (f"{i},{line},{('10', '9', '-1')[i % 3]}" for i, line in enumerate(kept))
        lines = [f"id,{field},kind", *rows]
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def molecules(folder, table=False, rings=False):
    """Chains of C, N and O, at a ring each if asked, some in two writings, some that are none."""
    draw, file = np.random.default_rng(0), folder / ("my.csv" if table else "my.smi")
    lines = [
        "".join("CCCNO"[k] for k in draw.integers(0, 5, draw.integers(2, 9))) for _ in range(N)
    ]
    if rings:
        sides = ("".join("CNO"[k] for k in draw.integers(0, 3, draw.integers(1, 5))) for _ in lines)
        lines = [f"C1{side}C1{chain}" for side, chain in zip(sides, lines, strict=True)]
    lines[5:5] = [lines[0][::-1] if not rings else lines[0], "C(C", "[Xe]C", "C[Si](C)C", "C1CC1Br"]
    if table:
        rows = (f"{i},{line},{('yes', 'no', '')[i % 3]}" for i, line in enumerate(lines))
        lines = ["id,smiles,kind", *rows]
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def images(folder, dtype=float, channels=0, side=6):
    """Images of a ramp with noise, two classes, one of them with a missing pixel."""
    draw = np.random.default_rng(0)
    x = draw.uniform(0, 1, (N, side, side, *[channels] * bool(channels)))
    if dtype is float:
        x[7, 2, 2] = np.nan
    else:
        x = (255 * x).astype(dtype)
    y = np.array(["yes", "no", "?"])[np.arange(N) % 3]
    np.savez_compressed(folder / "my.npz", x=x, y=y)
    return str(folder / "my.npz")


def recording(folder, scenes=("",), frames=240):
    """Agents that come, turn and go, in scenes of other clocks, with a gap in each."""
    draw, file = np.random.default_rng(0), folder / "walks.csv"
    lines = ["scene,frame,id,x,y"] if len(scenes) > 1 else []
    for k, scene in enumerate(scenes):
        first = draw.integers(-20, frames, 50)
        speed, angle = draw.uniform(0.1, 0.6, 50), draw.uniform(0, 6, 50)
        for t in (t for t in range(frames) if t != 40):
            for agent in np.flatnonzero((first <= t) & (t < first + 45)):
                gone = t - first[agent]
                turn = angle[agent] + 0.05 * gone * (agent % 3 - 1)
                way = speed[agent] * gone * np.array([np.cos(turn), np.sin(turn)]) + 1000 * k
                told = [scene] * (len(scenes) > 1) + [t * (10 + 2 * k), agent, *way.round(4)]
                lines.append(",".join(map(str, told)))
    file.write_text("\n".join(lines) + "\n")
    return str(file)


CASES = [
    ("trajectories.file", lambda folder: {"source": recording(folder)}),
    (
        "trajectories.file",
        lambda folder: {
            "source": recording(folder, ("a", "b", "c")), "reverse": True, "rescale": 1.3,
            "train_trajectories": 90, "classes": "behaviour", "neighbours": 3,
        },
    ),
    (
        "trajectories.file",
        lambda folder: {
            "source": recording(folder, ("b", "a")), "heading": False, "rotations": 2,
            "neighbours": 0, "every": 2, "observed": 3, "predicted": 4, "valid_share": 0,
            "classes": "behaviour",
        },
    ),
    ("images.folder", lambda folder: {"source": images(folder)}),
    (
        "images.folder",
        lambda folder: {"source": images(folder, np.uint8, 3), "side": 4, "channels": 1},
    ),
    ("molecules.file", lambda folder: {"source": molecules(folder)}),
    (
        "molecules.file",
        lambda folder: {
            "source": molecules(folder, table=True), "column": "smiles", "randomised": 2,
            "max_length": 7, "eval_molecules": 9, "notation": "selfies",
        },
    ),
    (
        "molecules.file",
        lambda folder: {"source": molecules(folder, table=True), "label": "kind", "randomised": 1},
    ),
    (
        "molecules.file",
        lambda folder: {"source": molecules(folder), "classes": "logp", "class_count": 3},
    ),
    (
        "molecules.file",
        lambda folder: {
            "source": molecules(folder, table=True, rings=True), "label": "kind",
            "split_by": "scaffold", "valid_share": 0.2, "test_share": 0.1,
        },
    ),
    ("text.file", lambda folder: {"source": sentences(folder)}),
    (
        "text.file",
        lambda folder: {
            "source": sentences(folder), "words": "simple", "max_length": 6, "train_lines": 150,
            "long_lines": "truncate", "vocab_size": 20,
        },
    ),
    (
        "text.file",
        lambda folder: {
            "source": sentences(folder, "a.csv", field="said"), "field": "said", "max_length": 6,
        },
    ),
    (
        "text.file",
        lambda folder: {
            "source": sentences(folder, "a.csv", field="said"), "field": "said", "label": "kind",
            "train_lines": 150, "max_length": 6,
        },
    ),
    (
        "text.file",
        lambda folder: {
            **{key: sentences(folder, f"{key}.csv", n, seed, "said")
               for seed, (key, n) in enumerate([("source", N), ("valid", 30), ("test", 40)])},
            "field": "said", "label": "kind",
        },
    ),
    (
        "text.file",
        lambda folder: {
            "source": sentences(folder), "valid": sentences(folder, "v.txt", 30, 1),
            "test": sentences(folder, "t.txt", 30, 2),
        },
    ),
    ("text.file", lambda folder: {"source": sentences(folder), "representation": "bag"}),
    (
        "text.file",
        lambda folder: {
            "source": sentences(folder, "a.csv", field="said"), "field": "said", "label": "kind",
            "representation": "bag", "vocab_size": 12, "train_lines": 150,
        },
    ),
    ("tabular.file", lambda folder: {"source": table(folder)}),
    ("tabular.file", lambda folder: {"source": arrays(folder)}),
    (
        "tabular.file",
        lambda folder: {
            "source": arrays(folder), "label": "", "categories": ["x1"], "scaling": "none",
        },
    ),
    ("tabular.file", lambda folder: {"source": table(folder, label=False), "label": ""}),
    (
        "tabular.file",
        lambda folder: {
            "source": table(folder, columns=1, words=False, label=False), "label": "", "valid": 0,
        },
    ),
    (
        "tabular.file",
        lambda folder: {
            "source": table(folder), "categories": ["n0"], "without": ["n1"], "scaling": "none",
        },
    ),
]  # fmt: skip


def small_passes(monkeypatch):
    """Passes of 64 rows, so that a small file takes several."""
    import lebm_core.sequences.packed
    import lebm_images.data.npz
    import lebm_molecules.data.streamed
    import lebm_tabular.data.npz
    import lebm_tabular.data.streamed
    import lebm_trajectories.data.windows

    monkeypatch.setattr(lebm_images.data.npz, "HELD", 4096)
    packed = lebm_core.sequences.packed
    monkeypatch.setattr(lebm_trajectories.data.windows, "PART", 64)
    for module in (
        packed,
        lebm_tabular.data.streamed,
        lebm_tabular.data.npz,
        lebm_molecules.data.streamed,
    ):
        monkeypatch.setattr(module, "CHUNK", 64)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_disk_gives_what_memory_does(name, options, tmp_path, monkeypatch):
    small_passes(monkeypatch)
    contracts.check_kept_on_disk(name, options(tmp_path), tmp_path / "cache")


def test_every_reader_with_the_option_is_checked():
    names = {entry.name for entry in registry().entries("datasets")}
    assert {n for n in names if "keep" in options_of("datasets", n)} == {n for n, _ in CASES}


def test_rarity_counted_in_parts_is_scikit_learns(tmp_path, monkeypatch):
    from sklearn.feature_extraction.text import TfidfTransformer

    from lebm_text.data import dataset

    monkeypatch.setattr(dataset, "CHUNK", 32)
    options = {"source": sentences(tmp_path)}
    data = contracts.check_kept_on_disk("text.file", options, tmp_path / "cache")
    every = torch.arange(data.length("train"))
    counts = data.counts("train", every)
    expected = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    assert (abs(data.vectors("train", every) - expected) > 0).nnz == 0


def test_a_cut_by_hashes_is_one_by_their_ranks():
    strings = [f"s{i % 1500}" for i in range(2000)]
    ranked = by_hash(strings)
    zero = next(i for i, each in enumerate(ranked) if hash_key(each).endswith(b"\0"))
    for n_valid in (zero, 1, 100, 700):  # a hash that ends in zero bytes is first of the next
        homes = homes_by_hash(strings, n_valid / 1500, 0.1, "the test", "string")
        wanted = {each: "train" for each in ranked}
        wanted |= dict.fromkeys(ranked[: n_valid + 150], "test")
        wanted |= dict.fromkeys(ranked[:n_valid], "valid")
        assert homes == [wanted[each] for each in strings]


def test_a_file_that_changed_is_prepared_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file, made = tmp_path / "a", []

    def make(folder):
        made.append(folder)
        (folder / "x").write_text(file.read_text())

    file.write_text("1")
    first = prepared("toy", {"seed": 0}, [file], make)
    assert prepared("toy", {"seed": 0}, [file], make) == first and len(made) == 1
    assert prepared("toy", {"seed": 1}, [file], make) != first
    file.write_text("2")
    assert (prepared("toy", {"seed": 0}, [file], make) / "x").read_text() == "2"


def test_another_code_of_the_reader_prepares_again(tmp_path, monkeypatch):
    """So that who writes one does not read what it made before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "a").write_text("1")
    place = tmp_path / "toyreader" / "data"
    place.mkdir(parents=True)
    for file in (place.parent / "__init__.py", place / "__init__.py"):
        file.touch()
    folders = []
    for words in ("one", "one", "another"):
        (place / "beside.py").write_text(f"WORD = {words!r}\n")
        (place / "reader.py").write_text("def make(folder): (folder / 'x').touch()\n")
        from toyreader.data.reader import make

        folders.append(prepared("toy", {}, [tmp_path / "a"], functools.partial(make)))
    assert folders[0] == folders[1] != folders[2]


def test_what_a_kill_left_of_a_preparation_goes_with_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "a").write_text("1")
    command = (
        "import os, pathlib, sys\nfrom lebm_core.data.disk.prepared import prepared\n"
        "def make(folder):\n (folder / sys.argv[2]).touch()\n"
        " if sys.argv[2] == 'half': os.kill(os.getpid(), 9)\n"
        "print(prepared('toy', {}, [pathlib.Path(sys.argv[1])], make))"
    )

    def run(name):
        arguments = [sys.executable, "-c", command, str(tmp_path / "a"), name]
        return subprocess.run(arguments, capture_output=True, text=True)

    root = tmp_path / "lebm/prepared"
    assert run("half").returncode == -9 and list(root.rglob("half"))
    folder = run("whole").stdout.strip()
    assert not list(root.rglob("half"))
    assert [str(p) for p in root.iterdir() if p.is_dir()] == [folder]


def test_molecules_are_prepared_again_for_another_rdkit(tmp_path, monkeypatch):
    """Which may refuse others, and write those that stay in another way."""
    from lebm_molecules.chemistry import rdkit

    options = {"source": molecules(tmp_path), "notation": "selfies"}
    for newer in ("", ".1"):
        with monkeypatch.context() as patch:
            patch.setattr(rdkit, "VERSION", rdkit.VERSION + newer)
            contracts.check_kept_on_disk("molecules.file", options, tmp_path / "cache")
    folders = [p for p in (tmp_path / "cache/lebm/prepared").iterdir() if p.is_dir()]
    assert len(folders) == 2


def test_what_cannot_be_prepared_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "a").write_text("1")

    def full(folder):
        (folder / "x").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="No space left on device. .XDG_CACHE_HOME names another"):
        prepared("toy", {}, [tmp_path / "a"], full)
    assert not [p for p in (tmp_path / "lebm" / "prepared").iterdir() if p.is_dir()]


def test_a_tensor_on_disk_is_indexed_as_one_in_memory(tmp_path):
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    with TensorWriter(tmp_path / "x.npy", np.float32, (3,)) as out:
        out.add(x[:40].numpy())
        out.add(x[40:].numpy())
    disk = DiskTensor(tmp_path / "x.npy")
    at = torch.tensor([[5, 0], [99, 5]])
    assert len(disk) == 100 and torch.equal(disk[at], x[at]) and torch.equal(disk[:], x)
    assert (
        torch.equal(disk[at[0]], x[at[0]])
        and torch.equal(disk[3:7], x[3:7])
        and np.array_equal(np.load(disk.file), x.numpy())
    )
    mask = x[:, 0] > 1
    assert torch.equal(disk[mask], x[mask]) and torch.equal(disk[7, 1:], x[7, 1:])
    assert torch.equal(disk[at, :2], x[at, :2]) and torch.equal(disk[:, 1], x[:, 1])
    with pytest.raises(IndexError, match="has 100 rows, and none of number 100"):
        disk[torch.tensor([1, 100])]
    with disk.file.open("ab") as file:
        file.write(b"more")
    with pytest.raises(UsageError, match="is damaged: it is not as long as it says"):
        DiskTensor(disk.file)


def test_lines_are_read_again_and_again(tmp_path):
    strings = ["a b", "", "c\u2028d", "e\rf"]
    lines = Lines.written(tmp_path / "lines.txt", iter(strings))
    assert list(lines) == strings == list(lines) and len(lines) == 4
    assert list(lines.first(2)) == strings[:2] and len(lines.first(0)) == 4


@pytest.mark.parametrize(
    ("how", "options", "message"),
    [
        ({}, {"categories": "none"}, r'line 2: "\w+" in the column "colour" is not a number'),
        ({}, {"label": "colou"}, 'has no column "colou" for the labels'),
        ({}, {"categories": ["hue"]}, 'has no column "hue" to learn from'),
        ({"n": 6}, {}, "too few for"),
    ],
)
def test_a_wrong_table_is_refused_alike(how, options, message, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source, said = table(tmp_path, **how), []
    for keep in ("memory", "disk"):
        with pytest.raises(UsageError, match=message) as caught:
            contracts_table(source, keep, options)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_missing_file_and_an_unknown_place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    table(tmp_path)
    with pytest.raises(
        UsageError, match='There is no file ".*tabel.csv". Did you mean "table.csv"'
    ):
        contracts_table(str(tmp_path / "tabel.csv"), "disk", {})
    with pytest.raises(UsageError, match="data.keep"):
        contracts_table(str(tmp_path / "table.csv"), "ram", {})


def test_a_recording_on_disk_has_the_lines_of_a_scene_together(tmp_path, monkeypatch):
    from lebm_core.data.files import DataFiles
    from lebm_trajectories.data.sources import file as read

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "mixed.csv"
    file.write_text("scene,frame,id,x,y\na,0,1,0,0\nb,0,1,0,0\na,1,1,1,0\n")
    with pytest.raises(UsageError, match='line 4: scene "a" ended in line 2; data.keep = "disk"'):
        read(files=DataFiles(), seed=0, source=str(file), keep="disk")


@pytest.mark.parametrize("files", [1, 3])
def test_a_label_that_no_training_sentence_has_is_named_alike(files, tmp_path, monkeypatch):
    from lebm_core.data.files import DataFiles
    from lebm_text.data.sources import file as read

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keys, rows = ("source", "valid", "test")[:files], 40
    for key in keys:
        lines = [f"words number {i} of {key},{i % 2}" for i in range(rows)]
        if key == "test":
            lines[7] = "another,2"
        elif files == 1:  # a kind for each, of which some are in one split alone
            lines = [f"words number {i},{i % 2 if i % 8 else i + 2}" for i in range(rows)]
        (tmp_path / f"{key}.csv").write_text("\n".join(["said,kind", *lines]) + "\n")
    options = {key: str(tmp_path / f"{key}.csv") for key in keys}
    told = []
    for keep in ("memory", "disk"):
        with pytest.raises(UsageError, match=r"line \d+, has the label") as caught:
            read(files=DataFiles(), seed=0, field="said", label="kind", keep=keep, **options)
        told.append(str(caught.value))
    assert told[0] == told[1]


def contracts_table(source, keep, options):
    from lebm_core.data.files import DataFiles
    from lebm_tabular.data.table import table as read

    return read(files=DataFiles(), seed=0, source=source, keep=keep, **options)


@pytest.mark.parametrize("keep", ["memory", "disk"])
def test_labels_in_the_array_of_the_numbers_are_refused_or_read_alike(tmp_path, keep, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    np.savez(tmp_path / "three.npz", x=np.arange(60.0).reshape(20, 3))
    with pytest.raises(UsageError, match="x"):
        contracts_table(str(tmp_path / "three.npz"), keep, {"label": "x"})
    np.savez(tmp_path / "one.npz", x=np.arange(20.0).reshape(20, 1) % 2)
    assert len(contracts_table(str(tmp_path / "one.npz"), keep, {"label": "x"}).classes) == 2


def test_a_column_that_counts_the_rows_is_left_out_alike(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "counted.csv"
    lines = [f"{i},{i * i % 11},{i % 5}" for i in range(100)]
    file.write_text("\n".join(["Unnamed: 0,a,b", *lines]) + "\n")
    columns = []
    for keep in ("memory", "disk"):
        with pytest.warns(UserWarning, match="only counts the rows"):
            columns.append(contracts_table(str(file), keep, {"label": ""}).columns)
    assert columns == [["a", "b"], ["a", "b"]]
