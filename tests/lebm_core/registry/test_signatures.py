"""The options of parts: read from source as they are from the object, with nothing imported."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from typing import Any, Literal

import pytest

from lebm_core.registry.option import Option, choices
from lebm_core.registry.parts import Part
from lebm_core.registry.registry import registry
from lebm_core.registry.signatures import options_of, read_object
from lebm_core.registry.source import Unreadable
from lebm_core.registry.static import read_source

SHARED = '''
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypedDict

from lebm_core.registry.parts import Part

WIDTH, DEPTH = 2**6, -1
SAMPLER = Part("samplers", "langevin", {"steps": 20})
Reference = Literal["gaussian", "uniform"]


@dataclass(frozen=True)
class Ring:
    """Some options.

    Attributes:
        width, height: of the ring.
        closed: whether it is.
    """

    width: int = 3
    height: int = 4
    closed: bool = True
    marks: list[str] = field(default_factory=lambda: ["a"])
    area: float = field(init=False, default=0.0)


@dataclass
class Rate:
    """Attributes:
        lr: of a part
    """

    lr: float | None = None


class Base:
    """A base.

    Args:
        latent_dim: of z,
            the code.
        hidden: widths
    """

    def __init__(self, latent_dim: int, hidden: Sequence[int] = (8, WIDTH), half=True) -> None:
        """Args:
            half: in half precision
        """


class Network(TypedDict, total=False):
    hidden: list[int]
    half: bool
'''
PARTS = '''
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Optional, Union, Unpack

import made_up_options as shared
from lebm_core.registry.parts import Part, Table
from made_up_options import SAMPLER, Base, Network, Rate, Reference, Ring

if TYPE_CHECKING:
    from nowhere import Energy

ENERGY = {"f": Part("energies", "mlp")}
HIGH = Ring(height=9, marks=["b"])


def factory(
    *,
    files: Energy,
    seed: int,
    name: str = "",
    ring: Ring = HIGH,
    inner: Annotated[Ring, Table()] = Ring(1),
    rates: dict[str, Rate] = {},
    table: Mapping[str, int] | None = None,
    limit: Optional[float] = None,
    either: Union[int, str] = shared.DEPTH,
    nested: list[list[int]] = [[1], [2]],
    pair: tuple[int, float] = (1, 2.5),
    fixed: "tuple[str, ...]" = (),
    reference: Reference = "gaussian",
    steps: int = 5 * 60,
    other: Energy | None = None,
    **ignored: Any,
) -> Any:
    """A factory."""


class Plain(Base):
    """Takes what its base takes."""


class Own(Base):
    def __init__(
        self,
        latent_dim: int,
        sampler: Annotated[Energy | None, SAMPLER] = None,
        energy: Annotated[Energy | Mapping[str, Any] | None, ENERGY["f"]] = None,
        **network: Unpack[Network],
    ) -> None:
        """Args:
            sampler: of the chain
        """
'''


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """A module of parts on disk, imported only where a test does it."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "made_up_options.py").write_text(
        SHARED.replace(
            "from typing import A", "from collections.abc import Sequence\nfrom typing import A"
        )
    )
    (folder / "made_up_parts.py").write_text(PARTS)
    sys.path.insert(0, str(folder))
    yield "made_up_parts"
    sys.path.remove(str(folder))
    for name in ("made_up_parts", "made_up_options"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("attribute", ["factory", "Plain", "Own"])
def test_source_and_object_say_the_same(made_up, attribute):
    from_source = read_source(f"{made_up}:{attribute}")
    module = __import__(made_up)
    assert from_source == read_object(getattr(module, attribute))
    assert list(from_source) == list(read_object(getattr(module, attribute)))


def test_the_options_of_a_factory(made_up):
    options = read_source(f"{made_up}:factory")
    types = {name: option.annotation for name, option in options.items()}
    assert types["limit"] == float | None and types["either"] == int | str
    assert types["table"] == dict[str, int] | None and types["nested"] == list[list[int]]
    assert types["pair"] == tuple[int, float] and types["fixed"] == tuple[str, ...]
    assert types["reference"] == Literal["gaussian", "uniform"]
    assert types["files"] is Any and types["other"] is Any
    assert options["seed"].required and options["files"].required and not options["name"].required
    assert options["either"].default == -1 and options["steps"].default == 300
    assert "ignored" not in options


def test_a_dataclass_is_spread_over_the_keys_unless_it_is_marked_as_a_table(made_up):
    options = read_source(f"{made_up}:factory")
    assert "ring" not in options and options["height"].default == 9
    assert options["marks"].default == ["b"] and options["marks"].within == "ring"
    assert options["width"].help == options["height"].help == "of the ring"
    inner = options["inner"].table
    assert {name: option.default for name, option in inner.items()} == {
        "width": 1, "height": 4, "closed": True, "marks": ["a"],
    }  # fmt: skip
    assert options["rates"].many and list(options["rates"].table) == ["lr"]


def test_parts_and_what_a_base_explains(made_up):
    options = read_source(f"{made_up}:Own")
    assert options["sampler"].part == Part("samplers", "langevin", {"steps": 20})
    assert options["energy"].part == Part("energies", "mlp")
    assert options["latent_dim"].required
    assert read_source("made_up_options:Base")["latent_dim"].help == "of z, the code"
    assert options["sampler"].help == "of the chain"
    assert options["hidden"].default == (8, 64) and options["half"].help == "in half precision"


@pytest.mark.parametrize(
    "text",
    [
        "import functools\nf = functools.partial(print)\n",
        "def f(x=open('a')): ...\n",
        "def change(g): ...\n\n@change\ndef f(x=1): ...\n",
        "class f(Missing): ...\n",
    ],
)
def test_what_the_source_does_not_say_is_unreadable(tmp_path, monkeypatch, text):
    name = f"unreadable_{abs(hash(text))}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Unreadable):
        read_source(f"{name}:f")
    with pytest.raises(Unreadable):
        read_source("no_such_module_anywhere:f")


KINDS = [kind for kind in registry().kinds() if kind not in ("recipes", "commands")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_registered_part_says_the_same_in_source_and_as_an_object(kind):
    for name in registry().names(kind):
        try:
            from_source = read_source(registry().find(kind, name).target)
        except Unreadable:
            continue
        assert from_source == read_object(registry().get(kind, name)), (kind, name)


@pytest.mark.parametrize("kind", KINDS)
def test_no_option_of_a_part_is_called_name(kind):
    for name in registry().names(kind):
        assert "name" not in options_of(kind, name), f'{kind} "{name}": the key names the part'


def test_reading_lebm_s_own_parts_imports_no_torch():
    code = (
        "import sys\n"
        "from lebm_core.registry.registry import registry\n"
        "from lebm_core.registry.signatures import options_of\n"
        f"for kind in {KINDS!r}:\n"
        "    for name in registry().names(kind):\n"
        "        options_of(kind, name)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_options_with_a_few_values_name_them_and_no_constant():
    found = registry()
    seen = set()
    for kind in ("decoders", "encoders", "datasets", "priors", "energies", "inference", "metrics"):
        for name in found.names(kind):
            for option in options_of(kind, name).values():
                assert not re.search(r"`[A-Z_]{3,}`", option.help), (kind, name, option.name)
                words = [each for each in choices(option.annotation) if each]
                assert all(str(word) in option.explained for word in words), (name, option.name)
                seen |= {option.name} if words else set()
    assert seen >= {"architecture", "likelihood", "cell", "pooling", "notation", "scene", "words"}
    few = Option("side", Literal["left", "right"], help="which way")
    assert few.explained == 'which way: "left", "right"'
    assert few._replace(help="left or right").explained == "left or right"
