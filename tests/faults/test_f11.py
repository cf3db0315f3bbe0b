"""An unreadable image dropped while its texts stay, so that every later pair shifts: pairs leave whole."""

from __future__ import annotations

import pytest

import worlds
from luneta import evaluate
from luneta.embedding import embed
from luneta.errors import DatasetError

BROKEN = (3, 4, 11)


def test_texts_leave_with_their_image_and_the_others_keep_theirs() -> None:
    data = worlds.world(20, captions_per_image=2, broken=BROKEN)
    found = embed(worlds.ConceptEncoder(), data, max_bad_share=0.2)
    left = [i for i in range(20) if i not in BROKEN]
    assert [image.label for image in found.dataset.images] == [f"picture-{i}" for i in left]
    assert list(found.dataset.texts) == [f"thing {i}, way {way}" for i in left for way in range(2)]
    own = (found.texts @ found.images.T)[found.dataset.pairs[:, 0], found.dataset.pairs[:, 1]]
    assert own.min() > 0.999, "every text is still beside its own picture"
    assert [row.source for row in found.dataset.skipped] == [f"picture-{i}" for i in BROKEN]


def test_what_was_left_out_is_in_the_result_and_nothing_else_changes() -> None:
    data = worlds.world(20, captions_per_image=2, broken=BROKEN)
    result = evaluate(worlds.ConceptEncoder(), data, cache=False, max_bad_share=0.2)
    assert result.metrics["text_to_image"]["recall@1"].value == 1
    assert [(row.row, row.reason) for row in result.skipped] == [(i, "truncated") for i in BROKEN]


def test_too_many_stop_the_run() -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        embed(worlds.ConceptEncoder(), worlds.world(20, broken=BROKEN))


def test_cut_to_equal_length_the_pairs_would_be_wrong() -> None:
    """The fault itself: it costs nearly every hit after the first gap."""
    whole = embed(worlds.ConceptEncoder(), worlds.world(20))
    images = [i for i in range(20) if i not in BROKEN]
    shifted = whole.texts[: len(images)] @ whole.images[images].T
    assert (shifted.argmax(axis=1) == range(len(images))).mean() == pytest.approx(3 / 17)
