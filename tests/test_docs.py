"""The documentation holds what it says: links, commands, keys, names and signatures."""

from __future__ import annotations

import importlib
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import typer

import lebm_core
from lebm_core import Run, run_recipe
from lebm_core.contracts import check_all
from lebm_core.registry.parts import Part
from lebm_core.registry.registry import discover, registry
from lebm_core.registry.signatures import Option
from lebm_core.run.cli import app
from lebm_core.run.config.layers import read_source
from lebm_core.run.config.recipe import load
from lebm_core.run.config.schema import options_in, part_options
from lebm_core.run.reuse import sample_run

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = ("wave-demo", "counts-demo", "counts-flow")  # recipes of the plugins of the pages
WRITTEN = {  # plugins to the pages that write them
    "laplace": ROOT / "docs" / "tutorials" / "decoder-plugin.md",
    "counts": ROOT / "docs" / "writing-a-plugin.md",
    "more": ROOT / "docs" / "plugin-parts.md",
}
KINDS = [kind for kind in registry().kinds() if kind not in ("recipes", "commands", "figures")]
PARTS = ("prior", "decoder", "encoder")  # of the model that are trained


@pytest.mark.parametrize("kind", KINDS)
def test_show_explains_every_key(kind: str) -> None:
    for name in registry().names(kind):
        for key, option in keys_of(part_options(Part(kind), name)).items():
            assert option.help or option.required, f'{kind} "{name}": {key} is not explained'


def keys_of(options: dict[str, Option], path: str = "") -> dict[str, Option]:
    """Every key that tables of these options can have, whichever parts are named in them."""
    keys: dict[str, Option] = {}
    for name, option in options.items():
        key = f"{path}{name}"
        if option.part is not None:
            keys[f"{key}.name"] = Option("name", help="which part")
            for registered in registry().names(option.part.kind):
                if registered.startswith(option.part.prefix):
                    short = registered.removeprefix(option.part.prefix)
                    keys |= keys_of(part_options(option.part, short), f"{key}.")
        elif option.many:
            for part in PARTS:
                keys |= keys_of(dict(option.table or {}), f"{key}.{part}.")
        elif option.table is not None:
            keys |= keys_of(dict(option.table), f"{key}.")
        else:
            keys[key] = option
    return keys


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(words.strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page_id(page)} links to {target}, which is not there"
        assert not anchor or anchor in anchors(file), f"{page_id(page)}: no heading for {target}"


def commands(page: Path) -> list[list[str]]:
    """Every call of lebm in the bash blocks of a page, as words."""
    found = []
    for block in re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|\||[|;]", line):
                words = shlex.split(part, comments=True)
                if words and Path(words[0]).name == "lebm":
                    found.append(words[1:])
    return found


@pytest.mark.parametrize(
    "words",
    [pytest.param(w, id=f"{page_id(p)}: {' '.join(w)}") for p in PAGES for w in commands(p)],
)
def test_commands_parse_and_their_recipes_and_keys_exist(words):
    command: click.Command = typer.main.get_command(app)
    context: click.Context | None = None
    while isinstance(command, click.Group) and words:
        name, *words = words
        context = click.Context(command, info_name="lebm")
        assert command.get_command(context, name) is not None, f"lebm has no command {name}"
        _, found, _ = command.resolve_command(context, [name])
        assert found is not None
        command = found
        if isinstance(command, click.Group) and not words:
            return
    given = command.make_context(command.name, list(words), parent=context).params
    recipe = given.get("name")
    if command.name != "recipe" or recipe is None or recipe in EXAMPLES:
        return
    if recipe.endswith(".toml"):
        recipe = "text-ptb"
    load(recipe, given["preset"], given["overrides"] or [])
    presets = read_source(recipe).presets()
    assert given["preset"] in (None, *presets), f"{recipe} has no preset {given['preset']}"


def known_keys() -> set[str]:
    """Every key that a recipe can have, by dotted name."""
    keys: set[str] = set()
    for model in registry().names("models"):
        keys |= {*keys_of(options_in(model, {}))}
    for kind in ("metrics", "baselines"):
        for name in registry().names(kind):
            keys |= {*keys_of(part_options(Part(kind), name), "evaluation.")}
    return keys


