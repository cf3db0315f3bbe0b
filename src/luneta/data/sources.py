"""open_dataset: one door for every kind of source."""

from __future__ import annotations

import difflib
import glob
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from luneta.data.assembly import assemble
from luneta.data.dataset import ImageTextDataset
from luneta.data.folders import read_any_table, read_folder, read_shard_files, read_tables
from luneta.data.images import SUFFIXES
from luneta.data.judged import is_judged, open_judged
from luneta.data.raw import RawTable, Request
from luneta.data.tables import TABLE_SUFFIXES, is_table
from luneta.errors import ConfigError, DatasetError, did_you_mean

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(:[\w.-]+)?")
_HUB_PREFIX = "hub:"
_CENAS = "cenas"

logger = logging.getLogger("luneta")


def open_dataset(
    source: str | os.PathLike[str],
    *,
    image: str | None = None,
    text: str | Sequence[str] | None = None,
    split: str | None = None,
    language: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    revision: str | None = None,
    max_bad_share: float = 0.01,
    within: str | os.PathLike[str] | None = None,
) -> ImageTextDataset:
    """Open images and texts, wherever they are; pictures are decoded only when used.

    Sources:
        - a folder with metadata.jsonl, .csv or .parquet, or with such a file in each of train/, val/, test/;
        - a folder of pictures with sidecar captions (cat.jpg, cat.txt; one caption a line), or split folders of them;
        - a table: CSV, TSV, JSONL, JSON, Parquet or Arrow, which names picture files (relative to itself) or holds
          encoded pictures; also `train-*.parquet`, or a folder with one table, or one table a split;
        - COCO captions or Karpathy split JSON; the folder of the pictures is looked for around it, or `image`;
        - WebDataset shards: one tar, `shard-{000..009}.tar`, `shards/*.tar`, or a folder of them;
        - a folder that `datasets` saved with save_to_disk;
        - a folder of judged queries: images.jsonl, queries.jsonl and qrels.tsv (see `luneta.data.judged`);
        - "owner/name" or "owner/name:configuration" on the Hugging Face Hub ("hub:owner/name" where a folder of that
          name exists too);
        - "cenas", "cenas:test", "cenas/sketch", ...: the built-in drawn world (its test split unless told otherwise).

    A list of captions is several captions. Rows that name one picture (the same file, or the same bytes) make one
    image with all their texts. A row whose picture is missing or empty, or whose captions are all empty or damaged, is
    left out whole and listed in `skipped`; where only some are, these are left out and the row is listed. So is a row
    without a caption in the language chosen, which is no fault and does not count as bad. Rows are numbered from 0.

    Args:
        source: what to open; a `Path` is always a file or folder on this machine, never a hub id or "cenas".
        image: column of the pictures; or the folder where relative file names start. Found by name and type if None.
        text: column of the captions, several separated by commas (or a list of names), fields of structs by dots
            ("sentences.raw"). Found by name and type if None.
        split: such as "train" or "test"; "all" reads every split. Needed where there are several.
        language: BCP 47 code, such as "pt-BR": chooses the column so named, or the rows so marked; recorded in any
            case.
        limit: a random sample of so many images, with all their captions.
        seed: of the sample; equal seeds give equal samples.
        revision: branch, tag or commit on the hub.
        max_bad_share: share of bad rows above which nothing is opened, 0 to 1.
        within: the only folder whose files pictures may be, for data that strangers wrote; by default whatever a table
            names is opened.

    Raises:
        DatasetError: nothing there, unreadable, too many bad rows, or no pair left.
        ConfigError: a column, split, language or option that is not there or is ambiguous.
    """
    request = Request(image, text, split, language, limit, seed, revision, max_bad_share)
    name = os.fspath(source)
    if not isinstance(source, str) and (_is_cenas(name) or _HUB_ID.fullmatch(name.removeprefix(_HUB_PREFIX))):
        name = os.path.join(os.curdir, name)  # a Path is a place on this machine, whatever else its words could mean
    if _is_cenas(name):  # a folder of that name is opened as ./cenas
        from luneta.data.cenas import open_cenas

        if named := [option for option in ("image", "text", "revision") if getattr(request, option) is not None]:
            raise ConfigError(f"{name} has no {', '.join(named)} to choose; choose with split=, language= and limit=")
        return open_cenas(name, split=split, language=language, limit=limit, seed=seed)
    try:
        if request.revision is None and within is None and is_judged(folder := Path(name).expanduser()):
            return open_judged(folder, name, request)
        raw = _read(name, request)
        if within is not None:
            raw = replace(raw, within=(Path(within).resolve(),))
    except OSError as error:  # most often a folder that may not be listed
        raise DatasetError(f"{error.filename or name} cannot be read: {error.strerror or error}") from error
    return assemble(raw, request)


def _is_cenas(name: str) -> bool:
    return re.split("[/:+]", name, maxsplit=1)[0] == _CENAS


