"""The items of a bundle: for each side a table in Arrow, one row an item, ascending by number.

Columns of ours begin with an underscore, so that filters name the source's columns as they are:

    _id      int64     never given to another item of this bundle
    _name    string    what a person calls a picture: its path under the data set's folder, a member, a row
    _key     string    digest of the content
    _texts   list      a picture's texts
    _text    string    a text
    _images  list      numbers of a text's pictures

The rest are the columns of the source's row that an item was first seen in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from luneta.artifacts import printable
from luneta.data.dataset import ImageTextDataset
from luneta.errors import ArtifactError
from luneta.types import Side

Ids = NDArray[np.int64]

SIDES: tuple[Side, Side] = ("image", "text")


def item_tables(
    data: ImageTextDataset, keys: Mapping[Side, Sequence[str]], old: Mapping[Side, pa.Table | None]
) -> dict[Side, tuple[pa.Table, Ids]]:
    """The items of a data set, numbered.

    What was in a bundle before, under the same name and with the same content, keeps its number; so does what has the
    same content and another name by now. Others get numbers that none had.

    Args:
        data: whose images and texts they are.
        keys: content keys of both, in the data set's order.
        old: the tables as they were, with `next_id` in their schema's metadata; None where there were none.

    Returns:
        For each side the table, ascending by number, and (n,) the index in the data set of each row.
    """
    names = {"image": names_of_images(data), "text": [printable(text) for text in data.texts]}
    ids = {side: _numbers(list(zip(names[side], keys[side], strict=True)), old[side]) for side in SIDES}
    return {
        "image": _table(
            data, data.image_rows, *ids["image"],
            {
                "_name": names["image"],
                "_key": keys["image"],
                "_texts": [[names["text"][int(t)] for t in data.texts_of(i)] for i in range(data.n_images)],
            },
        ),
        "text": _table(
            data, data.text_rows, *ids["text"],
            {
                "_text": names["text"],
                "_key": keys["text"],
                "_images": [ids["image"][0][data.images_of(t)].tolist() for t in range(data.n_texts)],
            },
        ),
    }  # fmt: skip


def next_id(table: pa.Table) -> int:
    """The least number that no item of a bundle has had.

    Raises:
        ArtifactError: the table does not say.
    """
    try:
        return int((table.schema.metadata or {})[b"next_id"])
    except (KeyError, ValueError):
        raise ArtifactError(
            "a table of items does not say which numbers were given away: make the bundle anew"
        ) from None


def names_of_images(data: ImageTextDataset) -> list[str]:
    """What a bundle calls the pictures of a data set, in their order; each name once.

    Paths are under the data set's folder: a bundle says nothing of the machine it was made on.
    """
    place = os.path.abspath(data.name)
    folder = os.path.dirname(place) if os.path.isfile(place) else place
    labels = [image.label for image in data.images]
    if os.path.exists(place):  # "cenas" is no folder
        labels = [_absolute(label, folder) for label in labels]
    paths = [label for label in labels if os.path.isabs(label)]
    roots = [place, folder]
    roots += [os.path.commonpath(map(os.path.dirname, paths))] if paths else []
    root = next((root for root in roots if root != os.sep and all(_is_under(path, root) for path in paths)), None)
    return _once([_short(label, root) if os.path.isabs(label) else label for label in labels])


def read_items(path: Path, side: Side) -> pa.Table:
    """A table of items, mapped into memory.

    Raises:
        ArtifactError: it is missing, damaged, or of something else.
    """
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError(f"{path} is damaged or missing: {error}") from error
    needed = {"_id", "_key", *(("_name", "_texts") if side == "image" else ("_text", "_images"))}
    if lacking := sorted(needed - set(table.column_names)):
        raise ArtifactError(f"{path} is no table of {side} items: it lacks {', '.join(lacking)}")
    return table


def _absolute(label: str, folder: str) -> str:
    """A label that is a path from where we stand into a folder, made whole: names must not depend on that place."""
    whole = os.path.abspath(label)
    return whole if _is_under(whole, folder) else label


def _short(path: str, root: str | None) -> str:
    return os.path.basename(path) if root is None else os.path.relpath(path, root)


def _is_under(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def _once(names: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    found = []
    for name in map(printable, names):
        seen[name] = n = seen.get(name, 0) + 1
        found.append(name if n == 1 else f"{name} ({n})")
    return found


def _numbers(items: Sequence[tuple[str, str]], old: pa.Table | None) -> tuple[Ids, int]:
    """(n,) the number of each item, and the least that is free after them."""
    free = 0 if old is None else next_id(old)
    known: dict[tuple[str, str], list[int]] = {}
    if old is not None:
        names = old.column("_name" if "_name" in old.column_names else "_text").to_pylist()
        for name, key, number in zip(names, old.column("_key").to_pylist(), old.column("_id").to_pylist(), strict=True):
            known.setdefault((name, key), []).append(number)
    for numbers in known.values():
        numbers.reverse()  # equal texts take their numbers in the order they had them
    found = np.array([known[item].pop() if known.get(item) else -1 for item in items], dtype=np.int64)
    renamed: dict[str, list[int]] = {}
    for (_, key), numbers in known.items():
        renamed.setdefault(key, []).extend(numbers)
    for i in np.flatnonzero(found < 0).tolist():
        if numbers := renamed.get(items[i][1], []):
            found[i] = numbers.pop()
        else:
            found[i], free = free, free + 1
    return found, free


def _table(
    data: ImageTextDataset, rows: Ids, ids: Ids, free: int, own: Mapping[str, Sequence[object]]
) -> tuple[pa.Table, Ids]:
    order = np.argsort(ids)
    types = {"_texts": pa.list_(pa.string()), "_images": pa.list_(pa.int64())}
    columns = {"_id": pa.array(ids[order])}
    for name, values in own.items():
        columns[name] = pa.array([values[int(i)] for i in order], types.get(name, pa.string()))
    metadata = data.rows.take(pa.array(rows[order])) if data.rows.num_columns else None
    for name in data.rows.column_names:
        assert metadata is not None
        columns[_free_name(name, columns)] = metadata.column(name)
    table = pa.table(columns)
    return table.replace_schema_metadata({"next_id": str(free)}), order


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    while name in taken:
        name += "_"
    return name
