"""Libraries that take seconds to load: after whatever can be told without them, and not in silence."""

from __future__ import annotations

import contextlib
import importlib
import sys

from luneta.progress import waiting

OF_MODELS = ("luneta.encoders.hf", "transformers.modeling_utils", "transformers.image_processing_utils")
"""What opens a checkpoint."""


def load(*modules: str) -> None:
    """Import modules, and say so on the terminal meanwhile.

    One that is not there is left to whoever needs it, who knows what to say.
    """
    missing = [module for module in modules if module not in sys.modules]
    if not missing:
        return
    with waiting("loading libraries"):
        for module in missing:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
