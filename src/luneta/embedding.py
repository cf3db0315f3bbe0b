"""The only path from pixels and strings to unit vectors.

Pictures are decoded, and preprocessed where the encoder lets them be, in a few threads that stay a bounded number of
pictures ahead of the model; results come back in order. Work is cut into shards of a fixed number of items and shards
into batches, in memory as on disk, so that the same items give the same vectors whether a run was interrupted or not.
What a store holds already is not computed again, and equal contents are computed once.

Whether vectors may be reused is decided by `spec.fingerprint` alone. That of a custom encoder is trusted as it stands;
an empty one means that its vectors are never kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import string
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from luneta.artifacts import cache_dir
from luneta.data.dataset import ImageTextDataset
from luneta.errors import ConfigError, DatasetError, EncoderError, ImageError
from luneta.progress import track
from luneta.store import SLOTS, EmbeddingStore, Kind, MemoryStore, text_key
from luneta.types import Encoder, EncoderSpec, ImageRef, SkippedRow, StagedEncoder, Vectors

T = TypeVar("T")
R = TypeVar("R")

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
    """

    dataset: ImageTextDataset
    images: Vectors
    texts: Vectors
    encoder: EncoderSpec
    cost: EmbeddingCost


class _Sink(Protocol):
    """Where vectors go: a folder or memory."""

    def missing(self, kind: Kind, keys: Sequence[str]) -> list[str]: ...
    def append(self, kind: Kind, keys: Sequence[str], vectors: Vectors, failures: Mapping[str, str]) -> None: ...
    def failures(self, kind: Kind) -> dict[str, str]: ...
    def writing(self) -> contextlib.AbstractContextManager[None]: ...


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
    return Embeddings(good, images, texts, encoder.spec, run.cost(time.perf_counter() - start))


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
    start = time.perf_counter()
    sink = EmbeddingStore.open_or_create(store, encoder.spec)
    run = _Run(encoder, sink, batch_size, n_threads, max_bad_share)
    good, _, _ = run.fill(dataset)
    return run.cost(time.perf_counter() - start), good.skipped[len(dataset.skipped) :]


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
        self.spec = encoder.spec
        self.sink = sink
        self.batch_size = batch_size or (32 if self.spec.device == "cpu" else 256)
        self.n_threads = n_threads or min(8, os.cpu_count() or 1)
        self.max_bad_share = max_bad_share
        self.n_computed: dict[Kind, int] = {"image": 0, "text": 0}
        self.n_total: dict[Kind, int] = {"image": 0, "text": 0}
        self.seconds: dict[Kind, float] = {"image": 0.0, "text": 0.0}

    def fill(self, dataset: ImageTextDataset) -> tuple[ImageTextDataset, list[str], list[str]]:
        """Compute what the sink lacks; the data set less its bad images, and the keys of its images and texts."""
        keys = self._image_keys(dataset.images)
        bad = {i: key.reason for i, key in enumerate(keys) if isinstance(key, ImageError)}
        refs = {key: ref for key, ref in zip(keys, dataset.images, strict=True) if isinstance(key, str)}
        allowed = int(self.max_bad_share * dataset.n_images + 1e-9)
        examples = [(dataset.images[i].label, reason) for i, reason in bad.items()]
        _refuse_too_many(dataset, examples, allowed)

        def report(bad_pictures: Sequence[tuple[str, str]]) -> None:
            examples.extend(bad_pictures)
            _refuse_too_many(dataset, examples, allowed)

        failed = self.sink.failures("image")
        report([(refs[key].label, failed[key]) for key in refs if key in failed])
        if self.sink.missing("image", list(refs)):
            with self.sink.writing(), self._timed("image"):
                self._images({key: refs[key] for key in self.sink.missing("image", list(refs))}, report)
        failed = self.sink.failures("image")
        bad.update({i: failed[key] for i, key in enumerate(keys) if isinstance(key, str) and key in failed})
        good = _without(dataset, bad)
        texts = {text_key(text): text for text in good.texts}
        if self.sink.missing("text", list(texts)):
            with self.sink.writing(), self._timed("text"):
                self._texts({key: texts[key] for key in self.sink.missing("text", list(texts))})
        self.n_total = {"image": good.n_images, "text": good.n_texts}
        image_keys = [key for i, key in enumerate(keys) if i not in bad and isinstance(key, str)]
        return good, image_keys, [text_key(text) for text in good.texts]

    def cost(self, wall_s: float) -> EmbeddingCost:
        rate = {k: n / max(self.seconds[k], 1e-9) if n else None for k, n in self.n_computed.items()}
        reused = {k: self.n_total[k] - n for k, n in self.n_computed.items()}
        return EmbeddingCost(
            wall_s=wall_s,
            n_images_computed=self.n_computed["image"],
            n_images_reused=reused["image"],
            n_texts_computed=self.n_computed["text"],
            n_texts_reused=reused["text"],
            images_per_s=rate["image"],
            texts_per_s=rate["text"],
        )

    @contextlib.contextmanager
    def _timed(self, kind: Kind) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[kind] += time.perf_counter() - start

    def _image_keys(self, images: Sequence[ImageRef]) -> list[str | ImageError]:
        """Content digest of every image, or why it has none."""
        found: list[str | ImageError] = []
        with (
            contextlib.closing(_in_order(_or_error(lambda ref: ref.key()), images, self.n_threads, 256)) as keys,
            track("reading", len(images)) as advance,
        ):
            for key in keys:
                found.append(key)
                advance(1)
        return found

    def _images(self, refs: Mapping[str, ImageRef], report: Callable[[Sequence[tuple[str, str]]], None]) -> None:
        """Decode and embed, shard by shard; the threads go on over the edges of batches and shards."""
        load = _or_error(self._load)
        with (
            contextlib.closing(_in_order(load, refs.values(), self.n_threads, 2 * self.batch_size)) as pictures,
            track("images", len(refs)) as advance,
        ):
            for shard in _slices(list(refs), SLOTS["image"]):
                vectors = np.zeros((len(shard), self.spec.embedding_dim), dtype=np.float32)
                failures: dict[str, str] = {}
                for low in range(0, len(shard), self.batch_size):
                    keys = shard[low : low + self.batch_size]
                    batch = list(islice(pictures, len(keys)))
                    bad = {k: p.reason for k, p in zip(keys, batch, strict=True) if isinstance(p, ImageError)}
                    report([(refs[key].label, reason) for key, reason in bad.items()])
                    failures |= bad
                    rows = [row for row, key in enumerate(keys) if key not in bad]
                    if rows:
                        labels = [refs[keys[row]].label for row in rows]
                        vectors[[low + row for row in rows]] = self._forward([batch[row] for row in rows], labels)
                    advance(len(keys))
                self.sink.append("image", shard, vectors, failures)
                self.n_computed["image"] += len(shard) - len(failures)

    def _load(self, ref: ImageRef) -> Any:
        """In a decoding thread: the picture, preprocessed where the encoder lets us."""
        image = ref.open()
        return self.encoder.prepare_image(image) if isinstance(self.encoder, StagedEncoder) else image

    def _forward(self, batch: Sequence[Any], labels: Sequence[str]) -> Vectors:
        staged = isinstance(self.encoder, StagedEncoder)
        raw = self.encoder.encode_prepared(batch) if staged else self.encoder.encode_images(batch)  # type: ignore[attr-defined]
        return unit_vectors(raw, labels, self.spec, "encode_prepared" if staged else "encode_images")

    def _texts(self, texts: Mapping[str, str]) -> None:
        with track("texts", len(texts)) as advance:
            for shard in _slices(list(texts), SLOTS["text"]):
                parts = []
                for keys in _slices(shard, TEXT_SLICE):
                    strings = [texts[key] for key in keys]
                    parts.append(unit_vectors(self.encoder.encode_texts(strings), strings, self.spec, "encode_texts"))
                    advance(len(keys))
                self.sink.append("text", shard, np.concatenate(parts), {})
                self.n_computed["text"] += len(shard)


