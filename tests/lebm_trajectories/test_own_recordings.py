"""Recordings of one's own: scenes with clocks of their own, units, and files that are damaged."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lebm_core.errors import UsageError
from lebm_trajectories.data import sources
from lebm_trajectories.data.adapters import TrackAdapter
from lebm_trajectories.data.crowd import crowd
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.options import TrajectoryOptions
from lebm_trajectories.data.recordings import Point
from lebm_trajectories.data.units import check_unit

PLAIN = TrajectoryOptions(flip=False)
SPLITS = ("train", "valid", "test")


def read(source: Path, **options: Any) -> TrajectoryDataset:
    return sources.file(files=None, seed=0, source=str(source), options=PLAIN, **options)  # type: ignore[arg-type]


def walk(path: Path, *, step: float = 0.5, frames: int = 200, agents: int = 3) -> Path:
    """Agents side by side, each `step` a frame."""
    rows = [
        f"{10 * t} {a} {t * step:.6f} {a * step:.6f}" for t in range(frames) for a in range(agents)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_each_scene_has_its_own_step(cases: Path) -> None:
    """Of two scenes, ten and six frames a step, both are cut."""
    with pytest.warns(UserWarning, match="left out are positions of agents not there in 20 fr"):
        data = read(cases / "traj_two_scenes_step_10_and_6.csv")
    assert [data.length(split) for split in SPLITS] == [1695, 96, 324]
    found = []
    for split in SPLITS:
        windows = data.windows[split]
        names = [windows.names[i] for i in windows.scenes.tolist()]
        found.append((names.count("a"), names.count("b")))
    assert found == [(789, 906), (53, 43), (193, 131)]
    assert data.summary["frames from one step to the next"] == "10 in 1 scenes, 6 in 1 scenes"


def test_each_scene_begins_at_its_own_frame(tmp_path: Path) -> None:
    """Every other frame of the scene, wherever its split begins; scene b is like a, but later."""
    times = {"a": range(0, 2000, 10), "b": range(5003, 6203, 6)}
    rows = [f"{s},{t},1,{0.3 * i},0" for s, frames in times.items() for i, t in enumerate(frames)]
    file = tmp_path / "two.csv"
    file.write_text("scene,frame,id,x,y\n" + "\n".join(rows) + "\n")
    data = read(file, every=2, valid_share=0.245, test_share=0.25)
    for split in SPLITS:
        names = [data.windows[split].names[i] for i in data.windows[split].scenes.tolist()]
        assert names.count("a") == names.count("b") > 0
        step = data.windows[split].positions.diff(dim=1)[..., 0]
        assert (step - 0.6).abs().max() < 1e-4


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    file = walk(tmp_path / "walk.txt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(file)  # nothing is
    with file.open("a") as more:
        more.write("2500 1 100 0\n")
    with pytest.warns(UserWarning, match=r"in a row: 1 in test \(gaps between frames: 1\)"):
        read(file)


def test_a_scene_of_which_nothing_is_left_is_named(tmp_path: Path) -> None:
    rows = [f"a,{t},1,{0.4 * t},0" for t in range(200)] + [f"short,{t},1,{t},0" for t in range(9)]
    file = tmp_path / "two.csv"
    file.write_text("scene,frame,id,x,y\n" + "\n".join(rows) + "\n")
    with pytest.warns(UserWarning) as said:
        read(file)
    assert any("1 of 2 scenes" in str(w.message) and '"short"' in str(w.message) for w in said)


def test_normalised_coordinates_are_not_metres(cases: Path) -> None:
    file = cases / "traj_normalised_0_1.txt"
    with pytest.raises(UsageError, match=r'normalised, or degrees\? Then set data.unit = "units"'):
        read(file)
    with pytest.warns(UserWarning, match="left out"):
        data = read(file, unit="units")
    assert data.metre == data.scale < 0.1  # and two agents are close within a fifth of it
    with pytest.warns(UserWarning, match="left out"):
        assert read(file, slowest=0).metre == 1.0


@pytest.mark.parametrize("step", [5e-6, 0.005, 0.05])
def test_degrees_and_small_boxes_are_refused(tmp_path: Path, step: float) -> None:
    file = walk(tmp_path / "walk.txt", step=step, frames=30)
    with pytest.raises(UsageError, match=r"data\.unit.*data\.every.*data\.slowest"):
        read(file)


def test_many_frames_a_second_are_metres(tmp_path: Path) -> None:
    """At 25 frames a second half a step a frame is five centimetres."""
    file = walk(tmp_path / "walk.txt", step=0.05, frames=2000)
    assert read(file).metre == 1.0
    still = [f"{t} 9 3 3\n" for t in range(20)]
    file.write_text("".join(still) + "20 9 3 3.5\n")
    with pytest.raises(UsageError, match="split, 10% of the frames"):
        read(file)  # who stands still is no sign of another unit


def test_one_scene_in_pixels_is_found_among_others(tmp_path: Path) -> None:
    points = [Point(i + 1, 10 * i, 1, 0.5 * i, 0.0, "a") for i in range(90)]
    points += [Point(i + 91, 12 * i, 1, 30.0 * i, 0.0, "b") for i in range(30)]
    with pytest.raises(UsageError, match='scene "b": half of all steps are longer than 30.0'):
        check_unit(points, "metres", tmp_path, 4.0)


def test_a_jump_is_said(tmp_path: Path) -> None:
    points = [Point(i + 1, i, 1, 0.5 * i if i < 50 else 1e8, 0.0) for i in range(90)]
    with pytest.warns(UserWarning, match="1 of 89 steps .* the first in line 51: do two agents"):
        check_unit(points, "metres", tmp_path, 4.0)


DAMAGED = {
    "a missing position": ("10 1 NA 3\n", 'line 21: the x "NA" is missing; leave out'),
    "infinity": ("200 1 inf 3\n", 'line 21: the x "inf" is not finite'),
    "1e308": ("200 1 1e308 3\n", 'line 21: the x "1e308" is not finite, or beyond'),
    "a row again": ("190 1 9.5 0\n", "line 21: agent 1 is in frame 190 a second time"),
    "a frame before": ("0 2 9.5 0\n", "line 21: frame 0 comes after frame 190"),
    "a name": ("200 ped_1 9.5 0\n", 'line 21: the id "ped_1" is not a number'),
    "underscores": ("2_0_0 1 9.5 0\n", 'line 21: the frame "2_0_0" is not a number'),
    "a long word": ("200 1 " + "x" * 9000 + " 0\n", '..." (9,000 characters) is not a number'),
    "a header again": ("frame id x y\n", 'the frame "frame" is not a number'),
    "a decimal comma": ("200;1;9,5;0\n", "line 21: 2 columns, not 4"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_line_is_one_sentence(tmp_path: Path, case: str) -> None:
    line, said = DAMAGED[case]
    file = walk(tmp_path / "walk.txt", frames=20, agents=1)
    file.write_text(file.read_text().replace(" 0 ", " 1 ") + line)
    with pytest.raises(UsageError) as error:
        read(file)
    message = str(error.value)
    assert said in message and str(file) in message
    assert "\n" not in message and len(message) < 600


def test_one_agent_and_one_frame(tmp_path: Path) -> None:
    assert read(walk(tmp_path / "one.txt", agents=1)).length("test") == 21
    with pytest.raises(UsageError, match="split, 10% of the frames"):
        read(walk(tmp_path / "frame.txt", frames=1, agents=50))


@pytest.mark.parametrize("change", ["", "options", "scale", "unit", "bytes", "list", "observed"])
def test_a_damaged_description_is_named(tmp_path: Path, change: str) -> None:
    read(walk(tmp_path / "walk.txt")).save(tmp_path)
    file = tmp_path / "trajectories.json"
    saved = json.loads(file.read_text())
    if change == "":
        assert TrajectoryDataset.load(tmp_path).options == PLAIN
        return
    if change == "observed":
        saved["options"]["observed"] = "8"
    elif change in saved:
        saved[change] = {"scale": -1.0}.get(change, "none")
    text = {"bytes": b"\xff{", "list": b"[]"}.get(change, json.dumps(saved).encode())
    file.write_bytes(text)
    with pytest.raises(UsageError, match="trajectories.json is damaged"):
        TrajectoryDataset.load(tmp_path)


@pytest.mark.parametrize("key", ["observed", "predicted", "neighbours", "rotations", "rescale"])
def test_sizes_that_cannot_be_are_refused(key: str) -> None:
    with pytest.raises(UsageError, match=f"data.{key} = 1000000000000"):
        TrajectoryOptions(**{key: 10**12})


def test_a_crowd_beyond_the_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="data.train = 1000000000000"):
        crowd(files=None, seed=0, train=10**12)


TRACKS = {
    "nothing": (np.zeros((0, 5, 2)), "holds no track"),
    "still": (np.ones((4, 5, 2)), "No track in X moves"),
    "far": (np.array([[[-1e308, 0], [1e308, 0], [0, 0]]]), "too far from each other"),
    "NaN": (np.full((4, 5, 2), np.nan), "NaN or infinity"),
    "complex": (np.ones((4, 5, 2)) * 1j, "numbers in equal rows"),
    "words": ([[["a", "b"]] * 3], "numbers in equal rows"),
    "unequal": ([[[0, 1]] * 3, [[0, 1]] * 4], "numbers in equal rows"),
    "one axis too few": (np.ones((4, 5)), r"\(n, T, 2\).*shape \(4, 5\)"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", TRACKS)
def test_tracks_that_cannot_be_are_refused(case: str) -> None:
    given, said = TRACKS[case]
    with pytest.raises(ValueError, match=said):
        TrackAdapter().fit(given)
