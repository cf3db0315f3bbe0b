"""Filters of the search page: which controls a bundle gets, and that what is set chooses the rows it says."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("gradio")

from luneta.errors import ConfigError
from luneta.filters import parse_filter
from luneta.serving.pages.filters import (
    MOST_FILTERS,
    Control,
    condition,
    controls_of,
    in_words,
    label_of,
    settings_of,
)
from luneta.serving.pages.labels import translator
from luneta.serving.pages.presets import PLAIN, Preset, preset_of
from luneta.serving.pages.refusals import Refusal

N = 40
ROWS: list[dict[str, Any]] = [
    {
        "same": "one",
        "style": ("Dada", "d'Orsay", "Pop \"art\"")[i % 3],
        'odd "name"': ("50 %", "a_b", "a\\b", None)[i % 4],
        "artist": f"Somebody de Wit {i}",
        "year": 1800 + 3 * i,
        "stars": i % 12,
        "price": i / 4 if i % 7 else None,
        "when": datetime.date(1900 + i, 1, 1),
        "signed": i % 2 == 0,
        "tags": ["sea", "night"] if i % 2 else ["day"],
        "nothing": None,
        "data": b"x",
    }
    for i in range(N)
]  # fmt: skip
TABLE = pa.table(
    {
        "_id": list(range(N)),
        **{name: pa.array([row[name] for row in ROWS], pa.string() if name == "nothing" else None) for name in ROWS[0]},
    }
)


@dataclass
class OneTable:
    """As much of a bundle as filters look at."""

    table: pa.Table

    def items(self, side: str) -> pa.Table:
        return self.table


def made(preset: Preset = PLAIN, table: pa.Table = TABLE) -> dict[str, Control]:
    return {control.column: control for control in controls_of(OneTable(table), preset)}  # type: ignore[arg-type]


def chosen(controls: list[Control], given: list[Any], typed: str = "") -> set[int]:
    """The rows that a condition leaves, by the house's own reading of it."""
    said = condition(settings_of(controls, controls, given), typed)
    if said is None:
        return set(range(N))
    mask = parse_filter(said).mask(TABLE)
    return {i for i in range(N) if mask[i]}


def test_columns_that_are_of_use_get_a_control_of_their_kind() -> None:
    assert {name: control.kind for name, control in made().items()} == {
        "style": "choice", 'odd "name"': "choice", "year": "range", "stars": "choice", "price": "range",
        "when": "range", "signed": "choice", "tags": "choice",
    }  # fmt: skip


def test_values_of_a_choice_are_counted_and_numbers_stand_in_their_order() -> None:
    controls = made()
    assert dict(controls["style"].values) == {"Dada": 14, "d'Orsay": 13, 'Pop "art"': 13}
    assert [value for value, _ in controls["stars"].values] == list(range(12))
    assert dict(controls["tags"].values) == {"sea": 20, "night": 20, "day": 20}
    assert controls["year"].ends == (1800, 1800 + 3 * (N - 1))


def test_no_more_are_made_than_somebody_wants_to_see() -> None:
    table = pa.table({f"column {i}": ["a", "b"] for i in range(30)})
    assert len(made(table=table)) == MOST_FILTERS


@pytest.mark.parametrize("value", ["Dada", "d'Orsay", 'Pop "art"'])
def test_a_choice_leaves_the_rows_with_one_of_the_values(value: str) -> None:
    style = made()["style"]
    assert chosen([style], [[value]]) == {i for i in range(N) if ROWS[i]["style"] == value}
    assert chosen([style], [[value, "Dada"]]) == {i for i in range(N) if ROWS[i]["style"] in (value, "Dada")}
    assert chosen([style], [[]]) == chosen([style], [None]) == set(range(N))


@pytest.mark.parametrize("value", ["50 %", "a_b", "a\\b"])
def test_names_and_values_are_taken_as_they_are(value: str) -> None:
    name = 'odd "name"'
    assert chosen([made()[name]], [[value]]) == {i for i in range(N) if ROWS[i][name] == value}


def test_choices_of_numbers_truths_and_lists() -> None:
    controls = made()
    assert chosen([controls["stars"]], [["3", "4"]]) == {i for i in range(N) if ROWS[i]["stars"] in (3, 4)}
    assert chosen([controls["signed"]], [["True"]]) == {i for i in range(N) if ROWS[i]["signed"]}
    assert chosen([controls["tags"]], [["night"]]) == {i for i in range(N) if "night" in ROWS[i]["tags"]}


def test_a_value_that_is_none_of_the_choices_any_more_finds_nothing() -> None:
    controls = made()
    assert chosen([controls["style"]], [["Dada' or style is null or 'a' = 'a"]]) == set()
    assert chosen([controls["style"]], [["Cubism"]]) == set()
    assert chosen([controls["style"]], [["Cubism", "Dada"]]) == chosen([controls["style"]], [["Dada"]])
    assert chosen([controls["tags"]], [["Cubism"]]) == set()


def test_a_filter_that_has_gone_is_passed_over_with_its_inputs() -> None:
    controls = [made()[name] for name in ("year", "style")]
    settings = settings_of(controls, [None, controls[1]], ["1820", "1840", ["Dada"]])
    assert [setting.control.column for setting in settings] == ["style"]
    assert condition(settings) == condition(settings_of(controls[1:], controls[1:], [["Dada"]]))


