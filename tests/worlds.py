"""Small data sets and encoders for tests: pictures of a few pixels, vectors that follow from the content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from PIL import Image

from luneta.data.dataset import ImageTextDataset
from luneta.errors import ImageError
from luneta.types import EncoderSpec, Vectors


@dataclass(frozen=True)
class Pixel:
    """A picture of one colour that stands for a concept."""

    concept: int
    broken: bool = False

    @property
    def label(self) -> str:
        return f"picture-{self.concept}"

    def key(self) -> str:
        return hashlib.sha256(f"{self.concept}{self.broken}".encode()).hexdigest()[:32]

    def open(self) -> Image.Image:
        if self.broken:
            raise ImageError("truncated")
        return Image.new("RGB", (2, 2), (self.concept // 256, self.concept % 256, 0))


def world(
    n_images: int,
    *,
    captions_per_image: int = 1,
    broken: Sequence[int] = (),
    equal_captions: Sequence[Sequence[int]] = (),
) -> ImageTextDataset:
    """n_images pictures with captions "thing 3, way 0"; images of a list in `equal_captions` share theirs."""
    same = {image: group[0] for group in equal_captions for image in group}
    texts = [
        f"thing {same.get(image, image)}, way {way}" for image in range(n_images) for way in range(captions_per_image)
    ]
    owner = np.repeat(np.arange(n_images), captions_per_image)
    return ImageTextDataset(
        name="world",
        images=[Pixel(image, image in broken) for image in range(n_images)],
        texts=texts,
        pairs=np.stack([np.arange(len(texts)), owner], axis=1),
        rows=pa.table({"number": list(range(n_images))}),
        image_rows=np.arange(n_images),
        text_rows=owner,
        n_source_rows=n_images,
    )


def judged(n_queries: int = 6, n_images: int = 40, seed: int = 0) -> ImageTextDataset:
    """Queries with up to eight right pictures and up to ten that are passed over; some pictures are for nobody."""
    rng = np.random.default_rng(seed)
    pairs, ignored = [], []
    for query in range(n_queries):
        chosen = rng.permutation(n_images - 5)
        n = int(rng.integers(1, 9))
        pairs += [(query, image) for image in chosen[:n]]
        ignored += [(query, image) for image in chosen[n : n + int(rng.integers(11))]]
    return ImageTextDataset(
        name="judged",
        images=[Pixel(image) for image in range(n_images)],
        texts=[f"thing {query}" for query in range(n_queries)],
        pairs=np.array(pairs),
        rows=pa.table({"kind": ["drawn", "painted"] * (n_images // 2)}),
        image_rows=np.arange(n_images),
        text_rows=np.zeros(n_queries, dtype=np.int64),
        ignored=np.array(ignored),
    )


@dataclass
class ConceptEncoder:
    """Knows what it sees up to noise: noise 0 ranks perfectly, "constant" gives every input the same vector."""

    noise: float = 0.0
    dim: int = 32
    constant: bool = False
    name: str = "concepts"

    @property
    def spec(self) -> EncoderSpec:
        fingerprint = hashlib.sha256(f"{self.noise}/{self.dim}/{self.constant}".encode()).hexdigest()
        return EncoderSpec(name=self.name, embedding_dim=self.dim, fingerprint=fingerprint)

    def _vector(self, concept: int, what: str) -> np.ndarray:
        if self.constant:
            return np.random.default_rng(0).normal(size=self.dim)
        own = int.from_bytes(hashlib.sha256(what.encode()).digest()[:4], "little")
        meaning = np.random.default_rng(concept).normal(size=self.dim)
        return meaning + self.noise * np.random.default_rng(own).normal(size=self.dim)

    def _encode(self, concepts: list[tuple[int, str]]) -> Vectors:
        vectors = np.stack([self._vector(*concept) for concept in concepts])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        colours = [image.getpixel((0, 0)) for image in images]
        return self._encode([(red * 256 + green, f"image {red} {green}") for red, green, _ in colours])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self._encode([(self._concept(text), text) for text in texts])

    @staticmethod
    def _concept(text: str) -> int:
        """The number of "thing 3, way 0"; of any other text one of its own, beyond those of the pictures."""
        words = text.split(",")[0].split()
        if len(words) == 2 and words[1].isdigit():
            return int(words[1])
        return 10**9 + int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


@dataclass
class ForgetfulEncoder(ConceptEncoder):
    """Reads a number of characters, and can say how many texts are longer."""

    reads: int = 15

    def n_truncated(self, texts: Sequence[str]) -> int:
        return sum(len(text) > self.reads for text in texts)


def words_of(text: str) -> set[str]:
    """The words of letters in a text, to see what two languages have in common."""
    return set(re.findall(r"[^\W\d_]{2,}", text.lower()))
