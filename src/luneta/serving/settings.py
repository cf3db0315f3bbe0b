"""How a server behaves."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from luneta.errors import ConfigError

SHORTEST_TOKEN = 16
"""Characters of a token that is not tried out in a day."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server behaves.

    Attributes:
        host: address it listens at; anything but a loopback address is reachable from outside.
        port: likewise; 0 takes a free one.
        token: what a client has to show (`Authorization: Bearer TOKEN`, or as the password of any user); None asks for
            nothing.
        names: host names that it answers to besides its own address, where a proxy stands before it.
        max_upload_mib: of a request's body, whatever is in it.
        max_pixels: of a picture.
        max_concurrency: requests that are worked on at once; the next one is sent away.
        timeout_s: after which a request is given up.
        batching: queries that come together go through the encoder and the index together.
        batch_wait_ms: how long a query waits for others at most; one that is alone does not wait.
        max_batch: queries that go together at most; on a processor more than some 16 gain nothing, on a GPU they do.
        allowed_hosts: from which pictures may be fetched by their address; none by default.
        log_queries: write what is searched for into the log.
        lab_hub: where others reach the server, the lab opens data sets of the Hugging Face hub for them; it always
            does for this machine.
        lab_encoders: names of encoders that the lab measures for others, besides those of the package.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: tuple[str, ...] = ()
    max_upload_mib: float = 10.0
    max_pixels: int = 50_000_000
    max_concurrency: int = 32
    timeout_s: float = 30.0
    batching: bool = True
    batch_wait_ms: float = 2.0
    max_batch: int = 16
    allowed_hosts: tuple[str, ...] = ()
    log_queries: bool = False
    lab_hub: bool = False
    lab_encoders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}, expected 0 to 65535")
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii()):
            raise ConfigError(
                f"the token has {len(self.token)} characters, expected at least {SHORTEST_TOKEN} ASCII characters; "
                'make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        for name in ("max_upload_mib", "timeout_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a number above 0")
        for name in ("max_pixels", "max_concurrency", "max_batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 1 or more")
        if self.batch_wait_ms < 0:
            raise ConfigError(f"batch_wait_ms is {self.batch_wait_ms}, expected 0 or more")

    @property
    def max_bytes(self) -> int:
        return int(self.max_upload_mib * 2**20)

    @property
    def is_local(self) -> bool:
        """Only this machine can reach it: it listens to no other, and answers to no name that a proxy is asked for."""
        return is_loopback(self.host) and not self.names


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
