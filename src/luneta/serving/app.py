"""The app: bundles, routes, guards and meters put together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from luneta import __version__
from luneta.errors import LunetaError
from luneta.search import Searcher
from luneta.serving import documentation, forms
from luneta.serving.answering import Answers
from luneta.serving.arriving import Arrivals, Arriving
from luneta.serving.batching import GivenUpError
from luneta.serving.guarding import Guarding
from luneta.serving.observing import Meters, Observing, note_failure
from luneta.serving.problems import Problem, problem_of
from luneta.serving.routes import router
from luneta.serving.served import Bundles
from luneta.serving.settings import Settings
from luneta.serving.work import Workshop

REFRESH_S = 1.0
"""How often the bundles on the disk are looked at."""


def create_app(searchers: Mapping[str, Searcher], settings: Settings | None = None) -> FastAPI:
    """An app that answers from bundles.

    It has `app.state.bundles` (`Bundles`), whose searchers pages may use from any thread.

    Args:
        searchers: one for each name that clients call a bundle by; the first is meant where none is named.
        settings: how it behaves.

    Raises:
        ConfigError: there is no bundle, or a name cannot stand in an address.
    """
    chosen = settings or Settings()
    workshop = Workshop(chosen)
    arrivals = Arrivals(chosen)
    meters = Meters(lambda: workshop.n_active, lambda: arrivals.n, lambda: bundles.waiting())
    bundles = Bundles(searchers, chosen, lambda: workshop.n_active, meters.observe_batch)
    app = FastAPI(
        title="Luneta", version=__version__, docs_url=None, redoc_url=None, lifespan=_lifespan(bundles, workshop),
        summary="Search pictures and texts by what they show.",
    )  # fmt: skip
    app.state.bundles, app.state.settings = bundles, chosen
    app.include_router(router(Answers(bundles, chosen), workshop, meters))
    _document(app)
    _answer_errors(app, bundles)
    app.add_middleware(Arriving, arrivals=arrivals)
    app.add_middleware(Guarding, settings=chosen)
    app.add_middleware(Observing, meters=meters)
    return app


def _lifespan(bundles: Bundles, workshop: Workshop) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(bundles.warm)
        watching = asyncio.create_task(_watch(bundles))
        try:
            yield
        finally:
            watching.cancel()
            bundles.close()
            workshop.close()

    return lifespan


async def _watch(bundles: Bundles) -> None:
    """Look again and again whether a bundle has been brought up to date."""
    while True:
        await asyncio.sleep(REFRESH_S)
        try:
            await asyncio.to_thread(bundles.refresh)
        except Exception as error:  # noqa: BLE001 - whatever it was, the next look may go well
            note_failure(error)


def _document(app: FastAPI) -> None:
    """/openapi.json with the shapes of all forms, and /docs as a page that needs no network."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            known = schema.setdefault("components", {}).setdefault("schemas", {})
            for form in (forms.SearchForm, forms.SimilarForm, forms.EmbedForm):
                shape = form.model_json_schema(ref_template="#/components/schemas/{model}")
                known.update(shape.pop("$defs", {}))
                known[form.__name__] = shape
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        address = str(request.base_url).rstrip("/")
        return Response(
            documentation.page(app.openapi(), address), media_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": documentation.POLICY},
        )  # fmt: skip


def _answer_errors(app: FastAPI, bundles: Bundles) -> None:
    """Whatever is raised becomes problem+json."""

    def problem(error: Exception, request: Request) -> Problem:
        if isinstance(error, Problem):
            return error
        if isinstance(error, GivenUpError):
            return Problem(504, "slow", seconds=f"{app.state.settings.timeout_s:g}")
        if isinstance(error, RequestValidationError):
            errors = [(str(each["loc"][-1]), each["type"], each.get("ctx", {})) for each in error.errors()]
            return Problem(422, "fields", n=len(errors), errors=errors)
        if isinstance(error, HTTPException):
            code = {404: "no_page", 405: "method"}.get(error.status_code, "internal")
            return Problem(error.status_code, code, headers=error.headers, method=request.method[:20])
        found = problem_of(error, bundles.places()) if isinstance(error, LunetaError) else Problem(500, "internal")
        if found.status >= 500:
            note_failure(error)
        return found

    async def answer(request: Request, error: Exception) -> Response:
        return problem(error, request).response(request)

    for kind in (Problem, GivenUpError, LunetaError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer)
