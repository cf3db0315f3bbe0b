"""Messages in English and in Brazilian Portuguese, and numbers as each of them writes them.

Every message stands in both languages side by side, so that none can be added to one and forgotten in the other. A
message may name parameters in braces.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from luneta.errors import ConfigError, did_you_mean

Locale = Literal["en", "pt-BR"]
LOCALES: tuple[Locale, ...] = get_args(Locale)

Messages = Mapping[str, tuple[str, str]]
"""Message name -> (English, Brazilian Portuguese)."""


class Translate(Protocol):
    """t(name, **parameters) -> the message in one language."""

    def __call__(self, name: str, /, **parameters: Any) -> str: ...


def check_locale(locale: str) -> Locale:
    """The locale, if messages are written in it.

    Raises:
        ConfigError: they are not.
    """
    for known in LOCALES:
        if locale == known or known.startswith(f"{locale}-"):  # pt is pt-BR
            return known
    raise ConfigError(f"pages are not written in {locale!r}. {did_you_mean(locale, LOCALES)}")


def translator_of(locale: str, *tables: Messages) -> Translate:
    """A function from the names of the tables' messages to the messages in one language.

    >>> t = translator_of("pt-BR", {"more": ("and {n} more", "e mais {n}")})
    >>> t("more", n=3)
    'e mais 3'

    Raises:
        ConfigError: messages are not written in that language.
    """
    column = LOCALES.index(check_locale(locale))
    messages = {name: pair[column] for table in tables for name, pair in table.items()}

    def translate(name: str, /, **parameters: Any) -> str:
        return messages[name].format(**parameters) if parameters else messages[name]

    return translate


def written(number: str, locale: str) -> str:
    """A number that Python wrote, with the separators of a language.

    >>> written(f"{1234.5:,.1f}", "en"), written(f"{1234.5:,.1f}", "pt-BR")
    ('1,234.5', '1.234,5')
    """
    return number.translate(str.maketrans(",.", ".,")) if locale == "pt-BR" else number


def p_value(p: float, locale: str, *, sentence: bool = False) -> str:
    """A p-value as it is printed, never as 0; within a sentence with its sign, to stand after "p".

    >>> p_value(0.00004, "en"), p_value(0.0456, "pt-BR"), p_value(1.0, "en")
    ('<0.001', '0,046', '1.000')
    >>> p_value(0.00004, "pt-BR", sentence=True), p_value(0.0456, "en", sentence=True)
    ('< 0,001', '= 0.046')
    """
    sign, number = ("<", "0.001") if p < 0.001 else ("=", f"{p:.3f}")
    said = written(number, locale)
    return f"{sign} {said}" if sentence else f"{sign.strip('=')}{said}"


@dataclass(frozen=True, slots=True)
class FirstFew:
    """The first of some names, and how many more there are: short enough for a notice.

    >>> str(FirstFew(["a.png"])), FirstFew(list("abcde")).said("pt-BR")
    ('a.png', 'a, b, c e mais 2')
    """

    names: Sequence[str]
    most: int = 3

    def __str__(self) -> str:
        return self.said("en")

    def said(self, locale: str) -> str:
        """In a language."""
        shown, more = ", ".join(self.names[: self.most]), len(self.names) - self.most
        if more <= 0:
            return shown
        return f"{shown} {translator_of(locale, _MORE)('and_more', n=written(f'{more:,}', locale))}"


_MORE: Messages = {"and_more": ("and {n} more", "e mais {n}")}


def patterns_of(sentences: Mapping[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """(pattern of an English sentence with parameters in braces, the same in another language), most letters first.

    >>> ((pattern, portuguese),) = patterns_of({"{n} rows left out": "{n} linhas de fora"})
    >>> portuguese.format(**pattern.fullmatch("12 rows left out").groupdict())
    '12 linhas de fora'
    """

    def letters(english: str) -> int:
        return sum(len(literal) for literal, *_ in string.Formatter().parse(english))

    def pattern(english: str) -> re.Pattern[str]:
        parts = (
            re.escape(literal) + (f"(?P<{name}>.+?)" if name else "")
            for literal, name, *_ in string.Formatter().parse(english)
        )
        return re.compile("".join(parts), re.DOTALL)

    return tuple((pattern(english), sentences[english]) for english in sorted(sentences, key=letters, reverse=True))
