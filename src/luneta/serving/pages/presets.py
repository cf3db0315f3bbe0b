"""How a bundle is shown: a small TOML file makes a fashion search or an art search of it.

    title = "Old masters"                        # or { en = "...", pt-BR = "..." }; likewise every other word
    lead = "Paintings by what they show"
    accent = "#7a4b12"                           # white must be readable on it

    [columns]                                    # of an answer
    title = ["title", "name"]                    # a list: the first that the bundle has, or none
    subtitle = "artist"                          # a name: the bundle must have it
    date = "year"

    [[filters]]
    column = "style"
    kind = "choice"                              # choice (from a list), range (from - to) or text (holds these words)
    label = { en = "Style", pt-BR = "Estilo" }

    [examples]
    en = ["a stormy sea at night"]
    pt-BR = ["um mar agitado à noite"]

Nothing is needed; a bundle without a file gets the plain one, whose filters are made from whatever columns there are.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from luneta.errors import ConfigError, did_you_mean
from luneta.wording import LOCALES, Locale

BUILT_IN = Path(__file__).parent / "built_in"
ACCENT = "#0a676e"

Kind = Literal["choice", "range", "text"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PLACES = ("title", "subtitle", "date")
"""Where columns of the source stand on an answer."""

MOST_BYTES = 65_536
MOST_FILTERS = 20
LEAST_CONTRAST = 4.5

Words = Mapping[Locale, str]


@dataclass(frozen=True, slots=True)
class Columns:
    """One of several columns: the first that a bundle has.

    Attributes:
        names: of the candidates.
        needed: the bundle must have one.
    """

    names: tuple[str, ...] = ()
    needed: bool = False

    def among(self, known: Collection[str]) -> str | None:
        """Raises ConfigError where one is needed and there is none."""
        found = next((name for name in self.names if name in known), None)
        if found is None and self.needed:
            raise ConfigError(f"the bundle has no column {self.names[0]!r}. {did_you_mean(self.names[0], known)}")
        return found


@dataclass(frozen=True, slots=True)
class FilterWish:
    """A filter that a preset asks for; a kind of None is found from what the column holds."""

    column: Columns
    kind: Kind | None = None
    label: Words = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preset:
    """How a bundle is shown.

    Attributes:
        title, lead: of the page, by language; the bundle's name and nothing where they are empty.
        accent: colour of what is pressed, as #rrggbb.
        columns: for each of `PLACES` the column shown there.
        filters: in their order; None makes them from the columns there are.
        examples: queries to begin with, by language.
    """

    title: Words = field(default_factory=dict)
    lead: Words = field(default_factory=dict)
    accent: str = ACCENT
    columns: Mapping[str, Columns] = field(default_factory=dict)
    filters: tuple[FilterWish, ...] | None = None
    examples: Mapping[Locale, Sequence[str]] = field(default_factory=dict)


PLAIN = Preset()


def built_in() -> tuple[str, ...]:
    """Names of the presets that come with the package."""
    return tuple(sorted(path.stem for path in BUILT_IN.glob("*.toml")))


def read_preset(name: str | Path) -> Preset:
    """A preset by its name, or from a file.

    Raises:
        ConfigError: there is none, or it is not as it should be; the message says where.
    """
    path = BUILT_IN / f"{name}.toml" if isinstance(name, str) and name in built_in() else Path(name)
    try:
        data = path.read_bytes()[: MOST_BYTES + 1]
    except OSError as error:
        known = f"Presets: {', '.join(built_in())}; or the path of a TOML file"
        raise ConfigError(f"the preset {name} cannot be read: {error.strerror or error}. {known}") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{name} is no preset: it is longer than {MOST_BYTES:,} bytes")
    try:
        written = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{name} is no TOML file: {error}") from error
    try:
        return preset_of(written)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error


def presets_for(wishes: Sequence[str], bundles: Sequence[str]) -> dict[str, Preset]:
    """Which bundle is shown how.

    Args:
        wishes: names or files of presets, for all bundles, or `BUNDLE=PRESET` for one of them.
        bundles: names of those that are served.

    Returns:
        A preset for each bundle that has one.

    Raises:
        ConfigError: a bundle that is not served, or a preset that cannot be read.
    """
    chosen: dict[str, Preset] = {}
    for wish in wishes:
        bundle, equals, name = wish.partition("=")
        if equals and bundle in bundles:
            chosen[bundle] = read_preset(name)
        elif equals and not Path(wish).exists():
            raise ConfigError(f"no bundle {bundle!r} is served. {did_you_mean(bundle, bundles)}")
        else:
            preset = read_preset(wish)
            chosen = {served: chosen.get(served, preset) for served in bundles}
    return chosen


def preset_of(written: Mapping[str, Any]) -> Preset:
    """A preset from what a file says.

    Raises:
        ConfigError: it says what nobody understands.
    """
    _check_names(written, ("title", "lead", "accent", "columns", "filters", "examples"), "")
    columns = _table(written.get("columns", {}), "columns")
    _check_names(columns, PLACES, "columns.")
    filters = written.get("filters")
    if filters is not None and (not isinstance(filters, list) or len(filters) > MOST_FILTERS):
        raise ConfigError(f"filters has to be a list of at most {MOST_FILTERS} tables, each beginning with [[filters]]")
    return Preset(
        _words(written.get("title", {}), "title"),
        _words(written.get("lead", {}), "lead"),
        _accent(written.get("accent", ACCENT)),
        {place: _columns(value, f"columns.{place}") for place, value in columns.items()},
        None if filters is None else tuple(_filter(wish, f"filters[{n}]") for n, wish in enumerate(filters)),
        _examples(written.get("examples", {})),
    )


def _filter(written: Any, where: str) -> FilterWish:
    wish = _table(written, where)
    _check_names(wish, ("column", "kind", "label"), f"{where}.")
    if "column" not in wish:
        raise ConfigError(f"{where}.column is missing: name the column")
    kind = wish.get("kind")
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"{where}.kind is {kind!r}. {did_you_mean(str(kind), KINDS)}")
    return FilterWish(
        _columns(wish["column"], f"{where}.column"), kind, _words(wish.get("label", {}), f"{where}.label")
    )


def _columns(written: Any, where: str) -> Columns:
    if isinstance(written, str) and written:
        return Columns((written,), needed=True)
    if isinstance(written, list) and written and all(isinstance(name, str) and name for name in written):
        return Columns(tuple(written))
    raise ConfigError(f"{where} is {written!r}, expected the name of a column, or a list of names to choose from")


def _words(written: Any, where: str) -> Words:
    """One wording for all languages, or one for each."""
    if isinstance(written, str):
        return dict.fromkeys(LOCALES, written)
    table = _table(written, where)
    _check_names(table, LOCALES, f"{where}.")
    if not all(isinstance(text, str) for text in table.values()):
        raise ConfigError(f"{where} has to be text, or text by language")
    return table


def _examples(written: Any) -> Mapping[Locale, Sequence[str]]:
    if isinstance(written, list):
        written = dict.fromkeys(LOCALES, written)
    table = _table(written, "examples")
    _check_names(table, LOCALES, "examples.")
    for language, texts in table.items():
        if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ConfigError(f"examples.{language} has to be a list of texts")
    return table


def _table(written: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(written, dict):
        raise ConfigError(f"{where} is {written!r}, expected a table")
    return written


def _check_names(table: Mapping[str, Any], known: Sequence[str], prefix: str) -> None:
    for name in table:
        if name not in known:
            raise ConfigError(f"{prefix}{name} is not known. {did_you_mean(name, known)}")


def _accent(written: Any) -> str:
    if not isinstance(written, str) or not re.fullmatch("#[0-9a-fA-F]{6}", written):
        raise ConfigError(f"accent is {written!r}, expected a colour such as {ACCENT}")
    if (contrast := contrast_with_white(written)) < LEAST_CONTRAST:
        raise ConfigError(
            f"white cannot be read on the accent {written}: their contrast is {contrast:.1f}, expected at least "
            f"{LEAST_CONTRAST}. Take a darker colour."
        )
    return written.lower()


def contrast_with_white(colour: str) -> float:
    """As WCAG 2 defines it.

    >>> contrast_with_white("#ffffff"), round(contrast_with_white("#000000")), round(contrast_with_white(ACCENT), 1)
    (1.0, 21, 6.6)
    """
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    )
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
