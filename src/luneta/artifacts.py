"""Files of ours: written whole or not at all, and checked when read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from luneta.errors import ArtifactError

_SURROGATE = re.compile("[\ud800-\udfff]")


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `target`; it takes the final name only if the block succeeds.

    A crash, Ctrl-C or full disk leaves whatever stood at `target` before, never half a file. The temporary
    file keeps the target's suffix, since some writers choose their format by it. A link stays a link: what it
    points at is replaced. What is no ordinary file (a pipe, /dev/null) is written into.

    Raises:
        ArtifactError: the file cannot be written (no permission, no space, a folder in its place).
    """
    with atomic_paths(target) as (temporary,):
        yield temporary


_n_finished = 0


def n_finished() -> int:
    """How many files and folders have been written whole since the process began."""
    return _n_finished


def _finished() -> None:
    global _n_finished
    _n_finished += 1


@contextlib.contextmanager
def atomic_paths(*targets: str | os.PathLike[str]) -> Iterator[list[Path]]:
    """The same for files that belong together: none takes its final name before all of them are on the disk.

    Raises:
        ArtifactError: a file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        files = [(target, *_beside(target, stack)) for target in targets]
        with _errors_of(targets[0]):
            yield [temporary for _, _, temporary in files]
        for target, _, temporary in files:
            with _errors_of(target), temporary.open("rb+") as stream:
                temporary.chmod(0o666 & ~_umask())
                os.fsync(stream.fileno())  # on the disk before it has the name: a power cut keeps the promise
        for target, place, temporary in files:
            with _errors_of(target):
                if _is_special(place):
                    place.write_bytes(temporary.read_bytes())
                else:
                    temporary.replace(place)
            _finished()


@contextlib.contextmanager
def atomic_folder(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new folder beside `target`; it takes the final name, whole, only if the block succeeds.

    A folder that stands there is replaced; between its leaving and the new one's coming lies one rename. If that
    fails, the old one comes back.

    Raises:
        ArtifactError: it cannot be written, or a file is in its place.
    """
    place = Path(os.path.realpath(target))
    with contextlib.ExitStack() as stack:
        with _errors_of(target):
            if place.exists() and not place.is_dir():
                raise ArtifactError(f"cannot write {target}: a file of that name is in the way")
            place.parent.mkdir(parents=True, exist_ok=True)
            room = stack.enter_context(tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent))
            new = Path(room) / "new"
            new.mkdir()
        with _errors_of(target):
            yield new
        with _errors_of(target):
            for path in new.rglob("*"):
                if path.is_file():
                    with path.open("rb") as stream:
                        os.fsync(stream.fileno())
            old = Path(room) / "old"
            if place.exists():
                place.rename(old)
            try:
                new.rename(place)
            except OSError:
                if old.exists():  # it would go with the room
                    old.rename(place)
                raise
            _finished()


def _beside(target: str | os.PathLike[str], stack: contextlib.ExitStack) -> tuple[Path, Path]:
    """Where the bytes go in the end (links followed), and a temporary file that goes with `stack`."""
    place = Path(target)
    with _errors_of(target):
        if place.is_dir():
            raise ArtifactError(f"cannot write {target}: a folder of that name is in the way")
        if _is_special(place):
            folder = None
        else:
            place = Path(os.path.realpath(place))
            folder = place.parent
            folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{place.stem}-", suffix=place.suffix, dir=folder)
    os.close(handle)
    stack.callback(Path(name).unlink, missing_ok=True)
    return place, Path(name)


def _is_special(path: Path) -> bool:
    """A pipe, a device: nothing that a file could take the place of."""
    return path.exists() and not path.is_file()


@contextlib.contextmanager
def _errors_of(target: str | os.PathLike[str]) -> Iterator[None]:
    """What the system says of a file, as an error of ours that names it."""
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            f"cannot write {target}: {error.strerror or error}. Choose another place or free some space."
        ) from error


def check_writable(target: str | os.PathLike[str]) -> None:
    """Refuse a place that cannot be written to, before the work whose result would go there.

    Raises:
        ArtifactError: it is a folder, lies in something that is no folder, or is not ours to write to.
    """
    if _stream(target) is not None:
        return
    with contextlib.ExitStack() as stack:
        _beside(target, stack)


def _stream(target: str | os.PathLike[str]) -> TextIO | None:
    """The stream of this process that a path names. Opened by the path, a file behind it would be emptied."""
    return {"/dev/stdout": sys.stdout, "/dev/stderr": sys.stderr}.get(os.fspath(target))


def _umask() -> int:
    """The process's umask; os.umask can only be read by setting it."""
    current = os.umask(0)
    os.umask(current)
    return current


def printable(text: str) -> str:
    """Text that can be written as UTF-8: a file name's bytes that are no UTF-8 become the replacement character.

    Python holds such bytes as lone surrogates, which no encoding takes.

    >>> printable(b"caf\\xe9.jpg".decode("utf-8", "surrogateescape")) == "caf\\N{REPLACEMENT CHARACTER}.jpg"
    True
    """
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically, made `printable`; to a stream of this process after what stands there already."""
    if (stream := _stream(target)) is not None:
        stream.write(printable(text))
        stream.flush()
        return
    with atomic_path(target) as path:
        path.write_text(printable(text), encoding="utf-8")


def json_text(value: Any) -> str:
    """`value` as indented JSON.

    Raises:
        ValueError: NaN or infinity, since JSON has none.
    """
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(target: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity are refused, since JSON has none."""
    write_text(target, json_text(value))


def read_json(source: str | os.PathLike[str]) -> Any:
    """Read JSON.

    Raises:
        ArtifactError: the file is missing, or is not JSON; NaN and infinity are not.
    """
    try:
        return json.loads(Path(source).read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise ArtifactError(f"no such file: {source}") from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{source} is not readable JSON: {error}") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def hash_file(source: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, hex."""
    with open(source, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of a value's canonical JSON: independent of key order and spacing.

    >>> hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    True
    """
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(printable(canonical).encode()).hexdigest()


def public_name(name: str) -> str:
    """Of something that lies in a folder only the folder's own name: a file says nothing of the machine it was made on.

    A fine-tuning's checkpoint lies in OUT/model, and is called OUT.

    >>> public_name("/home/somebody/models/mine"), public_name("google/siglip2-base-patch16-224")
    ('mine', 'google/siglip2-base-patch16-224')
    >>> public_name("/home/somebody/tuned/model")
    'tuned'
    """
    if not (os.path.isabs(name) or os.path.isdir(name)):
        return name
    path = Path(name).absolute()
    return path.parent.name or path.name if path.name == "model" else path.name


def cache_dir() -> Path:
    """Where embeddings are kept between runs: $LUNETA_CACHE, else the platform's cache folder."""
    if chosen := os.environ.get("LUNETA_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "luneta"
