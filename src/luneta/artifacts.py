"""Files of ours: written whole or not at all, and checked when read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from luneta.errors import ArtifactError


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `target`; it takes the final name only if the block succeeds.

    A crash, Ctrl-C or full disk leaves whatever stood at `target` before, never half a file. The temporary
    file keeps the target's suffix, since some writers choose their format by it.

    Raises:
        ArtifactError: the file cannot be written (no permission, no space, a folder in its place).
    """
    target = Path(target)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise ArtifactError(f"cannot write {target}: a folder of that name is in the way")
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb+") as stream:  # on the disk before it has the name: a power cut keeps the promise
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        raise ArtifactError(
            f"cannot write {target}: {error.strerror or error}. Choose another place or free some space."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's umask; os.umask can only be read by setting it."""
    current = os.umask(0)
    os.umask(current)
    return current


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8")


def write_json(target: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity are refused, since JSON has none."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(source: str | os.PathLike[str]) -> Any:
    """Read JSON.

    Raises:
        ArtifactError: the file is missing, or is not JSON.
    """
    try:
        return json.loads(Path(source).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"no such file: {source}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArtifactError(f"{source} is not readable JSON: {error}") from error


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
    return hashlib.sha256(canonical.encode()).hexdigest()


def cache_dir() -> Path:
    """Where embeddings are kept between runs: $LUNETA_CACHE, else the platform's cache folder."""
    if chosen := os.environ.get("LUNETA_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "luneta"
