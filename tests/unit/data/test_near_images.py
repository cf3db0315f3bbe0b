"""Near-identical pictures are found whatever was done to them, and others are not; neighbours against brute force."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

import luneta.data.neighbours as module
from luneta.data.cenas import open_cenas
from luneta.data.near_images import align, compare, near_images
from luneta.data.neighbours import neighbours
from luneta.data.signatures import sign, thumbnail
from paintings import Held, painting

N = 12


def jpeg(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=50)
    return Image.open(stream).convert("RGB")


def trimmed(image: Image.Image) -> Image.Image:
    side = image.width
    cut = round(0.05 * side)
    return image.crop((cut, 0, side, side - cut))


CHANGES = {
    "smaller": lambda image: image.resize((40, 40)),
    "larger": lambda image: image.resize((100, 100)),
    "jpeg": jpeg,
    "trimmed": trimmed,
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "paler": lambda image: ImageEnhance.Color(image).enhance(0.5),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "channels in another order": lambda image: Image.merge("RGB", image.split()[::-1]),
}


def near(pictures: list[Image.Image]):
    return near_images(sign([Held(str(i), image) for i, image in enumerate(pictures)]), np.arange(len(pictures)))


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_nothing_else(change: str) -> None:
    originals = [painting(seed) for seed in range(N)]
    found = near([*originals, *map(CHANGES[change], originals)])
    assert found.pairs.tolist() == [[i, i + N] for i in range(N)]
    assert not found.mirrored.any()
    assert (found.distances >= -1e-6).all()
    assert (found.distances <= 0.06).all()


def test_mirrored_copies_are_found_as_such() -> None:
    originals = [painting(seed) for seed in range(N)]
    found = near([*originals, *(ImageOps.mirror(jpeg(image)) for image in originals)])
    assert found.pairs.tolist() == [[i, i + N] for i in range(N)]
    assert found.mirrored.all()


def test_pictures_that_share_a_background_are_told_apart() -> None:
    background = painting(0)
    pictures = []
    for number, (left, top) in enumerate([(6, 8), (30, 10), (10, 36), (38, 40)]):
        picture = background.copy()
        picture.paste(painting(100 + number, 20), (left, top))
        pictures.append(picture)
    assert len(near(pictures).pairs) == 0
    assert near([*pictures, jpeg(pictures[2])]).pairs.tolist() == [[2, 4]]


def coin(seed: int) -> Image.Image:
    """A dark disc on white with a faint relief of its own."""
    relief = np.asarray(painting(seed)).mean(axis=2, keepdims=True) / 255 * 50
    y, x = np.mgrid[:64, :64] - 31.5
    disc = ((x**2 + y**2) < 28**2)[:, :, None]
    return Image.fromarray(np.where(disc, 60 + relief, 255).repeat(3, axis=2).astype(np.uint8))


def test_pictures_that_share_an_outline_are_told_apart() -> None:
    """The outline is nearly all of their variance; what is inside is not the same."""
    coins = [coin(seed) for seed in range(5)]
    assert near([*coins, jpeg(coins[0])]).pairs.tolist() == [[0, 5]]


def test_cenas_are_told_apart_and_their_near_copies_found() -> None:
    data = open_cenas("cenas+duplicates", limit=66, seed=3)
    rows = data.rows.to_pylist()
    number = {row["picture"]: index for index, row in enumerate(rows)}
    wanted = [[number[r["duplicate_of"]], number[r["picture"]]] for r in rows if r["duplicate"] == "near"]
    exact = {number[r["picture"]] for r in rows if r["duplicate"] == "exact"}
    kept = np.array([i for i in range(data.n_images) if i not in exact])
    assert near_images(sign(data.images), kept).pairs.tolist() == sorted(wanted)


def test_plain_pictures_and_other_shapes_are_not_compared() -> None:
    plain = [Image.new("RGB", (64, 64), (200, 200, shade)) for shade in (200, 201)]
    wide = painting(3).resize((128, 64))
    assert len(near([*plain, painting(3), wide]).pairs) == 0


def test_no_pictures_and_one_picture() -> None:
    assert len(near([]).pairs) == 0
    assert len(near([painting(1)]).pairs) == 0


def test_a_trim_is_measured() -> None:
    """A crop of 10 % from the left is a scale of 0.9 and a shift to the right."""
    whole = painting(5, 320)
    part = whole.crop((32, 0, 320, 320))
    source = thumbnail(whole).astype(np.float32).transpose(2, 0, 1)[None]
    target = thumbnail(part).astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    placing = align(source, target[None], n_steps=8).placing[0]
    assert placing == pytest.approx([-0.1, 0.1, 0, 0], abs=0.02)


def test_one_strong_difference_outweighs_many_faint_likenesses() -> None:
    grain = 128 + (thumbnail(painting(0)).astype(np.float32) - 128) * 0.15
    blot = grain.copy()
    blot[:3, :3] = 50
    grain, blot = grain[None], blot[None]
    accepted, distance = compare(grain, blot)
    assert compare(blot, blot)[0].all()
    assert distance < 0.06
    assert not accepted.any()


def test_compare_takes_no_pairs() -> None:
    nothing = np.empty((0, 32, 32, 3), dtype=np.float32)
    accepted, distance = compare(nothing, nothing)
    assert accepted.shape == distance.shape == (0,)


def test_unreadable_pictures_are_reported() -> None:
    signed = sign([Held("a", painting(1)), Held("b", None)])
    assert signed.unreadable == {1: "truncated file"}
    assert signed.pixels[1] == ""
    assert signed.pixels[0]
    assert np.isnan(signed.aspects[1])


def units(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    vectors = rng.normal(size=(n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 5), st.floats(-0.5, 0.9), st.integers(0, 99))
def test_neighbours_are_those_of_brute_force(n: int, m: int, k: int, least: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, items = units(rng, n, 4), units(rng, m, 4)
    scores = queries @ items.T
    gaps = np.diff(np.sort(np.append(scores, np.full((n, 1), least, np.float32), axis=1), axis=1), axis=1)
    assume(gaps.min() > 1e-6)  # else rounding decides who is nearer, or near enough
    pairs, cosines = neighbours(queries, items, least, k)
    for query in range(n):
        best = [item for item in np.argsort(-scores[query]) if scores[query, item] >= least][:k]
        assert sorted(best) == pairs[pairs[:, 0] == query, 1].tolist()
    assert cosines == pytest.approx(scores[pairs[:, 0], pairs[:, 1]], abs=1e-6)


def test_neighbours_in_cells_find_nearly_all_near_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    originals = units(rng, 3000, 16)
    copies = originals + 0.05 * rng.normal(size=originals.shape).astype(np.float32)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    monkeypatch.setattr(module, "EXACT", 100)
    pairs, _ = neighbours(copies, originals, 0.8, 3)
    found = set(map(tuple, pairs.tolist()))
    assert sum((i, i) in found for i in range(3000)) >= 2950
    again, _ = neighbours(copies, originals, 0.8, 3)
    assert np.array_equal(pairs, again)


def test_neighbours_of_nothing() -> None:
    nothing = np.empty((0, 3), dtype=np.float32)
    assert neighbours(nothing, nothing, 0.5, 1)[0].shape == (0, 2)