def test_keys_that_are_named_exist():
    known = known_keys()
    # Names of Evaluation's attributes look like keys: writing-a-plugin speaks of those.
    members = ("name", "need", "figure", "folder", "dataset", "model")
    attributes = {f"evaluation.{name}" for name in members}
    # `model.` is what the pages call a model in Python.
    tables = "|".join({key.partition(".")[0] for key in known if "." in key} - {"model"})
    rules = {*registry().names("learning_rules"), "prior.wave.score"}  # the guide's own
    named = {*known, *attributes, *rules}  # a table is named too, learning.symbols
    for key in known:
        named |= {".".join(key.split(".")[:n]) for n in range(1, key.count(".") + 1)}
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        if page.name == "CHANGELOG.md":  # the first column of that table has the old keys
            text = re.sub(r"^ *\| `[^|]*\|", "|", text, flags=re.M)
        for code in re.findall(r"`([^`\n]+)`", text):
            for key in re.findall(rf"(?<![\w./-])((?:{tables})(?:\.[a-z]\w*)+)", code):
                if key.endswith((".py", ".json", ".toml", ".jsonl")):
                    continue
                assert key in named, f"{page_id(page)} names the key {key}, which does not exist"


def test_the_api_page_is_written_from_the_docstrings() -> None:
    script = runpy.run_path(str(ROOT / "tests" / "api_page.py"))
    names = [name for _, _, listed in script["GROUPS"] for name in listed]
    missing = {*lebm_core.__all__} - {*names, "__version__"}
    assert not missing, f"tests/api_page.py has no place for {', '.join(missing)}"
    written = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert written == script["page"](), "run: python tests/api_page.py > docs/api.md"


