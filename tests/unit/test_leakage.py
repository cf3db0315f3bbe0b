"""Leakage: every way a test item can have been seen, and recall with and without it against arithmetic by hand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from luneta.cli import app, options
from luneta.data.dataset import ImageTextDataset
from luneta.data.groups import find_groups
from luneta.errors import ConfigError, ProtocolMismatchError
from luneta.evaluation import evaluate
from luneta.grids import as_text
from luneta.leakage import find_leakage
from luneta.leakage.terminal import leakage_view
from luneta.metrics import recall_at
from luneta.report.leakage import write_leakage
from luneta.results import load_evaluation
from luneta.stats import bootstrap
from luneta.types import DIRECTIONS
from pages import read
from paintings import Held, gallery, painting
from worlds import ConceptEncoder, world


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))


def part(data: ImageTextDataset, images: list[int]) -> ImageTextDataset:
    return data.without_images([i for i in range(data.n_images) if i not in images])


def two_sets() -> tuple[ImageTextDataset, ImageTextDataset]:
    pictures = [painting(seed) for seed in range(8)]
    train = gallery(
        [
            Held("same", pictures[0]),
            Held("shot", pictures[1], "comment"),
            Held("small", pictures[2].resize((48, 48))),
            Held("mirrored", ImageOps.mirror(pictures[3])),
            Held("other", pictures[7]),
            Held("broken", None),
        ],
        [["um"], ["dois"], ["três"], ["quatro"], ["Cinco!"], ["quebrado"]],
        name="train",
    )
    test = gallery(
        [Held(f"test-{i}", pictures[i]) for i in range(5)] + [Held("broken", None)],
        [["one"], ["two"], ["three", "tres"], ["four"], ["cinco"], ["broken"]],
        name="test",
    )
    return train, test


def test_every_way_of_having_been_seen() -> None:
    found = find_leakage(*two_sets())
    assert [(s.test, s.train, s.kind) for s in found.images] == [
        (0, 0, "file"), (1, 1, "pixels"), (2, 2, "near_image"), (3, 3, "mirrored_image"), (5, 5, "file"),
    ]  # fmt: skip
    assert [(found.test.texts[s.test], s.train, s.kind) for s in found.texts] == [
        ("tres", 2, "near_caption"), ("cinco", 4, "caption"),
    ]  # fmt: skip
    assert found.image_share == 5 / 6
    assert found.text_share == 2 / 7
    assert found.counts == {
        "file": 2, "pixels": 1, "near_image": 1, "mirrored_image": 1, "caption": 1, "near_caption": 1,
    }  # fmt: skip
    assert 0 < found.images[2].distance < 0.06


def test_copies_within_the_test_set_are_no_leak() -> None:
    train, test = world(3), gallery([Held("a", painting(1)), Held("b", painting(1))], [["x y"], ["x y"]])
    found = find_leakage(train, test)
    assert found.images == found.texts == ()
    assert find_leakage(part(world(3), []), test).images == ()


def test_copies_within_the_training_set_are_not_mistaken_for_the_test_sets() -> None:
    """Training images 0 and 1 are near copies; test image 1 is a near copy of training image 2."""
    train = gallery(
        [Held("a", painting(1)), Held("b", painting(1).resize((63, 63))), Held("c", painting(2))],
        [["one"], ["two"], ["three"]],
    )
    test = gallery([Held("x", painting(3)), Held("y", painting(2).resize((20, 20)))], [["four"], ["five"]])
    (seen,) = find_leakage(train, test).images
    assert (seen.test, seen.train, seen.kind) == (1, 2, "near_image")


def test_a_captions_chain_does_not_make_an_image_seen() -> None:
    """Test image 0 shares its caption with a training image: the caption was seen, the image was not."""
    train = gallery([Held("a", painting(1))], [["a dog"]])
    test = gallery([Held("b", painting(2))], [["A dog."]])
    found = find_leakage(train, test)
    assert found.images == ()
    assert [s.kind for s in found.texts] == ["caption"]


def leaky() -> tuple[ImageTextDataset, ImageTextDataset]:
    """Training has seen pictures 0 to 9 of a test set of 40, under other captions."""
    test = world(40, captions_per_image=2)
    seen = part(test, list(range(10)))
    return replace(seen, texts=[f"coisa {text}" for text in seen.texts]), test


def test_recall_with_and_without_the_leaked_queries() -> None:
    train, test = leaky()
    evaluation = evaluate(ConceptEncoder(noise=1.2, dim=16), test)
    found = find_leakage(train, test, evaluation=evaluation)
    assert [(i.direction, i.metric) for i in found.inflations] == [
        (direction, f"recall@{k}") for direction in DIRECTIONS for k in (1, 5, 10)
    ]
    for one in found.inflations:
        hits = recall_at(evaluation.rankings[one.direction], int(one.metric.removeprefix("recall@")))
        leaked = np.arange(len(hits)) < (20 if one.direction == "text_to_image" else 10)
        assert (one.n_queries, one.n_leaked, one.seen) == (len(hits), leaked.sum(), "image")
        assert one.reported.value == pytest.approx(hits.mean())
        assert one.clean is not None
        assert one.clean.value == pytest.approx(hits[~leaked].mean())
        assert one.leaked.value == pytest.approx(hits[leaked].mean())
        assert one.inflation is not None
        assert one.inflation.value == pytest.approx(hits.mean() - hits[~leaked].mean())


def test_the_interval_of_the_inflation_is_that_of_resampling_both_means() -> None:
    train, test = leaky()
    evaluation = evaluate(ConceptEncoder(noise=1.2, dim=16), test)
    (one, *_) = find_leakage(train, test, evaluation=evaluation).inflations
    hits = recall_at(evaluation.rankings["text_to_image"], 1)
    rng, leaked, owner = np.random.default_rng(1), np.arange(80) < 20, np.arange(80) // 2
    gaps = []
    for _ in range(2000):
        drawn = (2 * rng.integers(40, size=40)[:, None] + [0, 1]).reshape(-1)
        gaps.append(hits[drawn].mean() - hits[drawn][~leaked[drawn]].mean())
    low, high = np.quantile(gaps, [0.025, 0.975])
    assert one.inflation is not None
    assert one.inflation.low == pytest.approx(low, abs=0.02)
    assert one.inflation.high == pytest.approx(high, abs=0.02)
    assert bootstrap(hits, owner).value == one.reported.value


def test_everything_leaked_leaves_no_clean_number() -> None:
    test = world(5)
    (one, *_) = find_leakage(test, test, evaluation=evaluate(ConceptEncoder(), test)).inflations
    assert (one.n_leaked, one.clean, one.inflation) == (5, None, None)


def test_leaked_captions_are_counted_apart() -> None:
    test = world(6)
    train = gallery([Held("new", painting(1))], [[test.texts[4]]])
    evaluation = evaluate(ConceptEncoder(), test)
    found = find_leakage(train, test, evaluation=evaluation)
    assert {(one.seen, one.n_leaked) for one in found.inflations} == {("image or caption", 1)}
    both = gallery([test.images[0]], [[test.texts[4]]])
    counts = {(one.seen, one.n_leaked) for one in find_leakage(both, test, evaluation=evaluation).inflations}
    assert counts == {("image", 1), ("image or caption", 2)}


@pytest.mark.parametrize("near", [True, False])  # without near nothing but the encoder decodes pictures
def test_an_evaluation_without_its_unreadable_images_fits(tmp_path: Path, near: bool) -> None:
    test = world(10, broken=[3])
    evaluation = evaluate(ConceptEncoder(), test, max_bad_share=0.5)
    evaluation.save(tmp_path / "result.json")
    train = part(test, [0, 3])
    groups = find_groups((train, test), near=near)
    for scored in (evaluation, load_evaluation(tmp_path / "result.json")):
        found = find_leakage(train, test, groups=groups, evaluation=scored)
        assert {(one.n_leaked, one.n_queries) for one in found.inflations} == {(1, 9)}


def test_an_evaluation_of_other_data_is_refused() -> None:
    other = evaluate(ConceptEncoder(), world(9))
    with pytest.raises(ProtocolMismatchError, match="9 images"):
        find_leakage(world(3), world(10), evaluation=other)
    renamed = replace(world(10), texts=[f"{text}!" for text in world(10).texts])
    with pytest.raises(ProtocolMismatchError):
        find_leakage(world(3), world(10), evaluation=evaluate(ConceptEncoder(), renamed))


def test_groups_of_other_data_are_refused() -> None:
    with pytest.raises(ConfigError, match="train and test"):
        find_leakage(world(3), world(4), groups=find_groups(world(3)))


@pytest.mark.parametrize("locale", ["en", "pt-BR"])
def test_the_page_shows_the_pairs(tmp_path: Path, locale: str) -> None:
    train, test = two_sets()
    evaluation = evaluate(ConceptEncoder(noise=1.2), leaky()[1])
    page = read(write_leakage(tmp_path / "leak.html", find_leakage(train, test), locale=locale).read_text())
    alts = [image.attributes["alt"] for image in page.all("img")]
    assert alts == ["test-0", "same", "test-1", "shot", "test-2", "small", "test-3", "mirrored"]
    assert all(image.attributes["src"].startswith("data:image/jpeg") for image in page.all("img"))
    assert {"en": "cannot be read", "pt-BR": "não pode ser lida"}[locale] in page.text
    assert "83.3 %" in page.text or "83,3 %" in page.text
    assert {"en": "test: 6 images, 7 texts", "pt-BR": "test: 6 imagens, 7 textos"}[locale] in page.text
    (shown,) = page.all("main")
    assert re.search(r"None|\w=|\w\('|\['", shown.text) is None  # nothing as Python writes it
    scored = find_leakage(*leaky(), evaluation=evaluation)
    text = read(write_leakage(tmp_path / "scored.html", scored, locale=locale).read_text()).text
    assert {"en": "They alone", "pt-BR": "Só elas"}[locale] in text
    nothing = write_leakage(tmp_path / "none.html", find_leakage(world(2), two_sets()[1]), locale=locale)
    assert {"en": "Nothing of the test set", "pt-BR": "Nada do conjunto"}[locale] in read(nothing.read_text()).text


def test_the_terminal_and_json_say_the_same(tmp_path: Path) -> None:
    train, test = leaky()
    found = find_leakage(train, test, evaluation=evaluate(ConceptEncoder(noise=1.2), test))
    assert "10 (25.0 %)" in str(found)
    assert "of 80" in str(found)
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (content["n_seen_images"], content["image_share"], content["counts"]) == (10, 0.25, {"file": 10})
    assert content["images"][0] | {"distance": 0} == {
        "test": 0, "train": 0, "kind": "file", "distance": 0, "test_name": "picture-0", "train_name": "picture-0",
    }  # fmt: skip


@pytest.mark.parametrize("locale", ["en", "pt-BR"])
def test_the_terminal_s_tables_fit_80_columns(locale: str) -> None:
    train, test = leaky()
    found = find_leakage(train, test, evaluation=evaluate(ConceptEncoder(noise=1.2, dim=16), test))
    large = [replace(one, n_queries=1_234_567, n_leaked=1_230_000) for one in found.inflations]
    far = replace(test, name="/data/of/a/project/with/a/long/name/" + "and/more" * 6)
    text = as_text(leakage_view(replace(found, test=far, inflations=large), locale), 80)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    for one in found.inflations:
        assert one.clean is not None
        for interval in (one.reported, one.clean, one.leaked):
            assert interval.low is not None
            limits = f"{interval.low:.3f} {interval.high:.3f}"
            assert (limits if locale == "en" else limits.replace(".", ",")) in text
    assert text.count("1,234,567" if locale == "en" else "1.234.567") == len(large)


def write_folder(folder: Path, names: dict[str, int], language: str) -> None:
    folder.mkdir()
    rows = []
    for name, seed in names.items():
        painting(seed).save(folder / name)
        rows.append(json.dumps({"file_name": name, language: f"{language} {seed}"}))
    (folder / "metadata.jsonl").write_text("\n".join(rows))


def test_the_command(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {f"{i}.jpg": i for i in range(4)}, "legenda")
    write_folder(tmp_path / "test", {f"{i}.png": i for i in range(3, 8)}, "caption")
    arguments = [str(tmp_path / "train"), str(tmp_path / "test"), "--text", "legenda", "--test-text", "caption"]
    outputs = ["--json", str(tmp_path / "leak.json"), "--report", str(tmp_path / "leak.html")]
    done = CliRunner().invoke(app, ["leakage", *arguments, *outputs])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "leak.json").read_text())["counts"] == {"near_image": 1}
    assert len(read((tmp_path / "leak.html").read_text()).all("img")) == 2
    assert "1 (20.0 %)" in done.output
    files_only = CliRunner().invoke(app, ["leakage", *arguments, "--no-near"])
    assert "0 (0.0 %)" in files_only.output
    assert CliRunner().invoke(app, ["leakage", *arguments, "--locale", "fr"]).exit_code == 2


def test_what_is_opened_can_be_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each side at its revision and in its language; a sample is of the test set, for what is seen is sought in all."""
    opened: dict[str, dict[str, Any]] = {}

    def open_data(name: str, max_bad_share: float, **given: Any) -> ImageTextDataset:
        opened[name] = {key: value for key, value in given.items() if value is not None}
        return world(6)

    monkeypatch.setattr(options, "open_data", open_data)
    arguments = ["leakage", "owner/train", "owner/test", "--train-revision", "v1", "--test-revision", "v2"]
    done = CliRunner().invoke(app, [*arguments, "--language", "pt-BR", "--limit", "3", "--seed", "4"])
    assert done.exit_code == 0, done.output
    assert opened["owner/train"] == {"language": "pt-BR", "revision": "v1"}
    assert opened["owner/test"] == {"language": "pt-BR", "revision": "v2", "limit": 3, "seed": 4}
    CliRunner().invoke(app, [*arguments, "--language", "pt-BR", "--test-language", "en"])
    assert (opened["owner/train"]["language"], opened["owner/test"]["language"]) == ("pt-BR", "en")


