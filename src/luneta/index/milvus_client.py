"""Calls to Milvus through pymilvus, with errors of ours and without its log of what is raised anyway."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from luneta.errors import ArtifactError, ConfigError, LunetaError, MissingExtraError, UnreachableError

if TYPE_CHECKING:
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

CONNECT_S, ASK_AGAIN_S = 3.0, 0.05
"""How long a server may take to answer at all, as while it starts again."""
GRPC = {"grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 1_000}
"""By default a client looks for a server that was away after up to two minutes only."""
NOT_FOUND, NOT_LOADED, RATE_LIMIT = 100, 101, 8
"""Codes of answers: there is no such collection; it is not in memory; too many requests."""

_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("quiet", default=False)


def connect(uri: str, token: str = "") -> MilvusClient:
    """A client of a Milvus: a local file's, a server's.

    Args:
        uri: a path that ends in .db, which Milvus Lite keeps in this process; or http://host:19530, which may be
            Milvus Lite's server, Milvus Standalone or Milvus Distributed.
        token: user:password or an API key, where the server asks for one.

    Raises:
        MissingExtraError: pymilvus or milvus-lite is not installed.
        ConfigError: a URI that Milvus does not know.
        UnreachableError: nobody answers.
        ArtifactError: the file is another process's, or is no Milvus Lite database.
    """
    local = is_local(uri)
    if local and not uri.endswith(".db"):
        raise ConfigError(f"{uri!r} is neither a server (http://host:19530) nor a file of Milvus Lite (shop.db)")
    try:
        import pymilvus

        if local:
            import milvus_lite.server_manager  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("milvus", "keeping vectors in Milvus") from error
    _hush()
    if local:
        Path(uri).absolute().parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + CONNECT_S
    while True:
        try:
            with calling("connect", uri):
                return pymilvus.MilvusClient(uri, token=token, timeout=CONNECT_S, dedicated=True, grpc_options=GRPC)
        except UnreachableError:
            if time.monotonic() > end:
                raise
            time.sleep(ASK_AGAIN_S)


@contextlib.contextmanager
def calling(what: str, uri: str) -> Iterator[None]:
    """While calls run that do this: errors become ours, and pymilvus does not log them."""
    from pymilvus.exceptions import MilvusException

    before = _quiet.set(True)
    try:
        yield
    except MilvusException as error:
        raise _ours(error, what, uri) from error
    finally:
        _quiet.reset(before)


def is_local(uri: str) -> bool:
    """Whether it names a file."""
    return "://" not in uri


def shown(uri: str) -> str:
    """A URI without what is secret in it."""
    return re.sub(r"//[^/@]*@", "//", uri)


def is_gone(error: LunetaError) -> bool:
    """Whether a call failed because its collection was not there or not in memory."""
    return getattr(error.__cause__, "code", None) in (NOT_FOUND, NOT_LOADED)


def _ours(error: MilvusException, what: str, uri: str) -> LunetaError:
    import grpc
    from pymilvus.exceptions import DataNotMatchException, ParamError

    said, code = str(error.message).strip(), error.code
    if is_local(uri) and "Open local milvus failed" in said:
        return ArtifactError(
            f"{uri} cannot be opened: it is no database of Milvus Lite, or another process has it open. One may at a "
            f"time; several share a server: milvus-lite server --host 127.0.0.1 --data-dir {uri}"
        )
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED) or "Fail connecting" in said:
        return UnreachableError(
            f"no Milvus answers at {shown(uri)}. Start one (milvus-lite server --host 127.0.0.1 --data-dir ./data, or "
            f"Milvus itself), or check address, port and network"
        )
    denied = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    if code in denied or re.search(r"unauthenticated|auth check failure|permission denied|privilege", said.lower()):
        return ConfigError(f"Milvus does not let this token {what}: {said}")
    if code == NOT_FOUND:
        return ArtifactError(f"Milvus at {shown(uri)} could not {what}: {said}")
    if code == RATE_LIMIT:
        return UnreachableError(f"Milvus at {shown(uri)} takes no more for now ({said}); try again later")
    if error.is_input_error or isinstance(error, ParamError | DataNotMatchException):
        return ConfigError(f"Milvus could not {what}: {said}")  # whoever asked can mend it, wherever Milvus is
    return ArtifactError(f"Milvus at {shown(uri)} could not {what}: {said}")


class _Hush(logging.Filter):
    """Lets nothing through that is logged while a call of ours runs: its errors are raised."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _quiet.get()


_HUSH = _Hush()


def _hush() -> None:
    """pymilvus writes to the terminal by handlers of its own, Milvus Lite by the one of last resort."""
    for name in ("pymilvus", "pymilvus.milvus_client"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(_HUSH)
    lite = logging.getLogger("milvus_lite")
    if not lite.handlers:
        lite.addHandler(logging.NullHandler())
