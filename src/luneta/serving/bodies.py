"""From bytes to a form: JSON or multipart, within limits, and nothing guessed."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from luneta.serving.problems import Problem

F = TypeVar("F", bound=BaseModel)

JSON_PART = "request"
"""Name of the multipart field that holds the rest of the form as JSON."""

PICTURE_PART = "image"
"""Name of the multipart fields that hold pictures."""

MOST_PARTS = 33
"""Fields of a multipart form: as many pictures as a query has parts, and the rest of the form."""

MOST_TOKENS = 10_000
"""Strings, commas and opening brackets of a form in JSON: over twice what the largest one takes."""

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[,\[{]', re.DOTALL)


class Room:
    """What may be held of bodies that are still coming, of all together.

    Args:
        n_bytes: of it.
    """

    def __init__(self, n_bytes: int) -> None:
        self._left = n_bytes

    @contextlib.contextmanager
    def taken(self) -> Iterator[Callable[[int], None]]:
        """`take(n)` for n bytes more; they are given back at the end of the block."""
        n_taken = 0

        def take(n: int) -> None:
            nonlocal n_taken
            if n > self._left:
                raise Problem(503, "no_room", headers={"Retry-After": "1", "Connection": "close"})
            self._left -= n
            n_taken += n

        try:
            yield take
        finally:
            self._left += n_taken


async def read_body(request: Request, limit: int, limit_mib: float, room: Room) -> bytes:
    """The body, if it is no longer than the limit; a longer one is never held in memory.

    Raises:
        Problem: it is longer, or there is no room for it now.
    """
    too_large = Problem(413, "too_large", limit=f"{limit_mib:g}", headers={"Connection": "close"})
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > limit:
        raise too_large
    chunks, n = [], 0
    with room.taken() as take:
        async for chunk in request.stream():
            n += len(chunk)
            if n > limit:
                raise too_large
            take(len(chunk))
            chunks.append(chunk)
    return b"".join(chunks)


def read_form(form: type[F], body: bytes, content_type: str) -> tuple[F, list[bytes]]:
    """What was asked, and the pictures that came as files.

    Raises:
        Problem: the body is neither JSON nor a multipart form, or not as the form wants it.
    """
    kind, parameters = media_type(content_type)
    if kind == "application/json":
        return _checked(form, _json(body)), []
    if kind == "multipart/form-data":
        fields, pictures = _multipart(body, parameters.get("boundary", ""))
        return _checked(form, _json(fields.get(JSON_PART, b"{}"))), pictures
    raise Problem(415, "content_type", headers={"Accept-Post": "application/json, multipart/form-data"})


def media_type(header: str) -> tuple[str, Mapping[str, str]]:
    """
    >>> media_type('multipart/form-data; boundary="a b"')
    ('multipart/form-data', {'boundary': 'a b'})
    """
    kind, _, rest = header[:1000].partition(";")
    pairs = re.findall(r"""([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s;"]+))""", rest)
    return kind.strip().lower(), {name.lower(): quoted or bare for name, quoted, bare in pairs}


def _checked(form: type[F], given: Any) -> F:
    try:
        return form.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        errors = [(_place(each["loc"]), *_kind(each)) for each in found[:20]]
        raise Problem(422, "fields", n=len(found), errors=errors) from None


def _place(where: tuple[int | str, ...]) -> str:
    """
    >>> _place(("parts", 0, "text"))
    'parts[0].text'
    """
    said = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return said.removeprefix(".")[:200] or "(body)"


def _kind(error: Any) -> tuple[str, Mapping[str, Any]]:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"]), {}
    return error["type"], error.get("ctx", {})


def _json(body: bytes) -> Any:
    """What a body says.

    A few megabytes can name a million fields, which take seconds and a gigabyte to refuse one by one.
    """
    if next(islice(_TOKEN.finditer(body), MOST_TOKENS, None), None) is not None:
        raise Problem(413, "too_many_values")
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refused)
    except UnicodeDecodeError as error:
        raise Problem(400, "json", why=f"byte {error.start} is no UTF-8") from None
    except json.JSONDecodeError as error:
        raise Problem(400, "json", why=f"{error.msg}, at character {error.pos + 1}") from None
    except RecursionError:
        raise Problem(400, "json", why="it is too deep") from None
    except ValueError as error:  # of the two hooks, or a number with thousands of digits
        raise Problem(400, "json", why=str(error)[:200]) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice[:40]!r} stands in it twice")
    return found


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


def _multipart(body: bytes, boundary: str) -> tuple[dict[str, bytes], list[bytes]]:
    """The fields of a form that are no files, and the files; all of them are pictures."""
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    if not boundary:
        raise Problem(400, "multipart", why="it names no boundary")
    parts: list[tuple[dict[str, bytes], bytearray]] = []
    name, value, ended = bytearray(), bytearray(), []

    def part_begin() -> None:
        if len(parts) == MOST_PARTS:
            raise Problem(413, "too_many_parts", n=MOST_PARTS)
        parts.append(({}, bytearray()))

    def header_end() -> None:
        parts[-1][0][bytes(name).lower().decode("latin-1")] = bytes(value)
        name.clear()
        value.clear()

    try:
        parser = MultipartParser(
            boundary.encode("latin-1"),
            {
                "on_part_begin": part_begin,
                "on_part_data": lambda data, start, end: parts[-1][1].extend(data[start:end]),
                "on_header_field": lambda data, start, end: name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: value.extend(data[start:end]),
                "on_header_end": header_end,
                "on_end": lambda: ended.append(True),
            },
        )
        parser.write(body)
        parser.finalize()
    except (FormParserError, UnicodeEncodeError):
        raise Problem(400, "multipart", why="its boundary or a header is damaged") from None
    if not ended:
        raise Problem(400, "multipart", why="it is cut off")
    fields: dict[str, bytes] = {}
    pictures: list[bytes] = []
    for headers, data in parts:
        _, options = parse_options_header(headers.get("content-disposition", b""))
        called = options.get(b"name", b"").decode("utf-8", "replace")
        if called == PICTURE_PART:
            pictures.append(bytes(data))
        elif called == JSON_PART and called not in fields:
            fields[called] = bytes(data)
        else:
            raise Problem(400, "multipart_field", name=repr(called[:40]), picture=PICTURE_PART, rest=JSON_PART)
    return fields, pictures
