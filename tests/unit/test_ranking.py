"""Ranks against a float64 twin; ties that no block size, kernel or place in the matrix may break; bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twins
from luneta import metrics
from luneta.errors import ShapeError
from luneta.ranking import Gallery, Ranking, rank, rank_both, ranks, scan, scan_torch, search, ties, top_k
from luneta.types import DIRECTIONS

DEVICES = (None, "cpu")  # numpy, and the torch path where every machine has it
TINY = 4 / 2**20  # mebibytes of a block of one score


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def random_pairs(rng: np.random.Generator, n_texts: int, n_images: int, extra: int) -> np.ndarray:
    """Pairs that leave no text and no image alone, many-to-many, in no order and with repeats."""
    n = max(n_texts, n_images)
    covering = np.stack([np.arange(n) % n_texts, np.arange(n) % n_images], axis=1)
    more = np.stack([rng.integers(n_texts, size=extra), rng.integers(n_images, size=extra)], axis=1)
    return rng.permutation(np.concatenate([covering, more, more[: extra // 2]]))


def relevant_lists(pairs: np.ndarray, column: int, n: int) -> list[list[int]]:
    return [sorted(set(pairs[pairs[:, column] == i, 1 - column].tolist())) for i in range(n)]


def twin_of(texts: np.ndarray, images: np.ndarray, pairs: np.ndarray) -> dict[str, Ranking]:
    scores = texts.astype(np.float64) @ images.astype(np.float64).T
    return {
        "text_to_image": twins.dense_ranking(scores, relevant_lists(pairs, 0, len(texts))),
        "image_to_text": twins.dense_ranking(scores.T, relevant_lists(pairs, 1, len(images))),
    }


def assert_same(found: Ranking, expected: Ranking) -> None:
    for name in ("offsets", "positives", "n_better", "n_tied"):
        ours = getattr(found, name)
        assert ours.dtype == np.int64
        np.testing.assert_array_equal(ours, getattr(expected, name), err_msg=name)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.top_score, expected.top_score, rtol=1e-6, atol=1e-6)
    assert found.gallery_size == expected.gallery_size
    np.testing.assert_allclose(found.mean_negative_similarity, expected.mean_negative_similarity, atol=1e-6)


def assert_consistent(ranking: Ranking) -> None:
    """What every ranking must satisfy, whatever was rounded where."""
    assert (ranking.n_better >= 0).all()
    assert (ranking.n_tied >= 1).all()
    assert (ranking.n_better + ranking.n_tied <= ranking.gallery_size).all()
    for start, stop in zip(ranking.offsets[:-1], ranking.offsets[1:], strict=True):
        order = np.lexsort((-ranking.scores[start:stop], ranking.n_better[start:stop]))
        better, tied = ranking.n_better[start:stop][order], ranking.n_tied[start:stop][order]
        same = better[1:] == better[:-1]
        assert (tied[1:][same] == tied[:-1][same]).all()
        assert (better[1:][~same] >= (better + tied)[:-1][~same]).all()


@st.composite
def exact_tasks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Vectors of small whole numbers, whose products are exact and often equal, and a block of some size."""
    n_texts, n_images, dim = draw(st.integers(1, 24)), draw(st.integers(1, 24)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    texts, images = (rng.integers(-2, 3, (n, dim)).astype(np.float32) for n in (n_texts, n_images))
    pairs = random_pairs(rng, n_texts, n_images, draw(st.integers(0, 3 * n_texts)))
    return texts, images, pairs, draw(st.sampled_from([1, 7, 64, 333, 10**6])) * TINY


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=30)
@given(task=exact_tasks())
def test_is_the_twin_where_scores_are_exact(
    device: str | None, task: tuple[np.ndarray, np.ndarray, np.ndarray, float]
) -> None:
    texts, images, pairs, block = task
    expected = twin_of(texts, images, pairs)
    found = rank_both(texts, images, pairs, device=device, block_mib=block)
    for direction in DIRECTIONS:
        assert_same(found[direction], expected[direction])
        assert_consistent(found[direction])
        queries, gallery = (texts, images) if direction == "text_to_image" else (images, texts)
        top = np.einsum("ij,ij->i", queries, gallery[found[direction].top_item])
        np.testing.assert_array_equal(top, found[direction].top_score)
    assert_same(rank(texts, images, pairs, device=device, block_mib=block), expected["text_to_image"])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("n_texts", "n_images", "dim"), [(997, 211, 48), (301, 1499, 7), (2503, 131, 16)])
