"""What a training writes and prints, and what ends it early."""

import sys

import pytest
import torch

from lebm_core.errors import DivergenceError, MissingExtra, UsageError
from lebm_core.learning.two_part import TwoPart
from lebm_core.run.training.callbacks import EarlyStopping
from lebm_core.run.training.trackers import check_trackers
from lebm_core.run.training.tracking import PLAIN, ProgressBar, read_metrics


def test_metrics_have_every_logged_step_once(make, tmp_path):
    make("run", crash=11)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "loss/pri')
    make("run", resume=True)
    assert [r["step"] for r in read_metrics(tmp_path / "run")] == [3, 6, 9, 12, 15, 18]


def test_a_loss_that_is_not_finite_stops_with_advice(make, tmp_path, monkeypatch):
    call = TwoPart.__call__

    def broken(self, model, batch, *, progress=0.0, generator=None):
        outcome = call(self, model, batch, progress=progress, generator=generator)
        if progress > 0.5:
            outcome.losses["decoder"] = outcome.losses["decoder"] * float("nan")
        return outcome

    monkeypatch.setattr(TwoPart, "__call__", broken)
    said = r"step 11: .*decoder.*nan.*training\.parts\.decoder\.lr.*step-00000008"
    with pytest.raises(DivergenceError, match=said):
        make("run")
    kept = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == ["step-00000004", "step-00000008"]


def test_warnings_are_shown_and_written(make, tmp_path, monkeypatch):
    sentences = iter(f"the gap is {n} nats" for n in range(100))
    monkeypatch.setattr(TwoPart, "warnings", lambda self, metrics: [next(sentences)])
    _, result, lines, _ = make("run")
    assert result.warnings == ["the gap is 0 nats"]
    assert sum("the gap" in text for text in lines) == 1
    assert sum("warning" in r for r in read_metrics(tmp_path / "run")) == 6


def test_a_rule_may_stop_the_training(make, tmp_path, monkeypatch):
    def stop(self, metrics):
        raise DivergenceError("The tilt has run away.")

    monkeypatch.setattr(TwoPart, "warnings", stop)
    with pytest.raises(DivergenceError, match="model, step 3: The tilt has run away. .there is no"):
        make("run")
    assert [r["step"] for r in read_metrics(tmp_path / "run")] == [3]


def test_early_stopping_keeps_the_weights_of_the_best_epoch(make, weights, watch, tmp_path):
    scores, seen = iter([1.0, 3.0, 2.0, 2.5, 9.0]), {}
    stopping = EarlyStopping(lambda: next(scores), patience=2, name="held_out")
    look = watch(lambda state: seen.update({state.step: weights(state.model)}))
    model, result, *_ = make("run", ema=0.0, callbacks=[stopping, look])
    assert result.steps == 12 and result.epochs == 4
    assert torch.equal(weights(model), seen[6])
    found = [r["held_out"] for r in read_metrics(tmp_path / "run")]
    assert found == [1.0, 3.0, 2.0, 2.5]
    assert (tmp_path / "run" / "checkpoints" / "step-00000012").is_dir()


def test_tensorboard_gets_the_same_figures(make, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    make("run", trackers=["tensorboard"])
    (events,) = (tmp_path / "run").rglob("events.out.tfevents.*")
    found = accumulator.EventAccumulator(str(events)).Reload().Scalars("loss/prior")
    expected = {r["step"]: r["loss/prior"] for r in read_metrics(tmp_path / "run")}
    assert {e.step: e.value for e in found} == pytest.approx(expected, rel=1e-6)


def test_trackio_gets_the_same_figures(make, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "kept"))
    trackio = pytest.importorskip("trackio", reason="trackio is not installed")
    make("run", trackers=["trackio"])
    logged = trackio.SQLiteStorage.get_logs("lebm", "run")
    expected = {r["step"]: r["loss/prior"] for r in read_metrics(tmp_path / "run")}
    assert {r["step"]: r["loss/prior"] for r in logged} == pytest.approx(expected, rel=1e-6)


def test_mlflow_gets_the_same_figures(make, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/kept.db")
    make("run", trackers=["mlflow"])
    (run,) = mlflow.search_runs(experiment_names=["lebm"], output_format="list")
    assert run.info.run_name == "run"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss/prior")
    expected = {r["step"]: r["loss/prior"] for r in read_metrics(tmp_path / "run")}
    assert {each.step: each.value for each in history} == pytest.approx(expected, rel=1e-6)


def test_an_unknown_tracker_and_one_that_is_not_there_are_refused(monkeypatch):
    with pytest.raises(UsageError, match='"trackyo".*Did you mean "trackio"'):
        check_trackers(["trackyo"])
    monkeypatch.setattr("lebm_core.run.training.trackers.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"lebm\[wandb\]"):
        check_trackers(["wandb"])


def test_a_terminal_shows_a_bar_and_a_file_plain_lines(make, monkeypatch, capsys):
    monkeypatch.delenv(PLAIN, raising=False)
    monkeypatch.setattr(ProgressBar, "INTERVAL", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    _, _, lines, _ = make("bar", max_steps=4)
    shown = capsys.readouterr().err
    assert "4/4" in shown and "loss/prior" in shown and not lines
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    _, _, lines, _ = make("lines", max_steps=4)
    assert [text[:17] for text in lines] == ["model: step 3/4, ", "model: step 4/4, "]
    assert "0 s left  loss/" in lines[1] and "kl " not in lines[1]
