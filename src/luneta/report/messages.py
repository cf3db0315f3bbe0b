"""What the pages and the command line say, in English and in Brazilian Portuguese."""

from __future__ import annotations

from luneta.leaderboards import BOARD
from luneta.leakage.messages import LEAKAGE
from luneta.profiling.terminal import LOOK
from luneta.report.comparison_messages import COMPARISON
from luneta.report.costs_messages import COSTS
from luneta.report.demo_messages import DEMO
from luneta.report.doctor_messages import DOCTOR
from luneta.report.evaluation_messages import EVALUATION
from luneta.report.languages_messages import LANGUAGES
from luneta.report.leaderboard_messages import LEADERBOARD
from luneta.report.profile_messages import PROFILE
from luneta.report.reranking_messages import RERANKING
from luneta.terminal import WORDS
from luneta.wording import LOCALES, Locale, Messages, Translate, check_locale, translator_of

__all__ = ["LOCALES", "TABLES", "Locale", "Translate", "check_locale", "translator"]

COMMON: Messages = {
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
    "wrote": ("Wrote {what}", "Escrito: {what}"),
    "ended": (
        "{what} holds a finished training: of the same one nothing is left to do (without --dry-run it is read), and "
        "another needs another folder",
        "{what} já tem um treino terminado: do mesmo não resta nada a fazer (sem --dry-run ele é lido), e outro "
        "precisa de outra pasta",
    ),
    "wrote_both": ("Wrote {result} and {queries}", "Escritos: {result} e {queries}"),
    "embedded": (
        "{out}: {images} images and {texts} texts embedded, {old_images} and {old_texts} were there already or occur "
        "twice, in {seconds} s",
        "{out}: {images} imagens e {texts} textos vetorizados, {old_images} e {old_texts} já estavam lá ou se repetem, "
        "em {seconds} s",
    ),
    "skipped_row": ("skipped {source}: {reason}", "deixada de fora: {source}: {reason}"),
    "report_at": ("Report: {path}", "Relatório: {path}"),
}

TABLES: list[Messages] = [
    COMMON, BOARD, COMPARISON, COSTS, DEMO, DOCTOR, EVALUATION, LANGUAGES, LEADERBOARD, LEAKAGE, LOOK, PROFILE,
    RERANKING, WORDS,
]  # fmt: skip
"""Every table of the pages and of the terminal; a page adds its own here."""


def translator(locale: str) -> Translate:
    """A function from the names of all messages to the messages of one language.

    >>> t = translator("pt-BR")
    >>> t("and_more", n=3)
    'e mais 3'

    Raises:
        ConfigError: pages are not written in that language.
    """
    return translator_of(locale, *TABLES)
