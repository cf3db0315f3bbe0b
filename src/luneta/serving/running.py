"""From folders to a server that listens."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from luneta.errors import ConfigError
from luneta.search import Searcher
from luneta.serving.app import create_app
from luneta.serving.settings import Settings

GRACE_S = 5
"""What requests get to end in when the server is stopped."""


def serve(
    folders: Sequence[str | os.PathLike[str]],
    settings: Settings | None = None,
    *,
    device: str = "auto",
    pages: bool = True,
    presets: Sequence[str] = (),
    lab_folders: Path | None = None,
    ready: Callable[[str], object] = lambda address: None,
) -> None:
    """Serve bundles until somebody stops it (Ctrl-C, SIGTERM); requests that are being worked on are ended first.

    Args:
        folders: of the bundles; each is called by its folder's name without `.luneta`.
        settings: how it behaves.
        device: as in `load_encoder`.
        pages: with pages for people at /.
        presets: how the pages show bundles: names or files, for all of them, or `BUNDLE=PRESET` for one.
        lab_folders: folder whose data sets may be measured on the pages.
        ready: called with the address once it answers.

    Raises:
        ArtifactError: a folder holds no whole bundle.
        ConfigError: two bundles have one name, a preset does not fit, or the address cannot be listened at.
    """
    chosen = settings or Settings()
    app = create_app({name: Searcher.open(folder, device=device) for name, folder in named(folders).items()}, chosen)
    if pages:
        with_pages(app, presets, lab_folders)
    else:
        with_docs_first(app)
    with contextlib.closing(_listening(chosen)) as listener:
        app.state.bundles.warm()
        gc.collect()
        gc.freeze()  # libraries make a million objects; looking through them again and again stops everybody
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it would print what a request held
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, proxy_headers=False, ws="none",
            timeout_graceful_shutdown=GRACE_S,
        )  # fmt: skip
        _Server(config, lambda: ready(_address(chosen, listener))).run([listener])


def with_pages(app: FastAPI, presets: Sequence[str] = (), lab_folders: Path | None = None) -> None:
    """Pages for people at /; they find bundles and settings in `app.state`, and stand behind the API's guards."""
    from luneta.serving.pages import LabSettings, mount_pages, presets_for

    if lab_folders is not None and not lab_folders.is_dir():
        raise ConfigError(f"lab_folders is {lab_folders}, expected a folder of data sets")
    mount_pages(app, presets=presets_for(presets, app.state.bundles.names), lab=LabSettings(folders=lab_folders))


def with_docs_first(app: FastAPI) -> None:
    """Who opens the address in a browser sees what there is."""
    app.add_api_route("/", lambda: RedirectResponse("docs"), include_in_schema=False)


def named(folders: Sequence[str | os.PathLike[str]]) -> dict[str, Path]:
    """Bundles by name.

    >>> sorted(named(["/srv/shop.luneta", "art"]))
    ['art', 'shop']

    Raises:
        ConfigError: two have the same name.
    """
    found: dict[str, Path] = {}
    for folder in map(Path, folders):
        name = folder.absolute().name.removesuffix(".luneta") or folder.absolute().name
        if name in found:
            raise ConfigError(f"two bundles are called {name}: {found[name]} and {folder}; rename one of the folders")
        found[name] = folder
    return found


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listening(settings: Settings) -> socket.socket:
    """A bound socket, so that an address that is taken is found before anything is loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
        listener = socket.socket(family, kind, protocol)  # asyncio sends at once only where it is told the protocol
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"host is {settings.host!r}, expected an address of this machine ({error})") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen at {settings.host}:{settings.port}: {error.strerror or error}. Choose another port (0 "
            "takes a free one) or host."
        ) from error
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"