def _read(name: str, request: Request) -> RawTable:
    """The rows of a source, by what it is."""
    if not name.strip() or "\0" in name:
        raise DatasetError(f"{name!r} names no data set: give a folder, a file, a hub id (owner/name) or {_CENAS}")
    path = Path(name).expanduser()
    if name.startswith(_HUB_PREFIX) or (_HUB_ID.fullmatch(name) and not path.parent.exists()):
        from luneta.data.hub import read_hub

        return read_hub(name.removeprefix(_HUB_PREFIX), request)
    if request.revision is not None:
        raise ConfigError(f"revision={request.revision!r} is for the Hugging Face Hub; {name} is on this machine")
    if path.is_dir():
        return _read_folder(path, name, request)
    if path.is_file():
        return _read_file(path, name, request)
    if any(character in name for character in "*?[{"):
        return _read_files(_expand(name), name, request)
    raise _missing(path, name)


def _read_folder(path: Path, name: str, request: Request) -> RawTable:
    from luneta.data.hub import is_saved, read_saved

    if is_saved(path):
        return read_saved(path, name, request)
    return read_folder(path, name, request)


def _read_file(path: Path, name: str, request: Request) -> RawTable:
    suffix = path.suffix.lower()
    if is_table(path):
        return read_any_table(path, name, request)
    if suffix == ".tar":
        return read_shard_files([path], name, request)
    if suffix in SUFFIXES:
        raise DatasetError(f"{name} is a single picture; open the folder it is in, or a table that names it")
    if path.name.lower().endswith((".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")):
        raise DatasetError(f"{name} is a compressed archive; unpack it first (plain .tar shards are read in place)")
    known = (*TABLE_SUFFIXES, ".tar")
    raise DatasetError(f"{name}: files ending in {suffix or 'nothing'} are not read. {did_you_mean(suffix, known)}")


def _read_files(paths: Sequence[Path], name: str, request: Request) -> RawTable:
    """Several files named by a pattern: all shards, or all tables."""
    endings = {path.suffix.lower() for path in paths}
    if endings == {".tar"}:
        return read_shard_files(paths, name, request)
    if len(endings) == 1 and is_table(paths[0]):
        return read_tables(paths, name, request)
    raise DatasetError(
        f"{name} matches files ending in {', '.join(sorted(endings))}; expected tar shards, or tables of one kind"
    )


def _expand(pattern: str) -> list[Path]:
    """The files that a pattern with {000..009}, {a,b}, *, ? or [...] names.

    Raises:
        DatasetError: none, or one that braces name is missing.
    """
    paths: list[Path] = []
    missing: list[str] = []
    for name in _braces(os.path.expanduser(pattern)):
        found = sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else [name] * os.path.exists(name)
        paths += [Path(path) for path in found]
        if not found:
            missing.append(name)
    if missing and (paths or len(missing) > 1):
        raise DatasetError(f"{pattern} names {len(missing)} file(s) that do not exist, such as {missing[0]}")
    if missing:
        raise _missing(Path(missing[0]), pattern)
    return list(dict.fromkeys(paths))


def _braces(pattern: str) -> list[str]:
    """Brace patterns spelled out.

    >>> _braces("s-{08..10}.tar"), _braces("{a,b}.tar")
    (['s-08.tar', 's-09.tar', 's-10.tar'], ['a.tar', 'b.tar'])
    """
    match = re.search(r"\{([^{}]*)\}", pattern)
    if match is None:
        return [pattern]
    if bounds := re.fullmatch(r"(\d+)\.\.(\d+)", match[1]):
        first, last, width = int(bounds[1]), int(bounds[2]), len(bounds[1])
        if first > last:
            raise DatasetError(f"{pattern}: {match[0]} runs backwards; write {{{bounds[2]}..{bounds[1]}}}")
        choices = [str(number).zfill(width) for number in range(first, last + 1)]
    else:
        choices = match[1].split(",")
    return [done for choice in choices for done in _braces(pattern[: match.start()] + choice + pattern[match.end() :])]


def _missing(path: Path, name: str) -> DatasetError:
    """What is there instead, or near it."""
    near = difflib.get_close_matches(name.lower(), [_CENAS], n=1)
    if near:
        return DatasetError(f"no data set {name!r}. Did you mean {near[0]}?")
    parent = path.parent
    while not parent.exists():
        path, parent = parent, parent.parent
    siblings = [child.name for child in parent.iterdir()] if parent.is_dir() else []
    hint = did_you_mean(path.name, siblings)
    if hint.startswith("Known: "):
        hint = hint.replace("Known: ", f"{parent.resolve().name or parent} holds ", 1)
    hub = f" For the Hugging Face Hub write {_HUB_PREFIX}{name}." if _HUB_ID.fullmatch(name) else ""
    return DatasetError(f"no such file or folder: {name}. {hint}{hub}")
