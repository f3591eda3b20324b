"""Which extra of a distribution brings a package, read from the distribution's own metadata."""

from __future__ import annotations

import importlib.metadata
import re

__all__ = ["extra_of"]

# Import names that differ from the name of their distribution.
DISTRIBUTION_OF = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}


def extra_of(package: str, distribution: str = "lebm") -> str:
    """The extra that installs `package`, "fcd" for lebm's own or "other[extra]", or ''.

    Args:
        package: the top-level import name.
        distribution: the distribution whose extras are searched.
    """
    try:
        requirements = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    wanted = _normal(DISTRIBUTION_OF.get(package, package))
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", requirement)
        # "all" repeats the others, and says less about what is missing.
        if name and extra and _normal(name[0]) == wanted and extra[1] != "all":
            return extra[1] if distribution == "lebm" else f"{distribution}[{extra[1]}]"
    return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
