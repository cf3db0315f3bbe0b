"""The profile of a data set whose every number is known beforehand."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import luneta
from luneta.data.language_guess import guess_language
from luneta.data.sources import open_dataset
from luneta.errors import ArtifactError, ConfigError
from luneta.profiling import Spread, profile
from luneta.profiling.terminal import profile_view
from luneta.progress import watch
from luneta.report.profile import write_profile
from luneta.wording import LOCALES
from worlds import words_of

STAMPS = Path(__file__).parents[3] / "shared" / "data" / "stamps"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight pictures: one damaged, two identical, one animated, one CMYK, one lying on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    red, blue = Image.new("RGB", (30, 20), "red"), Image.new("RGB", (30, 20), "blue")
    files = {
        "a.png": encoded(red, "PNG"),
        "b.png": encoded(red, "PNG"),
        "c.jpg": encoded(blue.convert("CMYK"), "JPEG"),
        "d.jpg": encoded(blue, "JPEG", exif=exif),
        "e.gif": encoded(red, "GIF", save_all=True, append_images=[blue]),
        "f.jpg": encoded(Image.new("RGB", (300, 200)), "JPEG")[:400],
        "g.png": encoded(Image.new("L", (50, 60)), "PNG"),
        "h.png": encoded(Image.new("RGB", (50, 61)), "PNG"),
    }
    captions = {
        "a.png": ["a red box on the table", "A red box on the table."],
        "b.png": ["a red box on the table"],
        "c.jpg": ["the blue one"],
        "d.jpg": ["a man and the blue box"],
        "e.gif": ["it is red and it is blue"],
        "f.jpg": ["nobody sees this"],
        "g.png": ["black"],
        "h.png": [EVIL],
    }
    rows = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        rows.append({"file_name": name, "caption": captions[name]})
    rows.append({"file_name": "gone.png", "caption": ["a missing one"]})
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return tmp_path


def test_every_number(folder: Path) -> None:
    found = profile(open_dataset(folder, max_bad_share=0.2))
    assert (found.n_images, found.n_texts, found.n_pairs, found.n_source_rows) == (8, 9, 9, 9)
    assert [(row.row, row.reason) for row in found.skipped] == [(8, "no such file")]
    assert [(row.row, Path(row.source).name, row.reason) for row in found.unreadable] == [
        (5, "f.jpg", "truncated file")
    ]
    captions, images = found.captions, found.images
    assert captions.n_unique == 7
    assert captions.unique_share == pytest.approx(7 / 9)
    assert captions.duplicates == (("a red box on the table", 3),)
    # Words: 6 6 6 3 6 7 3 1 3, so sorted 1 3 3 3 6 6 6 6 7; 95 % lie at position 7.6 of 0..8.
    assert captions.words == Spread(1, 6, pytest.approx(6.6), 7)
    assert captions.per_image == Spread.of([2, 1, 1, 1, 1, 1, 1, 1])
    assert captions.shortest[0] == "black"
    assert captions.longest[0] == EVIL
    assert images is not None
    assert images.n_read == 7
    assert images.formats == {"PNG": 4, "JPEG": 2, "GIF": 1}
    assert images.modes == {"RGB": 4, "CMYK": 1, "P": 1, "L": 1} or images.modes == {"RGB": 5, "CMYK": 1, "L": 1}
    assert (images.n_animated, images.n_identical) == (1, 1)
    assert images.sizes[0] == (30, 20, 4)
    assert (20, 30, 1) in images.sizes, "sizes are of the upright picture"
    assert images.width == Spread.of([30, 30, 30, 20, 30, 50, 50])
    assert found.doubts == ("unreadable", "duplicates", "identical")


def test_spread_is_numpy_s() -> None:
    values = np.random.default_rng(0).normal(size=101)
    assert Spread.of(values) == Spread(values.min(), np.median(values), np.percentile(values, 95), values.max())


def test_examples_are_drawn_by_lot_with_all_their_captions(folder: Path) -> None:
    data = open_dataset(folder, max_bad_share=0.2)
    found, again, other = (profile(data, n_examples=4, seed=seed) for seed in (1, 1, 2))
    assert len(found.examples) == 4
    assert found.examples == again.examples
    assert [e.label for e in found.examples] != [e.label for e in other.examples]
    every = profile(data, n_examples=100).examples
    assert len(every) == 7
    by_name = {Path(example.label).name: example for example in every}
    assert by_name["a.png"].captions == ("a red box on the table", "A red box on the table.")
    with Image.open(io.BytesIO(by_name["d.jpg"].jpeg)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (20, 30))
    assert profile(data, n_examples=0).examples == ()


def test_a_sample_says_so(folder: Path) -> None:
    found = profile(open_dataset(folder, max_bad_share=0.2), sample=3)
    assert (found.n_looked_at, found.n_images, found.captions.n_unique) == (3, 8, 7)
    assert "of 3 looked at" in rendered(found)
    with pytest.raises(ConfigError):
        profile(open_dataset(folder, max_bad_share=0.2), sample=0)


def test_a_data_set_of_broken_pictures_only(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "a.txt").write_text("a caption")
    found = profile(open_dataset(tmp_path))
    assert found.images is None
    assert found.examples == ()
    rendered(found)
    write_profile(tmp_path / "p.html", found)
    assert "No picture could be read." in (tmp_path / "p.html").read_text()


def rendered(found: Any) -> str:
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(found)
    return console.export_text()


def test_terminal(folder: Path) -> None:
    text = rendered(profile(open_dataset(folder, max_bad_share=0.2)))
    assert max(map(len, text.splitlines())) <= 80
    for expected in (
        "9 (77.8% unique)",
        "truncated file",
        "no such file",
        "PNG: 4",
        "3 times",
        "caption (by its name)",
    ):
        assert expected in " ".join(text.split())


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ({"limit": 3, "seed": 4}, "3 images at random, seed 4"),
        ({"limit": 3, "seed": 4, "rows": 31014}, "3 images at random from 31,014 rows, seed 4"),
    ],
)
def test_terminal_says_what_a_sample_is_of(folder: Path, sample: dict[str, int], said: str) -> None:
    data = dataclasses.replace(open_dataset(folder, max_bad_share=0.2), sample=sample)
    assert said in rendered(profile(data))


def test_terminal_shows_examples(folder: Path) -> None:
    data = open_dataset(folder, max_bad_share=0.2)
    text = " ".join(rendered(profile(data, n_examples=3)).split())
    for example in profile(data, n_examples=3).examples:
        assert f"{Path(example.label).name} {example.captions[0]}" in text
    assert "examples" in map(str.strip, rendered(profile(data, n_examples=3)).splitlines())
    assert "examples" not in map(str.strip, rendered(profile(data, n_examples=0)).splitlines())


def test_terminal_in_portuguese(folder: Path) -> None:
    """No label is left in English; what is the data's own stays, numbers are written with commas."""
    with (folder / "metadata.jsonl").open("a") as stream:
        stream.write('\n{"file_name": "a.png", "caption": [""]}\n{"file_name": "folder", "caption": ["x"]}\n[1]')
    (folder / "folder").mkdir()
    found = profile(open_dataset(folder, max_bad_share=0.5, limit=7, language="pt"), sample=6, n_examples=0)
    texts = {locale: rendered(profile_view(found, locale)) for locale in LOCALES}
    assert texts["en"] == rendered(found)
    own = words_of(f"{found.name} metadata.jsonl file_name caption gone.png folder f.jpg a red box on the table en pt")
    own |= words_of("PNG JPEG GIF CMYK RGB px KiB")
    assert words_of(texts["en"]) & words_of(texts["pt-BR"]) - own <= {"as", "do", "no"}  # words of both
    flat = " ".join(texts["pt-BR"].split())
    for expected in (
        "coluna dos textos caption (pelo nome)",
        "amostra 7 imagens sorteadas, semente 0",
        "textos 8 (75,0% únicos)",
        "idiomas, por estimativa en 88%, indefinido 12%",
        "ilegíveis 1 de 6 examinadas",
        "deixadas de fora ao abrir 4 de 12 linhas",
        "palavras de uma legenda 3 6 6,65 7",
        "legenda vazia 1 das linhas",
        "linha 8, gone.png arquivo inexistente",
        "a linha 12 traz uma lista em vez de um objeto",
        "! as legendas não parecem estar no idioma declarado",
    ):
        assert expected in flat


