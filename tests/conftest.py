"""What all tests share: one thread for each of several test processes, and the reported cases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of small files that were once read wrongly."""
    beside = Path(__file__).parents[2] / "shared" / "cases"
    folder = Path(os.environ.get("LEBM_CASES") or beside)
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: LEBM_CASES names the folder of reported cases")
    return folder
