"""Pictures by their address, from hosts that whoever runs the server has named; from no others, and with no detours."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Collection
from typing import IO, Any
from urllib.parse import urlsplit

from luneta.serving.problems import Problem


class _NoDetours(urllib.request.HTTPRedirectHandler):
    """A redirection would lead to a host that nobody has named."""

    def redirect_request(self, *arguments: Any, **keywords: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoDetours)


def fetch(url: str, allowed: Collection[str], *, max_bytes: int, timeout_s: float) -> bytes:
    """The bytes at an address.

    Args:
        url: http or https.
        allowed: hosts, as `example.org` or `example.org:8080`.
        max_bytes: more is refused.
        timeout_s: for every step.

    Raises:
        Problem: the host is not allowed, does not answer, or sends too much.
    """
    if not allowed_address(url, allowed):
        raise Problem(422, "no_urls")
    try:
        with _OPENER.open(urllib.request.Request(url, headers={"Accept": "image/*"}), timeout=timeout_s) as answer:
            data = _read(answer, max_bytes)
    except urllib.error.HTTPError as error:
        raise Problem(422, "fetch", why=f"the host answers with status {error.code}") from None
    except (OSError, ValueError):  # no such host, refused, too slow, an address that is none
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
