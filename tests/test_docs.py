"""The documentation holds what it says: links, commands, keys, names and signatures."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import click
import pytest
import typer

import lebm_core
from lebm_core.registry.parts import Part
from lebm_core.registry.registry import registry
from lebm_core.registry.signatures import Option
from lebm_core.run.cli import app
from lebm_core.run.config.layers import read_source
from lebm_core.run.config.recipe import load
from lebm_core.run.config.schema import options_in, part_options

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = ("wave-demo", "counts-demo")  # recipes of the plugins that the pages write
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
    attributes = {f"evaluation.{name}" for name in ("name", "need", "figure", "folder", "dataset", "model")}
    # `model.` is what the pages call a model in Python.
    tables = "|".join({key.partition(".")[0] for key in known if "." in key} - {"model"})
    rules = {*registry().names("learning_rules"), "prior.wave.score"}  # the guide's own
    named = {*known, *attributes, *rules}  # a table is named too, learning.symbols
    for key in known:
        named |= {".".join(key.split(".")[:n]) for n in range(1, key.count(".") + 1)}
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for code in re.findall(r"`([^`\n]+)`", text):
            for key in re.findall(rf"(?<![\w./-])((?:{tables})(?:\.[a-z]\w*)+)", code):
                if key.endswith((".py", ".json", ".toml", ".jsonl")):
                    continue
                assert key in named, f"{page_id(page)} names the key {key}, which does not exist"


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
