"""Whatever is sent: a clear 4xx where it makes no sense, never a 5xx, and never a word of this machine."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import struct
import sysconfig
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from serving import checked_problem, in_base64, picture

POSTS = ("/search", "/similar", "/embed")
VALID: Mapping[str, dict[str, Any]] = {
    "/search": {"query": "thing 1"},
    "/similar": {"id": 1},
    "/embed": {"texts": ["a"]},
}
JSON = {"Content-Type": "application/json"}

WRONG_VALUES: tuple[Any, ...] = (
    None, True, -1, -(2**63), 2**63, 10**30, 1.5, -0.1, 1e308, "", "x", "1", "\0", "\ud800", "😀" * 50, [], [[]], {},
    {"a": 1}, ["x"], [None], [2**64], [-1], [True], [1.5], [[[[]]]], "a" * 30_000, list(range(2000)),
    "../../etc/passwd",
    "' or 1=1 --", "$(id)", "{{7*7}}", "<script>", "%00", "\r\nX-Injected: 1",
)  # fmt: skip

NUMBERS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "9" * 5000,
    "1" + "0" * 400,
    "0x10",
    "01",
    "+1",
    ".5",
    "1.",
    "--1",
)

PATHS = (
    "..", ".", "../..", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cwindows", "....//....//etc/passwd",
    "%252e%252e%252f", "/etc/passwd", "%2fetc%2fpasswd", "pixels%2f..%2f..", "pixels%00", "%00", "%0d%0aX: 1",
    "\u202epixels",
    "pixels.luneta", "Pixels", "pixels ", " pixels", "😀", "a" * 300, "a" * 4000, "%ff%fe", "%c0%af", "*", "%3f",
    "%23", ";", "$HOME", "~",
    "con", "bundle.json", "source.json", "-1", "null", "None", "<script>alert(1)</script>", "' or 1=1",
)  # fmt: skip

IDS = (
    "-1", "1.5", "1e3", "0x1", "abc", "NaN", "Infinity", "9223372036854775808", "1" * 400, "1" * 5000, "", " ",
    "%00", "1%00", "1;2",
    "..", "../1", "%2e%2e%2f1", "1/..", "1/../../..", "\u0661\u0662x", "true", "null", "[1]", "1,2", "--1", "😀", "١x",
)  # fmt: skip

FILTERS = (
    "", " ", "=", "style", "style =", "style = ", "style = 'flat", "style == = 'a'", "number < 'x'", "nothing = 1",
    "style < ",
    "'a' = 'a'", "1 = 1", "style in ()", "style in ('a'", "number between 1", "number like 'a'",
    "style contains 'a'", "(" * 60,
    "not " * 60 + "number = 1", "number = 1 and", "or", "style = \0", "style = 'a' ; drop table", "__import__('os')",
    "number = 9" + "9" * 100, "style like '%\\'", "bytes = 1", "number = true", "a" * 20_001, "style = \ud800", "`",
    '"', "number = 1 number = 2",
    "style = flat", "number = null", "exec('1')", "number & 1", "number = 1e999", "/etc/passwd", "style = 'é' or",
)  # fmt: skip

QUERIES = ("", " ", "\0", "\t\n", "a" * 20_001, "a" * 2**20, " + ", "a + ", "- ", "a - a", "\ud800", "0*a",
"1" * 5000 + "*a", "a +  + b", "\0\0\0",
           " + ".join("a" * 40))  # fmt: skip


class Findings:
    """What a server answered wrongly."""

    def __init__(self, api: Any, secrets: tuple[str, ...]) -> None:
        self._api, self._secrets = api, secrets
        self.n, self.wrong = 0, []

    def ask(self, method: str, path: str, *, may: tuple[int, ...] = (), **how: Any) -> None:
        """One request; it has to be refused, or to have one of the statuses that it may have."""
        self.n += 1
        answer = self._api.request(method, path, **how)
        shown = (method, path[:80], {name: repr(value)[:120] for name, value in how.items()})
        text = answer.content.decode("utf-8", "replace") + str(dict(answer.headers))
        if leaked := [secret for secret in self._secrets if secret in text]:
            self.wrong.append((shown, "leaks", leaked))
        if answer.status_code in may:
            return
        try:
            problem = json.loads(answer.content)
            good = (
                400 <= answer.status_code < 500
                and len(problem["detail"]) > 10
                and problem["status"] == answer.status_code
            )
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            self.wrong.append((shown, answer.status_code, text[:300]))


@pytest.fixture
def findings(api: Any, bundle: Path) -> Iterator[Findings]:
    places = (str(bundle), str(bundle.parent), str(Path.home()), os.getcwd(), sysconfig.get_paths()["stdlib"])
    signs = ("site-packages", "Traceback", "root:x:0", '.py"', ".py:")
    found = Findings(api, (*(place for place in places if len(place) > 4), *signs))
    yield found
    assert not found.wrong, "\n".join(map(str, found.wrong))
    assert api.post("/search", json={"query": "thing 1"}).status_code == 200  # and it has survived


def fields(path: str) -> list[str]:
    from luneta.serving import forms

    form = {"/search": forms.SearchForm, "/similar": forms.SimilarForm, "/embed": forms.EmbedForm}[path]
    return list(form.model_fields)


def acceptable(path: str, field: str, value: Any) -> bool:
    """Whether this value of this field makes sense after all."""
    if value is None:
        return field in ("bundle", "where", "near", "query", "image", "language", "target")
    good: Mapping[str, Any] = {
        "query": lambda v: isinstance(v, str) and v.strip("\0 \t\r\n") and len(v) <= 20_000 and "\ud800" not in v,
        "rerank": lambda v: False, "anyway": lambda v: v is True,
        "language": lambda v: isinstance(v, str) and len(v) <= 35 and "\ud800" not in v,
        "diversity": lambda v: False, "near": lambda v: False,
        "parts": lambda v: v == [], "like": lambda v: v == [], "unlike": lambda v: v == [],
        "exclude": lambda v: v == [],
        "texts": lambda v: v in ([], ["x"]), "images": lambda v: v == [],
    }  # fmt: skip
    return bool(field in good and good[field](value))


def test_wrong_values_in_every_field(findings: Findings) -> None:
    for path in POSTS:
        for field, value in itertools.product(fields(path), WRONG_VALUES):
            body = json.dumps({**VALID[path], field: value}).encode()
            findings.ask("POST", path, content=body, headers=JSON, may=(200,) if acceptable(path, field, value) else ())
    assert findings.n > 700


def test_fields_that_nobody_knows(findings: Findings) -> None:
    for path in POSTS:
        for name in ("surprise", "", "__class__", "Query", "top_k ", "model_config", "\0"):
            findings.ask("POST", path, content=json.dumps({**VALID[path], name: 1}), headers=JSON)
    for part in ({"text": "a", "surprise": 1}, {"item": {"id": 1, "surprise": 1}}):
        findings.ask("POST", "/search", content=json.dumps({"parts": [part]}), headers=JSON)


def test_numbers_that_are_none(findings: Findings) -> None:
    for path, number in itertools.product(POSTS, NUMBERS):
        fields = {"/search": ("top_k", "diversity", "near"), "/similar": ("id", "offset"), "/embed": ("texts",)}[path]
        for field in fields:
            whole = json.dumps(VALID[path])[:-1]
            findings.ask("POST", path, content=f'{whole}, "{field}": {number}}}', headers=JSON)


def test_what_json_has_not_is_said_to_be_no_json(api: Any) -> None:
    for number in ("NaN", "Infinity", "-Infinity"):
        problem = checked_problem(api.post("/search", content=f'{{"near": {number}}}', headers=JSON), 400)
        assert number in problem["detail"]


def test_bodies_that_are_no_forms(findings: Findings) -> None:
    deep = 100_000
    bodies: tuple[bytes, ...] = (
        b"", b"{", b"}", b"[]", b"null", b"1", b'"a"', b"true", b"\xff\xfe", b"\x00", b"{'query': 'a'}",
        b"{query: 1}", b'{"query": "a",}',
        b'{"query": "a"} {"query": "b"}', b'{"query": "a", "query": "b"}',
        b'{"parts": [{"text": "a", "text": "b"}]}', b"[" * deep,
        b'{"a":' * deep, b"[" * deep + b"]" * deep, b'{"query": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"query": "\xed\xa0\x80"}',
        b'{"query": "\\ud800"}', b'{"query": "\\u00"}', b'{"query": "a\nb"}', "{\"query\": \"a\"}".encode("utf-16"),
        gzip.compress(b"{}"),
        b"query=a", b"<query>a</query>", b'\xef\xbb\xbf{"query": "a"}', b"\0" * 2**20, b"a" * 2**20, b"9" * 2**20,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b"{" + b",".join(b'"%d": 1' % n for n in range(10_000)) + b"}",
    )  # fmt: skip
    for path, body in itertools.product(POSTS, bodies):
        findings.ask("POST", path, content=body, headers=JSON)


def test_queries_filters_and_parts_that_make_no_sense(findings: Findings) -> None:
    for query in QUERIES:
        findings.ask("POST", "/search", content=json.dumps({"query": query}), headers=JSON)
    for condition, target in itertools.product(FILTERS, ("image", "text")):
        findings.ask(
            "POST", "/search", content=json.dumps({"query": "a", "where": condition, "target": target}), headers=JSON
        )
        findings.ask(
            "POST", "/similar", content=json.dumps({"id": 1, "where": condition, "side": target}), headers=JSON
        )
    many = [{"text": "a"}] * 33
    for parts in (
        [{}], [{"weight": 1}], [{"text": "a", "image": "b"}], [{"text": "a", "weight": 0}],
        [{"text": "a", "weight": 1e6}], [{"text": ""}], many,
        [{"item": {"id": -1}}], [{"item": {"id": 10**6}}], [{"item": {"side": "both", "id": 1}}], [{"item": 1}],
        [{"image": "///"}],
        [{"image": "AAAA"}], [{"image": ""}], [{"image": "😀"}], [{"image_url": "http://127.0.0.1/"}],
        [{"image_url": "file:///etc/passwd"}],
        [{"image_url": ""}], [{"text": "a"}, {"text": "a", "weight": -1}], [{"text": None}], [None], ["a"], [[]],
    ):  # fmt: skip
        findings.ask("POST", "/search", content=json.dumps({"parts": parts}), headers=JSON)
    for ids in ([10**6], [0, 10**6], [2**63 - 1]):
        for field in ("like", "unlike"):
            findings.ask("POST", "/search", json={"query": "a", field: ids})
            findings.ask("POST", "/similar", json={"id": 1, field: ids})


def test_names_and_numbers_in_addresses(findings: Findings) -> None:
    for name in PATHS:
        for path in (f"/bundles/{name}", f"/bundles/{name}/items/1", f"/bundles/{name}/thumbnails/1.jpg", f"/{name}"):
            findings.ask(
                "GET", path, may=(200,) if path in ("/bundles/.", "/bundles/..") else ()
            )  # the client reads them
    for number in IDS:
        may = (200,) if ".." in number else ()
        findings.ask("GET", f"/bundles/pixels/items/{number}", may=may)
        findings.ask("GET", f"/bundles/pixels/thumbnails/{number}.jpg")
        findings.ask("GET", f"/bundles/pixels/thumbnails/{number}", may=may)
        findings.ask("GET", f"/bundles/pixels/items/1?side={number}")


def test_methods_and_types_that_are_not_taken(findings: Findings) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "A" * 500):
        for path in POSTS:
            findings.ask(method, path)
    for method in ("POST", "PUT", "DELETE", "BREW"):
        for path in (
            "/healthz",
            "/metrics",
            "/bundles",
            "/bundles/pixels",
            "/bundles/pixels/items/1",
            "/docs",
            "/openapi.json",
        ):
            findings.ask(method, path)
    for kind in (
        "", "text/plain", "text/html", "application/xml", "application/x-www-form-urlencoded", "image/png",
        "application/json2",
        "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=a", "a" * 5000,
        "application/json\t;", "é", ";", "/",
        "multipart/form-data; boundary=" + "b" * 300, 'multipart/form-data; boundary="', "application/octet-stream",
    ):  # fmt: skip
        body = json.dumps(VALID["/search"]).encode()
        taken = kind.partition(";")[0].strip() == "application/json"
        findings.ask(
            "POST",
            "/search",
            content=body,
            headers={"Content-Type": kind.encode("latin-1")},
            may=(200,) if taken else (),
        )


def test_multipart_forms_that_are_damaged(findings: Findings) -> None:
    whole = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        + picture()
        + b'\r\n--b\r\nContent-Disposition: form-data; name="request"\r\n\r\n{"top_k": 3}\r\n--b--\r\n'
    )
    head = {"Content-Type": "multipart/form-data; boundary=b"}
    findings.ask("POST", "/search", content=whole, headers=head, may=(200,))
    end = whole.index(b"--b--") + 5
    for cut in (*range(0, end - 1, 7), end - 1):
        findings.ask("POST", "/search", content=whole[:cut], headers=head)
    for old, new in (
        (b'name="image"', b'name="file"'), (b'name="image"', b""), (b'name="image"', b'name="../../x"'),
        (b"form-data;", b""),
        (b'name="request"', b'name="image"'), (b'{"top_k": 3}', b"{"), (b'{"top_k": 3}', b'{"top_k": "3"}'),
        (b'{"top_k": 3}', b"\xff"),
        (b'name="image"; filename="a.png"', b'name="request"'), (b"Content-Disposition", b"X" * 10_000),
        (b": form-data", b""), (b"\r\n\r\n", b"\r\n"),
    ):  # fmt: skip
        findings.ask("POST", "/search", content=whole.replace(old, new), headers=head)
    for other in ("a", "bb", "", "é"):
        kind = f"multipart/form-data; boundary={other}".encode("latin-1")
        findings.ask("POST", "/search", content=whole, headers={"Content-Type": kind})
    findings.ask("POST", "/similar", content=whole.replace(b"top_k", b"id"), headers=head)
    for n in (40, 2000):
        many = [("image", (f"{number}.png", picture(number % 60))) for number in range(n)]
        findings.ask("POST", "/search", files=many)


def bombs() -> Iterator[bytes]:
    """Files that are small and would be large, or are something else."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    def png(*size: int, data: bytes = b"", more: bytes = b"") -> bytes:
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")

    yield png(100_000, 100_000)
    yield png(50_000, 50_000, data=b"\0" * 10**6)
    yield png(0, 0)
    yield png(1, 2**31 - 1)
    yield png(3, 4000, data=b"\0" * 40_000)
    yield png(64, 64, data=b"\0" * 10)
    yield png(4, 4, data=b"\0" * 52, more=chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 10**8)))
    yield png(4, 4, data=b"\0" * 52, more=chunk(b"iCCP", b"a\0\0" + zlib.compress(b"\0" * 10**8)))
    yield (
        b"GIF89a"
        + struct.pack("<HH", 65535, 65535)
        + b"\x80\0\0"
        + b"\0" * 6
        + b","
        + struct.pack("<HHHH", 0, 0, 65535, 65535)
        + b"\0\x02\0;"
    )
    yield b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0)
    yield b"P6 99999 99999 255\n"
    yield b"P5\n-1 -1\n255\n"
    yield b"qoif" + struct.pack(">IIBB", 2**31, 2**31, 3, 0) + b"\0" * 20
    yield b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 0xFFFF) + b"\xff" * 500
    yield b"\0\0\1\0\xff\xff" + b"\xff" * 300
    yield b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WEBPVP8X" + b"\xff" * 40
    yield b"\0\0\0\x0cjP  \r\n\x87\n" + b"\xff" * 100
    yield b"\0\0\0 ftypavif" + b"\xff" * 100
    yield b"\0\0\0 ftypheic" + b"\xff" * 100
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"\0" * 10**7)
    yield packed.getvalue()
    yield gzip.compress(b"\0" * 10**7)
    yield b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><svg>&b;</svg>'
    yield b'<svg xmlns="http://www.w3.org/2000/svg" width="1000000" height="1000000"/>'
    yield b"<html><img src=x onerror=alert(1)>"
    yield b"#!/bin/sh\nid\n"
    yield b"\x7fELF" + b"\0" * 100
    yield b"version https://git-lfs.github.com/spec/v1\n"
    for whole in (
        picture(form="PNG", size=(40, 40)),
        picture(form="JPEG", size=(40, 40)),
        picture(form="GIF"),
        picture(form="WEBP"),
        picture(form="BMP"),
    ):
        yield whole[: len(whole) // 3]
        yield whole[:9]


def test_files_that_are_no_pictures(findings: Findings) -> None:
    may = (200,)  # some say little and are still whole pictures, as those with a bomb among their remarks
    for data in bombs():
        harmless = b"zTXt" in data or b"iCCP" in data or b"\x03\x00\x00\x0f" in data[:30]
        findings.ask("POST", "/search", files={"image": ("a.png", data, "image/png")}, may=may if harmless else ())
        findings.ask("POST", "/search", json={"image": in_base64(data)}, may=may if harmless else ())
        findings.ask("POST", "/embed", json={"images": [in_base64(data)]}, may=may if harmless else ())
    for text in (
        "=",
        "A",
        "AAA",
        "data:image/png;base64,",
        "data:text/html,<b>",
        "http://127.0.0.1/",
        "/etc/passwd",
        "é",
        "AAAA\n",
        "-_-_",
    ):
        findings.ask("POST", "/search", json={"image": text})


def test_headers_that_are_odd(findings: Findings) -> None:
    for name, value in (
        ("Accept-Language", "x" * 5000), ("Accept-Language", ";q=,;;q=9e9, *;q=nan"),
        ("Accept-Language", "\xff\xfe"), ("If-None-Match", "," * 2000),
        ("Authorization", "Basic " + "=" * 500), ("Authorization", "\xff"), ("Range", "bytes=0-99999999999"),
        ("X-Forwarded-Host", "evil.example"),
        ("Content-Encoding", "gzip"), ("Transfer-Encoding", "identity"), ("Expect", "200-ok"),
        ("Cookie", "a" * 5000), ("Origin", "null"),
    ):  # fmt: skip
        value_bytes = value.encode("latin-1")
        findings.ask("GET", "/nowhere", headers={name: value_bytes})
        findings.ask("POST", "/search", content=b"{", headers={**JSON, name: value_bytes})
        findings.ask("GET", "/bundles/pixels/thumbnails/1.jpg", headers={name: value_bytes}, may=(200,))
