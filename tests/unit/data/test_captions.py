"""Cells to captions: lists are several captions, and what is none is told apart from what is missing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numbered import bytes_of, pairs_of, write_pictures

from luneta.data.captions import MAX_CHARACTERS, caption_problem, read_captions
from luneta.data.cells import flat_strings
from luneta.data.records import table_of
from luneta.data.sources import open_dataset
from luneta.errors import DatasetError

LISTS_AS_TEXT = [
    "['a dog', 'a brown dog']",
    '["a dog", "a brown dog"]',
    "['it\\'s a dog']",
    "['a dog'\n 'a brown dog']",
    "('a dog', 'a brown dog')",
    '["a dog", null]',
    "{'raw': ['a dog']}",
    '[ "um cão", "dois cães" ]',
]


@pytest.mark.parametrize("text", LISTS_AS_TEXT)
def test_lists_written_as_strings_are_seen(text: str) -> None:
    assert caption_problem(text) == "a list of captions written as one string"


@pytest.mark.parametrize(
    "text",
    ["[a dog]", "(a dog)", "[1, 2]", "a dog ['sic']", "{x}", "(two) dogs (three)", "🐕", "犬", "'a', 'b'", "()", "[]"],
)
def test_captions_with_brackets_are_captions(text: str) -> None:
    assert caption_problem(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty caption"),
        ("\u200b", "empty caption"),
        ("a\0dog", "caption with a NUL byte"),
        ("a \ud83d dog", "caption with broken Unicode"),
        ("x" * (MAX_CHARACTERS + 1), "caption of 100,001 characters, more than 100,000"),
    ],
)
def test_what_is_no_caption(text: str, problem: str) -> None:
    assert str(caption_problem(text)).startswith(problem)


def test_the_longest_caption_allowed() -> None:
    assert caption_problem("x" * MAX_CHARACTERS) is None


def captions_of(values: list[Any], max_bad_share: float = 1.0) -> tuple[list[tuple[int, str]], dict[int, list[str]]]:
    table = table_of([{"c": value} for value in values])
    found = read_captions(table, ["c"], np.arange(len(values)), max_bad_share=max_bad_share)
    return list(zip(found.positions.tolist(), found.texts, strict=True)), found.bad


def test_lists_are_several_captions() -> None:
    pairs, bad = captions_of([["a", " b "], ["c"], [], None, ["d", "", None, "e"], [None]])
    assert pairs == [(0, "a"), (0, "b"), (1, "c"), (4, "d"), (4, "e")]
    assert bad == {4: ["empty caption"]}


def test_nulls_are_absent_and_empties_are_bad() -> None:
    assert captions_of(["a", None, "  "]) == ([(0, "a")], {2: ["empty caption"]})


def test_a_column_of_lists_written_as_strings_stops() -> None:
    with pytest.raises(DatasetError, match=r"(?s)'c' holds lists.*row 0: \['a', 'b'\].*literal_eval"):
        captions_of(["['a', 'b']"] * 3 + ["a"], 0.01)
    _, bad = captions_of(["['a', 'b']"] + ["a"] * 200, 0.01)
    assert bad == {0: ["a list of captions written as one string"]}


def test_the_fault_of_five_captions_in_one_string_cannot_happen(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, 3)
    captions = [[f"{i}-{k}" for k in range(5)] for i in range(3)]
    rows = [{"file_name": n, "caption": str(c)} for n, c in zip(names, captions, strict=True)]
    pq.write_table(table_of(rows), tmp_path / "strings.parquet")
    with pytest.raises(DatasetError, match="written as strings"):
        open_dataset(tmp_path / "strings.parquet")
    rows = [{"file_name": n, "caption": c} for n, c in zip(names, captions, strict=True)]
    pq.write_table(table_of(rows), tmp_path / "lists.parquet")
    assert pairs_of(open_dataset(tmp_path / "lists.parquet")) == {(i, f"{i}-{k}") for i in range(3) for k in range(5)}


def test_bad_texts_leave_with_their_pictures_and_nulls_only_in_language_columns(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, 7)
    texts = ["good", "", None, "nul\0byte", "y" * 200_000, "  padded\n", "good"]
    rows = [{"file_name": n, "caption": t, "pt-BR": t} for n, t in zip(names, texts, strict=True)]
    pq.write_table(table_of(rows), tmp_path / "t.parquet")
    data = open_dataset(tmp_path / "t.parquet", text="caption", max_bad_share=0.6)
    assert pairs_of(data) == {(0, "good"), (5, "padded"), (6, "good")}
    assert [(row.row, row.reason) for row in data.skipped] == [
        (1, "empty caption"),
        (2, "no caption"),
        (3, "caption with a NUL byte"),
        (4, "caption of 200,000 characters, more than 100,000"),
    ]
    with pytest.raises(DatasetError, match="4 of 7 rows are bad"):
        open_dataset(tmp_path / "t.parquet", text="caption", max_bad_share=0.57)
    spoken = open_dataset(tmp_path / "t.parquet", text="pt-BR", max_bad_share=0.43)
    assert [row.reason for row in spoken.skipped if row.row == 2] == ["no caption in pt-BR"]


def test_captions_that_leave_a_row_which_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = write_pictures(tmp_path, 4)
    captions = [["a dog", "", None, "nul\0", "b dog"], ["", " "], ["a cat"], ["c cat", ""]]
    rows = [{"file_name": name, "caption": caption} for name, caption in zip(names, captions, strict=True)]
    pq.write_table(table_of(rows), tmp_path / "t.parquet")
    with caplog.at_level(logging.WARNING, "luneta"):
        data = open_dataset(tmp_path / "t.parquet", max_bad_share=0.9)
    assert pairs_of(data) == {(0, "a dog"), (0, "b dog"), (2, "a cat"), (3, "c cat")}
    assert [(row.row, row.reason) for row in data.skipped] == [
        (0, "caption left out: empty caption; caption with a NUL byte"),
        (1, "empty caption; empty caption"),
        (3, "caption left out: empty caption"),
    ]
    assert f"1 of 4 rows left out ({tmp_path / names[1]})" in caplog.text
    assert f"3 caption(s) left out of rows that stay ({tmp_path / names[0]}, {tmp_path / names[3]})" in caplog.text


def test_strings_that_are_not_utf8_are_bad_rows(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    broken = pa.StringArray.from_buffers(
        3, pa.py_buffer(np.array([0, 4, 6, 10], np.int32).tobytes()), pa.py_buffer(b"fine\xe7\xe3good")
    )
    pq.write_table(pa.table({"file_name": ["0.png", "1.png", "2.png"], "caption": broken}), tmp_path / "t.parquet")
    data = open_dataset(tmp_path / "t.parquet", max_bad_share=0.5)
    assert pairs_of(data) == {(0, "fine"), (2, "good")}
    assert "broken Unicode" in data.skipped[0].reason


def test_several_columns_are_several_captions(tmp_path: Path) -> None:
    rows = [
        {"image": bytes_of(0), "en": "a", "pt": "b"},
        {"image": bytes_of(1), "en": None, "pt": "c"},
        {"image": bytes_of(2), "en": "", "pt": "d"},
        {"image": bytes_of(3), "en": None, "pt": None},
    ]
    pq.write_table(table_of(rows), tmp_path / "t.parquet")
    data = open_dataset(tmp_path / "t.parquet", text="en,pt", max_bad_share=0.3)
    assert pairs_of(data) == {(0, "a"), (0, "b"), (1, "c"), (2, "d")}
    assert [(row.row, row.reason) for row in data.skipped] == [
        (2, "caption left out: empty caption"),
        (3, "no caption in en, pt"),
    ]


@given(st.integers(0, 2).flatmap(lambda depth: st.lists(_of_depth(depth), max_size=8)))
def test_flat_strings_against_plain_python(cells: list[Any]) -> None:
    depth_type = pa.string()
    for _ in range(_depth(cells)):
        depth_type = pa.list_(depth_type)
    table = pa.table({"c": pa.array(cells, depth_type)})
    strings, rows = flat_strings(table, "c")
    assert list(zip(rows.tolist(), strings.to_pylist(), strict=True)) == [
        (row, leaf) for row, cell in enumerate(cells) for leaf in _leaves(cell)
    ]


def _of_depth(depth: int) -> st.SearchStrategy[Any]:
    leaf: st.SearchStrategy[Any] = st.none() | st.text(st.characters(codec="utf-8"), max_size=3)
    for _ in range(depth):
        leaf = st.none() | st.lists(leaf, max_size=3)
    return leaf


def _depth(value: Any) -> int:
    return max((1 + _depth(v) if isinstance(v, list) else 0 for v in value), default=0)


def _leaves(cell: Any) -> list[str | None]:
    if isinstance(cell, list):
        return [leaf for entry in cell for leaf in _leaves(entry)] or [None]
    return [cell]
