"""Folders: with a metadata file, with sidecar captions, with tables, whole or one subfolder a split."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from luneta.data import splits
from luneta.data.captions import caption_lines
from luneta.data.coco import read_json_source
from luneta.data.images import SUFFIXES
from luneta.data.raw import RawTable, Request, concatenate
from luneta.data.records import table_of
from luneta.data.tables import is_table, read_table, tables_in
from luneta.data.webdataset import read_shards
from luneta.errors import ConfigError, DatasetError

_OTHER_TEXTS = "readme license licence copying notice requirements classes labels changelog"
_NOT_CAPTIONS = frozenset(_OTHER_TEXTS.split())
_LAYOUTS = (
    "a folder needs a metadata.jsonl, .csv or .parquet; or pictures with their captions beside them (cat.jpg, "
    "cat.txt); or one table of file names and captions; or tar shards"
)


def read_folder(folder: Path, name: str, request: Request) -> RawTable:
    """A folder's rows, whatever the layout.

    Raises:
        ConfigError: there are splits, and none or an unknown one was chosen; or several tables.
        DatasetError: nothing that can be read.
    """
    for reader in (_metadata, _shards, _split_folders, _sidecars, _tables):
        raw = reader(folder, name, request)
        if raw is not None:
            return raw
    raise DatasetError(f"{folder} is empty or of no known layout: {_LAYOUTS}.")


def read_any_table(path: Path, name: str, request: Request, split: str | None = None) -> RawTable:
    """The rows of a table file, of JSON in any of its layouts too.

    Raises:
        DatasetError: not readable as what its ending says.
    """
    if path.suffix.lower() == ".json":
        return read_json_source(path, name, request.image_folder, split=split)
    return read_table(path, name, split=split)


def _by_split(available: dict[str, Any], name: str, request: Request, read: Callable[[str], RawTable]) -> RawTable:
    chosen = splits.choose_splits(request.split, available, name)
    return concatenate([read(split) for split in chosen], split_column=len(chosen) > 1)


# The imagefolder convention -----------------------------------------------------------------------------------


def _metadata(folder: Path, name: str, request: Request) -> RawTable | None:
    file = _metadata_file(folder)
    if file is not None:
        return _with_split_column(read_table(file, name))
    files = {child.name: file for child in _subfolders(folder) if (file := _metadata_file(child))}
    if not files:
        return None
    others = [child for child in files if child.lower() not in splits.NAMES]
    if others:
        raise ConfigError(f"{folder} has metadata files in the folders {', '.join(others)}; open one of those folders")
    return _by_split(files, name, request, lambda split: read_table(files[split], name, split=split))


def _metadata_file(folder: Path) -> Path | None:
    found = tables_in(folder, ["metadata"])
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ConfigError(f"{folder} has several metadata files ({names}); open the one you mean by its path")
    return found[0] if found else None


def _with_split_column(raw: RawTable) -> RawTable:
    """File names such as train/0001.png give the split, as the convention has it."""
    if "file_name" not in raw.table.column_names or "split" in raw.table.column_names:
        return raw
    heads = [str(value or "").replace("\\", "/").partition("/") for value in raw.table.column("file_name").to_pylist()]
    if not heads or not all(slash and head.lower() in splits.NAMES for head, slash, _ in heads):
        return raw
    table = raw.table.append_column("split", pa.array([head for head, _, _ in heads]))
    return replace(raw, table=table)


# Captions beside their pictures -------------------------------------------------------------------------------


def _split_folders(folder: Path, name: str, request: Request) -> RawTable | None:
    readable = {child.name: child for child in _subfolders(folder) if any(map(_is_data, _files(child)))}
    others = [child for child in readable if child.lower() not in splits.NAMES]
    if len(others) == len(readable) or any(_is_data(path) for path in folder.iterdir() if path.is_file()):
        return None
    if others:
        raise ConfigError(
            f"{folder} has folders of splits and others with pictures or tables: {', '.join(others)}; open the "
            "folder you mean"
        )

    def read(split: str) -> RawTable:
        whole = Request(image=request.image, split=splits.ALL)
        raw = read_folder(readable[split], name, whole)
        return replace(raw, split=split)

    return _by_split(readable, name, request, read)


def _sidecars(folder: Path, name: str, request: Request) -> RawTable | None:
    """cat.jpg with cat.txt beside it, one caption a line. Looked for in all folders below."""
    pictures: list[Path] = []
    captions: dict[Path, Path] = {}
    for path in _files(folder):
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            pictures.append(path)
        elif suffix == ".txt":
            captions[path.with_suffix("")] = path
    if not pictures:
        return None
    stems = {picture.with_suffix("") for picture in pictures}
    if not stems & set(captions):
        if _table_files(folder):
            return None
        raise DatasetError(
            f"{folder} holds {len(pictures)} pictures but no captions beside them: {pictures[0].name} needs "
            f"{pictures[0].stem}.txt, one caption a line. Otherwise {_LAYOUTS}."
        )
    records: list[dict[str, Any]] = []
    broken: dict[int, str] = {}
    for picture in pictures:
        lines, problem = _lines(captions.get(picture.with_suffix("")), picture)
        if problem:
            broken[len(records)] = problem
        records.append({"file_name": str(picture.relative_to(folder)), "captions": lines})
    for stem in sorted(set(captions) - stems):
        if stem.name.lower() in _NOT_CAPTIONS:
            continue
        broken[len(records)] = f"no picture beside {captions[stem].relative_to(folder)}"
        records.append({"file_name": None, "captions": None})
    return RawTable(name, table_of(records), folder.name or str(folder), ((0, folder),), broken)


def _lines(path: Path | None, picture: Path) -> tuple[list[str] | None, str | None]:
    if path is None:
        return None, f"no {picture.stem}.txt beside it"
    try:
        lines = caption_lines(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None, f"{path.name} is not UTF-8"
    except OSError as error:
        return None, f"{path.name} cannot be read ({error.strerror or error})"
    return lines, None if lines else "empty caption"


# Tables and shards --------------------------------------------------------------------------------------------


def _shards(folder: Path, name: str, request: Request) -> RawTable | None:
    shards = [path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".tar" and path.is_file()]
    if shards:
        return read_shard_files(shards, name, request)
    children = {child.name: found for child in _subfolders(folder) if (found := sorted(child.glob("*.tar")))}
    if not children or any(child.lower() not in splits.NAMES for child in children):
        return None
    return _shards_by_split(children, name, request)


def read_shard_files(files: Sequence[Path], name: str, request: Request) -> RawTable:
    """Shards, of one split each when all are named so (train-000.tar, test-000.tar)."""
    parts: dict[str, list[Path]] = {}
    for path in files:
        parts.setdefault(_head(path), []).append(path)
    if all(head.lower() in splits.NAMES for head in parts):
        return _shards_by_split(parts, name, request)
    return read_shards(files, name)


def _shards_by_split(parts: dict[str, list[Path]], name: str, request: Request) -> RawTable:
    return _by_split(parts, name, request, lambda split: replace(read_shards(parts[split], name), split=split))


def _head(path: Path) -> str:
    """The first word of a file's name: "train" of train-00000-of-00002.parquet."""
    return path.stem.replace("_", "-").replace(".", "-").partition("-")[0]


