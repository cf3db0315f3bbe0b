"""A bundle of coloured pixels, and an app that serves it."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import uvicorn
from fastapi.testclient import TestClient
from PIL import Image

from luneta.bundles import Bundle, IndexRecipe, build_bundle
from luneta.search import Searcher
from luneta.serving import Settings, create_app
from worlds import ConceptEncoder, world

ENCODER = ConceptEncoder(noise=0.3)
STYLES = ("flat", "drawn", "painted")
N_IMAGES = 60

RECIPE = IndexRecipe(kind="exact", text_tower=False)


def make_bundle(folder: Path, n_images: int = N_IMAGES, *, update: bool = False) -> Bundle:
    """A bundle of n pictures with two texts each, and a few columns."""
    data = world(n_images, captions_per_image=2)
    rows = pa.table(
        {
            "number": list(range(n_images)),
            "style": [STYLES[number % 3] for number in range(n_images)],
            "often": ["now" if number % 4 else "always" for number in range(n_images)],
            "height": [number / 2 if number % 5 else float("nan") for number in range(n_images)],
            "file": [str(folder.absolute() / f"{number}.png") for number in range(n_images)],
            "bytes": [b"\x00\xff"] * n_images,
        }
    )
    return build_bundle(ENCODER, replace(data, rows=rows), folder, recipe=RECIPE, update=update, cache=False).bundle


def searcher(folder: Path) -> Searcher:
    return Searcher.open(folder, encoder=ENCODER)


@contextmanager
def client_of(
    searchers: Mapping[str, Searcher], headers: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[TestClient]:
    """A client of an app."""
    app = create_app(searchers, Settings(**settings))
    with TestClient(app, "http://127.0.0.1", headers=dict(headers or {}), raise_server_exceptions=False) as opened:
        yield opened


def client(*folders: Path, **settings: Any) -> AbstractContextManager[TestClient]:
    """A client of an app that serves bundles, each under its folder's name without suffix."""
    return client_of({folder.stem: searcher(folder) for folder in folders}, **settings)


def listening(*folders: Path, **settings: Any) -> AbstractContextManager[str]:
    """The address of a server of bundles, in a thread of this process."""
    return listening_to({folder.stem: searcher(folder) for folder in folders}, **settings)


@contextmanager
def listening_to(searchers: Mapping[str, Searcher], **settings: Any) -> Iterator[str]:
    """The same of searchers."""
    with listening_as(create_app(searchers, Settings(**settings))) as address:
        yield address


@contextmanager
def listening_as(app: Any) -> Iterator[str]:
    """The same of an app."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, ws="none"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


def picture(number: int = 3, *, size: tuple[int, int] = (4, 4), form: str = "PNG") -> bytes:
    """The picture of a concept, encoded."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (number // 256, number % 256, 0)).save(buffer, form)
    return buffer.getvalue()


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def ids(answer: Mapping[str, Any]) -> list[int]:
    return [hit["id"] for hit in answer["hits"]]


def checked_problem(answer: Any, status: int | None = None) -> dict[str, Any]:
    """The body of an answer that has to be a problem, as RFC 9457 has it."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text[:500]
    problem: dict[str, Any] = json.loads(answer.content)
    assert problem["status"] == answer.status_code
    assert len(problem["detail"]) > 10
    assert problem["title"]
    if status is not None:
        assert answer.status_code == status, problem
    return problem
