"""Bundles on the web: a JSON API, with pages beside it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Settings": "luneta.serving.settings",
    "create_app": "luneta.serving.app",
    "serve": "luneta.serving.running",
}

__all__ = ["Settings", "create_app", "serve"]


def __getattr__(name: str) -> Any:
    """What is served with is an optional dependency, and settings are read without it."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if TYPE_CHECKING:
    from luneta.serving.app import create_app
    from luneta.serving.running import serve
    from luneta.serving.settings import Settings