def test_markup_in_captions_is_only_text(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (4, 4)), "PNG"))
    (tmp_path / "a.txt").write_text("[red]not red[/red]\n[red]not red[/red]\n[/closed]\n[/closed]")
    assert "[red]not red[/red]" in rendered(profile(open_dataset(tmp_path)))


def test_progress_and_public_name(folder: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    with watch(lambda stage, done, total: seen.append((stage, done, total))):
        luneta.profile(open_dataset(folder, max_bad_share=0.2))
    assert seen[-1] == ("looking at images", 8, 8)
    assert luneta.profile is profile


def test_to_dict_is_json(folder: Path) -> None:
    record = json.loads(json.dumps(profile(open_dataset(folder, max_bad_share=0.2)).to_dict(), allow_nan=False))
    assert record["schema"] == "luneta.profile/1"
    assert record["captions"]["duplicates"] == [["a red box on the table", 3]]
    assert "jpeg" not in record["examples"][0]


# The page -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", ["en", "pt-BR"])
def test_page(folder: Path, tmp_path: Path, locale: str) -> None:
    page_file = write_profile(
        tmp_path / "out" / "p.html", profile(open_dataset(folder, max_bad_share=0.2)), locale=locale
    )
    page = page_file.read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 2
    assert page.count("data:image/jpeg;base64,") == 7
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page), "nothing from the network or the disk"
    expected = ("What is in the data", "77.8 %", "truncated file") if locale == "en" else (
        "O que há nos dados", "77,8 %", "arquivo truncado", "arquivo inexistente", "pelo nome"
    )  # fmt: skip
    assert all(words in page for words in expected)
    assert f'<html lang="{locale}">' in page


