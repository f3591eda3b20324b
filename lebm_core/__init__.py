"""lebm: generative models whose prior is an energy-based model in latent space.

One convention holds everywhere. f is the log-tilt, high is likely: p(z) = exp(f(z)) p0(z) / Z, and
`energy(z)` is -f(z) - log p0(z). z is (B, d), class ids y are (B,) with -1 for unknown,
log-densities are (B,) in nats, and the first axis of x is the batch. `step_size` is s in
z <- z + (s^2/2) grad log p + s noise eps. Every stochastic function takes `generator`.

Names are imported when first used, so that the command line starts without torch; `__init__.pyi`
lists them, for type checkers and for this file.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

from lebm_core.version import __version__ as __version__


@functools.cache
def _homes() -> dict[str, str]:
    """The module of each public name, read from the stub."""
    import ast  # `lebm --help` starts without it

    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {name.name: str(node.module) for node in imports for name in node.names}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_homes())
    if name not in _homes():
        raise AttributeError(f"module 'lebm_core' has no attribute {name!r}")
    return getattr(importlib.import_module(_homes()[name]), name)


def __dir__() -> list[str]:
    return sorted({*_homes(), "__version__"})
