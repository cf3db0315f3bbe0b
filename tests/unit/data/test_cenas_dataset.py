"""Cenas opened as a data set."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from luneta.data.cenas import draw, open_cenas
from luneta.data.cenas.captions import captions
from luneta.data.cenas.dataset import CenaRef
from luneta.data.cenas.world import SPLIT_SIZES, VERSION, scenes, split_of
from luneta.data.sources import open_dataset
from luneta.errors import ConfigError, DatasetError
from luneta.types import ImageRef


def test_the_default_is_the_test_split_in_english() -> None:
    data = open_cenas()
    assert (data.name, data.split, data.language, data.revision) == ("cenas", "test", "en", VERSION)
    assert (data.n_images, data.n_texts, data.sample) == (2000, 10000, None)
    assert len(set(data.image_keys)) == 2000
    assert isinstance(data.images[0], ImageRef)
    for image in (0, 999, 1999):
        texts = [data.texts[t] for t in data.texts_of(image)]
        scene = scenes("test")[image]
        assert texts == captions(scene, "en")
        row = data.image_metadata(image)
        assert (row["place"], row["time"], row["kind_1"]) == (scene.place, scene.time, scene.groups[0].kind)
        assert row["kind_2"] == (scene.groups[1].kind if scene.axis else None)
        assert row["language"] == "en"


@pytest.mark.parametrize(("split", "n"), [("train", 20000), ("val", 1000), ("validation", 1000)])
def test_splits(split: str, n: int) -> None:
    data = open_cenas("cenas", split=split, limit=7)
    assert (data.n_images, data.n_texts) == (7, 35)
    assert data.split == ("val" if split == "validation" else split)
    assert data.sample == {"limit": 7, "seed": 0}
    assert open_cenas(f"cenas:{split}", limit=7).fingerprint == data.fingerprint
    assert len(scenes(data.split)) == n


def test_both_languages_share_the_pictures() -> None:
    data = open_cenas("cenas", language="both", limit=20)
    assert (data.n_images, data.n_texts, data.language, data.rows.num_rows) == (20, 200, None, 40)
    languages = data.rows.column("language").to_pylist()
    for image in range(20):
        texts = data.texts_of(image)
        assert Counter(languages[data.text_rows[t]] for t in texts) == {"en": 5, "pt-BR": 5}
    portuguese = open_cenas("cenas", language="pt", limit=20)
    assert portuguese.language == "pt-BR"
    assert portuguese.image_keys == data.image_keys
    assert set(portuguese.texts) < set(data.texts)


def test_a_sample_is_random_seeded_and_the_same_in_every_style() -> None:
    first, again, other = (open_cenas(limit=100, seed=seed) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint
    assert first.image_keys != other.image_keys
    numbers = [int(image.label.rsplit("/", 1)[1]) for image in first.images]
    assert len(set(numbers)) == 100
    assert 700 < np.mean(numbers) < 1300
    sketch = open_cenas("cenas/sketch", limit=100, seed=1)
    assert [int(image.label.rsplit("/", 1)[1]) for image in sketch.images] == numbers
    assert sketch.texts == first.texts
    assert not set(sketch.image_keys) & set(first.image_keys)


def test_a_key_is_of_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever changes how things are drawn changes the keys, or vectors kept from before would be taken for theirs."""
    data = open_cenas(limit=5)
    before, fingerprint = data.image_keys, data.fingerprint
    assert before == tuple(hashlib.sha256(image.open().tobytes()).hexdigest() for image in data.images)
    draw.sprite.cache_clear()
    monkeypatch.setattr(draw, "ANGLES", (45,))
    changed = open_cenas(limit=5)
    assert not set(changed.image_keys) & set(before)
    assert changed.fingerprint != fingerprint
    draw.sprite.cache_clear()


def test_equal_keys_equal_pixels() -> None:
    data = open_cenas("cenas+duplicates", limit=220)
    pixels: dict[str, bytes] = {}
    for image in data.images:
        drawn = image.open().tobytes()
        assert pixels.setdefault(image.key(), drawn) == drawn
    assert len(set(pixels.values())) == len(pixels) == 210


