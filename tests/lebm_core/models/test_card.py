"""What a model says of itself on a hub: its parts, and, after a run, its figures and data."""

from pathlib import Path

import torch

from lebm_core import EBMPrior, LatentEBM, Run
from lebm_core.models.card import HEADER, Card
from lebm_core.run.run import run_recipe
from lebm_tabular.networks.perceptrons import TabularDecoder


def test_a_model_says_what_its_parts_are_and_how_it_is_used(tmp_path: Path) -> None:
    model = LatentEBM(EBMPrior(2, energy={"hidden": [8]}), TabularDecoder(2, 3, [4]))
    model.save_pretrained(tmp_path / "saved")
    content = (tmp_path / "saved" / "README.md").read_text()
    assert content.startswith(HEADER) and "More Information Needed" not in content
    assert "- prior: `EBMPrior`, 33 parameters" in content
    code = content.partition("```python\n")[2].partition("```")[0]
    names: dict[str, object] = {}
    exec(code.replace("FOLDER-OR-HUB-ID", str(tmp_path / "saved")), names)
    x = names["x"]
    assert isinstance(x, torch.Tensor) and x.shape == (8, 3)


def test_a_card_goes_with_the_model(tmp_path: Path) -> None:
    model = LatentEBM(EBMPrior(2, energy={"hidden": [8]}), TabularDecoder(2, 3, [4]))
    model.card = Card(HEADER + "\n# Mine\n\n![x](samples.png)\n", {"samples.png": b"a picture"})
    model.save_pretrained(tmp_path / "one")
    LatentEBM.from_pretrained(tmp_path / "one").save_pretrained(tmp_path / "two")
    assert (tmp_path / "two" / "README.md").read_text().endswith("![x](samples.png)\n")
    assert (tmp_path / "two" / "samples.png").read_bytes() == b"a picture"


def test_a_run_writes_figures_data_and_command_into_the_card(tmp_path: Path) -> None:
    overrides = ["evaluation.baselines=[]", "training.max_steps=3", "data.train=200"]
    overrides += ["data.test=100", "evaluation.samples=50", "evaluation.points=20"]
    run = run_recipe("synthetic-8gaussians", "smoke", overrides, out=tmp_path / "run",
                     log=lambda line: None)  # fmt: skip
    content = (run.folder / "model" / "README.md").read_text()
    shown = f"{run.results['model']['log_likelihood'].n}"
    assert content.startswith(HEADER) and "# synthetic-8gaussians, smoke" in content
    for words in ("## Use", "from_pretrained", "## Figures", "log_likelihood", "generated", "lebm "
                  "recipe synthetic-8gaussians", shown):  # fmt: skip
        assert words in content, words
    assert str(tmp_path) not in content
    model = Run.load(run.folder).model
    model.save_pretrained(tmp_path / "again")  # as it is pushed
    assert (tmp_path / "again" / "README.md").read_text() == content
