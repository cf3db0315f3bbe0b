"""What a command says in the language asked for: lines of its own, and what is said on the side while it works.

Notices (of the logger `luneta`), stages of progress and errors come from all floors, which speak English; here each is
turned into the language of the command, as far as it is known in it.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from luneta.cli.spelling import spelt
from luneta.data.reasons import reason_in
from luneta.error_messages import error_in
from luneta.errors import ConfigError
from luneta.progress import worded
from luneta.wording import Locale, Messages, check_locale, translator_of, written

if TYPE_CHECKING:
    from rich.console import Console

NOTICES: Mapping[str, str] = {
    "answered %s %s: %d, %.1f ms": "respondido %s %s: %d, %.1f ms",
    "query to %s: %s": "consulta a %s: %s",
    "bundle %s cannot be opened again for now: %s": "o pacote %s não pode ser reaberto por enquanto: %s",
    "bundle %s is searched by texts alone: %s": "no pacote %s só se busca por textos: %s",
    "bundle %s is served as of %s": "o pacote %s é servido como em %s",
    "vectors are kept beside the bundle while it is made: %s": (
        "os vetores ficam ao lado do pacote enquanto ele é feito: %s"
    ),
    "the bundle carries no text tower, so that a search has to load the encoder: %s": (
        "o pacote não leva a torre de texto, e assim uma busca precisa carregar o codificador: %s"
    ),
    "the cut-offs were chosen with %d %ss, and there are %d now: calibrate again": (
        "os cortes foram escolhidos com %d itens (%s), e agora há %d: calibre de novo"
    ),
    "%s: images from %r (%s)": "%s: imagens de %r (%s)",
    "%s: captions from %r (%s)": "%s: legendas de %r (%s)",
    "%s: split %s (%s)": "%s: divisão %s (%s)",
    "%s: %d of %d rows left out (%s)": "%s: %d de %d linhas deixadas de fora (%s)",
    "%s: %d caption(s) left out of rows that stay (%s)": (
        "%s: %d legenda(s) deixada(s) de fora de linhas que ficam (%s)"
    ),
    "%s: its pictures are taken from %s": "%s: as imagens vêm de %s",
    "%s: %s is read with %s, as the papers that use this split train": (
        "%s: %s é lida com %s, como treinam os artigos que usam esta divisão"
    ),
    "%s: a random sample of its %d rows": "%s: uma amostra aleatória das suas %d linhas",
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
    "%s Without its end it counts as one that was killed.": "%s Sem o seu fim, ela conta como morta.",
    "done already: %s holds this very training, and what it came to is read from there": (
        "já está feito: %s tem este mesmo treino, e o resultado é lido de lá"
    ),
    "%s: fine-tuning takes %s": "%s: o ajuste fino leva %s",
    "%s has %d images to learn from; of fewer than about %d, method=%r learns more by heart than it understands: "
    "collect more": (
        "%s tem %d imagens de treino; com menos de umas %d, method=%r decora mais do que entende: junte mais"
    ),
    "%s has %d images to learn from; of fewer than about %d, method=%r learns more by heart than it understands: "
    "take method='head', which changes least; or collect more": (
        "%s tem %d imagens de treino; com menos de umas %d, method=%r decora mais do que entende: use method='head', "
        "que muda menos; ou junte mais"
    ),
    "training images left out, since the validation or test part has the same picture or caption: %d of %d": (
        "imagens de treino deixadas de fora, pois a parte de validação ou de teste tem a mesma imagem ou legenda: %d "
        "de %d"
    ),
    "validation images left out, since the test part has the same picture or caption: %d of %d": (
        "imagens de validação deixadas de fora, pois a parte de teste tem a mesma imagem ou legenda: %d de %d"
    ),
    "%s: images left out, since they cannot be read: %d of %d (%s)": (
        "%s: imagens deixadas de fora, pois não podem ser lidas: %d de %d (%s)"
    ),
    "training captions longer than %s reads, whose end is not learnt: %d of %d (%.1f %%). Shorten them, or divide them "
    "into several captions": (
        "legendas de treino mais longas do que %s lê, cujo fim não é aprendido: %d de %d (%.1f %%). Encurte-as, ou "
        "divida-as em várias legendas"
    ),
    "%s: recall is measured on %d of %d images; the others are learnt from": (
        "%s: o recall é medido em %d de %d imagens; as outras são de treino"
    ),
    "a learning rate of %g is outside what works for method=%r (%g to %g; the default is %g): expect nothing to be "
    "learnt": (
        "uma taxa de aprendizado de %g está fora do que funciona para method=%r (%g a %g; a padrão é %g): espere que "
        "nada seja aprendido"
    ),
    "a learning rate of %g is outside what works for method=%r (%g to %g; the default is %g): expect the encoder to "
    "forget what it knew": (
        "uma taxa de aprendizado de %g está fora do que funciona para method=%r (%g a %g; a padrão é %g): espere que "
        "o codificador esqueça o que sabia"
    ),
    "the scale of the scores has stood at its limit of %g for %d steps while the loss rises: the learning rate is too "
    "high": (
        "a escala das pontuações está no seu limite de %g há %d passos enquanto a perda sobe: a taxa de aprendizado é "
        "alta demais"
    ),
    "the scale of the scores has fallen to %.2g: they no longer tell anything apart. Lower the learning rate, and look "
    "whether captions and pictures belong together": (
        "a escala das pontuações caiu a %.2g: já não distinguem nada. Baixe a taxa de aprendizado, e veja se legendas "
        "e imagens combinam"
    ),
    "a batch of %d pairs shows %d different things only (the others have equal captions or near-equal pictures), so "
    "that little is told apart. Class labels are not captions: use texts that describe single pictures, or make "
    "batches smaller": (
        "um lote de %d pares mostra só %d coisas diferentes (as outras têm legendas iguais ou imagens quase iguais), e "
        "pouco se distingue. Rótulos de classe não são legendas: use textos que descrevam imagens uma a uma, ou lotes "
        "menores"
    ),
    "for %d steps the loss has been %.3f, which is that of %s (%.3f): nothing is learnt. Raise the learning rate, look "
    "whether captions and pictures belong together, and whether the part that should learn is locked": (
        "há %d passos a perda é de %.3f, que é a de %s (%.3f): nada é aprendido. Aumente a taxa de aprendizado, veja "
        "se legendas e imagens combinam, e se a parte que deveria aprender está travada"
    ),
    "the scale of 16-bit gradients has been halved in %d of the last %d steps, which did nothing: numbers overflow. "
    "Take precision='bfloat16' or 'float32', or lower the learning rate": (
        "a escala dos gradientes de 16 bits foi reduzida em %d dos últimos %d passos, que nada fizeram: os números "
        "transbordam. Use precision='bfloat16' ou 'float32', ou baixe a taxa de aprendizado"
    ),
    "training %d of %d parameters": "treinando %d de %d parâmetros",
    "going on from %s": "continuando de %s",
    "out of memory: going on with micro_batch=%d (the gradients stay those of the whole batch)": (
        "memória esgotada: continuando com micro_batch=%d (os gradientes seguem sendo os do lote inteiro)"
    ),
    "going on from step %d of %d": "continuando do passo %d de %d",
    "step %d: %s %.4f at alpha %g, %.4f alone (the encoder: %.4f)": (
        "passo %d: %s de %.4f com alfa %g, %.4f sozinho (o codificador: %.4f)"
    ),
    "%s: training the re-ranker takes %s": "%s: treinar o reordenador leva %s",
    "nothing is gained for sure over the encoder alone: the re-ranker changes nothing (alpha 0)": (
        "nada se ganha com certeza sobre o codificador sozinho: o reordenador nada muda (alfa 0)"
    ),
    "the re-ranker has not shown that it does what it says (%s): it changes nothing (alpha 0)": (
        "o reordenador não mostrou que faz o que diz (%s): nada muda (alfa 0)"
    ),
    "%s: on this very data it was chosen how far the re-ranker is believed, so that it looks better here than it is: "
    "measure it on other data": (
        "%s: foi com estes mesmos dados que se escolheu quanto acreditar no reordenador, e aqui ele parece melhor do "
        "que é: meça com outros dados"
    ),
    "the scores are not kept between runs: %s": "as pontuações não são guardadas entre execuções: %s",
    "candidates that cannot be read any more, and keep the encoder's score: %d": (
        "candidatas que já não podem ser lidas, e ficam com a pontuação do codificador: %d"
    ),
    "%s was made with %s in %s, not in %s or with another version of the library: measure it again": (
        "%s foi feito com %s em %s, não em %s ou com outra versão da biblioteca: meça de novo"
    ),
    "%s goes on with another device or other versions (%s): what comes out is not, bit for bit, what it would have "
    "been": (
        "%s continua com outro dispositivo ou outras versões (%s): o que resulta não é, bit a bit, o que teria sido"
    ),
    "%s: %d of %d queries have no right picture": "%s: %d de %d consultas não têm imagem certa",
    "%s: %d of its classes hold no picture": "%s: %d das suas classes não têm imagem",
    "%s could not be examined: %s": "%s não pôde ser examinado: %s",
    "doctor: %s: %s (%s). %s %s luneta doctor says more": "doctor: %s: %s (%s). %s %s luneta doctor diz mais",
}
"""Templates of the log, English -> Portuguese."""

STAGES: Mapping[str, str] = {
    "explaining": "explicando",
    "index": "índice",
    "recall": "revocação",
    "thumbnails": "miniaturas",
    "vectors": "vetores",
    "verifying": "verificando",
    "candidates": "candidatas",
    "checking image files": "verificando arquivos de imagem",
    "comparing images": "comparando imagens",
    "comparing mirrored images": "comparando imagens espelhadas",
    "comparing vectors": "comparando vetores",
    "examining": "examinando",
    "features of images": "traços das imagens",
    "features of texts": "traços dos textos",
    "fetching pictures": "buscando imagens",
    "grouping texts": "agrupando textos",
    "hard negatives": "negativos difíceis",
    "hashing images": "resumindo imagens",
    "images": "imagens",
    "lengths of texts": "comprimento dos textos",
    "loading libraries": "carregando bibliotecas",
    "looking at images": "examinando imagens",
    "looking at masks": "examinando máscaras",
    "looking at pictures": "examinando as imagens",
    "mirrored candidates": "candidatas espelhadas",
    "mixtures of before and after": "misturas de antes e depois",
    "neighbours": "vizinhos",
    "pictures": "imagens",
    "re-ranking": "reordenando",
    "reading": "lendo",
    "reading shards": "lendo shards",
    "report": "relatório",
    "search": "busca",
    "similarities": "similaridades",
    "steps": "passos",
    "streaming": "recebendo",
    "texts": "textos",
    "unpacking": "desempacotando",
}
"""Stages of progress, English -> Portuguese; behind some stands the name of a file."""


_PARTS: Mapping[str, str] = {
    "guessing among the batch": "adivinhar dentro do lote",
    "answering 'perhaps' to every pair, as when it is divided by all pairs": (
        "responder 'talvez' a todo par, como quando é dividida por todos os pares"
    ),
}
"""Parts of notices that are words, English -> Portuguese."""


_EXPECTED = {
    "greater_than_equal": "at_least", "less_than_equal": "at_most", "int_parsing": "whole", "float_parsing": "number",
}  # fmt: skip
"""What the parser's check is called -> what it expects."""

