"""Damaged files of a run, full disks and leftovers: one sentence with the file, nothing lost."""

import contextlib
import os
import resource
import shutil
import signal

import pytest
import torch

from lebm_core.errors import Interrupted, LebmError, RunError, UsageError
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run import parts
from lebm_core.run.report.report import markdown_table, report_run
from lebm_core.run.reuse import evaluate_run, sample_run
from lebm_core.run.run import run_recipe
from lebm_core.run.training.checkpoint import latest_checkpoint, save_checkpoint

pytestmark = pytest.mark.usefixtures("undrawn")
DAMAGE = {
    "empty": b"",
    "cut": b'{"a": 1',
    "no UTF-8": b"\xff\xfe{}",
    "deep": b'{"a":' * 5000,
    "a list": b"[1]",
    "no keys": b"{}",
    "other values": b'{"steps": "x", "seconds": [], "values": 3, "lebm": [], "name": {}}',
}


def silent(line):
    pass


@contextlib.contextmanager
def small_files(size):
    """A disk that takes no file above `size` bytes: writes fail as on one that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("file", "readers"),
    [
        ("training.json", ["report", "table", "resume"]),
        ("evaluation/toy.mean.json", ["report", "table", "resume"]),
        ("data.json", ["sample", "resume"]),
        ("data/toy.json", []),
        ("model/config.json", ["sample", "evaluate", "load"]),
        ("model/model.safetensors", ["sample", "evaluate", "load"]),
        ("environment.json", []),  # of which nothing must be there
        ("recipe.toml", ["report", "table", "sample", "evaluate", "resume"]),
    ],
)
def test_a_damaged_file_is_named(run, toy, file, readers, tmp_path):
    folder = run.folder
    calls = {
        "report": lambda: report_run(folder),
        "table": lambda: markdown_table([folder]),
        "sample": lambda: sample_run(folder, 2, out=tmp_path / "x.csv"),
        "evaluate": lambda: evaluate_run(folder, "train", log=silent),
        "resume": lambda: run_recipe(toy, "", out=folder, resume=True, log=silent),
        "load": lambda: LatentEBM.from_pretrained(folder / "model"),
    }
    good = (folder / file).read_bytes()
    for damage, content in DAMAGE.items():
        shutil.rmtree(folder / "evaluation-train", ignore_errors=True)
        (folder / file).write_bytes(content)
        for name in calls:
            said = ""
            try:
                calls[name]()
            except UsageError as error:
                said = str(error)
            assert "\n" not in said and len(said) < 1000, (damage, name)
            if name in readers:
                assert (folder / file).name in said, (damage, name, said)
        (folder / file).write_bytes(good)


def test_a_device_that_is_not_here(run):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(UsageError, match='map_location = "cuda" is not possible'):
        LatentEBM.from_pretrained(run.folder / "model", map_location="cuda")


def test_a_name_that_no_system_takes(toy):
    with pytest.raises(UsageError, match=r'"x{80}\.\.\." \(5,000 characters\) cannot be used'):
        run_recipe(toy, "", out="x" * 5000, log=silent)
    with pytest.raises(UsageError, match="is not a run folder"):
        sample_run("x" * 5000, 2)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path):
    tensors, state = {"a": torch.arange(1000.0)}, {"epoch": 1}
    save_checkpoint(tmp_path, 1, tensors, state)
    with small_files(2000):
        with pytest.raises(RunError, match="step-00000002 cannot be written: File too large"):
            save_checkpoint(tmp_path, 2, tensors, state)
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]
    assert latest_checkpoint(tmp_path, pytest.fail).tensors["a"].equal(tensors["a"])


def test_a_full_disk_when_the_model_is_saved(toy, tmp_path, monkeypatch):
    plain, changes = LatentEBM.save_pretrained, ["evaluation.baselines=[]"]

    def save(self, folder):
        with small_files(500):
            plain(self, folder)

    with monkeypatch.context() as patch:
        patch.setattr(LatentEBM, "save_pretrained", save)
        with pytest.raises(RunError, match="model cannot be written: File too large") as caught:
            run_recipe(toy, "", changes, out=tmp_path / "run", log=silent)
    assert "Safetensor" not in str(caught.value) and "Errno" not in str(caught.value)
    assert any((tmp_path / "run" / "checkpoints").glob("step-*"))
    assert not list((tmp_path / "run").rglob(".lebm-*"))
    lines = []
    run_recipe(toy, "", changes, out=tmp_path / "run", resume=True, log=lines.append)
    assert any("resumes at step 6 of 6" in line for line in lines)


def test_what_a_kill_leaves_is_cleared(run, toy):
    cut = run.folder
    for name in (".lebm-k3_x", "checkpoints/.step-00000099", "checkpoints/step-00000098",
                 "baselines/f0/.lebm-0a", "checkpoints/.lebm-1"):  # fmt: skip
        (cut / name).mkdir()
    for name in (".lock", ".lebm-k3_x/data.json", "checkpoints/.step-00000099/state.json"):
        (cut / name).write_text("{")
    run_recipe(toy, "", out=cut, resume=True, log=silent)
    assert not list(cut.rglob(".*")) and not (cut / "checkpoints" / "step-00000098").exists()
    assert any((cut / "checkpoints").glob("step-*"))


def test_a_refused_or_interrupted_start_leaves_no_folder(toy, tmp_path, monkeypatch):
    out = tmp_path / "run"
    for error, raised, words in (
        (UsageError("wrong data"), UsageError, "wrong data"),
        (KeyboardInterrupt(), Interrupted, "nothing is kept"),
    ):

        def stop(part, *, resume, main, log, error=error):
            (out / "data").mkdir()
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(parts, "train_part", stop)
            with pytest.raises(raised, match=words):
                run_recipe(toy, "", out=out, log=silent)
        assert not out.exists()


def test_a_start_that_was_killed_blocks_nothing(toy, tmp_path):
    out = tmp_path / "run"
    (out / "baselines" / "f0" / "checkpoints").mkdir(parents=True)
    for name in ("INCOMPLETE", "recipe.toml", "metrics.jsonl", "baselines/f0/recipe.toml"):
        (out / name).write_text("x")
    run_recipe(toy, "", ["evaluation.baselines=[]"], out=out, log=silent)
    assert not (out / "baselines").exists()


def test_a_folder_of_somebody_else_is_left_alone(toy, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "recipe.toml").write_text("mine")
    for more in ("recipe.toml", "INCOMPLETE", "notes.txt"):
        (out / more).write_text("mine")
        if more != "INCOMPLETE":  # the two together are a run's that was killed
            with pytest.raises(UsageError, match="is not empty"):
                run_recipe(toy, "", out=out, log=silent)
    assert (out / "recipe.toml").read_text() == "mine"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_during_the_evaluation_keeps_what_was_done(run, toy, monkeypatch, name):
    import lebm_toy

    number, plain = getattr(signal, name), lebm_toy.Mean.__call__
    (run.folder / "baselines" / "f0" / "evaluation" / "toy.mean.json").unlink()

    def stop(self, evaluation):
        os.kill(os.getpid(), number)
        return plain(self, evaluation)

    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(lebm_toy.Mean, "__call__", stop)
            with pytest.raises(Interrupted, match="keeps what was done") as caught:
                run_recipe(toy, "", out=run.folder, resume=True, log=silent)
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert caught.value.exit_code == 128 + number and isinstance(caught.value, LebmError)
    assert "interrupted" in (run.folder / "INCOMPLETE").read_text()
    assert run_recipe(toy, "", out=run.folder, resume=True, log=silent).results == run.results
