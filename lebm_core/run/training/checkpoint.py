"""Checkpoints: safetensors and JSON, written atomically, verified by checksum, never pickled.

`checkpoints/step-00001234/` holds `state.safetensors` (one more for every further process) and
`state.json`, which names each tensor file with its size and SHA-256. A checkpoint is written under
a hidden name, synced to disk and renamed, so that a kill at any moment leaves either the whole of
it or a hidden folder that the next start removes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lebm_core.base.files import replace_folder, sha256, sync
from lebm_core.errors import RunError
from lebm_core.run.folder.leftovers import written

__all__ = ["Checkpoint", "latest_checkpoint", "save_checkpoint"]

FORMAT = 1
KEPT = 2
STATE = "state.json"


@dataclass
class Checkpoint:
    """A verified checkpoint, read back: tensors on the CPU, and the JSON state."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]
    folder: Path


class _Damaged(Exception):
    """Why a checkpoint cannot be used."""


def save_checkpoint(
    folder: Path,
    step: int,
    tensors: dict[str, Tensor],
    state: dict[str, Any],
    *,
    rank: int = 0,
    barrier: Callable[[], None] = lambda: None,
) -> Path:
    """Write `folder/step-XXXXXXXX` and drop all but the last two.

    Args:
        folder: the `checkpoints` folder of a run.
        step: steps done so far.
        tensors: this process's tensors; shared storage is written once for each name.
        state: JSON values; the first process's are kept.
        rank: this process's number; each process writes a tensor file of its own.
        barrier: waits for all processes.

    Raises:
        RunError: when the disk refuses.
    """
    final = folder / f"step-{step:08d}"
    temporary = folder / f".{final.name}"
    with written(f"The checkpoint {final}"):
        try:
            if rank == 0:
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir(parents=True)
            barrier()
            path = temporary / _tensor_file(rank)
            save_file(_separate(tensors), path)
            sync(path)
            barrier()
            if rank == 0:
                files = {
                    p.name: {"bytes": p.stat().st_size, "sha256": sha256(p)}
                    for p in sorted(temporary.glob("*.safetensors"))
                }
                record = {"format": FORMAT, "step": step, "files": files, **state}
                (temporary / STATE).write_text(
                    json.dumps(record, indent=1) + "\n", encoding="utf-8"
                )
                sync(temporary / STATE)
                sync(temporary)
                replace_folder(temporary, final)
                for old in _steps(folder)[:-KEPT]:
                    hidden = old.with_name(f".{old.name}-old")
                    shutil.rmtree(hidden, ignore_errors=True)
                    shutil.rmtree(old.rename(hidden))  # a kill leaves no half of a checkpoint
            barrier()
        except BaseException:
            if rank == 0:  # a full disk needs the room
                shutil.rmtree(temporary, ignore_errors=True)
            raise
    return final


def latest_checkpoint(
    folder: Path, log: Callable[[str], None], *, rank: int = 0
) -> Checkpoint | None:
    """The newest checkpoint that is whole; None where there is none.

    Leftovers of an interrupted write are removed. A damaged checkpoint is moved aside, saying so,
    and the one before it is used.

    Raises:
        RunError: for a checkpoint of another version of the format.
    """
    if rank == 0 and folder.is_dir():
        for leftover in folder.glob(".step-*"):
            shutil.rmtree(leftover, ignore_errors=True)
    for path in reversed(_steps(folder)):
        try:
            return _read(path, rank)
        except _Damaged as reason:
            log(f"Checkpoint {path.name} is damaged ({reason}): the one before it is used.")
            if rank == 0:
                aside = path.with_name(f"damaged-{path.name}")
                shutil.rmtree(aside, ignore_errors=True)
                path.rename(aside)
    return None


def _tensor_file(rank: int) -> str:
    return "state.safetensors" if rank == 0 else f"state-{rank}.safetensors"


def _steps(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("step-*") if p.is_dir())


def _read(path: Path, rank: int) -> Checkpoint:
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        files = {
            str(name): (int(f["bytes"]), str(f["sha256"])) for name, f in state["files"].items()
        }
        known = state.get("format")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _Damaged(f"{STATE} is missing or unreadable") from error
    if known != FORMAT:
        raise RunError(
            f"Checkpoint {path} has format {str(known)[:80]}; this version of lebm reads format "
            f"{FORMAT}."
        )
    if _tensor_file(rank) not in files:
        raise RunError(
            f"Checkpoint {path} was written by {len(files)} process(es): resume it with as many."
        )
    for name, (size, checksum) in files.items():
        file = path / name
        if file.parent != path:
            raise _Damaged(f"{STATE} names a file elsewhere")
        if not file.is_file():
            raise _Damaged(f"{name} is missing")
        if file.stat().st_size != size:
            raise _Damaged(f"{name} has {file.stat().st_size} bytes, not {size}")
        if sha256(file) != checksum:
            raise _Damaged(f"{name} does not match its checksum")
    try:
        return Checkpoint(load_file(path / _tensor_file(rank)), state, path)
    except (SafetensorError, OSError) as error:
        raise _Damaged(str(error)) from error


def _separate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as safetensors needs them: contiguous, on the CPU, no storage twice."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        storage = value.untyped_storage().data_ptr()
        result[name] = value.clone() if storage in seen else value
        seen.add(storage)
    return result
