"""A folder that runs as a Hugging Face Space: the page and the run's model, without its data."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lebm_core.base.files import read_json, replace_folder, workplace
from lebm_core.errors import MissingExtra, UsageError, shown
from lebm_core.run.artifacts import TRAINING, part_folder
from lebm_core.run.config.recipe import dump, load

__all__ = ["export_run"]

LEBM = "lebm"
APP = '''"""The page of a run of lebm, as a Space: python app.py shows it here too."""

from pathlib import Path

from lebm_app.space import launch

launch(Path(__file__).parent / "run")
'''
README = """---
title: {title}
colorFrom: blue
colorTo: gray
sdk: gradio
sdk_version: {gradio}
python_version: "3.11"
app_file: app.py
pinned: false
---

# {title}

{summary}

The page of a run of lebm: samples, a map of the codes, answers about your own examples, the chain,
and the table of the report. `run/` holds the model, its recipe, the results, and what examples are
prepared by; none of the examples that it was trained or judged on, nor pictures of them.
"""
KEPT = ("data.json", TRAINING)
PATHS = re.compile(r"(?<![\w./])/(?:[^\s/\"':,]+/)+")  # folders of this machine


def export_run(run: Path, target: Path) -> Path:
    """Write the Space of a run.

    Args:
        run: the folder of a run, or of one of its baselines.
        target: a folder that is new or empty.

    Returns:
        The folder.

    Raises:
        MissingExtra: gradio is not installed.
        UsageError: the folder is no run, or the target holds something.
    """
    from lebm_app.explorer import Explorer

    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"--export {shown(target, 300)} is not empty: give a new folder.")
    try:
        gradio = importlib.metadata.version("gradio")
    except importlib.metadata.PackageNotFoundError:
        raise MissingExtra("gradio", "app", needed_by="lebm explore") from None
    explorer = Explorer(run)  # whatever the page would refuse is refused here
    recipe = explorer.run.recipe
    target.parent.mkdir(parents=True, exist_ok=True)
    with workplace(target.parent) as place:
        space = place / "space"
        space.mkdir()
        (space / "app.py").write_text(APP, encoding="utf-8")
        words = {"title": recipe.name, "gradio": gradio, "summary": recipe.summary}
        (space / "README.md").write_text(README.format(**words), encoding="utf-8")
        needed = "\n".join(_requirements(explorer)) + "\n"
        (space / "requirements.txt").write_text(needed, encoding="utf-8")
        _copy_run(run, space / "run")
        if target.exists():
            target.rmdir()
        replace_folder(space, target)
    return target


def _requirements(explorer: Any) -> list[str]:
    """The distributions that the model and its data stand on, in the versions that are here."""
    parts = [explorer.data, explorer.model, *explorer.model.modules()]
    packages = {type(part).__module__.partition(".")[0] for part in parts}
    known = importlib.metadata.packages_distributions()
    extras = set(importlib.metadata.metadata(LEBM).get_all("Provides-Extra") or [])
    others, own = set(), {"app"}
    for package in packages - {"torch"}:
        home = known.get(package, [LEBM])[0]
        if home == LEBM or package.startswith("lebm_"):
            own |= {package.removeprefix("lebm_")} & extras
        elif package not in ("builtins", "lebm_core"):
            others.add(f"{home}=={importlib.metadata.version(home)}")
    version = importlib.metadata.version(LEBM)
    return [f"{LEBM}[{','.join(sorted(own))}]=={version}", *sorted(others)]


def _copy_run(run: Path, target: Path) -> None:
    """Copy what the page reads of a run: no example, no picture, no path of this machine."""
    recipe = load(run / "recipe.toml")
    for name in ("model", *recipe.baselines):
        source, place = part_folder(run, name), part_folder(target, name)
        place.mkdir(parents=True)
        own = load(source / "recipe.toml") if (source / "recipe.toml").is_file() else recipe
        data = {key: _plain(value) for key, value in own.data.items()}
        (place / "recipe.toml").write_text(dump(dataclasses.replace(own, data=data)))
        for file in (source / each for each in KEPT):
            _copy_json(file, place / file.name)
        for file in sorted((source / "evaluation").glob("*.json")):
            _copy_json(file, place / "evaluation" / file.name)
    shutil.copytree(run / "model", target / "model", symlinks=True)
    shutil.copytree(run / "data", target / "data", symlinks=True)
    card = target / "model" / "README.md"
    if card.is_file():
        card.write_text(PATHS.sub("", card.read_text(encoding="utf-8")), encoding="utf-8")
    for folder in (target, target / "model"):
        if (folder / "data.json").is_file():
            _copy_json(folder / "data.json", folder / "data.json")
        for file in _described(folder / "data"):
            content = read_json(file)
            if "summary" in content:  # the rest may be a vocabulary, in which a path is a word
                content["summary"] = _plain(content["summary"])
                file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _described(folder: Path) -> Iterable[Path]:
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _copy_json(source: Path, target: Path) -> None:
    """Copy a JSON file, its figures and paths left out, where it is there."""
    if not source.is_file():
        return
    content = {key: _plain(value) for key, value in read_json(source).items()}
    if "figures" in content:
        content["figures"] = []
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """A value without the folders of this machine."""
    if isinstance(value, str):
        return os.path.basename(value) if os.path.isabs(value) else PATHS.sub("", value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
