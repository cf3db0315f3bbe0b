"""The re-rankers in the package: small, found by the name of their encoder, and better than it on sketches for sure."""

from __future__ import annotations

from pathlib import Path

import pytest

import luneta
from luneta.encoders.presets import BUNDLED
from luneta.errors import ArtifactError, IndexMismatchError
from luneta.rerank import Reranker, evaluate_reranked
from luneta.rerank.builtin import folder_of

N_PICTURES = 60


@pytest.mark.parametrize("name", BUNDLED)
def test_it_is_small_and_gains_on_sketches(name: str) -> None:
    assert sum(path.stat().st_size for path in folder_of(name).iterdir()) <= 4_000_000
    reranker = Reranker.load(name, luneta.load_encoder(name, dtype="float32"))
    assert reranker.fusion.changes
    assert reranker.is_honest
    found = evaluate_reranked(reranker, luneta.open_dataset("cenas/sketch:test", limit=N_PICTURES), cache=False)
    gain = found.comparison.difference("text_to_image", "mrr", 0, 1)
    assert gain.low is not None
    assert gain.low > 0.1


def test_of_the_other_encoder_it_is_refused() -> None:
    with pytest.raises(IndexMismatchError, match="was made for luneta-mini "):
        Reranker.load("luneta-mini", luneta.load_encoder("luneta-mini-siglip", dtype="float32"))


def test_a_folder_of_that_name_goes_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("luneta-mini").mkdir()
    with pytest.raises(ArtifactError):
        Reranker.load("luneta-mini", luneta.load_encoder("luneta-mini", dtype="float32"))
