"""The gap between languages: paired by picture, with ways of writing, against arithmetic done by hand."""

from __future__ import annotations

import dataclasses
import zlib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from luneta.cli import app
from luneta.data.dataset import ImageTextDataset
from luneta.errors import ConfigError, DatasetError
from luneta.languages import WRITINGS, language_gap, without_accents
from luneta.types import DIRECTIONS
from worlds import ConceptEncoder, world


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))


class Monoglot(ConceptEncoder):
    """Reads captions that begin with "thing" and takes any other for noise of its own."""

    def encode_texts(self, texts):  # type: ignore[no-untyped-def]
        known = super().encode_texts([t if t.startswith("thing") else "thing 0, way 0" for t in texts])
        for i, text in enumerate(texts):
            if not text.startswith("thing"):
                vector = np.random.default_rng(zlib.crc32(text[::-1].encode())).normal(size=self.dim)
                known[i] = vector / np.linalg.norm(vector)
        return known


def in_portuguese(data: ImageTextDataset) -> ImageTextDataset:
    return dataclasses.replace(data, texts=[text.replace("thing", "coisa, maçã") for text in data.texts])


def test_the_gap_is_the_mean_of_the_pictures_differences() -> None:
    english = world(60, captions_per_image=2)
    found = language_gap(Monoglot(noise=0.5), {"en": english, "pt": in_portuguese(english)}, writings=False)
    for gap in found.gaps:
        ours, reference = (found.evaluations[language].metrics[gap.direction][gap.metric] for language in ("pt", "en"))
        assert gap.value == pytest.approx(ours.value - reference.value)
        assert (gap.language, gap.writing, gap.reference, gap.n_images) == ("pt", "", "en", 60)
    recall = next(g for g in found.gaps if (g.direction, g.metric) == ("text_to_image", "recall@1"))
    assert recall.value < -0.5
    assert recall.high is not None
    assert recall.high < 0
    assert recall.p_holm < 0.01


def test_only_shared_pictures_are_compared() -> None:
    english, portuguese = world(60), in_portuguese(world(45))
    found = language_gap(Monoglot(noise=1.0), {"en": english, "pt": portuguese}, writings=False)
    assert {gap.n_images for gap in found.gaps} == {45}


def test_other_ways_of_writing_are_held_against_the_usual_one() -> None:
    data = in_portuguese(world(40))
    found = language_gap(Monoglot(noise=0.5), {"en": world(40), "pt": data})
    assert {writing for _, writing in found.writings} == {"without accents", "UPPER CASE"}  # lower case changes nothing
    upper = [g for g in found.gaps if (g.language, g.writing, g.metric) == ("en", "UPPER CASE", "recall@1")]
    assert [g.direction for g in upper] == list(DIRECTIONS)
    assert upper[0].reference == "en"
    assert upper[0].value < -0.5  # this encoder knows "thing", not "THING"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("São João", "Sao Joao"),
        ("ñandú", "nandu"),
        ("naïve", "naive"),
        ("日本", "日本"),
        ("が", "が"),
        ("हिन्दी", "हिन्दी"),
        ("أ", "أ"),
    ],
)
def test_accents_are_taken_off_and_nothing_else(text: str, plain: str) -> None:
    assert without_accents(text) == plain
    assert set(WRITINGS) == {"without accents", "UPPER CASE", "lower case"}


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least two"):
        language_gap(ConceptEncoder(), {"en": world(3)})
    other = dataclasses.replace(world(6), images=world(12).images[6:])
    with pytest.raises(DatasetError, match="share no picture"):
        language_gap(ConceptEncoder(), {"en": world(6), "pt": other}, writings=False)


def test_the_command_line(tmp_path: Path) -> None:
    run = CliRunner(env={"COLUMNS": "120"})
    found = run.invoke(
        app, ["evaluate", "cenas", "--limit", "20", "--language", "en,pt-BR", "--json", str(tmp_path / "r.json")]
    )
    assert found.exit_code == 0, found.output
    assert "without accents" in found.stdout
    assert {"r.luneta-mini.en.json", "r.luneta-mini.pt-BR.json"} <= {p.name for p in tmp_path.iterdir()}
