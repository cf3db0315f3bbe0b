"""Equal captions are relevant to each other's images, equal pictures to each other's captions: against brute force."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from luneta.data import relevance
from luneta.data.dataset import ImageTextDataset
from luneta.data.relevance import caption_key, merged_pairs
from luneta.errors import DatasetError


@dataclass(frozen=True)
class Named:
    content: str

    @property
    def label(self) -> str:
        return self.content

    def key(self) -> str:
        return self.content

    def open(self) -> Image.Image:
        return Image.new("RGB", (1, 1))


def dataset(texts: list[str], contents: list[str], pairs: list[tuple[int, int]]) -> ImageTextDataset:
    return ImageTextDataset(
        name="t",
        images=[Named(c) for c in contents],
        texts=texts,
        pairs=np.array(pairs),
        rows=pa.table({"i": list(range(max(len(texts), len(contents))))}),
        image_rows=np.arange(len(contents)),
        text_rows=np.arange(len(texts)),
    )


@st.composite
def datasets(draw: st.DrawFn) -> ImageTextDataset:
    n_images, n_texts = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    pairs = {(t, draw(st.integers(0, n_images - 1))) for t in range(n_texts)}
    pairs |= {(draw(st.integers(0, n_texts - 1)), i) for i in range(n_images)}
    texts = [draw(st.sampled_from(["a dog", "A dog.", "a cat", "um cão"])) for _ in range(n_texts)]
    contents = [draw(st.sampled_from("xyz")) for _ in range(n_images)]
    return dataset(texts, contents, sorted(pairs))


@given(datasets())
def test_against_the_definition(data: ImageTextDataset) -> None:
    expected = {
        (t, i)
        for t in range(data.n_texts)
        for i in range(data.n_images)
        if any(
            caption_key(data.texts[t]) == caption_key(data.texts[t2]) and data.images[i].key() == data.images[i2].key()
            for t2, i2 in data.pairs
        )
    }
    merged = merged_pairs(data)
    assert [tuple(pair) for pair in merged.tolist()] == sorted(expected)
    assert len(merged) == len(expected)


def test_distinct_data_is_left_alone() -> None:
    data = dataset(["one", "two", "three"], ["x", "y"], [(0, 0), (1, 0), (2, 1)])
    assert merged_pairs(data).tolist() == data.pairs.tolist()


def test_class_labels_at_scale_are_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relevance, "MAX_PAIRS", 99)
    data = dataset(["dog"] * 10, [str(i) for i in range(10)], [(i, i) for i in range(10)])
    with pytest.raises(DatasetError, match=r"100 relevant pairs.*limit=.*strict"):
        merged_pairs(data)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("Um sapo.", "um  sapo", True),
        ("STRASSE", "straße", True),
        ("ﬁne", "fine", True),
        ("青蛙。", "青蛙", True),
        ("एक मेंढक|", "एक मेंढक", True),
        ("...", ".", False),
        ("!", "?", False),
        ("avô", "avó", False),
        ("a red car", "red a car", False),
    ],
)
def test_what_counts_as_the_same_caption(left: str, right: str, equal: bool) -> None:
    assert (caption_key(left) == caption_key(right)) is equal
