"""What an encoder is examined with: a few texts and pictures, and the vectors it gives for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from luneta.errors import EncoderError, ImageError, LunetaError, ShapeError
from luneta.types import Anatomy, Encoder, InspectableEncoder, StagedEncoder

if TYPE_CHECKING:
    from PIL.Image import Image

    from luneta.data.dataset import ImageTextDataset

TEXTS = (
    "a dog",
    "a red boat on the beach",
    "two children play under a tree",
    "an old house near the river at night",
)
_BOXES = ((96, 128), (150, 100), (128, 128))  # heights and widths of the pictures
Unit = NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """An encoder and what it is asked.

    Attributes:
        encoder: as its author wrote it, its answers unchecked.
        texts: at least two different ones, the shortest first.
        images: at least two.
        anatomy: where the encoder lets itself be opened.
    """

    encoder: Encoder
    texts: list[str]
    images: list[Image]
    anatomy: Anatomy | None

    @property
    def long_text(self) -> str:
        """Much longer than any of the texts."""
        return " ".join([*self.texts, *self.texts])

    @property
    def tolerance(self) -> float:
        """How far (1 - cosine) a vector may move when nothing that matters has changed."""
        return 1e-5 if self.encoder.spec.dtype == "float32" else 1e-3

    def encode_texts(self, texts: Sequence[str]) -> Unit:
        """(n, embedding_dim) float64 of length 1."""
        return self._checked(self.raw(self.encoder.encode_texts, list(texts)), len(texts), "texts")

    def encode_images(self, images: Sequence[Image]) -> Unit:
        """(n, embedding_dim) float64 of length 1."""
        return self._checked(self.raw(self.encoder.encode_images, list(images)), len(images), "images")

    def encode_in_two_steps(self, encoder: StagedEncoder, images: Sequence[Image]) -> Unit:
        """(n, embedding_dim) float64 of length 1, of pictures prepared ahead."""
        prepared = [self.raw(encoder.prepare_image, image) for image in images]
        return self._checked(self.raw(encoder.encode_prepared, prepared), len(images), "prepared images")

    def _checked(self, vectors: Any, n: int, kind: str) -> Unit:
        expected = (n, self.encoder.spec.embedding_dim)
        if np.shape(vectors) != expected:
            raise ShapeError(f"shape {np.shape(vectors)} for {n} {kind}, expected {expected}")
        return unit(vectors)

    def raw(self, method: Callable[[Any], Any], given: Any) -> Any:
        """What a method of the encoder gives.

        Raises:
            EncoderError: it fails.
        """
        try:
            return method(given)
        except LunetaError:
            raise
        except Exception as error:
            raise EncoderError(
                f"{self.encoder.spec.name}: {getattr(method, '__name__', method)} failed: {type(error).__name__}: "
                f"{error}. An encoder must take any RGB picture and any string."
            ) from error


def subject_of(encoder: Encoder, dataset: ImageTextDataset | None, *, n_images: int = 3) -> Subject:
    """The encoder with texts and pictures of the data set, or with built-in ones."""
    bare: Encoder = getattr(encoder, "unchecked", encoder)
    texts = _texts_of(dataset) if dataset is not None else []
    images = _images_of(dataset, n_images) if dataset is not None else []
    return Subject(
        bare,
        texts if len(texts) > 1 else list(TEXTS),
        images if len(images) > 1 else pictures()[:n_images],
        bare.anatomy() if isinstance(bare, InspectableEncoder) else None,
    )


def _texts_of(dataset: ImageTextDataset, n: int = 4) -> list[str]:
    """Different captions from all over the data set, the shortest first."""
    different = list(dict.fromkeys(text for text in dataset.texts[:2000] if text.strip()))
    spread = [different[i] for i in np.linspace(0, len(different) - 1, min(n, len(different))).astype(int)]
    return sorted(spread, key=len)


def _images_of(dataset: ImageTextDataset, n: int) -> list[Image]:
    """The first pictures that can be opened."""
    found: list[Image] = []
    for ref in dataset.images[: 20 * n]:
        try:
            found.append(ref.open())
        except ImageError:
            continue
        if len(found) == n:
            break
    return found


def pictures() -> list[Image]:
    """A few different pictures of several shapes: smooth colours with some coarse structure."""
    from PIL import Image

    found = []
    for seed, (height, width) in enumerate(_BOXES):
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        found.append(Image.fromarray(coarse, "RGB").resize((width, height), Image.Resampling.BICUBIC))
    return found


def unit(raw: Any) -> Unit:
    """Rows of length 1; a row that has no direction stays as it is."""
    wide = np.asarray(raw, dtype=np.float64)
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    return wide / np.where(lengths > 0, lengths, 1.0)


def drift(one: Unit, other: Unit) -> float:
    """The largest 1 - cosine between rows of the same number."""
    return float(np.max(1 - np.sum(one * other, axis=1), initial=0.0))
