"""The training loop: exact resumption, averaging, interruption, several processes."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from torch import nn

from lebm_core.errors import DivergenceError, Interrupted, UsageError
from lebm_core.latent.amortized import Amortized
from lebm_core.latent.chains import Persistent, ShortRun
from lebm_core.learning.refit import Refit
from lebm_core.learning.rules import Outcome, Rule
from lebm_core.learning.two_part import TwoPart
from lebm_core.priors.ebm import EBMPrior
from lebm_core.priors.gaussian import GaussianPrior
from lebm_core.run.process.signals import signal_of
from lebm_core.run.training.callback import Callback
from lebm_core.run.training.loop import train
from lebm_core.run.training.options import TrainingOptions
from lebm_core.run.training.tracking import read_metrics

REFITTED = (
    lambda: TwoPart(refit=Refit(steps=4, batch=16, rule={"chains": 30})),
    Amortized,
)
RULES = {
    "variational, density ratio": (lambda: TwoPart(decoder={"kl_cycles": 2}), Amortized),
    "mcmc, persistent chains": (
        lambda: TwoPart("mcmc", {"name": "persistent", "chains": 30}),
        lambda: Persistent({"steps": 3, "step_size": 0.1}),
    ),
    "mcmc, short-run chains from data": (
        lambda: TwoPart("mcmc", {"name": "short-run", "chain_init": "data"}),
        lambda: ShortRun({"steps": 3}, init="data"),
    ),
    "variational, the prior refitted afterwards": REFITTED,
}
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("crash", [1, 4, 11])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=GPU)])
def test_resuming_is_exact(make, weights, tmp_path, rule, crash, device):
    rule = RULES[rule]
    whole, result, _, order = make("whole", rule, device=device)
    make("cut", rule, crash=crash, device=device)
    resumed, again, _, rest = make("cut", rule, resume=True, device=device)
    assert result.steps == again.steps == 18
    assert torch.equal(weights(whole), weights(resumed))
    assert order[-len(rest) :] == rest
    plain = [{k: v for k, v in r.items() if k != "seconds"} for r in read_metrics(tmp_path / "cut")]
    expected = read_metrics(tmp_path / "whole")
    assert plain == [{k: v for k, v in r.items() if k != "seconds"} for r in expected]


def test_a_damaged_checkpoint_costs_only_time(make, weights, tmp_path):
    whole, *_ = make("whole")
    make("cut", crash=11)
    (tmp_path / "cut" / "checkpoints" / "step-00000008" / "state.safetensors").write_bytes(b"")
    resumed, _, lines, rest = make("cut", resume=True)
    assert any("step-00000008 is damaged" in text for text in lines)
    assert len(rest) == 18 - 4
    assert torch.equal(weights(whole), weights(resumed))


def test_the_order_depends_on_seed_and_epoch_alone(make):
    orders = [make(f"run{i}", epochs=2)[3] for i in range(2)]
    assert orders[0] == orders[1]
    first, second = orders[0][:3], orders[0][3:]
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(48))
    assert first != second


def test_the_prior_that_remains_is_the_average(make, weights, watch):
    seen = []
    look = watch(lambda state: seen.append(weights(state.model.prior)))
    model, *_ = make("run", epochs=2, ema=0.5, callbacks=[look])
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


class Pair(nn.Module):
    """Another family of models: two parts, neither a prior nor a decoder."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(2, 2), nn.Linear(2, 2)

    def parts(self):
        return {"left": self.left, "right": self.right}


class Agree(Rule):
    def __call__(self, model, batch, *, progress=0.0, generator=None):
        loss = (model.left(batch.x) - model.right(batch.x)).square().mean()
        return Outcome({"both": loss}, {"apart": loss.detach()})


class Reports(Callback):
    def __init__(self):
        self.records = []

    def after_report(self, state, record):
        self.records.append(record)


