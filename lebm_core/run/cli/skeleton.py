"""A plugin to start from: a decoder, an encoder, data, a metric, a recipe and tests that pass."""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Template

from lebm_core.base.checks import choice
from lebm_core.errors import RunError, UsageError
from lebm_core.registry.registry import discover
from lebm_core.run.cli.templates import DEFAULT, kinds, template

__all__ = ["write_skeleton"]

TEMPLATES = {
    "pyproject.toml": "pyproject.toml.in",
    "README.md": "README.md.in",
    "$package/__init__.py": "init.py.in",
    "$package/networks.py": "networks.py.in",
    "$package/data.py": "data.py.in",
    "$package/dataset.py": "dataset.py.in",
    "$package/splits.py": "splits.py.in",
    "$package/metrics.py": "metrics.py.in",
    "$package/demo.toml": "demo.toml.in",
    "tests/test_$name.py": "tests.py.in",
    "tests/test_${name}_data.py": "kind_tests.py.in",
}


def write_skeleton(
    name: str, out: str | os.PathLike[str] | None = None, kind: str = DEFAULT
) -> Path:
    """Write the plugin `name` with the package lebm_NAME; all of it or nothing.

    Args:
        name: lower-case letters, digits and underscores, beginning with a letter.
        out: the folder to make; by default lebm-NAME here.
        kind: of its data, one of `kinds()`.

    Returns:
        The folder.

    Raises:
        UsageError: the name is invalid or taken, there is no such kind, or the folder exists.
        RunError: the folder cannot be written.
    """
    choice("--kind", kind, kinds())
    if not re.fullmatch(r"[a-z]([a-z0-9_]*[a-z0-9])?", name) or keyword.iskeyword(name):
        raise UsageError(
            f'"{name}" is no name for a plugin: lower-case letters, digits and _, a letter '
            "first and no _ last."
        )
    package = f"lebm_{name}"
    taken = [plugin.name for plugin in discover().plugins()]
    if name in taken or name == "lebm" or importlib.util.find_spec(package) is not None:
        raise UsageError(f'The name "{name}" is taken: a plugin or package {package} is installed.')
    dashed = name.replace("_", "-")
    words = {
        "name": name,
        "package": package,
        "distribution": f"lebm-{dashed}",
        "recipe": f"{dashed}-demo",
        **tomllib.loads(template(kind, "words.toml")),
    }
    folder = Path(out) if out is not None else Path(words["distribution"])
    if folder.exists():
        raise UsageError(f'"{folder}" exists already: give another folder by --out.')
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".lebm-", dir=folder.parent))
        try:
            _fill(temporary, kind, words)
            temporary.chmod(0o777 & ~_umask())
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise RunError(f'"{folder}" cannot be written: {error.strerror}.') from error
    return folder


def _fill(folder: Path, kind: str, words: Mapping[str, object]) -> None:
    for target, source in TEMPLATES.items():
        file = folder / Template(target).substitute(words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(template(kind, source)).substitute(words), encoding="utf-8")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
