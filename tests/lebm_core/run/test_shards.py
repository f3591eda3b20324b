"""A draw in several files: the same bit for bit, however it is divided, stopped and resumed."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lebm_core.base.files import read_json
from lebm_core.data.dataset import Batch
from lebm_core.errors import Interrupted, RunError, UsageError
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.draw import first_contexts
from lebm_core.run.reuse import sample_run
from lebm_core.run.sampling import shards
from lebm_core.run.sampling.shards import seed_of

pytestmark = pytest.mark.usefixtures("toy")
SCRIPT = Path(__file__).parent / "toy" / "sample_toy.py"
N, SHARD = 57, 10
KINDS = (".csv", ".npy")
LAUNCH = ("-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu")


def quiet(line):
    pass


def draw(run, out, n=N, **options):
    return sample_run(run.folder, n, out=out, shard=SHARD, progress=quiet, **options)


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix in KINDS}


def numbers(folder):
    lines = [line for p in sorted(folder.glob("*.csv")) for line in p.read_text().splitlines()]
    return np.array([list(map(float, line.split(","))) for line in lines])


def process(run, out, environment, *rest, launcher=(), n=N):
    command = [sys.executable, *launcher, str(SCRIPT), str(run.folder), str(out), str(n), *rest]
    return subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True)


def test_files_hold_all_samples_and_none_twice(finished, tmp_path):
    folder = draw(finished, tmp_path / "samples")
    assert sorted(contents(folder)) == [f"samples-{k:05d}.csv" for k in range(6)]
    x = numbers(folder)
    assert x.shape == (N, 2) and len(np.unique(x, axis=0)) == N
    index = read_json(folder / "index.json")
    assert index["complete"] and index["n"] == N and index["shard"] == SHARD
    assert set(index["model"]) >= {"model.safetensors", "config.json"}
    more = draw(finished, tmp_path / "more", n=60)
    assert contents(folder).items() - contents(more).items() == {
        ("samples-00005.csv", contents(folder)["samples-00005.csv"])
    }  # a file depends on the seed, its number and its size alone
    other = draw(finished, tmp_path / "other", seed=1)
    assert not set(contents(folder).values()) & set(contents(other).values())


def test_no_two_files_of_a_draw_have_one_seed():
    assert len({seed_of(3, k) for k in range(100_000)}) == 100_000


@pytest.mark.parametrize("launcher", [(), pytest.param(LAUNCH, marks=pytest.mark.slow)])
def test_two_processes_draw_what_one_does(finished, toy_environment, tmp_path, launcher):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    started = []
    for rank in ("0",) if launcher else ("0", "1"):
        launched = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        environment = toy_environment | ({} if launcher else address | launched)
        started.append(process(finished, tmp_path / "two", environment, launcher=launcher))
    for each in started:
        said, errors = each.communicate(timeout=120)
        assert each.returncode == 0, errors
    assert contents(tmp_path / "two") == contents(draw(finished, tmp_path / "one"))
    assert read_json(tmp_path / "two" / "index.json")["complete"]


def test_the_first_process_ends_with_all_files_where_another_is_gone(
    finished, tmp_path, monkeypatch
):
    alone = draw(finished, tmp_path / "alone")
    one_of_two = SimpleNamespace(process_index=0, num_processes=2, device=torch.device("cpu"))
    monkeypatch.setattr(shards, "launched", lambda device: one_of_two)
    monkeypatch.setattr(shards, "wait_for_everyone", lambda state: None)
    folder = draw(finished, tmp_path / "first")
    assert contents(folder) == contents(alone)
    assert read_json(folder / "index.json")["complete"] is True


def test_a_killed_draw_goes_on_and_ends_the_same(finished, toy_environment, tmp_path):
    out = tmp_path / "cut"
    killed = process(finished, out, toy_environment, "--slow")
    for _ in range(600):
        if out.is_dir() and len(contents(out)) > 2:
            break
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    (out / ".lebm-left").mkdir()  # as a kill in the middle of a file leaves one
    there = [p for p in out.glob("samples-*.csv")]
    assert 2 <= len(there) < 6 and not read_json(out / "index.json")["complete"]
    before = {p: p.stat().st_mtime_ns for p in there}
    draw(finished, out, resume=True)
    assert contents(out) == contents(draw(finished, tmp_path / "one"))
    assert before == {p: p.stat().st_mtime_ns for p in there}  # drawn once
    assert read_json(out / "index.json")["complete"]


def test_ctrl_c_keeps_the_whole_files(finished, tmp_path, monkeypatch):
    write, calls = shards.write_samples, []

    def interrupted(*given):
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write(*given)

    monkeypatch.setattr(shards, "write_samples", interrupted)
    with pytest.raises(Interrupted, match="keeps 2 of 6 files: .* --resume goes on") as caught:
        draw(finished, tmp_path / "cut")
    assert caught.value.exit_code == 128 + signal.SIGINT
    assert len(contents(tmp_path / "cut")) == 2
    draw(finished, tmp_path / "cut", resume=True)
    assert contents(tmp_path / "cut") == contents(draw(finished, tmp_path / "one"))


def test_contexts_go_on_from_file_to_file():
    model = nn.Linear(1, 1)
    model.prior = SimpleNamespace(context_dim=1)
    x = torch.arange(7.0)[:, None]
    data = SimpleNamespace(
        sizes={}, length=lambda split: 7, batch=lambda split, rows: Batch(x, context=x[rows])
    )
    parts = [first_contexts(model, data, 5, "test", first) for first in (0, 5, 10)]
    assert torch.cat(parts).flatten().tolist() == [i % 7 for i in range(15)]


def test_codes_are_those_of_the_prior(finished, tmp_path):
    folder = draw(finished, tmp_path / "codes", codes=True)
    z = np.concatenate([np.load(p) for p in sorted(folder.glob("*.npy"))])
    assert z.shape == (N, 2) and z.dtype == np.float32
    file = sample_run(finished.folder, 9, out=tmp_path / "few", codes=True)
    assert file == tmp_path / "few.npy" and np.load(file).shape == (9, 2)
    again = finished.sample_shards(N, tmp_path / "again", codes=True, shard=SHARD, log=quiet)
    assert [p.read_bytes() for p in again] == list(contents(folder).values())


def test_a_model_without_codes_says_so(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(LatentEBM, "observed", True)
    with pytest.raises(UsageError, match="has no code z between"):
        draw(finished, tmp_path / "codes", codes=True)
    assert not (tmp_path / "codes").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1}, "another draw, with seed = 0 where 1 is asked"),
        ({"n": 58}, "another draw, with n = 57 where 58 is asked"),
        ({"codes": True}, "another draw, with codes = false where true is asked"),
    ],
)
def test_a_folder_of_another_draw_is_refused(finished, tmp_path, options, message):
    draw(finished, tmp_path / "samples")
    kept = contents(tmp_path / "samples")
    with pytest.raises(UsageError, match=message):
        draw(finished, tmp_path / "samples", resume=True, **options)
    with pytest.raises(UsageError, match="holds a draw: --resume goes on with it"):
        draw(finished, tmp_path / "samples", **options)
    assert contents(tmp_path / "samples") == kept


def test_a_model_that_was_trained_again_is_refused(run, tmp_path):
    draw(run, tmp_path / "samples")
    model = LatentEBM.from_pretrained(run.folder / "model")
    next(model.prior.parameters()).data += 1
    model.save_pretrained(run.folder / "model")
    with pytest.raises(UsageError, match="another draw, of another model"):
        draw(run, tmp_path / "samples", resume=True)


def test_what_is_for_one_file_and_what_for_several(finished, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match='--out ".*s.csv" names a file, and 57 samples'):
        draw(finished, tmp_path / "s.csv")
    with pytest.raises(UsageError, match="--resume is for a draw in several files"):
        draw(finished, tmp_path / "s", n=10, resume=True)
    with pytest.raises(UsageError, match=r"--resume: there is no draw in .*index.json is missing"):
        draw(finished, tmp_path / "none", resume=True)
    with pytest.raises(UsageError, match="--shard = 0 is too small"):
        sample_run(finished.folder, 10, out=tmp_path / "s", shard=0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        draw(finished, tmp_path / "mine")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="10 samples are one file, which one process draws"):
        draw(finished, tmp_path / "s", n=10)
    assert not (tmp_path / "none").exists()


def test_a_full_disk_is_one_sentence_and_the_draw_goes_on(finished, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    big = {"out": tmp_path / "s", "shard": 2000, "progress": quiet}
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        with pytest.raises(
            RunError, match=r"samples-00000.csv\" cannot be written: File too large"
        ):
            sample_run(finished.folder, 4000, **big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert os.listdir(tmp_path / "s") == ["index.json"]
    sample_run(finished.folder, 4000, resume=True, **big)
    assert len(numbers(tmp_path / "s")) == 4000
