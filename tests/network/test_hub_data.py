"""Real data sets of the hub: run with `pytest -m network`."""

from __future__ import annotations

import pytest

from luneta.data.sources import open_dataset
from luneta.errors import DatasetError

pytestmark = pytest.mark.network


def test_flickr30k_sample() -> None:
    data = open_dataset("nlphuji/flickr_1k_test_image_text_retrieval", limit=20, seed=1)
    assert data.n_images == 20
    assert data.n_texts == 100
    assert data.revision is not None
    assert len(data.revision) == 40
    assert all(image.open().mode == "RGB" for image in data.images)


def test_a_data_set_that_is_not_there() -> None:
    with pytest.raises(DatasetError, match="no data set"):
        open_dataset("nlphuji/there-is-no-such-data-set")
