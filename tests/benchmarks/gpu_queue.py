"""What has never run on a GPU, in order of worth: pieces of minutes that carry on from each other.

    python tests/benchmarks/gpu_queue.py --state .queue --out "$OUT" --minutes 8

runs the next pieces until the minutes are over. A training that is not finished is stopped, saved
and packed into files of at most 14 MB, of which the next call, on another machine, goes on: bring
back what is in --out, and give it as --state. Every finished piece is written into
docs/results/gpu.md (`--write` does that alone, from --state). Nothing is fetched: the data files
are looked for in --data-dir, as by `lebm recipe`.

`--dry` proves the queue on a CPU: the smoke presets in the place of the published ones.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from gpu_pieces import QUEUE, Piece  # noqa: E402

TOP = Path(__file__).parents[2]
PART = 14 * 2**20  # bytes of a packed file at most
PARTS = 7  # files of a piece at most: eight come back from a machine, one is the queue's own
SAVING = 45.0  # seconds in which a stopped training is to be saved
LEAST = 60.0  # seconds that are worth starting a piece for


@dataclass
class Record:
    """What has come of a piece.

    Attributes:
        name: of the piece.
        status: done, part (it goes on), or failed.
        seconds: it has run for, over all calls.
        calls: it has had.
        commit, machine: of the last call.
        command: that ran.
        text: its last lines, or its table.
        values: of a recipe, metric: [value, standard error].
    """

    name: str
    status: str = "part"
    seconds: float = 0.0
    calls: int = 0
    commit: str = ""
    machine: str = ""
    command: str = ""
    text: str = ""
    values: dict[str, list[float | None]] = field(default_factory=dict)


class State:
    """The records and the packed runs, read from one folder and written to another."""

    def __init__(self, given: Path, out: Path, runs: Path) -> None:
        self.out, self.runs = out, runs
        for folder in (out, runs):
            folder.mkdir(parents=True, exist_ok=True)
        if given.resolve() != out:
            for part in given.glob("*.tar.*"):
                shutil.copy(part, out)
        kept = given / "queue.json"
        found = json.loads(kept.read_text()) if kept.is_file() else []
        self.records = {each["name"]: Record(**each) for each in found}

    def save(self) -> None:
        """Write the records."""
        text = json.dumps([asdict(each) for each in self.records.values()], indent=1)
        (self.out / "queue.json").write_text(text + "\n")

    def unpack(self, name: str) -> Path:
        """The run folder of a piece, as the last call left it."""
        folder = self.runs / name
        parts = sorted(self.out.glob(f"{name}.tar.*"))
        if not folder.is_dir() and parts:
            whole = self.out / f"{name}.joined"
            whole.write_bytes(b"".join(part.read_bytes() for part in parts))
            with tarfile.open(whole) as archive:
                # Of Python 3.11 only the later versions know that an archive may be hostile.
                if hasattr(tarfile, "data_filter"):
                    archive.extraction_filter = staticmethod(tarfile.data_filter)
                archive.extractall(self.runs)
            whole.unlink()
        return folder

    def pack(self, name: str) -> str:
        """Pack a run that is to go on; returns why it cannot be carried, or ""."""
        for old in self.out.glob(f"{name}.tar.*"):
            old.unlink()
        folder, whole = self.runs / name, self.out / f"{name}.whole"
        if not folder.is_dir():  # it was stopped before there was anything to save
            return ""
        checkpoints = sorted(folder.glob("**/checkpoints/step-*"))
        newest = {each.parent: each for each in checkpoints}
        dropped = {each for each in checkpoints if newest[each.parent] != each}

        def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
            path = self.runs / member.name
            gone = any(path == each or each in path.parents for each in dropped)
            return None if gone or path.name == ".lock" else member

        with tarfile.open(whole, "w:xz", preset=3) as archive:
            archive.add(folder, name, filter=kept)
        size = whole.stat().st_size
        if size <= PART * PARTS:
            with whole.open("rb") as file:
                for number, at in enumerate(range(0, size, PART)):
                    file.seek(at)
                    (self.out / f"{name}.tar.{number}").write_bytes(file.read(PART))
        whole.unlink()
        limit = f"{PART * PARTS / 2**20:.0f} MB"
        return "" if size <= PART * PARTS else f"its run packs to {size / 2**20:.0f} MB of {limit}"


def run(piece: Piece, state: State, seconds: float, options: argparse.Namespace) -> Record:
    """Run a piece for so many seconds at most, and keep what has come of it."""
    record = state.records.setdefault(piece.name, Record(piece.name))
    folder = state.unpack(piece.name)
    if piece.recipe:
        preset = "smoke" if options.dry else piece.preset
        arguments = ["-m", "lebm_core", "recipe", piece.recipe, "--preset", preset,
                     "--baselines", "none", "--jobs", "1", "--out", str(folder)]  # fmt: skip
        arguments += ["--resume"] if folder.is_dir() else []
        arguments += ["--data-dir", options.data_dir] if options.data_dir else []
        arguments += piece.options
        record.command = f"lebm recipe {piece.recipe} --preset {preset} --baselines none"
    else:
        arguments = piece.dry if options.dry else piece.program
        record.command = f"python {' '.join(arguments)}"
    log = state.out / f"{piece.name}.log"
    began = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, *arguments], cwd=TOP, stdout=file, stderr=file)
        try:
            code = process.wait(max(1.0, seconds - SAVING))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # a training finishes its step and is saved
            try:
                process.wait(SAVING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            code = 130
    record.seconds += time.monotonic() - began
    record.calls += 1
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=TOP, capture_output=True)
    record.commit = commit.stdout.decode().strip() or os.environ.get("COMMIT", "")
    here = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    record.machine = f"{here}, torch {torch.__version__}"
    lines = log.read_text(errors="replace").strip().splitlines()
    log.unlink()
    record.text = "\n".join(lines[-60:] if code == 0 else lines[-12:])
    record.status = {0: "done", 130: "part"}.get(code, "failed")
    if piece.recipe and record.status == "part":
        why = state.pack(piece.name)
        if why:
            record.status, record.text = "failed", f"It cannot go on elsewhere: {why}."
    if piece.recipe and record.status == "done":
        record.values = values_of(folder / "metrics.json")
        for old in state.out.glob(f"{piece.name}.tar.*"):
            old.unlink()
    elif not piece.recipe and record.status == "part":
        record.status, record.text = "failed", f"It takes more than {seconds:.0f} s."
    state.save()
    return record


def values_of(path: Path) -> dict[str, list[float | None]]:
    """The model's figures and their standard errors."""
    rows: dict[str, Any] = json.loads(path.read_text())["rows"]
    return {
        name: [each["value"], each["standard_error"]]
        for name, each in rows.get("model", {}).items() if each.get("value") is not None
    }  # fmt: skip


