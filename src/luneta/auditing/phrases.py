"""What an audit says, in English and in Brazilian Portuguese."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luneta.wording import Messages, translator_of, written

AUDIT: Messages = {
    "rows_read": ("{source}: {n:,} rows", "{source}: {n:,} linhas"),
    "queries_of": ("{data}: {n:,} queries", "{data}: {n:,} consultas"),
    "all_rows": ("all rows", "todas as linhas"),
    "row": ("row {row}", "linha {row}"),
    "proved": ("Proved", "Provado"),
    "suspicious": ("Suspicious", "Suspeito"),
    "kind_order": ("order", "ordem"),
    "kind_range": ("range", "faixa"),
    "kind_bounds": ("bounds", "limites"),
    "kind_count": ("count", "contagem"),
    "kind_copies": ("copies", "cópias"),
    "kind_noise": ("noise", "ruído"),
    "kind_units": ("units", "unidades"),
    "kind_columns": ("columns", "colunas"),
    "kind_unreadable": ("unreadable", "ilegível"),
    "nothing": (
        "Nothing that cannot be was found. That is no proof that the numbers are right.",
        "Não se achou nada impossível. Isso não prova que os números estejam certos.",
    ),
    "how_to_read": (
        "Proofs take recall@k for the share of queries with a hit in the first k, rounded or cut off; rows are "
        "numbered from 0.",
        "As provas tomam recall@k pela parcela das consultas com um acerto entre os k primeiros, arredondada ou "
        "truncada; as linhas se contam a partir de 0.",
    ),
    "about": ("{label}: {why}", "{label}: {why}"),
    "no_share": ("{text} is no share", "{text} não é uma parcela"),
    "falls": (
        "recall@{m} = {more} is below recall@{k} = {less}, although whatever is among the first {k} is among the first "
        "{m} too",
        "recall@{m} = {more} fica abaixo de recall@{k} = {less}, embora o que está entre os {k} primeiros esteja "
        "também entre os {m} primeiros",
    ),
    "outside": (
        "{given} leave {metric} between {low:.5f} and {high:.5f} ({assumption}), printed is {text}",
        "{given} deixam {metric} entre {low:.5f} e {high:.5f} ({assumption}), e está impresso {text}",
    ),
    "cut_at": ("ranks beyond {cut} count nothing", "posições além de {cut} não contam"),
    "whole_ranking": ("over the whole ranking", "sobre a ordenação inteira"),
    "no_hit_is_zero": (
        "a query without a hit has average precision 0",
        "uma consulta sem acerto tem precisão média 0",
    ),
    "any_relevant": ("whatever the number of relevant items", "qualquer que seja o número de itens relevantes"),
    "one_relevant": (
        "if every query has one relevant item",
        "se cada consulta tem um só item relevante",
    ),
    "median_too_good": (
        "half of the queries are found by rank {text}, but recall@{k} is {recall}",
        "metade das consultas é achada até a posição {text}, mas recall@{k} é {recall}",
    ),
    "median_too_bad": (
        "recall@{k} is {recall}: more than half are found by rank {k}, but the median is {text}",
        "recall@{k} é {recall}: mais da metade é achada até a posição {k}, mas a mediana é {text}",
    ),
    "no_whole_number": (
        "{metric} = {text} is no whole number of hits: {below}, {above}",
        "{metric} = {text} não é um número inteiro de acertos: {below}, {above}",
    ),
    "hits": ("{hits} of {n:,} is {share:.{digits}f}", "{hits} de {n:,} é {share:.{digits}f}"),
    "other_count": (
        "the other {n_others} rows{of_data} fit {n:,} queries, this one does not: {misfit}{fits}. Odds that all rows "
        "share one number of queries: 1 to 10^{odds:.1f}",
        "as outras {n_others} linhas{of_data} combinam com {n:,} consultas, esta não: {misfit}{fits}. Chances de que "
        "todas as linhas tenham o mesmo número de consultas: 1 para 10^{odds:.1f}",
    ),
    "of_data": (" of {data}", " de {data}"),
    "fits": (". It fits {n:,} queries", ". Ela combina com {n:,} consultas"),
    "sampled": (
        "fits {n:,} queries, but all its numbers fit {small:,} as well, which happens to about 1 in {one_in:,.0f} rows "
        "of {n:,}: it may have been measured on a sample",
        "combina com {n:,} consultas, mas todos os seus números combinam também com {small:,}, o que acontece com "
        "cerca de 1 em {one_in:,.0f} linhas de {n:,}: pode ter sido medida em uma amostra",
    ),
    "copy_differs": (
        "row {row} says the same is another number: {shown:, }. {reading}",
        "a linha {row} dá outro número para o mesmo: {shown:, }. {reading}",
    ),
    "copies_differ": (
        "row {row} says the same is other numbers: {shown:, }.{gap} {reading}",
        "a linha {row} dá outros números para o mesmo: {shown:, }.{gap} {reading}",
    ),
    "two_numbers": ("{metric} {before} and {after}", "{metric} {before} e {after}"),
    "same_gap": (" Every one is off by exactly {gap:g}.", " Todos diferem exatamente em {gap:g}."),
    "one_is_wrong": ("At most one copy is right", "No máximo uma das cópias está certa"),
    "two_runs": (
        "Either they are different runs or one is wrong",
        "Ou são execuções diferentes, ou uma está errada",
    ),
    "within_noise": (
        "{data}: differences within the noise of {n:,} queries, unless compared query by query: {close:; }",
        "{data}: diferenças dentro do ruído de {n:,} consultas, a menos que comparadas consulta por consulta: "
        "{close:; }",
    ),
    "close": (
        "{better} over {worse} by {hits} hits of {n:,} ({gap:.4f}, noise {margin:.4f})",
        "{better} acima de {worse} por {hits} acertos em {n:,} ({gap:.4f}, ruído {margin:.4f})",
    ),
    "columns_apart": (
        "{columns} stand {n} times and nothing says of what: columns {groups} (counted from 1) were read apart",
        "{columns} aparecem {n} vezes e nada diz de quê: as colunas {groups} (contadas a partir de 1) foram lidas em "
        "separado",
    ),
    "no_number": ("{cell!r} is no number and was left out", "{cell!r} não é um número e ficou de fora"),
    "two_readings": (
        "{cell!r} could be {one} or {other} and was left out",
        "{cell!r} pode ser {one} ou {other} e ficou de fora",
    ),
    "only_in_percent": (
        "can be true only in percent, although nothing says so. As fractions, {why}",
        "só podem ser verdade como porcentagens, embora nada o diga. Como frações, {why}",
    ),
    "percent_among_fractions": (
        "read as percent, where most rows are fractions: mixed units",
        "lido como porcentagem, onde a maioria das linhas traz frações: unidades misturadas",
    ),
    "fractions_among_percent": (
        "read as fractions, where most rows are percent: mixed units",
        "lido como frações, onde a maioria das linhas traz porcentagens: unidades misturadas",
    ),
}  # fmt: skip
"""Message name -> (English, Brazilian Portuguese); what was printed in a table stays as it was printed.

Behind the colon of a list stands what comes between its parts.
"""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Something said, in no language yet.

    Attributes:
        name: of its message.
        values: its parameters: numbers, text that stays as it is, phrases, and lists of phrases.
    """

    name: str
    values: Mapping[str, Any]

    def text(self, locale: str = "en") -> str:
        """The phrase in one language.

        >>> phrase("row", row=3).text("pt-BR")
        'linha 3'
        """
        return _Numbers(locale).vformat(translator_of(locale, AUDIT)(self.name), (), self.values)


def phrase(name: str, /, **values: Any) -> Phrase:
    """A phrase of the table."""
    return Phrase(name, values)


class _Numbers(string.Formatter):
    """Writes numbers and phrases as a language does."""

    def __init__(self, locale: str) -> None:
        self.locale = locale

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Phrase):
            return value.text(self.locale)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return format_spec.join(one.text(self.locale) for one in value)
        text: str = super().format_field(value, format_spec)
        return written(text, self.locale) if isinstance(value, int | float) else text
