"""Filters choose the rows that SQL chooses (DuckDB is asked), and what cannot be read says where and why."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import re
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filtering import Pair, conditions, tables
from luneta.errors import ConfigError
from luneta.filters import milvus_name, parse_filter, quoted_name, quoted_text


@pytest.fixture(scope="module")
def duck() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    return connection


@settings(max_examples=150)
@given(table=tables(), condition=conditions)
def test_chooses_the_rows_that_duckdb_chooses(
    duck: duckdb.DuckDBPyConnection, table: pa.Table, condition: Pair
) -> None:
    numbered = table.append_column("row", pa.array(np.arange(len(table))))
    duck.register("numbered", numbered)
    expected = [
        row for (row,) in duck.execute(f"select row from numbered where {condition.sql} order by row").fetchall()
    ]
    filter = parse_filter(condition.ours)
    assert np.flatnonzero(filter.mask(table)).tolist() == expected
    expression = filter.to_arrow(table.schema)
    assert numbered.filter(expression)["row"].to_pylist() == expected
    assert ds.dataset(numbered).to_table(filter=expression)["row"].to_pylist() == expected


def rows(text: str, **columns: Any) -> list[int]:
    return np.flatnonzero(parse_filter(text).mask(pa.table(columns))).tolist()


def test_names_and_texts_with_quotes_of_their_own_come_back_whole() -> None:
    name, value = 'The "old" `name`', "d'Orsay, ''quai''"
    table = pa.table({name: [value, "x"]})
    backticked = "`" + name.replace("`", "``") + "`"
    for written in (quoted_name(name), backticked):
        assert parse_filter(f"{written} = {quoted_text(value)}").mask(table).tolist() == [True, False]


def test_names_are_words_of_any_alphabet_and_keywords_when_quoted() -> None:
    assert rows(
        "título = 'a' and 年 < 2 and \"not\" = true", título=["a", "a"], 年=[1, 2], **{"not": [True, True]}
    ) == [0]


def test_columns_says_each_column_once_in_order() -> None:
    assert parse_filter("b = 1 or not (a in (1) and b is null)").columns == ("b", "a")


def test_and_binds_more_than_or_and_not_more_than_and() -> None:
    assert rows("a = 1 or b = 1 and c = 1", a=[1, 0, 0], b=[1, 1, 1], c=[0, 1, 0]) == [0, 1]
    assert rows("not a = 1 and b = 1", a=[0, 0, 1], b=[1, 0, 0]) == [0]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("n < 1.5", [0, 1]), ("n <= 1.5", [0, 1]), ("n > 1.5", [2]), ("n >= 1.5", [2]), ("n = 1.5", []),
        ("n != 1.5", [0, 1, 2]), ("not n = 1.5", [0, 1, 2]), ("n < 128", [0, 1, 2]), ("n <= 1e9", [0, 1, 2]),
        ("n > 128", []), ("n >= 128", []), ("n < -129", []), ("n > -129", [0, 1, 2]), ("n >= -128.5", [0, 1, 2]),
        ("n in (1.5, 128)", []), ("n not in (1.5, 128)", [0, 1, 2]), ("n in (1.5, 127)", [2]),
    ],
)  # fmt: skip
def test_integers_are_compared_with_what_they_cannot_hold(text: str, chosen: list[int]) -> None:
    assert rows(text, n=pa.array([-128, 1, 127, None], pa.int8())) == chosen


def test_times_are_compared_to_the_microsecond() -> None:
    seen = pa.array([datetime.datetime(2024, 1, 1, microsecond=n) for n in (1_000, 2_000)], pa.timestamp("ms"))
    assert rows("t < '2024-01-01T00:00:00.001001'", t=seen) == [0]
    assert rows("t = '2024-01-01T00:00:00.001001'", t=seen) == []
    assert rows("t < '2024-01-01T00:00:00.001'", t=seen) == []


def test_like_reaches_over_line_ends_and_anchors_at_both() -> None:
    texts = ["a\nb", "a\nb\n", "xa\nb", "a.b"]
    assert rows("s like 'a_b'", s=texts) == [0, 3]
    assert rows("s like 'a%b'", s=texts) == [0, 3]
    assert rows("s like 'a.b'", s=texts) == [3]


def test_integers_beyond_floats_are_told_apart() -> None:
    assert rows(f"n > {2**53}", n=[2**53, 2**53 + 1]) == [1]
    assert rows(f"n = {2**64 - 1}", n=pa.array([2**64 - 1, 2**64 - 2], pa.uint64())) == [0]


def test_a_decimal_and_a_half_float_are_numbers() -> None:
    decimals = pa.array([decimal.Decimal("1.25"), decimal.Decimal("2.00")])
    assert rows("n < 1.5", n=decimals) == [0]
    assert rows("n < 1.5", n=pa.array(np.array([1, 2], np.float16))) == [0]


def test_large_and_fixed_lists_are_lists() -> None:
    lists = [["a", None], ["b", "a"], [None, "c"], None]
    for kind in (pa.large_list(pa.large_string()), pa.list_(pa.string(), 2), pa.large_list(pa.string())):
        table = pa.table({"tags": pa.array(lists, kind), "n": range(4)})
        condition = parse_filter("tags contains 'a'")
        assert condition.mask(table).tolist() == [True, True, False, False]
        assert table.filter(condition.to_arrow(table.schema))["n"].to_pylist() == [0, 1]


def test_times_in_a_zone_are_the_same_moments() -> None:
    table = {"t": pa.array([datetime.datetime(2024, 1, 1, 3)], pa.timestamp("s")).cast(pa.timestamp("s", "UTC"))}
    table["t"] = table["t"].cast(pa.timestamp("s", "America/Sao_Paulo"))
    assert rows("t = '2024-01-01T00:00:00-03:00' and t = '2024-01-01T03:00'", **table) == [0]


COLUMNS = pa.schema(
    [
        ("year", pa.int64()), ("style", pa.string()), ("sold", pa.bool_()), ("tags", pa.list_(pa.string())),
        ("seen", pa.timestamp("us")), ("day", pa.date32()), ("price", pa.float32()), ("blob", pa.binary()),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("", 1, "it is empty"),
        ("   ", 1, "it is empty"),
        ("year <", 7, "expected a value"),
        ("year < 'abc", 8, "single quote is missing"),
        ('year < 3 and "abc', 14, "is missing"),
        ("year = null", 8, "write is null"),
        ("year is 3", 9, "expected null or not null"),
        ("year is not 3", 13, "expected null, not '3'"),
        ('style = "Cubism"', 9, "text goes in single quotes"),
        ("year = 3 style = 'a'", 10, "expected and, or, or the end"),
        ("(year = 3", 10, "expected and, or, or )"),
        ("year = 3)", 9, "expected and, or, or the end"),
        ("year in 3", 9, "expected ( and the values"),
        ("year in ()", 10, "expected a value"),
        ("year in (3 4)", 12, "expected , or )"),
        ("year between 3", 15, "expected and, then the upper end"),
        ("year not = 3", 10, "expected a comparison"),
        ("1900 > year", 1, "expected the name of a column"),
        ("and = 3", 1, "expected the name of a column"),
        ("year = 3 && sold = true", 10, "write and, or, not"),
        ("year = 1900s", 8, "no number"),
        ("year = 1e999", 8, "too large"),
        ("year = " + "9" * 65, 8, "too large"),
        ("year; drop", 5, "';' is not known here"),
        ("style like 3", 12, "text in single quotes"),
        ("style like '50\\'", 12, "a backslash stands before"),
        ("style like 'C:\\art%'", 12, "a backslash stands before"),
        ("style = 'a\0b'", 11, "U+0000"),
        ("style = 'a\ud800b'", 11, "U+D800"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, at: int, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_filter(text)
    first, shown, mark = str(raised.value).split("\n")
    assert f"at character {at}:" in first
    assert said in first
    assert mark.index("^") - 2 == at - 1
    assert len(shown) <= len(text) + 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yaer < 3", "no column 'yaer'. Did you mean year?"),
        ("year = '1900'", "'year' holds whole numbers, and '1900' is none of it"),
        ("year = true", "'year' holds whole numbers, and true is none of it"),
        ("style < 3", "'style' holds text (in single quotes), and 3 is none of it"),
        ("price = 'x'", "'price' holds numbers"),
        ("year like '19%'", "'year' holds whole numbers, which like cannot be asked of"),
        ("style contains 'a'", "like '%value%'"),
        ("tags = 'a'", "contains 'value'"),
        ("sold < true", "'sold' holds true and false"),
        ("sold = 1", "'sold' holds true and false, and 1 is none of it"),
        ("seen > 1900", "'seen' holds dates or times"),
        ("seen > '1900'", "ISO 8601"),
        ("seen > '2024-01-01T00:00Z'", "without a zone"),
        ("day = '2024-02-30'", "ISO 8601"),
        ("blob = 'x'", "'blob' holds binary"),
    ],
)
def test_what_a_column_cannot_be_asked_is_refused_by_all_readings(text: str, said: str) -> None:
    condition = parse_filter(text)
    for reading in (
        lambda: condition.mask(COLUMNS.empty_table()),
        lambda: condition.to_arrow(COLUMNS),
        lambda: condition.to_milvus(COLUMNS),
    ):
        with pytest.raises(ConfigError, match=re.escape(said)) as raised:
            reading()
        assert "^" in str(raised.value).splitlines()[-1]


def test_a_column_that_is_there_twice_is_refused() -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(ConfigError, match="2 columns 'a'"):
        parse_filter("a = 1").mask(table)


def test_columns_of_any_type_can_be_asked_for_null() -> None:
    assert rows("blob is null", blob=pa.array([b"x", None])) == [1]


def test_the_window_around_a_far_place_is_short_and_marked() -> None:
    text = "year = 1 or " * 500 + "year ! 3" + " or year = 1" * 500
    with pytest.raises(ConfigError) as raised:
        parse_filter(text)
    _, shown, mark = str(raised.value).split("\n")
    assert shown[mark.index("^")] == "!"
    assert len(shown) < 80


def test_hostile_texts_are_refused_and_long_ones_read() -> None:
    for hostile in ("(" * 10_000, "not " * 4_000 + "a = 1", "a" * 1_000_000, "'" * 9_999, "a = " + "(" * 60 + "1"):
        with pytest.raises(ConfigError):
            parse_filter(hostile)
    many = parse_filter("a in (" + ", ".join(map(str, range(3_000))) + ")" + " or a = 1" * 200)
    assert many.mask(pa.table({"a": [5, 3_000]})).tolist() == [True, False]
    assert rows(f"a like '{'_' * 9_000}%'", a=["x" * 9_000, "x"]) == [0]


@settings(max_examples=300)
@given(
    st.text(max_size=60) | st.lists(st.sampled_from([*"()=<'\"`,.%-", "a", "and", "not", "in", "1", " "])).map("".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert parse_filter(text).columns


def test_milvus_is_told_about_nulls_and_quotes() -> None:
    """That the rows are the same is shown by tests/parity/test_collections.py; here is what it looks like."""
    said = parse_filter(
        "not (style = 'a\"b\\\n' or year in (1, 2)) and tags contains 'x' and seen < '1970-01-01T00:00:01'"
    )
    assert said.to_milvus(COLUMNS) == (
        '(((style is not null and style != "a\\"b\\\\\\n") and (year is not null and not (year in [1, 2])))'
        ' and array_contains(tags, "x") and seen < 1000000)'
    )


@given(st.lists(st.text(min_size=1, max_size=20), min_size=2, max_size=2, unique=True))
def test_names_in_milvus_are_plain_and_differ(names: list[str]) -> None:
    made = [milvus_name(name) for name in names]
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,254}", name) for name in made)
    assert made[0] != made[1]


def test_names_that_milvus_reads_otherwise_are_changed() -> None:
    for name in ("like", "AND", "array_contains", "vector", "id", "_x", "2020", "Ano de criação", "a" * 300):
        assert milvus_name(name) != name
        assert milvus_name(milvus_name(name)) != milvus_name(name)
    assert milvus_name("year") == "year"
