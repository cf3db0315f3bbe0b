"""Parts of the pages that are written as HTML: escaped by default, numbers as the page's language writes them."""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING, Any

from luneta.report.numbers import format_number
from luneta.serving.pages.labels import translator
from luneta.wording import Locale

if TYPE_CHECKING:
    import jinja2


def written_html(template: str, locale: Locale, **context: Any) -> str:
    """Fill a template of `luneta/serving/pages/templates`; it has `t`, `locale` and `number(value, digits)`."""

    def number(value: float | None, digits: int = 0) -> str:
        return format_number(value, digits, locale)

    found: str = (
        _environment().get_template(template).render(t=translator(locale), locale=locale, number=number, **context)
    )
    return found


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("luneta.serving.pages"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def data_uri(jpeg: bytes | None) -> str | None:
    return None if jpeg is None else "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
