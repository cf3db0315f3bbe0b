"""Random tables and random conditions on them, in Luneta's language of filters and in SQL."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from luneta.filters import quoted_text

STYLES = ["Cubism", "cubism", "Arte d'época", "100%", "a_b", "a\\b", "a\nb", "", "ç", "zz", "日本"]
TAGS = ["sea", "sky", "d'or", "", "a\x1fb"]
DAYS = [datetime.date(1889, 6, 18), datetime.date(1970, 1, 1), datetime.date(2024, 2, 29)]
TIMES = [datetime.datetime(2024, 2, 29, 12, 30, 0, 250_000), datetime.datetime(1969, 12, 31, 23, 59, 59)]

SCHEMA = pa.schema(
    [
        ("year", pa.int64()),
        ("small", pa.int8()),
        ("count", pa.uint16()),
        ("price", pa.float64()),
        ("weight", pa.float32()),
        ("Estilo (época)", pa.string()),
        ("style", pa.dictionary(pa.int32(), pa.string())),
        ("sold", pa.bool_()),
        ("tags", pa.list_(pa.string())),
        ("day", pa.date32()),
        ("seen", pa.timestamp("ms")),
        ("sent", pa.timestamp("us", tz="UTC")),
    ]
)
NUMBERS = [-(2**63), -129, -1, 0, 1, 2, 3, 127, 128, 1900, 2**53 + 1, 2**63 - 1, 2**64, -0.5, 0.1, 1.5, 1e30]


VALUES: dict[str, list[Any]] = {
    "year": [v for v in NUMBERS if isinstance(v, int) and v < 2**63],
    "small": [-128, -1, 0, 1, 2, 3, 127],
    "count": [0, 1, 2, 3, 127, 128, 1900],
    "price": [0.1, -0.5, 1.5, 2.0, 1900.0, math.nan, math.inf, -math.inf, 0.0],
    "weight": [0.1, -0.5, 1.5, 2.0, 1900.0, math.nan, math.inf, -math.inf, 0.0],
    "Estilo (época)": STYLES,
    "style": STYLES,
    "sold": [True, False],
    "tags": [[], [None], *([tag] for tag in TAGS), ["sea", None, "sky"], ["sky", "sky", ""]],
    "day": DAYS,
    "seen": [*TIMES, *(datetime.datetime.combine(day, datetime.time()) for day in DAYS)],
    "sent": [*TIMES, *(datetime.datetime.combine(day, datetime.time()) for day in DAYS)],
}
"""What may stand in a column beside null, few values so that comparisons meet equals."""


def cells(field: pa.Field) -> st.SearchStrategy[Any]:
    return st.none() | st.sampled_from(VALUES[field.name])


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    n = draw(st.integers(0, 12))
    columns = [pa.array([draw(cells(field)) for _ in range(n)], field.type) for field in SCHEMA]
    table = pa.table(columns, schema=SCHEMA)
    cut = draw(st.integers(0, n))  # in two chunks, one of them a slice of a longer array
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)])


@dataclass(frozen=True)
class Pair:
    """The same condition in Luneta's language and in DuckDB's."""

    ours: str
    sql: str


def number(value: float) -> str:
    return repr(value)


def sql_column(field: pa.Field) -> str:
    name = '"' + field.name + '"'
    if pa.types.is_floating(field.type):
        return f"nullif({name}, 'nan'::{'FLOAT' if field.name == 'weight' else 'DOUBLE'})"
    return name


@st.composite
def values(draw: st.DrawFn, field: pa.Field) -> Pair:
    if pa.types.is_integer(field.type):
        value = draw(st.sampled_from(NUMBERS))
        exact = f"{value}::DECIMAL(38, 1)" if abs(value) < 1e20 else "1e30::DECIMAL(38, 1)"
        return Pair(number(value), exact)
    if pa.types.is_floating(field.type):
        value = draw(st.sampled_from([0.1, -0.5, 1.5, 2, 1900, 0, 1e30]))
        return Pair(number(value), f"{value!r}::{'FLOAT' if field.name == 'weight' else 'DOUBLE'}")
    if pa.types.is_boolean(field.type):
        word = draw(st.sampled_from(["true", "false"]))
        return Pair(word, word)
    if field.name == "day":
        moment = draw(st.sampled_from([*DAYS, datetime.datetime(1970, 1, 1, 12)]))
        return Pair(f"'{moment.isoformat()}'", f"TIMESTAMP '{moment}'")
    if field.name in ("seen", "sent"):
        moment = draw(st.sampled_from([*TIMES, *DAYS, TIMES[0] + datetime.timedelta(microseconds=1)]))
        zone = "" if field.name == "seen" else draw(st.sampled_from(["", "Z"]))
        zone = zone if isinstance(moment, datetime.datetime) else ""
        word = "TIMESTAMP" if field.name == "seen" else "TIMESTAMPTZ"  # the connection's zone is UTC
        return Pair(f"'{moment.isoformat()}{zone}'", f"{word} '{moment}'")
    text = draw(st.sampled_from(TAGS if field.name == "tags" else STYLES))
    return Pair(quoted_text(text), "'" + text.replace("'", "''") + "'")


PATTERNS = ["%", "_", "", "C%", "%bism", "%b%", "a_b", r"a\_b", r"100\%", r"a\\b", "%d'%", "a%b", "__", "%é%"]


@st.composite
def predicates(draw: st.DrawFn) -> Pair:
    field = draw(st.sampled_from(list(SCHEMA)))
    ours = field.name if field.name.isalnum() else draw(st.sampled_from([f'"{field.name}"', f"`{field.name}`"]))
    sql = sql_column(field)
    negative = draw(st.sampled_from(["", "not "]))
    kinds = ["null", "contains"] if field.name == "tags" else ["null", "compare", "in", "between"]
    kinds += ["like"] if field.name in ("style", "Estilo (época)") else []
    kind = draw(st.sampled_from(kinds))
    if kind == "null":
        return Pair(f"{ours} is {negative}null", f"{sql} is {negative}null")
    value = draw(values(field))
    if kind == "contains":
        return Pair(f"{ours} {negative}contains {value.ours}", f"{negative}list_contains({sql}, {value.sql})")
    if kind == "like":
        text = quoted_text(draw(st.sampled_from(PATTERNS)))
        return Pair(f"{ours} {negative}like {text}", rf"{sql} {negative}like {text} escape '\'")
    if kind == "in":
        more = [value, *draw(st.lists(values(field), max_size=2))]
        ours_list, sql_list = ", ".join(v.ours for v in more), ", ".join(v.sql for v in more)
        return Pair(f"{ours} {negative}in ({ours_list})", f"{sql} {negative}in ({sql_list})")
    if kind == "compare" or field.name == "sold":
        signs = ["=", "!="] if field.name == "sold" else ["=", "==", "!=", "<>", "<", "<=", ">", ">="]
        sign = draw(st.sampled_from(signs))
        return Pair(f"{ours} {sign} {value.ours}", f"{sql} {'=' if sign == '==' else sign} {value.sql}")
    high = draw(values(field))
    return Pair(
        f"{ours} {negative}between {value.ours} and {high.ours}", f"{sql} {negative}between {value.sql} and {high.sql}"
    )


def joined(parts: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    return st.one_of(
        parts.map(lambda p: Pair(f"not {p.ours}", f"not {p.sql}")),
        parts.map(lambda p: Pair(f"({p.ours})", f"({p.sql})")),
        st.tuples(parts, st.sampled_from(["and", "or", "AND"]), parts).map(
            lambda t: Pair(f"{t[0].ours} {t[1]} {t[2].ours}", f"{t[0].sql} {t[1]} {t[2].sql}")
        ),
    )


conditions = st.recursive(predicates(), joined, max_leaves=6)