def code_of(page: Path) -> list[str]:
    """The blocks of Python and TOML of a page, in their order."""
    return re.findall(r"^```(?:python|toml)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def install(folder: Path, name: str) -> None:
    """Write the blocks of a page that begin with "# lebm_NAME/FILE", and the plugin's metadata.

    Blocks of the same file are its parts, one after another.
    """
    for block in code_of(WRITTEN[name]):
        first, _, rest = block.partition("\n")
        if first.startswith(f"# lebm_{name}/"):
            file = folder / first.removeprefix("# ")
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as opened:
                opened.write(rest)
    info = folder / f"lebm_{name}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lebm-{name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[lebm]\n{name} = lebm_{name}\n")


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the plugins of the pages are installed; this process finds them."""
    folder = tmp_path_factory.mktemp("plugins")
    for name in WRITTEN:
        install(folder, name)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    discover.cache_clear()
    yield folder
    sys.path.remove(str(folder))
    discover.cache_clear()
    for name in [module for module in sys.modules if module.startswith(tuple(packages()))]:
        del sys.modules[name]


def packages() -> list[str]:
    return [f"lebm_{name}" for name in WRITTEN]


def test_the_hooks_of_the_pages_cost_no_torch(plugins: Path) -> None:
    probe = f"import sys, {', '.join(packages())}; print('torch' in sys.modules)"
    path = os.pathsep.join(filter(None, [str(plugins), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    said = subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True)
    assert said.stdout.strip() == b"False", said.stderr


@pytest.mark.parametrize("name", ["counts", "more"])
def test_every_part_of_the_plugin_pages_keeps_its_contract(plugins: Path, name: str) -> None:
    counts = np.random.default_rng(0).poisson(3.0, (20, 5))
    left = check_all(name, examples={"near": "0,1", "more.counts": counts})
    assert [line.partition(":")[0] for line in left] == {"counts": ["datasets counts.file"]}.get(
        name, []
    ), left


@pytest.fixture(scope="module")
def runs(plugins: Path) -> dict[str, Run]:
    """The recipes of the plugin pages, each run in its smallest preset."""
    names = ("counts-demo", "counts-flow", "more-rates")
    return {name: run_recipe(name, "smoke", out=plugins / "runs" / name) for name in names}


@pytest.mark.parametrize(
    ("recipe", "rows"),
    [
        ("counts-demo", ["model", "f0", "real"]),
        ("counts-flow", ["model", "f0", "real"]),
        ("more-rates", ["model", "real", "more.average"]),
    ],
)
def test_the_recipes_of_the_plugin_pages_train(
    runs: dict[str, Run], recipe: str, rows: list[str]
) -> None:
    for row in rows:
        value = runs[recipe].results[row]["dispersion"]
        assert value.value is not None and value.value > 0 and value.definition
    assert len((runs[recipe].folder / "samples.csv").read_text().splitlines()) == 100


def test_the_flow_of_the_plugin_page_is_steered_by_a_control_of_the_other_page(
    runs: dict[str, Run],
) -> None:
    file = sample_run(runs["counts-flow"].folder, 10, control=["near=0,1@2"])
    assert len(file.read_text().splitlines()) == 10


def test_the_flow_of_the_plugin_page_stands_in_another_recipe(plugins: Path) -> None:
    given = ["prior.name=counts.flow", "learning.prior.name=counts.likelihood"]
    recipe = load("text-ptb", "smoke", given)
    flow = {"name": "counts.flow", "latent_dim": 8, "layers": 4, "hidden": 32}
    assert recipe.parts["prior"] == flow  # latent_dim is the recipe's
    assert recipe.learning["prior"] == {"name": "counts.likelihood", "jitter": 0.0}


def test_the_short_examples_of_the_plugin_page_run(
    plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = [block for block in code_of(WRITTEN["counts"]) if not block.startswith("# ")]
    for example in examples:
        exec(compile(example, "writing-a-plugin.md", "exec"), {})
    tables, *drawn = capsys.readouterr().out.splitlines()
    assert len(examples) == 2 and "'name': 'mala', 'steps': 5" in tables
    assert drawn[0].startswith("tensor(")


def test_the_decoder_of_the_tutorial_trains(plugins: Path) -> None:
    written = [block for block in code_of(WRITTEN["laplace"]) if "# lebm_laplace/" in block]
    assert sum(len(block.splitlines()) - 1 for block in written) <= 20
    given = ["model.name=latent-ebm", "prior.latent_dim=2", "prior.sampler.name=mala"]
    given += ["decoder.name=laplace", "decoder.hidden=20", "encoder.name=tabular"]
    given += ["learning.name=two-part", "learning.decoder.name=variational"]
    given += ["training.max_steps=5", "data.train=500"]
    given += ["prior.energy.hidden=[8]", "prior.sampler.steps=5", "evaluation.samples=20"]
    given += ["evaluation.baselines=[]", "evaluation.metrics=[]"]
    run = run_recipe("synthetic-8gaussians", "smoke", given, out=plugins / "runs" / "laplace")
    assert run.recipe.parts["decoder"] == {"name": "laplace", "hidden": 20, "scale": 0.1}
    assert tuple(run.model.sample(3).shape) == (3, 2)


@pytest.mark.slow
def test_the_example_of_few_labels_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "semi-supervised.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert "max_iter=40" in example
    shorter = example.replace("max_iter=40", "max_iter=20")
    exec(compile(shorter, "semi-supervised.md", "exec"), {})
    score, _, codes, drawn = capsys.readouterr().out.splitlines()
    assert float(score) > 0.85
    assert codes == "(594, 10)" and drawn == "(5, 64)"


@pytest.mark.slow
def test_the_example_of_controlled_generation_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "controlled-generation.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    found: dict[str, object] = {}
    exec(compile(example, "controlled-generation.md", "exec"), found)
    east, fit, high, *shift = capsys.readouterr().out.splitlines()

    def numbers(line: str) -> list[float]:
        return [float(number) for number in re.findall(r"-?\d+\.\d+", line)]

    x, y = numbers(east)
    assert x > 1.4 and abs(y) < 0.6  # the centre is (2, 0)
    assert fit.startswith("height: R^2") and numbers(fit)[0] > 0.8
    assert 0.2 < numbers(high)[1] < 1.2  # above 0.4 or so, and not the north, whose mean is 2.5
    for word in ("height >= 0.4", "not y = north", "near the origin", "KL from the prior"):
        assert word in "\n".join(shift)


def test_every_public_name_is_in_the_reference() -> None:
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    found = [n for p in pages for n in re.findall(r"^::: lebm_core\.(\w+)$", p.read_text(), re.M)]
    assert sorted(found) == sorted({*lebm_core.__all__} - {"__version__"})


def test_the_gallery_links_every_page_of_results() -> None:
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    missing = [page.name for page in PAGES if page.parent.name == "results"]
    missing = [name for name in missing if f"(results/{name})" not in gallery]
    assert not missing, f"docs/gallery.md: a line, or a link at the end, for {', '.join(missing)}"
