"""What README and docs/python.md show is run as it stands there, with small sizes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_digits

from lebm_core import LatentEBM
from lebm_core.run.config.catalogue import BEGIN, END, catalogue, markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
TABLE = (ROOT / "docs" / "recipe-table.md").read_text(encoding="utf-8")


def example(word: str, page: str = PYTHON) -> str:
    """The only block of Python with that word."""
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if word in block]
    return found


def test_the_table_of_recipes_is_what_the_program_writes():
    shown = TABLE.partition(BEGIN)[2].partition(END)[0].strip()
    # Recipes of other plugins that happen to be installed here are not the project's.
    own = {file.stem for file in (ROOT / "recipes" / "lebm_recipes").glob("*.toml")}
    expected = markdown([entry for entry in catalogue() if entry.name in own])
    assert shown == expected, "docs/recipe-table.md: paste the output of: lebm recipe --markdown"


def test_the_test_command_is_marked():
    marked = re.search(r"<!-- test-command -->\n```bash\n(.*?)^```", README, re.M | re.S)
    assert marked and ".venv" in marked[1] and "pytest" in marked[1]


def test_the_ten_lines_run(capsys: pytest.CaptureFixture[str]):
    code = example("load_digits", README)
    lines = [line for line in code.splitlines() if line]
    assert len(lines) <= 10 and max(map(len, lines)) <= 100
    exec(compile(code.replace("random_state=0", "random_state=0, max_iter=3"), "README.md", "exec"))
    accuracy, *_ = capsys.readouterr().out.splitlines()
    assert 0 <= float(accuracy) <= 1


@pytest.mark.slow
def test_the_ten_lines_reach_what_they_say(capsys: pytest.CaptureFixture[str]):
    code = example("load_digits", README)
    said = float(re.findall(r"on new images: (\S+)", code)[0])
    exec(compile(code, "README.md", "exec"))
    accuracy, *_ = capsys.readouterr().out.splitlines()
    assert abs(float(accuracy) - said) < 0.05  # of 297 images: three standard errors


def test_the_parts_by_hand_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    code = example("LatentEBM(")
    lines = [line for line in code.splitlines() if line]
    assert len(lines) <= 20 and max(map(len, lines)) <= 100 and "300" in code
    monkeypatch.chdir(tmp_path)
    small = code.replace("import torch\n", "import torch; torch.manual_seed(0)\n")
    small = small.replace("300", "20").replace("EBMPrior(2, ", "EBMPrior(2, {'hidden': [16]}, ")
    exec(compile(small, "python.md", "exec"), {})
    assert capsys.readouterr().out.count("tensor(") == 2
    assert tuple(LatentEBM.from_pretrained("four-clusters").sample(3).shape) == (3, 2)


def test_the_example_of_few_labels_runs():
    X, y = load_digits(return_X_y=True)
    names = {"X": X[:60], "y": [*y[:40], *[-1] * 20], "X_new": X[60:62]}
    code = example("LatentEBMClassifier").replace("random_state=0", "random_state=0, max_iter=5")
    *rest, last = code.splitlines()
    exec(compile("\n".join(rest), "python.md", "exec"), names)
    p, x = eval(last, names)
    assert p.shape == (2, 10) and x.shape == (10, 64)


def test_a_recipe_from_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    exec(compile(example("run_recipe("), "python.md", "exec"), {})
    assert "definition=" in capsys.readouterr().out
