"""Options of a training, and the optimisers of its parts."""

import pytest
import torch

from lebm_core.errors import UsageError
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.gaussian import GaussianPrior
from lebm_core.run.training.optimizers import part_optimizers, rate_factor
from lebm_core.run.training.options import PartOptions, TrainingOptions


def test_each_part_has_options_of_its_own(make):
    model, *_ = make("run", max_steps=1)
    options = TrainingOptions(
        lr=0.5, parts={"decoder": {"clip": 0.1}, "encoder": PartOptions(0.2, None, 0.3)}
    )
    parts = part_optimizers(model, options)
    assert list(parts) == ["prior", "decoder", "encoder"]
    assert [part.lr for part in parts.values()] == [0.5, 0.5, 0.2]
    decay = [part.optimizer.param_groups[0]["weight_decay"] for part in parts.values()]
    assert decay == [0.0, 0.0, 0.3]
    for part in parts.values():
        for p in part.parameters:
            p.grad = torch.ones_like(p)
    for part in parts.values():
        part.step(part.norm(), 0.0)
    assert float(parts["decoder"].norm()) == pytest.approx(0.1, rel=1e-3)
    assert float(parts["encoder"].norm()) > 1


def test_options_of_an_unknown_part_are_refused(make):
    with pytest.raises(UsageError, match='has "prio".*Did you mean "prior".*prior, decoder, enc'):
        make("run", parts={"prio": PartOptions(lr=0.1)})
    import lebm_toy

    # A part that this model could have and does not: a baseline's recipe keeps its options.
    model = LatentEBM(GaussianPrior(2), lebm_toy.ToyDecoder(2, 2))
    assert list(part_optimizers(model, TrainingOptions(parts={"encoder": PartOptions()}))) == [
        "decoder"
    ]


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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0), ("max_steps", 0), ("lr", -1.0), ("warmup_steps", -1), ("ema", 1.0),
        ("schedule", "linear"), ("precision", "fp8"), ("log_every", 0), ("device", "tpu"),
    ],
)  # fmt: skip
def test_impossible_options_are_refused(make, tmp_path, key, value):
    with pytest.raises(UsageError, match=f"training.{key} = {value}"):
        make("run", **{key: value})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("option", "value"), [("lr", -1.0), ("clip", 0.0), ("weight_decay", -1.0)])
def test_impossible_options_of_a_part_are_refused(make, option, value):
    said = f"training.parts.decoder.{option} = {value} is not possible"
    with pytest.raises(UsageError, match=said):
        make("run", parts={"decoder": PartOptions(**{option: value})})


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


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch finds a GPU")
def test_a_gpu_that_is_not_there_is_refused(make, tmp_path):
    with pytest.raises(UsageError, match='training.device = "cuda", but no GPU is found'):
        make("run", device="cuda")
    assert not (tmp_path / "run").exists()
