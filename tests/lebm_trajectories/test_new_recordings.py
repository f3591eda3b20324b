"""From a recording to answers about another: by Python and by the command, in the file's unit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lebm_core.errors import UsageError
from lebm_core.run.cli import main
from lebm_core.run.run import run_recipe
from lebm_core.run.trained import Run
from lebm_trajectories.data import sources
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.options import TrajectoryOptions

TINY = ["training.max_steps=2", "evaluation.metrics=[]", "evaluation.baselines=[]",
        "evaluation.samples=4", 'data.classes="behaviour"', 'prior.name="coupled"']  # fmt: skip


def walk(path: Path, *, step: float = 0.5, frames: int = 300, agents: int = 3) -> Path:
    """Agents that turn as they go, each at a pace of its own."""
    rows = []
    for t in range(frames):
        turn = torch.tensor(0.05 * t)
        for a in range(agents):
            x, y = (20 * step * (1 + a / 4) * f for f in (turn.sin().item(), turn.cos().item()))
            rows.append(f"{10 * t},{7 + a},{x:.6f},{y:.6f},square")
    path.write_text("frame,id,x,y,scene\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return walk(tmp_path_factory.mktemp("own") / "walk.csv")


@pytest.fixture(scope="module")
def run(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    patch = pytest.MonkeyPatch()
    patch.setattr(TrajectoryDataset, "figures", "")
    out = tmp_path_factory.mktemp("run") / "run"
    run_recipe("trajectories", "smoke", [f"data.source={source}", *TINY], None, out, jobs=1)
    patch.undo()
    yield Run.load(out)


@pytest.mark.parametrize("ask", ["predict", "encode", "score"])
def test_python_and_the_command_answer_alike(
    run: Run, source: Path, tmp_path: Path, ask: str
) -> None:
    table = getattr(run, ask)(source)
    assert len(table) == 3 * 281  # windows of 20 frames
    assert [table[name][0] for name in ("scene", "frame", "id")] == ["square", 70, 7]
    assert table.names[3] == "class" and set(table["class"]) <= set(run.data.classes)
    out = tmp_path / "answers.csv"
    assert main([ask, str(run.folder), str(source), "--out", str(out)]) == 0
    assert out.read_text() == table.csv()


def test_the_recording_of_the_training_is_prepared_as_it_was(run: Run, source: Path) -> None:
    """But for the rounding of the middle of the scene, which coordinates are relative to."""
    options = TrajectoryOptions(classes="behaviour")
    data = sources.file(files=None, seed=0, source=str(source), options=options)  # type: ignore[arg-type]
    new, windows = run.data.new(source), data.windows["test"]
    assert windows.frames is not None
    table = new.records("test")
    places = list(zip(table["frame"], table["id"], strict=True))
    wanted = zip(windows.frames.tolist(), windows.agents.tolist(), strict=True)
    rows = torch.tensor([places.index(place) for place in wanted])
    batch, there = new.batch("test", rows), data.batch("test", torch.arange(len(rows)))
    torch.testing.assert_close(batch.x, there.x, atol=1e-5, rtol=0)
    torch.testing.assert_close(batch.context, there.context, atol=1e-5, rtol=0)
    assert batch.y is not None and there.y is not None and torch.equal(batch.y, there.y)
    step = new.windows["test"].positions[rows].diff(dim=1).norm(dim=-1)[:, 8:]  # of the future
    raw = run.data.raw(batch.x)
    assert raw.names == ["sample", "step", "x", "y"] and len(raw) == 12 * len(rows)
    x = torch.tensor([raw["x"], raw["y"]]).T.view(len(rows), 12, 2)
    torch.testing.assert_close(x.diff(dim=1).norm(dim=-1), step, atol=1e-4, rtol=1e-4)


def test_samples_are_paths_with_a_picture(
    run: Run, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(run.folder), "-n", "3", "--out", str(tmp_path / "s.csv")]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "s.csv")
    lines = said.err.strip().splitlines()[-6:]
    assert lines[0] == "sample,step,x,y" and lines[1].startswith("0,1,") and len(lines) == 6
    assert lines[5] == f"Picture: {tmp_path / 's.png'}" and (tmp_path / "s.png").stat().st_size
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 1 + 3 * 12


def test_recordings_that_are_no_such(run: Run, tmp_path: Path) -> None:
    few = walk(tmp_path / "few.csv", frames=19)
    with pytest.raises(UsageError, match="no agent is there in 20 frames in a row, of which the"):
        run.data.new(few)
    (tmp_path / "bad.txt").write_text("1 2 3\n")
    with pytest.raises(UsageError, match=r"bad\.txt, line 1: 3 columns"):
        run.data.new(tmp_path / "bad.txt")
    with pytest.raises(UsageError, match="no such file|There is no|nowhere"):
        run.data.new(tmp_path / "nowhere.txt")
    with pytest.raises(UsageError, match="read from a file of lines of frame, id, x, y"):
        run.data.new([[1, 2, 3, 4]])
    with pytest.raises(UsageError, match="is it in pixels"):
        run.data.new(walk(tmp_path / "pixels.csv", step=50))
    assert main(["predict", str(run.folder), str(few)]) == 2


def test_what_a_new_recording_is_warned_of(run: Run, tmp_path: Path) -> None:
    file = walk(tmp_path / "walk.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.data.new(file)
    slow = walk(tmp_path / "slow.csv", step=0.04)
    with pytest.warns(UserWarning, match="a step is 0.05 long in the mean, and was"):
        run.data.new(slow)
    with file.open("a") as more:
        more.write("2990,99,1,1,square\n")
    with pytest.warns(UserWarning, match="left out are 1 positions of agents not there in 20"):
        run.data.new(file)


def test_how_it_was_read_is_kept(tmp_path: Path) -> None:
    """Every other frame, in a unit that is not checked; older models have none of it."""
    file = walk(tmp_path / "walk.csv", step=50)
    data = sources.file(files=None, seed=0, source=str(file), every=2, fastest=0, valid_share=0.2)  # type: ignore[arg-type]
    data.save(tmp_path)
    loaded = TrajectoryDataset.load(tmp_path)
    assert loaded.new(file).length("test") == 3 * 131 and loaded.reading == data.reading
    saved = (tmp_path / "trajectories.json").read_text()
    (tmp_path / "trajectories.json").write_text(saved.replace('"every": 2', '"every": 0'))
    with pytest.raises(UsageError, match="is damaged"):
        TrajectoryDataset.load(tmp_path)
