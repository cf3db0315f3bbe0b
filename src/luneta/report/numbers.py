"""Numbers as the pages' languages write them."""

from __future__ import annotations

import math

from luneta.wording import written


def format_number(value: float | None, digits: int, locale: str) -> str:
    """A number with thousands separated as the language does; "–" for what is not known.

    >>> format_number(1234.5, 1, "en"), format_number(1234.5, 1, "pt-BR")
    ('1,234.5', '1.234,5')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return written(f"{value:z,.{digits}f}", locale)  # z: no "-0.000"


def format_percent(value: float | None, digits: int, locale: str) -> str:
    """A share of 0..1 as a percentage; below one percent with two significant digits.

    >>> [format_percent(share, 1, "en") for share in (0.6213, 0.0017, 0.00002, 0, None)]
    ['62.1 %', '0.17 %', '0.0020 %', '0.0 %', '–']
    """
    if value is None:
        return "–"
    if 0 < value < 0.01:
        digits = max(digits, min(4, 1 - math.floor(math.log10(100 * value))))
    return f"{format_number(100 * value, digits, locale)} %"
