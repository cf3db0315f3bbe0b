"""A package's public names, loaded when first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def loaded_from(homes: Mapping[str, str], package: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose names live in modules that are slow to import.

    Whoever opens a folder, or reads a recipe, must not wait for what a training needs. The package imports the same
    names under TYPE_CHECKING for those that only read it.

    Args:
        homes: {public name: the module that it is in}.
        package: `__name__` of the package.

    >>> loaded_from({"sqrt": "math"}, "numbers")("sqrt")(4.0)
    2.0
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    return load