def test_any_model_with_parts_and_any_rule_train(toy):
    import lebm_toy

    torch.manual_seed(0)
    reports = Reports()
    options = TrainingOptions(epochs=3, log_every=1, device="cpu", lr=0.05)
    result = train(
        Pair(), lebm_toy.ToyData(64, 0), Agree(), options, batch_size=16, callbacks=[reports]
    )
    apart = [record["apart"] for record in reports.records]
    assert result.steps == len(apart) == 9 and apart[-1] < apart[0]
    assert {"gradient/left", "gradient/right", "loss/both"} <= set(reports.records[0])
    lines = []
    averaged = TrainingOptions(epochs=1, device="cpu", ema=0.9)
    result = train(
        Pair(), lebm_toy.ToyData(64, 0), Agree(), averaged, batch_size=16, log=lines.append
    )
    assert "training.ema = 0.9 has no effect" in result.warnings[0] and "left, right" in lines[0]
    broken = TrainingOptions(epochs=3, device="cpu", lr=1e30)
    with pytest.raises(DivergenceError, match=r"model, step \d+: The .* lower training"):
        train(Pair(), lebm_toy.ToyData(64, 0), Agree(), broken, batch_size=16)


@pytest.mark.parametrize(
    ("moment", "name", "times"),
    [(7, "SIGINT", 1), (18, "SIGTERM", 1), (5, "SIGHUP", 1), (4, "SIGXCPU", 3)],
)
def test_a_signal_saves_and_resumes_exactly(make, weights, watch, moment, name, times):
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip(f"this system has no {name}")

    def interrupt(state):
        if state.step == moment:
            for _ in range(times):  # the limit of processor time is said again and again
                os.kill(os.getpid(), number)

    whole, *_ = make("whole")
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"step {moment} of 18") as caught:
        make("cut", callbacks=[watch(interrupt)])
    assert caught.value.exit_code == 128 + number and signal.getsignal(number) == before
    resumed, *_ = make("cut", resume=True)
    assert torch.equal(weights(whole), weights(resumed))


def test_sigint_during_the_refit_costs_only_that(make, weights, monkeypatch):
    finish = TwoPart.finish

    def interrupt(self, model, *rest):
        finish(self, model, *rest)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the signal has not arrived")

    whole, *_ = make("whole", REFITTED)
    # A shell starts what runs in the background with the signal ignored, these tests too.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(TwoPart, "finish", interrupt)
            with pytest.raises(KeyboardInterrupt):
                make("cut", REFITTED)
    finally:
        signal.signal(signal.SIGINT, inherited)
    resumed, _, lines, _ = make("cut", REFITTED, resume=True)
    assert any("resumes at step 18 of 18" in text for text in lines)
    assert torch.equal(weights(whole), weights(resumed))


def test_a_second_signal_ends_at_once(make, watch):
    def interrupt(state):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt) as caught:
        make("cut", callbacks=[watch(interrupt)])
    assert signal_of(caught.value) == signal.SIGTERM


def test_a_checkpoint_of_another_model_is_refused(make):
    make("run", crash=5)
    other = EBMPrior(2, energy={"hidden": [8]}, sampler={"steps": 4})
    with pytest.raises(UsageError, match="step-00000004 is not one of this training: size"):
        make("run", prior=other, resume=True)


def test_a_folder_in_use_is_refused(make):
    make("run", max_steps=4)
    with pytest.raises(UsageError, match="already holds checkpoints"):
        make("run")


TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone")


def launch(environment, tmp_path, launcher, *steps):
    script = str(next(p for p in environment["PYTHONPATH"].split(os.pathsep) if p.endswith("toy")))
    command = [
        sys.executable, *launcher, f"{script}/two_processes.py", str(tmp_path / "out"),
        *map(str, steps),
    ]  # fmt: skip
    running = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        _, errors = running.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)  # its workers too, which hold the pipe open
        raise
    assert running.returncode == 0, errors
    out = tmp_path / "out"
    return [[json.loads((out / f"rank-{r}-{n}.json").read_text()) for r in (0, 1)] for n in steps]


@pytest.mark.parametrize("launcher", [(), pytest.param(TORCHRUN, marks=pytest.mark.slow)])
def test_two_processes_stay_equal_and_resume(toy_environment, tmp_path, launcher):
    (first, second), again = launch(toy_environment, tmp_path, launcher, 5, 8)
    assert first["processes"] == 2 and first["steps"] == 5
    assert first["weights"] == second["weights"]
    assert (tmp_path / "out" / "checkpoints" / "step-00000008" / "state-1.safetensors").is_file()
    assert again[0]["weights"] == again[1]["weights"] != first["weights"]
