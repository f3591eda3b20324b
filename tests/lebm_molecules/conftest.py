"""What the tests of the molecules plugin share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lebm_core.data.files import DataFiles
from lebm_core.registry.parts import arguments


def built(factory: Callable[..., Any], files: DataFiles | None = None, **keys: Any) -> Any:
    """The data set of a factory, from keys of a recipe's [data] table."""
    table = {"files": files or DataFiles(None), "seed": 0, **keys}
    return factory(**arguments(factory, table, {}, factory.__name__))


@pytest.fixture(scope="session")
def build() -> Callable[..., Any]:
    return built
