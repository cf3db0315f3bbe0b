"""What a command says in the language asked for: lines of its own, and what is said on the side while it works.

Notices (of the logger `luneta`) and stages of progress come from all floors, which speak English; here each is turned
into the language of the command. Errors stay in English: they are the errors of the Python functions.
"""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from luneta.data.reasons import reason_in
from luneta.progress import worded
from luneta.wording import Locale, check_locale

if TYPE_CHECKING:
    from rich.console import Console

NOTICES: Mapping[str, str] = {
    "%s: images from %r (%s)": "%s: imagens de %r (%s)",
    "%s: captions from %r (%s)": "%s: legendas de %r (%s)",
    "%s: split %s (%s)": "%s: divisão %s (%s)",
    "%s: %d of %d rows left out": "%s: %d de %d linhas deixadas de fora",
    "%s: %d caption(s) left out of rows that stay": "%s: %d legenda(s) deixada(s) de fora de linhas que ficam",
    "%s: its pictures are taken from %s": "%s: as imagens vêm de %s",
    "%s: %s is read with %s, as the papers that use this split train": (
        "%s: %s é lida com %s, como treinam os artigos que usam esta divisão"
    ),
    "%s: %d images streamed, shuffled in a buffer of %d rows": (
        "%s: %d imagens recebidas em fluxo, embaralhadas num buffer de %d linhas"
    ),
    "%s: the hub cannot be reached; using the copy fetched before, at commit %s": (
        "%s: o hub não pode ser alcançado; usa-se a cópia buscada antes, no commit %s"
    ),
    "%s: groups of up to %d images did not allow the sizes asked for: %s": (
        "%s: grupos de até %d imagens não permitiram os tamanhos pedidos: %s"
    ),
    "column %r holds %s: values are compared as they are written, so 007 is not 7": (
        "a coluna %r contém %s: os valores são comparados como estão escritos, e assim 007 não é 7"
    ),
    "another process is writing to %s; waiting for it to end": (
        "outro processo está escrevendo em %s; esperando que termine"
    ),
    "the vectors are not kept between runs: %s (the cache is %s; LUNETA_CACHE names another folder, --no-cache or "
    "cache=False does without)": (
        "os vetores não são guardados entre execuções: %s (o cache é %s; LUNETA_CACHE indica outra pasta, --no-cache "
        "ou cache=False dispensa)"
    ),
    "%s Without its end it counts as one that was killed.": "%s Sem o seu fim, ela conta como interrompida.",
    "%s could not be examined: %s": "%s não pôde ser examinado: %s",
    "doctor: %s: %s (%s). %s %s luneta doctor says more": "doctor: %s: %s (%s). %s %s luneta doctor diz mais",
}
"""Templates of the log, English -> Portuguese."""

STAGES: Mapping[str, str] = {
    "candidates": "candidatas",
    "checking image files": "verificando arquivos de imagem",
    "comparing images": "comparando imagens",
    "comparing mirrored images": "comparando imagens espelhadas",
    "comparing vectors": "comparando vetores",
    "examining": "examinando",
    "fetching pictures": "buscando imagens",
    "hashing images": "resumindo imagens",
    "images": "imagens",
    "lengths of texts": "comprimento dos textos",
    "looking at images": "examinando imagens",
    "mirrored candidates": "candidatas espelhadas",
    "neighbours": "vizinhos",
    "reading": "lendo",
    "reading shards": "lendo shards",
    "report": "relatório",
    "search": "busca",
    "similarities": "similaridades",
    "streaming": "recebendo",
    "texts": "textos",
    "unpacking": "desempacotando",
}
"""Stages of progress, English -> Portuguese; behind some stands the name of a file."""


_language: ContextVar[Locale] = ContextVar("luneta_cli_language", default="en")


@contextlib.contextmanager
def spoken() -> Iterator[None]:
    """Inside the block notices and stages are in the language last given to `speak`, in English before."""
    handlers = logging.getLogger().handlers
    before = [(handler, handler.formatter) for handler in handlers]
    for handler in handlers:
        handler.setFormatter(_Notice())
    token = _language.set("en")
    try:
        with worded(_stage):
            yield
    finally:
        _language.reset(token)
        for handler, formatter in before:
            handler.setFormatter(formatter)


def speak(locale: str) -> Locale:
    """From here on the command speaks this language.

    Raises:
        ConfigError: nothing is written in that language.
    """
    _language.set(known := check_locale(locale))
    return known


def say(console: Console, locale: Locale, message: str, **parameters: Any) -> None:
    """One line of the command's own; a path in it stays in one piece."""
    from luneta.report.messages import translator

    console.print(translator(locale)(message, **parameters), highlight=False, markup=False, soft_wrap=True)


class _Notice(logging.Formatter):
    """The message alone, in the command's language as far as it is known."""

    def format(self, record: logging.LogRecord) -> str:
        if _language.get() != "en" and str(record.msg) in NOTICES:
            record = copy.copy(record)
            record.msg = NOTICES[str(record.msg)]
            if isinstance(record.args, tuple):
                record.args = tuple(reason_in(x, "pt-BR") if isinstance(x, str) else x for x in record.args)
        return super().format(record)


def _stage(stage: str) -> str:
    if _language.get() == "en":
        return stage
    if stage in STAGES:
        return STAGES[stage]
    first, space, rest = stage.partition(" ")
    return f"{STAGES[first]}{space}{rest}" if first in ("reading", "unpacking", "streaming") else stage
