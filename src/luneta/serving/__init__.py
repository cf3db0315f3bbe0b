"""Bundles on the web: a JSON API, with pages beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.lazy import loaded_from

_HOMES = {
    "Settings": "luneta.serving.settings",
    "create_app": "luneta.serving.app",
    "serve": "luneta.serving.running",
}

__all__ = ["Settings", "create_app", "serve"]


__getattr__ = loaded_from(_HOMES, __name__)  # what is served with is an optional dependency

if TYPE_CHECKING:
    from luneta.serving.app import create_app
    from luneta.serving.running import serve
    from luneta.serving.settings import Settings
