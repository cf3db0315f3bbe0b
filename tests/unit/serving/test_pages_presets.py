"""Presets: those of the package, and what is wrong with a file, said where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("gradio")

from luneta.errors import ConfigError
from luneta.serving.pages.presets import (
    ACCENT,
    PLAIN,
    Columns,
    built_in,
    contrast_with_white,
    presets_for,
    read_preset,
)
from luneta.wording import LOCALES


def written(folder: Path, text: str, name: str = "page.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_package_has_a_fashion_search_and_an_art_search() -> None:
    assert built_in() == ("art", "fashion")


@pytest.mark.parametrize("name", built_in())
def test_a_preset_of_the_package_speaks_both_languages_and_fits_any_bundle(name: str) -> None:
    preset = read_preset(name)
    for locale in LOCALES:
        assert preset.title[locale]
        assert preset.lead[locale]
        assert len(preset.examples[locale]) >= 3
    assert preset.title["en"] != preset.title["pt-BR"]
    assert preset.filters is not None
    assert all(set(wish.label) == set(LOCALES) for wish in preset.filters)
    assert not any(columns.needed for columns in preset.columns.values())
    assert not any(wish.column.needed for wish in preset.filters)


def test_a_file_is_read(tmp_path: Path) -> None:
    preset = read_preset(
        written(
            tmp_path,
            """
            title = "Old masters"
            accent = "#7A4B12"
            [columns]
            title = ["title", "name"]
            date = "year"
            [[filters]]
            column = "style"
            kind = "choice"
            label = { en = "Style", pt-BR = "Estilo" }
            [[filters]]
            column = ["year"]
            [examples]
            en = ["a storm"]
            """,
        )
    )
    assert preset.title == {"en": "Old masters", "pt-BR": "Old masters"}
    assert preset.accent == "#7a4b12"
    assert preset.columns == {"title": Columns(("title", "name")), "date": Columns(("year",), needed=True)}
    assert preset.filters is not None
    assert [(wish.column, wish.kind) for wish in preset.filters] == [
        (Columns(("style",), needed=True), "choice"),
        (Columns(("year",)), None),
    ]
    assert preset.filters[0].label["pt-BR"] == "Estilo"
    assert preset.examples == {"en": ["a storm"]}


def test_an_empty_file_is_the_plain_preset(tmp_path: Path) -> None:
    assert read_preset(written(tmp_path, "")) == PLAIN


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("titel = 'x'", "titel is not known. Did you mean title?"),
        ("title = 3", "title is 3, expected a table"),
        ("title = { de = 'x' }", "title.de is not known"),
        ("title = { en = 3 }", "title has to be text"),
        ("accent = 'teal'", "accent is 'teal', expected a colour such as"),
        ("accent = '#ffee00'", "white cannot be read on the accent #ffee00"),
        ("[columns]\nheading = 'x'", "columns.heading is not known"),
        ("[columns]\ntitle = []", "columns.title is [], expected the name of a column"),
        ("[columns]\ntitle = ''", "columns.title is '', expected the name of a column"),
        ("columns = 3", "columns is 3, expected a table"),
        ("filters = 3", "filters has to be a list"),
        ("[filters]\ncolumn = 'x'", "filters has to be a list"),
        ("[[filters]]\nkind = 'choice'", "filters[0].column is missing"),
        (
            "[[filters]]\ncolumn = 'a'\n[[filters]]\ncolumn = 'b'\nkind = 'chioce'",
            "filters[1].kind is 'chioce'. Did you mean choice?",
        ),
        ("[[filters]]\ncolumn = 'a'\nlabels = 'x'", "filters[0].labels is not known. Did you mean label?"),
        ("[examples]\nen = 'a dog'", "examples.en has to be a list of texts"),
        ("[examples]\nen = ['']", "examples.en has to be a list of texts"),
        ("title = ", "is no TOML file"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_place(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_preset(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "page.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no TOML file"):
        read_preset(binary)
    binary.write_bytes(b"#" * 70_000)
    with pytest.raises(ConfigError, match="longer than 65,536 bytes"):
        read_preset(binary)
    with pytest.raises(ConfigError, match=r"cannot be read.*Presets: art, fashion; or the path of a TOML file"):
        read_preset("fashon")


@pytest.mark.parametrize(
    ("colour", "contrast"), [("#767676", 4.54), ("#949494", 3.03), ("#ff0000", 4.0), (ACCENT, 6.6)]
)
def test_contrast_is_that_of_wcag(colour: str, contrast: float) -> None:
    """The greys are those that WCAG's own examples name as just enough for small and for large text."""
    assert contrast_with_white(colour) == pytest.approx(contrast, abs=0.05)


def test_a_column_that_is_needed_has_to_be_there() -> None:
    assert Columns(("a", "b")).among(["b", "c"]) == "b"
    assert Columns(("a", "b")).among(["c"]) is None
    assert Columns(("artist",), needed=True).among(["artist"]) == "artist"
    with pytest.raises(ConfigError, match=r"no column 'artst'\. Did you mean artist?"):
        Columns(("artst",), needed=True).among(["artist"])


def test_presets_are_for_all_bundles_or_for_one(tmp_path: Path) -> None:
    mine = written(tmp_path, "title = 'Mine'")
    assert presets_for([], ["shop", "art"]) == {}
    assert presets_for(["fashion"], ["shop", "art"]) == dict.fromkeys(("shop", "art"), read_preset("fashion"))
    chosen = presets_for([f"shop={mine}", "art"], ["shop", "museum"])
    assert (chosen["shop"].title["en"], chosen["museum"]) == ("Mine", read_preset("art"))
    with pytest.raises(ConfigError, match=r"no bundle 'shpo' is served\. Did you mean shop?"):
        presets_for(["shpo=fashion"], ["shop"])


def test_a_file_may_have_an_equals_sign_in_its_name(tmp_path: Path) -> None:
    path = written(tmp_path, "title = 'Odd'", "a=b.toml")
    assert presets_for([str(path)], ["shop"])["shop"].title["en"] == "Odd"
