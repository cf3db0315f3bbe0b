"""Each item of the recipe is broken in turn: the doctor names it, and recall falls and returns where it does."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

import ailments
from ailments import AILMENTS, CLIP, left_in_english, recall_at_1, recorded, sample
from luneta import load_encoder
from luneta.doctor import examine


@functools.cache
def sound(model: str, view: str = "as drawn") -> float:
    """recall@1 of an encoder as it is."""
    return recall_at_1(ailments.healthy(model), sample(), view)


@pytest.mark.parametrize("name", AILMENTS)
def test_the_doctor_names_what_is_broken(name: str, tmp_path: Path) -> None:
    ailment = AILMENTS[name]
    encoder = ailment.build(tmp_path)
    diagnosis = examine(encoder)
    found = {check.name: check.verdict for check in diagnosis.checks if check.verdict in ("warn", "fail")}
    assert found.pop(ailment.check, None) == ailment.verdict, diagnosis[ailment.check]
    assert set(found) <= set(ailment.also)
    assert left_in_english(diagnosis) == []
    if ailment.falls is not None:
        assert recall_at_1(encoder, sample(), ailment.view) < sound(ailment.model, ailment.view) - ailment.falls


def test_what_is_mended_is_sound_again(tmp_path: Path) -> None:
    """A record with pixels left as they are, then the published record in its place."""
    broken = recorded(CLIP, do_normalize=False)(tmp_path)
    assert [check.name for check in examine(broken).failed] == ["mean and deviation"]
    assert recall_at_1(broken, sample()) < sound(CLIP)
    folder = ailments.copy_of(CLIP, tmp_path)
    mended = load_encoder(folder, dtype="float32")
    assert examine(mended).verdict == "pass"
    assert recall_at_1(mended, sample()) == sound(CLIP)
