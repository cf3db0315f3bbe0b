"""The most usual errors in Brazilian Portuguese.

Errors are raised in English, for they stand in logs, ledgers and other people's issues too. The command line and the
pages look them up here. An error that is not here is shown in English: nothing has to be translated for a new one to
work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from luneta.data.reasons import reason_in
from luneta.error_messages import bundles, reranking, searching, usual
from luneta.errors import LunetaError
from luneta.wording import patterns_of, written

KINDS: Mapping[str, str] = {
    "LunetaError": "Erro",
    "ConfigError": "Erro de configuração",
    "DatasetError": "Erro nos dados",
    "ImageError": "Erro na imagem",
    "UnreachableError": "Erro de rede",
    "EncoderError": "Erro no codificador",
    "TrainingError": "Erro no treino",
    "ShapeError": "Erro de forma",
    "ArtifactError": "Erro de arquivo",
    "IndexMismatchError": "Erro: feito para outro codificador",
    "ProtocolMismatchError": "Erro: protocolos diferentes",
    "MissingExtraError": "Erro: falta uma dependência opcional",
}
"""What each class of errors is called in Portuguese."""

PORTUGUESE: Mapping[str, str] = usual.ERRORS | reranking.ERRORS | searching.ERRORS | bundles.ERRORS
"""An error in English -> the same in Portuguese; `why` and `hint` are something said themselves, `n_` are numbers."""

PARTS: Mapping[str, str] = usual.PARTS | searching.PARTS | bundles.PARTS
"""What stands in errors, in the same way."""

_NUMBERS = frozenset({"share", "limit", "value", "low", "high"})
_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+(e[-+]?\d+)?")


def error_in(message: str, locale: str) -> str:
    """What an error says, in the language asked for where it is known in it; otherwise in English, as a whole.

    >>> error_in("no column 'legend'. Did you mean legenda?", "pt-BR")
    "não há a coluna 'legend'. Você quis dizer legenda?"
    >>> error_in("something else", "pt-BR"), error_in("no such file: a.json", "en")
    ('something else', 'no such file: a.json')
    """
    return message if locale == "en" else _translated(message) or message


def framed(error: LunetaError, locale: str) -> str:
    """An error as the command line ends with it: its kind and what it says.

    >>> from luneta.errors import ArtifactError
    >>> framed(ArtifactError("no such file: a.json"), "pt-BR"), framed(ArtifactError("no such file: a.json"), "en")
    ('Erro de arquivo: arquivo inexistente: a.json', 'ArtifactError: no such file: a.json')
    """
    name = type(error).__name__
    kind = KINDS.get(name, KINDS["LunetaError"]) if locale == "pt-BR" else name
    return f"{kind}: {error_in(str(error), locale)}"


def _translated(message: str) -> str | None:
    for pattern, portuguese in _errors():
        if found := pattern.fullmatch(message):
            parts = {name: _part(name, value) for name, value in found.groupdict().items()}
            if None not in parts.values():
                return portuguese.format(**parts)
    return None


def _part(name: str, value: str) -> str | None:
    """A parameter in Portuguese; None for a hint that is not known in it. What a library says stays as it is."""
    if name == "rows":
        return "\n".join(_part("why", line) or line for line in value.split("\n"))
    if name in ("hint", "why", "reason", "reasons"):
        for pattern, portuguese in _parts():
            if found := pattern.fullmatch(value):
                return portuguese.format(**{part: _part(part, said) for part, said in found.groupdict().items()})
        return None if name == "hint" else reason_in(value, "pt-BR")
    if (name in _NUMBERS or name.startswith("n_")) and _NUMBER.fullmatch(value):
        return written(value, "pt-BR")
    return value


@cache
def _errors() -> tuple[tuple[re.Pattern[str], str], ...]:
    return patterns_of(PORTUGUESE)


@cache
def _parts() -> tuple[tuple[re.Pattern[str], str], ...]:
    return patterns_of(PARTS)
