"""Files of recordings, the windows cut from them, and the messages about bad files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_trajectories.data import sources
from lebm_trajectories.data.options import TrajectoryOptions
from lebm_trajectories.data.recordings import Point, read_points
from lebm_trajectories.data.units import check_unit
from lebm_trajectories.data.windows import cut
from lebm_trajectories.metrics.collisions import collide

DATA = os.environ.get("LEBM_DATA", "")
PLAIN = TrajectoryOptions(flip=False)
COUNTS = {  # of the test: windows, trajectories
    "eth": (70, 181),
    "hotel": (301, 1053),
    "univ": (947, 24334),
    "zara1": (602, 2253),
    "zara2": (921, 5833),
}


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "walk.txt"
    file.write_text(text)
    return file


def walk(agents: int, frames: list[int]) -> list[Point]:
    """Each agent a metre from the next, half a metre a frame."""
    return [
        Point(1, frame, agent, 0.5 * i, float(agent))
        for i, frame in enumerate(frames)
        for agent in range(agents)
    ]


@pytest.mark.skipif(not (Path(DATA) / "eth_ucy").is_dir(), reason="LEBM_DATA has no eth_ucy")
@pytest.mark.parametrize(
    "scene", [s if s == "eth" else pytest.param(s, marks=pytest.mark.slow) for s in COUNTS]
)
def test_the_published_windows(scene: str) -> None:
    data = sources.eth_ucy(files=DataFiles(), seed=0, scene=scene, options=PLAIN)
    windows = data.windows["test"]
    assert (len(windows.group.unique()), len(windows)) == COUNTS[scene]


@pytest.mark.slow
@pytest.mark.skipif(not (Path(DATA) / "sdd_trajnet").is_dir(), reason="LEBM_DATA has no sdd")
def test_the_published_tracks_of_stanford_drone() -> None:
    data = sources.sdd(files=DataFiles(), seed=0, options=PLAIN)
    lengths = {split: data.length(split) for split in ("train", "valid", "test")}
    assert lengths["test"] == 2829 and lengths["train"] + lengths["valid"] == 8494
    assert 0.05 < lengths["valid"] / 8494 < 0.15


def test_windows_hold_who_is_there_throughout() -> None:
    points = [p for p in walk(3, [0, 10, 20, 30]) if not (p.agent == 2 and p.frame == 10)]
    found = cut(points, 2, 1)
    assert found.agents.tolist() == [0, 1, 0, 1]
    assert found.group.tolist() == [0, 0, 1, 1]
    assert found.left_out == {
        "agents without 3 frames in a row": 1,
        "points of stretches shorter than 3 frames": 3,
    }
    x = found.positions[0, :, 0]
    torch.testing.assert_close(x - x[0], torch.tensor([0.0, 0.5, 1.0]))


def test_neighbours_are_whoever_is_there_now_not_who_stays() -> None:
    points = [p for p in walk(3, [0, 10, 20, 30]) if not (p.agent == 2 and p.frame == 20)]
    found = cut(points, 2, 1, neighbours=2)
    first = found.there[found.group == 0]
    assert found.agents[found.group == 0].tolist() == [0, 1]
    assert first.all()  # the third is there in both observed frames, and gone in the next
    near = found.near[0, :, 1] - found.positions[0, 1]
    torch.testing.assert_close(near, torch.tensor([[0.0, 1.0], [0.0, 2.0]]))
    assert found.there[found.group == 1].sum() == 2  # and then only the two are there


def test_every_other_frame() -> None:
    points = walk(1, list(range(0, 80, 10)))
    found = cut(points, 2, 1, every=2)
    assert len(found) == 2
    torch.testing.assert_close(found.positions[0].diff(dim=0)[:, 0], torch.tensor([1.0, 1.0]))


def test_backwards() -> None:
    points = walk(2, [0, 10, 20, 30])
    there, back = cut(points, 2, 1, 1), cut(points, 2, 1, 1, backwards=True)
    ends = [each.sort(0).values for each in (back.positions.flip(1), there.positions)]
    torch.testing.assert_close(*ends)
    step = back.near[:, 0, 1] - back.near[:, 0, 0]
    torch.testing.assert_close(step, torch.tensor([-0.5, 0.0]).expand(4, 2))


@pytest.mark.parametrize("far", [0.0, 5e5, 5e6])
def test_far_from_the_origin_nothing_is_lost(far: float) -> None:
    points = [Point(1, i, a, far + a + 0.05 * i, far) for i in range(20) for a in range(36)]
    found = cut(points, 8, 12, neighbours=3)
    near, far_off = found.positions.diff(dim=1)[..., 0].aminmax()
    assert abs(float(near) - 0.05) < 1e-4 and abs(float(far_off) - 0.05) < 1e-4
    assert not collide(found.positions[:, None], found.group, 0.9).any()
    place = found.near[:, :, 1] - found.positions[:, None, 7]
    assert (place[10, :2].norm(dim=-1) - 1).abs().max() < 1e-4


def test_windows_stand_across_a_gap_only_where_asked() -> None:
    points = walk(1, [0, 10, 20, 50, 60, 70])
    assert len(cut(points, 2, 1)) == 2
    assert len(cut(points, 2, 1, gaps=True)) == 4


def test_a_window_of_one_may_be_refused() -> None:
    points = [p for p in walk(2, [0, 1, 2, 3]) if not (p.agent == 1 and p.frame == 3)]
    assert cut(points, 2, 1, least=2).group.unique().tolist() == [0]


@pytest.mark.parametrize("text", ["0\t1\t2.5\t-3\n", "0 1 2.5 -3\n", "0,1,2.5,-3\n",
                                  "0;1;2.5;-3\n", "# frame id x y\n0.0 1.0 2.5 -3\n",
                                  "x_m,Y_M,ped_id,frame\n2.5,-3,1,0\n",
                                  '"frame","id","x","y","label"\n0,1,2.5,-3,walks\n'])  # fmt: skip
def test_columns(tmp_path: Path, text: str) -> None:
    (point,) = read_points(written(tmp_path, text))
    assert (point.frame, point.agent, point.x, point.y) == (0, 1, 2.5, -3.0)


BAD = {
    "three columns": ("0 1 2 3\n10 1 2\n", "line 2: 3 columns, not 4"),
    "a word": ("0 1 2 3\n10 1 two 3\n", 'line 2: the x "two" is not a number'),
    "NaN": ("0 1 2 3\n10 1 nan 3\n", 'line 2: the x "nan" is missing'),
    "twice": ("0 1 2 3\n0 1 2 4\n", "line 2: agent 1 is in frame 0 a second time, first in line 1"),
    "back": ("10 1 2 3\n0 1 2 4\n", "line 2: frame 0 comes after frame 10"),
    "half a frame": ("0.5 1 2 3\n", 'line 1: the frame "0.5" is not a whole number'),
    "too many columns": ("frame,id,x,y\n0,1,2,3,4\n", "line 2: 5 columns, not 4"),
    "a short row": ("frame,id,x,y,v,scene\n0,1,2,3,4\n", "line 2: 5 columns, not 6"),
    "infinite in float32": ("0 1 1e300 3\n", 'the x "1e300" is not finite, or beyond 1e+08'),
    "a huge id": ("0 99999999999999999999 2 3\n", "is too large"),
    "twice a column": ("frame,id,x,y,x\n0,1,2,3,4\n", 'the column "x" is there twice'),
    "binary": ("\x01\x02\n", r'"\x01\x02" is neither four numbers'),
    "no header": ("when who x y\n0 1 2 3\n", "is neither four numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_named(tmp_path: Path, case: str) -> None:
    text, said = BAD[case]
    file = written(tmp_path, text)
    with pytest.raises(UsageError) as error:
        list(read_points(file))
    assert said in str(error.value) and str(file) in str(error.value)


def test_pixels_are_not_metres(tmp_path: Path) -> None:
    points = [Point(i + 1, i, 1, 30.0 * i, 0.0) for i in range(5)]
    check_unit(points, "pixels", tmp_path, 4.0)
    check_unit(points, "metres", tmp_path, 0.0)
    with pytest.raises(UsageError, match=r"longer than 30.0 metres.*line 2: is it in pixels"):
        check_unit(points, "metres", tmp_path, 4.0)


def test_an_agent_seen_once_is_counted_and_the_rest_kept(tmp_path: Path) -> None:
    lines = [f"{10 * i} 1 {0.4 * i} 0" for i in range(200)] + ["1990 7 3 3"]
    file = written(tmp_path, "\n".join(lines) + "\n")
    data = sources.file(files=None, seed=0, source=str(file), options=PLAIN)  # type: ignore[arg-type]
    assert data.length("train") == 140 - 19 and data.length("test") == 40 - 19
    assert data.summary["test: agents without 20 frames in a row"] == 1


def test_a_recording_too_short_says_so(tmp_path: Path) -> None:
    file = written(tmp_path, "0 1 2 3\n10 1 2 4\n")
    shares = {"valid_share": 0.0, "test_share": 0.0}
    with pytest.raises(UsageError, match="no training trajectory of 20 steps: 1 agents without"):
        sources.file(files=None, seed=0, source=str(file), **shares)  # type: ignore[arg-type]


def test_a_test_split_without_a_window_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "".join(f"{i} 1 {0.4 * i} 0\n" for i in range(60)))
    with pytest.raises(UsageError, match="the valid split, 10% of the frames, are 6 frames"):
        sources.file(files=None, seed=0, source=str(file))  # type: ignore[arg-type]


def test_each_scene_is_cut_in_time_by_itself(tmp_path: Path) -> None:
    rows = [f"{s},{1000 * k + i},1,{0.4 * i},0" for k, s in enumerate("ab") for i in range(200)]
    file = written(tmp_path, "scene,frame,id,x,y\n" + "\n".join(rows))
    data = sources.file(files=None, seed=0, source=str(file))  # type: ignore[arg-type]
    for split in ("train", "valid", "test"):
        names = data.windows[split].names
        assert sorted(names[i] for i in data.windows[split].scenes.unique()) == ["a", "b"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            {"train": (0, 90), "val": (80, 120), "test": (120, 160)},
            "the line 80 of .* is there twice",
        ),
        (
            {"train": (0, 90), "val": (-9, 120), "test": (120, 160)},
            "does not hold the line numbers",
        ),
        ({"train": (0, 90), "val": (90, 120)}, "does not hold the line numbers"),
    ],
)
def test_published_lines_are_in_one_split(
    tmp_path: Path, lines: dict[str, tuple[int, int]], said: str
) -> None:
    (tmp_path / "eth_ucy").mkdir()
    for names in sources.ETH_UCY.wanted():
        (tmp_path / names[0]).write_text("".join(f"{t} 1 {t / 2} 0\n" for t in range(160)))
    parts = {
        split: [{"file": "biwi_eth.txt", "first_line": first, "end_line": end}]
        for split, (first, end) in lines.items()
    }
    (tmp_path / "eth_ucy/splits.json").write_text(json.dumps({"splits": {"zara1": parts}}))
    with pytest.raises(UsageError, match=f"splits.json.*{said}"):
        sources.eth_ucy(files=DataFiles(tmp_path), seed=0)


def test_a_scene_that_is_none() -> None:
    with pytest.raises(UsageError, match=r'data.scene = "zara3" is unknown.*[Dd]id you mean'):
        sources.eth_ucy(files=DataFiles(), seed=0, scene="zara3")
