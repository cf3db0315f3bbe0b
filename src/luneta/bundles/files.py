"""The files of a bundle: named by what they hold, never changed, and named themselves by one record.

    shop.luneta/
      bundle.json                     names every file that belongs to the bundle, with its hash, and has one itself
      items-image-3fa9c1d08e21.arrow  and so on: STEM-HASH.SUFFIX
      README.md                       for people; made from the rest
      source.json                     where the data and the encoder are on this machine; not part of the seal
      .lock                           held by the one process that writes

What `bundle.json` does not name does not exist. A writer puts new files beside the old ones, replaces `bundle.json`,
and only then takes away what is not named any more: whoever dies in between leaves the old bundle or the new one, and
files that the next writer finds again by their names instead of making them anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from luneta.artifacts import atomic_folder, atomic_path, hash_file
from luneta.errors import ArtifactError, ConfigError

RECORD = "bundle.json"
SOURCE = "source.json"
CARD = "README.md"
SEAL = "seal"
LOCK = ".lock"
LOCK_WAIT_S = 1.0
"""A second writer is refused rather than queued: what it would add is most often what the first one adds."""

_OWN = frozenset({RECORD, SOURCE, CARD, LOCK})
_NAMED = re.compile(
    r"(items-(image|text)-[0-9a-f]{12}\.arrow|vectors-(image|text)-[0-9a-f]{12}\.npy|index-(image|text)-[0-9a-f]{12}\.faiss"
    r"|thumbnails-[0-9a-f]{12}\.arrow|calibration-[0-9a-f]{12}\.json|(text-tower|reranker)-[0-9a-f]{12})"
)
"""All that a writer makes: nothing else is ever taken away."""

_INSIDE = re.compile(r"(/[A-Za-z0-9_][\w.-]*)*")
_TEMPORARY = re.compile(  # those of artifacts.atomic_path and atomic_folder too
    r"\.+making-.+|\.(bundle|source|README)-\w+\.(json|md)|\.(text-tower|reranker)-[0-9a-f]{12}-\w+"
)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a bundle.

    Attributes:
        name: in the bundle's folder, with slashes where it lies deeper.
        sha256: of its bytes, hex.
        n_bytes: how many.
    """

    name: str
    sha256: str
    n_bytes: int


def put(folder: Path, stem: str, suffix: str, write: Callable[[Path], object]) -> File:
    """Write a file under the name that its content gives it.

    Args:
        folder: of the bundle.
        stem: what it is.
        suffix: with its dot.
        write: writes to the path it is given.

    Raises:
        ArtifactError: it cannot be written.
    """
    making = folder / f".making-{stem}{suffix}"
    with atomic_path(making) as path:
        write(path)
    digest = hash_file(making)
    target = folder / f"{stem}-{digest[:12]}{suffix}"
    making.replace(target)
    return File(target.name, digest, target.stat().st_size)


def put_folder(folder: Path, stem: str, write: Callable[[Path], object]) -> tuple[str, list[File]]:
    """The same for files that belong together: the name of their folder, and each of them.

    Raises:
        ArtifactError: it cannot be written.
    """
    making = folder / f".making-{stem}"
    with atomic_folder(making) as new:
        write(new)
    found = sorted(path for path in making.rglob("*") if path.is_file())
    digests = [hash_file(path) for path in found]
    whole = hashlib.sha256()
    for path, digest in zip(found, digests, strict=True):
        whole.update(f"{path.relative_to(making).as_posix()} {digest}\n".encode())
    target = folder / f"{stem}-{whole.hexdigest()[:12]}"
    sizes = [path.stat().st_size for path in found]
    names = [f"{target.name}/{path.relative_to(making).as_posix()}" for path in found]
    files = [File(*each) for each in zip(names, digests, sizes, strict=True)]
    if _is_whole(folder, files):  # a bundle that names it must not lose it for a moment
        shutil.rmtree(making)
        return target.name, files
    with atomic_folder(target) as new:  # what stands there somebody has damaged
        new.rmdir()
        making.rename(new)
    return target.name, files


