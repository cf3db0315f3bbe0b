"""Errors as answers: problem+json (RFC 9457), in English or Portuguese, without a word of this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request, Response

from luneta.error_messages import error_in
from luneta.errors import ArtifactError, ConfigError, ImageError, LunetaError, UnreachableError
from luneta.serving.engines import NoPicturesError
from luneta.serving.messages import FIELDS, SAID, TITLES
from luneta.wording import Locale, translator_of

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """What a request is answered with instead of what it asked for.

    Args:
        status: of HTTP.
        code: name of the message in `SAID`, for programs as well.
        headers: of the answer.
        errors: what is wrong with single fields: (where, kind, parameters).
        detail: said instead of the message, in English.
        parameters: of the message.
    """

    def __init__(
        self,
        status: int,
        code: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[tuple[str, str, Mapping[str, Any]]] = (),
        detail: str | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.headers, self.errors = status, code, dict(headers or {}), errors
        self.detail, self.parameters = detail, parameters

    def body(self, locale: Locale) -> dict[str, Any]:
        t = translator_of(locale, SAID)
        said = t(self.code, **self.parameters) if self.detail is None else error_in(self.detail, locale)
        found: dict[str, Any] = {
            "type": "about:blank",
            "title": translator_of(locale, TITLES)(str(self.status)),
            "status": self.status,
            "detail": f"{said[:1].upper()}{said[1:]}",
            "code": self.code,
        }
        if self.errors:
            found["errors"] = [{"at": at, "detail": _field(kind, values, locale)} for at, kind, values in self.errors]
        return found

    def response(self, request: Request) -> Response:
        """The answer, in the language that the client prefers."""
        locale = language_of(request.headers.get("accept-language", ""))
        return Response(
            json.dumps(self.body(locale), ensure_ascii=False).encode("utf-8", "replace"),
            self.status,
            {**self.headers, "Content-Language": locale, "Vary": "Accept-Language", "Cache-Control": "no-store"},
            MEDIA_TYPE,
        )


def _field(kind: str, values: Mapping[str, Any], locale: Locale) -> str:
    return translator_of(locale, FIELDS)(kind if kind in FIELDS else "other", **values)


def language_of(accepted: str) -> Locale:
    """Which of our languages a browser prefers (`Accept-Language`, RFC 9110); English where it says nothing.

    >>> language_of("fr, pt;q=0.8, en;q=0.5"), language_of("en-GB,pt;q=0.9"), language_of("*")
    ('pt-BR', 'en', 'en')
    """
    best: tuple[float, Locale] = (0.0, "en")
    for part in accepted[:1000].split(","):
        name, _, rest = part.strip().partition(";")
        weight = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", rest)
        known: Locale | None = {"pt": "pt-BR", "en": "en"}.get(name.lower().partition("-")[0])  # type: ignore[assignment]
        value = float(weight[1]) if weight else 1.0
        if known and value > best[0]:
            best = (value, known)
    return best[1]


def problem_of(error: LunetaError, places: Mapping[str, str]) -> Problem:
    """How an error of ours is answered: what the client can mend is told, the rest stays in the log.

    Args:
        error: that was raised.
        places: folders of this machine that its message may name, and what clients call them.
    """
    if isinstance(error, NoPicturesError):
        return Problem(503, "no_pictures")
    if isinstance(error, ImageError):
        return Problem(422, "picture", why=error.reason)
    if isinstance(error, ConfigError):
        return Problem(422, "query", detail=_without_places(str(error), places))
    away = isinstance(error, ArtifactError | UnreachableError)
    return Problem(503, "unreadable") if away else Problem(500, "internal")


def _without_places(text: str, places: Mapping[str, str]) -> str:
    """
    >>> _without_places("/srv/shop.luneta has no texts to search", {"/srv/shop.luneta": "shop"})
    'shop has no texts to search'
    """
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    return text
