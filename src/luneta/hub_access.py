"""As whom the Hugging Face hub is asked, without a parameter threaded through every floor.

By default as whoever is logged in on this machine, as the hub's libraries do by themselves. Who opens something for
somebody else says so with `as_nobody`: then only what the hub gives to everybody can be had.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Literal

_nobody: ContextVar[bool] = ContextVar("luneta_hub_as_nobody", default=False)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Inside the block this thread shows the hub no token."""
    token = _nobody.set(True)
    try:
        yield
    finally:
        _nobody.reset(token)


def hub_token() -> Literal[False] | None:
    """What the hub's libraries take as `token`; threads that work for this one have to be given it."""
    return False if _nobody.get() else None