def _is_whole(folder: Path, files: Sequence[File]) -> bool:
    try:
        for file in files:
            check(folder, file, whole=True)
    except ArtifactError:
        return False
    return True


def check_place(folder: Path, *, update: bool) -> None:
    """Refuse a place where no bundle can be made, or none be brought up to date.

    Raises:
        ConfigError: a bundle is there and is not to be updated, or the other way round.
        ArtifactError: the folder holds other things.
    """
    refuse_foreign(folder)
    if (folder / RECORD).exists() != update:
        raise ConfigError(
            f"{folder} is not there yet, so there is nothing to update" if update else
            f"{folder} is there already: bring it up to date (--update), or choose another place"
        )  # fmt: skip


def seal_of(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record's content, whatever its layout and without the seal in it."""
    content = {name: value for name, value in record.items() if name != SEAL}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check(folder: Path, file: File, *, whole: bool = False) -> None:
    """Compare a file with what is known of it.

    Args:
        folder: of the bundle.
        file: what is known.
        whole: read it all and compare its hash; else only its size.

    Raises:
        ArtifactError: it is missing, of another size, or its bytes are others.
    """
    path = folder / file.name
    try:
        n_bytes = path.stat().st_size
        digest = hash_file(path) if whole and n_bytes == file.n_bytes else file.sha256
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing, though {RECORD} names it; {_WAY_OUT}") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from error
    if n_bytes != file.n_bytes:
        raise ArtifactError(f"{path} has {n_bytes:,} bytes, but had {file.n_bytes:,} when it was written; {_WAY_OUT}")
    if digest != file.sha256:
        raise ArtifactError(f"{path} is damaged: its SHA-256 is not the one that {RECORD} names; {_WAY_OUT}")


_WAY_OUT = "take it from a copy of the bundle, or delete the folder and make the bundle again with `luneta index`"


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only process that writes to a bundle.

    Raises:
        ArtifactError: another one is at it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        lock.acquire(timeout=LOCK_WAIT_S)
    except filelock.Timeout:
        raise ArtifactError(f"{folder} is being written by another process; wait until it is done") from None
    except OSError as error:
        raise ArtifactError(f"cannot write {folder}: {error.strerror or error}. Choose another place.") from error
    try:
        yield
    finally:
        lock.release()


def refuse_foreign(folder: Path) -> None:
    """Raises ArtifactError for a folder that holds anything that is no part of a bundle."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is a file; a bundle is a folder: choose another name")
    strange = [name for name in os.listdir(folder) if not _is_ours(name) and not name.startswith(".")]
    if strange:
        raise ArtifactError(
            f"{folder} holds {strange[0]!r}, which is no part of a bundle; choose a new folder, such as "
            f"{folder.name}/index.luneta"
        )


def _is_ours(name: str) -> bool:
    return name in _OWN or bool(_NAMED.fullmatch(name) or _TEMPORARY.fullmatch(name))


def clean(folder: Path, named: Iterable[File]) -> None:
    """Take away what a bundle does not name: what an update has replaced, and what killed writers left.

    Raises:
        ArtifactError: something cannot be taken away.
    """
    kept = {file.name.partition("/")[0] for file in named} | _OWN
    for path in folder.iterdir():
        if path.name in kept or not _is_ours(path.name):
            continue
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise ArtifactError(f"cannot remove {path}: {error.strerror or error}") from error


def files_of(record: Mapping[str, Mapping[str, object]]) -> list[File]:
    """What `bundle.json` says of its files.

    Raises:
        ValueError: a name is none that a writer gives; above all it lies in the bundle's folder.
    """
    for name in record:
        head, slash, rest = name.partition("/")
        if not _NAMED.fullmatch(head) or not _INSIDE.fullmatch(slash + rest):
            raise ValueError(f"{name!r} is no name of a bundle's file")
    return [File(name, str(facts["sha256"]), int(str(facts["bytes"]))) for name, facts in record.items()]
