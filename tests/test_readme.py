"""What README and the plugin page show is run as it stands there, with small sizes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lebm_core.run.config.catalogue import BEGIN, END, catalogue, markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run_in(folder: Path, arguments: list[str]) -> str:
    """Runs Python in a folder, which is importable too."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(folder: Path, code: list[str], name: str) -> None:
    """Writes blocks that begin with "# PATH", and the metadata of an installed plugin."""
    for block in code:
        first, _, rest = block.partition("\n")
        file = folder / first.removeprefix("# ")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rest, encoding="utf-8")
    info = folder / f"lebm_{name}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lebm-{name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[lebm]\n{name} = lebm_{name}\n")


def of_package(text: str, package: str) -> list[str]:
    """The blocks that are files of a package."""
    every = [*blocks(text, "python"), *blocks(text, "toml")]
    return [block for block in every if block.startswith(f"# {package}/")]


def test_the_table_of_recipes_is_what_the_program_writes():
    shown = README.partition(BEGIN)[2].partition(END)[0].strip()
    # Recipes of other plugins that happen to be installed here are not the project's.
    own = {file.stem for file in (ROOT / "recipes" / "lebm_recipes").glob("*.toml")}
    expected = markdown([entry for entry in catalogue() if entry.name in own])
    assert shown == expected, "paste the output of: lebm recipe --markdown"


def test_the_test_command_is_marked():
    marked = re.search(r"<!-- test-command -->\n```bash\n(.*?)^```", README, re.M | re.S)
    assert marked and ".venv" in marked[1] and "pytest" in marked[1]


def test_the_python_example_runs(tmp_path):
    (example,) = [block for block in blocks(README, "python") if "LatentEBM(" in block]
    assert len(example.splitlines()) == 12 and "300" in example
    script = tmp_path / "example.py"
    script.write_text("import torch; torch.manual_seed(0)\n" + example.replace("300", "20"))
    assert "tensor(" in run_in(tmp_path, [str(script)])
    (tmp_path / "load.py").write_text(
        "from lebm_core import LatentEBM\n"
        "print(tuple(LatentEBM.from_pretrained('four-clusters').sample(3).shape))\n"
    )
    assert run_in(tmp_path, ["load.py"]).strip() == "(3, 2)"


def test_the_example_of_few_labels_runs(tmp_path):
    (example,) = [block for block in blocks(README, "python") if "LatentEBMClassifier" in block]
    data = (
        "from sklearn.datasets import load_digits\n"
        "X, y = load_digits(return_X_y=True)\n"
        "X, y, X_new = X[:60], [*y[:40], *[-1] * 20], X[60:62]\n"
    )
    end = "print(model.predict_proba(X_new).shape, model.sample(10, y=3).shape)\n"
    (tmp_path / "few.py").write_text(data + example + end)
    assert run_in(tmp_path, ["few.py"]).strip() == "(2, 10) (10, 64)"


def test_the_plugin_of_the_readme_trains_and_costs_no_torch(tmp_path):
    code = of_package(README, "lebm_laplace")
    assert sum(len(block.splitlines()) - 1 for block in code) <= 20
    install(tmp_path, code, "laplace")
    probe = "import sys, lebm_laplace; print('torch' in sys.modules)"
    assert run_in(tmp_path, ["-c", probe]).strip() == "False"
    words = "recipe synthetic-8gaussians --preset smoke --out run --jobs 1".split()
    words += ["decoder.name=laplace", "decoder.hidden=20", "encoder.name=tabular"]
    words += ["learning.decoder=variational", "training.max_steps=10", "evaluation.controls=[]"]
    run_in(tmp_path, ["-m", "lebm_core", *words])
    model = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert '"name": "laplace"' in json.dumps(model) and '"hidden": 20' in json.dumps(model)


@pytest.mark.parametrize("row", ["model", "f0", "real"])
def test_the_worked_plugin_trains_by_its_recipe(row, counts_run):
    value = counts_run["rows"][row]["dispersion"]
    assert counts_run["complete"] and value["value"] > 0 and value["definition"]


@pytest.fixture(scope="module")
def counts_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counts")
    page = (ROOT / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")
    install(folder, of_package(page, "lebm_counts"), "counts")
    words = "recipe counts-demo --preset smoke --out run --jobs 1".split()
    run_in(folder, ["-m", "lebm_core", *words])
    assert len((folder / "run" / "samples.csv").read_text().splitlines()) == 100
    return json.loads((folder / "run" / "metrics.json").read_text())
