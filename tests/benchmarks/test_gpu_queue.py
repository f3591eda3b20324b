"""What the GPU queue carries from one machine to the next."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import gpu_queue  # noqa: E402


def test_a_run_travels_in_parts_without_its_older_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_queue, "PART", 4096)
    first = gpu_queue.State(tmp_path / "none", tmp_path / "out", tmp_path / "here")
    run, noise = tmp_path / "here" / "a-run", random.Random(0)
    for step in (100, 200):
        folder = run / "checkpoints" / f"step-{step:08d}"
        folder.mkdir(parents=True)
        (folder / "state.safetensors").write_bytes(noise.randbytes(9000))
    (run / "metrics.jsonl").write_text('{"step": 200}\n')
    (run / ".lock").touch()
    assert first.pack("a-run") == ""
    parts = sorted((tmp_path / "out").glob("a-run.tar.*"))
    assert len(parts) == 3 and max(part.stat().st_size for part in parts) <= 4096
    second = gpu_queue.State(tmp_path / "out", tmp_path / "next", tmp_path / "there")
    there = second.unpack("a-run")
    found = {str(path.relative_to(there)) for path in there.rglob("*") if path.is_file()}
    newest = "checkpoints/step-00000200/state.safetensors"
    assert found == {newest, "metrics.jsonl"}
    assert (there / newest).read_bytes() == (run / newest).read_bytes()


def test_a_run_that_is_too_large_is_not_carried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_queue, "PART", 4096)
    state = gpu_queue.State(tmp_path / "none", tmp_path / "out", tmp_path / "runs")
    (tmp_path / "runs" / "large").mkdir()
    (tmp_path / "runs" / "large" / "weights").write_bytes(random.Random(0).randbytes(40_000))
    assert "MB" in state.pack("large")
    assert not list((tmp_path / "out").glob("large*"))


def test_the_page_has_what_has_run_alone(tmp_path: Path) -> None:
    state = gpu_queue.State(tmp_path, tmp_path, tmp_path / "runs")
    state.records["speed"] = gpu_queue.Record("speed", "done", text="| a | b |\nnoise")
    state.records["text-ptb"] = gpu_queue.Record("text-ptb", "done", values={"nll": [100.5, 0.25]})
    state.save()
    text = gpu_queue.page(gpu_queue.State(tmp_path, tmp_path, tmp_path / "runs"))
    assert "| nll | 100.5 | 0.25 |" in text and "| a | b |" in text and "noise" not in text
    assert "image-mnist" not in text
