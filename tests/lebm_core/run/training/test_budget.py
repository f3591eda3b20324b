"""How many steps a training makes: at least so many, and no more than the time allows."""

import time

import torch

from lebm_core.run.training.tracking import read_metrics


def test_few_examples_are_seen_more_often(make):
    _, result, _, steps = make("more", epochs=1, min_steps=10)
    assert result.steps == 10 == len(steps)
    assert result.epochs == 10 / 3  # an epoch has three batches
    _, result, _, _ = make("enough", epochs=6, min_steps=10)
    assert result.steps == 18
    _, result, _, _ = make("capped", epochs=1, min_steps=10, max_steps=4)
    assert result.steps == 4


def test_a_training_ends_within_its_time_and_its_schedule_with_it(make, watch, tmp_path):
    slow = watch(lambda state: time.sleep(0.01))
    began = time.monotonic()
    _, result, lines, _ = make(
        "short", epochs=10_000, minutes=1.5 / 60, schedule="cosine", callbacks=[slow]
    )
    assert time.monotonic() - began < 6
    assert 25 <= result.steps < 300 and result.seconds < 1.5 * 1.5 + 0.5
    assert any(f"{result.steps} of 30000 steps fit into 0.025 minutes" in line for line in lines)
    last = read_metrics(tmp_path / "short")[-1]
    assert last["step"] == result.steps
    assert 0 < last["lr/decoder"] < 1e-3 * 0.02  # a cosine of these steps, not of 30,000


def test_a_shortened_training_is_resumed_to_the_same_weights(make, weights, tmp_path):
    whole, result, _, _ = make("whole", epochs=10_000, minutes=1e-9, checkpoint_every=26)
    assert result.steps == 25  # the time was up when it was measured
    given = {"epochs": 10, "min_steps": 31, "minutes": 5.0, "checkpoint_every": 26}
    make("cut", crash=28, **given)
    resumed, again, _, rest = make("cut", resume=True, **given)
    whole, once, _, _ = make("once", **given)
    assert once.steps == again.steps == 31 and len(rest) == 5
    assert torch.equal(weights(whole), weights(resumed))
