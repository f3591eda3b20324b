"""docs/api.md, written from the docstrings of the public names.

    python tests/api_page.py > docs/api.md

A test compares the page with what this gives, so every signature and every option is the real one.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import lebm_core

__all__ = ["page"]

INTRO = """# API

Everything here is importable from `lebm_core`, and is imported when it is first used; `__version__`
is the version as a string. This page is written from the docstrings, by
`python tests/api_page.py > docs/api.md`.

Shapes: z is (B, d), y is (B,), x has the batch as first axis, log-densities are (B,) in nats. Every
function that draws takes `generator`, a `torch.Generator` or None. Options that are parts
(`sampler`, `energy`, `decoder` of a rule, ...) take an object, a registered name, or a table such
as `{"name": "mala", "steps": 20}`; None is the default. The mathematics is in [model.md](model.md).
"""

# Heading, a paragraph, and the names below it; "Class.method" is described in full.
GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "The model",
        "`model.save_pretrained(folder)` and `model.push_to_hub(id)` are those of "
        "`huggingface_hub`: a JSON and a safetensors file.",
        (
            "LatentEBM", "LatentEBM.sample", "LatentEBM.posterior", "LatentEBM.code",
            "LatentEBM.decode", "LatentEBM.decode_mode", "LatentEBM.reconstruct",
            "LatentEBM.interpolate", "LatentEBM.complete", "LatentEBM.classify",
            "LatentEBM.controlled", "LatentEBM.control_shift", "LatentEBM.score",
            "LatentEBM.log_prob", "LatentEBM.from_pretrained", "LatentModel",
        ),
    ),
    ("Classification from few labels", "See [few labels](semi-supervised.md).",
     ("LatentEBMClassifier",)),
    ("Outliers, densities, missing values", "See [estimators](estimators.md).",
     ("LatentEBMDetector", "LatentEBMDensity", "LatentEBMImputer")),
    ("Priors", "",
     ("Prior", "GaussianPrior", "EBMPrior", "CoupledPrior", "MixturePrior", "SecondStagePrior")),
    ("Energy networks", "", ("Energy", "MLP")),
    ("Samplers and chains", "",
     ("Sampler", "Langevin", "MALA", "HMC", "Tempering", "Resampling", "langevin", "Chain",
      "energy_profile")),
    ("Inference", "", ("ShortRun", "Persistent", "Amortized", "AmortizedRefined")),
    (
        "Learning",
        "A rule is called with a model in training mode and a batch. It returns an `Outcome`; the "
        "sum of its losses is differentiated once.",
        (
            "TwoPart", "Variational", "MCMC", "DensityRatio", "ShortRunChains", "PersistentChains",
            "Symbols", "Refit", "Outcome", "Codes", "TiltLoss",
        ),
    ),
    (
        "Controls",
        "Energies g that are added in latent space, p(z) ∝ exp(f(z) + Σ λ g(z)) p₀(z), λ being "
        "`strength`: see [controlled generation](controlled-generation.md).",
        (
            "Control", "ClassIs", "Property", "Function", "Not", "ControlledPrior", "ControlShift",
            "PropertyHead", "fit_property",
        ),
    ),
    ("Evidence", "", ("log_z", "Estimate")),
    (
        "Decoders, encoders, data",
        "",
        (
            "Decoder", "Encoder", "gaussian_code", "SequenceDecoder", "SequenceEncoder", "Batch",
            "Dataset",
        ),
    ),
    ("Recipes and evaluation", "", ("run_recipe", "Run", "Evaluation", "Value")),
    ("Plugins", "See [writing a plugin](writing-a-plugin.md).",
     ("hookimpl", "Register", "Part", "Table", "make", "Configured", "Component")),
)  # fmt: skip

TEXTS = {"hookimpl": "Marks a hook of a plugin: a function that is given `register`."}
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|References):$")


def page() -> str:
    """The whole page."""
    parts = [INTRO]
    for heading, text, names in GROUPS:
        parts.append(f"## {heading}\n")
        parts += [f"{text}\n"] if text else []
        for name in names:
            parts.append(f"### `{name}{signature(name)}`\n")
            parts += [f"{text}\n" for text in described(name, names)]
    return "\n".join(parts)


def look_up(name: str) -> Any:
    target: Any = lebm_core
    for part in name.split("."):
        target = getattr(target, part)
    return target


def signature(name: str) -> str:
    """Parameters with their defaults, no types and no private ones; '' for a base class."""
    target = look_up(name)
    if name in TEXTS or (inspect.isclass(target) and not _has_constructor(target)):
        return ""
    return _signature(target)


def _has_constructor(target: type) -> bool:
    if getattr(target, "_is_protocol", False):
        return False
    own = "__init__" in vars(target) or hasattr(target, "_fields")
    return own and not inspect.isabstract(target)


def _signature(target: Any) -> str:
    parameters = []
    for p in inspect.signature(target).parameters.values():
        if p.name in ("self", "cls") or p.name.startswith("_"):
            continue
        default = p.default
        if type(default).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
            default = _Shown("...")
        elif dataclasses.is_dataclass(default):
            default = _Shown(f"{type(default).__name__}()")
        parameters.append(p.replace(annotation=p.empty, default=default))
    return str(inspect.Signature(parameters))


class _Shown:
    """A default that is shown by a text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def described(name: str, names: tuple[str, ...]) -> Iterator[str]:
    """The paragraphs and lists below a heading."""
    if name in TEXTS:
        yield TEXTS[name]
        return
    target = look_up(name)
    sections = _sections(inspect.getdoc(target) or "")
    yield from sections.pop("")
    for title in ("Args", "Attributes"):
        if title in sections:
            if title == "Attributes" and "Args" in sections:
                yield "Attributes:"
            yield "\n".join(_entries(sections[title]))
    if "Returns" in sections:
        yield "Returns: " + "\n".join(sections["Returns"])
    if inspect.isclass(target):
        methods = [
            f"- `{member}`: {text}"
            for member, text in _members(target)
            if f"{name}.{member.partition('(')[0]}" not in names
        ]
        if methods:
            yield "Methods and properties:"
            yield "\n".join(methods)


