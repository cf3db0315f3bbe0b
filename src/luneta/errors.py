"""Every error Luneta raises on purpose.

    LunetaError
     |-- ConfigError             an argument, option or name that makes no sense
     |-- DatasetError            data that cannot be read or cannot be trusted
     |    |-- ImageError         one picture that cannot be decoded
     |    `-- UnreachableError   the hub cannot be reached, for now
     |-- EncoderError            a checkpoint that cannot be loaded, or is not what it claims
     |-- TrainingError           a training that cannot come to anything
     |-- ShapeError              an array of the wrong shape, dtype or content (NaN, not normalised)
     |-- ArtifactError           a file of ours that is missing, damaged, foreign or cannot be written
     |-- IndexMismatchError      vectors made by another encoder than the one that asks
     |-- ProtocolMismatchError   two numbers that must not be compared
     `-- MissingExtraError       an optional dependency that is not installed

A message says what arrived, what was expected and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LunetaError(Exception):
    """Base of every error raised on purpose."""


class ConfigError(LunetaError):
    """An argument, option or name that makes no sense."""


class DatasetError(LunetaError):
    """Data that cannot be read or cannot be trusted."""


class ImageError(DatasetError):
    """One picture that cannot be decoded; `reason` is short enough for a table cell."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnreachableError(DatasetError):
    """The hub cannot be reached, for now."""


class EncoderError(LunetaError):
    """A checkpoint that cannot be loaded, or is not what it claims to be."""


class TrainingError(LunetaError):
    """A training that cannot come to anything, stopped; what it had reached is kept."""


class ShapeError(LunetaError):
    """An array of the wrong shape, dtype or content."""


class ArtifactError(LunetaError):
    """A file of ours that is missing, damaged, foreign or cannot be written."""


class IndexMismatchError(LunetaError):
    """Vectors made by another encoder than the one that asks."""


class ProtocolMismatchError(LunetaError):
    """Two numbers that must not be compared."""


class MissingExtraError(LunetaError):
    """An optional dependency that is not installed.

    >>> print(MissingExtraError("openclip", "loading open_clip checkpoints"))
    loading open_clip checkpoints needs an optional dependency; install it with: pip install "luneta[openclip]"
    """

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs an optional dependency; install it with: pip install "luneta[{extra}]"')
        self.extra = extra


def did_you_mean(name: str, known: Iterable[str], *, n: int = 3) -> str:
    """A sentence that offers the nearest known names, or lists what there is.

    >>> did_you_mean("siglip2-b61", ["clip-b32", "siglip2-b16"])
    'Did you mean siglip2-b16?'
    >>> did_you_mean("xyzzy", ["train", "test"])
    'Known: test, train.'
    """
    options = sorted(set(known))
    lowered = {option.lower(): option for option in options}
    near = difflib.get_close_matches(name.lower(), list(lowered), n=n, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(lowered[match] for match in near)}?"
    if not options:
        return "There are none."
    shown = ", ".join(options[:20])
    return f"Known: {shown}{', ...' if len(options) > 20 else '.'}"
