"""The documentation holds what it says: links, commands, keys, names and signatures."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
from pathlib import Path

import click
import pytest
import typer

import lebm_core
from lebm_core.learning.options import InferenceOptions, LearningOptions, PriorOptions
from lebm_core.registry.registry import registry
from lebm_core.run.cli import app
from lebm_core.run.old.layers import read_source
from lebm_core.run.old.recipe import load
from lebm_core.run.old.schema import help_texts
from lebm_core.run.old.tables import component_schema, metric_schema
from lebm_core.run.training.options import TrainingOptions

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = ("wave-demo", "counts-demo")  # recipes of the plugins that the pages write
OPTIONS = {
    "prior": PriorOptions,
    "inference": InferenceOptions,
    "learning": LearningOptions,
    "training": TrainingOptions,
}
TABLES = {"data": "datasets", "decoder": "decoders", "encoder": "encoders"}


@pytest.mark.parametrize("table", TABLES)
def test_show_explains_every_key(table: str) -> None:
    for name in registry().names(TABLES[table]):
        explained = help_texts(component_schema(table, name))
        assert not [key for key, text in explained.items() if not text], name


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
        found = command.get_command(context, name)
        assert found is not None, f"lebm has no command {name}"
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
    keys = {f"{t}.{f.name}" for t, options in OPTIONS.items() for f in dataclasses.fields(options)}
    for table, kind in TABLES.items():
        for name in registry().names(kind):
            fields = dataclasses.fields(component_schema(table, name))
            keys |= {f"{table}.{field.name}" for field in fields}
    keys |= {f"evaluation.{name}" for name in ("metrics", "samples", "controls")}
    for name in registry().names("metrics"):
        keys |= {f"evaluation.{field.name}" for field in dataclasses.fields(metric_schema(name))}
    return keys


def test_keys_that_are_named_exist():
    known = known_keys()
    # Names of Evaluation's attributes look like keys: writing-a-plugin speaks of those.
    attributes = {f"evaluation.{name}" for name in ("name", "figure", "folder")}
    tables = "|".join([*OPTIONS, *TABLES, "evaluation"])
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for code in re.findall(r"`([^`\n]+)`", text):
            for key in re.findall(rf"(?<![\w./-])((?:{tables})\.[a-z]\w*)", code):
                if key.endswith((".py", ".json", ".toml")) or key in attributes:
                    continue
                assert key in known, f"{page_id(page)} names the key {key}, which does not exist"


def signature(name: str) -> str:
    """`name(...)` as docs/api.md writes it: parameters with defaults, no types, no private ones."""
    target = lebm_core
    for part in name.split("."):
        target = getattr(target, part)
    parameters = []
    for p in inspect.signature(target).parameters.values():
        if p.name == "self" or (p.name.startswith("_") and p.default is not p.empty):
            continue
        default = p.default
        if type(default).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
            parameters.append(p.replace(annotation=p.empty, default=...))
            continue
        parameters.append(p.replace(annotation=p.empty, default=default))
    shown = str(inspect.Signature(parameters)).replace("Ellipsis", "...")
    return f"{name}{shown}"


def test_every_public_name_and_signature_is_in_the_api_page():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name in lebm_core.__all__:
        assert re.search(rf"`{re.escape(name)}\b", text), f"docs/api.md does not name {name}"
    written = re.findall(r"^#+ `([\w.]+)(\(.*\))`$", text, re.MULTILINE)
    assert len(written) > 20
    for name, given in written:
        assert f"{name}{given}" == signature(name), f"docs/api.md: write `{signature(name)}`"


def test_the_example_of_few_labels_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "semi-supervised.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    exec(compile(example, "semi-supervised.md", "exec"), {})
    score, _, codes, drawn = capsys.readouterr().out.splitlines()
    assert float(score) > 0.88
    assert codes == "(594, 10)" and drawn == "(5, 64)"


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
