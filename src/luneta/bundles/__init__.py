"""Bundles: one sealed folder with everything that a search needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.lazy import loaded_from

_HOMES = {
    "Bundle": "luneta.bundles.bundle",
    "Built": "luneta.bundles.building",
    "IndexRecipe": "luneta.bundles.building",
    "build_bundle": "luneta.bundles.building",
}

__all__ = ["Built", "Bundle", "IndexRecipe", "build_bundle"]

__getattr__ = loaded_from(_HOMES, __name__)

if TYPE_CHECKING:
    from luneta.bundles.building import Built, IndexRecipe, build_bundle
    from luneta.bundles.bundle import Bundle
