"""What reads queries: each encoder loaded once, whatever the number of bundles, clients and updates."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from luneta.errors import LunetaError
from luneta.search import Hits, Query, Searcher, Wish
from luneta.search.queries import vectors_of
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
"""Answers down to which a query may be looked up together with others."""

Asked = tuple["ServingSearcher", Query, Wish]
Lookup = tuple["ServingSearcher", Query, Vectors, Wish]


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
        self.users: WeakSet[ServingSearcher] = WeakSet()
        """Searchers that somebody still has: of bundles that are served, or that are being answered from."""
        self.queries: Batcher[Asked, Hits] = batcher(self._answer, name="queries")
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
        """Let go of its threads, and so of all that they read with."""
        for batcher in self.batchers.values():
            batcher.close()

    @property
    def batchers(self) -> Mapping[str, Batcher[Any, Any]]:
        return {"queries": self.queries, "texts": self.texts, "pictures": self.pictures}

    @property
    def whole(self) -> Encoder:
        """The encoder, loaded when first needed.

        Raises:
            NoPicturesError: it cannot be.
        """
        if self._whole is not None:
            return self._whole
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

    def _answer(self, asked: Sequence[Asked]) -> list[Hits]:
        """Answers to plain queries: their texts are read at once, and looked up at once where that can be."""
        vectors = vectors_of(
            [query for _, query, _ in asked], texts=self._read_texts, images=_nothing_else, items=_nothing_else
        )
        groups: dict[tuple[ServingSearcher, Wish], list[int]] = {}
        for place, (searcher, _, wish) in enumerate(asked):
            groups.setdefault((searcher, wish), []).append(place)
        found: dict[int, Hits] = {}
        for (searcher, wish), places in groups.items():
            hits = searcher.answer_vectors([asked[place][1] for place in places], vectors[places], wish)
            found.update(zip(places, hits, strict=True))
        return [found[place] for place in range(len(asked))]

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
        alone: answers one at a time what looks at pictures again.
    """

    engine: Engine
    alone: Batcher[Lookup, Hits]

    def __post_init__(self) -> None:
        self.engine.users.add(self)

    @property
    def whole_encoder(self) -> Encoder:
        return self.engine.whole

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return np.stack(self.engine.texts.ask(list(texts)))

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        return np.stack(self.engine.pictures.ask([self.engine.prepared(image) for image in images]))

    def answer(self, queries: Sequence[Query], wish: Wish) -> list[Hits]:
        if all(is_plain(query, wish) for query in queries):
            return self.engine.queries.ask([(self, query, wish) for query in queries])
        return super().answer(queries, wish)

    def answer_vectors(self, queries: Sequence[Query], vectors: Vectors, wish: Wish) -> list[Hits]:
        if wish.rerank:
            return self.alone.ask([(self, *each, wish) for each in zip(queries, vectors, strict=True)])
        return super().answer_vectors(queries, vectors, wish)


def is_plain(query: Query, wish: Wish) -> bool:
    """Whether a query costs no more than reading its texts and looking up a page, so that nobody waits for it long."""
    asks_more = wish.rerank or wish.diversity or wish.near is not None or wish.where or wish.like or wish.unlike
    return len(query.texts) == len(query.parts) and not asks_more and wish.offset + wish.top_k <= GATHERED


def _nothing_else(*_: object) -> Vectors:
    raise AssertionError("a plain query is made of texts")


def answered_alone(lookups: Sequence[Lookup]) -> list[Hits]:
    """The same one by one, for what uses the whole encoder."""
    found = []
    for searcher, query, vector, wish in lookups:
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
