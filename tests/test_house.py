"""The house stands as docs/architecture.md draws it: arrows run down, no circle, small rooms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "lebm_core"
PLUGINS = sorted(p for p in (ROOT / "plugins").glob("lebm_*") if p.is_dir())

# From the ground up: a wing imports from itself and from those before it.
WINGS = (
    "errors", "version", "base", "registry", "chains", "data", "priors", "latent", "evidence",
    "sequences", "control", "learning", "models", "evaluation", "baselines", "run", "estimators",
    "contracts",
)  # fmt: skip
INNER = ("data", "networks", "evaluators", "figures", "metrics")  # of a plugin
MODALITIES = (
    "text", "sentence", "image", "pixel", "molecule", "smiles", "selfies", "trajectory",
    "trajectories", "pedestrian", "rdkit", "transformers", "lebm_text", "lebm_images",
    "lebm_molecules", "lebm_trajectories", "lebm_tabular",
)  # fmt: skip
MOST_LINES, MOST_MODULES = 250, 14


def modules(package: Path) -> dict[str, Path]:
    """Dotted name to file."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The known modules that a file imports, anywhere in it: type checkers and functions count."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known and node.level == 0:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else str(node.module)


def graph(package: Path) -> dict[str, set[str]]:
    """Module to the modules of its package that it imports."""
    known = modules(package)
    return {name: set(imports(path, known)) - {name} for name, path in known.items()}


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules each of which leads back to itself (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in arrows[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            group = stack[at:]
            del stack[at:]
            if len(group) > 1:
                found.append(sorted(group))

    for name in arrows:
        if name not in index:
            visit(name)
    return found


def upward(arrows: dict[str, set[str]], wings: tuple[str, ...]) -> list[str]:
    """The imports that run against the order of the wings."""
    wrong = []
    for name, others in arrows.items():
        for other in sorted(others):
            a, b = (each.split(".")[1] if "." in each else "" for each in (name, other))
            if a in wings and b in wings and wings.index(b) > wings.index(a):
                wrong.append(f"{name} -> {other}")
    return wrong


@pytest.mark.parametrize("package", [CORE, *PLUGINS], ids=lambda p: p.name)
def test_no_module_leads_back_to_itself(package: Path) -> None:
    assert circles(graph(package)) == []


def test_arrows_of_the_core_run_down() -> None:
    arrows = graph(CORE)
    rooms = {name.split(".")[1] for name in arrows if "." in name} - {"__main__"}
    assert rooms == set(WINGS)
    assert upward(arrows, WINGS) == []


@pytest.mark.parametrize("package", PLUGINS, ids=lambda p: p.name)
def test_arrows_of_a_plugin_run_down(package: Path) -> None:
    assert upward(graph(package), INNER) == []


@pytest.mark.parametrize("package", PLUGINS, ids=lambda p: p.name)
def test_plugins_do_not_import_each_other(package: Path) -> None:
    others = "|".join(p.name for p in PLUGINS if p != package)
    for path in package.rglob("*.py"):
        assert not re.search(rf"^\s*(from|import) ({others})\b", path.read_text(), re.M), path


def words(path: Path) -> Iterator[tuple[int, str]]:
    """Identifiers, comments and strings of a file, word by word, with their lines."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for word in re.findall(r"[A-Za-z_]+", line):
            yield number, word


def named_modalities(path: Path) -> list[str]:
    """Places where a file names a modality: a whole word, or one between underscores."""
    found = []
    for number, word in words(path):
        parts = {word.lower(), *word.lower().split("_"), word.lower().rstrip("s")}
        if parts & set(MODALITIES) and word not in ALLOWED_WORDS:
            found.append(f"{path.relative_to(ROOT)}:{number}: {word}")
    return found


ALLOWED_WORDS = {"read_text", "write_text", "Image"}  # of pathlib and Pillow


def test_the_core_names_no_modality() -> None:
    assert [place for path in sorted(CORE.rglob("*.py")) for place in named_modalities(path)] == []


def test_files_and_folders_are_small() -> None:
    long = {}
    for package in (CORE, *PLUGINS):
        for path in package.rglob("*.py"):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > MOST_LINES:
                long[str(path.relative_to(ROOT))] = lines
        for folder in {path.parent for path in package.rglob("*.py")}:
            assert len(list(folder.glob("*.py"))) <= MOST_MODULES, folder
    assert set(long) <= LONG, long


LONG: set[str] = set()


def test_the_checks_find_what_they_look_for() -> None:
    up = {"lebm_core.base.a": {"lebm_core.run.b"}, "lebm_core.run.b": set()}
    assert upward(up, WINGS) == ["lebm_core.base.a -> lebm_core.run.b"]
    round_trip = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert circles(round_trip) == [["a", "b", "c"]]
