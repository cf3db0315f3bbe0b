"""Pages: escaping, languages, numbers, thumbnails."""

from __future__ import annotations

import base64
import io
import string

import jinja2
import pytest
from PIL import Image

from luneta.data.images import thumbnail_jpeg
from luneta.errors import ConfigError
from luneta.report import html, messages

EVIL = "<script>alert(1)</script>\"'<img src=x onerror=alert(2)>&amp;"


@pytest.fixture
def evil_page(monkeypatch: pytest.MonkeyPatch) -> str:
    page = (
        '{% extends "base.html.jinja" %}{% import "macros.html.jinja" as ui with context %}'
        "{% block title %}{{ name }}{% endblock %}{% block lead %}{{ name }}{% endblock %}"
        "{% block content %}{{ ui.card('data:,', name, [name], badge=name, note=name) }}"
        "{{ ui.bars([(name, 0.5, name)], name) }}{{ ui.facts([(name, name)]) }}{{ ui.stat(name, name, name) }}"
        "{{ missing_is_an_error if false }}{{ 1234.5|decimal(1) }} {{ 0.25|percent }} {{ 1234|integer }}{% endblock %}"
    )
    environment = html._environment().overlay(
        loader=jinja2.ChoiceLoader([jinja2.DictLoader({"evil": page}), jinja2.PackageLoader("luneta.report")])
    )
    monkeypatch.setattr(html, "_environment", lambda: environment)
    return "evil"


def test_captions_with_html_stay_text(evil_page: str) -> None:
    page = html.render(evil_page, name=EVIL)
    assert "<script" not in page
    assert "onerror=alert(2)>" not in page.replace("&gt;", "")
    assert page.count("&lt;script&gt;") >= 10
    assert "Content-Security-Policy" in page


@pytest.mark.parametrize(("locale", "expected"), [("en", "1,234.5 25.0 % 1,234"), ("pt-BR", "1.234,5 25,0 % 1.234")])
def test_numbers_follow_the_language(evil_page: str, locale: str, expected: str) -> None:
    page = html.render(evil_page, locale=locale, name="x")
    assert expected in page
    assert f'<html lang="{locale}">' in page


def test_a_name_the_context_lacks_is_an_error(evil_page: str) -> None:
    with pytest.raises(jinja2.UndefinedError):
        html.render(evil_page)


def test_unknown_page_language_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'pt-PT'.*pt-BR"):
        html.render("base.html.jinja", locale="pt-PT")


def test_pt_alone_is_the_portuguese_that_is_written() -> None:
    assert '<html lang="pt-BR">' in html.render("base.html.jinja", locale="pt")


def test_every_message_has_both_languages_and_equal_parameters() -> None:
    seen: set[str] = set()
    for table in messages.TABLES:
        assert seen.isdisjoint(table), f"defined twice: {seen & set(table)}"
        seen |= set(table)
        for name, pair in table.items():
            assert len(pair) == len(messages.LOCALES), name
            assert all(text.strip() for text in pair), name
            fields = [{part[1] for part in string.Formatter().parse(text) if part[1]} for text in pair]
            assert fields[0] == fields[1], name


def test_thumbnails_are_jpegs_of_the_asked_size() -> None:
    uri = html.thumbnail_data_uri(Image.new("RGB", (640, 320), "red"), 64)
    head, payload = uri.split(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(payload))) as small:
        assert (small.format, small.size) == ("JPEG", (64, 32))


def test_thumbnails_leave_the_picture_alone_and_never_enlarge() -> None:
    image = Image.new("RGB", (20, 10), "red")
    jpeg = thumbnail_jpeg(image, 64)
    assert image.size == (20, 10)
    with Image.open(io.BytesIO(jpeg)) as small:
        assert small.size == (20, 10)
