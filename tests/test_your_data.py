"""The examples of docs/your-data.md: their files are read, and the slow tests train on them."""

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lebm_core.run.build import build_dataset
from lebm_core.run.cli import main
from lebm_core.run.config.recipe import load

PAGE = (Path(__file__).parents[1] / "docs" / "your-data.md").read_text(encoding="utf-8")
KINDS = ("Tables", "Text", "Images", "Molecules", "Trajectories")
# Examples of each split, and classes: what the page's own file holds.
HELD = {
    "Tables": ((204, 48, 48), ["pear", "plum"]),
    "Text": (None, ["blame", "praise"]),
    "Images": (None, ["cat", "dog"]),
    "Molecules": (None, ["no", "yes"]),
    "Trajectories": (None, []),
}


def section(kind):
    return re.search(rf"^## {kind}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]


def blocks(kind, language):
    return re.findall(rf"^```{language}\n(.*?)^```", section(kind), re.M | re.S)


@pytest.fixture
def example(tmp_path, monkeypatch):
    """A function of a kind: its commands, once the files that the page writes are there."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, colour in (("cat", 60), ("dog", 200)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(30):
            pixels = rng.normal(colour, 20, (12, 12, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.png")

    def commands(kind):
        for code in blocks(kind, "python")[: kind != "Images"]:
            exec(compile(code, f"your-data.md, {kind}", "exec"), {})
        (script,) = blocks(kind, "bash")
        *setup, last = re.split(r"^(?=lebm )", script.replace("\\\n", " "), flags=re.M)
        found = [last] if not setup or not setup[0].strip() else []
        if not found:
            subprocess.run(["bash", "-c", setup[0]], check=True)
            found = [*setup[1:], last]
        return [shlex.split(command)[1:] for command in found]

    return commands


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_of_the_page_are_read(example, kind):
    command = next(words for words in example(kind) if words[0] == "recipe")
    overrides = [word for word in command if "=" in word]
    data = build_dataset(load(command[1], "smoke", overrides), None)
    counts, classes = HELD[kind]
    assert list(data.classes) == classes
    found = tuple(data.length(split) for split in ("train", "valid", "test"))
    assert min(found) > 0 and (counts is None or found == counts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_commands_of_the_page_run(example, kind, capsys):
    for words in example(kind):
        assert main(words) == 0, capsys.readouterr().err


def test_the_page_has_an_example_of_every_kind():
    assert all(blocks(kind, "bash") for kind in KINDS)
