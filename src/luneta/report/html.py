"""Templates to HTML: escaped by default, whole in one file, with numbers as the page's language writes them."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2.runtime import Context

import luneta
from luneta.data.images import thumbnail_jpeg
from luneta.report.messages import check_locale, translator
from luneta.report.numbers import format_number

if TYPE_CHECKING:
    from PIL.Image import Image

THUMBNAIL_PX = 224


def render(template: str, *, locale: str = "en", **context: Any) -> str:
    """Fill a template of `luneta/report/templates`.

    Everything from outside (captions, paths, names) is escaped, and a name that the template uses and `context`
    lacks is an error rather than a gap. Templates have `t(name, **parameters)` for messages, `locale`, `version`,
    and the filters `integer`, `decimal(digits)`, `percent(digits)`, which write numbers as the language does.

    Args:
        template: file name, such as "profile.html.jinja".
        locale: "en" or "pt-BR".
        **context: what the template shows.

    Raises:
        ConfigError: pages are not written in that language.
    """
    checked = check_locale(locale)
    return (
        _environment()
        .get_template(template)
        .render(t=translator(checked), locale=checked, version=luneta.__version__, **context)
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("luneta.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"integer": _integer, "decimal": _decimal, "percent": _percent}
    return environment


@jinja2.pass_context
def _integer(context: Context, value: float | None) -> str:
    return format_number(value, 0, context["locale"])


@jinja2.pass_context
def _decimal(context: Context, value: float | None, digits: int = 2) -> str:
    return format_number(value, digits, context["locale"])


@jinja2.pass_context
def _percent(context: Context, value: float | None, digits: int = 1) -> str:
    """A share of 0..1 as a percentage."""
    return format_number(None if value is None else 100 * value, digits, context["locale"]) + " %"


def thumbnail_data_uri(image: Image, max_px: int = THUMBNAIL_PX) -> str:
    """An RGB picture, its longer side at most `max_px`, as a JPEG data URI for an `img` element."""
    return jpeg_data_uri(thumbnail_jpeg(image, max_px))


def jpeg_data_uri(jpeg: bytes) -> str:
    """JPEG bytes as a data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
