"""What the pages say, in English and in Brazilian Portuguese.

Every message stands in both languages side by side, so that none can be added to one and forgotten in the
other. A message may name parameters in braces: `t("shown_of", shown=8, total=20)`.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, get_args

from luneta.errors import ConfigError, did_you_mean
from luneta.report.comparison_messages import COMPARISON
from luneta.report.demo_messages import DEMO
from luneta.report.evaluation_messages import EVALUATION
from luneta.report.leakage_messages import LEAKAGE
from luneta.report.profile_messages import PROFILE
from luneta.terminal import WORDS

Locale = Literal["en", "pt-BR"]
LOCALES: tuple[Locale, ...] = get_args(Locale)

Table = dict[str, tuple[str, str]]
"""Message name -> (English, Brazilian Portuguese)."""

COMMON: Table = {
    "made_with": ("Made with Luneta {version}", "Feito com a Luneta {version}"),
    "offline_note": (
        "This page stands alone: it holds its pictures and loads nothing from the network.",
        "Esta página se basta: traz as próprias imagens e não busca nada na rede.",
    ),
    "data_set": ("Data set", "Conjunto de dados"),
    "revision": ("Revision", "Revisão"),
    "split": ("Split", "Divisão"),
    "language": ("Language", "Idioma"),
    "sample": ("Sample", "Amostra"),
    "sample_of": (
        "random sample of {limit} images, seed {seed}",
        "amostra aleatória de {limit} imagens, semente {seed}",
    ),
    "images": ("Images", "Imagens"),
    "texts": ("Texts", "Textos"),
    "pairs": ("Pairs", "Pares"),
    "row": ("Row", "Linha"),
    "source": ("Source", "Origem"),
    "reason": ("Reason", "Motivo"),
    "count": ("Count", "Quantidade"),
    "share": ("Share", "Parcela"),
    "none": ("none", "nenhum"),
    "skip_to_content": ("Skip to the content", "Ir para o conteúdo"),
    "and_more": ("and {n} more", "e mais {n}"),
}

TABLES: list[Table] = [COMMON, COMPARISON, EVALUATION, PROFILE, DEMO, LEAKAGE, WORDS]
"""Every table of the pages; a page adds its own here."""


class Translate(Protocol):
    """t(name, **parameters) -> the message in the page's language."""

    def __call__(self, name: str, /, **parameters: Any) -> str: ...


def check_locale(locale: str) -> Locale:
    """The locale, if pages are written in it.

    Raises:
        ConfigError: they are not.
    """
    for known in LOCALES:
        if locale == known:
            return known
    raise ConfigError(f"pages are not written in {locale!r}. {did_you_mean(locale, LOCALES)}")


def translator(locale: str) -> Translate:
    """A function from message names to messages of one language.

    >>> t = translator("pt-BR")
    >>> t("and_more", n=3)
    'e mais 3'

    Raises:
        ConfigError: pages are not written in that language.
    """
    column = LOCALES.index(check_locale(locale))
    messages = {name: pair[column] for table in TABLES for name, pair in table.items()}

    def translate(name: str, /, **parameters: Any) -> str:
        return messages[name].format(**parameters) if parameters else messages[name]

    return translate
