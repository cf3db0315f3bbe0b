"""What every encoder asks of its callers, whoever wrote it; and what texts go through on their way to a tower.

Without PyTorch: the light query path reads texts by these rules too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ConfigError

LONGEST_TEXT = 20_000
"""Characters; no context of these models reaches so far, and a tokenizer takes its time over megabytes."""


def list_of_texts(texts: Iterable[str]) -> list[str]:
    """The texts, after making sure that they are several strings and not one.

    Raises:
        ConfigError: one string, whose letters would be taken for texts; nothing at all; something that is not a string.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise ConfigError(
            f"texts is {'one string' if isinstance(texts, str) else f'a {type(texts).__name__}'}, expected a list of "
            "strings: a single text is [text], and several captions are several texts"
        )
    found = list(texts)
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise ConfigError(
                f"text {index} is a {type(text).__name__}, expected a string; several captions are several texts"
            )
    return found


def clean_text(text: str, *, lowers: bool, longest: int = LONGEST_TEXT) -> str:
    """What of a text the tokenizer reads.

    Args:
        text: as it came.
        lowers: it is lower-cased here, whatever the tokenizer does.
        longest: characters of it that are kept.
    """
    if len(text) > longest:
        text = text.strip()[:longest]
    text = text.encode("utf-8", errors="replace").decode("utf-8")  # half a surrogate pair is no character
    return text.lower() if lowers else text


def padded_rows(
    token_ids: Sequence[Sequence[int]], padding_id: int, length: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids of a batch -> (n, length) int64 rows, padded at the right, and the same of 1 where a token is, else 0.

    Args:
        token_ids: of each text.
        padding_id: what fills the rows.
        length: of the rows; None is that of the longest text.
    """
    length = max(len(ids) for ids in token_ids) if length is None else length
    rows = np.full((len(token_ids), length), padding_id, dtype=np.int64)
    mask = np.zeros((len(token_ids), length), dtype=np.int64)
    for row, ids in enumerate(token_ids):
        rows[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return rows, mask
