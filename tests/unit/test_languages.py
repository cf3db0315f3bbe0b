"""The gap between languages: paired by picture, with ways of writing, against arithmetic done by hand."""

from __future__ import annotations

import dataclasses
import json
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from luneta import evaluation
from luneta.cli import app
from luneta.data.dataset import ImageTextDataset
from luneta.data.groups import same_things
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


def test_only_shared_pictures_are_compared_and_only_among_themselves() -> None:
    """The same captions are as hard in both languages, also where one lacks some and has fewer pictures to mistake."""
    whole = world(120, captions_per_image=2)
    part = whole.without_images(range(40, 60))
    for languages in ({"en": whole, "pt": part}, {"pt": part, "en": whole}):
        found = language_gap(ConceptEncoder(noise=2.0, dim=16), languages, writings=False)
        scores = {name: e.metrics["text_to_image"]["recall@1"].value for name, e in found.evaluations.items()}
        assert scores["pt"] > scores["en"], "each language's own result is of all its pictures"
        for gap in found.gaps:
            assert (gap.n_images, gap.value) == (100, 0.0), (gap.direction, gap.metric)
            assert gap.score == gap.reference_score
            assert gap.score == pytest.approx(found.evaluations["pt"].metrics[gap.direction][gap.metric].value)
            assert gap.chance == gap.reference_chance
            assert gap.chance == pytest.approx(found.evaluations["pt"].metrics[gap.direction][gap.metric].chance)


def test_pictures_are_paired_by_content_in_whatever_order_they_come() -> None:
    english = world(60)
    order = np.random.default_rng(0).permutation(60)
    turned = dataclasses.replace(
        english, images=[english.images[i] for i in order], texts=[english.texts[i] for i in order]
    )
    twice = dataclasses.replace(
        english, images=[*english.images, *english.images[:5]], texts=[*english.texts, *english.texts[:5]],
        pairs=np.stack([np.arange(65)] * 2, axis=1), image_rows=np.arange(65), text_rows=np.arange(65),
        rows=pa.table({"number": list(range(65))}),
    )  # fmt: skip
    encoder = ConceptEncoder(noise=2.0, dim=16)
    for other in (turned, twice):
        found = language_gap(encoder, {"en": english, "xx": other}, writings=False)
        assert {(gap.n_images, gap.value) for gap in found.gaps} == {(60, 0.0)}


def test_groups_are_cut_with_their_pictures() -> None:
    whole = dataclasses.replace(world(60), rows=pa.table({"sku": [str(i // 2) for i in range(60)]}))
    part = whole.without_images(range(0, 60, 4))
    rules = {name: same_things(data, near=False, item_column="sku") for name, data in (("en", whole), ("pt", part))}
    found = language_gap(ConceptEncoder(noise=2.0, dim=16), {"en": whole, "pt": part}, duplicates=rules, writings=False)
    assert {(gap.n_images, gap.value) for gap in found.gaps} == {(45, 0.0)}


def test_a_broken_picture_leaves_before_pictures_are_compared() -> None:
    whole = world(60, broken=[7, 30])
    part = whole.without_images(range(20, 40))
    rules = {name: same_things(data, near=False) for name, data in (("en", whole), ("pt", part))}
    for duplicates in ("merge", rules):
        found = language_gap(
            ConceptEncoder(noise=2.0, dim=16), {"en": whole, "pt": part}, duplicates=duplicates, writings=False,
            max_bad_share=0.1,
        )  # fmt: skip
        assert {(gap.n_images, gap.value) for gap in found.gaps} == {(39, 0.0)}


def test_equal_captions_are_one_query_asked_several_times() -> None:
    """Six labels give no more certainty than six queries, however many pictures bear them."""
    english = world(120, equal_captions=[range(start, 120, 6) for start in range(6)])
    found = language_gap(Monoglot(), {"en": english, "pt": in_portuguese(english)}, writings=False)
    (gap,) = (g for g in found.gaps if (g.direction, g.metric) == ("text_to_image", "recall@1"))
    assert gap.value < -0.5
    assert gap.p_holm >= 2 / 2**6


def test_an_encoder_is_examined_once_and_sees_everything_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Counting(Monoglot):
        def encode_images(self, images):  # type: ignore[no-untyped-def]
            seen.extend(image.getpixel((0, 0)) for image in images if image.size == (2, 2))
            return super().encode_images(images)

    examine = evaluation.examine
    examinations: list[bool] = []
    monkeypatch.setattr(
        evaluation, "examine", lambda *given, **how: (examinations.append(True), examine(*given, **how))[1]
    )
    english = world(40)
    for cache in (True, False):
        seen: list[tuple[int, int, int]] = []
        examinations.clear()
        caplog.clear()
        datasets = {"en": english, "pt": in_portuguese(english), "fr": in_portuguese(english.without_images([3]))}
        found = language_gap(Counting(constant=True), datasets, cache=cache)
        assert len(examinations) == 1
        assert len(seen) == len(set(seen)) == 40
        assert len([r for r in caplog.records if r.getMessage().startswith("doctor: distinct vectors")]) == 1
        evaluations = [*found.evaluations.values(), *found.writings.values()]
        assert all([check["verdict"] for check in e.checks].count("fail") for e in evaluations)


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


def test_what_is_found_is_told_as_text_and_as_json() -> None:
    english = world(40)
    found = language_gap(Monoglot(noise=0.5), {"en": english, "pt": in_portuguese(english)})
    assert "without accents" in str(found)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (told["schema"], told["reference"], told["encoder"]["name"]) == ("luneta.languages/1", "en", "concepts")
    assert list(told["languages"]) == ["en", "pt"]
    recall = told["languages"]["pt"]["metrics"]["text_to_image"]["recall@1"]
    assert recall == dataclasses.asdict(found.evaluations["pt"].metrics["text_to_image"]["recall@1"])
    assert told["languages"]["pt"]["protocol"]["hash"] == found.evaluations["pt"].protocol["hash"]
    assert [(w["language"], w["writing"]) for w in told["writings"]] == list(found.writings)
    assert told["gaps"] == [dataclasses.asdict(gap) for gap in found.gaps]
    assert told["checks"] == list(found.evaluations["en"].checks)


def test_the_command_line(tmp_path: Path) -> None:
    run = CliRunner(env={"COLUMNS": "120"})
    out = tmp_path / "out"
    asked = ["evaluate", "cenas", "--limit", "20", "--language", "en,pt-BR", "--json", str(out / "r.json")]
    found = run.invoke(app, asked)
    assert found.exit_code == 0, found.output
    assert "without accents" in found.stdout
    results = {"r.luneta-mini.en.json", "r.luneta-mini.pt-BR.json"}
    queries = {name.replace(".json", ".queries.parquet") for name in results}
    assert {p.name for p in out.iterdir()} == {*results, *queries, "r.json"}
    assert f"Wrote {out / 'r.json'}\n" in found.stdout
    gap = json.loads((out / "r.json").read_text())["gaps"][0]
    assert (gap["language"], gap["reference"], gap["n_images"]) == ("pt-BR", "en", 20)
    board = run.invoke(app, ["leaderboard", str(out)])
    assert board.exit_code == 0, board.output
    assert "r.json" not in board.stdout, "gaps are no result of one protocol"
    twice = run.invoke(app, [*asked, "-e", "luneta-mini", "-e", "luneta-mini-siglip"])
    assert twice.exit_code == 0, twice.output
    assert {"r.luneta-mini.json", "r.luneta-mini-siglip.json"} <= {p.name for p in out.iterdir()}
