"""The energy of clips, their data and files, and the metric: invariances, closed forms, errors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lebm_core.contracts.toys import evaluation
from lebm_core.data.files import DataFiles
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import UsageError
from lebm_core.models.ebm import EBM
from lebm_core.priors.ebm import EBMPrior
from lebm_energies.data.clips import read_clip, windows
from lebm_energies.data.texture import KEPT, SPREAD, ClipData, noise, texture_video, waves
from lebm_energies.figures.clips import pictures
from lebm_energies.metrics import video
from lebm_energies.networks.video import STATIONARY, Video

FEW = SplitCounts(train=24, valid=4, test=20)
FILES = DataFiles()


@pytest.fixture(scope="module")
def data() -> ClipData:
    return texture_video(files=FILES, seed=0, options=FEW, frames=8, side=8)


def test_stationary_features_do_not_depend_on_where_a_pattern_is() -> None:
    """A blob far from the border, moved by whole strides of all layers (4 frames, 8 pixels)."""
    x = torch.zeros(1, 1, 24, 40, 40)
    x[..., 8:11, 12:15, 12:15] = torch.randn(3, 3, 3)
    later, aside = x.roll(4, 2), x.roll(8, 4)
    for stationary, in_time, in_space in (
        ("space-time", True, True), ("time", True, False), ("none", False, False)
    ):  # fmt: skip
        energy = Video(x.numel(), x.shape[1:], [4, 4, 4], [], stationary)
        f, f_later, f_aside = (energy(each.flatten(1)) for each in (x, later, aside))
        assert torch.allclose(f, f_later, atol=1e-6) == in_time
        assert torch.allclose(f, f_aside, atol=1e-6) == in_space
    assert set(STATIONARY) == {"space-time", "time", "none"}
    with pytest.raises(UsageError, match="energy.stationary"):
        Video(64, [1, 4, 4, 4], stationary="space")


def test_waves_have_the_spectrum_that_they_say() -> None:
    """All power lies on few lengths, on those that move to the right by a pixel a frame."""
    clips = torch.from_numpy(waves(50, 32, 32, np.random.default_rng(0)))[:, None]
    power = video.spectrum(clips)
    t, i, j = (torch.fft.fftfreq(32) for _ in range(3))
    length = (i[:, None] ** 2 + j**2).sqrt()
    band = (length > 1 / 16 - 2 / 32) & (length < 2.5 / 16 + 2 / 32)  # the window's width
    assert float(power.sum(0)[band].sum()) > 0.99
    across = (t[:, None, None] * j).expand(32, 32, 32)  # negative where crests move to the right
    assert float(power[across < 0].sum()) > 20 * float(power[across > 0].sum())
    # Every crest moves one pixel a frame, so that its frequency in time is the wave's in space.
    near = (t.abs()[:, None, None] - length).abs() < 2.5 / 32
    assert float(power[near].sum()) > 0.99
    assert abs(float(clips.mean())) < 0.05


def test_noise_fades_as_it_says() -> None:
    clips = noise(300, 6, 16, np.random.default_rng(0))
    assert abs(clips.std() - 1) < 0.02
    follow = np.roll(clips[:, :-1], 1, axis=3)
    correlation = (follow * clips[:, 1:]).mean() / clips.var()
    assert abs(correlation - KEPT) < 0.02


def test_autocorrelation_of_a_cosine() -> None:
    phase = 2 * math.pi * torch.rand(4000, 1, 1, 1, 1)
    x = torch.cos(2 * math.pi * torch.arange(16.0).view(1, 1, 16, 1, 1) / 8 + phase)
    found = video.autocorrelation(x, 2, 8)
    expected = torch.cos(2 * math.pi * torch.arange(1, 9.0) / 8).double()
    assert torch.allclose(found, expected, atol=4 / math.sqrt(4000))


def test_spectrum_sums_to_one_and_tells_white_from_smooth() -> None:
    white = torch.randn(50, 1, 8, 8, 8)
    power = video.spectrum(white)
    assert float(power.sum()) == pytest.approx(1)
    # Each of 50 clips has a power of the exponential law: relative error 1 / sqrt(50).
    assert abs(float(power.std() / power.mean()) - 1 / math.sqrt(50)) < 0.05


def test_interpolation_is_exact_on_lines() -> None:
    x = torch.arange(9.0).view(1, 1, 9, 1, 1).expand(2, 1, 9, 3, 3).clone()
    assert torch.allclose(video.interpolated(x, 3, 3), x)


def test_metric_and_figures_of_an_untrained_model(data: ClipData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    energy = {"name": "video", "shape": [1, 8, 8, 8], "widths": [4, 4]}
    prior = EBMPrior(512, energy, {"steps": 2, "step_size": 0.01}, reference_std=SPREAD)
    model = EBM(prior, [1, 8, 8, 8]).eval()
    judged = evaluation(tmp_path, model, data)
    values = video.build(recovered=6, gap=2, steps=2)(judged)
    assert values["spectrum"].value > 2 * values["real/spectrum"].value
    assert values["autocorrelation_space"].value > 2 * values["real/autocorrelation_space"].value
    assert values["mean/filled_error"].value == pytest.approx(1)
    assert values["linear/filled_error"].value < 1 < values["filled_error"].value
    with pytest.raises(UsageError, match="leaves no frame"):
        video.build(gap=7)(judged)
    files = list(pictures(judged))
    assert len(files) == 2 and all(file.is_file() for file, _ in files)


def test_the_scale_is_kept_for_samples(data: ClipData, tmp_path: Path) -> None:
    assert abs(float(data.x["train"].std()) - SPREAD) < 1e-4
    assert float(data.x["train"].mean()) == pytest.approx(0, abs=1e-6)
    source = waves(24, 8, 8, np.random.default_rng(0))
    assert np.allclose(data.raw(data.x["train"]), source, atol=1e-4)
    data.save(tmp_path)
    assert np.allclose(ClipData.load(tmp_path).raw(data.x["train"]), source, atol=1e-4)


def _film(frames: int = 40) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (frames, 12, 10), dtype=np.uint8)


def test_clips_of_files_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = _film()
    np.save(tmp_path / "film.npy", film)
    np.save(tmp_path / "colour.npy", np.repeat(film[..., None], 3, 3))
    pages = [Image.fromarray(frame) for frame in film]
    pages[0].save(tmp_path / "film.gif", save_all=True, append_images=pages[1:])
    (tmp_path / "frames").mkdir()
    for i, page in enumerate(pages):
        page.save(tmp_path / "frames" / f"{i:03d}.png")
    for name in ("film.npy", "colour.npy", "film.gif", "frames"):
        clip = read_clip(str(tmp_path / name), FILES)
        assert clip.shape == film.shape and np.abs(clip - film).max() < 1, name
    monkeypatch.setenv("LEBM_DATA", str(tmp_path))
    assert np.array_equal(read_clip("film.npy", DataFiles()), film)
    found = texture_video(files=FILES, seed=0, options=FEW, frames=4, side=8,
                          file=str(tmp_path / "film.npy"))  # fmt: skip
    assert found.x["train"].shape == (24, 1, 4, 8, 8)
    back = found.raw(found.x["test"])
    assert np.abs(back - back.round()).max() < 1e-2  # grey values of the film again


def test_splits_of_a_file_share_no_frame(tmp_path: Path) -> None:
    film = np.repeat(np.arange(100.0)[:, None, None], 8, 1).repeat(8, 2)
    np.save(tmp_path / "film.npy", film)
    found = texture_video(files=FILES, seed=0, options=SplitCounts(200, 50, 50), frames=5, side=8,
                          file=str(tmp_path / "film.npy"))  # fmt: skip
    ends = {s: found.raw(x).round().reshape(-1) for s, x in found.x.items()}
    assert ends["train"].max() <= 69 < 70 <= ends["valid"].min()
    assert ends["valid"].max() <= 84 < 85 <= ends["test"].min()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.npy", "is neither here nor"),
        ("flat.npy", "has the shape"),
        ("text.npy", "cannot be read as an array"),
        ("words.npy", "holds no array of numbers"),
        ("nan.npy", "not finite"),
        ("text.gif", "cannot be read as an image"),
        ("clip.mp4", "is no clip"),
        ("empty", "has no frames"),
        ("mixed", "use frames of one size"),
        ("grey.npy", "the same grey"),
        ("short.npy", "for the split"),
    ],
)
def test_files_that_are_no_clips(name: str, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros((5, 5)))
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    np.save(tmp_path / "nan.npy", np.full((40, 8, 8), np.nan))
    np.save(tmp_path / "grey.npy", np.ones((40, 8, 8)))
    np.save(tmp_path / "short.npy", _film(9))
    for each in ("text.npy", "text.gif", "clip.mp4"):
        (tmp_path / each).write_text("no clip")
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    for i in (4, 6):
        Image.new("L", (i, 8)).save(tmp_path / "mixed" / f"{i}.png")
    with pytest.raises(UsageError, match=message) as caught:
        texture_video(files=FILES, seed=0, options=FEW, frames=4, side=8, file=str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_windows_are_pieces_of_the_clip() -> None:
    film = _film().astype(np.float32)
    for piece in windows(film, 5, 3, 8, np.random.default_rng(0)):
        found = [
            np.array_equal(film[t : t + 3, i : i + 8, j : j + 8], piece)
            for t in range(38) for i in range(5) for j in range(3)
        ]  # fmt: skip
        assert sum(found) == 1


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        Image.fromarray(np.full((4, 4), 10 * number, np.uint8)).save(tmp_path / f"f{number}.png")
    clip = read_clip(str(tmp_path), FILES)
    means = clip.mean((1, 2)).tolist()
    assert means == sorted(means)
