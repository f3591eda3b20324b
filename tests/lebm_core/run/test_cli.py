"""The command line: what it costs to start, and how mistakes are reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import lebm_core.registry.registry
from lebm_core.errors import MissingData, RunError, UsageError
from lebm_core.registry.registry import Registry
from lebm_core.run.cli import main
from lebm_core.run.config import catalogue

ROOT = Path(__file__).parents[3]
TOML = {"deep.toml": "a = " + "[" * 5000, "digits.toml": "a = " + "9" * 5000}


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lebm_core", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_starts_fast_and_without_torch():
    times = []  # of the processor, for other tests may run beside this one
    for _ in range(5):
        before = os.times()
        shown = run("--help")
        after = os.times()
        spent = after.children_user - before.children_user
        times.append(spent + after.children_system - before.children_system)
    assert shown.returncode == 0 and "recipe" in shown.stdout and shown.stderr == ""
    assert min(times) < 0.5  # 0.3 on an idle machine, see tests/benchmarks/startup.py
    code = (
        "import sys; from lebm_core.run.cli import main; code = main(['--help']);"
        "heavy = {'torch', 'numpy', 'tomlkit', 'jinja2', 'transformers'} & set(sys.modules);"
        "print(heavy); sys.exit(code or len(heavy))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)


def test_the_recipe_table_needs_no_torch():
    code = (
        "import sys; from lebm_core.run.cli import main; code = main(['recipe']);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)


@pytest.mark.parametrize("given", ["trainng.epochs=2", "seed=-1", "decoder.cell=lstmm"])
def test_a_mistyped_key_or_value_is_refused_without_torch(given):
    code = (
        "import sys; from lebm_core.run.cli import main;"
        f"code = main(['recipe', 'text-ptb', '--preset', 'smoke', {given!r}]);"
        "sys.exit(code != 2 or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)


def test_part_of_a_name_lists_the_recipes_that_have_it(capsys):
    assert main(["recipe", "semi"]) == 0
    shown = capsys.readouterr().out
    assert "semi-digits\n" in shown and "text-ptb\n" not in shown
    assert main(["recipe", "semi", "--data", "images", "--no-download", "--markdown"]) == 0
    shown = capsys.readouterr().out
    assert "| `semi-digits` |" in shown and len(shown.splitlines()) == 3
    assert main(["recipe"]) == 0
    assert capsys.readouterr().out.startswith("For your own data:\nimages\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lebm recipe text-p", ["text-ptb", "text-pydocs"]),
        ("lebm recipe --data te", ["text"]),
        ("lebm recipe text-ptb data.name=text.pt", ["data.name=text.ptb"]),
        ("lebm recipe text-ptb data.name = text.pt", ["text.ptb"]),  # as bash parts it
        ("lebm recipe semi-digits data.name = images.mnist-", ["images.mnist-anomaly"]),
        ("lebm recipe text-ptb data.na", ["data.name="]),
    ],
)
def test_a_shell_completes_names(line, expected):
    given = {"_LEBM_COMPLETE": "complete_bash", "COMP_WORDS": line}
    given["COMP_CWORD"] = str(len(line.split()) - 1)
    code = "import sys; from lebm_core.run.cli import main; sys.exit(main([]))"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | given,
    )
    assert shown.stdout.split() == expected


def test_version_and_no_command(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lebm 0.")
    assert main([]) == 0
    assert "Usage: lebm" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recip"], ["no command", "recipe"]),
        (["recipe", "--shwo"], ["--show"]),
        (["recipe", "--seed", "3"], ["--seed", "lebm recipe NAME"]),
        (["recipe", "--minutes", "3"], ["--minutes", "lebm recipe NAME"]),
        (["recipe", "--resume"], ["--resume", "lebm recipe NAME"]),
        (["recipe", "semi", "--seed", "3"], ["--seed", "semi-digits", "lebm recipe NAME"]),
        (["recipe", "semi", "training.epochs=2"], ["training.epochs=2", "semi-digits"]),
        (["recipe", "--data", "imgaes"], ['"images"', "tabular"]),
        (["recipe", "text-ptb", "--no-download"], ["--no-download", "leave text-ptb out"]),
        (["recipe", "text-ptb", "seed=-1"], ["seed = -1 is too small"]),
        (["recipe", "text-ptb", "--seed", "-1"], ["seed = -1 is too small"]),
        (["recipe", "text-ptb", "trainng.epochs=2"], ['"trainng.epochs=2"', '"training"']),
        (["recipe", "text-ptb", "prior.stps=2"], ['Did you mean "prior.sampler.steps"?']),
        (["recipe", "text-ptb", "decoder.cell=lstmm"], ['"transformer"', 'Did you mean "lstm"?']),
        (["recipe", "image-mnist", "decoder.architecture=minst"], ['"damc28"', 'mean "mnist"?']),
        (["recipe", "text-ptb", "epohs=2"], ['Did you mean "training.epochs"?']),
        (["recipe", "text-ptb", "prior.sampler.stpes=2"], ['mean "prior.sampler.steps"?']),
        (["recipe", "text-ptb", "a." * 2000 + "b=1"], ["nested too deeply"]),
        (["recipe", "text-ptb", "prior.bound=" + "9" * 5000], ["prior.bound"]),
        (["recipe", "text-ptb", "prior.bound=" + "[" * 5000], ["prior.bound"]),
        (["recipe", "text-ptb", "x " * 5000], ["key=value"]),
        (["recipe", "text-ptb", "--preset", "y" * 5000], ["preset"]),
        (["recipe", "x" * 5000], ["xxx"]),
        (["recipe", "x" * 5000 + ".toml"], ["File name too long"]),
        (["recipe", "deep.toml"], ["deep.toml", "nested too deeply"]),
        (["recipe", "digits.toml"], ["digits.toml", "too many digits"]),
        (["sample", "x" * 5000], ["not a run folder"]),
        (["report", "x" * 5000], ["not a run folder"]),
        (["evaluate", "x" * 5000], ["not a run folder"]),
        (["recipe", "text-ptp"], ['"text-ptp"', '"text-ptb"']),
        (["recipe", "training.epochs=2"], ["lebm recipe NAME training.epochs=2"]),
        (["recipe", "no/such.toml"], ['"no/such.toml"']),
        (["recipe", "text-ptb", "--preset", "smok"], ['"smok"', '"smoke"']),
        (["recipe", "text-ptb", "--preset", "smoke", "prior.boudn=2"], ['"prior.bound"']),
        (["recipe", "text-ptb", "--preset", "smoke", "prior.bound=two"], ["two"]),
        (["recipe", "text-ptb", "--seed", "x"], ["--seed"]),
        (["recipe", "text-ptb", "--preset", "smoke", "--data-dir", "nowhere"], ['"nowhere"']),
        (["sample"], ["RUN"]),
        (["sample", "nowhere"], ['"nowhere"']),
        (["evaluate", "nowhere"], ['"nowhere"']),
        (["report", "nowhere"], ['"nowhere"']),
        (["plugins", "new", "Bad-Name"], ['"Bad-Name"']),
    ],
)
def test_a_mistake_is_one_sentence_and_exits_2(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    for name, content in TOML.items():
        if name in arguments:
            (tmp_path / name).write_text(content)
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "Traceback" not in shown.err
    assert shown.err.startswith("lebm: ") and len(shown.err.splitlines()) == 1
    for word in words:
        assert word in shown.err
    assert len(shown.err) < 1300
    assert [path.name for path in tmp_path.iterdir()] == [x for x in arguments if x in TOML]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UsageError("Wrong."), 2, "lebm: Wrong."),
        (RunError("Failed."), 1, "lebm: Failed."),
        (KeyboardInterrupt(), 130, "lebm: Interrupted."),
        (ValueError("a bug\nin lines"), 1, "ValueError: a bug in lines (LEBM_DEBUG=1"),
        (OSError(28, "No space left on device", "a.json"), 1, '"a.json": No space left on device.'),
        (UsageError("x" * 5000), 2, f"lebm: {'x' * 300}...\n"),
    ],
)
def test_exit_codes(capsys, monkeypatch, error, code, words):
    def fail():
        raise error

    monkeypatch.setattr(catalogue, "catalogue", fail)
    assert main(["recipe"]) == code
    shown = capsys.readouterr().err
    assert words in shown and "Traceback" not in shown
    if code == 1:
        monkeypatch.setenv("LEBM_DEBUG", "1")
        main(["recipe"])
        assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGXCPU"])
def test_a_signal_ends_a_command_with_its_number(capsys, monkeypatch, name):
    number = getattr(signal, name)
    monkeypatch.setattr(catalogue, "catalogue", lambda: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    assert main(["recipe"]) == 128 + number
    assert capsys.readouterr().err == "lebm: Interrupted.\n"
    assert signal.getsignal(number) == before


def test_what_is_to_be_ignored_ends_nothing(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        monkeypatch.setattr(
            catalogue, "catalogue", lambda: os.kill(os.getpid(), signal.SIGHUP) or []
        )
        assert main(["recipe"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_reader_that_leaves_early_is_no_error():
    shown = subprocess.run(
        f"{sys.executable} -m lebm_core recipe text-ptb --preset cpu --show | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert shown.stdout.startswith("name = ") and shown.stderr == ""


def test_a_plugin_adds_a_command_that_is_imported_when_called(tmp_path, monkeypatch, capsys):
    (tmp_path / "lebm_calls.py").write_text(
        "from lebm_core import hookimpl\n"
        "@hookimpl\n"
        "def lebm_register_commands(register):\n"
        "    register('calls', 'lebm_calls_cli:app', 'what calls does')\n"
        "    register('plain', 'lebm_calls_cli:plain', 'a function')\n"
        "    register('recipe', 'lebm_calls_cli:app', 'cannot take the place')\n"
    )
    (tmp_path / "lebm_calls_cli.py").write_text(
        "import typer\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def evaluate(file: str, train: str = ''):\n"
        "    print('evaluates', file, train)\n"
        "@app.command()\n"
        "def other():\n"
        "    pass\n"
        "def plain(file: str, twice: bool = False):\n"
        "    print(file * (1 + twice))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = Registry([EntryPoint("calls", "lebm_calls", "lebm")])
    monkeypatch.setattr("lebm_core.run.cli.root.discover", lambda: found)
    assert "recipe" in found.clash and "by lebm and by calls" in found.clash
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "what calls does" in shown and "cannot take the place" not in shown
    assert "lebm_calls_cli" not in sys.modules
    assert main(["calls", "evaluate", "samples.smi", "--train", "train.smi"]) == 0
    assert capsys.readouterr().out == "evaluates samples.smi train.smi\n"
    assert main(["plain", "a.csv", "--twice"]) == 0
    assert capsys.readouterr().out == "a.csva.csv\n"


def test_plugins_and_data_are_listed(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("LEBM_DATA", str(tmp_path))
    assert main(["plugins"]) == 0
    shown = capsys.readouterr().out
    assert "text (lebm " in shown and "loaded" in shown and "decoders: " in shown
    assert main(["data"]) == 0
    shown = capsys.readouterr().out
    assert "text.ptb: missing" in shown and "tabular.8gaussians: no file needed" in shown


def test_a_failed_plugin_is_listed_with_its_error(capsys, monkeypatch):
    broken = Registry([EntryPoint("gone", "lebm_no_such_module", "lebm")])
    monkeypatch.setattr(lebm_core.registry.registry, "discover", lambda: broken)
    assert main(["plugins"]) == 0
    assert "gone (unknown ): failed: ModuleNotFoundError" in capsys.readouterr().out


def test_the_help_of_controls_names_what_is_registered(tmp_path, monkeypatch, capsys):
    for times in range(2):  # the help is not added to twice
        assert main(["sample", "--help"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "y (the class)" in shown and "mark (" not in shown, times
    (tmp_path / "lebm_marks.py").write_text(
        "from lebm_core import hookimpl\n"
        "@hookimpl\n"
        "def lebm_register_controls(register):\n"
        "    register('mark', 'lebm_no_module:mark', 'what it is near')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = Registry([EntryPoint("marks", "lebm_marks", "lebm")])
    monkeypatch.setattr("lebm_core.run.cli.commands.discover", lambda: found)
    assert main(["sample", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "mark (what it is near), y (the class)." in shown


def test_missing_data_name_the_recipe_that_needs_none(capsys, monkeypatch):
    def fail():
        raise MissingData("text.ptb", "There is no file.")

    monkeypatch.setattr(catalogue, "catalogue", fail)
    monkeypatch.setattr("lebm_core.run.cli.inventory._without_download", lambda: {"text": "mine"})
    assert main(["recipe"]) == 2
    assert (
        capsys.readouterr().err == "lebm: There is no file. lebm recipe mine needs no download.\n"
    )


def test_baselines_are_chosen_by_name():
    shown = run("recipe", "image-digits", "--baselines", "f0, vae", "--show")
    assert 'baselines = ["f0", "vae"]' in shown.stdout and "[baseline.rae]" not in shown.stdout
    assert "baselines = []" in run("recipe", "image-digits", "--baselines", "none", "--show").stdout
    every = run("recipe", "image-digits", "--show").stdout
    assert run("recipe", "image-digits", "--baselines", "all", "--show").stdout == every
    wrong = run("recipe", "image-digits", "--baselines", "f9", "--show")
    assert wrong.returncode == 2 and '"f9"' in wrong.stderr and "Traceback" not in wrong.stderr