def unit_vectors(raw: Any, names: Sequence[str], spec: EncoderSpec, method: str) -> Vectors:
    """What an encoder returned, checked and normalised: (n, embedding_dim) float32, every row of length 1.

    Args:
        raw: what the encoder returned; of any length but zero.
        names: (n) labels of the pictures, or the texts, for the message.
        spec: the encoder's.
        method: what was called, for the message.

    Raises:
        EncoderError: not an array of floats, another shape, NaN, infinite or zero vectors.
    """
    who = f"{spec.name}: {method}"
    expected = (len(names), spec.embedding_dim)
    if not isinstance(raw, np.ndarray) or not np.issubdtype(raw.dtype, np.floating):
        kind = f"an array of {raw.dtype}" if isinstance(raw, np.ndarray) else f"a {type(raw).__name__}"
        raise EncoderError(f"{who} returned {kind}; expected a numpy array of float32, shape {expected}")
    if raw.shape != expected:
        raise EncoderError(
            f"{who} returned shape {raw.shape} for {len(names)} items; expected {expected}, one row per item and "
            "spec.embedding_dim columns"
        )
    wide = raw.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        name = names[int(bad[0])]
        what = "a vector of length 0" if lengths[bad[0]] == 0 else "a vector that is not finite (NaN or infinity)"
        shown = repr(name if len(name) <= 80 else name[:77] + "...")
        raise EncoderError(
            f"{who} returned {what} for {shown}, {len(bad)} of {len(names)} in this batch. Scores would be "
            "meaningless; look at the encoder's dtype and weights."
        )
    return (wide / lengths[:, None]).astype(np.float32)  # type: ignore[no-any-return]


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


def _refuse_too_many(dataset: ImageTextDataset, bad: Sequence[tuple[str, str]], allowed: int) -> None:
    """Stop as soon as more pictures are bad than the whole data set may have."""
    if len(bad) > allowed:
        examples = "; ".join(f"{label}: {reason}" for label, reason in bad[:3])
        raise DatasetError(
            f"{dataset.name}: {len(bad)} unreadable images found so far, but at most {allowed} of {dataset.n_images} "
            f"are allowed. {examples}. Repair or remove them, or raise max_bad_share."
        )


def _slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for low in range(0, len(items), size):
        yield items[low : low + size]


def _or_error(function: Callable[[ImageRef], R]) -> Callable[[ImageRef], R | ImageError]:
    """The function, returning an ImageError instead of raising it."""

    def call(ref: ImageRef) -> R | ImageError:
        try:
            return function(ref)
        except ImageError as error:
            return error

    return call


def _in_order(function: Callable[[T], R], items: Iterable[T], n_threads: int, ahead: int) -> Generator[R]:
    """Map in threads, results in order, at most `ahead` items further than the consumer: memory stays bounded.

    Closing the generator, also by an error or Ctrl-C in the consumer, drops what has not begun and waits for the
    few items that have.
    """
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="luneta-images")
    todo = iter(items)
    waiting: deque[Future[R]] = deque()
    try:
        waiting.extend(pool.submit(function, item) for item in islice(todo, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(todo, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
