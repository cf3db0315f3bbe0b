"""What reads queries: each encoder loaded once, whatever the number of bundles, clients and updates."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from luneta.errors import LunetaError
from luneta.search import Hits, Query, Searcher, Wish
from luneta.serving.batching import Batcher
from luneta.serving.settings import Settings
from luneta.types import Encoder, StagedEncoder, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

    from luneta.encoders.light import LightTextEncoder

logger = logging.getLogger("luneta")

Observe = Callable[[str, int], None]
"""Called with what was computed and how many at once."""

GATHERED = 100
"""Answers down to which a plain query is looked up together with others."""

Lookup = tuple[Searcher, Query, Vectors, Wish]


class NoPicturesError(LunetaError):
    """Pictures cannot be read here, because the whole encoder could not be loaded."""


class Engine:
    """The reading half of bundles made with one encoder.

    Args:
        searcher: of one of them.
        batcher: makes a `Batcher`, given what it computes and its name.
    """

    def __init__(self, searcher: Searcher, batcher: Callable[..., Batcher[Any, Any]]) -> None:
        self._light: LightTextEncoder | None = None
        self._lender: Searcher | None = None
        self._whole: Encoder | None = None
        self.lock = threading.RLock()
        """The whole encoder does one thing at a time: tokenizers of transformers cannot be shared."""
        self.texts: Batcher[str, Any] = batcher(self._read_texts, name="texts")
        self.pictures: Batcher[Any, Any] = batcher(self._read_pictures, name="pictures")
        self.join(searcher)

    def join(self, searcher: Searcher) -> None:
        """Read for one more bundle; what it carries and was missing so far is used for all."""
        if self._light is None:
            self._light = searcher.bundle.text_encoder
        if self._whole is None:
            self._lender = searcher

    def close(self) -> None:
        self.texts.close()
        self.pictures.close()

    @property
    def whole(self) -> Encoder:
        """The encoder, loaded when first needed.

        Raises:
            NoPicturesError: it cannot be.
        """
        with self.lock:
            if self._whole is None:
                assert self._lender is not None
                try:
                    self._whole = self._lender.whole_encoder
                except LunetaError as error:
                    raise NoPicturesError(str(error)) from error
                self._lender = None  # it would keep the files of a bundle that has been replaced
            return self._whole

    def prepared(self, picture: Image) -> Any:
        """A picture as it is batched; many threads may prepare at once."""
        whole = self.whole
        return whole.prepare_image(picture) if isinstance(whole, StagedEncoder) else picture

    def _read_texts(self, texts: Sequence[str]) -> Vectors:
        if self._light is not None:
            return self._light.encode_texts(texts)
        with self.lock:
            return self.whole.encode_texts(texts)

    def _read_pictures(self, prepared: Sequence[Any]) -> Vectors:
        with self.lock:
            whole = self.whole
            return (
                whole.encode_prepared(prepared) if isinstance(whole, StagedEncoder) else whole.encode_images(prepared)
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class ServingSearcher(Searcher):
    """A searcher for many threads, whose queries go through encoder and index together with those of others.

    Attributes:
        engine: reads its queries.
        lookups: answers those that ask for nothing special.
        alone: answers one at a time what looks at pictures again.
    """

    engine: Engine
    lookups: Batcher[Lookup, Hits]
    alone: Batcher[Lookup, Hits]

    @property
    def whole_encoder(self) -> Encoder:
        return self.engine.whole

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return np.stack(self.engine.texts.ask(list(texts)))

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        return np.stack(self.engine.pictures.ask([self.engine.prepared(image) for image in images]))

    def answer_vectors(self, queries: Sequence[Query], vectors: Vectors, wish: Wish) -> list[Hits]:
        asked = [(self, query, vector, wish) for query, vector in zip(queries, vectors, strict=True)]
        if wish.rerank:
            return self.alone.ask(asked)
        if wish.where or wish.diversity or wish.near is not None or wish.offset + wish.top_k > GATHERED:
            return super().answer_vectors(queries, vectors, wish)
        return self.lookups.ask(asked)


def answered_together(lookups: Sequence[Lookup]) -> list[Hits]:
    """Answers to lookups; those in one bundle that are to be answered in one way are looked up at once."""
    groups: dict[tuple[Searcher, Wish], list[int]] = {}
    for place, (searcher, _, _, wish) in enumerate(lookups):
        groups.setdefault((searcher, wish), []).append(place)
    found: dict[int, Hits] = {}
    for (searcher, wish), places in groups.items():
        queries, vectors = [lookups[place][1] for place in places], np.stack([lookups[place][2] for place in places])
        found.update(zip(places, Searcher.answer_vectors(searcher, queries, vectors, wish), strict=True))
    return [found[place] for place in range(len(lookups))]


def answered_alone(lookups: Sequence[Lookup]) -> list[Hits]:
    """The same one by one, for what uses the whole encoder."""
    found = []
    for searcher, query, vector, wish in lookups:
        assert isinstance(searcher, ServingSearcher)
        with searcher.engine.lock:
            found += Searcher.answer_vectors(searcher, [query], vector[None], wish)
    return found


def batchers(settings: Settings, crowd: Callable[[], int], observe: Observe) -> Callable[..., Batcher[Any, Any]]:
    """A maker of batchers, as the settings want them."""

    def make(compute: Callable[[list[Any]], Sequence[Any]], *, name: str, gather: bool = True) -> Batcher[Any, Any]:
        together = gather and settings.batching
        return Batcher(
            compute, name=name, crowd=crowd, observe=lambda n: observe(name, n),
            wait_s=settings.batch_wait_ms / 1000 if together else 0.0, most=settings.max_batch if together else 1,
        )  # fmt: skip

    return make
