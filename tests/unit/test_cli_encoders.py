"""What a newcomer is told of the encoders: which there are, and what those that come with the package are good for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from luneta.cli import app
from luneta.encoders.presets import list_encoders
from luneta.evaluation import evaluate
from luneta.report.evaluation import lead
from luneta.terminal import for_trying_out
from worlds import ConceptEncoder, words_of, world


def said(*arguments: str, columns: int = 80) -> str:
    done = CliRunner(env={"COLUMNS": str(columns)}).invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(6):
        Image.new("RGB", (8, 8), (40 * i, 255 - 40 * i, 99)).save(folder / f"{i}.png")
    rows = [{"file_name": f"{i}.png", "caption": f"a balloon of colour {i}"} for i in range(6)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_who_names_no_encoder_is_told_what_the_default_knows(photos: Path) -> None:
    english = said("evaluate", str(photos))
    assert english.count("luneta-mini: learnt drawn scenes with English captions only") == 1
    assert "--encoder" in english
    assert "luneta encoders" in english
    portuguese = said("evaluate", str(photos), "--locale", "pt-BR")
    assert portuguese.count("luneta-mini: aprendeu só cenas desenhadas com legendas em inglês") == 1
    assert "learnt" not in portuguese


def test_who_has_chosen_or_takes_the_drawings_is_not() -> None:
    own = evaluate(ConceptEncoder(name="mine"), world(5), cache=False)
    mini = replace(own, encoder={**own.encoder, "name": "luneta-mini"})
    other = replace(own, encoder={**own.encoder, "name": "Luneta-mini-siglip"})
    drawn = [
        replace(mini, dataset={**own.dataset, "name": name}) for name in ("cenas", "cenas/sketch", "cenas+duplicates")
    ]
    assert [for_trying_out([evaluation], "en") for evaluation in (own, *drawn)] == [""] * 4
    assert for_trying_out([mini, own, other, mini], "en").startswith("luneta-mini, luneta-mini-siglip: learnt drawn")
    assert for_trying_out([mini, other], "pt-BR").startswith("luneta-mini, luneta-mini-siglip: cada um aprendeu só")
    assert for_trying_out([mini], "pt-BR").startswith("luneta-mini: aprendeu só")
    assert for_trying_out([replace(mini, dataset={**own.dataset, "name": "cenas_de_rua"})], "pt-BR")
    assert "drawn scenes" in lead([mini], "en")
    assert "drawn scenes" not in lead([own], "en")


def test_the_list_says_it_in_both_languages() -> None:
    english, portuguese = said("encoders"), said("encoders", "--locale", "pt-BR")
    for text, note in ((english, "learnt drawn scenes with English"), (portuguese, "aprendeu só cenas desenhadas")):
        assert text.count(note) == 2
    for part in ("nome", "parâmetros", "idiomas", "licença", "multilíngue", "(embutido)", "151 M", "1.136 M"):
        assert part in portuguese
    foreign = {"name", "languages", "licence", "built", "keeps", "holds", "stated", "variable"}
    assert words_of(portuguese) & foreign == set()
    for preset in list_encoders():
        assert preset.name in portuguese
        assert bool(preset.note) == bool(preset.note_in("pt-BR"))
        assert not preset.note or preset.note_in("pt-BR") != preset.note == preset.note_in("en")
