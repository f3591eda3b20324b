"""The trainer: exact resumption, averaging, and stopping with a clear sentence."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from lebm_core import EBMPrior, GaussianPrior
from lebm_core.errors import DivergenceError, Interrupted, UsageError
from lebm_core.latent.amortized import Amortized
from lebm_core.latent.inference import Persistent, ShortRun
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.two_part import Learning
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.training.loop import train
from lebm_core.run.training.optimizers import part_optimizers, rate_factor
from lebm_core.run.training.options import TrainingOptions
from lebm_core.run.training.tracking import read_metrics

RULES = {
    "variational, density ratio": (LearningOptions(kl_cycles=2), Amortized),
    "mcmc, persistent chains": (
        LearningOptions(decoder="mcmc", tilt="persistent", persistent_chains=30),
        lambda: Persistent(steps=3, step_size=0.1),
    ),
    "mcmc, short-run chains from data": (
        LearningOptions(decoder="mcmc", tilt="short-run", chain_init="data"),
        lambda: ShortRun(steps=3, init="data"),
    ),
    "variational, the tilt goes on afterwards": (
        LearningOptions(finish_steps=4, finish_batch=16, persistent_chains=30),
        Amortized,
    ),
}


class Stop(Exception):
    """The crash that a test asks for."""


@pytest.fixture
def make(toy, tmp_path):
    import lebm_toy

    def start(folder, rule="variational, density ratio", crash=None, resume=False, prior=None, **o):
        torch.manual_seed(3)
        learning, inference = RULES[rule]
        prior = EBMPrior(2, hidden=[16], steps=4) if prior is None else prior
        model = LatentEBM(
            prior, lebm_toy.ToyDecoder(2, 2), lebm_toy.ToyEncoder(2, 2), inference()
        )
        data = lebm_toy.ToyData(64, 0)
        plain, steps = data.batch, []

        def batch(split, index):
            steps.append(index.tolist())
            if crash is not None and len(steps) > crash:
                raise Stop
            return plain(split, index)

        data.batch = batch
        settings = {"epochs": 6, "checkpoint_every": 4, "log_every": 3, "ema": 0.9, "device": "cpu"}
        options = TrainingOptions(**{**settings, **o})
        told = []
        try:
            result = train(
                model, data, Learning(learning), options, batch_size=16, seed=5,
                folder=tmp_path / folder, resume=resume, log=told.append,
            )  # fmt: skip
        except Stop:
            result = None
        return model, result, told, steps

    return start


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("crash", [1, 4, 11])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=GPU)])
def test_resuming_is_exact(make, tmp_path, rule, crash, device):
    whole, result, _, order = make("whole", rule, device=device)
    make("cut", rule, crash=crash, device=device)
    resumed, again, _, rest = make("cut", rule, resume=True, device=device)
    assert result.steps == again.steps == 18
    assert torch.equal(weights(whole), weights(resumed))
    assert order[-len(rest) :] == rest
    plain = [{k: v for k, v in r.items() if k != "seconds"} for r in read_metrics(tmp_path / "cut")]
    expected = read_metrics(tmp_path / "whole")
    assert plain == [{k: v for k, v in r.items() if k != "seconds"} for r in expected]


def test_metrics_have_every_logged_step_once(make, tmp_path):
    make("run", crash=11)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "loss/pri')
    make("run", resume=True)
    assert [r["step"] for r in read_metrics(tmp_path / "run")] == [3, 6, 9, 12, 15, 18]


def test_a_damaged_checkpoint_costs_only_time(make, tmp_path):
    whole, *_ = make("whole")
    make("cut", crash=11)
    (tmp_path / "cut" / "checkpoints" / "step-00000008" / "state.safetensors").write_bytes(b"")
    resumed, _, told, rest = make("cut", resume=True)
    assert any("step-00000008 is damaged" in text for text in told)
    assert len(rest) == 18 - 4
    assert torch.equal(weights(whole), weights(resumed))


def test_the_order_depends_on_seed_and_epoch_alone(make):
    orders = [make(f"run{i}", epochs=2)[3] for i in range(2)]
    assert orders[0] == orders[1]
    first, second = orders[0][:3], orders[0][3:]
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(48))
    assert first != second


def test_the_prior_that_remains_is_the_average(make, monkeypatch):
    from lebm_core.run.training import loop as training

    seen = []
    step = training._Training._advance

    def watch(self, index):
        step(self, index)
        seen.append(weights(self.model.prior))

    monkeypatch.setattr(training._Training, "_advance", watch)
    model, *_ = make("run", epochs=2, ema=0.5)
    average = seen[0]
    for now in seen[1:]:
        average = 0.5 * average + 0.5 * now
    assert torch.allclose(weights(model.prior), average, atol=1e-7)
    assert not torch.allclose(weights(model.prior), seen[-1], atol=1e-7)


def test_a_prior_without_parameters_trains(make):
    _, result, _, _ = make("run", prior=GaussianPrior(2))
    assert result.steps == 18


def test_max_steps_and_bf16(make, tmp_path):
    model, result, _, _ = make("run", max_steps=5, precision="bf16")
    assert result.steps == 5 and result.epochs == pytest.approx(5 / 3)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert read_metrics(tmp_path / "run")[-1]["step"] == 5


def test_clipping_bounds_each_part(make):
    model, *_ = make("run", max_steps=1)
    parts = part_optimizers(model, TrainingOptions(clip_decoder=0.1))
    assert list(parts) == ["prior", "decoder", "encoder"]
    for part in parts.values():
        for p in part.parameters:
            p.grad = torch.ones_like(p)
    for part in parts.values():
        part.step(part.norm(), 0.0)
    assert float(parts["decoder"].norm()) == pytest.approx(0.1, rel=1e-3)
    assert float(parts["encoder"].norm()) > 1


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0]),
        ("cosine", [0.5, 1.0, 0.5, 0.0]),
        ("exponential", [0.5, 1.0, 0.9, 0.81]),
    ],
)
def test_schedules(schedule, expected):
    options = TrainingOptions(schedule=schedule, warmup_steps=2, decay=0.9)
    places = [(0, 0), (2, 0), (6, 1), (10, 2)]
    found = [rate_factor(options, step, 10, epoch) for step, epoch in places]
    assert found == pytest.approx(expected)


def test_a_loss_that_is_not_finite_stops_with_advice(make, tmp_path, monkeypatch):
    call = Learning.__call__

    def broken(self, model, batch, *, progress=0.0, generator=None):
        found = call(self, model, batch, progress=progress, generator=generator)
        if progress > 0.5:
            found.losses["decoder"] = found.losses["decoder"] * float("nan")
        return found

    monkeypatch.setattr(Learning, "__call__", broken)
    with pytest.raises(DivergenceError, match=r"step 11: .*decoder.*nan.*lr_decoder.*00000008"):
        make("run")
    kept = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == ["step-00000004", "step-00000008"]


def test_warnings_are_shown_and_written(make, tmp_path, monkeypatch):
    sentences = iter(f"the gap is {n} nats" for n in range(100))
    monkeypatch.setattr(Learning, "warnings", lambda self, metrics: [next(sentences)])
    _, result, told, _ = make("run")
    assert result.warnings == ["the gap is 0 nats"]
    assert sum("the gap" in text for text in told) == 1
    assert sum("warning" in r for r in read_metrics(tmp_path / "run")) == 6


@pytest.mark.parametrize("moment", [7, 18])
def test_sigint_saves_and_resumes_exactly(make, monkeypatch, moment):
    from lebm_core.run.training import loop as training

    step = training._Training._advance

    def interrupt(self, index):
        step(self, index)
        if self.step == moment:
            os.kill(os.getpid(), signal.SIGINT)

    whole, *_ = make("whole")
    with monkeypatch.context() as patch:
        patch.setattr(training._Training, "_advance", interrupt)
        with pytest.raises(Interrupted, match=f"step {moment} of 18") as caught:
            make("cut")
    assert caught.value.exit_code == 130
    resumed, *_ = make("cut", resume=True)
    assert torch.equal(weights(whole), weights(resumed))


def test_sigint_while_the_tilt_goes_on_costs_only_that(make, monkeypatch):
    rule, finish = "variational, the tilt goes on afterwards", Learning.finish

    def interrupt(self, model, *rest):
        finish(self, model, *rest)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the signal has not arrived")

    whole, *_ = make("whole", rule)
    # A shell starts what runs in the background with the signal ignored, these tests too.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Learning, "finish", interrupt)
            with pytest.raises(KeyboardInterrupt):
                make("cut", rule)
    finally:
        signal.signal(signal.SIGINT, inherited)
    resumed, _, told, _ = make("cut", rule, resume=True)
    assert any("goes on from step 18 of 18" in text for text in told)
    assert torch.equal(weights(whole), weights(resumed))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0), ("max_steps", 0), ("lr_prior", -1.0), ("clip_decoder", 0.0), ("ema", 1.0),
        ("schedule", "linear"), ("precision", "fp8"), ("log_every", 0), ("device", "tpu"),
    ],
)  # fmt: skip
def test_impossible_options_are_refused(make, tmp_path, key, value):
    with pytest.raises(UsageError, match=f"training.{key} = {value}"):
        make("run", **{key: value})
    assert not (tmp_path / "run").exists()


def test_a_folder_in_use_is_refused(make):
    make("run", max_steps=4)
    with pytest.raises(UsageError, match="already holds checkpoints"):
        make("run")


def launch(environment, tmp_path, steps, *more):
    script = str(next(p for p in environment["PYTHONPATH"].split(os.pathsep) if p.endswith("toy")))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone",
         f"{script}/two_processes.py", str(tmp_path / "out"), str(steps), *more],
        env=environment, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads((tmp_path / "out" / f"rank-{r}-{steps}.json").read_text()) for r in (0, 1)]


def test_two_processes_stay_equal_and_resume(toy_environment, tmp_path):
    first, second = launch(toy_environment, tmp_path, 5)
    assert first["processes"] == 2 and first["steps"] == 5
    assert first["weights"] == second["weights"]
    assert (tmp_path / "out" / "checkpoints" / "step-00000005" / "state-1.safetensors").is_file()
    again = launch(toy_environment, tmp_path, 8, "--resume")
    assert again[0]["weights"] == again[1]["weights"] != first["weights"]


def test_tensorboard_gets_the_same_figures(make, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    make("run", tensorboard=True)
    (events,) = (tmp_path / "run").rglob("events.out.tfevents.*")
    found = accumulator.EventAccumulator(str(events)).Reload().Scalars("loss/prior")
    expected = {r["step"]: r["loss/prior"] for r in read_metrics(tmp_path / "run")}
    assert {e.step: e.value for e in found} == pytest.approx(expected, rel=1e-6)


def test_a_terminal_shows_a_bar_and_a_file_plain_lines(monkeypatch, capsys):
    from lebm_core.run.training import tracking

    told = []
    monkeypatch.delenv(tracking.PLAIN, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    bar = tracking.Progress("model", 4, 1, told.append)
    bar.advance()
    bar.report({"loss/prior": 0.25, "kl": 3.0})
    bar.close()
    shown = capsys.readouterr().err
    assert "2/4" in shown and "loss/prior 0.25" in shown and "kl" not in shown and not told
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    lines = tracking.Progress("model", 2, 1, told.append)
    lines.advance()
    lines.report({"loss/prior": 0.25})
    assert told == ["model: step 2/2, 0 s left  loss/prior 0.25"]


def test_moments_come_back_in_the_memory_order_of_their_weights():
    """The fused update goes through memory: a file keeps no channels-last order."""
    from lebm_images.networks.decoder import DeconvDecoder

    def started(state=None):
        torch.manual_seed(0)
        model = LatentEBM(GaussianPrior(4), DeconvDecoder(4, 1, 8, width=0.25))
        part = part_optimizers(model, TrainingOptions())["decoder"]
        generator = torch.Generator().manual_seed(1)
        for _ in range(2 if state is None else 0):
            for p in part.parameters:
                p.grad = torch.empty_like(p).copy_(torch.randn(p.shape, generator=generator))
            part.step(part.norm(), 1.0)
        return model, part

    model, part = started()
    assert any(not p.is_contiguous() for p in part.parameters)
    stored = {name: value.clone(memory_format=torch.contiguous_format)
              for name, value in part.state().items()}  # fmt: skip
    again, other = started(stored)
    again.load_state_dict(model.state_dict())
    other.load_state(stored)
    for each in (part, other):
        generator = torch.Generator().manual_seed(2)
        for p in each.parameters:
            p.grad = torch.empty_like(p).copy_(torch.randn(p.shape, generator=generator))
        each.step(each.norm(), 1.0)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