def _members(target: type) -> Iterator[tuple[str, str]]:
    """Public properties and methods with a docstring of their own, and `__call__`."""
    for name, member in vars(target).items():
        private = name.startswith("_") and name != "__call__"
        # "set_": scikit-learn's requests of metadata, the same for every estimator
        if private or name.startswith("set_") or not getattr(member, "__doc__", None):
            continue
        if isinstance(member, (property, functools.cached_property)):
            yield name, _first(member)
        elif inspect.isroutine(getattr(target, name)):
            yield name + _signature(getattr(target, name)), _first(member)


def _first(function: Any) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())


def _sections(text: str) -> dict[str, list[str]]:
    """Paragraphs of a docstring by section; examples become blocks of code."""
    found: dict[str, list[str]] = {"": []}
    current = ""
    for block in text.split("\n\n"):
        lines = block.splitlines()
        match = SECTION.match(lines[0]) if lines else None
        if match:
            current, lines = match[1], lines[1:]
        if not lines:
            continue
        if lines[0].startswith(">>> "):
            found.setdefault("", []).append("```python\n" + "\n".join(lines) + "\n```")
        else:
            found.setdefault(current, []).append(textwrap.dedent("\n".join(lines)))
    return found


def _entries(blocks: list[str]) -> Iterator[str]:
    """A list out of "name: text" entries, whose further lines are indented."""
    for entry in re.split(r"\n(?=\S)", "\n".join(blocks)):
        names, colon, text = entry.partition(":")
        shown = ", ".join(f"`{each.strip()}`" for each in names.split(","))
        yield f"- {shown}: {' '.join(text.split())}" if colon else f"- {' '.join(entry.split())}"


if __name__ == "__main__":
    print(page(), end="")
