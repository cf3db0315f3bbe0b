"""The API's documentation as one page that works offline: no script, nothing fetched from elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any

from luneta.serving.bodies import JSON_PART, PICTURE_PART

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def page(schema: Mapping[str, Any], address: str) -> str:
    """An OpenAPI document as HTML, with calls of the server at an address."""
    html: str = _template().render(
        info=schema["info"],
        operations=[
            _operation(path, method, facts) for path, each in schema["paths"].items() for method, facts in each.items()
        ],
        shapes=sorted(schema["components"]["schemas"].items()),
        kind=kind,
        address=address,
    )
    return html


@cache
def _template() -> Any:
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("luneta.serving", "templates")
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(
        "docs.html.jinja"
    )


def _operation(path: str, method: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    content = facts.get("requestBody", {}).get("content", {})
    calls = [
        call(value)
        for media, call in (("application/json", _json_call), ("multipart/form-data", _multipart_call))
        for value in _examples(content.get(media, {}))
    ]
    return {
        "path": path, "method": method.upper(), "summary": facts.get("summary", ""),
        "description": facts.get("description", ""), "parameters": facts.get("parameters", []),
        "takes": [(name, kind(each["schema"])) for name, each in content.items()],
        "calls": calls,
        "answers": [(status, each.get("description", ""), _shape(each)) for status, each in facts["responses"].items()],
    }  # fmt: skip


def _examples(content: Mapping[str, Any]) -> list[Any]:
    return [each["value"] for each in content.get("examples", {}).values()]


def _json_call(value: Any) -> str:
    """What curl is told besides the address."""
    return f"-H 'Content-Type: application/json' -d {shlex.quote(json.dumps(value, ensure_ascii=False))}"


def _multipart_call(value: Mapping[str, str]) -> str:
    return f"-F {PICTURE_PART}=@photo.jpg -F {shlex.quote(f'{JSON_PART}={value[JSON_PART]}')}"


def _shape(answer: Mapping[str, Any]) -> str:
    return ", ".join(kind(each["schema"]) for each in answer.get("content", {}).values() if "schema" in each)


def kind(schema: Mapping[str, Any]) -> str:
    """A type in a few words.

    >>> kind({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]})
    'list of integer or null'
    """
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(json.dumps(each) for each in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))