@pytest.mark.parametrize("block_mib", [0.013, 64])
def test_random_vectors(device: str | None, n_texts: int, n_images: int, dim: int, block_mib: float) -> None:
    rng = np.random.default_rng(dim)
    images = unit(rng.standard_normal((n_images, dim)))
    texts = unit(images[np.arange(n_texts) % n_images] + rng.standard_normal((n_texts, dim)))
    pairs = random_pairs(rng, n_texts, n_images, 500)
    scores = texts.astype(np.float64) @ images.astype(np.float64).T
    for direction, ranking in rank_both(texts, images, pairs, device=device, block_mib=block_mib).items():
        assert_consistent(ranking)
        assert_exact(ranking, scores if direction == "text_to_image" else scores.T)


def assert_exact(ranking: Ranking, table: np.ndarray) -> None:
    """Against scores in float64: every count is what the tie rule says, to the item."""
    own = ranking.scores.astype(np.float64)
    tolerance = ties.TIE_TOLERANCE * LONGEST
    above = (table[ranking.query] > own[:, None] + tolerance).sum(axis=1)
    at_least = (table[ranking.query] >= own[:, None] - tolerance).sum(axis=1)
    order = np.lexsort((-own, ranking.query))
    close = (np.diff(ranking.query[order]) == 0) & (np.abs(np.diff(own[order])) <= 3 * tolerance)
    alone = np.ones(len(own), dtype=bool)  # no other positive of the query is in its tie class
    alone[order[:-1][close]] = alone[order[1:][close]] = False
    assert alone.mean() > 0.9
    np.testing.assert_array_equal(ranking.n_better[alone], above[alone])
    np.testing.assert_array_equal(ranking.n_tied[alone], (at_least - above)[alone])
    np.testing.assert_allclose(ranking.top_score, table.max(axis=1), rtol=1e-6)


LONGEST = 1 + 1e-7  # unit vectors in float32 are a little longer or shorter than 1


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.3, 1.0])
@pytest.mark.parametrize("n_rows", [3, 120, 1000])
def test_ranks_depend_on_the_vectors_alone(n_rows: int, noise: float) -> None:
    """Cones, in the narrowest of which rounding to float32 is as wide as twenty gaps between scores: the same counts by
    another kernel, in other blocks, on another device, among other queries, and in float64."""
    rng = np.random.default_rng(1)
    images, texts = (unit(1 + noise * rng.standard_normal((n, 256))) for n in (1000, n_rows))
    pairs = np.stack([np.arange(n_rows), np.arange(n_rows)], axis=1)
    found = rank(texts, images, pairs)
    assert_exact(found, texts.astype(np.float64) @ images.astype(np.float64).T)
    some = min(n_rows, 50)
    others = [
        rank(texts, images, pairs, device="cpu"), rank(texts, images, pairs, block_mib=0.05),
        rank(texts[:some], images, pairs[:some]),
    ]  # fmt: skip
    for other in others:
        np.testing.assert_array_equal(other.n_better, found.n_better[: len(other.n_better)])
        np.testing.assert_array_equal(other.n_tied, found.n_tied[: len(other.n_tied)])
        np.testing.assert_array_equal(other.scores, found.scores[: len(other.scores)])


@pytest.mark.parametrize("device", DEVICES)
def test_a_query_scores_its_best_item_as_itself(device: str | None) -> None:
    """The best score is that of a pair: never below a relevant item's because of another way to add."""
    rng = np.random.default_rng(2)
    images, texts = (unit(1 + 0.003 * rng.standard_normal((400, 512))) for _ in range(2))
    pairs = np.stack([np.arange(400), np.arange(400)], axis=1)
    ranking = rank(texts, images, pairs, device=device)
    first = (ranking.n_better == 0) & (ranking.top_item == ranking.positives)
    assert first.any()
    np.testing.assert_array_equal(ranking.top_score[first], ranking.scores[first])
    assert (ranking.top_score >= ranking.scores).all()


