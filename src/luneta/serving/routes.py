"""The routes of the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from luneta import __version__
from luneta.serving import forms
from luneta.serving.answering import Answers
from luneta.serving.bodies import JSON_PART, PICTURE_PART, read_form
from luneta.serving.observing import Meters
from luneta.serving.work import Workshop

F = TypeVar("F", bound=BaseModel)

BundleName = Annotated[str, Path(description="Name of the bundle.", max_length=255)]
ItemId = Annotated[int, Path(description="Number of the item.", ge=0, le=forms.LARGEST_ID)]

API_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
THUMBNAIL_AGE_S = 600

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": forms.ProblemAnswer, "description": said, "content": {"application/problem+json": {}}}
    for status, said in {
        400: "The request cannot be read.", 401: "A token is needed.", 404: "There is no such bundle or item.",
        421: "The server does not answer to that host name.", 422: "The request makes no sense.",
    }.items()
}  # fmt: skip
MORE_PROBLEMS = {
    status: {**PROBLEMS[400], "description": said}
    for status, said in {
        408: "The body did not arrive in time.", 413: "The body or a picture is too large.",
        415: "The body or a picture is of another kind.", 503: "Too many requests at once; see Retry-After.",
        504: "It took too long.",
    }.items()
}  # fmt: skip


def router(answers: Answers, workshop: Workshop, meters: Meters) -> APIRouter:
    """The routes, on what answers them."""
    routes = APIRouter(responses=PROBLEMS)

    async def asked(
        request: Request, form: type[F], answer: Callable[[F, Sequence[bytes]], dict[str, Any]]
    ) -> Response:
        content_type = request.headers.get("content-type", "")
        return await workshop.do(request, lambda body: as_json(answer(*read_form(form, body, content_type))))

    @routes.get("/healthz", response_model=forms.HealthAnswer, tags=["server"], summary="Whether the server is up")
    async def healthz() -> Response:
        return as_json({"status": "ok", "version": __version__})

    @routes.get("/metrics", tags=["server"], summary="Counters for Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8", headers=API_HEADERS)

    @routes.post(
        "/search",
        **_takes(forms.SearchForm, beside_pictures={"query": "the same at night", "top_k": 5}),
        response_model=forms.SearchAnswer,
        summary="Search a bundle",
    )
    async def search(request: Request) -> Response:
        """By a text, a picture, an item of the bundle, or sums and differences of them."""
        return await asked(request, forms.SearchForm, answers.search)

    @routes.post(
        "/similar",
        **_takes(forms.SimilarForm),
        response_model=forms.SearchAnswer,
        summary="More like an item",
    )
    async def similar(request: Request) -> Response:
        """What is most like an item of the bundle, which is not among the answers itself."""
        return await asked(request, forms.SimilarForm, answers.similar)

    @routes.post(
        "/embed",
        **_takes(forms.EmbedForm, beside_pictures={"texts": ["a red boat"]}),
        response_model=forms.EmbedAnswer,
        summary="Vectors of texts and pictures",
    )
    async def embed(request: Request) -> Response:
        """Unit vectors of a bundle's encoder."""
        return await asked(request, forms.EmbedForm, answers.embed)

    @routes.get("/bundles", response_model=forms.BundlesAnswer, tags=["bundles"], summary="What is served")
    async def bundles() -> Response:
        return as_json(await run_in_threadpool(answers.bundles))

    @routes.get("/bundles/{name}", response_model=forms.BundleAnswer, tags=["bundles"], summary="What a bundle holds")
    async def bundle(name: BundleName) -> Response:
        """Its counts, its columns with what they hold, its encoder and its cut-offs."""
        return as_json(await run_in_threadpool(lambda: dict(answers.bundle(name).facts)))

    @routes.get("/bundles/{name}/items/{id}", response_model=forms.ItemAnswer, tags=["bundles"], summary="One item")
    async def item(
        name: BundleName, id: ItemId, side: Annotated[forms.SideName, Query(description="Picture or text.")] = "image"
    ) -> Response:
        return as_json(await run_in_threadpool(answers.item, name, side, id))

    @routes.get(
        "/bundles/{name}/thumbnails/{id}.jpg", tags=["bundles"], summary="A small picture", response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "It has not changed."}},
    )  # fmt: skip
    async def thumbnail(request: Request, name: BundleName, id: ItemId) -> Response:
        jpeg, tag = await run_in_threadpool(answers.thumbnail, name, id)
        headers = {**API_HEADERS, "Cache-Control": f"private, max-age={THUMBNAIL_AGE_S}", "ETag": tag}
        known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
        if tag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(jpeg, media_type="image/jpeg", headers=headers)

    return routes


def as_json(value: dict[str, Any]) -> Response:
    return Response(
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"),
        media_type="application/json", headers=API_HEADERS,
    )  # fmt: skip


def _takes(form: type[BaseModel], *, beside_pictures: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """How a route's body is documented; it is read by `read_form`, in a thread.

    Args:
        form: what it becomes.
        beside_pictures: an example of what is said beside pictures; None where none are taken.
    """
    schema = {"$ref": f"#/components/schemas/{form.__name__}"}
    examples = form.model_json_schema().get("examples", [])
    multipart = {
        "type": "object",
        "properties": {
            JSON_PART: {
                "type": "string",
                "contentMediaType": "application/json",
                "description": "All other fields of the form, as JSON.",
            },
            PICTURE_PART: {"type": "array", "items": {"type": "string", "format": "binary"}},
        },
        "additionalProperties": False,
    }
    named = {f"example {n}": {"value": each} for n, each in enumerate(examples, start=1)}
    content: dict[str, Any] = {"application/json": {"schema": schema, "examples": named}}
    if beside_pictures is not None:
        example = {"value": {JSON_PART: json.dumps(beside_pictures)}}
        content["multipart/form-data"] = {"schema": multipart, "examples": {"beside pictures": example}}
    return {
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
        "responses": MORE_PROBLEMS,
        "tags": ["search"],
    }