def test_page_problems(folder: Path, tmp_path: Path) -> None:
    found = profile(open_dataset(folder, max_bad_share=0.2))
    with pytest.raises(ConfigError, match="pt-BR"):
        write_profile(tmp_path / "p.html", found, locale="pt-PT")
    (tmp_path / "taken").mkdir()
    with pytest.raises(ArtifactError):
        write_profile(tmp_path / "taken", found)
    assert not (tmp_path / "p.html").exists()


# Languages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("A man is standing on the beach", "en"),
        ("Um homem está em pé na praia", "pt"),
        ("Uma maçã", "pt"),
        ("Un hombre está de pie en la playa", "es"),
        ("Ein Mann steht am Strand", "de"),
        ("Un homme sur la plage avec un chien", "fr"),
        ("개가 달린다", "ko"),
        ("青蛙。", "zh"),
        ("カエル", "ja"),
        ("ضفدع", "Arabic script"),
        ("Лягушка", "Cyrillic script"),
        ("Tux", "undecided"),
        ("um el", "undecided"),
        ("12 + 3", "undecided"),
        ("", "undecided"),
    ],
)
def test_guesses(text: str, language: str) -> None:
    assert guess_language(text) == language


def test_another_language_than_declared_is_doubted(tmp_path: Path) -> None:
    rows = []
    for i in range(10):
        (tmp_path / f"{i}.png").write_bytes(encoded(Image.new("RGB", (4, 4), (i, i, i)), "PNG"))
        rows.append({"file_name": f"{i}.png", "pt": f"the man and the dog, number {i}", "en": f"the dog and a cat {i}"})
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert profile(open_dataset(tmp_path, language="pt")).doubts == ("language",)
    assert profile(open_dataset(tmp_path, language="en")).doubts == ()


@pytest.mark.parametrize(
    ("n_english", "n_portuguese", "n_undecided", "language"),
    [(6, 0, 4, "en"), (5, 0, 5, None), (1, 0, 9, None), (4, 6, 0, "pt"), (5, 5, 0, None), (0, 0, 10, None)],
)
def test_the_main_language_is_that_of_most_captions(
    tmp_path: Path, n_english: int, n_portuguese: int, n_undecided: int, language: str | None
) -> None:
    captions = ["the man and the dog"] * n_english + ["um homem e uma mulher"] * n_portuguese + ["Tux"] * n_undecided
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (4, 4)), "PNG"))
    (tmp_path / "a.txt").write_text("\n".join(captions))
    found = profile(open_dataset(tmp_path, language="de"))
    assert found.main_language == language
    assert ("language" in found.doubts) == (max(n_english, n_portuguese) >= 4 and n_english != n_portuguese)


@pytest.mark.skipif(not STAMPS.exists(), reason="the stamps data set is not beside the repository")
def test_stamps() -> None:
    found = profile(open_dataset(STAMPS, language="pt-BR"), sample=100)
    assert found.main_language == "pt"
    assert found.captions.n_unique < found.n_texts
    assert found.doubts == ("duplicates",)
    assert found.images is not None
    assert found.images.formats == {"JPEG": 100}
