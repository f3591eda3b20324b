"""Which data sets are known, and whether their files are here: what `lebm data` shows."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path, PosixPath, WindowsPath
from typing import NamedTuple

from lebm_core.data.files import DataFiles
from lebm_core.errors import LebmError
from lebm_core.registry.registry import registry

__all__ = ["Known", "inventory"]


class Known(NamedTuple):
    """A data set; `status` is found, missing, "no file needed" or failed."""

    name: str
    status: str
    detail: str


class _Opened(BaseException):
    """A data set opens a file it has found: all it needs is there, and the probe ends.

    It passes through plugins that catch Exception.
    """


class _ProbedPath(WindowsPath if os.name == "nt" else PosixPath):  # type: ignore[misc]
    """A path that can be looked at but not opened."""

    def __fspath__(self) -> str:
        raise _Opened


class _Probe(DataFiles):
    """Files that are found and never read."""

    def __init__(self, data_dir: str | Path | None) -> None:
        super().__init__(data_dir)
        self.found: list[Path] = []

    def find(self, dataset: str, names: Sequence[str], how: str) -> Path:
        path = super().find(dataset, names, how)
        self.found.append(path)
        return _ProbedPath(str(path))


def inventory(data_dir: str | Path | None = None) -> list[Known]:
    """Asks every registered data set for its files, and stops each before it reads one."""
    return [_look(name, data_dir) for name in registry().names("datasets")]


def _look(name: str, data_dir: str | Path | None) -> Known:
    probe = _Probe(data_dir)
    try:
        factory = registry().get("datasets", name)
        for parameter in inspect.signature(factory).parameters.values():
            if parameter.default is parameter.empty and parameter.name not in ("files", "seed"):
                return Known(name, "missing", f"give data.{parameter.name}=...")
        factory(files=probe, seed=0)
    except _Opened:
        return Known(name, "found", ", ".join(map(str, probe.found)))
    except LebmError as error:
        return Known(name, "missing", str(error))
    except Exception as error:
        return Known(name, "failed", f"{type(error).__name__}: {error}")
    if probe.found:
        return Known(name, "found", ", ".join(map(str, probe.found)))
    return Known(name, "no file needed", "")
