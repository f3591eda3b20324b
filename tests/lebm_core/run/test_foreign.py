"""A run that somebody else sent is data: nothing in it makes lebm read or write elsewhere."""

import json
import os
import shutil

import pytest
import torch

from lebm_core.base.files import enclosed, inside, replace_file, write_atomically
from lebm_core.errors import UsageError
from lebm_core.evaluation.values import Value
from lebm_core.run.cli import main
from lebm_core.run.report.numbers import format_value
from lebm_core.run.report.page import page
from lebm_core.run.report.report import markdown_table, report_run, results_table
from lebm_core.run.report.results import Collected
from lebm_core.run.reuse import evaluate_run, sample_run
from lebm_core.run.run import run_recipe
from lebm_core.run.trained import Run
from lebm_core.run.training.checkpoint import latest_checkpoint, save_checkpoint

OF_A_PART = [
    "checkpoints", "checkpoints/step-00000006", "checkpoints/step-00000006/state.json",
    "checkpoints/step-00000006/state.safetensors", "data", "data.json", "data/toy.json",
    "evaluation", "evaluation/chain.json", "evaluation/figures.json", "evaluation/toy.mean.json",
    "figures", "figures/toy.png", "figures/training.png", "metrics.jsonl", "model",
    "model/README.md", "model/config.json", "model/data", "model/data.json",
    "model/data/toy.json", "model/model.safetensors", "recipe.toml", "samples.csv",
    "training.json",
]  # fmt: skip
OF_A_RUN = [
    *OF_A_PART, "baselines", "baselines/f0", *(f"baselines/f0/{file}" for file in OF_A_PART),
    "cache", "environment.json", "metrics.json", "report.html",
]  # fmt: skip
NOT_YET = [
    ".lock", "INCOMPLETE", "cache/judge-0.json", "evaluation-train", "samples-3-0.csv",
    "tensorboard",
]  # fmt: skip


def silent(line):
    pass


def replace_by_link(path, target):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(target)


def users_of(folder, toy):
    return {
        "report": lambda: report_run(folder),
        "table": lambda: markdown_table([folder]),
        "sample": lambda: sample_run(folder, 3),
        "evaluate": lambda: evaluate_run(folder, "train", log=silent),
        "resume": lambda: run_recipe(toy, "", out=folder, resume=True, log=silent),
        "load": lambda: Run.load(folder),
    }


def test_these_are_all_files_of_a_run(finished):
    found = {str(path.relative_to(finished.folder)) for path in finished.folder.rglob("*")}
    assert found == set(OF_A_RUN)


