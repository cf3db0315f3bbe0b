"""One preprocessing path for the index and another for the query: other fingerprints, and they are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import ailments
from ailments import CLIP, SIGLIP, recorded, sample
from luneta.doctor import examine
from luneta.embedding import embed
from luneta.encoders.hf import HFEncoder
from luneta.errors import IndexMismatchError
from luneta.types import Encoder

PATHS = {
    "another filter": recorded(CLIP, resample=2),
    "another mean": recorded(CLIP, image_mean=[0.5, 0.5, 0.5]),
    "squashed": recorded(CLIP, size={"height": 96, "width": 96}, do_center_crop=False),
    "a shorter context": lambda path: ailments.misread(CLIP, context=lambda *_: 16),
    "padded otherwise": lambda path: ailments.misread(CLIP, pads_to_context=True),
    "lower-cased": lambda path: ailments.misread(CLIP, lowers=True),
    "half precision": lambda path: HFEncoder(ailments.healthy(CLIP)._checkpoint, dtype="bfloat16"),
    "another model": lambda path: ailments.healthy(SIGLIP),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_query_prepared_otherwise_is_refused(name: str, tmp_path: Path) -> None:
    build: Callable[[Path], Encoder] = PATHS[name]
    index, query = ailments.healthy(CLIP), build(tmp_path)
    assert index.spec.fingerprint != query.spec.fingerprint
    data = sample(n_images=3)
    embed(index, data, store=tmp_path / "store")
    with pytest.raises(IndexMismatchError):
        embed(query, data, store=tmp_path / "store")
    again = embed(ailments.healthy(CLIP), data, store=tmp_path / "store")
    assert again.cost.n_images_reused == data.n_images, "the same path in another process is welcome"


def test_two_paths_in_one_encoder_are_named() -> None:
    assert [check.name for check in examine(ailments.TwoPaths(), quick=True).failed] == ["one image path"]
    assert examine(ailments.healthy(CLIP), quick=True)["one image path"].verdict == "pass"


def test_a_path_that_is_not_the_checkpoint_s_is_named() -> None:
    """The fingerprint was made before the recipe was changed: only what the tower reads tells."""
    encoder = ailments.prepared(CLIP, resample="bilinear")(Path())
    assert encoder.spec.fingerprint == ailments.healthy(CLIP).spec.fingerprint
    assert [check.name for check in examine(encoder, quick=True).failed] == ["interpolation"]
