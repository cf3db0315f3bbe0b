"""The only path from pixels and strings to unit vectors.

Pictures are decoded, and preprocessed where the encoder lets them be, in a few threads that stay a bounded number of
pictures ahead of the model; results come back in order. Work is cut into shards of a fixed number of items and shards
into batches, in memory as on disk, so that the same items give the same vectors whether a run was interrupted or not.
(To the last bit that holds for one machine and one batch size: other shapes and other numbers of cores make matrix
products be summed in another order.) What a store holds already is not computed again, and equal contents are computed
once.

Whether vectors may be reused is decided by `spec.fingerprint` alone. That of a custom encoder is trusted as it stands;
an empty one means that its vectors are never kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import string
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from luneta.artifacts import cache_dir
from luneta.data.dataset import ImageTextDataset
from luneta.decoding import Changed, content_keys, pictures
from luneta.encoders.outputs import unit_vectors
from luneta.errors import ConfigError, DatasetError, EncoderError, ImageError
from luneta.progress import track
from luneta.shards import Kind
from luneta.store import SLOTS, EmbeddingStore, MemoryStore, text_key
from luneta.threads import available
from luneta.types import CuttingEncoder, Encoder, EncoderSpec, ImageRef, SkippedRow, StagedEncoder, Vectors

T = TypeVar("T")

TEXT_SLICE = 1024
"""Texts handed to the encoder at once: enough to sort by length, few enough for progress to be seen."""


@dataclass(frozen=True, slots=True)
class EmbeddingCost:
    """What embedding a data set took.

    Attributes:
        wall_s: seconds, from the first hash to the last vector.
        n_images_computed: images that went through the model.
        n_images_reused: images whose vector was stored before, or is another image's of equal content.
        images_per_s: images computed a second, decoding included; None when none was.
    """

    wall_s: float
    n_images_computed: int
    n_images_reused: int
    n_texts_computed: int
    n_texts_reused: int
    images_per_s: float | None
    texts_per_s: float | None


@dataclass(frozen=True)
class Embeddings:
    """A data set and its vectors.

    Attributes:
        dataset: without the images that could not be decoded; their texts have left with them.
        images: (n_images, embedding_dim) float32 unit vectors.
        texts: (n_texts, embedding_dim) float32 unit vectors.
        encoder: what made them.
        cost: time and counts.
        n_truncated: texts that are longer than the encoder can read and lost their end; None when it cannot say.
        left_out: images that could not be decoded, by their indexes in the data set that was asked for.
    """

    dataset: ImageTextDataset
    images: Vectors
    texts: Vectors
    encoder: EncoderSpec
    cost: EmbeddingCost
    n_truncated: int | None = None
    left_out: tuple[int, ...] = ()

    @property
    def all_images(self) -> Vectors:
        """(n_images, embedding_dim) of the data set that was asked for: zeros where an image could not be decoded."""
        rows = np.zeros((len(self.images) + len(self.left_out), self.images.shape[1]), dtype=np.float32)
        rows[np.setdiff1d(np.arange(len(rows)), self.left_out)] = self.images
        return rows


@dataclass(frozen=True)
class Stored:
    """A data set whose vectors lie in a store.

    Attributes:
        dataset: without the images that could not be decoded; their texts have left with them.
        store: that holds the vectors.
        keys: of the data set's images and texts, in their order, as the store knows them.
        cost: time and counts.
    """

    dataset: ImageTextDataset
    store: EmbeddingStore
    keys: Mapping[Kind, Sequence[str]]
    cost: EmbeddingCost

    def vectors(self, kind: Kind, items: Sequence[int]) -> Vectors:
        """(n, embedding_dim) float32 unit vectors of some images or texts, by their indexes."""
        return self.store.vectors(kind, [self.keys[kind][item] for item in items])


_Sink = EmbeddingStore | MemoryStore


def cached_store_path(spec: EncoderSpec) -> Path:
    """The store that keeps an encoder's vectors between runs, whatever the data set.

    One folder per fingerprint under `artifacts.cache_dir()`; any data set finds any equal item in it. Do not ask for an
    encoder whose fingerprint is empty.
    """
    name = spec.fingerprint
    if len(name) < 32 or not set(name) <= set(string.hexdigits):  # somebody's own words, not a digest
        name = hashlib.sha256(name.encode()).hexdigest()
    return cache_dir() / "embeddings" / name[:16].lower()


def embed(
    encoder: Encoder,
    dataset: ImageTextDataset,
    *,
    store: str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    n_threads: int | None = None,
    max_bad_share: float = 0.01,
) -> Embeddings:
    """Unit vectors of every image and text of a data set.

    Args:
        encoder: what `load_encoder` returns, or any object with `spec`, `encode_images` and `encode_texts`.
        dataset: images and texts.
        store: folder that keeps the vectors; only what it lacks is computed. None computes in memory.
        batch_size: images per forward pass; None: 32, on a GPU 256.
        n_threads: threads that decode; None: one per core, at most 8.
        max_bad_share: share of undecodable images above which the run stops.

    Returns:
        The vectors, and the data set without the images that could not be decoded.

    Raises:
        DatasetError: too many images cannot be decoded, or none can.
        EncoderError: the encoder returns something that is not a set of finite vectors.
        IndexMismatchError: the store holds another encoder's vectors.
        ArtifactError: the store is damaged, cannot be written, or another process is writing it.
    """
    start = time.perf_counter()
    sink = (
        MemoryStore(encoder.spec.embedding_dim) if store is None else EmbeddingStore.open_or_create(store, encoder.spec)
    )
    run = _Run(encoder, sink, batch_size, n_threads, max_bad_share)
    good, image_keys, text_keys = run.fill(dataset)
    images, texts = sink.vectors("image", image_keys), sink.vectors("text", text_keys)
    n_truncated = _n_truncated(encoder, good.texts)
    cost = run.cost(time.perf_counter() - start)
    return Embeddings(good, images, texts, encoder.spec, cost, n_truncated, run.left_out)


def embed_to_store(
    encoder: Encoder,
    dataset: ImageTextDataset,
    store: str | os.PathLike[str],
    *,
    batch_size: int | None = None,
    n_threads: int | None = None,
    max_bad_share: float = 0.01,
) -> tuple[EmbeddingCost, tuple[SkippedRow, ...]]:
    """Put the vectors of a data set into a store without holding them in memory.

    Arguments and errors are those of `embed`. A run that was killed goes on where it stopped, and leaves the same bytes
    as one that was not.

    Returns:
        The cost, and the images that were left out because they could not be decoded.
    """
    opened = EmbeddingStore.open_or_create(store, encoder.spec)
    opened.verify()  # now, and not after hours of adding to something damaged
    stored = embed_stored(
        encoder, dataset, opened, batch_size=batch_size, n_threads=n_threads, max_bad_share=max_bad_share
    )
    return stored.cost, stored.dataset.skipped[len(dataset.skipped) :]


def embed_stored(
    encoder: Encoder,
    dataset: ImageTextDataset,
    store: EmbeddingStore,
    *,
    batch_size: int | None = None,
    n_threads: int | None = None,
    max_bad_share: float = 0.01,
) -> Stored:
    """As `embed_to_store`, into a store that is open, with the way back to every vector."""
    start = time.perf_counter()
    run = _Run(encoder, store, batch_size, n_threads, max_bad_share)
    good, image_keys, text_keys = run.fill(dataset)
    return Stored(good, store, {"image": image_keys, "text": text_keys}, run.cost(time.perf_counter() - start))


@dataclass
class _BadImages:
    """Pictures without a vector, and the point at which there are too many of them."""

    dataset: ImageTextDataset
    max_share: float
    seen: dict[object, str] = field(default_factory=dict)

    def add(self, item: object, ref: ImageRef, reason: str) -> None:
        """Note a picture, known by `item`, once."""
        self.seen[item] = f"{ref.label}: {reason}"
        n, allowed = self.dataset.n_images, int(self.max_share * self.dataset.n_images + 1e-9)
        if len(self.seen) > allowed:
            examples = "; ".join(list(self.seen.values())[-3:])
            raise DatasetError(
                f"{self.dataset.name}: {len(self.seen)} images that cannot be read so far, but at most {allowed} of "
                f"{n} may be (max_bad_share={self.max_share}). {examples}. Repair or remove them, or raise the share."
            )


class _Run:
    """One data set on its way through one encoder into a sink."""

    def __init__(
        self, encoder: Encoder, sink: _Sink, batch_size: int | None, n_threads: int | None, max_bad_share: float
    ) -> None:
        for name, value in (("batch_size", batch_size), ("n_threads", n_threads)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}, expected at least 1")
        if not 0 <= max_bad_share <= 1:
            raise ConfigError(f"max_bad_share is {max_bad_share}, expected a share between 0 and 1")
        self.encoder = encoder
        self.staged = encoder if isinstance(encoder, StagedEncoder) else None
        self.prepare = None if self.staged is None else self.staged.prepare_image
        self.spec = encoder.spec
        self.sink = sink
        self.batch_size = batch_size or (32 if self.spec.device == "cpu" else 256)
        self.n_threads = n_threads or min(8, available())
        self.max_bad_share = max_bad_share
        self.n_computed: dict[Kind, int] = {"image": 0, "text": 0}
        self.n_total: dict[Kind, int] = {"image": 0, "text": 0}
        self.seconds: dict[Kind, float] = {"image": 0.0, "text": 0.0}
        self.left_out: tuple[int, ...] = ()

    def fill(self, dataset: ImageTextDataset) -> tuple[ImageTextDataset, list[str], list[str]]:
        """Compute what the sink lacks; the data set less its bad images, and the keys of its images and texts."""
        bad = _BadImages(dataset, self.max_bad_share)
        keys = self._image_keys(dataset)
        refs: dict[str, ImageRef] = {}
        reasons: dict[int, str] = {}
        for i, (key, ref) in enumerate(zip(keys, dataset.images, strict=True)):
            if isinstance(key, ImageError):
                reasons[i] = key.reason
                bad.add(i, ref, key.reason)
            else:
                refs.setdefault(key, ref)
        failed = self._complete_images(refs, bad)
        reasons.update({i: failed[key] for i, key in enumerate(keys) if isinstance(key, str) and key in failed})
        self.left_out = tuple(sorted(reasons))
        good = _without(dataset, reasons)
        image_keys = [key for i, key in enumerate(keys) if isinstance(key, str) and i not in reasons]
        object.__setattr__(good, "image_keys", tuple(image_keys))  # the cached property: nobody hashes them again
        text_keys = [text_key(text) for text in good.texts]
        self._complete_texts(dict(zip(text_keys, good.texts, strict=True)))
        self.n_total = {"image": good.n_images, "text": good.n_texts}
        return good, image_keys, text_keys

    def cost(self, wall_s: float) -> EmbeddingCost:
        rate = {kind: n / self.seconds[kind] if n else None for kind, n in self.n_computed.items()}
        return EmbeddingCost(
            wall_s=wall_s,
            n_images_computed=self.n_computed["image"],
            n_images_reused=self.n_total["image"] - self.n_computed["image"],
            n_texts_computed=self.n_computed["text"],
            n_texts_reused=self.n_total["text"] - self.n_computed["text"],
            images_per_s=rate["image"],
            texts_per_s=rate["text"],
        )

    def _image_keys(self, dataset: ImageTextDataset) -> Sequence[str | ImageError]:
        """Content digest of every image, or why it has none."""
        if "image_keys" in vars(dataset):  # the cached property was asked for before
            return dataset.image_keys
        found: list[str | ImageError] = []
        hashed = content_keys(dataset.images, self.n_threads)
        with contextlib.closing(hashed), track("reading", dataset.n_images) as advance:
            for key in hashed:
                found.append(key)
                advance(1)
        return found

    def _complete_images(self, refs: Mapping[str, ImageRef], bad: _BadImages) -> dict[str, str]:
        """Compute the images the sink lacks; keys of those that have no vector, and why."""
        failed, recovered = self._try_failures_again(refs)
        for key, reason in failed.items():
            bad.add(key, refs[key], reason)
        if recovered or self.sink.missing("image", list(refs)):
            with self.sink.writing():  # others may have written while we waited for our turn
                start = time.perf_counter()
                known = self.sink.failures("image")
                missing = [*self.sink.missing("image", list(refs)), *(key for key in recovered if key in known)]
                failed |= self._embed_images({key: refs[key] for key in missing}, bad)
                self.seconds["image"] += time.perf_counter() - start
        failed |= {k: reason for k, reason in self.sink.failures("image").items() if k in refs and k not in failed}
        for key, reason in failed.items():
            bad.add(key, refs[key], reason)
        return failed

    def _try_failures_again(self, refs: Mapping[str, ImageRef]) -> tuple[dict[str, str], list[str]]:
        """Known failures that still fail, and those that do not: another Pillow, or more memory, may decode them."""
        known = [key for key in self.sink.failures("image") if key in refs]
        again = pictures([(key, refs[key]) for key in known], self.prepare, self.n_threads, self.n_threads)
        with contextlib.closing(again):
            failed = {key: p.reason for key, p in zip(known, again, strict=True) if isinstance(p, ImageError)}
        return failed, [key for key in known if key not in failed]

    def _embed_images(self, refs: Mapping[str, ImageRef], bad: _BadImages) -> dict[str, str]:
        """Decode and embed, shard by shard; the threads work on over the edges of batches and shards."""
        decoded = pictures(refs.items(), self.prepare, self.n_threads, ahead=self.batch_size + self.n_threads)
        failed: dict[str, str] = {}
        with contextlib.closing(decoded), track("images", len(refs)) as advance:
            for shard in _slices(list(refs), SLOTS["image"]):
                kept: list[str] = []
                blocks = []
                for keys in _slices(shard, self.batch_size):
                    vectors, reasons, changed = self._embed_batch(keys, decoded, refs)
                    for key, reason in (reasons | changed).items():
                        bad.add(key, refs[key], reason)
                    failed |= reasons | changed
                    kept += [key for key in keys if key not in changed]
                    blocks.append(vectors)
                    advance(len(keys))
                self.sink.append("image", kept, np.concatenate(blocks), {k: failed[k] for k in kept if k in failed})
                self.n_computed["image"] += sum(key not in failed for key in kept)
        return failed

    def _embed_batch(
        self, keys: Sequence[str], decoded: Iterator[Any], refs: Mapping[str, ImageRef]
    ) -> tuple[Vectors, dict[str, str], dict[str, str]]:
        """Vectors of the next pictures, zero where one cannot be decoded; reasons; and those that have changed.

        What has changed has no row. Pictures that cannot be decoded keep theirs, and are left out of the forward pass.
        """
        batch = dict(zip(keys, islice(decoded, len(keys)), strict=True))
        changed = {key: batch.pop(key).reason for key in keys if isinstance(batch[key], Changed)}
        reasons = {key: picture.reason for key, picture in batch.items() if isinstance(picture, ImageError)}
        vectors = np.zeros((len(batch), self.spec.embedding_dim), dtype=np.float32)
        if rows := [row for row, key in enumerate(batch) if key not in reasons]:
            readable = [picture for key, picture in batch.items() if key not in reasons]
            method = "encode_images" if self.staged is None else "encode_prepared"
            raw = self.encoder.encode_images(readable) if self.staged is None else self.staged.encode_prepared(readable)
            labels = [refs[key].label for key in batch if key not in reasons]
            vectors[rows] = unit_vectors(raw, labels, self.spec, method)
        return vectors, reasons, changed

    def _complete_texts(self, texts: Mapping[str, str]) -> None:
        """Compute the texts the sink lacks."""
        if not self.sink.missing("text", list(texts)):
            return
        with self.sink.writing():
            start = time.perf_counter()
            missing = self.sink.missing("text", list(texts))
            with track("texts", len(missing)) as advance:
                for shard in _slices(missing, SLOTS["text"]):
                    blocks = []
                    for keys in _slices(shard, TEXT_SLICE):
                        strings = [texts[key] for key in keys]
                        raw = self.encoder.encode_texts(strings)
                        blocks.append(unit_vectors(raw, strings, self.spec, "encode_texts"))
                        advance(len(keys))
                    self.sink.append("text", shard, np.concatenate(blocks), {})
                    self.n_computed["text"] += len(shard)
            self.seconds["text"] += time.perf_counter() - start


def _n_truncated(encoder: Encoder, texts: Sequence[str]) -> int | None:
    """How many of the texts the encoder cuts, also where their vectors were stored before.

    Raises:
        EncoderError: what it says is no count of them.
    """
    if not isinstance(encoder, CuttingEncoder):
        return None
    n_cut = 0
    with track("lengths of texts", len(texts)) as advance:
        for part in _slices(texts, TEXT_SLICE):
            found = encoder.n_truncated(part)
            if found is None:
                return None
            if not isinstance(found, int | np.integer) or not 0 <= found <= len(part):
                raise EncoderError(
                    f"{encoder.spec.name}: n_truncated returned {found!r} for {len(part)} texts; expected how many of "
                    "them lose their end, or None when nobody can say"
                )
            n_cut += int(found)
            advance(len(part))
    return n_cut


def _without(dataset: ImageTextDataset, bad: Mapping[int, str]) -> ImageTextDataset:
    """The data set less its bad images, their texts with them."""
    if not bad:
        return dataset
    if len(bad) == dataset.n_images:
        i, reason = next(iter(bad.items()))
        raise DatasetError(f"{dataset.name}: none of the images can be read ({dataset.images[i].label}: {reason})")
    return dataset.without_images(
        bad,
        skipped=[SkippedRow(int(dataset.image_rows[i]), dataset.images[i].label, bad[i]) for i in sorted(bad)],
    )


def _slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for low in range(0, len(items), size):
        yield items[low : low + size]
