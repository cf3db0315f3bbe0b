"""The pages of a server: search, and the lab."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from luneta.encoders.presets import BUNDLED
from luneta.search import Searcher
from luneta.serving.pages.lab import LabSettings
from luneta.serving.pages.presets import Preset, presets_for, read_preset
from luneta.serving.pages.shelf import ROOM, UPLOADS, Shelf, quarters
from luneta.serving.served import Bundles
from luneta.serving.settings import Settings

PATH = "/pages"
DEFAULT_LAB = LabSettings()

__all__ = ["PATH", "LabSettings", "Preset", "mount_pages", "presets_for", "read_preset"]


def mount_pages(
    app: FastAPI, *, presets: Mapping[str, Preset] | None = None, lab: LabSettings | None = DEFAULT_LAB
) -> FastAPI:
    """Put the pages into an app, under `PATH`; `/` leads there.

    Args:
        app: of the API, as `create_app` makes it; pages find bundles and settings in its state.
        presets: how some of the bundles are shown, by their names.
        lab: what may be measured; None leaves the lab out.

    Raises:
        ConfigError: a preset asks for what its bundle does not have.
    """
    home_of_uploads = quarters()  # gradio is told of it when it is loaded
    from luneta.serving.pages.blocks import make_blocks, mounted
    from luneta.serving.pages.theme import ICON

    settings: Settings = app.state.settings

    @app.get("/", include_in_schema=False)
    async def home(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{request.scope.get('root_path', '')}{PATH}/")

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return Response(ICON, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})

    if lab is not None and not settings.is_local:  # strangers do not have this machine fetch what they like
        lab = replace(lab, hub=settings.lab_hub, encoders=(*BUNDLED, *settings.lab_encoders))
    most = settings.max_bytes if lab is None else max(settings.max_bytes, lab.max_bytes)

    def mount() -> FastAPI:
        blocks = make_blocks(Served(app.state.bundles), settings, presets or {}, lab)
        shelf = Shelf(home_of_uploads.folder, max(ROOM, UPLOADS * most))
        return mounted(app, blocks, settings, most, shelf, PATH)

    made = _in_a_loop(mount)
    usual = made.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        with home_of_uploads.used():
            async with usual(app) as state:
                yield state

    made.router.lifespan_context = lifespan
    return made


class Served(Mapping[str, Searcher]):
    """The searchers of a server by name, as they are now: a bundle may be exchanged at any time."""

    def __init__(self, bundles: Bundles) -> None:
        self._bundles = bundles

    def __getitem__(self, name: str) -> Searcher:
        served = self._bundles.get(name)
        if served is None:
            raise KeyError(name)
        return served.searcher

    def __iter__(self) -> Iterator[str]:
        return iter(self._bundles.names)

    def __len__(self) -> int:
        return len(self._bundles.names)


def _in_a_loop(make: Callable[[], FastAPI]) -> FastAPI:
    """Gradio begins event loops that it never closes, unless one is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:

        async def made() -> FastAPI:
            return make()

        return asyncio.run(made())
    return make()
