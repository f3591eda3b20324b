"""Whether torch has a GPU; it is imported only where there may be one."""

from __future__ import annotations

import ctypes
import re
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["gpu_found"]

DRIVERS = {"win32": "nvcuda.dll"}  # else libcuda.so.1
ROCM = Path("/dev/kfd")


def gpu_found() -> bool:
    """Whether torch finds a GPU: it is asked only where its build and a driver make it likely."""
    if not (_built_for_gpu() and _driver_found()):
        return False
    import torch

    return torch.cuda.is_available()


def _built_for_gpu() -> bool:
    """What torch's own version file says of its build."""
    spec = find_spec("torch")
    file = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    string = file.read_text(encoding="utf-8") if file and file.is_file() else ""
    return re.search(r"^(cuda|hip)\b.*=\s*['\"]", string, re.MULTILINE) is not None


def _driver_found() -> bool:
    try:
        ctypes.CDLL(DRIVERS.get(sys.platform, "libcuda.so.1"))
    except OSError:
        return ROCM.exists()
    return True
