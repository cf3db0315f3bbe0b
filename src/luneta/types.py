"""What the floors of the house say to one another: small frozen records and Protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    import torch
    from PIL.Image import Image
    from torch import Tensor, nn

Vectors = NDArray[np.float32]
"""(n, embedding_dim) float32, every row of length 1."""

Direction = Literal["text_to_image", "image_to_text"]
Side = Literal["image", "text"]
Part = Literal["image", "text", "image_head", "text_head", "temperature"]
"""Of a pair of towers: their trunks, their heads, and what scales and shifts the scores."""

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
class CuttingEncoder(Encoder, Protocol):
    """An encoder that knows which texts are longer than it can read."""

    def n_truncated(self, texts: Sequence[str]) -> int | None:
        """How many of the texts lose their end; None when nobody can say."""
        ...


@dataclass(frozen=True, slots=True)
class Training:
    """How a family of models was trained: what its texts and pictures must look like; None where nobody can say.

    Attributes:
        family: its name.
        context: tokens a text may have.
        pads_to_context: every text is padded to the whole context, because the model reads the padding.
        padding_id: what the padding must be; None where the model does not read it.
        masks_padding: the model gets an attention mask.
        folds_case: upper and lower case give the same tokens.
        pooling: the token at which a text's vector is read.
        resizes: what may happen to a picture that is no square: "crop", "squash", "keep" (its aspect ratio).
        mean: of each channel (0 to 1); with `deviation`, how pixels are normalised.
        deviation: of each channel.
        strict_pictures: no checkpoint of the family is known that was trained with other pictures than these.
        has_bias: the scores have a bias (sigmoid loss).
    """

    family: str
    context: int
    pads_to_context: bool
    padding_id: int | None
    masks_padding: bool
    folds_case: bool | None
    pooling: Literal["end", "last", "first"]
    resizes: tuple[str, ...]
    mean: tuple[float, float, float] | None
    deviation: tuple[float, float, float] | None
    strict_pictures: bool
    has_bias: bool


@dataclass(frozen=True, slots=True)
class TokenCount:
    """What a tokenizer makes of one text, special tokens not counted.

    Attributes:
        n_tokens: of the whole text, also where it is longer than the context.
        n_unknown: tokens that stand for something the tokenizer does not know.
        n_bytes: tokens that are a piece of one character.
        truncated: the text is longer than the context and loses its end.
    """

    n_tokens: int
    n_unknown: int
    n_bytes: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class WeightFacts:
    """What can be said of the weights in memory without running them; names of tensors and modules.

    Attributes:
        n_tensors: in memory.
        n_compared: of them, those found in the checkpoint's files under the same name.
        changed: tensors that are not what the file holds.
        untrained: modules that stand as their initialisation leaves them while their like in other layers do not.
        not_finite: tensors that hold NaN or infinity.
        coarse: norms and biases that are not kept in float32.
        quantised: layers whose matrices are held in 8-bit integers or fewer bits.
        training: the model is in training mode, so that dropout is on.
    """

    n_tensors: int
    n_compared: int
    changed: tuple[str, ...]
    untrained: tuple[str, ...]
    not_finite: tuple[str, ...]
    coarse: tuple[str, ...]
    quantised: tuple[str, ...]
    training: bool


class Anatomy(Protocol):
    """An encoder opened up: what its towers really read, and what its checkpoint says they should."""

    @property
    def training(self) -> Training: ...

    def text_inputs(self, texts: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        """What the text tower reads for a batch of texts, as the encoder prepares it."""
        ...

    def image_inputs(self, images: Sequence[Image]) -> Mapping[str, NDArray[Any]]:
        """What the image tower reads for a batch of pictures, as the encoder prepares it."""
        ...

    def recorded_image_inputs(self, images: Sequence[Image]) -> Mapping[str, NDArray[Any]]:
        """The same as the checkpoint's own record says, by another implementation."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[TokenCount]: ...

    def pooled_positions(self, texts: Sequence[str]) -> list[int] | None:
        """For each text the position of the token its vector is read at; None when it is at none of them."""
        ...

    def weights(self, *, compare: bool = True) -> WeightFacts:
        """`compare` reads the checkpoint's files again."""
        ...

    def in_float32(self) -> Encoder:
        """The same checkpoint, loaded anew and computed in float32."""
        ...


@runtime_checkable
class InspectableEncoder(Encoder, Protocol):
    """An encoder that can be opened up, so that its use can be compared with its training."""

    def anatomy(self) -> Anatomy: ...


