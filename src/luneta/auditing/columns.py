"""What the columns of a published table are, and its rows as claims that can be checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from luneta.auditing.findings import Finding
from luneta.auditing.headers import (
    by_occurrence,
    direction_of,
    has_spread,
    is_mean,
    is_top_percent,
    metric_of,
    names_data,
)
from luneta.auditing.phrases import phrase
from luneta.auditing.printed import Printed, TwoReadings, parse, parse_count, parse_rank
from luneta.auditing.tables import Table
from luneta.auditing.units import Cell, says_percent, ways
from luneta.errors import ConfigError

_MODEL = re.compile(
    r"model|encoder|method|checkpoint|backbone|system|modelo|m[eé]todo|sistema|codificador", re.IGNORECASE
)
_DATA = re.compile(r"data|benchmark|corpus|conjunto|base\b", re.IGNORECASE)
_TRAINING = re.compile(r"train|tun(?:ed|ing)|trein|ajuste", re.IGNORECASE)
_PLACE = re.compile(r"^(?:table|tabela|tab|section|se[cç][aã]o|page|p[aá]gina)$", re.IGNORECASE)
_BARE_PLACE = re.compile(
    r"(?:(?:table|tabela|tab|section|se[cç][aã]o|sec|page|p[aá]gina|p)\b\.?)?\s*(?:\d+(?:\.\d+)*[a-h]?|[ivx]+|[a-h])"
    r"|(?:by |per |por )?(?:models?|modelos?|encoders?|methods?|m[eé]todos?|data ?sets?|data|conjuntos?(?: de dados)?)",
    re.IGNORECASE,
)
"""Where something stands: a number, or by what a table is ordered. Other words may be about what was measured."""
_COUNT = re.compile(r"^(?:n|#)?[ _-]*(?:queries|consultas|n_texts|texts|n)$|^num[ _](?:queries|texts)$", re.IGNORECASE)
_GALLERY = re.compile(
    r"gallery|galeria|images|imagens|items|itens|sample|amostra|fold|captions|legendas", re.IGNORECASE
)
_STATE = re.compile(
    r"[(\[{]\s*(?:updated|atualizad[oa]|new|nov[oa]|corrected|corrigid[oa]|revised|revisad[oa])\s*[)\]}]$",
    re.IGNORECASE,
)
_STRAY = re.compile(r"^([^(\[{]*)[)\]}]$")


@dataclass(frozen=True, slots=True)
class Claim:
    """One row's numbers for one data set.

    Attributes:
        table: which of the file's tables it stands in, from 0.
        title: caption or headings of that table.
        said: all that tells that table from the one above.
        row: its place among the data rows of the file, from 0.
        keys: every cell that is neither a metric nor a count, by column: what two copies of a row must share.
        model: who was measured.
        data: what it was measured on, in words that equal rows share; empty when the table does not say.
        named: whether columns say both: one is of models, and one of data sets, or its metrics are of one.
        block: what its columns have in their names beside the metric: "COCO T2I".
        ways: metric such as "recall@5" -> what is printed, in every reading of its units that the signs and sizes of
            the numbers allow; the one that is taken comes first.
        percent_said: whether anything in the table is in percent.
        columns: metric -> name of its column.
        n_queries: the stated number of queries, if any.
        count_sure: whether it is this claim's own: not one for several groups of columns.
        mean: whether the numbers are a mean of several, or an expectation: these are no whole numbers of hits.
        place: which of several copies of a table it stands in, if the table says.
    """

    table: int
    title: str
    said: str
    row: int
    keys: dict[str, str]
    model: str
    data: str
    named: bool
    place: str
    block: str
    ways: tuple[dict[str, Printed], ...]
    percent_said: bool
    columns: dict[str, str]
    n_queries: int | None = None
    count_sure: bool = True
    mean: bool = False

    @property
    def where(self) -> str:
        """On what, in words that tell it from the rest of the file."""
        return ", ".join(part for part in (self.title, self.data) if part)

    @property
    def label(self) -> str:
        """Who and on what; empty when the table says neither."""
        return ", ".join(part for part in (self.model, self.where) if part)

    @property
    def group(self) -> tuple[int, str]:
        """What rows of one data set share: what stands in another table may be about other data of the same name."""
        return self.table, without_remark(self.data)

    @property
    def numbers(self) -> dict[str, Printed]:
        """What is printed, in the reading that is taken."""
        return self.ways[0]

    @property
    def recalls(self) -> dict[int, Printed]:
        """k -> recall@k, smallest k first."""
        found = {int(name[7:]): number for name, number in self.numbers.items() if name.startswith("recall@")}
        return dict(sorted(found.items()))

    @property
    def identity(self) -> tuple[tuple[str, str], ...]:
        """What two copies of a row share; "(updated)" or a stray bracket at the end aside."""
        return tuple((name, without_remark(text)) for name, text in sorted(self.keys.items()))


@dataclass(frozen=True, slots=True)
class Reading:
    """A table understood.

    Attributes:
        claims: rows that hold at least one metric.
        remarks: cells that were unclear.
    """

    claims: list[Claim]
    remarks: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Column:
    index: int
    name: str
    metric: str
    block: str  # what stands before the metric in the column's name: "COCO T2I"


def without_remark(text: str) -> str:
    """A name without its case, what says that it was worked on, and a bracket that was left behind.

    >>> without_remark("Artificio/WikiArt (ATUALIZADO)"), without_remark("COCO (1K)")
    ('artificio/wikiart', 'coco (1k)')
    """
    before = ""
    while before != text:
        before, text = text, _STRAY.sub(r"\1", _STATE.sub("", text.strip()))
    return " ".join(text.split()).casefold()


def read(table: Table, number: int, title: str, first_row: int, queries: int | None, count: int | None) -> Reading:
    """Tell metrics, counts and names apart and take the rows for what they claim.

    Args:
        table: one that `holds_metrics`.
        number: its place among the tables of the file.
        title: what it is called there.
        first_row: the number of its first row in the file.
        queries: number of queries of rows that do not say.
        count: column that holds it.

    Raises:
        ConfigError: a cell of a number of queries that is none, or no number under any metric.
    """
    columns, unclear = _metric_columns(table.header)
    roles = _roles(table, [*(c.index for c in columns), *([] if count is None else [count])])
    parsed, remarks = _numbers(table, columns, first_row)
    percent_said = says_percent(
        (c.metric, parsed[r, c.index]) for r in range(len(table.rows)) for c in columns if (r, c.index) in parsed
    )
    blocks = list(dict.fromkeys(column.block for column in columns))
    of_texts = count is not None and "text" in table.header[count].lower()  # they query for images only
    reading = Reading([], unclear + remarks)
    for r, (cells, section) in enumerate(zip(table.rows, table.sections, strict=True)):
        n_queries = _count(cells[count], table.header[count], first_row + r) if count is not None else None
        n_queries = n_queries or queries
        for block in blocks:
            here = [c for c in columns if c.block == block and (r, c.index) in parsed]
            if not here:
                continue
            says_data = any(cells[i] for i in roles.data) or names_data(block)
            about = [*(cells[i] for i in roles.protocol), section, block]
            if not says_data:  # another table may be of other data
                about = [*(f"{table.header[i]} {cells[i]}" for i in roles.places), *about]
            reading.claims.append(
                Claim(
                    table=number,
                    title=title,
                    said=table.said,
                    row=first_row + r,
                    keys={name: cells[i] for i, name in roles.keys.items()} | {"": f"{section} {block}".strip()},
                    model=" ".join(cells[i] for i in roles.models if cells[i]),
                    data=" ".join(part for part in about if part),
                    named=roles.models_named and says_data,
                    place=" ".join(cells[i] for i in roles.places),
                    block=block,
                    ways=ways({c.metric: parsed[r, c.index] for c in here}, percent_said),
                    percent_said=percent_said,
                    columns={c.metric: c.name for c in here},
                    n_queries=None if of_texts and direction_of(" ".join(about)) == "image_to_text" else n_queries,
                    count_sure=of_texts or len(blocks) == 1,
                    mean=is_mean(f"{table.title} {table.said}")
                    or any(map(is_mean, [*cells, section, block]))
                    or any(has_spread(cells[c.index]) for c in here),
                )
            )
    return reading


def holds_metrics(table: Table) -> bool:
    return any(metric_of(name) for name in table.header)


def count_column(table: Table, wanted: str | None) -> int | None:
    """The column of numbers of queries."""
    if wanted is not None:
        return table.header.index(wanted) if wanted in table.header else None
    return next((i for i, name in enumerate(table.header) if _COUNT.match(name)), None)


@dataclass(frozen=True, slots=True)
class _Roles:
    """What the columns are that hold no metric.

    Attributes:
        keys: all of them, but for places -> their names, each once.
        models: who was measured.
        models_named: whether a name says so.
        data: on what.
        protocol: all words that are not of the model.
        places: which of several copies of a table a row stands in.
    """

    keys: dict[int, str]
    models: list[int]
    models_named: bool
    data: list[int]
    protocol: list[int]
    places: list[int]


def _roles(table: Table, taken: Sequence[int]) -> _Roles:
    header = table.header
    others = [i for i in range(len(header)) if i not in taken]
    places = [
        i for i in others
        if _PLACE.match(header[i]) and all(_BARE_PLACE.fullmatch(row[i].strip()) for row in table.rows if row[i])
    ]  # fmt: skip
    others = [i for i in others if i not in places]
    texts = [i for i in others if not _is_number_column(table, i) or _GALLERY.search(header[i])]
    models = [i for i in texts if _MODEL.search(header[i])]
    data = [i for i in texts if i not in models and _DATA.search(header[i]) and not _TRAINING.search(header[i])]
    guessed = models or [i for i in texts if i not in data][:1]
    keys = {i: header[i] if header[i] and header.count(header[i]) == 1 else f"{header[i]} {i + 1}" for i in others}
    return _Roles(keys, guessed, bool(models), data, [i for i in texts if i not in guessed], places)


def _metric_columns(header: Sequence[str]) -> tuple[list[_Column], list[Finding]]:
    """The columns of metrics; those that stand several times with equal names are kept apart by their places."""
    found = {i: metric for i, name in enumerate(header) if (metric := metric_of(name)) is not None}
    plain = {metric for i, metric in found.items() if not is_top_percent(header[i])}
    found = {i: metric for i, metric in found.items() if not (is_top_percent(header[i]) and metric in plain)}
    blocks = {i: block for i, (_, block) in found.items()}
    remarks = []
    for block in dict.fromkeys(blocks.values()):
        own = {i: metric for i, (metric, around) in found.items() if around == block}
        groups, alone = by_occurrence(own)
        if len(groups) == 1:
            continue
        apart = [*groups, *([i] for i in alone)]
        names = ["#" + ",".join(str(i + 1) for i in group) for group in apart]
        blocks |= {i: f"{block} {name}".strip() for name, group in zip(names, apart, strict=True) for i in group}
        twice = ", ".join(dict.fromkeys(header[i] for group in groups for i in group))
        why = phrase("columns_apart", columns=twice, n=len(groups), groups="; ".join(names))
        remarks.append(Finding(None, header[groups[0][0]], "columns", "suspicious", why))
    return [_Column(i, header[i], metric, blocks[i]) for i, (metric, _) in found.items()], remarks


def _count(cell: str, column: str, row: int) -> int | None:
    try:
        return parse_count(cell)
    except ValueError:
        raise ConfigError(f"row {row}, column {column!r}: {cell!r} is not a number of queries") from None


def _decimal_mark(table: Table, columns: Sequence[_Column]) -> str | None:
    """What stands before the decimals of shares; None where there are none, or both marks."""
    cells = "".join(row[c.index] + " " for row in table.rows for c in columns if c.metric != "median_rank")
    marks = set(re.findall(r"\d([.,])\d", cells))
    return marks.pop() if len(marks) == 1 else None


def _is_number_column(table: Table, column: int) -> bool:
    cells = [row[column] for row in table.rows if row[column].strip()]
    return bool(cells) and all(re.fullmatch(r"[\d.,;:%\s()\[\]+−–±-]+", cell) for cell in cells)


def _numbers(
    table: Table, columns: Sequence[_Column], first_row: int
) -> tuple[dict[tuple[int, int], Cell], list[Finding]]:
    """(row, column) -> what a metric's cell says; and the cells that say nothing clear."""
    found: dict[tuple[int, int], Cell] = {}
    remarks: list[Finding] = []
    mark = _decimal_mark(table, columns)
    for r, cells in enumerate(table.rows):
        for column in columns:
            text = cells[column.index]
            try:
                number = parse_rank(text, mark) if column.metric == "median_rank" else parse(text)
            except TwoReadings as error:
                why = phrase("two_readings", cell=text, one=error.one, other=error.other)
            except ValueError:
                why = phrase("no_number", cell=text)
            else:
                if number is not None:
                    value, decimals, percent = number
                    found[r, column.index] = Cell(text, value, decimals, percent or "%" in column.name)
                continue
            remarks.append(Finding(first_row + r, column.name, "unreadable", "suspicious", why))
    if not found:
        raise ConfigError(f"the columns {', '.join(c.name for c in columns)} hold no number")
    return found, remarks
