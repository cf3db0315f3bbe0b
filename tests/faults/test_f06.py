"""Test photos seen in training: found across translated data sets; impossible in splits that are made here."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from luneta.data.dataset import ImageTextDataset
from luneta.finetuning.parts import apart
from luneta.leakage import find_leakage
from paintings import Held, gallery, painting

N = 20


def english() -> ImageTextDataset:
    """Twenty photos with five captions each."""
    captions = [[f"photo {i}, caption {c}" for c in range(5)] for i in range(N)]
    return gallery([Held(f"en-{i}", painting(i)) for i in range(N)], captions, name="english")


def recoded(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.resize((56, 56)).save(stream, "JPEG", quality=70)
    return Image.open(stream).convert("RGB")


def translated() -> ImageTextDataset:
    """The same photos, stored anew, with translated captions and a division of their own."""
    captions = [[f"foto {i}, legenda {c}" for c in range(5)] for i in range(N)]
    return gallery([Held(f"pt-{i}", recoded(painting(i))) for i in range(N)], captions, name="translated")


def only(data: ImageTextDataset, images: range) -> ImageTextDataset:
    return data.without_images([i for i in range(data.n_images) if i not in images])


def test_photos_seen_through_a_translated_data_set_are_found() -> None:
    """Trained on the first 15 of the translation, tested on 5 to 17 of the English: no file is shared."""
    found = find_leakage(only(translated(), range(15)), only(english(), range(5, 18)))
    assert [found.test.images[s.test].label for s in found.images] == [f"en-{i}" for i in range(5, 15)]
    assert [found.train.images[s.train].label for s in found.images] == [f"pt-{i}" for i in range(5, 15)]
    assert found.counts == {"near_image": 10}
    assert found.image_share == 10 / 13


def test_captions_of_one_image_on_both_sides_are_found() -> None:
    """Rows divided instead of images: three captions of every photo trained on, two tested on."""
    data = english()
    images = list(data.images)
    train = gallery(images, [list(data.texts[5 * i : 5 * i + 3]) for i in range(N)])
    test = gallery(images, [list(data.texts[5 * i + 3 : 5 * i + 5]) for i in range(N)])
    found = find_leakage(train, test)
    assert found.image_share == 1
    assert found.text_share == 0  # captions alone would not have shown it


@pytest.mark.parametrize("seed", range(2))
def test_our_own_splits_cannot_leak(seed: int) -> None:
    """Both data sets together: a photo, its translation's copy and all ten captions land in one part."""
    both = gallery(
        [*english().images, *translated().images],
        [
            *(list(english().texts[5 * i : 5 * i + 5]) for i in range(N)),
            *(list(translated().texts[5 * i : 5 * i + 5]) for i in range(N)),
        ],
    )
    parts = both.divide(val=0.1, test=0.2, seed=seed)
    assert (parts.val.n_images, parts.test.n_images) == (4, 8)
    assert np.array_equal(parts.part_of[:N], parts.part_of[N:])
    found = find_leakage(parts.train, parts.test)
    assert found.images == found.texts == ()


def test_training_leaves_out_what_the_test_part_holds() -> None:
    """Trained on the translation, proved on the English: the shared photos are not learnt from, by any route."""
    tested = only(english(), range(5, 12))
    parts = apart(translated(), None, [tested], True, 0)
    assert parts.n_leaked == 7
    assert not {ref.label for ref in parts.train.images} & {f"pt-{i}" for i in range(5, 12)}
    for part in (parts.train, parts.validation):
        assert find_leakage(part, tested).images == ()
    assert find_leakage(parts.train, parts.validation).images == ()
