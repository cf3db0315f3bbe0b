"""Language codes in column names and values."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LISTED = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en "
    "eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv "
    "ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne "
    "ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st "
    "su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu fil quz yue haw "
    "ceb ast gsw"
)
_CODES = frozenset(_LISTED.split())  # ISO 639-1, and the longer codes that caption data sets use

_ENGLISH_WORDS = "id no is to as or so an am my it na pi co os se si"
UNCERTAIN = frozenset(_ENGLISH_WORDS.split())
"""Codes that are column names as well (`id` above all): believed only beside other language columns."""

_PATTERN = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{4}))?(?:[-_]([a-z]{2}|\d{3}))?", re.IGNORECASE)


def language_code(name: str) -> str | None:
    """A BCP 47 code in its usual spelling, or None when the name is not one.

    >>> [language_code(name) for name in ("pt_br", "zh-hant-TW", "EN", "file_name", "url")]
    ['pt-BR', 'zh-Hant-TW', 'en', None, None]
    """
    match = _PATTERN.fullmatch(name)
    if match is None or match[1].lower() not in _CODES:
        return None
    parts = [match[1].lower()]
    if match[2]:
        parts.append(match[2].title())
    if match[3]:
        parts.append(match[3].upper())
    return "-".join(parts)


def find_language(asked: str, available: Iterable[str]) -> list[str]:
    """The available codes that `asked` means: the same code, else those of which one is the other's beginning.

    >>> find_language("pt", ["en", "pt-BR", "pt-PT"]), find_language("pt-BR", ["en", "pt"])
    (['pt-BR', 'pt-PT'], ['pt'])
    """
    options = list(available)
    wanted = (language_code(asked) or asked).lower()
    exact = [name for name in options if (language_code(name) or name).lower() == wanted]
    if exact:
        return exact
    return [
        name
        for name in options
        for code in [(language_code(name) or name).lower()]
        if code.startswith(wanted + "-") or wanted.startswith(code + "-")
    ]