def page(state: State) -> str:
    """The page of results, Markdown."""
    lines = [
        "# On a GPU: the queue", "",
        "Written by [gpu_queue.py](../../tests/benchmarks/gpu_queue.py) from what each piece left;",
        "a piece that has not run is not here.", "",
        "| piece | status | minutes | calls | commit | machine |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    known = [state.records[p.name] for p in QUEUE if p.name in state.records]
    for r in known:
        lines.append(f"| {r.name} | {r.status} | {r.seconds / 60:.1f} | {r.calls} | {r.commit} "
                     f"| {r.machine} |")  # fmt: skip
    for r in known:
        lines += ["", f"## {r.name}", "", "```bash", r.command, "```", ""]
        if r.values:
            lines += ["| metric | value | standard error |", "|---|---|---|"]
            for name, (value, error) in r.values.items():
                said = "" if error is None else f"{error:.3g}"
                lines.append(f"| {name} | {value:.5g} | {said} |")
        elif r.text:
            table = [line for line in r.text.splitlines() if line.startswith("|")]
            lines += table or ["```text", *r.text.splitlines()[-6:], "```"]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--state", type=Path, default=Path(".queue"), help="what a call left")
    parser.add_argument("--out", type=Path, help="where this call leaves it; by default --state")
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / "lebm-queue")
    parser.add_argument("--minutes", type=float, default=8.0, help="of this call")
    parser.add_argument("--only", nargs="+", choices=[p.name for p in QUEUE], help="these pieces")
    parser.add_argument("--data-dir", default="", help="where data files are looked for first")
    parser.add_argument("--page", type=Path, default=TOP / "docs/results/gpu.md")
    parser.add_argument("--dry", action="store_true", help="smoke presets, on whatever there is")
    parser.add_argument("--list", action="store_true", help="show the queue and what has run")
    parser.add_argument("--write", action="store_true", help="write the page and run nothing")
    options = parser.parse_args()
    out = (options.out or options.state).resolve()
    state = State(options.state, out, options.runs.resolve())
    ended = time.monotonic() + 60 * options.minutes
    for piece in QUEUE:
        record = state.records.get(piece.name, Record(piece.name, "not run"))
        left = ended - time.monotonic()
        due = record.status in ("not run", "part") and piece.name in (options.only or [piece.name])
        if options.list:
            print(f"{piece.name}: {record.status}, {record.seconds / 60:.1f} minutes")
        elif due and not options.write and left > LEAST:
            now = datetime.datetime.now().strftime("%H:%M:%S")
            print(f"{now} {piece.name}, {left:.0f} s left", flush=True)
            record = run(piece, state, left, options)
            print(f"{piece.name}: {record.status} after {record.seconds:.0f} s", flush=True)
    if not options.list and state.records:
        options.page.write_text(page(state))


if __name__ == "__main__":
    main()