class Towers(Protocol):
    """Two towers in parts: a trunk that reads, a head that maps into the common space, a temperature.

    Tensors are torch's; parameters go by their names in the model.
    """

    def image_features(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """(n, width) of the trunk, before the head."""
        ...

    def text_features(self, inputs: Mapping[str, Tensor]) -> Tensor: ...

    def image_vectors(self, features: Tensor) -> Tensor:
        """(n, width) -> (n, embedding_dim) float32 unit vectors."""
        ...

    def text_vectors(self, features: Tensor) -> Tensor: ...

    @property
    def scale(self) -> Tensor: ...

    @property
    def bias(self) -> Tensor | None: ...

    def clamp_scale(self, largest: float) -> None: ...

    def part_of(self, parameter: str) -> Part: ...

    def depth(self, parameter: str) -> int:
        """How many blocks lie between a parameter and its tower's end: 0 after the last block, 1 in it, and so on."""
        ...

    def attention_layers(self, sides: Sequence[Side]) -> list[str]:
        """Names of the linear layers of self-attention. Raises ConfigError where there are none."""
        ...

    def blocks(self) -> list[str]:
        """Names of the modules that hold nearly all weights, none within another."""
        ...


class Trainable(Protocol):
    """An encoder opened up for training: weights of its own, and the way its inputs are made."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def towers(self) -> Towers: ...

    @property
    def sigmoid(self) -> bool:
        """Whether it was trained with the sigmoid loss."""
        ...

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]: ...

    def n_truncated(self, texts: Sequence[str]) -> int: ...

    def text_inputs(self, token_ids: Sequence[Sequence[int]]) -> dict[str, Tensor]: ...

    def image_inputs(self, prepared: Sequence[Any]) -> dict[str, Tensor]: ...

    def prepare_image(self, image: Image) -> Any: ...

    def encoder(self) -> Encoder:
        """An encoder around the model as it is now, without a fingerprint."""
        ...

    def dropped_patches(self, share: float) -> AbstractContextManager[None]:
        """While it lasts, training reads a random part of each picture's patches only."""
        ...

    def save(self, folder: Path, weights: Mapping[str, Tensor], card: str) -> None:
        """Write a checkpoint of these weights."""
        ...


@runtime_checkable
class TrainableEncoder(Encoder, Protocol):
    """An encoder that can be fine-tuned."""

    @property
    def batch_size(self) -> int | None:
        """Items per forward pass, as it was loaded with; None leaves it to the device."""
        ...

    def trainable(self) -> Trainable: ...


@dataclass(frozen=True, slots=True)
class Halfway:
    """Pictures on their way through an image tower, before the block at which prompts come in.

    Attributes:
        states: (n, n_tokens, width).
        mask: (n, n_tokens) bool, False where a token only fills the row; None where none does.
    """

    states: Tensor
    mask: Tensor | None = None


class PromptedTower(Protocol):
    """An image tower whose last blocks take prompt tokens beside a picture's own.

    A picture goes through it in two stages: up to the block `insert_layer` whatever the text, which can be kept
    (`halfway`), and then with the prompts of a text (`guided`). Weights do not change.
    """

    @property
    def insert_layer(self) -> int:
        """The block before which prompts come in; 0 is the first."""
        ...

    @property
    def n_guided(self) -> int:
        """Blocks from there on."""
        ...

    @property
    def n_heads(self) -> int: ...

    @property
    def width(self) -> int:
        """Numbers of a token."""
        ...

    @property
    def device(self) -> torch.device: ...

    def halfway(self, prepared: Sequence[Any]) -> Halfway:
        """What `prepare_image` gave -> tokens before the block `insert_layer`."""
        ...

    def guided(self, pictures: Halfway, prompts: Tensor, gate: Tensor, pairs: Tensor) -> Tensor:
        """Vectors of pictures, each as seen with a text's prompts; differentiable in prompts and gate.

        Args:
            pictures: n_pictures of them.
            prompts: (n_texts, n_prompts, width) float32.
            gate: (n_guided, n_heads) how much the prompts of a block are listened to: 0 not at all, so that the vector
                is the picture's own, 1 as to any other token.
            pairs: (n_pairs, 2) int64 of (text, picture).

        Returns:
            (n_pairs, embedding_dim) float32 unit vectors.
        """
        ...


@runtime_checkable
class PromptableEncoder(StagedEncoder, Protocol):
    """An encoder whose image tower takes prompts, so that pictures can be seen in the light of a text."""

    def visual_prompts(self, insert_layer: int = 0, *, keep_prompts: bool = False) -> PromptedTower:
        """
        Args:
            insert_layer: the block before which prompts come in; negative numbers count from the end.
            keep_prompts: what pools the tokens into a vector sees the prompts too.

        Raises:
            ConfigError: the tower takes no prompts, or has no such block.
        """
        ...


class MatchingTower(PromptedTower, Protocol):
    """A prompted tower of a model that looks at a text and a picture together.

    What `guided` gives are no vectors then but (n_pairs, n_tokens, width), and how well a text fits is another thing
    that the model says.
    """

    def matched(self, pictures: Halfway, prompts: Tensor, gate: Tensor, pairs: Tensor, texts: Sequence[str]) -> Tensor:
        """(n_pairs,) float32 logits that text and picture belong together; differentiable in prompts and gate.

        Args:
            pictures, prompts, gate, pairs: as in `guided`.
            texts: n_texts that are matched, whatever the prompts were made of.
        """
        ...

    def scored(
        self, pictures: Halfway, prompts: Tensor, gate: Tensor, pairs: Tensor, texts: Sequence[str], vectors: Tensor
    ) -> Tensor:
        """(n_pairs,) float32 scores that pictures are ordered by; arguments as in `matched`.

        Args:
            vectors: (n_texts, dim) of the texts, as `Matcher.encode_texts` gives them.
        """
        ...


@runtime_checkable
class CrossEncoder(Protocol):
    """Anything that looks at a text and a picture together and says how well they fit.

    A class of your own that has these works as a re-ranker. Three more may be there, and `score` gets what they give:
    `prepare_image(image)` makes anything of an RGB picture, in many threads; `look(prepared)` makes a list of anything
    of a list of those, once for each picture; `read(texts)` makes a list of anything of a list of strings, once for
    each text.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str:
        """Hex digest of everything that decides a score; empty when nobody can say."""
        ...

    def score(self, texts: Sequence[Any], pictures: Sequence[Any]) -> Any:
        """n texts and n pictures -> (n,) floats: how well text i fits picture i; higher is better, on any scale."""
        ...


@runtime_checkable
class Matcher(CrossEncoder, Protocol):
    """A cross-encoder with vectors of texts, whose image tower takes prompts."""

    @property
    def spec(self) -> EncoderSpec:
        """What it is; `embedding_dim` is that of its texts, scale and bias are those of the logits of `matched`."""
        ...

    def prepare_image(self, image: Image) -> Any: ...

    def encode_texts(self, texts: Sequence[str]) -> Vectors: ...

    def visual_prompts(self, insert_layer: int = 0, *, keep_prompts: bool = False) -> MatchingTower:
        """As of a `PromptableEncoder`."""
        ...


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


@dataclass(frozen=True, slots=True)
class Found:
    """The nearest items of some queries, best first.

    Attributes:
        scores: (n_queries, k) float32 cosines; minus infinity where a query has fewer than k items.
        ids: (n_queries, k) int64; -1 there.
    """

    scores: NDArray[np.float32]
    ids: NDArray[np.int64]


class VectorIndex(Protocol):
    """Unit vectors under numbers of one's own, and the nearest of them to a query by cosine.

    Whatever its kind, the scores it gives are those of the vectors it was given as far as its kind keeps them, equal
    scores stand by ascending id, and what was removed is never found.
    """

    @property
    def kind(self) -> str:
        """exact, hnsw, ivf-sq8 or ivf-pq."""
        ...

    @property
    def dim(self) -> int: ...

    @property
    def ids(self) -> NDArray[np.int64]:
        """(n,) of everything in it, ascending."""
        ...

    def __len__(self) -> int: ...

    def search(self, queries: Vectors, k: int, *, allowed: NDArray[np.int64] | None = None) -> Found:
        """The k nearest items of each query; fewer where there are fewer.

        Args:
            queries: (n_queries, dim) unit vectors.
            k: at least 1.
            allowed: (n,) ids, ascending, that alone may be found; None allows all.

        Raises:
            ShapeError: queries of another dimension, not finite or not of length 1; k below 1; ids allowed that are
                not ascending.
        """
        ...

    def add(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Raises ShapeError for an id that is there already, stands twice or is negative, and for vectors that do not
        fit."""
        ...

    def remove(self, ids: NDArray[np.int64]) -> int:
        """How many were there."""
        ...
