"""What reads with the whole encoder does so one at a time: its tokenizer cannot be shared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import serving
from luneta.bundles import Bundle
from luneta.search import Query, Searcher, Wish
from luneta.serving.engines import ServingSearcher
from luneta.types import Vectors
from worlds import ConceptEncoder


@dataclass
class Heard(ConceptEncoder):
    """Tells when it is read with; re-ranks as well, and leaves answers where they are."""

    noise: float = 0.3
    begun: threading.Event = field(default_factory=threading.Event)
    fusion: Any = field(default_factory=lambda: SimpleNamespace(k=20))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.begun.set()
        return super().encode_texts(texts)

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        self.begun.set()
        return super().encode_images(images)

    def rerank(self, texts: Sequence[str], images: Any, places: Any, scores: Any) -> tuple[Any, Any]:
        self.begun.set()
        return places, scores


@pytest.fixture
def heard(bundle: Path) -> Iterator[tuple[ServingSearcher, Heard]]:
    encoder = Heard()
    with serving.client_of({"heard": Searcher(Bundle.open(bundle), encoder, encoder)}) as api:  # type: ignore[arg-type]
        yield api.app.state.bundles.get("heard").searcher, encoder


def by_picture(searcher: ServingSearcher) -> int:
    return int(searcher.search(Image.new("RGB", (4, 4), (0, 7, 0)), top_k=1)[0].id)


def by_text(searcher: ServingSearcher) -> int:
    return int(searcher.search("thing 7", top_k=1)[0].id)


def by_text_alone(searcher: ServingSearcher) -> int:
    return int(searcher.search("thing 7", top_k=1, where="number < 50")[0].id)


def by_looking_again(searcher: ServingSearcher) -> int:
    vectors = serving.ENCODER.encode_texts(["thing 7"])
    (hits,) = searcher.answer_vectors([Query.of("thing 7")], np.asarray(vectors), Wish(rerank=True))
    return int(hits[0].id)


@pytest.mark.parametrize("ask", [by_picture, by_text, by_text_alone, by_looking_again])
def test_nothing_else_is_read_while_the_encoder_is_taken(
    heard: tuple[ServingSearcher, Heard], ask: Callable[[ServingSearcher], int]
) -> None:
    searcher, encoder = heard
    encoder.begun.clear()
    with ThreadPoolExecutor(1) as threads:
        with searcher.engine.lock:
            found = threads.submit(ask, searcher)
            assert not encoder.begun.wait(0.3)
        assert found.result(30) == 7
    assert encoder.begun.is_set()
