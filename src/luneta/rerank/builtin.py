"""The re-rankers that come with the package, each beside the weights of the built-in encoder it was made for."""

from __future__ import annotations

import os
from pathlib import Path

from luneta.encoders.presets import BUNDLED, WEIGHTS


def folder_of(encoder: str) -> Path:
    """Where the re-ranker of a built-in encoder stands."""
    return WEIGHTS / encoder / "reranker"


def located(folder: str | os.PathLike[str]) -> Path:
    """The folder of a re-ranker: as given, or that of the built-in encoder of that name where no such folder is.

    >>> located("luneta-mini").name
    'reranker'
    >>> located("elip/reranker").as_posix()
    'elip/reranker'
    """
    given = Path(folder)
    return folder_of(str(folder)) if str(folder) in BUNDLED and not given.exists() else given
