"""Groups: connected by every kind of link, explained, over several data sets; no group is ever divided."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from luneta.data.groups import Item, components, find_groups, same_group
from luneta.data.relevance import loose_caption_key, merged_pairs
from luneta.errors import ConfigError, DatasetError, ShapeError
from paintings import Held, gallery, painting
from worlds import world

edges_strategy = st.integers(1, 12).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20))
)


@given(edges_strategy)
def test_components_are_those_of_walking(case: tuple[int, list[tuple[int, int]]]) -> None:
    n, edges = case
    numbers = components(np.array(edges, dtype=np.int64).reshape(-1, 2), n)
    for start in range(n):
        reached, waiting = {start}, [start]
        while waiting:
            node = waiting.pop()
            for a, b in edges:
                for other in ((b,) if a == node else ()) + ((a,) if b == node else ()):
                    if other not in reached:
                        reached.add(other)
                        waiting.append(other)
        assert set(np.flatnonzero(numbers == numbers[start]).tolist()) == reached


def six() -> tuple[list[Held], list[list[str]]]:
    """0 and 1 one file; 2 its pixels in another file; 3 near to it; 4 its mirror image; 5 something else."""
    image = painting(1)
    images = [
        Held("a", image), Held("b", image), Held("c", image, "a comment"),
        Held("d", image.resize((50, 50))), Held("e", ImageOps.mirror(image)), Held("f", painting(2)),
    ]  # fmt: skip
    return images, [[f"caption {name}"] for name in "abcdef"]


def test_every_link_of_images_says_why() -> None:
    groups = find_groups(gallery(*six()))
    assert len(set(groups.image_groups[0][:5].tolist())) == 1
    assert groups.image_groups[0][5] != groups.image_groups[0][0]
    assert groups.n_groups == 2
    assert groups.counts == {"file": 1, "pixels": 1, "near_image": 1, "mirrored_image": 2}
    wanted = {1: ["file"], 2: ["pixels"], 3: ["near_image"], 4: ["mirrored_image"]}
    for image, kinds in wanted.items():
        assert [link.kind for link in groups.why(Item("image", 0), Item("image", image))] == kinds
    assert groups.why(Item("image", 0), Item("image", 5)) == []
    assert "identical pixels" in str(groups)


def test_without_near_only_files_count() -> None:
    groups = find_groups(gallery(*six()), near=False)
    assert groups.counts == {"file": 1}


def test_captions_join_images_and_the_chain_is_told() -> None:
    images = [Held(name, painting(seed)) for seed, name in enumerate("abcd")]
    captions = [["Um pão.", "uma casa"], ["um   PÃO"], ["Um pao!"], ["a cat"]]
    groups = find_groups(gallery(images, captions))
    assert len(set(groups.image_groups[0][:3].tolist())) == 1
    assert groups.counts == {"caption": 1, "near_caption": 1}
    chain = groups.why(Item("image", 0), Item("image", 2))
    assert [link.kind for link in chain] == ["pair", "near_caption", "pair"]
    assert len(set(find_groups(gallery(images, captions), captions=False).image_groups[0].tolist())) == 4


def test_captions_of_one_image_stay_with_it() -> None:
    groups = find_groups(world(4, captions_per_image=3))
    assert groups.text_groups[0].tolist() == np.repeat(groups.image_groups[0], 3).tolist()


def test_item_ids_join_and_nulls_do_not() -> None:
    images = [Held(str(seed), painting(seed)) for seed in range(5)]
    captions = [[f"garment {seed}"] for seed in range(5)]
    data = gallery(images, captions, columns={"sku": ["x", None, "x", None, "y"]})
    numbers = find_groups(data, item_column="sku").image_groups[0]
    assert numbers[0] == numbers[2]
    assert len(set(numbers.tolist())) == 4
    with pytest.raises(ConfigError, match="Did you mean sku"):
        find_groups(data, item_column="skus")


@pytest.mark.parametrize("values", [["", "", "x", " x", " "], [float("nan"), float("nan"), 7.0, 7.0, None]])
def test_missing_item_ids_join_nothing(values: list[object]) -> None:
    data = gallery(
        [Held(str(i), painting(i)) for i in range(5)], [[f"row {i}"] for i in range(5)], columns={"sku": values}
    )
    (link,) = find_groups(data, near=False, item_column="sku").links("item")
    assert (link.first.index, link.second.index) == (2, 3)


def test_near_vectors_join() -> None:
    vectors = np.array([[1, 0], [0.999, 0.0447], [0, 1]], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = find_groups(world(3), image_vectors=vectors)
    (link,) = groups.links("vectors")
    assert (link.first.index, link.second.index) == (0, 1)
    assert link.distance == pytest.approx(0.001, abs=1e-4)
    with pytest.raises(ShapeError, match="3 images"):
        find_groups(world(3), image_vectors=vectors[:2])
    with pytest.raises(ShapeError, match="length 1"):
        find_groups(world(3), image_vectors=vectors * 2)
    with pytest.raises(ShapeError, match="length 1"):
        find_groups(world(3), image_vectors=vectors * np.nan)
    with pytest.raises(ConfigError, match="least_cosine"):
        find_groups(world(3), image_vectors=vectors, least_cosine=1.5)


def test_an_image_without_a_vector_joins_nothing() -> None:
    """Not even another one without."""
    vectors = np.array([[0, 0], [1, 0], [0, 0], [1, 0]], dtype=np.float32)
    (link,) = find_groups(world(4), image_vectors=vectors).links("vectors")
    assert (link.first.index, link.second.index) == (1, 3)


def test_the_same_photo_under_two_languages() -> None:
    images = [Held(str(seed), painting(seed)) for seed in range(3)]
    english = gallery(images, [["a dog"], ["a cat"], ["a hat"]], name="en")
    translated = gallery([Held("x", images[1].image.resize((90, 90)))], [["um gato"]], name="pt")
    groups = find_groups((english, translated))
    assert groups.image_groups[1][0] == groups.image_groups[0][1]
    (link,) = groups.why(Item("image", 0, 1), Item("image", 1, 0))
    assert (link.first, link.second) == (Item("image", 1, 0), Item("image", 0, 1))
    assert groups.text_groups[1][0] == groups.text_groups[0][1]


def test_unreadable_images_are_reported_and_grouped_by_file() -> None:
    images = [Held("a", None), Held("b", painting(1)), Held("a", None)]
    groups = find_groups(gallery(images, [["one"], ["two"], ["three"]]))
    assert groups.unreadable == {Item("image", 0): "truncated file", Item("image", 2): "truncated file"}
    assert groups.image_groups[0][0] == groups.image_groups[0][2] != groups.image_groups[0][1]


def test_class_labels_are_named_with_the_way_out(caplog: pytest.LogCaptureFixture) -> None:
    images = [Held(str(seed), painting(seed)) for seed in range(8)]
    data = gallery(images, [["dog"]] * 6 + [["cat"]] * 2)
    with caplog.at_level(logging.WARNING, "luneta"):
        groups = find_groups(data)
    assert "Equal captions join 6 of 8 images" in groups.doubts[0]
    assert "captions=False" in caplog.text
    assert find_groups(data, captions=False).doubts == ()
    with pytest.raises(DatasetError, match="captions=False"):
        gallery(images, [["dog"]] * 8).divide(val=1, test=1)


def test_things_are_what_an_evaluation_takes_as_equal() -> None:
    images = [Held("a", painting(1)), Held("b", painting(1).resize((50, 50))), Held("c", painting(2))]
    data = gallery(images, [["a dog"], ["the dog"], ["pão"]])
    groups = find_groups(data)
    assert merged_pairs(data).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert merged_pairs(data, groups.things()).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 2]]
    assert merged_pairs(data, groups.things(kinds=["file"])).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_captions_that_differ_in_accents_are_not_equal_things() -> None:
    data = gallery([Held("a", painting(1)), Held("b", painting(2))], [["minha avó"], ["minha avô"]])
    groups = find_groups(data)
    assert groups.text_groups[0][0] == groups.text_groups[0][1]
    assert merged_pairs(data, groups.things()).tolist() == [[0, 0], [1, 1]]


def test_negatives_of_one_group_are_masked() -> None:
    data = world(4, equal_captions=[[0, 2]])
    mask = same_group(find_groups(data), np.array([0, 1, 3]), np.array([0, 1, 2]))
    assert mask.tolist() == [[True, False, True], [False, True, False], [False, False, False]]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("don't", "don t", True), ("À noite", "a noite", True), ("1,5 m", "15 m", False), ("が", "か", False),
        ("a < b", "a > b", False), ("?!", "!?", False), ("ΆΛΦΑ", "αλφα", True),
    ],
)  # fmt: skip
def test_loose_caption_keys(first: str, second: str, same: bool) -> None:
    assert (loose_caption_key(first) == loose_caption_key(second)) is same


def test_wrong_items_are_refused() -> None:
    groups = find_groups(world(2))
    with pytest.raises(ConfigError, match="2 images"):
        groups.why(Item("image", 2), Item("image", 0))
    with pytest.raises(ConfigError, match="no data set"):
        groups.why(Item("image", 0, 1), Item("image", 0))
    with pytest.raises(ConfigError, match="no data set to group"):
        find_groups([])


def test_links_are_the_same_every_time() -> None:
    data = gallery(*six())
    first, second = find_groups(data), find_groups(data)
    assert list(first.links()) == list(second.links())


@settings(max_examples=25)
@given(st.lists(st.integers(0, 6), min_size=4, max_size=30), st.integers(0, 5), st.integers(0, 5), st.integers(0, 9))
def test_no_split_ever_divides_a_group(owners: list[int], val: int, test: int, seed: int) -> None:
    """Images of one number share a caption."""
    n = len(owners)
    if val + test >= n:
        return
    data = world(n, equal_captions=[[i for i in range(n) if owners[i] == number] for number in set(owners)])
    groups = find_groups(data, near=False)
    try:
        parts = data.divide(val=val, test=test, seed=seed, groups=groups)
    except DatasetError:
        assert max(map(owners.count, owners)) > 1
        return
    for number in set(groups.image_groups[0].tolist()):
        assert len(set(parts.part_of[groups.image_groups[0] == number].tolist())) == 1
    sizes = [part.n_images for part in (parts.train, parts.val, parts.test)]
    assert sum(sizes) == n
    assert sizes == np.bincount(parts.part_of, minlength=3).tolist()
    seen = [{image.label for image in part.images} for part in (parts.train, parts.val, parts.test)]
    assert len(seen[0] | seen[1] | seen[2]) == n
    again = data.divide(val=val, test=test, seed=seed, groups=groups)
    assert np.array_equal(parts.part_of, again.part_of)


def pair_world(n_pairs: int, n_single: int):
    return world(2 * n_pairs + n_single, equal_captions=[[2 * i, 2 * i + 1] for i in range(n_pairs)])


def test_sizes_are_met_where_groups_allow() -> None:
    data = pair_world(30, 40)
    groups = find_groups(data, near=False)
    for seed in range(5):
        parts = data.divide(val=0.1, test=23, seed=seed, groups=groups)
        assert (parts.train.n_images, parts.val.n_images, parts.test.n_images) == (67, 10, 23)
        assert [part.split for part in (parts.train, parts.val, parts.test)] == ["train", "val", "test"]
        together = np.bincount(groups.image_groups[0])[groups.image_groups[0]] == 2
        assert 0 < together[parts.part_of == 2].sum() < 23  # large groups are in every part
    one, other = (data.divide(test=23, seed=seed, groups=groups).part_of for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_a_part_of_size_nought_is_empty() -> None:
    parts = pair_world(2, 6).divide(val=0, test=0.3, groups=find_groups(pair_world(2, 6), near=False))
    assert (parts.train.n_images, parts.val.n_images, parts.test.n_images) == (7, 0, 3)
    assert parts.val.n_texts == 0


def test_strata_are_as_frequent_in_every_part() -> None:
    images = [Held(str(seed), Image.new("RGB", (2, 2), (seed, 0, 0))) for seed in range(100)]
    kinds = ["bird"] * 60 + ["boat"] * 30 + [None] * 10
    data = gallery(images, [[f"thing {seed}"] for seed in range(100)], columns={"kind": kinds})
    parts = data.divide(val=10, test=20, stratify="kind")
    for part, size in ((0, 70), (1, 10), (2, 20)):
        found = [kinds[i] for i in np.flatnonzero(parts.part_of == part)]
        assert [found.count(kind) for kind in ("bird", "boat", None)] == [size * 6 // 10, size * 3 // 10, size // 10]
    with pytest.raises(ConfigError, match="Did you mean kind"):
        data.divide(stratify="kinds")
    with pytest.raises(ConfigError, match="100 values for 100 images"):
        data.divide(stratify="row")


@settings(max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=10, max_size=40), st.integers(1, 4), st.integers(1, 4))
def test_strata_do_not_change_the_sizes(kinds: list[int], val: int, test: int) -> None:
    n = len(kinds)
    images = [Held(str(seed), Image.new("RGB", (2, 2), (seed, 0, 0))) for seed in range(n)]
    data = gallery(images, [[f"thing {seed}"] for seed in range(n)], columns={"kind": kinds})
    parts = data.divide(val=val, test=test, stratify="kind", groups=find_groups(data, near=False))
    assert (parts.val.n_images, parts.test.n_images) == (val, test)


@pytest.mark.parametrize(("val", "test"), [(0.6, 0.4), (5, 5), (-1, 1), (1.5, 1), (True, 1), (0.1, float("nan"))])
def test_sizes_that_make_no_sense(val: float, test: float) -> None:
    with pytest.raises(ConfigError):
        world(10).divide(val=val, test=test)


def test_groups_of_other_data_are_refused() -> None:
    with pytest.raises(ConfigError, match="not of world alone"):
        world(10).divide(groups=find_groups(world(9), near=False))


def test_sizes_that_groups_do_not_allow_are_said(caplog: pytest.LogCaptureFixture) -> None:
    data = world(20, equal_captions=[list(range(9)), list(range(9, 18))])
    with caplog.at_level(logging.WARNING, "luneta"):
        data.divide(val=0, test=6, groups=find_groups(data, near=False))
    assert "did not allow the sizes" in caplog.text
