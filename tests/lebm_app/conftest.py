"""Runs of every kind of data and model, trained for seconds, and a page of one that is served."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

QUICK = ["evaluation.baselines=[]", "evaluation.samples=20"]
RECIPES = {
    "digits": ("semi-digits", ["learning.properties=['slant']", "evaluation.metrics=[]"]),
    "text": ("text-pydocs", ["evaluation.metrics=[]"]),
    "molecules": ("molecule-nci", ["evaluation.metrics=[]"]),
    "table": ("table", []),
    "ebm": ("ebm-digits", ["evaluation.metrics=[]"]),
    "energy-generator": ("coop-8gaussians", ["evaluation.metrics=[]"]),
    "trajectories": ("trajectory-crowd", ["evaluation.metrics=[]"]),
}
WAIT = 240  # seconds for a page to be there, on a machine that is busy
# Every address that a process connects to, a line each.
SPY = """
import os, socket
plain = socket.socket.connect
def connect(self, address):
    with open(os.environ["CONNECTED"], "a") as out:
        print(self.family.name, address, file=out)
    return plain(self, address)
socket.socket.connect = connect
"""


def table(folder: Path) -> Path:
    """A table of two numbers and a category, with some values missing."""
    draw = np.random.default_rng(0)
    length, red = draw.normal(size=200), draw.random(200) < 0.5
    width = np.where(red, 2 * length, -length) + 0.1 * draw.normal(size=200)
    rows = [
        f"{a:.3f},{'' if i % 20 == 0 else f'{b:.3f}'},{'red' if c else 'blue'}"
        for i, (a, b, c) in enumerate(zip(length, width, red, strict=True))
    ]
    file = folder / "secret" / "plants.csv"
    file.parent.mkdir()
    file.write_text("\n".join(["length,width,colour", *rows]) + "\n")
    return file


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a finished run of `RECIPES`, trained once."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            from lebm_core import run_recipe

            place = tmp_path_factory.mktemp(kind)
            recipe, options = RECIPES[kind]
            own = [f"data.source={table(place)}"] if kind == "table" else []
            run_recipe(
                recipe, "smoke", [*QUICK, *options, *own], out=place / "run", log=lambda line: None
            )
            made[kind] = place / "run"
        return made[kind]

    return folder


@pytest.fixture
def digits(run_of: Callable[[str], Path]) -> Path:
    return run_of("digits")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, which with gradio and playwright the tests of the page need."""
    pytest.importorskip("gradio", reason="the page needs gradio (the extra app)")
    pytest.importorskip("playwright", reason="the page is driven by playwright")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    found = found or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium here to open the page in")
    return found


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[tuple[str, Path]]]:
    """The context manager `served`."""
    return served


@contextmanager
def served(command: list[str], folder: Path, **more: str) -> Iterator[tuple[str, Path]]:
    """A page that a command serves: its address, and the file of what it connects to.

    On leaving it is stopped by Ctrl-C, and must say so and nothing else.
    """
    spy, connected, said = folder / "spy", folder / "connected", folder / "said"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY)
    path = os.pathsep.join([str(spy), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path, "CONNECTED": str(connected), **more}
    environment["PYTHONUNBUFFERED"] = "1"
    connected.touch()
    with said.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
    try:
        end = time.monotonic() + WAIT
        found = None
        while found is None:
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < end, f"no page after {WAIT} s: {said.read_text()}"
            time.sleep(0.2)
            found = re.search(r"http://127\.0\.0\.1:\d+", said.read_text())
        yield found[0], connected
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
        words = said.read_text()
        assert code == 0 and "Interrupted" not in words, words
        assert "Traceback" not in words, words
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
