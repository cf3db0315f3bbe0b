"""What people type, and the vectors it comes to."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from luneta.errors import ConfigError
from luneta.search.queries import Item, Part, Query, vectors_of
from luneta.types import Vectors

DIM = 6


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("a red boat", [("a red boat", 1)]),
        ("T-shirt", [("T-shirt", 1)]),
        ("black-and-white dress -long", [("black-and-white dress -long", 1)]),
        ("a dress + red - blue", [("a dress", 1), ("red", 1), ("blue", -1)]),
        ("- blue + red", [("blue", -1), ("red", 1)]),
        ("dress + 0.5*red - 2 * long sleeves", [("dress", 1), ("red", 0.5), ("long sleeves", -2)]),
        ("vestido + 0,5*vermelho", [("vestido", 1), ("vermelho", 0.5)]),
        ('"one + one"', [("one + one", 1)]),
        ('"a" + "b"', [('"a"', 1), ('"b"', 1)]),
        ("3 * 4 boats", [("4 boats", 3)]),
        ("-1 degree", [("-1 degree", 1)]),
    ],
)
def test_what_is_typed(typed: str, parts: Sequence[tuple[str, float]]) -> None:
    assert [(part.what, part.weight) for part in Query.read(typed).parts] == parts


@pytest.mark.parametrize(
    "typed", ["", "   ", " + ", "a +  - b", "0*a", "9999*a", "\0", " + ".join("a" * 40), "a" * 20_001]
)
def test_what_makes_no_query(typed: str) -> None:
    with pytest.raises(ConfigError):
        Query.read(typed)


@given(st.text(max_size=200))
def test_any_text_is_a_query_or_a_clear_error(typed: str) -> None:
    with contextlib.suppress(ConfigError):
        query = Query.read(typed)
        assert query.parts
        assert str(query)


@given(st.lists(st.tuples(st.sampled_from(["boat", "a red dress", "sea"]), st.sampled_from([1.0, -1.0, 0.5, -2.0])),
                min_size=1, max_size=5))  # fmt: skip
def test_a_query_is_read_as_it_is_written(parts: list[tuple[str, float]]) -> None:
    query = Query(tuple(Part(*part) for part in parts))
    assert Query.read(str(query)) == query


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=DIM)
    return vector / np.linalg.norm(vector)


def encoded(values: Sequence[int]) -> Vectors:
    return np.stack([unit(value) for value in values]).astype(np.float32)


def vectors(queries: Sequence[Query], log: list[object]) -> Vectors:
    def texts(what: Sequence[str]) -> Vectors:
        log.append(list(what))
        return encoded([len(text) for text in what])

    def images(what: Sequence[Image.Image]) -> Vectors:
        log.append(len(what))
        return encoded([image.width for image in what])

    def items(side: str, ids: Sequence[int]) -> Vectors:
        log.append((side, list(ids)))
        return encoded([1000 * (side == "text") + number for number in ids])

    return vectors_of(queries, texts=texts, images=images, items=items)


def test_vectors_are_the_directions_of_the_weighted_sums() -> None:
    picture = Image.new("RGB", (77, 3))
    queries = [
        Query.read("abc"),
        Query.of(picture, Query.read("ab + 0.5*abcd")).without("a"),
        Query((Part(Item("image", 3)), Part(Item("text", 3), -0.25))),
    ]
    sums = [
        unit(3),
        unit(77) + unit(2) + 0.5 * unit(4) - unit(1),
        unit(3) - 0.25 * unit(1003),
    ]
    log: list[object] = []
    found = vectors(queries, log)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [total / np.linalg.norm(total) for total in sums], atol=1e-6)
    assert log == [["abc", "ab", "abcd", "a"], 1, ("image", [3]), ("text", [3])]  # each kind at once


def test_parts_that_cancel_one_another_are_refused() -> None:
    with pytest.raises(ConfigError, match="cancel one another"):
        vectors([Query.read("ab"), Query.read("abc - xyz")], [])


def test_what_a_query_says_of_itself() -> None:
    assert Query.read("a boat").text == "a boat"
    assert Query.read("a + b").text is None
    assert Query.of(Item("text", 4)).text is None
    assert Query.read("- a boat").text is None  # the opposite of one
    assert str(Query.of(Item("image", 2), "a boat").without(Image.new("RGB", (2, 2)))) == "image 2 + a boat - (picture)"
