"""ImageTextDataset: unique images, texts, and which belongs to which (many-to-many)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from luneta.errors import DatasetError
from luneta.progress import track
from luneta.types import ImageRef, SkippedRow

if TYPE_CHECKING:
    from luneta.data.groups import Groups
    from luneta.data.splitting import Size, Splits

Indexes = NDArray[np.int64]

_THREADS = 4  # that read and hash files; both happen outside the interpreter's lock
_PART = 64


@dataclass(frozen=True, eq=False)
class ImageTextDataset:
    """Images and texts of one source, and the pairs that belong together.

    An image stands here once, however many rows name it. Every caption of every row is a text of its own, so that
    counts agree with how papers count queries; equal captions are brought together by the evaluation, by its rule.
    Two data sets are one when they are the same object; compare their `fingerprint` to compare content.

    Texts may also be queries that somebody has judged pictures for, as names of things: each stands here once, whatever
    the number of its pictures, pictures may belong to no text, and some are neither right nor wrong for a text.

    Attributes:
        name: what the user opened: a path, a hub id, a preset.
        images: (n_images) pictures, decoded only when opened.
        texts: (n_texts) captions.
        pairs: (n_pairs, 2) of (text index, image index), sorted, without repeats: the qrels.
        rows: metadata columns of the source's rows that were kept.
        image_rows: (n_images) for each image the row of `rows` it was first seen in.
        text_rows: (n_texts) for each text its row of `rows`.
        columns: which columns were read as image and text, and how they were chosen.
        skipped: rows left out, with the reason.
        n_source_rows: rows looked at before any was left out.
        sample: {"limit", "seed"} when this is a random sample.
        ignored: (n, 2) of (text index, image index), sorted: neither right nor wrong, so that a search passes over
            them. None where texts are captions of pictures; else they are judged queries.
    """

    name: str
    images: Sequence[ImageRef]
    texts: Sequence[str]
    pairs: Indexes
    rows: pa.Table
    image_rows: Indexes
    text_rows: Indexes
    revision: str | None = None
    split: str | None = None
    language: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    skipped: tuple[SkippedRow, ...] = ()
    n_source_rows: int = 0
    sample: Mapping[str, int] | None = None
    ignored: Indexes | None = None

    def __post_init__(self) -> None:
        if len(self.image_rows) != self.n_images or len(self.text_rows) != self.n_texts:
            raise DatasetError(f"{self.name}: image_rows and text_rows must have one entry per image and text")
        object.__setattr__(self, "pairs", self._checked(self.pairs))
        if self.ignored is not None:
            object.__setattr__(self, "ignored", self._checked(self.ignored))
            if len(np.intersect1d(self._numbers(self.pairs), self._numbers(self.ignored))):
                raise DatasetError(f"{self.name}: a pair is both right and passed over")
        for name, column, n in (("text", 0, self.n_texts), ("image", 1, self.n_images)):
            seen = np.zeros(n, dtype=bool)
            seen[self.pairs[:, column]] = True
            if not seen.all() and not (self.judged and name == "image"):
                raise DatasetError(f"{self.name}: {name} {int(np.argmin(seen))} belongs to no pair")

    def _checked(self, pairs: Indexes) -> Indexes:
        """The pairs sorted and without repeats."""
        pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
        for name, column, n in (("text", 0, self.n_texts), ("image", 1, self.n_images)):
            if len(pairs) and not (pairs[:, column].min() >= 0 and pairs[:, column].max() < n):
                raise DatasetError(f"{self.name}: a pair names a {name} outside 0..{n - 1}")
        return np.stack(np.divmod(np.unique(self._numbers(pairs)), max(self.n_images, 1)), axis=1)

    def _numbers(self, pairs: Indexes) -> Indexes:
        """One number a pair: quick to sort."""
        numbers: Indexes = pairs[:, 0] * self.n_images + pairs[:, 1]
        return numbers

    @property
    def judged(self) -> bool:
        """Texts are queries with judged pictures, not captions."""
        return self.ignored is not None

    @cached_property
    def paired_images(self) -> Indexes:
        """Images that belong to a text: all of them unless texts are judged queries."""
        return np.unique(self.pairs[:, 1])

    @property
    def n_images(self) -> int:
        return len(self.images)

    @property
    def n_texts(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        where = "".join(f", {k}={v!r}" for k, v in (("split", self.split), ("language", self.language)) if v)
        return f"ImageTextDataset({self.name!r}{where}, n_images={self.n_images}, n_texts={self.n_texts})"

    @cached_property
    def image_keys(self) -> tuple[str, ...]:
        """Content digest of every image; reads every file once. Raises ImageError for an unreadable one."""
        parts = [self.images[start : start + _PART] for start in range(0, self.n_images, _PART)]
        keys: list[str] = []
        with ThreadPoolExecutor(_THREADS) as pool, track("hashing images", self.n_images) as advance:
            for part in pool.map(lambda images: [image.key() for image in images], parts):
                keys += part
                advance(len(part))
        return tuple(keys)

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest of the pictures' content, the texts and the pairs: independent of names and folders."""
        digest = hashlib.sha256()
        for key in self.image_keys:
            digest.update(key.encode())
        for text in self.texts:
            encoded = text.encode("utf-8", errors="surrogatepass")
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        digest.update(np.ascontiguousarray(self.pairs, dtype="<i8").tobytes())
        if self.ignored is not None:
            digest.update(b"ignored" + np.ascontiguousarray(self.ignored, dtype="<i8").tobytes())
        return digest.hexdigest()

    def texts_of(self, image: int) -> Indexes:
        """Text indexes of an image, ascending."""
        by_image, starts = self._pairs_by_image
        return by_image[starts[image] : starts[image + 1]]

    def images_of(self, text: int) -> Indexes:
        """Image indexes of a text, ascending."""
        first, last = np.searchsorted(self.pairs[:, 0], [text, text + 1])
        return self.pairs[first:last, 1]

    @cached_property
    def _pairs_by_image(self) -> tuple[Indexes, Indexes]:
        order = np.argsort(self.pairs[:, 1], kind="stable")
        starts = np.searchsorted(self.pairs[order, 1], np.arange(self.n_images + 1))
        return self.pairs[order, 0], starts

    def image_metadata(self, image: int) -> dict[str, Any]:
        """The metadata columns of the row an image was first seen in."""
        row: dict[str, Any] = self.rows.slice(int(self.image_rows[image]), 1).to_pylist()[0]
        return row

    def without_images(self, unreadable: Iterable[int], skipped: Iterable[SkippedRow] = ()) -> ImageTextDataset:
        """The data set less some images; a text that has no other image leaves with its picture."""
        images, texts = self.remaining(unreadable)
        new_image, new_text = (np.full(n, -1, dtype=np.int64) for n in (self.n_images, self.n_texts))
        new_image[images], new_text[texts] = np.arange(len(images)), np.arange(len(texts))

        def left(old: Indexes) -> Indexes:
            pairs = np.stack([new_text[old[:, 0]], new_image[old[:, 1]]], axis=1)
            return pairs[(pairs >= 0).all(axis=1)]

        return replace(
            self,
            images=[self.images[int(i)] for i in images],
            texts=[self.texts[int(i)] for i in texts],
            pairs=left(self.pairs),
            ignored=None if self.ignored is None else left(self.ignored),
            image_rows=self.image_rows[images],
            text_rows=self.text_rows[texts],
            skipped=(*self.skipped, *skipped),
        )

    def remaining(self, unreadable: Iterable[int]) -> tuple[Indexes, Indexes]:
        """Indexes of the images, and of the texts, that `without_images` keeps."""
        keep_image = np.ones(self.n_images, dtype=bool)
        keep_image[list(unreadable)] = False
        keep_text = np.zeros(self.n_texts, dtype=bool)
        keep_text[self.pairs[keep_image[self.pairs[:, 1]], 0]] = True
        return np.flatnonzero(keep_image), np.flatnonzero(keep_text)

    def divide(
        self,
        *,
        val: Size = 0.1,
        test: Size = 0.1,
        seed: int = 0,
        stratify: str | None = None,
        groups: Groups | None = None,
    ) -> Splits:
        """Training, validation and test parts that share nothing; see `luneta.data.splitting.split_dataset`."""
        from luneta.data.splitting import split_dataset

        return split_dataset(self, val=val, test=test, seed=seed, stratify=stratify, groups=groups)
