"""Cross-encoders as re-rankers: models, or any function of yours, that score a text and a picture together.

Work goes picture by picture: each is decoded and looked at once for all the texts that have it among their candidates,
however many pictures there are; those that fit into memory are kept for the next time.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.decoding import in_order
from luneta.errors import EncoderError, ImageError
from luneta.progress import track
from luneta.rerank.fusion import Floats
from luneta.rerank.search import Queries
from luneta.threads import available
from luneta.types import CrossEncoder, ImageRef

logger = logging.getLogger("luneta")

Indexes = NDArray[np.int64]

LOOKED_AT_ONCE = 32
"""Pictures that are looked at together."""

SCORED_AT_ONCE = 1024
"""Pairs that are handed to a cross-encoder at once; it makes batches of them as suits it."""

LOOKED_AT_BYTES = 2**30
"""Of pictures that are kept in memory, as they were looked at or decoded."""


@dataclass(frozen=True, eq=False)
class Crossed:
    """A cross-encoder's scores; a `Rescorer`.

    Attributes:
        cross_encoder: what scores texts and pictures together.
    """

    cross_encoder: CrossEncoder

    own_scale = True

    @property
    def kind(self) -> str:
        """What results and folders call it."""
        return "itm" if getattr(self.cross_encoder, "kind", None) == "itm" else "cross-encoder"

    def pictures(self, images: Sequence[ImageRef]) -> LookedAt:
        """A data set's pictures, looked at when they are needed."""
        return LookedAt(self.cross_encoder, images)

    def rescore(
        self, queries: Queries, pictures: LookedAt, candidates: Indexes, *, guides: Queries | None = None
    ) -> Floats:
        """New scores of candidates.

        Args:
            queries: n texts.
            pictures: what they search in.
            candidates: (n, k) pictures of each; -1 where there is none.
            guides: n texts that are scored instead: a cross-encoder looks at a picture in the light of the very text
                that it scores.

        Returns:
            (n, k) scores; NaN for a picture that cannot be read any more, and where there is none.

        Raises:
            EncoderError: what comes back is not one finite number for each pair.
        """
        strings = (queries if guides is None else guides).texts
        read: Callable[[Sequence[str]], Sequence[Any]] = getattr(self.cross_encoder, "read", list)
        texts = read(list(strings))
        flat = candidates.reshape(-1)
        scores = np.full(flat.shape, np.nan)
        by_picture = flat.argsort(kind="stable")
        by_picture = by_picture[flat[by_picture] >= 0]
        chosen, first = np.unique(flat[by_picture], return_index=True)
        places = np.split(by_picture, first[1:])
        with track("re-ranking", len(chosen)) as advance:
            for low in range(0, len(chosen), LOOKED_AT_ONCE):
                part = slice(low, low + LOOKED_AT_ONCE)
                seen = list(zip(pictures.of(chosen[part]), places[part], strict=True))
                items = [(item, at) for item, of_item in seen if not isinstance(item, ImageError) for at in of_item]
                for start in range(0, len(items), SCORED_AT_ONCE):
                    found, at = zip(*items[start : start + SCORED_AT_ONCE], strict=True)
                    scores[list(at)] = self._scores([texts[i // candidates.shape[1]] for i in at], found)
                advance(len(seen))
        n_lost = int(np.isnan(scores[by_picture]).sum())
        if n_lost:
            logger.warning("candidates that cannot be read any more, and keep the encoder's score: %d", n_lost)
        return scores.reshape(candidates.shape)

    def _scores(self, texts: Sequence[Any], pictures: Sequence[Any]) -> Floats:
        try:
            found = np.asarray(self.cross_encoder.score(list(texts), list(pictures)))
        except ValueError as error:
            raise EncoderError(f"{self.cross_encoder.name}: score failed: {error}") from error
        if found.shape != (len(texts),) or not np.issubdtype(found.dtype, np.number) or not np.isfinite(found).all():
            what = f"shape {found.shape} of {found.dtype}" if found.shape != (len(texts),) else "numbers that are none"
            raise EncoderError(
                f"{self.cross_encoder.name}: score returned {what} for {len(texts)} pairs; expected one finite number "
                "for each"
            )
        return found.astype(np.float64)


@dataclass(eq=False)
class LookedAt:
    """The pictures of a data set as a cross-encoder takes them.

    Attributes:
        cross_encoder: whose they are.
        images: the pictures.
    """

    cross_encoder: CrossEncoder
    images: Sequence[ImageRef]
    _kept: dict[int, Any] = field(default_factory=dict, init=False, repr=False)
    _bytes: int = field(default=0, init=False, repr=False)
    _keeps_looks: bool = field(default=True, init=False, repr=False)

    def of(self, indexes: Indexes) -> list[Any]:
        """What `look` makes of each picture, or the ImageError that says why it cannot be read."""
        missing = [index for index in indexes.tolist() if index not in self._kept]
        items = self._decoded(missing)
        found = dict(zip(missing, self._look(items) if self._keeps_looks else items, strict=True))
        for index, item in found.items():
            if self._bytes + _size(item) <= LOOKED_AT_BYTES:
                self._kept[index] = item
                self._bytes += _size(item)
        all_of_them = [self._kept[index] if index in self._kept else found[index] for index in indexes.tolist()]
        return all_of_them if self._keeps_looks else self._look(all_of_them)

    def keep_nothing(self) -> None:
        """Keep no more than decoded pictures: they are looked at in just the batches in which they are asked for, so
        that the last bits do not depend on what was asked for before."""
        self._keeps_looks = False
        self._kept.clear()
        self._bytes = 0

    def _decoded(self, indexes: Sequence[int]) -> list[Any]:
        refs = [self.images[index] for index in indexes]
        with contextlib.closing(in_order(self._prepared, refs, available(), LOOKED_AT_ONCE)) as decoded:
            return list(decoded)

    def _look(self, items: list[Any]) -> list[Any]:
        readable = [place for place, item in enumerate(items) if not isinstance(item, ImageError)]
        look: Callable[[list[Any]], Sequence[Any]] | None = getattr(self.cross_encoder, "look", None)
        if look is not None and readable:
            for place, seen in zip(readable, look([items[place] for place in readable]), strict=True):
                items[place] = seen
        return items

    def _prepared(self, ref: ImageRef) -> Any:
        prepare: Callable[[Any], Any] | None = getattr(self.cross_encoder, "prepare_image", None)
        try:
            return ref.open() if prepare is None else prepare(ref.open())
        except ImageError as error:
            return error


@dataclass(frozen=True)
class ByFunction:
    """Any function that scores texts and RGB pictures, as a `CrossEncoder`.

    Attributes:
        function: n texts and n pictures of Pillow -> n numbers.
        name: what results call it.
        fingerprint: digest of everything that decides a score; empty where nobody can say: it is never saved then.

    >>> from luneta.rerank import ByFunction
    >>> brighter = ByFunction(lambda texts, pictures: [p.resize((1, 1)).getpixel((0, 0))[0] for p in pictures], "red")
    >>> from PIL import Image
    >>> brighter.score(["a rose"], [Image.new("RGB", (8, 8), (200, 0, 0))])
    [200]
    """

    function: Callable[[Sequence[str], Sequence[Any]], Any]
    name: str
    fingerprint: str = ""

    def score(self, texts: Sequence[str], pictures: Sequence[Any]) -> Any:
        """What the function says."""
        return self.function(texts, pictures)


def _size(item: Any) -> int:
    """Bytes of what is kept of a picture: arrays, tensors and pictures by what they hold."""
    if isinstance(item, tuple | list):
        return sum(_size(part) for part in item)
    if isinstance(item, dict):
        return sum(_size(part) for part in item.values())
    if hasattr(item, "nbytes"):
        return int(item.nbytes)
    return int(np.prod(item.size) * 3) if hasattr(item, "getbands") else 64
