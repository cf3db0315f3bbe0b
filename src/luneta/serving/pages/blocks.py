"""The pages put together, and mounted so that nothing but them can be reached."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from gradio.utils import get_upload_folder
from starlette.routing import Mount

from luneta.search import Searcher
from luneta.serving.pages.answers import header_html
from luneta.serving.pages.asking import Desk
from luneta.serving.pages.confining import Ask, Confining
from luneta.serving.pages.feedback import FeedbackBook
from luneta.serving.pages.frame import Frame
from luneta.serving.pages.lab import Lab, LabSettings
from luneta.serving.pages.lab_page import LabPage
from luneta.serving.pages.labels import said
from luneta.serving.pages.presets import Preset
from luneta.serving.pages.quiet import QuietBlocks
from luneta.serving.pages.search_page import SearchPage
from luneta.serving.pages.shelf import Shelf
from luneta.serving.pages.theme import head, theme
from luneta.serving.settings import Settings

FORGOTTEN_S = 3600
"""After which uploads are deleted."""


def make_blocks(
    searchers: Mapping[str, Searcher], settings: Settings, presets: Mapping[str, Preset], lab: LabSettings | None
) -> QuietBlocks:
    """All pages; without settings there is no lab."""
    at_work = None if lab is None else Lab(lab, Path(get_upload_folder()) / "lab")
    desk = Desk(searchers, presets, settings, FeedbackBook())
    with QuietBlocks(
        title="Luneta", analytics_enabled=False, fill_width=True, delete_cache=(FORGOTTEN_S // 4, FORGOTTEN_S)
    ) as made:
        with gr.Row(elem_classes="top"):
            header = gr.HTML(
                header_html(desk, desk.names[0], "en"), elem_id="header", js_on_load=None, apply_default_css=False
            )
            frame = Frame()
        with gr.Tabs(elem_id="tabs"):
            with frame.labels.made(gr.Tab, said(label="tab_search"), id="search"):
                SearchPage(frame, desk, header)
            if at_work is not None:
                with frame.labels.made(gr.Tab, said(label="tab_lab"), id="lab"):
                    LabPage(frame, at_work)
        frame.finish(made)
        made.told, made.language, made.lab = desk.told, frame.language, at_work
    blocks: QuietBlocks = made
    return blocks


def mounted(app: FastAPI, blocks: QuietBlocks, settings: Settings, max_bytes: int, shelf: Shelf, path: str) -> FastAPI:
    """The pages in an app; an upload has at most so many bytes, and all have their place on the shelf."""
    blocks.queue(default_concurrency_limit=settings.max_concurrency, max_size=16 * settings.max_concurrency)
    app = gr.mount_gradio_app(
        app, blocks, path, theme=theme(), head=head(), footer_links=[],
        run_history=False, show_error=False, max_file_size=max_bytes, enable_monitoring=False, pwa=False,
        ssr_mode=False, mcp_server=False, app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
    )  # fmt: skip
    blocks.has_launched = True  # only then does gradio refuse paths that nobody uploaded
    mount = app.router.routes[-1]
    assert isinstance(mount, Mount)
    asks = {number: _ask(event, blocks) for number, event in blocks.fns.items() if event.fn is not None}
    mount.app = Confining(mount.app, max_bytes, asks, shelf)
    usual = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with usual(app) as state:
            yield state
        if blocks.lab is not None:
            await asyncio.to_thread(blocks.lab.close)

    app.router.lifespan_context = lifespan
    return app


def _ask(event: Any, blocks: QuietBlocks) -> Ask:
    """What a page gives to an event of the blocks."""
    spoken = tuple(place for place, each in enumerate(event.inputs) if each is blocks.language)
    return Ask(len(event.inputs), spoken, opens=any(name == "load" for _, name in event.targets))
