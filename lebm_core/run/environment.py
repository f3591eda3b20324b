"""The environment of a run: versions, processor, commit; no host name, no path of a home."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from lebm_core.registry.registry import discover

__all__ = ["cores", "describe_environment", "machine", "without_home"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # that a requirement begins with
DEVELOPMENT = re.compile(r"extra == ['\"](?:test|dev|docs)['\"]")


def describe_environment() -> dict[str, Any]:
    """Facts about software and machine, as JSON values."""
    import torch

    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.system(),
        "versions": _versions(),
        "cpu": _cpu_model(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "gpu": None,
        "commit": _commit(),
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
        facts["cuda"] = torch.version.cuda
    return facts


def _versions() -> dict[str, str]:
    """Versions of lebm, of the plugins that are loaded, and of the packages that they ask for."""
    loaded = [plugin for plugin in discover().plugins() if plugin.status == "loaded"]
    distributions = dict.fromkeys(["lebm", *(plugin.distribution for plugin in loaded)])
    asked = [each for name in distributions for each in _requirements(name)]
    found = {}
    for name in dict.fromkeys([*distributions, *asked]):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _requirements(distribution: str) -> list[str]:
    """The names of the packages that a distribution and its extras need to run."""
    try:
        lines = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    names = [NAME.match(line) for line in lines if not DEVELOPMENT.search(line)]
    return [name.group() for name in names if name]


def machine(facts: dict[str, Any]) -> str:
    """The machine in a phrase: the GPU, or the CPU and how many cores of it."""
    cpu = f"{facts.get('cpu') or 'CPU'}, {facts.get('cores')} cores"
    return f"{facts['gpu']}; {cpu}" if facts.get("gpu") else cpu


def cores() -> int:
    """The CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit of lebm where it runs from a checkout, with "-dirty" where files differ."""
    source = Path(__file__).resolve().parent
    root = next((folder for folder in source.parents if (folder / ".git").exists()), None)
    if root is None or "site-packages" in source.parts:
        return None
    commit = _git(root, "rev-parse", "--short=10", "HEAD")
    if commit is None:
        return None
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True, encoding="utf-8", timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def without_home(string: str) -> str:
    """The string with ~ for the user's home; as it is where there is none, or it is the root."""
    try:
        home = str(Path.home())
    except RuntimeError:  # neither $HOME nor an entry for the user
        return string
    return string if home in ("", os.sep) else string.replace(home + os.sep, "~" + os.sep)