_ENDS: Messages = {
    "out_of_range": ("{option} is {value}, expected {expected}", "{option} é {value}; esperava-se {expected}"),
    "at_least": ("at least {limit}", "pelo menos {limit}"),
    "at_most": ("at most {limit}", "no máximo {limit}"),
    "whole": ("a whole number", "um número inteiro"),
    "number": ("a number", "um número"),
    "usage": ("Usage: {command} {pieces}", "Uso: {command} {pieces}"),
    "help": ("For help: {command} -h", "Ajuda: {command} -h"),
    "misuse": ("Error: {message}", "Erro: {message}"),
    "stopped_early": ("Stopped, before anything new was finished.", "Parado, antes de terminar algo novo."),
    "stopped": (
        "Stopped. What was finished is kept; run the same command again to go on.",
        "Parado. O que terminou fica; rode o mesmo comando de novo para continuar.",
    ),
}


@runtime_checkable
class Sayable(Protocol):
    """Something that can be said in several languages."""

    def said(self, locale: str, /) -> str: ...


_language: ContextVar[Locale] = ContextVar("luneta_cli_language", default="en")


@contextlib.contextmanager
def spoken(locale: Locale = "en") -> Iterator[None]:
    """Inside the block notices and stages are in the language last given to `speak`, in this one before."""
    handlers = logging.getLogger().handlers
    before = [(handler, handler.formatter) for handler in handlers]
    for handler in handlers:
        handler.setFormatter(_Notice())
    token = _language.set(locale)
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


