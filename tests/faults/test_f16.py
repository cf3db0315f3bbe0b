"""Advice whose thresholds ignore noise and the gallery's size: every suggestion says what it stands on and doubts."""

from __future__ import annotations

from pathlib import Path

import pytest

from luneta.advice import advise
from luneta.evaluation import evaluate
from worlds import ConceptEncoder, world


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path))


def test_a_small_sample_near_a_threshold_is_not_stable() -> None:
    """With 40 queries the interval of the recall reaches over a threshold; with 2000 it does not."""
    few, many = (
        {s.rule: s for s in advise(evaluate(ConceptEncoder(noise=1.8, dim=64), world(n)))}["thesis/level"]
        for n in (40, 2000)
    )
    assert not few.stable
    assert many.stable


def test_a_number_like_guessing_is_said_to_be_one() -> None:
    asleep = evaluate(ConceptEncoder(constant=True), world(12))
    found = advise(asleep)
    assert found[0].rule == "luneta/guessing"
    assert not {"thesis/level", "thesis/next-step"} & {s.rule for s in found}
    as_in_the_study = advise(asleep, rules="thesis")
    assert any("guessing" in s.doubts for s in as_in_the_study)
    for suggestion in (*found, *as_in_the_study):
        assert suggestion.evidence  # the numbers it stands on


def test_what_is_printed_is_what_was_decided() -> None:
    """The text and the code cannot differ: the text is made from the verdict and the evidence."""
    (level,) = [s for s in advise(evaluate(ConceptEncoder(noise=0.9, dim=64), world(300))) if s.rule == "thesis/level"]
    value = level.evidence["recall_at_1"]
    assert f"{100 * value:.1f}" in str(level)
