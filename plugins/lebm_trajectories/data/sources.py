"""The registered recordings. The keyword parameters of each are the keys of a recipe's [data]."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lebm_core.base.checks import at_least, choice, whole
from lebm_core.data.disk.prepared import asks_disk
from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_trajectories.data.dataset import UNITS, TrajectoryDataset
from lebm_trajectories.data.disk.recording import Recording, cut_split
from lebm_trajectories.data.new import Reading
from lebm_trajectories.data.options import TrajectoryOptions
from lebm_trajectories.data.prepare import prepare
from lebm_trajectories.data.recordings import read_points
from lebm_trajectories.data.splits import check_shares, last_tracks, published
from lebm_trajectories.data.windows import Windows, join

__all__ = ["eth_ucy", "file", "sdd"]

SCENES = ("eth", "hotel", "univ", "zara1", "zara2")
PEOPLE, REVERSED = TrajectoryOptions(), TrajectoryOptions(reverse=True)

ETH_UCY = Needs(
    "trajectories.eth_ucy",
    ["eth_ucy/splits.json", "eth_ucy/biwi_eth.txt", "eth_ucy/biwi_hotel.txt",
     "eth_ucy/crowds_zara01.txt", "eth_ucy/crowds_zara02.txt", "eth_ucy/crowds_zara03.txt",
     "eth_ucy/students001.txt", "eth_ucy/students003.txt", "eth_ucy/uni_examples.txt"],
    how="Lines of frame, id, x, y; splits.json has the line numbers of the published splits.",
    address="https://github.com/StanfordASL/Trajectron-plus-plus, experiments/pedestrians/raw",
    licence="repository MIT; the recordings are published for research",
)  # fmt: skip
SDD = Needs(
    "trajectories.sdd",
    ["sdd_trajnet/train.csv", "sdd_trajnet/test.csv"],
    how="A table of scene, frame, track_id, x_px, y_px; tracks of 20 steps; from "
    "metres, divided by the scale of the scene in H_SDD.txt.",
    address="https://github.com/xupei0610/SocialVAE, data/sdd",
    licence="CC BY-NC-SA 3.0, as commonly stated",
)
FILE = Needs("trajectories.file", source="FILE, lines of frame, id, x, y")


def eth_ucy(
    *,
    files: DataFiles,
    seed: int,
    scene: Literal["eth", "hotel", "univ", "zara1", "zara2"] = "zara1",
    options: TrajectoryOptions = PEOPLE,
) -> TrajectoryDataset:
    """ETH-UCY in the windows of the Social-GAN line of papers, one scene left out for the test.

    Args:
        scene: the scene of the test: eth, hotel, univ, zara1 or zara2
    """
    choice("data.scene", scene, SCENES)
    index, *_ = ETH_UCY.find(files)
    parts = published(index, scene)
    splits: dict[str, Windows] = {}
    for split, recordings in parts.items():
        cuts = []
        for name, lines in recordings:
            plain = name.removesuffix(".gz")
            path = files.find(ETH_UCY.dataset, [f"eth_ucy/{plain}"], ETH_UCY.how)
            points = list(read_points(path, lines))
            place = plain.removesuffix(".txt")
            cuts.append(cut_split(points, options, split, least=2, gaps=True, name=place))
        splits[split] = join(cuts, options.length, options.neighbours)
    facts = {"scene of the test": scene}
    source = f"ETH-UCY ({index})"
    return prepare(splits, source, facts, options, seed=seed, reading=Reading(gaps=True))


def sdd(
    *,
    files: DataFiles,
    seed: int,
    options: TrajectoryOptions = REVERSED,
    valid_share: float = 0.1,
) -> TrajectoryDataset:
    """Stanford Drone in the split of TrajNet, in pixels.

    Args:
        valid_share: of the tracks of training, the last ones of each scene
    """
    check_shares(valid_share, 0.0)
    paths = SDD.find(files)
    training, test = (list(read_points(path)) for path in paths)
    train, valid = last_tracks(training, valid_share)
    parts = {"train": train, "valid": valid, "test": test}
    splits = {split: cut_split(points, options, split) for split, points in parts.items()}
    source = f"Stanford Drone, TrajNet ({paths[0]})"
    return prepare(splits, source, {}, options, unit="pixels", seed=seed)


def file(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    unit: Literal["metres", "pixels", "units"] = "metres",
    every: int = 1,
    fastest: float = 4.0,
    slowest: float = 0.01,
    options: TrajectoryOptions = PEOPLE,
    valid_share: float = 0.1,
    test_share: float = 0.2,
    keep: Literal["memory", "disk"] = "memory",
) -> TrajectoryDataset:
    """Any recording of frame, id, x, y, as text or csv, cut in time: the last part is the test.

    Args:
        source: the file
        unit: metres, pixels, or units of any other length, such as of coordinates from 0 to 1
        every: use every n-th frame only, for recordings of more frames than steps
        fastest: largest plausible median step in metres; 0 for no check
        slowest: smallest plausible median step in metres; 0 for no check
        valid_share: of the frames
        test_share: of the frames
        keep: where the trajectories are: memory; or disk, of a recording that may be larger than
            memory: it is prepared once in the user cache, a scene at a time, and read from there
            batch by batch
    """
    FILE.check(source)
    choice("data.unit", unit, UNITS)
    check_shares(valid_share, test_share)
    whole("data.every", every, 1)
    at_least("data.fastest", fastest, 0)
    at_least("data.slowest", slowest, 0)
    path = Path(source).expanduser()
    reading = Reading(every=every, fastest=fastest, slowest=slowest)
    recording = Recording(path, source, unit, reading, options, valid_share, test_share)
    return recording.on_disk(seed) if asks_disk(keep) else recording.read(seed)
