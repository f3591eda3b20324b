"""Checkpoints: what is written comes back bit for bit, and damage is found."""

import json
import shutil

import pytest
import torch

from lebm_core.base.files import write_atomically
from lebm_core.errors import RunError
from lebm_core.run.training.checkpoint import latest_checkpoint, save_checkpoint
from lebm_core.run.training.state import Means


def tensors(step):
    generator = torch.Generator().manual_seed(step)
    tied = torch.randn(3, 4, generator=generator)
    return {
        "model/a": tied,
        "model/tied": tied,
        "model/transposed": tied.t(),
        "model/half": torch.randn(5, generator=generator).bfloat16(),
        "model/empty": torch.zeros(0, 3),
        "random/state": generator.get_state(),
        "steps": torch.tensor(step),
    }


@pytest.fixture
def written(tmp_path):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, tensors(step), {"epoch": step, "means": {"x": [0.1, 3]}})
    return tmp_path


def test_round_trip_is_exact_and_two_are_kept(written):
    assert sorted(p.name for p in written.iterdir()) == ["step-00000002", "step-00000003"]
    found = latest_checkpoint(written, pytest.fail)
    assert found.state["step"] == 3 and found.state["means"] == {"x": [0.1, 3]}
    for name, value in tensors(3).items():
        assert found.tensors[name].dtype == value.dtype
        assert torch.equal(found.tensors[name], value)


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (lambda f: flip(f / "state.safetensors"), "checksum"),
        (lambda f: (f / "state.safetensors").write_bytes(b"\x08"), "bytes"),
        (lambda f: (f / "state.safetensors").unlink(), "missing"),
        (lambda f: (f / "state.json").write_text('{"format": 1, "st'), "unreadable"),
        (lambda f: (f / "state.json").unlink(), "unreadable"),
    ],
)
def test_damage_is_told_and_the_one_before_is_used(written, harm, word):
    harm(written / "step-00000003")
    told = []
    found = latest_checkpoint(written, told.append)
    assert found.state["step"] == 2
    assert len(told) == 1 and "step-00000003" in told[0] and word in told[0]
    assert (written / "damaged-step-00000003").is_dir()
    save_checkpoint(written, 3, tensors(3), {})
    assert latest_checkpoint(written, pytest.fail).state["step"] == 3


def test_all_damaged_is_none(written):
    for step in (2, 3):
        flip(written / f"step-{step:08d}" / "state.safetensors")
    told = []
    assert latest_checkpoint(written, told.append) is None
    assert len(told) == 2


def test_leftovers_of_a_kill_are_removed(written):
    shutil.copytree(written / "step-00000003", written / ".step-00000004")
    (written / ".step-00000004" / "state.json").unlink()
    assert latest_checkpoint(written, pytest.fail).state["step"] == 3
    assert not (written / ".step-00000004").exists()


def test_a_step_written_again_replaces_the_old(written):
    save_checkpoint(written, 3, tensors(9), {})
    found = latest_checkpoint(written, pytest.fail)
    assert torch.equal(found.tensors["model/a"], tensors(9)["model/a"])


def test_another_format_or_number_of_processes_is_refused(written):
    with pytest.raises(RunError, match="1 process"):
        latest_checkpoint(written, pytest.fail, rank=1)
    path = written / "step-00000003" / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(RunError, match="format 99"):
        latest_checkpoint(written, pytest.fail)


def test_no_folder_is_no_checkpoint(tmp_path):
    assert latest_checkpoint(tmp_path / "none", pytest.fail) is None


def test_nothing_pickled_is_read(written):
    torch.save({"model/a": torch.zeros(1)}, written / "step-00000003" / "state.safetensors")
    assert latest_checkpoint(written, lambda text: None).state["step"] == 2


def test_text_is_written_as_a_whole(tmp_path):
    path = tmp_path / "metrics.json"
    write_atomically(path, "one")
    write_atomically(path, "two")
    assert path.read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_means_are_those_of_the_values_as_they_were_and_saving_changes_no_digit():
    values = torch.randn(40, generator=torch.Generator().manual_seed(0)).tolist()
    weight, told = torch.zeros(()), Means()
    saved = Means()
    for value in values:
        for means in (told, saved):
            weight.fill_(value)  # in place, as an optimiser moves a parameter
            means.add({"weight": weight, "rows": torch.full((3,), value), "share": value / 3})
        saved = Means(json.loads(json.dumps(saved.state())))
    weight.fill_(9.0)
    found = told.take()
    exact = [float(torch.tensor(v)) for v in values]
    assert found["weight"] == sum(exact) / 40 and found["share"] == sum(v / 3 for v in values) / 40
    assert found["rows"] == pytest.approx(sum(exact) / 40, abs=1e-6)
    assert found == saved.take() and told.take() == {}
