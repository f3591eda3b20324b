"""A whole run of a toy recipe: data -> train -> evaluate -> report, stopped and continued."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from lebm_core.errors import DivergenceError, UsageError
from lebm_core.learning.two_part import TwoPart
from lebm_core.run.artifacts import check_same_data
from lebm_core.run.folder.lock import locked
from lebm_core.run.report.report import markdown_table, report_run
from lebm_core.run.reuse import evaluate_run, sample_run
from lebm_core.run.run import run_recipe
from lebm_core.run.training.tracking import read_metrics

ALONE = ["evaluation.baselines=[]"]


def silent(text):
    pass


def test_the_run_directory_is_whole(run, tmp_path):
    names = {p.name for p in run.folder.iterdir()}
    assert {
        "recipe.toml", "environment.json", "metrics.jsonl", "metrics.json", "samples.csv",
        "figures", "report.html", "checkpoints", "model", "data", "baselines",
    } <= names  # fmt: skip
    assert "INCOMPLETE" not in names
    assert set(run.results) == {"model", "f0", "real"}
    stored = json.loads((run.folder / "metrics.json").read_text())
    value = stored["rows"]["model"]["mean"]
    assert value["n"] == 20 and value["split"] == "samples" and value["standard_error"] > 0
    assert value["definition"] and stored["complete"]
    assert stored["seconds"].keys() >= {"model", "f0"}
    assert not list(run.folder.rglob(".*"))


def test_the_environment_says_how_but_not_who(run):
    facts = json.loads((run.folder / "environment.json").read_text())
    assert facts["command"] == "lebm recipe toy.toml"
    assert facts["versions"]["torch"] and facts["cores"] >= 1
    assert str(Path.home()) not in (run.folder / "environment.json").read_text()


def test_the_report_stands_alone(run):
    text = (run.folder / "report.html").read_text()
    assert "data:image/png;base64," in text
    assert "http" not in text.replace("http-equiv", "")
    for word in ("Mean of all coordinates", "f0", "real data", "refused", "lebm recipe toy.toml"):
        assert word in text


def test_a_baseline_has_its_own_prior_and_the_same_samples_count(run):
    config = json.loads((run.folder / "baselines" / "f0" / "model" / "config.json").read_text())
    assert config["lebm"]["prior"]["name"] == "gaussian"
    assert run.baseline("f0").model.sample(3).shape == (3, 2)
    assert len((run.folder / "baselines" / "f0" / "samples.csv").read_text().splitlines()) == 20


def test_sample_and_evaluate_a_run(run, tmp_path):
    first = sample_run(run.folder, 7, seed=3, out=tmp_path / "x.csv")
    second = sample_run(run.folder, 7, seed=3, out=tmp_path / "y")
    assert first == tmp_path / "x.csv" and first.read_text() == second.read_text()
    assert len(first.read_text().splitlines()) == 7
    assert sample_run(run.folder / "baselines" / "f0", 2).is_file()
    values = evaluate_run(run.folder, "train", log=silent)
    assert (run.folder / "figures" / "toy.png").read_bytes() == b"test"
    assert (run.folder / "evaluation-train" / "figures" / "toy.png").read_bytes() == b"train"
    assert values["mean"].n == 20
    with pytest.raises(UsageError, match="no examples"):
        evaluate_run(run.folder, "valid", log=silent)
    with pytest.raises(UsageError, match="not a run folder"):
        sample_run(tmp_path, 3)


def test_data_that_have_changed_since_are_refused(run):
    described = json.loads((run.folder / "data.json").read_text())
    described["summary"]["sha256"] = {"x.csv": "then"}
    (run.folder / "data.json").write_text(json.dumps(described))
    import lebm_toy

    data = lebm_toy.ToyData(64, 0)
    check_same_data(data, run.folder)
    data.summary["sha256"] = {"x.csv": "now"}
    with pytest.raises(UsageError, match="x.csv has changed"):
        check_same_data(data, run.folder)


@pytest.mark.usefixtures("undrawn")
def test_what_is_complete_is_not_done_again(toy, tmp_path):
    calls = tmp_path / "calls"
    arguments = ["", [f"evaluation.calls={calls}"]]
    run_recipe(toy, *arguments, out=tmp_path / "run", log=silent)
    assert calls.read_text().split() == ["model", "f0"]
    (tmp_path / "run" / "baselines" / "f0" / "evaluation" / "toy.mean.json").unlink()
    before = (tmp_path / "run" / "model" / "model.safetensors").stat().st_mtime_ns
    again = run_recipe(toy, *arguments, out=tmp_path / "run", resume=True, log=silent)
    assert calls.read_text().split() == ["model", "f0", "f0"]
    assert (tmp_path / "run" / "model" / "model.safetensors").stat().st_mtime_ns == before
    assert again.results["f0"]["mean"].value is not None


@pytest.mark.usefixtures("undrawn")
def test_the_same_seed_gives_the_same_run(toy, tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        run_recipe(toy, "", ALONE, out=folder, seed=4, log=silent)
    assert (folders[0] / "samples.csv").read_text() == (folders[1] / "samples.csv").read_text()
    other = run_recipe(toy, "", ALONE, out=tmp_path / "c", seed=5, log=silent)
    assert (folders[0] / "samples.csv").read_text() != (other.folder / "samples.csv").read_text()


@pytest.mark.parametrize(
    "mistake",
    [
        {"overrides": ["training.epoch=3"]},
        {"overrides": ["training.epochs=0"]},
        {"overrides": ["training.epochs=many"]},
        {"overrides": ["encoder.name="]},
        {"overrides": ["baseline.f0.training.parts.prior.lr=-1"]},
        {"overrides": ["data.name=nothing"]},
        {"overrides": ["data.batch_size=0"]},
        {"overrides": ["seed=99999999999999999999"]},
        {"overrides": ["baseline.fo.training.epochs=2", "evaluation.baselines=[f0]"]},
        {"overrides": ["baseline.model.training.epochs=2", "evaluation.baselines=[model]"]},
        {"preset": "papre"},
        {"data_dir": "/nowhere"},
        {"resume": True},
    ],
)
def test_a_mistake_writes_nothing(toy, tmp_path, mistake):
    with pytest.raises(UsageError):
        run_recipe(toy, **{"preset": "", **mistake}, out=tmp_path / "run", log=silent)
    assert not (tmp_path / "run").exists()


def test_a_folder_in_use_is_not_overwritten(run, toy):
    with pytest.raises(UsageError, match="--resume"):
        run_recipe(toy, "", out=run.folder, log=silent)


@pytest.mark.usefixtures("undrawn")
def test_one_process_at_a_time(toy, tmp_path):
    folder = tmp_path / "run"
    with locked(folder), pytest.raises(UsageError, match="Another process is at work"):
        run_recipe(toy, "", out=folder, log=silent)
    assert not folder.joinpath("INCOMPLETE").exists() and not folder.joinpath(".lock").exists()
    run_recipe(toy, "", ALONE, out=folder, log=silent)


@pytest.mark.usefixtures("undrawn")
def test_a_baseline_may_have_metrics_of_its_own(toy, tmp_path):
    run = run_recipe(toy, "", ["baseline.f0.evaluation.metrics=[]"], out=tmp_path / "r", log=silent)
    assert json.loads((run.folder / "metrics.json").read_text())["complete"]


@pytest.mark.usefixtures("undrawn")
def test_a_kill_before_the_first_file_blocks_nothing(toy, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "INCOMPLETE").write_text("begun")
    run_recipe(toy, "", ALONE, out=tmp_path / "run", log=silent)
    assert not (tmp_path / "run" / "INCOMPLETE").exists()


def test_resume_wants_the_same_recipe(run, toy):
    with pytest.raises(UsageError, match="epochs = 5"):
        run_recipe(toy, "", ["training.epochs=5"], out=run.folder, resume=True, log=silent)


def test_resume_minds_not_what_a_recipe_only_says(run, toy):
    text = Path(toy).read_text()
    said = next(line for line in text.splitlines() if line.startswith("expected"))
    Path(toy).write_text(text.replace(said, 'expected = "another figure"'))
    assert run_recipe(toy, "", out=run.folder, resume=True, log=silent).results == run.results


def test_resume_needs_no_more_than_the_name(run, toy):
    again = run_recipe(toy, None, out=run.folder, resume=True, log=silent)
    assert again.recipe == run.recipe and again.recipe.preset == ""
    facts = json.loads((run.folder / "environment.json").read_text())
    assert facts["command"] == "lebm recipe toy.toml"


@pytest.mark.usefixtures("undrawn")
def test_runs_are_numbered(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [run_recipe(toy, "cpu", ALONE, log=silent).folder.as_posix() for _ in range(2)]
    assert names == ["runs/toy-cpu", "runs/toy-cpu-2"]
    assert run_recipe(toy, "cpu", ALONE, resume=True, log=silent).folder.name == "toy-cpu-2"


@pytest.mark.usefixtures("undrawn")
def test_a_divergence_leaves_the_run_marked(toy, tmp_path, monkeypatch):
    def stop(self, metrics):
        raise DivergenceError("The tilt has run away.")

    monkeypatch.setattr(TwoPart, "warnings", stop)
    with pytest.raises(DivergenceError, match="step 5: The tilt has run away"):
        run_recipe(toy, "", out=tmp_path / "run", log=silent)
    assert "run away" in (tmp_path / "run" / "INCOMPLETE").read_text()
    assert "not complete" in report_run(tmp_path / "run").read_text()
    assert "(not complete)" in markdown_table([tmp_path / "run"])


LONG = ["training.epochs=60", "training.checkpoint_every=3"]
SHORTER = ["training.epochs=25", "training.checkpoint_every=3"]


def hear_interrupts():
    """What a background job of a shell starts is deaf to SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def command(toy, toy_environment):
    """Starts the toy recipe by itself; what of it still runs after the test is killed."""
    folder, started = Path(toy_environment["PYTHONPATH"].split(":")[0]), []

    def start(out, *more):
        words = [sys.executable, str(folder / "run_toy.py"), str(toy), str(out), *LONG, *more]
        process = subprocess.Popen(
            words, env=toy_environment, stderr=subprocess.PIPE, text=True,
            preexec_fn=hear_interrupts, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        with process, contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def wait_for_checkpoint(process, out, patience=180.0):
    end = time.monotonic() + patience
    while time.monotonic() < end and process.poll() is None:
        if any((out / "checkpoints").glob("step-*")):
            return
        time.sleep(0.01)
    pytest.fail("no checkpoint was written")


def assert_same(one, other, epochs=60):
    for part in (".", "baselines/f0"):
        a, b = (load_file(out / part / "model" / "model.safetensors") for out in (one, other))
        assert a.keys() == b.keys() and all(a[k].equal(b[k]) for k in a)
        a, b = ((out / part / "samples.csv").read_text() for out in (one, other))
        assert a == b
        lines = [read_metrics(out / part) for out in (one, other)]
        steps = [[line["step"] for line in each if "warning" not in line] for each in lines]
        assert steps[0] == steps[1] == list(range(5, 3 * epochs + 1, 5))
        assert len(lines[0]) == len(lines[1])
    a, b = (json.loads((out / "metrics.json").read_text())["rows"] for out in (one, other))
    assert a == b


def begun(process, out, since, patience=180.0):
    """Wait until a process has begun to work in the run folder."""
    end = time.monotonic() + patience
    mark = out / "INCOMPLETE"
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            if mark.stat().st_mtime_ns > since:
                return
        time.sleep(0.005)


@pytest.mark.usefixtures("undrawn")
def test_a_killed_run_goes_on_as_if_it_had_not_been(toy, command, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run_recipe(toy, "", SHORTER, out=whole, log=silent)
    process = command(cut, *SHORTER)
    wait_for_checkpoint(process, cut)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (cut / "INCOMPLETE").is_file()
    run_recipe(toy, "", SHORTER, out=cut, resume=True, log=silent)
    assert not (cut / "INCOMPLETE").exists() and not list(cut.rglob(".*"))
    assert_same(whole, cut, epochs=25)


KILLS, SOON = 40, {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("jobs", [[], ["--jobs"]], ids=["one process", "workers"])
def test_kills_at_random_moments_lose_nothing(toy, command, tmp_path, jobs):
    chance, left = random.Random(len(jobs)), KILLS // 2
    whole, ended = tmp_path / "whole", 0
    run_recipe(toy, "", LONG, out=whole, log=silent)
    cut = tmp_path / "cut-0"
    while left or cut.exists() or not ended:
        resume = ["--resume"] if (cut / "recipe.toml").is_file() else []
        since = time.time_ns()
        process = command(cut, *resume, *jobs)
        if left:
            begun(process, cut, since)
            time.sleep(chance.uniform(0, 1.5))
            number = chance.choice(list(SOON))
            process.send_signal(number)
            left -= 1
        _, said = process.communicate(timeout=300)
        assert process.returncode in (0, *SOON.values()), said
        killed = process.returncode == -signal.SIGKILL  # a worker may say so while it starts
        assert killed or "Traceback" not in said, said
        if process.returncode == 0:
            assert not (cut / "INCOMPLETE").exists() and not list(cut.rglob(".*"))
            assert_same(whole, cut)
            ended += 1
            cut = tmp_path / f"cut-{ended}"
    assert ended


@pytest.mark.slow
def test_an_interrupt_of_the_parent_reaches_each_worker_once(command, tmp_path):
    out = tmp_path / "run"
    process = command(out, "training.epochs=100000", "--jobs")
    wait_for_checkpoint(process, out)
    wait_for_checkpoint(process, out / "baselines" / "f0")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said and "--resume continues" in said
    for part in (out, out / "baselines" / "f0"):
        assert any((part / "checkpoints").glob("step-*"))
    assert "interrupted" in (out / "INCOMPLETE").read_text()


def test_the_first_report_waits_for_no_metric_and_no_baseline(toy, tmp_path, undrawn, monkeypatch):
    import lebm_core.run.parts as parts

    written, said = [], []
    report = parts.report_run

    def counted(folder, recipe):
        known = {path.parent.parent.name for path in folder.rglob("evaluation/toy.mean.json")}
        written.append((known, (folder / "baselines" / "f0" / "training.json").exists()))
        return report(folder, recipe)

    monkeypatch.setattr(parts, "report_run", counted)
    run = run_recipe(toy, "", out=tmp_path / "run", log=said.append)
    assert written[0] == (set(), False)  # samples and figures alone
    assert ({"run"}, False) in written and written[-1] == ({"run", "f0"}, True)
    first = next(i for i, line in enumerate(said) if "the first report, after" in line)
    assert first < next(i for i, line in enumerate(said) if line.startswith("f0: step"))
    assert (run.folder / "report.html").is_file() and not (run.folder / "INCOMPLETE").exists()
