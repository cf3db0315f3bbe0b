"""From cells to captions: lists opened, spaces cut, and what is no caption told apart from what is missing."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from luneta.data.cells import flat_strings, strings
from luneta.data.dataset import Indexes
from luneta.errors import DatasetError

MAX_CHARACTERS = 100_000
"""A longer caption is a document or a mistake."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_LIST_AS_TEXT = "a list of captions written as one string"


@dataclass(frozen=True)
class Captions:
    """The captions of some rows.

    Attributes:
        texts: captions, in the order of their rows.
        positions: for each caption the position of its row among the rows; ascending.
        bad: position -> why captions of that row were refused, one reason each; the row's other captions stay.
    """

    texts: list[str]
    positions: Indexes
    bad: dict[int, list[str]]


def read_captions(table: pa.Table, paths: Sequence[str], rows: Indexes, *, max_bad_share: float) -> Captions:
    """The captions that some rows hold in one or several columns; null cells give none.

    Raises:
        DatasetError: the column holds lists of captions written as strings.
        ConfigError: no such column, or it holds no text.
    """
    columns = [path if path in table.column_names else path.split(".")[0] for path in paths]
    asked = table.select(list(dict.fromkeys(columns)))
    if len(rows) < table.num_rows:
        asked = asked.take(pa.array(rows))
    values: list[str | None] = []
    owners = []
    for path in paths:
        found, owner = flat_strings(asked, path)
        values += strings(found)
        owners.append(owner)
    at = np.concatenate(owners)
    order = np.argsort(at, kind="stable")
    texts: list[str] = []
    positions = np.empty(len(order), dtype=np.int64)
    bad: dict[int, list[str]] = {}
    for index, position in zip(order.tolist(), at[order].tolist(), strict=True):
        value = values[index]
        if value is None:
            continue
        text = value.strip()
        if problem := caption_problem(text):
            bad.setdefault(position, []).append(problem)
        else:
            positions[len(texts)] = position
            texts.append(text)
    listed = [position for position, reasons in bad.items() if _LIST_AS_TEXT in reasons]
    if len(listed) > max_bad_share * len(rows):
        raise _stringified(", ".join(paths), int(rows[listed[0]]), asked, columns[0], listed[0])
    return Captions(texts, positions[: len(texts)].copy(), bad)


def caption_lines(text: str) -> list[str]:
    r"""One caption a line of a text file; only line breaks end a line.

    >>> caption_lines("a cat\r\n\num gato\n")
    ['a cat\r', 'um gato']
    """
    return [line for line in text.split("\n") if line.strip()]


def caption_problem(text: str) -> str | None:
    """Why a string is no caption, or None.

    >>> caption_problem("a dog"), caption_problem(""), caption_problem("['a dog', 'a brown dog']")
    (None, 'empty caption', 'a list of captions written as one string')
    """
    if not text:
        return "empty caption"
    if "\0" in text:
        return "caption with a NUL byte"
    if not text.isascii() and _SURROGATE.search(text):
        return "caption with broken Unicode (a lone surrogate, or bytes that are not UTF-8)"
    if len(text) < 8 and not any(character.isprintable() for character in text):
        return "empty caption"  # invisible characters only
    if len(text) > MAX_CHARACTERS:
        return f"caption of {len(text):,} characters, more than {MAX_CHARACTERS:,}"
    if text[0] + text[-1] in ("[]", "{}", "()") and _is_list_of_strings(text):
        return _LIST_AS_TEXT
    return None


def _is_list_of_strings(text: str) -> bool:
    value = _literal(text)
    if isinstance(value, dict):
        value = [entry for entries in value.values() for entry in (entries if isinstance(entries, list) else [entries])]
    return isinstance(value, (list, tuple, set)) and any(isinstance(entry, str) for entry in value)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None


def _stringified(paths: str, row: int, table: pa.Table, column: str, position: int) -> DatasetError:
    shown = str(table.column(column)[position].as_py())[:80]
    return DatasetError(
        f"column {paths!r} holds lists of captions written as strings (row {row}: {shown} ...): each would count as "
        "one absurdly long caption. Store real lists (JSONL or Parquet) or one row per caption. With pandas: "
        f'df["{column}"] = df["{column}"].map(ast.literal_eval); df.to_parquet("captions.parquet")'
    )