def test_planted_duplicates() -> None:
    data = open_cenas("cenas/night:val+duplicates")
    assert (data.name, data.split, data.n_images) == ("cenas/night+duplicates", "val", 1100)
    rows = [data.image_metadata(i) for i in range(data.n_images)]
    assert Counter(row["duplicate"] for row in rows) == {None: 1000, "exact": 50, "near": 50}
    by_label = {image.label: i for i, image in enumerate(data.images)}
    for i, row in enumerate(rows):
        if row["duplicate"] is None:
            continue
        original = by_label[row["duplicate_of"]]
        assert row["group"] == rows[original]["group"]
        assert (data.images[i].key() == data.images[original].key()) == (row["duplicate"] == "exact")
    plain = open_cenas("cenas/night:val")
    assert [image.label for image in data.images[:1000]] == [image.label for image in plain.images]
    assert [image.key() for image in data.images[:1000:9]] == [
        image.key() for image in plain.images[::9]
    ]  # each is drawn


def test_compositional_pairs() -> None:
    data = open_cenas("cenas:compositional", language="pt-BR")
    assert (data.n_images, data.n_texts) == (800, 800)
    for first in range(0, 800, 2):
        one, two = data.image_metadata(first), data.image_metadata(first + 1)
        assert one["pair"] == two["pair"]
        assert one["swap"] == two["swap"] is not None
        texts = [data.texts[int(data.texts_of(i)[0])] for i in (first, first + 1)]
        assert texts[0] != texts[1]
        assert sorted(texts[0].split()) == sorted(texts[1].split())
    few = open_cenas("cenas:compositional", limit=9)
    assert (few.n_images, few.sample) == (8, {"limit": 8, "seed": 0})
    assert len({row["pair"] for row in few.rows.to_pylist()}) == 4


def test_all_splits_together() -> None:
    data = open_cenas("cenas", split="all", limit=600)
    assert (data.n_images, data.split, data.sample) == (600, None, {"limit": 600, "seed": 0})
    drawn = Counter(data.image_metadata(i)["split"] for i in range(600))
    assert drawn.keys() == set(SPLIT_SIZES)
    for split, size in SPLIT_SIZES.items():
        assert drawn[split] == pytest.approx(600 * size / sum(SPLIT_SIZES.values()), abs=30)
    for i in range(600):
        row, ref = data.image_metadata(i), data.images[i]
        assert isinstance(ref, CenaRef)
        assert split_of(ref.scene) == row["split"]
        assert int(ref.label.rsplit("/", 1)[1]) < SPLIT_SIZES[row["split"]]
        assert len(data.texts_of(i)) == (1 if row["split"] == "compositional" else 5)
        assert (row["pair"] is not None) == (row["split"] == "compositional")
    assert open_dataset("cenas:all", limit=600).texts == data.texts
    assert len({image.label for image in data.images}) == 600


def test_a_split_that_nobody_chose_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="luneta"):
        silent = open_cenas("cenas:test", limit=2)
        assert (dict(silent.columns), caplog.messages) == ({}, [])
        assert open_cenas(limit=2).columns["split"] == "test"
    (message,) = caplog.messages
    assert message == "cenas: split test (the default; choose train, val, test, compositional or all with split=)"


@pytest.mark.parametrize(
    ("spec", "options", "said"),
    [
        ("cenas/skech", {}, "sketch"),
        ("cenas:tset", {}, "test"),
        ("cenas", {"split": "tests"}, "test"),
        ("cenas", {"language": "fr"}, "pt-BR"),
        ("cenas", {"language": "pt-PT"}, "pt-BR"),
        ("cenas+duplicate", {}, "duplicates"),
        ("cenas:val", {"split": "test"}, "keep one"),
        ("cenas:compositional+duplicates", {}, "train, val, test"),
        ("cenas:all+duplicates", {}, "train, val, test"),
        ("cenas", {"limit": 0}, "at least 1"),
        ("cenas:compositional", {"limit": 1}, "at least 2"),
        ("scenes", {}, "cenas/STYLE"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_nearest_name(spec: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_cenas(spec, **options)


@pytest.mark.parametrize("name", ["cenas", "cenas/sketch", "cenas:val", "owner/name", "hub:owner/name"])
def test_a_path_is_a_place_on_this_machine(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=r"no such file or folder|no data set"):
        open_dataset(Path(name))
    Path(name).mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(Path(name, "a.png"))
    Path(name, "a.txt").write_text("mine")
    assert open_dataset(Path(name)).texts == open_dataset(f"./{name}").texts == ["mine"]
    assert open_dataset("cenas", limit=2).n_images == 2