@pytest.mark.parametrize(
    ("locale", "given", "typed", "said"),
    [
        ("en", ["1900", "1930", []], "", "Year from 1900 to 1930"),
        ("pt-BR", ["1900", "1930", []], "", "Ano de 1900 a 1930"),
        ("pt-BR", ["1900", "", ["Dada", "d'Orsay"]], "", "Ano a partir de 1900; Style: Dada, d'Orsay"),
        ("pt-BR", [None, " 1930", []], "stars = 3", "Ano até 1930; condição stars = 3"),
        ("en", ["", "1930", None], "", "Year up to 1930"),
        ("en", ["", "", []], " ", ""),
    ],
)
def test_what_is_set_is_said_in_words(locale: Any, given: list[Any], typed: str, said: str) -> None:
    label = {"en": "Year", "pt-BR": "Ano"}
    found = made(preset_of({"filters": [{"column": "year", "label": label}, {"column": "style"}]}))
    controls = [found["year"], found["style"]]
    assert in_words(settings_of(controls, controls, given), typed, translator(locale), locale) == said


def test_words_of_a_text_are_said_too() -> None:
    artist = made(preset_of({"filters": [{"column": "artist", "kind": "text"}]}))["artist"]
    settings = settings_of([artist], [artist], [" Wit 3 "])
    assert in_words(settings, "", translator("pt-BR"), "pt-BR") == "Artist com “Wit 3”"


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("1850", ""),
        ("", "1850"),
        ("1820", "1840"),
        ("1851", "1890"),
        ("1820.5", None),
        (None, "1821,5"),
        (" 1850 ", " "),
    ],
)
def test_a_range_leaves_what_lies_between_its_ends(low: str | None, high: str | None) -> None:
    least = float(low.replace(",", ".")) if low and low.strip() else float("-inf")
    most = float(high.replace(",", ".")) if high and high.strip() else float("inf")
    assert chosen([made()["year"]], [low, high]) == {i for i in range(N) if least <= ROWS[i]["year"] <= most}


def test_a_range_of_floats_leaves_out_what_is_not_known() -> None:
    expected = {i for i in range(N) if ROWS[i]["price"] is not None and 1.5 <= ROWS[i]["price"] <= 6}
    assert chosen([made()["price"]], ["1.5", "6"]) == expected


def test_a_range_of_dates_takes_years_and_days() -> None:
    when = made()["when"]
    assert chosen([when], ["1910", "1915-06-01"]) == {i for i in range(N) if 1910 <= ROWS[i]["when"].year <= 1915}


@pytest.mark.parametrize(
    ("column", "written", "name"),
    [
        ("year", "old", "no_number"),
        ("year", "nan", "no_number"),
        ("year", "inf", "no_number"),
        ("year", "1e999", "no_number"),
        ("when", "long ago", "no_date"),
    ],
)
def test_what_is_no_end_of_a_range_is_refused(column: str, written: str, name: str) -> None:
    with pytest.raises(Refusal) as caught:
        condition(settings_of([made()[column]], [made()[column]], [written, None]))
    assert caught.value.name == name


def test_words_are_looked_for_however_they_begin() -> None:
    artist = made(preset_of({"filters": [{"column": "artist", "kind": "text"}]}))["artist"]
    assert chosen([artist], ["somebody de wit 7"]) == set()  # only the first letters may differ, not those within
    assert chosen([artist], ["somebody"]) == set(range(N))
    assert chosen([artist], ["Wit 3"]) == {i for i in range(N) if f"Wit {i}".startswith("Wit 3")}
    assert chosen([artist], ["W%t"]) == chosen([artist], ["W_t"]) == set()
    assert chosen([artist], ["  "]) == set(range(N))


def test_everything_set_holds_at_once_with_a_condition_besides() -> None:
    controls = made()
    given = [["Dada"], "1820", ""]
    both = [controls["style"], controls["year"]]
    expected = {i for i in range(N) if ROWS[i]["style"] == "Dada" and ROWS[i]["year"] >= 1820 and i % 12 in (1, 2)}
    assert chosen(both, given, "stars = 1 or stars = 2") == expected
    assert condition(settings_of(both, both, [[], "", ""]), " year < 1900 ") == "year < 1900"


def test_a_preset_says_which_filters_there_are_and_in_which_order() -> None:
    filters = [
        {"column": ["nope", "stars"], "kind": "range"},
        {"column": ["nope"]},
        {"column": "style", "label": "Style!"},
    ]
    controls = made(preset_of({"filters": filters}))
    assert {name: control.kind for name, control in controls.items()} == {"stars": "range", "style": "choice"}
    assert list(controls) == ["stars", "style"]
    assert [label_of(controls[name], "pt-BR") for name in controls] == ["Stars", "Style!"]


def test_a_kind_that_a_column_cannot_be_is_made_one_that_it_can() -> None:
    many = pa.table({"date": [f"about {year}" for year in range(600)], "_id": list(range(600))})
    controls = made(preset_of({"filters": [{"column": "date", "kind": "range"}]}), many)
    assert controls["date"].kind == "text"
    controls = made(preset_of({"filters": [{"column": "date", "kind": "choice"}]}), many)
    assert controls["date"].kind == "text"


def test_a_preset_that_asks_for_what_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no column 'stile'\. Did you mean style?"):
        made(preset_of({"filters": [{"column": "stile"}]}))
    with pytest.raises(ConfigError, match="needs a column of text, which 'data' is not"):
        made(preset_of({"filters": [{"column": "data", "kind": "text"}]}))
