"""Pictures by their address, from hosts that whoever runs the server has named; from no others, and with no detours."""

from __future__ import annotations

import http.client
import io
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Collection
from typing import IO, Any
from urllib.parse import urlsplit

from luneta.serving.batching import current_patience
from luneta.serving.problems import Problem

_STEP_S = 0.2
"""How often it is asked whether anybody still waits for what a host sends."""


class _Arriving(io.RawIOBase):
    """What a host sends, for as long as its time lasts and somebody waits for it.

    A socket's own time-out begins anew with every byte: a host that sends one now and then would keep a thread for
    ever.
    """

    def __init__(self, connection: socket.socket, stream: IO[bytes]) -> None:
        self._connection, self._stream = connection, stream
        self._patience = current_patience()
        self._end = time.monotonic() + (connection.gettimeout() or 0.0)
        connection.settimeout(_STEP_S)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            self._patience.check()
            if time.monotonic() > self._end:
                raise TimeoutError
            try:
                return self._connection.recv_into(buffer)
            except TimeoutError:
                continue

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **keywords: Any) -> None:
        super().__init__(sock, *arguments, **keywords)
        self.fp = io.BufferedReader(_Arriving(sock, self.fp))


class _Http(http.client.HTTPConnection):
    response_class = _Answer


class _Https(http.client.HTTPSConnection):
    response_class = _Answer


class _InTime(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Answers that arrive in time."""

    def __init__(self) -> None:
        urllib.request.HTTPSHandler.__init__(self)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Http, req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Https, req)


class _NoDetours(urllib.request.HTTPRedirectHandler):
    """A redirection would lead to a host that nobody has named."""

    def redirect_request(self, *arguments: Any, **keywords: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoDetours, _InTime)


def fetch(url: str, allowed: Collection[str], *, max_bytes: int, timeout_s: float) -> bytes:
    """The bytes at an address.

    Args:
        url: http or https.
        allowed: hosts, as `example.org` or `example.org:8080`.
        max_bytes: more is refused.
        timeout_s: for connecting, and for the whole answer.

    Raises:
        Problem: the host is not allowed, does not answer, or sends too much.
        GivenUpError: nobody waits for it any more.
    """
    if not allowed_address(url, allowed):
        raise Problem(422, "no_urls")
    try:
        with _OPENER.open(urllib.request.Request(url, headers={"Accept": "image/*"}), timeout=timeout_s) as answer:
            data = _read(answer, max_bytes)
    except urllib.error.HTTPError as error:
        raise Problem(422, "fetch", why=f"the host answers with status {error.code}") from None
    except http.client.InvalidURL:
        raise Problem(422, "fetch", why="its address holds characters that no address has") from None
    except http.client.HTTPException:
        raise Problem(422, "fetch", why="the host's answer is damaged") from None
    except TimeoutError:
        raise Problem(422, "fetch", why="the host takes too long") from None
    except (OSError, ValueError):  # no such host, refused, an address that is none
        raise Problem(422, "fetch", why="the host does not answer") from None
    return data


def allowed_address(url: str, allowed: Collection[str]) -> bool:
    """
    >>> allowed_address("https://example.org/a.jpg", ["example.org"])
    True
    >>> [
    ...     allowed_address(url, ["example.org"])
    ...     for url in ("file:///etc/passwd", "http://user@example.org/", "http://example.org:22/", "http://127.0.0.1/")
    ... ]
    [False, False, False, False]
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or not url.isprintable():
        return False
    return (parts.hostname if port is None else f"{parts.hostname}:{port}") in allowed


def _read(answer: IO[bytes], max_bytes: int) -> bytes:
    data = answer.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise Problem(413, "too_large", limit=f"{max_bytes / 2**20:g}")
    return data
