"""The features of distances: of a classifier of classes or rotations, or Inception's."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path

import pytest
import torch

from lebm_core.data.files import DataFiles
from lebm_core.errors import MissingExtra, UsageError
from lebm_images.data.dataset import ArrayPixels, ImageDataset
from lebm_images.data.sources import digits
from lebm_images.evaluators.features import (
    ClassifierOptions,
    features_of,
    trained_classifier,
)
from lebm_images.evaluators.inception import Inception

CPU = torch.device("cpu")
OPTIONS = ClassifierOptions(width=16, epochs=15)


def test_the_classifier_learns_and_is_trained_once(tmp_path: Path) -> None:
    data = digits(files=DataFiles(), seed=0)
    said: list[str] = []
    net, accuracy = trained_classifier(data, OPTIONS, tmp_path, CPU, said.append)
    assert accuracy > 0.8 and len(said) == 1  # chance is 0.1
    again, same = trained_classifier(data, OPTIONS, tmp_path, CPU, said.append)
    assert same == accuracy and len(said) == 1
    x = data.batch("test", torch.arange(8)).x
    found = features_of(net, [x[:5], x[5:]], CPU)
    assert found.shape == (8, OPTIONS.features) and found.dtype == torch.float64
    assert torch.equal(found, features_of(again, [x[:5], x[5:]], CPU))


def test_without_classes_it_tells_rotations_apart(tmp_path: Path) -> None:
    full = digits(files=DataFiles(), seed=0)
    data = ImageDataset(full.pixels, 1, 8, {"source": "unlabelled"})
    net, accuracy = trained_classifier(data, OPTIONS, tmp_path, CPU, lambda line: None)
    assert accuracy > 0.6  # chance is 0.25, and a 0 or an 8 upside down is one
    assert net.head.out_features == 4


def test_images_whose_class_is_unknown_do_no_harm(tmp_path: Path) -> None:
    full = digits(files=DataFiles(), seed=0)
    labels = {s: torch.where(torch.arange(len(y)) % 2 == 0, y, -1) for s, y in full.labels.items()}
    data = ImageDataset(full.pixels, 1, 8, {"source": "half"}, labels, full.classes)
    assert isinstance(full.pixels["train"], ArrayPixels)
    assert trained_classifier(data, OPTIONS, tmp_path, CPU, lambda line: None)[1] > 0.7


@pytest.fixture
def inception_class(monkeypatch: pytest.MonkeyPatch) -> type:
    """The real network; torchvision, which its package imports for other things, need not be."""
    if importlib.util.find_spec("torch_fidelity") is None:
        pytest.skip("the extra fid is not installed")
    if "torchvision" not in sys.modules:
        names = ("torchvision", "torchvision.datasets", "torchvision.transforms",
                 "torchvision.transforms.functional", "torchvision.models")  # fmt: skip
        for name in names:
            module = types.ModuleType(name)
            module.__spec__ = importlib.machinery.ModuleSpec(name, None)
            module.__getattr__ = lambda key: type(key, (), {})  # type: ignore[method-assign]
            monkeypatch.setitem(sys.modules, name, module)
            above, _, last = name.rpartition(".")
            if above:
                setattr(sys.modules[above], last, module)
    found = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    return found.FeatureExtractorInceptionV3  # type: ignore[no-any-return]


def test_inception_reads_weights_from_a_file(
    inception_class: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[inception_class.__module__]
    torch.manual_seed(0)
    with monkeypatch.context() as patch:  # a net of the right shape, without the download
        patch.setattr(module, "load_state_dict_from_url", lambda *a, **k: {})
        patch.setattr(inception_class, "load_state_dict", lambda self, state: None)
        made = inception_class("made", ["2048"])
    path = tmp_path / "weights.pth"
    torch.save(made.state_dict(), path)
    net = Inception(path)
    assert not net.standard  # such a distance may not be called FID
    x = torch.rand(2, 1, 28, 28) * 2 - 1
    found = net.features(x)
    assert found.shape == (2, 2048) and bool(found.isfinite().all())
    assert torch.equal(found, net.features(x.expand(-1, 3, -1, -1)))  # grey is three equal colours
    path.write_bytes(b"no weights")
    with pytest.raises(UsageError, match=r"weights\.pth holds no weights"):
        Inception(path)
    with pytest.raises(UsageError, match="there is no file"):
        Inception(tmp_path / "none.pth")


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    with pytest.raises(MissingExtra, match=r"lebm\[fid\]"):
        Inception(tmp_path / "weights.pth")
