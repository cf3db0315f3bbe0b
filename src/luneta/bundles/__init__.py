"""Bundles: one sealed folder with everything that a search needs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Bundle": "luneta.bundles.bundle",
    "Built": "luneta.bundles.building",
    "IndexRecipe": "luneta.bundles.building",
    "build_bundle": "luneta.bundles.building",
}

__all__ = ["Built", "Bundle", "IndexRecipe", "build_bundle"]


def __getattr__(name: str) -> Any:
    """Opening a bundle must not load what making one needs."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if TYPE_CHECKING:
    from luneta.bundles.building import Built, IndexRecipe, build_bundle
    from luneta.bundles.bundle import Bundle
