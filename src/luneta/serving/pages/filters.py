"""Filters of the search page: from the columns of a bundle to controls, and from what is set to a condition."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from luneta.bundles.bundle import Bundle
from luneta.errors import ConfigError
from luneta.filters import quoted_name, quoted_text
from luneta.filters.binding import column_of
from luneta.search.hits import plain
from luneta.serving.facts import LONGEST_VALUE
from luneta.serving.pages.presets import Kind, Preset, Words
from luneta.serving.pages.refusals import Refusal
from luneta.types import Side
from luneta.wording import Translate

MOST_FILTERS = 8
"""That are made without anybody asking for them."""

FEW = 20
"""Values that a list can be chosen from without being asked for."""

MOST_VALUES = 500
"""Of a list that was asked for."""

FEW_NUMBERS = 12

_SPECIAL, _ESCAPED = re.compile(r"([%_\\])"), r"\\\1"
"""What a pattern of `like` would not take as it is, and how it does."""


@dataclass(frozen=True, slots=True)
class Control:
    """One filter.

    Attributes:
        column: that it asks.
        kind: choice, range or text.
        holds: what the column holds, as `luneta.filters` calls it.
        label: what a person calls the column, by language; the column's name where it is empty.
        values: of a choice, with how many items have each.
        ends: least and greatest value of a range.
    """

    column: str
    kind: Kind
    holds: str
    label: Words
    values: tuple[tuple[Any, int], ...] = ()
    ends: tuple[Any, Any] | None = None

    @property
    def n_inputs(self) -> int:
        return 2 if self.kind == "range" else 1


def controls_of(bundle: Bundle, preset: Preset, side: Side = "image") -> list[Control]:
    """The filters of a bundle, as its preset asks for them or as its columns suggest.

    Raises:
        ConfigError: the preset needs a column that is not there, or asks what its kind cannot be asked.
    """
    table = bundle.items(side)
    names = [name for name in table.column_names if not name.startswith("_")]
    if preset.filters is None:
        made = (_suggested(name, table.column(name)) for name in names)
        return [control for control in made if control is not None][:MOST_FILTERS]
    found: list[Control] = []
    for wish in preset.filters:
        name = wish.column.among(names)
        if name is not None and name not in [control.column for control in found]:
            found.append(_wished(name, table.column(name), wish.kind, wish.label))
    return found


def _suggested(name: str, cells: pa.ChunkedArray) -> Control | None:
    """A filter that is of use: not of one value, nor of a value for each item."""
    holds = column_of(name, cells.type).kind
    if holds in ("other",) or cells.null_count == len(cells):
        return None
    if holds in ("float", "time"):
        return _range(name, cells, holds, {})
    values = _values(cells, holds, FEW)
    if values is not None and len(values) > 1 and (holds != "integer" or len(values) <= FEW_NUMBERS):
        return Control(name, "choice", holds, {}, values)
    return _range(name, cells, holds, {}) if holds == "integer" else None


def _wished(name: str, cells: pa.ChunkedArray, kind: Kind | None, label: Words) -> Control:
    holds = column_of(name, cells.type).kind
    if kind is None:
        kind = "range" if holds in ("integer", "float", "time") else "choice"
    if kind == "range":
        if holds not in ("integer", "float", "time"):
            kind = "text"  # a date written as words
        else:
            return _range(name, cells, holds, label) or Control(name, "range", holds, label)
    if kind == "choice":
        values = None if holds in ("float", "time", "other") else _values(cells, holds, MOST_VALUES)
        if values is not None:
            return Control(name, "choice", holds, label, values)
        kind = "text"
    if holds not in ("text", "texts"):
        raise ConfigError(f"a filter of the kind {kind} needs a column of text, which {name!r} is not")
    return Control(name, "text", holds, label)


def _values(cells: pa.ChunkedArray, holds: str, most: int) -> tuple[tuple[Any, int], ...] | None:
    """Values with their counts, numbers in their order and others by frequency; None where there are more."""
    flat = pc.list_flatten(cells) if holds == "texts" else cells
    counts = [(pair["values"], pair["counts"]) for pair in pc.value_counts(flat).to_pylist()]
    known = [(value, n) for value, n in counts if value is not None and value != ""]
    if len(known) > most or any(isinstance(value, str) and len(value) > LONGEST_VALUE for value, _ in known):
        return None
    return tuple(sorted(known, key=lambda pair: pair[0] if holds == "integer" else (-pair[1], str(pair[0]))))


def _range(name: str, cells: pa.ChunkedArray, holds: str, label: Words) -> Control | None:
    ends = pc.min_max(cells)
    low, high = plain(ends["min"].as_py()), plain(ends["max"].as_py())
    return None if low is None or low == high else Control(name, "range", holds, label, ends=(low, high))


@dataclass(frozen=True, slots=True)
class Setting:
    """A filter and what is in its inputs: two texts for a range, else one value."""

    control: Control
    given: tuple[Any, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """Of a range, as typed; empty where it is open."""
        return tuple(str(value or "").strip() for value in self.given)

    @property
    def words(self) -> str:
        """Of a text."""
        return str(self.given[0] or "").strip()

    @property
    def chosen(self) -> tuple[str, ...]:
        """Of a choice."""
        return tuple(str(each) for each in self.given[0] or ())


def settings_of(shapes: Sequence[Control], controls: Sequence[Control | None], given: Sequence[Any]) -> list[Setting]:
    """What is set.

    Args:
        shapes: n filters as the page has their inputs.
        controls: the same as they are now; None for one that is of no use any more.
        given: what is in their inputs, one after the other.
    """
    settings, at = [], 0
    for shape, control in zip(shapes, controls, strict=True):
        own = tuple(given[at : at + shape.n_inputs])
        at += shape.n_inputs
        if control is not None and any(each not in (None, "", []) for each in own):
            settings.append(Setting(control, own))
    return settings


def condition(settings: Sequence[Setting], typed: str = "") -> str | None:
    """What is set, as one condition; None where nothing is.

    Args:
        settings: of filters.
        typed: a condition that somebody wrote besides.

    Raises:
        Refusal: the end of a range is none.
    """
    parts = [part for setting in settings for part in _asked(setting)]
    if typed.strip():
        parts.append(f"({typed.strip()})" if parts else typed.strip())
    return " and ".join(parts) or None


def in_words(settings: Sequence[Setting], typed: str, t: Translate, locale: str) -> str:
    """What is set, for a person."""
    said = [_in_words(setting, label_of(setting.control, locale), t) for setting in settings]
    return "; ".join([*filter(None, said), *([t("where_typed", where=typed.strip())] if typed.strip() else [])])


def _in_words(setting: Setting, name: str, t: Translate) -> str:
    if setting.control.kind == "range":
        low, high = setting.ends
        said = "where_between" if low and high else "where_from" if low else "where_to"
        return t(said, name=name, low=low, high=high) if low or high else ""
    if setting.control.kind == "text":
        return t("where_holds", name=name, words=setting.words) if setting.words else ""
    return t("where_among", name=name, values=", ".join(setting.chosen))


def _asked(setting: Setting) -> list[str]:
    control = setting.control
    name = quoted_name(control.column)
    if control.kind == "range":
        ends = zip((">=", "<="), setting.ends, strict=True)
        return [f"{name} {sign} {_end(control, end)}" for sign, end in ends if end]
    if control.kind == "text":
        return [_holds(name, setting.words, control.holds)] if setting.words else []
    chosen = dict.fromkeys(setting.chosen)
    values = [_literal(value) for value, _ in control.values if str(value) in chosen]
    if control.holds in ("text", "texts"):  # one that has gone from the bundle finds nothing, rather than everything
        values += [quoted_text(each) for each in chosen if each not in {str(value) for value, _ in control.values}]
    if not values:
        return []
    if control.holds == "texts":
        return ["(" + " or ".join(f"{name} contains {value}" for value in values) + ")"]
    return [f"{name} in ({', '.join(values)})"]


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else quoted_text(str(value))


def _end(control: Control, text: str) -> str:
    """An end of a range, as a condition has it.

    Raises:
        Refusal: it is no number, or no date.
    """
    if control.holds == "time":
        if re.fullmatch(r"\d{4}", text):
            text += "-01-01"
        try:
            datetime.datetime.fromisoformat(text)
        except ValueError:
            raise Refusal("no_date", text=text[:40]) from None
        return quoted_text(text)
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Refusal("no_number", text=text[:40])
    return str(int(number)) if number == int(number) else repr(number)


def _holds(name: str, words: str, holds: str) -> str:
    """The column holds these words, however their first letters are written."""
    forms = dict.fromkeys((words, words.lower(), words.capitalize(), words.title(), words.upper()))
    if holds == "texts":
        return "(" + " or ".join(f"{name} contains {quoted_text(form)}" for form in forms) + ")"
    patterns = (quoted_text(f"%{_SPECIAL.sub(_ESCAPED, form)}%") for form in forms)
    return "(" + " or ".join(f"{name} like {pattern}" for pattern in patterns) + ")"


def label_of(control: Control, locale: str) -> str:
    """What a person calls it.

    >>> label_of(Control("kind_1", "choice", "text", {}), "en")
    'Kind 1'
    """
    return called(control.column, control.label, locale)


def called(column: str, label: Mapping[Any, str], locale: str) -> str:
    """A column's label, else its name as words."""
    said = label.get(locale) or column.replace("_", " ").strip()
    return said[:1].upper() + said[1:]
