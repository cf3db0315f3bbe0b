"""What the floors of the house say to one another: small frozen records and Protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Vectors = NDArray[np.float32]
"""(n, embedding_dim) float32, every row of length 1."""

Direction = Literal["text_to_image", "image_to_text"]
DIRECTIONS: tuple[Direction, Direction] = ("text_to_image", "image_to_text")


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """What an encoder is.

    Attributes:
        name: what the user called it: a hub id, a folder, a preset, a class path.
        embedding_dim: length of its vectors.
        fingerprint: hex digest of everything that determines an embedding (weights, preprocessing,
            tokenizer, maximum length, case, pooling, dtype, library versions). Two encoders with equal
            fingerprints give equal vectors; stores and indexes refuse any other.
        revision: commit of the checkpoint, where it has one.
        backend: "transformers", "custom", ...
        logit_scale: the *exponentiated* temperature the scores were trained with, if known.
        logit_bias: the bias of a sigmoid model, if it has one.
        languages: what the checkpoint was trained to read, as BCP 47 codes; ("multilingual",) for very many;
            empty when unknown. Never guessed from the family's name.
        details: what the fingerprint was made from, readable by a person.
    """

    name: str
    embedding_dim: int
    fingerprint: str
    revision: str | None = None
    backend: str = "custom"
    dtype: str = "float32"
    device: str = "cpu"
    n_parameters: int | None = None
    logit_scale: float | None = None
    logit_bias: float | None = None
    languages: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns pictures and strings into unit vectors of one space.

    A class of your own that has these three works everywhere an encoder is asked for.
    """

    @property
    def spec(self) -> EncoderSpec: ...

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """RGB pictures -> (n, embedding_dim) float32 unit vectors, in the order given."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Strings -> (n, embedding_dim) float32 unit vectors, in the order given."""
        ...


@runtime_checkable
class StagedEncoder(Encoder, Protocol):
    """An encoder whose image preprocessing can run in other threads while the model computes.

    `encode_images(images)` must equal `encode_prepared([prepare_image(i) for i in images])`.
    """

    def prepare_image(self, image: Image) -> Any:
        """One RGB picture -> whatever `encode_prepared` takes. Must be safe to call from many threads."""
        ...

    def encode_prepared(self, prepared: Sequence[Any]) -> Vectors: ...


@runtime_checkable
class ImageRef(Protocol):
    """A picture that has not been decoded yet."""

    @property
    def label(self) -> str:
        """What a person would call it: a path, a member of an archive, a row."""
        ...

    def key(self) -> str:
        """Hex digest of the content: equal keys, equal pixels. Raises ImageError when it cannot be read."""
        ...

    def open(self) -> Image:
        """The decoded RGB picture. Raises ImageError when it cannot be decoded."""
        ...


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row of the source that was left out, picture and texts together, and why."""

    row: int
    source: str
    reason: str