@pytest.mark.parametrize("file", OF_A_RUN + NOT_YET)
def test_a_link_that_leads_out_is_refused_and_the_victim_stays(run, toy, file, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim.txt").write_text("mine")
    for target in ("victim.txt", "nothing-yet", "."):
        replace_by_link(run.folder / file, outside / target)
        for name, use in users_of(run.folder, toy).items():
            with pytest.raises(UsageError) as caught:
                use()
            said = str(caught.value)
            if file != "recipe.toml" or target == "victim.txt":  # else it is missing
                assert "leads out of the folder" in said, (name, said)
            assert (run.folder / file).name in said and "\n" not in said, (name, said)
        assert [path.name for path in outside.iterdir()] == ["victim.txt"]
        assert (outside / "victim.txt").read_text() == "mine"


def test_the_commands_say_so_in_a_line(run, tmp_path, capsys):
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    replace_by_link(run.folder / "metrics.json", "../victim.txt")
    (tmp_path / "rows.csv").write_text("1,2\n")
    for words in (["report"], ["report", "--markdown"], ["sample"], ["evaluate"]):
        assert main([*words, str(run.folder)]) == 2
        assert 'metrics.json" leads out of the folder' in capsys.readouterr().err
    for command in ("predict", "encode", "score", "complete"):
        assert main([command, str(run.folder), str(tmp_path / "rows.csv")]) == 2
        said = capsys.readouterr()
        assert 'metrics.json" leads out' in said.err and said.err.count("\n") == 1 and not said.out
    assert victim.read_text() == "mine"


def test_a_link_within_the_run_is_replaced_or_read(run, toy):
    kept = (run.folder / "data.json").read_bytes()
    for file in ("metrics.json", "report.html", "samples-3-0.csv", "figures/training.png"):
        replace_by_link(run.folder / file, run.folder / "data.json")
    replace_by_link(run.folder / "baselines" / "f0" / "data.json", "../../data.json")
    os.utime(run.folder / "metrics.jsonl")  # the curves are to be drawn again
    sample_run(run.folder, 3)
    report_run(run.folder)
    run_recipe(toy, "", out=run.folder, resume=True, log=silent)
    assert (run.folder / "data.json").read_bytes() == kept
    for file in ("metrics.json", "report.html", "samples-3-0.csv", "figures/training.png"):
        assert not (run.folder / file).is_symlink() and (run.folder / file).read_bytes() != kept
    assert not list(run.folder.rglob(".lebm-*"))


def test_the_run_and_what_is_written_may_be_anywhere(run, toy, tmp_path):
    (tmp_path / "link").symlink_to(run.folder)
    (tmp_path / "mine.csv").symlink_to(tmp_path / "other.csv")
    report_run(tmp_path / "link")
    assert evaluate_run(tmp_path / "link" / "baselines" / "f0", "train", log=silent)
    file = sample_run(tmp_path / "link", 3, out=tmp_path / "mine")
    assert file == tmp_path / "mine.csv" and len(file.read_text().split()) == 3
    assert not (tmp_path / "other.csv").exists()
    assert not list(tmp_path.glob(".lebm-*"))


def test_a_baseline_is_looked_at_with_its_run(run, tmp_path):
    (tmp_path / "other" / "cache").mkdir(parents=True)
    replace_by_link(run.folder / "cache", tmp_path / "other" / "cache")
    for use in (report_run, Run.load, lambda f: evaluate_run(f, "train", log=silent)):
        with pytest.raises(UsageError, match='cache" leads out'):
            use(run.folder / "baselines" / "f0")
    (run.folder / "cache").unlink()
    (run.folder / "baselines" / "f0").rename(tmp_path / "other" / "f0")
    (run.folder / "baselines" / "f0").symlink_to(tmp_path / "other" / "f0")
    with pytest.raises(UsageError, match='f0" leads out'):
        evaluate_run(run.folder / "baselines" / "f0", "train", log=silent)
    alone = tmp_path / "baselines" / "f0"
    alone.parent.mkdir()
    shutil.copytree(tmp_path / "other" / "f0", alone)
    evaluate_run(alone, "train", log=silent)
    assert (alone / "cache").is_dir() and not (tmp_path / "cache").exists()


@pytest.mark.parametrize("absolute", [True, False])
def test_a_figure_that_is_elsewhere_is_not_shown(run, tmp_path, absolute):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    place = run.folder / "evaluation" / "toy.mean.json"
    result = json.loads(place.read_text())
    result["figures"] = [[str(secret) if absolute else "figures/../../secret.png", "A picture."]]
    place.write_text(json.dumps(result))
    before = (run.folder / "report.html").read_bytes()
    for use in (lambda: report_run(run.folder), lambda: Run.load(run.folder)):
        with pytest.raises(UsageError, match=r'secret\.png" leads out'):
            use()
    assert (run.folder / "report.html").read_bytes() == before


def test_a_checkpoint_that_names_a_file_elsewhere_is_damaged(tmp_path):
    folder = save_checkpoint(tmp_path / "checkpoints", 1, {"a": torch.zeros(1)}, {})
    state = json.loads((folder / "state.json").read_text())
    (tmp_path / "secret").write_text("x")
    for name in ("../../secret", str(tmp_path / "secret")):
        state["files"][name] = {"bytes": 1, "sha256": "0"}
    (folder / "state.json").write_text(json.dumps(state))
    said = []
    assert latest_checkpoint(tmp_path / "checkpoints", said.append) is None
    assert "names a file elsewhere" in said[0]


def test_a_start_over_what_was_sent_writes_nowhere_else(toy, tmp_path):
    out, outside = tmp_path / "run", tmp_path / "outside"
    outside.mkdir()
    out.mkdir()
    (out / "INCOMPLETE").write_text("x")
    for name in ("checkpoints", "data", "metrics.jsonl", ".lock"):
        (out / name).symlink_to(outside)
        with pytest.raises(UsageError, match=f'{name}" leads out|is not empty'):
            run_recipe(toy, "", out=out, log=silent)
        (out / name).unlink()
    assert not list(outside.iterdir())


def test_what_would_wait_for_ever_is_refused(run):
    os.mkfifo(run.folder / "samples-3-0.csv")
    with pytest.raises(UsageError, match="is neither a file nor a folder"):
        report_run(run.folder)


def test_a_link_that_leads_nowhere_or_in_circles_stays_inside(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to(tmp_path)
    assert enclosed(tmp_path) == tmp_path
    write_atomically(tmp_path / "a", "x")
    assert not (tmp_path / "a").is_symlink()
    for path in (tmp_path / ".." / "x", tmp_path / "/etc", tmp_path / "a\0b"):
        with pytest.raises(UsageError, match="leads out"):
            inside(tmp_path, path)


def test_a_file_is_made_under_a_name_that_nobody_knows(tmp_path):
    names = []
    for _ in range(2):
        with pytest.raises(OSError, match="full"):

            def write(path):
                names.append(path)
                path.write_text("half")
                raise OSError("full")

            replace_file(tmp_path / "x.json", write)
    assert names[0].parent != names[1].parent and {p.name for p in names} == {"x.json"}
    assert not list(tmp_path.iterdir())
    replace_file(tmp_path / "x.json", lambda path: path.write_text("whole"))
    (tmp_path / "y.json").write_text("")
    modes = {(tmp_path / name).stat().st_mode for name in ("x.json", "y.json")}
    assert len(modes) == 1  # as the user's other files, not of this user alone


def test_markup_in_what_was_sent_is_text_in_the_report(tmp_path):
    bad = "</pre><script>alert('x')</script>\"<img src=x onerror=y>"
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.png").write_bytes(b"\x89PNG not really")
    (tmp_path / "figures" / "a.svg").write_text(f"<svg>{bad}</svg>")
    (tmp_path / "data.json").write_text(json.dumps({"summary": {"classes": ["cat", bad]}}))
    for file in ("recipe.toml", "environment.json", "samples.csv"):
        (tmp_path / file).write_text(bad)
    value = Value(1.0, 0.1, 5, bad, bad, extra={bad: bad}, row_title=bad)
    results = Collected(
        bad, bad, 0, {"model": {bad: value}, bad: {"m": Value(None, refused=bad)}},
        seconds={bad: 1.0}, training={"model": {"warnings": [bad]}},
        published={bad: {bad: 1.0}}, summary=bad, expected=bad, source=bad, about={bad: bad},
    )  # fmt: skip
    environment = {"command": bad, "commit": bad, "cpu": bad, "gpu": bad, "cores": bad}
    figures = [("model", "figures/a.png", bad), (bad, "figures/a.svg", bad)]
    text = page(tmp_path, results, environment, figures, results_table(results, format_value))
    assert "<script" not in text and "<img src=x" not in text and "</pre>&#34;" not in text
    assert text.count("&lt;script&gt;") > 20 and '"<img' not in text