def asked_for(arguments: Sequence[str]) -> Locale:
    """The language of a command line, read or not: English where it names none, or none that is known.

    >>> asked_for(["evaluate", "--locale", "pt"]), asked_for(["costs", "--locale=pt-BR"]), asked_for(["--locale", "fr"])
    ('pt-BR', 'pt-BR', 'en')
    """
    given = [after for before, after in pairwise(arguments) if before == "--locale"]
    given += [part.removeprefix("--locale=") for part in arguments if part.startswith("--locale=")]
    with contextlib.suppress(ConfigError, IndexError):
        return check_locale(given[-1])
    return "en"


def out_of_range(misuse: Any, locale: Locale) -> str:
    """What is wrong with the value of an option, where the parser says it in words for programmers; else empty."""
    wrong: list[Any] = getattr(misuse.__cause__, "errors", list)()
    if not wrong or wrong[0]["type"] not in _EXPECTED or misuse.param is None:
        return ""
    first, option = wrong[0], next((n for n in misuse.param.opts if n.startswith("--")), str(misuse.param.name))
    (limit,) = first.get("ctx", {}).values() if _EXPECTED[first["type"]] in ("at_least", "at_most") else ("",)
    t = translator_of(locale, _ENDS)
    expected = t(_EXPECTED[first["type"]], limit=written(str(limit), locale))
    return t("out_of_range", option=option, value=first["input"], expected=expected)


