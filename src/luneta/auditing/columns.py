"""What the columns of a published table are, and its rows as claims that can be checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from luneta.auditing.findings import Finding
from luneta.auditing.headers import by_occurrence, is_top_percent, metric_of
from luneta.auditing.phrases import phrase
from luneta.auditing.printed import Printed, TwoReadings, parse, parse_count, parse_rank
from luneta.auditing.tables import Table
from luneta.auditing.units import Cell, says_percent, ways
from luneta.errors import ConfigError, did_you_mean

_MODEL = re.compile(r"model|encoder|method|checkpoint|backbone|system|modelo|m[eé]todo|sistema", re.IGNORECASE)
_DATA = re.compile(r"data|benchmark|corpus|conjunto|base\b", re.IGNORECASE)
_PLACE = re.compile(r"^(?:table|tabela|tab|section|se[cç][aã]o|page|p[aá]gina)$", re.IGNORECASE)
_COUNT = re.compile(r"^(?:n|#)?[ _-]*(?:queries|consultas|n_texts|texts|n)$|^num[ _](?:queries|texts)$", re.IGNORECASE)
_GALLERY = re.compile(r"gallery|galeria|images|imagens|items|itens", re.IGNORECASE)
_REMARK = re.compile(r"[\s(\[{]*(?:\([^()]*\)|\[[^\[\]]*\]|[)\]}*†‡])\s*$")


@dataclass(frozen=True, slots=True)
class Claim:
    """One row's numbers for one data set.

    Attributes:
        table: which of the file's tables it stands in, from 0.
        row: its place among the data rows of the file, from 0.
        keys: every cell that is neither a metric nor a count, by column: what two copies of a row must share.
        model: who was measured.
        data: what it was measured on, in words that equal rows share; empty when the table does not say.
        block: what its columns have in their names beside the metric: "COCO T2I".
        ways: metric such as "recall@5" -> what is printed, in every reading of its units that the signs and sizes of
            the numbers allow; the one that is taken comes first.
        percent_said: whether anything in the table is in percent.
        columns: metric -> name of its column.
        n_queries: the stated number of queries, if any.
        place: which of several copies of a table it stands in, if the table says.
    """

    table: int
    row: int
    keys: dict[str, str]
    model: str
    data: str
    place: str
    block: str
    ways: tuple[dict[str, Printed], ...]
    percent_said: bool
    columns: dict[str, str]
    n_queries: int | None = None

    @property
    def label(self) -> str:
        """Who and on what; empty when the table says neither."""
        return ", ".join(part for part in (self.model, self.data) if part)

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
        """What two copies of a row share; a remark such as "(updated)" or a stray bracket at the end aside."""
        return tuple((name, without_remark(text)) for name, text in sorted(self.keys.items()))


@dataclass(frozen=True, slots=True)
class Reading:
    """A table understood.

    Attributes:
        claims: rows that hold at least one metric.
        remarks: cells that were unclear.
        has_data: whether the table says what each row was measured on.
    """

    claims: list[Claim]
    remarks: list[Finding] = field(default_factory=list)
    has_data: bool = False


@dataclass(frozen=True, slots=True)
class _Column:
    index: int
    name: str
    metric: str
    block: str  # what stands before the metric in the column's name: "COCO T2I"


def without_remark(text: str) -> str:
    """A name without what was added behind it, and without case.

    >>> without_remark("Artificio/WikiArt (ATUALIZADO)")
    'artificio/wikiart'
    """
    before = ""
    while before != text:
        before, text = text, _REMARK.sub("", text)
    return " ".join(text.split()).casefold()


def read(
    table: Table, number: int, first_row: int, queries: int | None, queries_column: str | None, place: str
) -> Reading:
    """Tell metrics, counts and names apart and take the rows for what they claim.

    Raises:
        ConfigError: no metric column, a column that does not exist, or a cell of a metric that is no number.
    """
    columns, unclear = _metric_columns(table.header)
    if not columns:
        raise ConfigError(
            "no column of a retrieval metric (recall@1, R@5, MRR, nDCG@10, ...) among: "
            + ", ".join(name or "(no name)" for name in table.header)
        )
    count = _count_column(table, queries_column)
    others = [i for i in range(len(table.header)) if i != count and all(c.index != i for c in columns)]
    names = {i: table.header[i] or f"column {i}" for i in others}
    places = [i for i in others if _PLACE.match(names[i])]
    others = [i for i in others if i not in places]
    texts = [i for i in others if not _is_number_column(table, i) or _GALLERY.search(names[i])]
    models = [i for i in texts if _MODEL.search(names[i])] or texts[:1]
    data = [i for i in texts if i not in models and _DATA.search(names[i])]
    protocol = [i for i in texts if i not in models]

    parsed, remarks = _numbers(table, columns, first_row)
    percent_said = says_percent(
        (c.metric, parsed[r, c.index]) for r in range(len(table.rows)) for c in columns if (r, c.index) in parsed
    )
    reading = Reading([], unclear + remarks, has_data=bool(data) or any(column.block for column in columns))
    for r, cells in enumerate(table.rows):
        n_queries = _count(cells[count], table.header[count], first_row + r) if count is not None else None
        for block in dict.fromkeys(column.block for column in columns):
            here = [c for c in columns if c.block == block and (r, c.index) in parsed]
            if not here:
                continue
            about = " ".join(part for part in (*(cells[i] for i in protocol), block) if part)
            reading.claims.append(
                Claim(
                    table=number,
                    row=first_row + r,
                    keys={names[i]: cells[i] for i in others} | ({"": block} if block else {}),
                    model=" ".join(cells[i] for i in models if cells[i]),
                    data=about,
                    place=" ".join([place, *(cells[i] for i in places)]).strip(),
                    block=block,
                    ways=ways({c.metric: parsed[r, c.index] for c in here}, percent_said),
                    percent_said=percent_said,
                    columns={c.metric: c.name for c in here},
                    n_queries=n_queries or queries,
                )
            )
    return reading


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


def _count_column(table: Table, wanted: str | None) -> int | None:
    if wanted is not None:
        if wanted not in table.header:
            raise ConfigError(f"no column {wanted!r}. {did_you_mean(wanted, table.header)}")
        return table.header.index(wanted)
    return next((i for i, name in enumerate(table.header) if _COUNT.match(name)), None)


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
    return bool(cells) and all(re.fullmatch(r"[-−+]?[\d.,\s]+%?", cell) for cell in cells)


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
