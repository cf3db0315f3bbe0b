"""Data sets put together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import luneta
from luneta.data.joining import join_datasets
from luneta.errors import ConfigError
from worlds import world


def test_two_languages_of_the_same_pictures_are_one_data_set() -> None:
    english, portuguese = (luneta.open_dataset("cenas:test", language=spoken, limit=4) for spoken in ("en", "pt-BR"))
    both = join_datasets([english, portuguese])
    assert both.n_images == 4
    assert both.n_texts == english.n_texts + portuguese.n_texts
    assert both.image_keys == english.image_keys
    for image in range(4):
        expected = {data.texts[int(t)] for data in (english, portuguese) for t in data.texts_of(image)}
        assert {both.texts[int(t)] for t in both.texts_of(image)} == expected
    assert both.language == "en,pt-BR"
    assert both.image_metadata(2) == english.image_metadata(2)


def test_other_pictures_are_added_with_their_rows() -> None:
    first, second = world(3, captions_per_image=2), world(5)
    second = replace(second, texts=[f"another {text}" for text in second.texts])
    both = join_datasets([first, second])
    assert both.n_images == 5
    assert both.n_texts == 6 + 5
    assert [both.image_metadata(image)["number"] for image in range(5)] == [0, 1, 2, 3, 4]
    assert [both.rows["number"][int(row)].as_py() for row in both.text_rows] == [0, 0, 1, 1, 2, 2, 0, 1, 2, 3, 4]
    np.testing.assert_array_equal(both.texts_of(0), [0, 1, 6])
    np.testing.assert_array_equal(both.texts_of(4), [10])


def test_a_caption_that_a_picture_has_is_not_added_again() -> None:
    one = world(4, captions_per_image=2)
    twice = join_datasets([one, replace(one, texts=[f"{text.upper()}." for text in one.texts])])
    assert twice.texts == one.texts
    np.testing.assert_array_equal(twice.pairs, one.pairs)
    np.testing.assert_array_equal(twice.text_rows, one.text_rows)
    assert twice.fingerprint == one.fingerprint

    shared = replace(world(2), texts=["thing 0, way 0"], pairs=np.array([[0, 0], [0, 1]]), text_rows=np.array([1]))
    both = join_datasets([world(1), shared])  # one caption of two pictures, of which the first has it
    assert both.texts == ["thing 0, way 0", "thing 0, way 0"]
    assert both.pairs.tolist() == [[0, 0], [1, 1]]
    assert both.text_rows.tolist() == [0, 2]


def test_columns_are_told_where_all_agree() -> None:
    first = replace(world(2), columns={"image": "file_name", "text": "caption"})
    second = replace(world(3), columns={"image": "file_name", "text": "legenda"})
    assert join_datasets([first, second]).columns == {"image": "file_name"}
    assert join_datasets([first, first]).columns == first.columns


def test_one_stays_itself_and_none_is_refused() -> None:
    only = world(3)
    assert join_datasets([only]) is only
    with pytest.raises(ConfigError, match="no data set"):
        join_datasets([])
