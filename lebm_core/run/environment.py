"""Where a run was made: versions, processor, commit; no host name and no path of a user's home."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["cores", "describe_environment", "machine", "without_home"]

PACKAGES = (
    "lebm", "torch", "numpy", "accelerate", "safetensors", "scikit-learn", "transformers",
    "datasets", "tokenizers", "sacrebleu", "rdkit", "selfies",
)  # fmt: skip


def describe_environment() -> dict[str, Any]:
    """Facts about software and machine, as JSON values."""
    import torch

    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.system(),
        "versions": versions,
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
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def without_home(text: str) -> str:
    """The text with ~ for the user's home; as it is where there is none, or it is the root."""
    try:
        home = str(Path.home())
    except RuntimeError:  # neither $HOME nor an entry for the user
        return text
    return text if home in ("", os.sep) else text.replace(home + os.sep, "~" + os.sep)
