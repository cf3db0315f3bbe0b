"""One model under two protocols in one report: a result carries its protocol, and unlike ones do not meet."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from luneta.advice import advise
from luneta.comparison import compare
from luneta.errors import ProtocolMismatchError
from luneta.evaluation import evaluate
from luneta.report.evaluation import EvaluationSection
from worlds import ConceptEncoder, world


def test_single_captions_and_joined_ones_are_never_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five captions of a picture as five queries, and the same five joined into one: .63 and .92 for the same model."""
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path))
    single = world(40, captions_per_image=5)
    joined = dataclasses.replace(
        world(40), texts=[" ".join(single.texts[5 * i : 5 * i + 5]) for i in range(40)], name=single.name
    )
    results = [evaluate(ConceptEncoder(noise=1.0), data) for data in (single, joined)]
    assert results[0].protocol["hash"] != results[1].protocol["hash"]
    with pytest.raises(ProtocolMismatchError, match=r"n_texts: .*200.*40"):
        compare(results)
    with pytest.raises(ProtocolMismatchError):
        EvaluationSection(results)
    with pytest.raises(ProtocolMismatchError):
        advise(results)