def _tables(folder: Path, name: str, request: Request) -> RawTable | None:
    """One table; or one a split (train.csv, test.csv); or numbered parts of one (train-00000-of-00002.parquet)."""
    files = _table_files(folder)
    if not files:
        return None
    if len(files) == 1:
        return read_any_table(files[0], name, request)
    return read_tables(files, name, request)


def _table_files(folder: Path) -> list[Path]:
    return tables_in(folder) or (tables_in(folder / "data") if (folder / "data").is_dir() else [])


def read_tables(files: Sequence[Path], name: str, request: Request) -> RawTable:
    """Several table files that are splits or numbered parts of one table.

    Raises:
        ConfigError: they are neither, or the split is not among them.
    """
    parts: dict[str, list[Path]] = {}
    for path in files:
        head = _head(path)
        numbered = any(piece.isdigit() for piece in path.stem.replace("_", "-").split("-"))
        if head.lower() not in splits.NAMES and not numbered:
            names = ", ".join(file.name for file in files[:10])
            raise ConfigError(f"several tables in {path.parent}: {names}. Open the one you mean by its path.")
        parts.setdefault(head, []).append(path)

    def read(split: str) -> RawTable:
        named = split if split.lower() in splits.NAMES else None
        return concatenate([read_any_table(path, name, request, named) for path in parts[split]])

    if len(parts) == 1:
        return read(next(iter(parts)))
    return _by_split(parts, name, request, read)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not _hidden(child.name))


def _files(folder: Path) -> Iterator[Path]:
    """Files in a folder and below, in a fixed order, links to folders followed, hidden ones left out.

    Raises:
        OSError: a folder may not be listed.
    """

    def fail(error: OSError) -> None:
        raise error

    seen = {os.path.realpath(folder)}
    for root, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        real = {child: os.path.realpath(os.path.join(root, child)) for child in sorted(folders) if not _hidden(child)}
        folders[:] = [child for child, path in real.items() if path not in seen]
        seen.update(real.values())
        yield from (Path(root, child) for child in sorted(names) if not _hidden(child))


def _is_data(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or path.suffix.lower() == ".tar" or is_table(path)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