CONSTANTS = {
    "ones": lambda rng, d: np.ones(d),
    "random": lambda rng, d: rng.standard_normal(d),
    "positive": lambda rng, d: rng.random(d) + 0.1,
    "one-hot": lambda rng, d: np.eye(d)[0],
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", CONSTANTS)
@pytest.mark.parametrize("dim", [3, 300, 384, 512, 640, 768, 1152])
def test_a_constant_encoder_scores_exactly_chance(device: str | None, kind: str, dim: int) -> None:
    vector = unit(CONSTANTS[kind](np.random.default_rng(dim), dim)[None])
    n_texts, n_images = 301, 67
    texts, images = np.repeat(vector, n_texts, axis=0), np.repeat(vector, n_images, axis=0)
    pairs = np.stack([np.arange(n_texts), np.arange(n_texts) % n_images], axis=1)
    for n_scores in (997, 2**24):
        for ranking in rank_both(texts, images, pairs, device=device, block_mib=n_scores * TINY).values():
            assert (ranking.n_better == 0).all()
            assert (ranking.n_tied == ranking.gallery_size).all()
            by_chance = metrics.compute(metrics.chance(ranking))
            for name, values in metrics.compute(ranking).items():
                if name != "positive_similarity":
                    np.testing.assert_array_equal(values, by_chance[name])


def test_counts_beyond_what_a_byte_holds() -> None:
    """Thousands of ties along both sides of one block, for bytes are what counts are added in."""
    same = np.ones((2999, 3), dtype=np.float32)
    for ranking in rank_both(same, same, np.stack([np.arange(2999)] * 2, axis=1)).values():
        assert (ranking.n_tied == 2999).all()
    last = np.ones((2999, 1), dtype=np.float32)
    last[-1] = -1
    backward = rank_both(last[::-1], np.ones_like(last), np.stack([np.arange(2999)] * 2, axis=1))["image_to_text"]
    assert backward.n_better.tolist() == [2998] + [0] * 2998


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dim", [5, 512, 768])
@pytest.mark.parametrize("block", [(1, 1), (1, 50), (33, 17), (250, 199), (10**4, 10**4)])
def test_copies_are_tied_wherever_they_stand(
    device: str | None, dim: int, block: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every item three times, far apart: each positive is tied with its copies, and with these only."""
    for module in (scan, scan_torch):
        monkeypatch.setattr(module, "block_shape", lambda rows, cols, _: (min(rows, block[0]), min(cols, block[1])))
    rng = np.random.default_rng(dim)
    n = 9 if block[0] == 1 else 101
    images = np.tile(unit(rng.standard_normal((n, dim))), (3, 1))
    texts = np.tile(unit(images[:n] + 0.5 * rng.standard_normal((n, dim))), (3, 1))
    pairs = np.stack([np.arange(3 * n), np.arange(3 * n)], axis=1)
    for ranking in rank_both(texts, images, pairs, device=device).values():
        assert (ranking.n_tied == 3).all()
        assert (ranking.n_better % 3 == 0).all()
        np.testing.assert_array_equal(ranking.n_better, np.tile(ranking.n_better[:n], 3))


@pytest.mark.parametrize("device", DEVICES)
def test_queries_with_many_positives_are_counted_by_sorting(device: str | None) -> None:
    """Ten classes of a few hundred pictures: more thresholds a query than are counted one by one."""
    rng = np.random.default_rng(0)
    texts, images = (rng.integers(-9, 10, (n, 4)).astype(np.float32) for n in (10, 1200))
    pairs = np.stack([np.arange(1200) % 10, np.arange(1200)], axis=1)
    expected = twin_of(texts, images, pairs)
    assert len(np.unique(expected["text_to_image"].n_better)) > 10 * ranks.MAX_LAYERS
    found = rank_both(texts, images, pairs, device=device, block_mib=0.01)
    for direction in DIRECTIONS:
        assert_same(found[direction], expected[direction])


def test_positives_are_tied_in_classes_not_in_pairs() -> None:
    """Three scores, each within the tolerance of the next one only, are one class; a fourth stands apart."""
    step = 0.9 * ties.TIE_TOLERANCE
    scores = np.float32(0.25) + np.array([0, step, 2 * step, -1e-4], dtype=np.float32)
    classes = ties.tie_classes(np.zeros(4, dtype=np.int64), scores, np.array([ties.TIE_TOLERANCE]))
    assert classes.of_positive.tolist() == [0, 0, 0, 1]
    assert classes.layer.tolist() == [0, 1]
    assert classes.lower[0] < scores[0]
    assert scores[2] < classes.upper[0]
    assert classes.upper[1] < classes.lower[0]


def test_length_of_vectors_does_not_matter_to_ranks() -> None:
    rng = np.random.default_rng(3)
    texts, images = unit(rng.standard_normal((50, 64))), unit(rng.standard_normal((50, 64)))
    images[25:] = images[:25]
    pairs = np.stack([np.arange(50)] * 2, axis=1)
    plain = rank_both(texts, images, pairs)
    for factor in (1e-6, 1e6):
        scaled = rank_both(texts * np.float32(factor), images, pairs)
        for direction in DIRECTIONS:
            np.testing.assert_array_equal(scaled[direction].n_better, plain[direction].n_better)
            np.testing.assert_array_equal(scaled[direction].n_tied, plain[direction].n_tied)


def test_vectors_of_length_zero_are_tied_with_everything() -> None:
    ranking = rank(np.zeros((3, 4), np.float32), np.eye(4, dtype=np.float32), np.array([[0, 0], [1, 1], [2, 3]]))
    assert ranking.n_better.tolist() == [0, 0, 0]
    assert ranking.n_tied.tolist() == [4, 4, 4]


def test_one_pair() -> None:
    for ranking in rank_both(np.ones((1, 2), np.float32), np.ones((1, 2), np.float32), np.array([[0, 0]])).values():
        assert (ranking.n_better.tolist(), ranking.n_tied.tolist(), ranking.top_item.tolist()) == ([0], [1], [0])
        assert np.isnan(ranking.mean_negative_similarity)


def test_directions_share_scores_and_mirror_each_other() -> None:
    rng = np.random.default_rng(4)
    texts, images = rng.standard_normal((40, 8)).astype(np.float32), rng.standard_normal((30, 8)).astype(np.float32)
    pairs = random_pairs(rng, 40, 30, 60)
    there, back = (rank_both(texts, images, pairs)[d] for d in DIRECTIONS)
    mirrored = rank_both(images, texts, pairs[:, ::-1])
    for ranking, mirror in ((there, mirrored["image_to_text"]), (back, mirrored["text_to_image"])):
        assert_same(ranking, mirror)
    forward = dict(zip(zip(there.query.tolist(), there.positives.tolist(), strict=True), there.scores, strict=True))
    backward = dict(zip(zip(back.positives.tolist(), back.query.tolist(), strict=True), back.scores, strict=True))
    assert forward == backward


# --- top_k ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=30)
@given(task=exact_tasks(), data=st.data())
def test_top_k_is_a_stable_sort(
    device: str | None, task: tuple[np.ndarray, np.ndarray, np.ndarray, float], data: st.DataObject
) -> None:
    queries, gallery, _, block = task
    k = data.draw(st.integers(1, len(gallery)))
    scores, items = top_k(queries, gallery, k, device=device, block_mib=block)
    dense = queries @ gallery.T
    expected = np.argsort(-dense, axis=1, kind="stable")[:, :k]
    assert (scores.dtype, items.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(items, expected)
    np.testing.assert_array_equal(scores, np.take_along_axis(dense, expected, axis=1))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("block_mib", [0.02, 64])
def test_top_k_of_random_vectors_with_copies(device: str | None, block_mib: float) -> None:
    rng = np.random.default_rng(5)
    queries, gallery = unit(rng.standard_normal((150, 96))), unit(rng.standard_normal((701, 96)))
    gallery[350:700] = gallery[:350]
    scores, items = top_k(queries, gallery, 9, device=device, block_mib=block_mib)
    dense = (queries.astype(np.float64) @ gallery.astype(np.float64).T).astype(np.float32)
    np.testing.assert_array_equal(items, np.argsort(-dense, axis=1, kind="stable")[:, :9])
    np.testing.assert_allclose(scores, np.take_along_axis(dense, items, axis=1), rtol=1e-6)


@pytest.mark.parametrize("dim", [384, 640])
def test_top_k_of_a_constant_gallery_is_its_beginning(dim: int) -> None:
    same = unit(np.ones((1500, dim)))
    _, items = top_k(same[:7], same, 5, block_mib=0.01)
    assert (items == np.arange(5)).all()


@pytest.mark.parametrize("n_queries", [1, 40])
@pytest.mark.parametrize("share", [0.01, 0.2, 0.6, 1.0])
@pytest.mark.parametrize("block_mib", [0.02, 64])
def test_top_k_among_some(n_queries: int, share: float, block_mib: float) -> None:
    rng = np.random.default_rng(11)
    queries, vectors = unit(rng.standard_normal((n_queries, 24))), unit(rng.standard_normal((2001, 24)))
    vectors[1000:2000] = vectors[:1000]
    some = np.sort(rng.choice(2001, int(2001 * share), replace=False))
    k = min(30, len(some))
    scores, items = top_k(queries, Gallery(vectors), k, among=some, block_mib=block_mib)
    dense = (queries.astype(np.float64) @ vectors[some].astype(np.float64).T).astype(np.float32)
    expected = np.argsort(-dense, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(items, some[expected])
    np.testing.assert_allclose(scores, np.take_along_axis(dense, expected, axis=1), rtol=1e-6)


def test_a_gallery_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Gallery(GOOD)
    looked_at: list[str] = []
    check = search.check_vectors
    monkeypatch.setattr(search, "check_vectors", lambda name, vectors: looked_at.append(name) or check(name, vectors))
    assert top_k(GOOD, gallery, 1)[1][:, 0].tolist() == [0, 1, 2]
    assert looked_at == ["queries"]


# --- bad input --------------------------------------------------------------------------------------------------------

GOOD = np.eye(3, dtype=np.float32)
PAIRS = np.stack([np.arange(3)] * 2, axis=1)


def broken(value: float) -> np.ndarray:
    vectors = GOOD.copy()
    vectors[1, 2] = value
    return vectors


@pytest.mark.parametrize(
    ("texts", "images", "pairs", "message"),
    [
        (GOOD[0], GOOD, PAIRS, r"texts have shape \(3,\); expected \(n, embedding_dim\)"),
        (GOOD[:0], GOOD, PAIRS, r"texts have shape \(0, 3\)"),
        (GOOD, GOOD[:, :0], PAIRS, r"images have shape \(3, 0\)"),
        (GOOD, GOOD[:, :2], PAIRS, "texts have 3 dimensions and images 2"),
        (GOOD, GOOD.astype(int), PAIRS, "images have dtype int64; expected float32"),
        (broken(np.nan), GOOD, PAIRS, r"texts hold NaN.* in 1 of 3 rows \(the first is row 1\)"),
        (GOOD, broken(np.inf), PAIRS, "images hold NaN, infinite"),
        (GOOD, broken(1e30), PAIRS, "images hold NaN, infinite or overflowing"),
        (GOOD, GOOD, PAIRS[0], r"pairs have shape \(2,\)"),
        (GOOD, GOOD, PAIRS.astype(float), "dtype float64; expected integers"),
        (GOOD, GOOD, [[0, 0], [1, 3], [2, 2]], "pairs name number 3 of 3 images; expected 0 to 2"),
        (GOOD, GOOD, [[0, 0], [1, 1], [-1, 2]], "pairs name number -1 of 3 texts"),
        (GOOD, GOOD, [[0, 0], [1, 1], [1, 2]], r"1 of 3 texts have no relevant item \(the first is number 2\)"),
        (GOOD, GOOD, [[0, 0], [1, 1], [2, 1]], "1 of 3 images have no relevant item"),
        (GOOD, GOOD, np.empty((0, 2), dtype=int), "3 of 3 texts have no relevant item"),
    ],
)
def test_bad_input_is_refused_with_a_reason(texts: object, images: object, pairs: object, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        rank_both(texts, images, pairs)  # type: ignore[arg-type]


def test_one_direction_needs_partners_on_its_own_side_only() -> None:
    assert rank(GOOD, GOOD, np.array([[0, 0], [1, 0], [2, 0]])).n_better.tolist() == [0, 1, 1]


@pytest.mark.parametrize("k", [0, 4])
def test_top_k_outside_the_gallery(k: int) -> None:
    with pytest.raises(ShapeError, match=f"k is {k}; expected 1 to 3"):
        top_k(GOOD, GOOD, k)


@pytest.mark.parametrize(
    ("among", "message"),
    [
        (np.array([1, 0]), "expected .n,. int64, ascending"),
        (np.array([0, 0]), "expected .n,. int64, ascending"),
        (np.array([0.0]), "dtype float64; expected"),
        (np.array([2, 3]), "among names items 2 to 3 of 3"),
        (np.array([-1, 1]), "among names items -1 to 1 of 3"),
        (np.array([1]), "k is 2; expected 1 to 1"),
        (np.array([], dtype=np.int64), "k is 2; expected 1 to 0"),
    ],
)
def test_top_k_among_what_is_not_there(among: np.ndarray, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        top_k(GOOD, GOOD, 2, among=among)


def test_block_must_hold_something() -> None:
    with pytest.raises(ShapeError, match="block_mib is 0"):
        rank_both(GOOD, GOOD, PAIRS, block_mib=0)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_taken_as_float32(dtype: type) -> None:
    ranking = rank(GOOD.astype(dtype), np.asfortranarray(GOOD.astype(dtype)), PAIRS)
    assert ranking.n_better.tolist() == [0, 0, 0]
    assert ranking.scores.dtype == np.float32


def test_on_a_gpu() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rng = np.random.default_rng(6)
    texts, images = unit(rng.standard_normal((700, 64))), unit(rng.standard_normal((300, 64)))
    pairs = random_pairs(rng, 700, 300, 100)
    on_cpu, on_gpu = rank_both(texts, images, pairs), rank_both(texts, images, pairs, device="cuda")
    for direction in DIRECTIONS:
        assert np.abs(on_gpu[direction].n_better - on_cpu[direction].n_better).max() <= 1
    np.testing.assert_array_equal(top_k(texts, images, 10, device="cuda")[1], top_k(texts, images, 10)[1])
