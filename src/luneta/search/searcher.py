"""A bundle that answers queries."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from luneta.bundles.bundle import Bundle
from luneta.errors import ConfigError, ImageError
from luneta.filters import Filter, parse_filter
from luneta.search.hits import Hit, Hits
from luneta.search.queries import Query, vectors_of
from luneta.search.variety import collapsed, varied
from luneta.types import Encoder, Side, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

    from luneta.rerank.reranker import Reranker
    from luneta.search.explaining import Explanation

Ids = NDArray[np.int64]

DEEPEST = 10_000
"""Answers that anybody may page through."""

POOL = 4
"""How many times as many answers are looked at where near-duplicates leave, and again where that is not enough."""

VARIED = 200
"""Answers that are brought into a varied order; the same for every page, so that pages fit one another."""

LIKED, DISLIKED = 0.75, 0.25
"""How much what somebody liked and disliked moves a query, each side on the whole (Rocchio, 1971)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a query is to be answered.

    Attributes:
        target: what is searched.
        top_k: answers of a page.
        offset: answers before this page.
        where: which items count.
        diversity: 0 by score alone, towards 1 the more different.
        near: cosine from which on two answers are the same thing, of which one is shown; None shows all.
        like, unlike: numbers of answers that somebody has marked; the query moves towards and away from them, and
            what was disliked is not shown again.
        exclude: numbers of items that are not shown.
        rerank: look at the first ones again, in the light of the query.
        language: of the query, for its cut-off.
    """

    target: Side = "image"
    top_k: int = 10
    offset: int = 0
    where: Filter | None = None
    diversity: float = 0.0
    near: float | None = None
    like: tuple[int, ...] = ()
    unlike: tuple[int, ...] = ()
    exclude: tuple[int, ...] = ()
    rerank: bool = False
    language: str | None = None

    def __post_init__(self) -> None:
        if self.target not in ("image", "text"):
            raise ConfigError(f"target is {self.target!r}, expected image or text")
        if self.top_k < 1 or self.offset < 0 or self.offset + self.top_k > DEEPEST:
            raise ConfigError(
                f"answers {self.offset + 1} to {self.offset + self.top_k} were asked for; expected at least one of the "
                f"first {DEEPEST:,}"
            )
        if self.rerank and self.target != "image":
            raise ConfigError("only pictures can be re-ranked; search for them (target image), or leave rerank out")
        if not 0 <= self.diversity <= 1:
            raise ConfigError(f"diversity is {self.diversity}, expected 0 (by score) to 1")
        if self.near is not None and not 0 < self.near <= 1:
            raise ConfigError(f"near is {self.near}, expected a cosine above 0 and up to 1")


@dataclass(frozen=True, eq=False)
class Searcher:
    """Answers queries from a bundle.

    Attributes:
        bundle: that is searched.
        encoder: whole; None loads it when a picture, or a bundle without text tower, first needs it.
        reranker: for `rerank`; None is the bundle's own.
        device: where the encoder computes.
    """

    bundle: Bundle
    encoder: Encoder | None = None
    reranker: Reranker | None = None
    device: str = "auto"

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, encoder: Encoder | None = None, device: str = "auto") -> Searcher:
        """Open a bundle for searching.

        Args:
            folder: of the bundle.
            encoder: that made it; None finds it by its name when it is needed.
            device: as in `load_encoder`.

        Raises:
            ArtifactError: there is no whole bundle.
            IndexMismatchError: the encoder is another one.
        """
        bundle = Bundle.open(folder)
        if encoder is not None:
            bundle.check(encoder)
        return cls(bundle.hold(), encoder, device=device)

    def search(
        self,
        query: str | Image | Query,
        *,
        target: Side = "image",
        top_k: int = 10,
        offset: int = 0,
        where: str | Filter | None = None,
        diversity: float = 0.0,
        near: float | None = None,
        like: Sequence[int] = (),
        unlike: Sequence[int] = (),
        rerank: bool = False,
        language: str | None = None,
    ) -> Hits:
        """The best answers to a query.

        Args:
            query: a text as people type it (see `Query.read`), a decoded picture, or a `Query`.
            target: search the pictures or the texts of the bundle.
            top_k: answers of a page.
            offset: answers before this page.
            where: which items count, such as "style = 'Impressionism' and year < 1900".
            diversity: 0 by score alone, towards 1 the more different (maximal marginal relevance).
            near: cosine from which on answers are the same thing and only the best of them is shown.
            like, unlike: numbers of answers that were marked.
            rerank: look at the first ones again; needs a re-ranker and the pictures.
            language: of the query, for the cut-off below which nothing is relevant.

        Raises:
            ConfigError: a query, filter or option that makes no sense.
            EncoderError: the encoder is needed and cannot be loaded.
        """
        wish = Wish(
            target, top_k, offset, parse_filter(where) if isinstance(where, str) else where, diversity, near,
            tuple(like), tuple(unlike), rerank=rerank, language=language,
        )  # fmt: skip
        return self.answer([asked(query)], wish)[0]

    def answer(self, queries: Sequence[Query], wish: Wish) -> list[Hits]:
        """The same for several queries at once, all answered in one way."""
        if not queries:
            return []
        return self.answer_vectors(queries, self.vectors(queries, wish), wish)

    def vectors(self, queries: Sequence[Query], wish: Wish) -> Vectors:
        """(n, embedding_dim) unit vectors of queries, moved towards what was liked."""
        vectors = vectors_of(queries, texts=self.encode_texts, images=self.encode_images, items=self._item_vectors)
        if not (wish.like or wish.unlike):
            return vectors
        moved = vectors.astype(np.float64)
        for ids, weight in ((wish.like, LIKED), (wish.unlike, -DISLIKED)):
            if ids:
                moved = moved + weight * self._item_vectors(wish.target, ids).astype(np.float64).mean(axis=0)
        unit: Vectors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def answer_vectors(self, queries: Sequence[Query], vectors: Vectors, wish: Wish) -> list[Hits]:
        """The same, of queries whose vectors are known."""
        depth = self._depth(wish)
        hidden = [self._hidden(query, wish) for query in queries]
        n_more = max(len(ids) for ids in hidden)
        while True:
            found = self.bundle.collection(wish.target).search(vectors, depth + n_more, where=wish.where)
            answers = [
                self._answered(query, np.asarray(ids), np.asarray(scores), away, wish)
                for query, ids, scores, away in zip(queries, found.ids, found.scores, hidden, strict=True)
            ]
            if not any(lacks for _, lacks in answers) or depth >= min(self.bundle.n(wish.target), DEEPEST):
                return [hits for hits, _ in answers]
            depth = min(POOL * depth, DEEPEST)  # near-duplicates have taken the place of what was to be shown

    def explain(self, query: str | Image | Query, number: int) -> Explanation:
        """What carries the score of a picture of the bundle: which of its parts, and which words of the query.

        Args:
            query: as in `search`.
            number: of the picture.

        Raises:
            ConfigError: the bundle has no such picture, or it is too small.
            ImageError: neither the picture nor its small copy can be read.
        """
        from luneta.search import explaining

        wanted = asked(query)
        vector = self.vectors([wanted], Wish())[0]
        score, parts = explaining.explain_picture(self.whole_encoder, self.picture(number), vector)
        words = []
        if wanted.text is not None:
            words = explaining.explain_words(self.encode_texts, wanted.text, self._item_vectors("image", [number])[0])
        return explaining.Explanation(score, parts, words)

    def picture(self, number: int) -> Image:
        """A picture of the bundle as it was indexed; where it has gone, its small copy.

        Raises:
            ConfigError: the bundle has no such picture.
            ImageError: there is neither.
        """
        from luneta.data.images import decode_image

        place = int(self.bundle.places("image", np.array([number]))[0])
        original = self.bundle.originals[place]
        try:
            return original.open()
        except ImageError:
            small = self.bundle.thumbnails.get(original.key())
            if small is None:
                raise
            return decode_image(small)

    # -- the steps ---------------------------------------------------------------------------------------------

    def _depth(self, wish: Wish) -> int:
        """How many answers are looked at."""
        depth = wish.offset + wish.top_k + 1  # one more says whether there is a next page
        if wish.near is not None:
            depth = max(POOL * depth, 100)
        if wish.diversity:
            depth = max(depth, VARIED)
        if wish.rerank:
            depth = max(depth, self.reranked_with.fusion.k)
        return min(depth, max(self.bundle.n(wish.target), 1))

    def _hidden(self, query: Query, wish: Wish) -> frozenset[int]:
        """Numbers that are not shown: what was disliked or excluded, and what the query itself is."""
        own = [item.id for item in query.items if item.side == wish.target]
        return frozenset((*wish.unlike, *wish.exclude, *own))

    def _answered(
        self, query: Query, ids: Ids, scores: NDArray[np.float32], hidden: frozenset[int], wish: Wish
    ) -> tuple[Hits, bool]:
        """The answers, and whether more should have been looked at."""
        is_cut = bool((ids >= 0).all())
        shown = (ids >= 0) & ~np.isin(ids, list(hidden))
        ids, scores = ids[shown], scores[shown]
        best = float(scores[0]) if len(scores) else None
        before: dict[int, int] = {}
        if wish.rerank and len(ids):
            before = {int(number): rank for rank, number in enumerate(ids, start=1)}
            ids, scores = self._reranked(query, ids, scores)
        also: dict[int, list[int]] = {}
        if wish.near is not None and len(ids):
            kept, others = collapsed(self._item_vectors(wish.target, ids), wish.near)
            also = {int(ids[place]): ids[rest].tolist() for place, rest in zip(kept, others, strict=True)}
            ids, scores = ids[kept], scores[kept]
        last = wish.offset + wish.top_k
        lacks = is_cut and len(ids) < max(last + 1, VARIED if wish.diversity else 0)
        if wish.diversity and len(ids):
            first = min(VARIED, len(ids))
            falling = np.minimum.accumulate(scores[:first])  # behind those that were looked at again some are higher
            order = varied(falling, self._item_vectors(wish.target, ids[:first]), first, wish.diversity)
            order = np.concatenate([order, np.arange(first, len(ids))])
            ids, scores = ids[order], scores[order]
        relevant, cutoff = self._relevance(query, best, wish)
        page = slice(wish.offset, last)
        hits = self._hits(ids[page], scores[page], wish, before, also, None if wish.rerank else cutoff)
        return Hits(str(query), hits, relevant, cutoff, best, has_more=len(ids) > last), lacks and wish.near is not None

    def _hits(
        self, ids: Ids, scores: NDArray[np.float32], wish: Wish, before: Mapping[int, int],
        also: Mapping[int, Sequence[int]], cutoff: float | None,
    ) -> list[Hit]:  # fmt: skip
        rows = self.bundle.rows(wish.target, ids).to_pylist() if len(ids) else []
        return [
            Hit(
                rank, row["_id"], wish.target, float(score), row.get("_name"), row.get("_text"),
                row.get("_texts") or (), row.get("_images") or (),
                {name: value for name, value in row.items() if not name.startswith("_")},
                before.get(row["_id"]), also.get(row["_id"], ()), row["_key"],
                None if cutoff is None else bool(score >= cutoff),
            )
            for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=wish.offset + 1)
        ]  # fmt: skip

    def _relevance(self, query: Query, best: float | None, wish: Wish) -> tuple[bool | None, float | None]:
        calibration = self.bundle.calibration
        plain = len(query.parts) == 1 and query.parts[0].weight > 0 and not (wish.like or wish.unlike)
        if calibration is None or not plain or query.parts[0].kind == wish.target:  # not what it was measured with
            return None, None
        cutoff = calibration.cutoff(wish.target, wish.language)
        if cutoff is None:
            return None, None
        return None if best is None else best >= cutoff.value, cutoff.value

    # -- vectors -----------------------------------------------------------------------------------------------

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """(n, embedding_dim) unit vectors, by the bundle's own text tower where it has one."""
        light = self.bundle.text_encoder
        return self.whole_encoder.encode_texts(texts) if light is None else light.encode_texts(texts)

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """(n, embedding_dim) unit vectors of RGB pictures."""
        return self.whole_encoder.encode_images(images)

    def _item_vectors(self, side: Side, ids: Sequence[int] | Ids) -> Vectors:
        return np.asarray(self.bundle.vectors(side)[self.bundle.places(side, ids)])

    @property
    def whole_encoder(self) -> Encoder:
        """The encoder, loaded when first needed."""
        return self.encoder if self.encoder is not None else self.bundle.encoder(device=self.device)

    # -- re-ranking --------------------------------------------------------------------------------------------

    @cached_property
    def reranked_with(self) -> Reranker:
        """The re-ranker.

        Raises:
            ConfigError: there is none.
        """
        if self.reranker is not None:
            return self.reranker
        return self.bundle.reranker(self.whole_encoder)

    def _reranked(self, query: Query, ids: Ids, scores: NDArray[np.float32]) -> tuple[Ids, NDArray[np.float32]]:
        if query.text is None:
            raise ConfigError("only a query that is one text can be re-ranked")
        places = self.bundle.places("image", ids)
        moved, new = self.reranked_with.rerank([query.text], self.bundle.originals, places[None], scores[None])
        return self.bundle.ids("image")[moved[0]], new[0]


def asked(query: str | Image | Query) -> Query:
    """A query, however it was given."""
    if isinstance(query, Query):
        return query
    return Query.read(query) if isinstance(query, str) else Query.of(query)