def misused(misuse: Any, locale: Locale) -> str:
    """What is wrong with an option or argument, how the command is used, and how to get help."""
    t, lines = translator_of(locale, _ENDS), []
    if misuse.ctx is not None:
        command = misuse.ctx.command_path
        usage = " ".join(misuse.ctx.command.collect_usage_pieces(misuse.ctx))
        lines = [t("usage", command=command, pieces=usage), t("help", command=command)]
    return "\n".join([*lines, t("misuse", message=error_in(misuse.format_message(), locale))])


def stopped(locale: Locale, *, finished: bool) -> str:
    """What is said when somebody stops a command, which had finished something or not."""
    return translator_of(locale, _ENDS)("stopped" if finished else "stopped_early")


def say(console: Console, locale: Locale, message: str, **parameters: Any) -> None:
    """One line of the command's own; a path in it stays in one piece."""
    from luneta.report.messages import translator

    console.print(translator(locale)(message, **parameters), highlight=False, markup=False, soft_wrap=True)


class _Notice(logging.Formatter):
    """The message alone, in the command's language as far as it is known, with options instead of arguments."""

    def format(self, record: logging.LogRecord) -> str:
        if _language.get() != "en" and str(record.msg) in NOTICES:
            record = copy.copy(record)
            record.msg, record.args = _filled(NOTICES[str(record.msg)], record.args), ()
        return spelt(super().format(record))


def _filled(template: str, args: object) -> str:
    """A template of the log with its parts filled in, numbers as Portuguese writes them."""
    parts = iter(args if isinstance(args, tuple) else ())

    def part(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        said = found[0] % (_in_portuguese(next(parts)),)
        return written(said, "pt-BR") if found[0][-1] in "dfg" else said

    return re.sub(r"%(?:%|[-+ #0]*\d*(?:\.\d+)?[a-zA-Z])", part, template)


def _in_portuguese(part: object) -> object:
    """A part of a notice: reasons and whatever can say itself in a language; names and numbers as they are."""
    if isinstance(part, str):
        return _PARTS.get(part) or reason_in(part, "pt-BR")
    return part.said("pt-BR") if isinstance(part, Sayable) else part


def _stage(stage: str) -> str:
    if _language.get() == "en":
        return stage
    if stage in STAGES:
        return STAGES[stage]
    first, space, rest = stage.partition(" ")
    return f"{STAGES[first]}{space}{rest}" if first in ("reading", "unpacking", "streaming") else stage
