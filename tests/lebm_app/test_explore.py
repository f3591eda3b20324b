"""What the page says, without the page: samples, the map, answers, the chain, the Space."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lebm_app.live
from lebm_app.answers.chain import chain
from lebm_app.answers.codes import HEIGHT, WIDTH, CodeMap
from lebm_app.answers.own import answers
from lebm_app.answers.samples import Wish, samples
from lebm_app.explorer import Explorer
from lebm_app.export import export_run
from lebm_app.live import streamed
from lebm_core.errors import UsageError
from lebm_core.run.cli import main


@pytest.fixture(scope="module")
def explorer(run_of: Callable[[str], Path]) -> Explorer:
    return Explorer(run_of("digits"))


def test_the_grid_is_redrawn_at_every_step(explorer: Explorer, monkeypatch: Any) -> None:
    monkeypatch.setattr(lebm_app.live, "LEAST", 0.0)
    monkeypatch.setattr(lebm_app.live, "SHARE", 0.0)
    steps = explorer.model.prior.sampler.steps
    sampler = explorer.model.prior.sampler
    seen = list(samples(explorer, Wish(n=5, seed=3)))
    told = [said for _, said in seen]
    assert told[1:-1] == [f"Step {i} of {steps}." for i in range(1, steps + 1)]
    assert all(grid.count("<img") == 5 for grid, _ in seen[1:])
    assert told[-1].startswith("5 samples in ") and told[-1].endswith(", seed 3.")
    assert explorer.model.prior.sampler is sampler
    assert list(samples(explorer, Wish(n=5, seed=3)))[-1][0] == seen[-1][0]
    assert list(samples(explorer, Wish(n=5, seed=4)))[-1][0] != seen[-1][0]


@pytest.mark.parametrize(
    "wish",
    [
        Wish(n=4, y="3"), Wish(n=4, y="3", y_strength=2.0), Wish(n=4, controls="not:y=3 y=1,2@2"),
        Wish(n=4, name="slant", kind="highest"), Wish(n=4, name="slant", value=0.3, strength=2.0),
    ],
)  # fmt: skip
def test_samples_as_asked_for(explorer: Explorer, wish: Wish) -> None:
    grid, told = list(samples(explorer, wish))[-1]
    assert grid.count("<img") == 4 and "seed 0" in told
    assert grid != list(samples(explorer, Wish(n=4)))[-1][0]


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        (Wish(n=0), "1 to 64"), (Wish(y="ten"), "There is no class"),
        (Wish(controls="slant?"), "is not understood"), (Wish(name="height"), "no property"),
    ],
)  # fmt: skip
def test_what_samples_refuse(explorer: Explorer, wish: Wish, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        list(samples(explorer, wish))


def test_a_draw_that_nobody_waits_for_ends() -> None:
    told: list[int] = []

    def work(tell: Callable[[int], None]) -> int:
        for i in range(10**9):
            told.append(i)
            tell(i)
        return 0

    stream: Any = streamed(work)
    assert next(stream) == 0
    stream.close()  # waits for the computation
    n = len(told)
    assert 0 < n < 10**6
    assert len(told) == n


def test_the_map_is_of_the_principal_components(explorer: Explorer) -> None:
    codes = CodeMap(explorer)
    z = codes.z.double().numpy()
    values = np.linalg.eigvalsh(np.cov(z.T))[::-1]
    assert codes.share == pytest.approx(values[:2].sum() / values.sum(), rel=1e-4)
    spread = codes.points.double().var(0).numpy()
    assert spread == pytest.approx(values[:2], rel=1e-3)
    point = (0.3, -0.2)
    pixel = codes.pixel(*point)
    assert codes.point(*pixel) == pytest.approx(point, abs=1e-9)
    assert 0 < pixel[0] < WIDTH and 0 < pixel[1] < HEIGHT
    back = (codes.code(point) - codes.mean) @ codes.axes.T
    assert back[0].tolist() == pytest.approx(point, abs=1e-4)
    a, b, energy = codes.energy
    here = codes.code((a[7], b[30]))
    expected = float(-explorer.model.prior.log_prob(here).detach())
    assert energy[30, 7] == pytest.approx(expected, rel=1e-4)
    assert codes.colourings == ["nothing", "class", "brightness", "slant", "stroke"]
    plain, marked = codes.drawn("class"), codes.drawn("class", [point])
    assert plain.shape == (HEIGHT, WIDTH, 3)
    changed = np.argwhere((plain != marked).any(2))
    assert changed.mean(0)[::-1] == pytest.approx(pixel, abs=1.5)  # the mark is where it was put


def test_a_line_on_the_map_ends_at_its_points(explorer: Explorer) -> None:
    codes = CodeMap(explorer)
    x = codes.between((0.1, 0.0), (0.4, 0.2))
    assert len(x) == 8
    ends = codes.decoded(torch.cat([codes.code((0.1, 0.0)), codes.code((0.4, 0.2))]))
    torch.testing.assert_close(x[[0, -1]], ends)


def test_the_energy_along_the_chain(explorer: Explorer) -> None:
    found = list(chain(explorer, "any", 30, 0))[-1][2]
    assert found is not None and found.energy.shape == (30, 8)
    prior = explorer.model.prior
    for step in (0, 7, 29):
        expected = -prior.log_prob(found.states[step]).detach()
        torch.testing.assert_close(found.energy[step], expected, rtol=1e-4, atol=1e-3)
    grid, told = found.at(explorer, 0)
    assert grid.count("<img") == 8 and told.startswith("Step 0 of 30, energy ")
    with pytest.raises(UsageError, match="at most 5000 steps"):
        list(chain(explorer, "any", 10**6, 0))


def test_answers_are_those_of_the_run(explorer: Explorer) -> None:
    wanted = ["Reconstruct", "Complete", "Classify", "Score"]
    assert list(explorer.does) == wanted
    found = answers(explorer, 1, "left half", wanted, 0)
    assert [f"<h3>{name}</h3>" in found for name in wanted] == [True] * 4
    x = explorer.data.batch("test", explorer.rows[:1]).x
    score = float(explorer.model.score(x)[0][0])
    assert f"<td>{score:.4g}</td>" in found
    with pytest.raises(UsageError, match="give a number from 1 to that"):
        answers(explorer, 10**6, "left half", wanted, 0)


def test_half_of_an_image_is_kept(explorer: Explorer, monkeypatch: Any) -> None:
    asked: dict[str, Any] = {}

    def complete(x: Any, mask: Any, **options: Any) -> Any:
        asked.update(x=x, mask=mask)
        return x

    monkeypatch.setattr(explorer.model, "complete", complete)
    answers(explorer, 1, "left half", ["Complete"], 0)
    assert not asked["mask"][..., :4].any() and asked["mask"][..., 4:].all()
    assert asked["x"].shape == (4, 1, 8, 8)


def test_a_sentence_goes_on_where_it_stops(run_of: Callable[[str], Path]) -> None:
    explorer = Explorer(run_of("text"))
    assert "Complete" in explorer.does
    found = answers(explorer, "the value of", "", ["Complete"], 0).partition("Complete")[2]
    assert found.count("the value of") == 4


def test_a_drawing_of_any_size_becomes_pixels_of_the_model(
    explorer: Explorer, tmp_path: Path
) -> None:
    pillow = pytest.importorskip("PIL.Image")
    file = tmp_path / "drawing.png"
    pillow.fromarray(np.full((280, 280), 255, dtype=np.uint8)).save(file)
    batch, told = explorer.given(file)
    assert told == ""
    torch.testing.assert_close(batch.x, torch.ones(1, 1, 8, 8))


def test_without_its_data_the_map_is_of_draws_and_says_why(
    run_of: Callable[[str], Path], tmp_path: Path
) -> None:
    space = export_run(run_of("table"), tmp_path / "space")
    names = {str(file.relative_to(space)) for file in space.rglob("*") if file.is_file()}
    assert {"app.py", "README.md", "requirements.txt", "run/recipe.toml"} <= names
    assert not [name for name in names if name.endswith((".png", ".csv", ".npz", ".html"))]
    for file in space.rglob("*"):
        if file.is_file():
            assert b"secret" not in file.read_bytes(), file  # the folder of the user's own table
    needed = (space / "requirements.txt").read_text()
    assert needed.startswith("lebm[app") and "torch" not in needed
    explorer = Explorer(space / "run")
    assert explorer.missing and explorer.examples is None and explorer.split == ""
    codes = CodeMap(explorer)
    assert codes.source.startswith("500 draws of the prior") and len(codes.z) == 500
    row = {"length": "1", "width": "", "colour": "red"}
    found = answers(explorer, row, "", list(explorer.does), 0)
    done = found.split("<h3>Complete</h3>")[1].split("</section>")[0]
    assert done.count("<td>1</td>") == 4
    assert json.loads((space / "run" / "data.json").read_text())["sizes"]["missing"]
    with pytest.raises(UsageError, match="is not empty"):
        export_run(run_of("table"), space)


def test_a_wrong_row_or_molecule_is_one_sentence(run_of: Callable[[str], Path]) -> None:
    explorer = Explorer(run_of("table"))
    for row in ({"length": "1", "width": "2", "colour": "green"}, {"length": "1"}):
        with pytest.raises(UsageError, match="colour|width"):
            answers(explorer, row, "", [], 0)


def test_a_port_in_use_and_a_folder_that_is_no_run(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = str(held.getsockname()[1])
        assert main(["explore", str(digits), "--port", port]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"lebm: Port {port} of 127.0.0.1 cannot be listened on")
        assert told.count("\n") == 1
    assert main(["explore", str(tmp_path), "--port", "0"]) == 2
    assert "is not a run folder" in capsys.readouterr().err.splitlines()[-1]


def test_without_gradio_the_extra_is_named(digits: Path) -> None:
    code = (
        "import sys; sys.modules['gradio'] = None\n"
        "import importlib.util as util; found = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'gradio' else found(name, *rest)\n"
        f"from lebm_core.run.cli import main; sys.exit(main(['explore', {str(digits)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "lebm: lebm explore needs the package gradio, which is not installed: pip install "
        '"lebm[app]".\n'
    )


def test_ctrl_c_stops_a_page_in_one_line(serve: Any, digits: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the page needs gradio (the extra app)")
    command = [sys.executable, "-m", "lebm_core", "explore", str(digits), "--port", "0"]
    with serve(command, tmp_path):  # which looks at the exit code
        pass
    assert (tmp_path / "said").read_text().splitlines()[-1] == "Stopped."


def test_the_tests_of_the_page_would_see_a_connection(serve: Any, tmp_path: Path) -> None:
    """A server that says where it is, asks another address, and waits to be stopped."""
    code = (
        "import socket, time; print('http://127.0.0.1:1')\n"
        "ask = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "try: ask.connect(('192.0.2.1', 9))\n"  # a datagram's, which sends nothing
        "except OSError: pass\n"
        "try: time.sleep(60)\nexcept KeyboardInterrupt: pass\n"
    )
    with serve([sys.executable, "-c", code], tmp_path) as (_, connected):
        for _ in range(100):
            if "192.0.2.1" in connected.read_text():
                break
            time.sleep(0.1)
        assert "192.0.2.1" in connected.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ebm", "energy-generator", "trajectories"])
def test_every_family_of_models(run_of: Callable[[str], Path], kind: str) -> None:
    explorer = Explorer(run_of(kind))
    grid, told = list(samples(explorer, Wish(n=6, example=int(kind == "trajectories"))))[-1]
    assert told.startswith("6 samples in ")
    assert grid.count("<img") == (6 if kind == "ebm" else 1)
    found = list(chain(explorer, "any", 20, 0))[-1][2]
    assert found is not None and found.energy.shape == (20, 8)
    assert bool(found.energy.isfinite().all())
    codes = CodeMap(explorer)
    assert len(codes.between((0.0, 0.0), (0.1, 0.1))) == 8
    does = {"ebm": "Complete", "energy-generator": "Reconstruct", "trajectories": "Predict"}
    said = answers(explorer, 2, "lower half", list(explorer.does), 0)
    assert f"<h3>{does[kind]}</h3>" in said and 'class="wrong"' not in said
    if kind == "trajectories":
        assert "20 futures" in said
