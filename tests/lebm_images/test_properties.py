"""Slant and stroke width of drawn strokes, and samples controlled by them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from lebm_core import Property, run_recipe
from lebm_core.errors import UsageError
from lebm_images.data.dataset import properties_of


def bar(slant: float, width: float, side: int = 64) -> torch.Tensor:
    """A stroke of that width, leaning to the right, (1, 1, side, side) in [-1, 1]."""
    axis = torch.arange(side) - (side - 1) / 2
    up, right = -axis[:, None], axis[None]
    across = (right - slant * up) / math.sqrt(1 + slant**2)
    inside = (width / 2 - across.abs() + 0.5).clamp(0, 1) * (up.abs() < 22)
    return (2 * inside - 1)[None, None]


@pytest.mark.parametrize("slant", [-0.5, 0.0, 0.3])
@pytest.mark.parametrize("width", [4.0, 8.0])
def test_a_stroke_has_its_slant_and_width(slant: float, width: float) -> None:
    found = properties_of(bar(slant, width))
    assert float(found["slant"]) == pytest.approx(slant, abs=0.03)
    # the two ends are outline too: 2 w l / (2 l + 2 w)
    length = 44 * math.sqrt(1 + slant**2)
    assert float(found["stroke"]) == pytest.approx(width / (1 + width / length), rel=0.12)


def test_an_empty_image_has_neither_and_colours_have_brightness_alone() -> None:
    found = properties_of(-torch.ones(2, 1, 8, 8))
    assert bool(found["slant"].isnan().all()) and bool(found["stroke"].isnan().all())
    assert found["brightness"].tolist() == [0, 0]
    assert list(properties_of(torch.zeros(2, 3, 8, 8))) == ["brightness"]


@pytest.mark.slow
def test_a_run_is_sampled_by_class_name_and_property(tmp_path: Path) -> None:
    import numpy as np

    from lebm_core.run.reuse import sample_run

    few = [
        "evaluation.baselines=[]", "evaluation.metrics=[]", "training.epochs=10",
        "encoder.width=16", "decoder.width=0.5", "learning.properties=[brightness,slant]",
        "learning.refit.steps=100", "learning.refit.rule.name=density-ratio",
        "learning.refit.rule.reference_samples=2", "learning.refit.rule.energy_l2=1e-4",
        "learning.refit.rule.code_pool=0",
        "evaluation.samples=4", "learning.symbols.labels=300", "learning.symbols.weight=30",
        "learning.decoder.kl_weight=0.2", "learning.symbols.information=3",
        "learning.symbols.vat=0", "training.parts.decoder.lr=1e-2",
        "training.parts.encoder.lr=1e-2", "prior.sampler.steps=20",
    ]  # fmt: skip
    run = run_recipe("semi-digits", "smoke", few, out=tmp_path / "run", log=lambda line: None)
    model = run.model
    assert list(model.classes) == [str(d) for d in range(10)]
    assert list(model.heads.known) == ["brightness", "slant"]
    assert float(model.heads.known["brightness"].r2) > 0.1

    def drawn(*control: str, y: str | None = None) -> torch.Tensor:
        said: list[str] = []
        log = said.append if control else None
        file = sample_run(run.folder, 100, y=y, control=control, log=log)
        if control:
            assert "KL" in said[0] and control[0].split("=")[0].split(":")[-1] in said[0]
        return torch.from_numpy(np.load(file)["x"]).permute(0, 3, 1, 2) / 127.5 - 1

    head = model.heads.known["brightness"]

    def expected(**kind: bool) -> float:
        prior = model.controlled(Property("brightness", strength=3.0, **kind))
        z = prior.sample(300, generator=torch.Generator().manual_seed(0))
        return float(head(z).mean().detach())

    low, high = expected(minimise=True), expected(maximise=True)
    assert high - low > 10 * head.sigma / 300**0.5
    assert not torch.equal(drawn("brightness=min@3"), drawn("brightness=max@3"))
    ones = drawn(y="1")
    assert torch.equal(ones, drawn("y=1")) and not torch.equal(ones, drawn("not:y=1"))
    assert (tmp_path / "run" / "samples-100-0-y1.npz").is_file()
    for control, match in (
        ("sland=1", 'no property "sland". Did you mean "slant"'),
        ("y=12", 'no class "12"'),
        ("slant~1", "not understood; use controls such as qed=0.9"),
        ("slant=big", 'the value "big" is not a number'),
        ("slant>0@much", 'the strength "much" is not a number'),
        ("y>3", "a class is given by ="),
    ):
        with pytest.raises(UsageError, match=match):
            sample_run(run.folder, 4, control=[control])


def test_a_property_that_the_data_do_not_give_is_refused_before_training(tmp_path: Path) -> None:
    few = ["learning.properties=[brightnes]", "evaluation.baselines=[]"]
    with pytest.raises(UsageError, match='names "brightnes".* Did you mean "brightness"'):
        run_recipe("semi-digits", "smoke", few, out=tmp_path / "run", log=lambda line: None)
