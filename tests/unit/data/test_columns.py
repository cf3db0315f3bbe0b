"""Columns found by name and type, or asked for; ambiguity is an error that lists the candidates."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from luneta.data.columns import Columns, choose_columns
from luneta.errors import ConfigError, DatasetError

FILES = ["a.jpg", "b.JPEG", "c.png"]
PROSE = ["a dog on a lawn", "two cats", "one red boat at sea"]


def choose(columns: dict[str, Any], **asked: Any) -> Columns:
    arguments: dict[str, Any] = {"image": None, "text": None, "language": None} | asked
    return choose_columns(pa.table(columns), **arguments)


@pytest.mark.parametrize(
    ("columns", "image", "texts"),
    [
        ({"file_name": FILES, "caption": PROSE}, "file_name", ("caption",)),
        ({"filepath": FILES, "title": PROSE}, "filepath", ("title",)),
        ({"arquivo": FILES, "legenda": PROSE}, "arquivo", ("legenda",)),
        ({"whatever": FILES, "words": PROSE}, "whatever", ("words",)),
        ({"image": FILES, "caption": PROSE, "title": PROSE, "text": PROSE}, "image", ("caption",)),
        ({"image": FILES, "text": PROSE, "description": PROSE}, "image", ("text",)),
        ({"image": FILES, "thumbnail": FILES, "caption": PROSE}, "image", ("caption",)),
        ({"image": FILES, "caption_0": PROSE, "caption_1": PROSE}, "image", ("caption_0", "caption_1")),
        ({"image": FILES, "caption1": PROSE, "caption2": PROSE}, "image", ("caption1", "caption2")),
        ({"image": FILES, "caption": [[p] for p in PROSE]}, "image", ("caption",)),
        (
            {"image": FILES, "sentences": [[{"raw": p, "tokens": p.split()}] for p in PROSE]},
            "image",
            ("sentences.raw",),
        ),
        ({"image": FILES, "id": ["1", "2", "3"], "category": ["a b c"] * 3, "words": PROSE}, "image", ("words",)),
        ({"image": FILES, "width": [1, 2, 3], "name": PROSE, "code": ["x1", "x2", "x3"]}, "image", ("name",)),
        ({"image": FILES, "Caption": PROSE}, "image", ("Caption",)),
        ({"image": FILES, "caption": FILES}, "image", ("caption",)),
        ({"image": [b"1", b"2", b"3"], "file_name": FILES, "caption": PROSE}, "image", ("caption",)),
        ({"image": FILES, "pt_BR": PROSE}, "image", ("pt_BR",)),
    ],
)
def test_found(columns: dict[str, Any], image: str, texts: tuple[str, ...]) -> None:
    chosen = choose(columns)
    assert (chosen.image, chosen.texts) == (image, texts)
    assert chosen.image_reason
    assert chosen.text_reason


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"a": FILES, "b": FILES, "caption": PROSE}, r"several columns hold pictures: a, b\. .*image="),
        ({"image": FILES, "caption": PROSE, "captions": PROSE}, r"could hold the captions: caption, captions"),
        ({"image": FILES, "title": PROSE, "description": PROSE}, r"title, description"),
        ({"image": FILES, "one": PROSE, "two": PROSE}, r"one, two"),
        ({"image": FILES, "en": PROSE, "pt-BR": PROSE}, r"several languages: en, pt-BR\. Choose one with language="),
        ({"image": FILES, "caption_en": PROSE, "caption_pt": PROSE}, r"several languages: en, pt"),
        ({"image": FILES, "n": [1, 2, 3]}, r"no column of captions among: image, n"),
        (
            {"picture_id": [1, 2, 3], "caption": PROSE},
            r"no column of picture files or bytes among: picture_id",
        ),
        ({"image": FILES, "captions": [{"en": "a", "pt": "b"}] * 3}, r"several languages: en, pt"),
    ],
)
def test_ambiguous_or_absent(columns: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        choose(columns)


def test_web_addresses() -> None:
    with pytest.raises(DatasetError, match="web addresses"):
        choose({"image": ["https://example.org/a.jpg"] * 3, "caption": PROSE})


@pytest.mark.parametrize(
    ("columns", "language", "texts", "recorded"),
    [
        ({"en": PROSE, "pt-BR": PROSE}, "pt-BR", ("pt-BR",), "pt-BR"),
        ({"en": PROSE, "pt-BR": PROSE}, "pt", ("pt-BR",), "pt-BR"),
        ({"en": PROSE, "pt": PROSE}, "pt-BR", ("pt",), "pt"),
        ({"en": PROSE, "pt_br": PROSE}, "pt-BR", ("pt_br",), "pt-BR"),
        ({"caption_en": PROSE, "caption_pt": PROSE}, "pt", ("caption_pt",), "pt"),
        ({"en_caption": PROSE, "pt_caption": PROSE}, "en", ("en_caption",), "en"),
        ({"captions": [{"en": ["a"], "pt": ["b", "c"]}] * 3}, "pt", ("captions.pt",), "pt"),
        ({"pt": [{"caption": ["b"]}] * 3, "en": [{"caption": ["b"]}] * 3}, "pt", ("pt.caption",), "pt"),
        ({"pt_caption": PROSE, "pt_title": PROSE, "en_caption": PROSE}, "pt", ("pt_caption",), "pt"),
        ({"caption": PROSE}, "pt-BR", ("caption",), "pt-BR"),
        ({"en": PROSE, "pt": PROSE, "id": PROSE}, "id", ("id",), "id"),
    ],
)
def test_by_language(columns: dict[str, Any], language: str, texts: tuple[str, ...], recorded: str) -> None:
    chosen = choose({"image": FILES} | columns, language=language)
    assert (chosen.texts, chosen.language) == (texts, recorded)
    assert chosen.optional == (columns.keys() != {"caption"})


def test_language_problems() -> None:
    columns = {"image": FILES, "pt-BR": PROSE, "pt-PT": PROSE, "en": PROSE}
    with pytest.raises(ConfigError, match="pt-BR or pt-PT"):
        choose(columns, language="pt")
    with pytest.raises(ConfigError, match=r"no captions in language 'pt-BX'\. Did you mean pt-BR"):
        choose(columns, language="pt-BX")
    with pytest.raises(ConfigError, match=r"is in pt-BR, but language='en'"):
        choose(columns, text="pt-BR", language="en")


def test_a_column_and_the_language_of_another() -> None:
    """Captions of one language must not be taken for those of another because both were asked for."""
    columns = {"image": ["a.png"], "caption": ["a boat"], "pt-BR": ["um barco"], "de": ["ein Boot"]}
    for language in ("pt-BR", "pt"):
        with pytest.raises(ConfigError, match=r"different captions: those in pt.* are in 'pt-BR'. Leave out text="):
            choose(columns, text="caption", language=language)
    assert choose(columns, text="pt-BR", language="pt").texts == ("pt-BR",)
    assert choose(columns, text="caption").texts == ("caption",)
    assert choose(columns, text="caption", language="fr").language == "fr"


def test_an_id_is_not_indonesian() -> None:
    chosen = choose({"image": FILES, "id": ["1", "2", "3"], "caption_x": PROSE})
    assert (chosen.texts, chosen.language) == (("caption_x",), None)
    assert choose({"image": FILES, "id": PROSE, "caption": PROSE}, language="id").texts == ("caption",)


def test_asked_for() -> None:
    columns = {"image": FILES, "mask": FILES, "en": PROSE, "pt-BR": PROSE, "n": [1, 2, 3], "a,b": PROSE}
    chosen = choose(columns, image="mask", text="pt-BR")
    assert (chosen.image, chosen.texts, chosen.language, chosen.optional) == ("mask", ("pt-BR",), "pt-BR", True)
    assert choose(columns, text="en, pt-BR").texts == ("en", "pt-BR")
    assert choose(columns, text=["en", "pt-BR"]).language is None
    assert choose(columns, text="a,b").texts == ("a,b",)
    assert choose({"image": FILES, "caption": PROSE, "id": PROSE}, text="id").language is None
    for asked, problem in (
        ({"text": "pt-BT"}, r"no column 'pt-BT'\. Did you mean pt-BR"),
        ({"text": "en,fr"}, r"no column 'fr'"),
        ({"text": "n"}, r"'n' holds int64, not text"),
        ({"text": ""}, r"names no column"),
        ({"image": "imag"}, r"no column 'imag' for the images\. Did you mean image"),
        ({"image": "n"}, r"'n' holds int64, not pictures"),
    ):
        with pytest.raises(ConfigError, match=problem):
            choose(columns, **asked)


def test_fields_of_structs() -> None:
    columns = {"image": FILES, "sentences": [[{"raw": p, "sentid": 1}] for p in PROSE]}
    assert choose(columns, text="sentences.raw").texts == ("sentences.raw",)
    with pytest.raises(ConfigError, match=r"'sentences' has no field 'row'\. Did you mean raw"):
        choose(columns, text="sentences.row")
    with pytest.raises(ConfigError, match=r"its fields can be named: sentences\.raw, sentences\.sentid"):
        choose(columns, text="sentences")
    with pytest.raises(ConfigError, match=r"'sentences\.sentid' holds int64"):
        choose(columns, text="sentences.sentid")
