"""Readers of recipes: a file, and what the command line adds to one."""

from __future__ import annotations

from pathlib import Path

from damage import one_sentence
from reader import Reader

from lebm_core.errors import LebmError
from lebm_core.run.build import build_learning, build_metrics, check_recipe
from lebm_core.run.config.layers import flatten
from lebm_core.run.config.recipe import dump, load

__all__ = ["KEYS", "LINE", "READERS"]

RECIPE = Path(__file__).parents[2] / "recipes/lebm_recipes/synthetic-8gaussians.toml"
KEYS = [k for k in flatten(load("synthetic-8gaussians", "smoke").tables()) if k != "name"]
LINE = "line"  # of the command line: it is damaged, not a file


def recipe(folder: Path) -> None:
    """A recipe that is read is written and read back as it is."""
    try:
        found = load(folder / "my.toml", "smoke")
    except LebmError as error:
        one_sentence(str(error), folder, "my.toml", "synthetic")
        return
    check_recipe(found)
    build_learning(found), build_metrics(found)
    again = folder / "again.toml"
    again.write_text(dump(found))
    assert repr(load(again)) == repr(found)


def keys(folder: Path) -> None:
    """key=value on the command line."""
    load("synthetic-8gaussians", "smoke", [(folder / LINE).read_bytes().decode()])


READERS = {
    "recipe": Reader({"my.toml": RECIPE.read_bytes()}, recipe, 2),
    "overrides": Reader({LINE: b"seed=1"}, keys),
}