def test_a_sample_of_the_test_set_is_the_sample_that_was_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner(env={"COLUMNS": "140"})
    sample = ["--limit", "20", "--seed", "3"]
    done = run.invoke(app, ["evaluate", "cenas", *sample, "--json", "r.json"])
    assert done.exit_code == 0, done.output
    done = run.invoke(
        app, ["leakage", "cenas", "cenas", *sample, "--no-near", "--result", "r.json", "--json", "l.json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(Path("l.json").read_text())["n_seen_images"] == 20


BRIGHTNESS = """
import numpy as np
from luneta import EncoderSpec

class Brightness:
    spec = EncoderSpec(name="brightness", embedding_dim=2, fingerprint="")
    def encode_images(self, images):
        angles = np.array([float(np.asarray(image).mean()) for image in images]) / 128
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    def encode_texts(self, texts):
        words = [text.split()[-1] for text in texts]
        angles = np.array([float(word) if word[0].isdigit() else len(word) for word in words])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
"""


def grey(value: int, seed: int) -> Image.Image:
    """Of one brightness, with a pattern of its own."""
    pattern = np.random.default_rng(seed).permutation(np.repeat([-40, 40], 32)).reshape(8, 8)
    return Image.fromarray((value + pattern).astype(np.uint8)).convert("RGB").resize((64, 64), Image.Resampling.NEAREST)


@pytest.fixture
def two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of equal brightness are only train/1 and test/1; a picture on either side is cut short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "brightness.py").write_text(BRIGHTNESS)
    for name, shades in (("train", (50, 100, 200)), ("test", (75, 100, 150))):
        (tmp_path / name).mkdir()
        rows = ["file_name,caption,sku"]
        for i, shade in enumerate(shades):
            grey(shade, len(name) * 10 + i).save(tmp_path / name / f"{i}.png")
            rows.append(f"{i}.png,{name} {shade / 128:.3f},{f'{name}{i}' if i else 'both'}")
        whole = (tmp_path / name / "0.png").read_bytes()
        (tmp_path / name / "broken.png").write_bytes(whole[: len(whole) // 2])
        rows.insert(2, f"broken.png,{name} broken 0,")
        (tmp_path / name / "metadata.csv").write_text("\n".join(rows) + "\n")
    return ["leakage", "train", "test", "--max-bad-share", "0.5", "--json", "leak.json"]


def test_near_vectors_are_further_evidence(two_folders: list[str]) -> None:
    run = CliRunner(env={"COLUMNS": "140"})
    encoder = ["--encoder", "brightness:Brightness"]
    for more, expected in (
        ([], {}),
        (encoder, {}),
        ([*encoder, "--no-near", "--same-item", "sku"], {"item": 1}),
        ([*encoder, "--vectors", "--least-cosine", "0.9999"], {"vectors": 1}),
        ([*encoder, "--vectors", "--least-cosine", "0.98"], {"vectors": 2}),
        ([*encoder, "--vectors", "--least-cosine", "0.9999", "--same-item", "sku"], {"vectors": 1, "item": 1}),
    ):
        done = run.invoke(app, [*two_folders, *more])
        assert done.exit_code == 0, done.output
        found = json.loads(Path("leak.json").read_text())
        assert found["counts"] == expected, more
        assert found["unreadable"] == (0 if "--no-near" in more else 2)
        assert bool(found["inflation"]) == bool(expected)
    shown = [(one["test_name"].rpartition("/")[2], one["kind"]) for one in found["images"]]
    assert shown == [("0.png", "item"), ("1.png", "vectors")]


def test_what_would_fail_late_is_refused_before_any_work(
    two_folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "open_encoder", lambda *_: pytest.fail("work began"))
    for more, message in (
        (["--vectors"], "--encoder"),
        (["--encoder", "luneta-mini", "--result", "r.json"], "not both"),
        (["--encoder", "luneta-minni", "--vectors"], "luneta-mini"),
        (["--encoder", "brightness:Brightness", "--vectors", "--least-cosine", "2"], "least-cosine"),
        (["--encoder", "brightness:Brightness", "--same-item", "skus"], "Did you mean sku"),
    ):
        refused = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*two_folders, *more])
        assert (refused.exit_code, message in refused.output) == (2, True), refused.output


def test_the_terminal_speaks_portuguese(two_folders: list[str]) -> None:
    more = ["-e", "brightness:Brightness", "--vectors", "--locale", "pt-BR", "--report", "leak.html"]
    shown = CliRunner(env={"COLUMNS": "140"}).invoke(app, [*two_folders, *more]).output
    for said in (
        "Imagens de teste vistas",
        "imagens com vetores próximos",
        "vazadas",
        "ilegíveis",
        "Escrito",
    ):
        assert said in shown
    assert "captions" not in shown
    assert "33,3 %" in shown or "25,0 %" in shown or "50,0 %" in shown
