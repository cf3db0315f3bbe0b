"""What a training reads: pictures and captions as the towers take them, or the features of a tower that is locked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.relevance import caption_key, equal_things
from luneta.decoding import in_order
from luneta.finetuning.augmentation import Augmentation
from luneta.finetuning.batches import Pair
from luneta.finetuning.swaps import swapped
from luneta.progress import track
from luneta.threads import available
from luneta.types import Side, Trainable, Vectors

KEPT_BYTES = 2 * 2**30
"""Of prepared pictures; so many are kept in memory from one epoch to the next where nothing random is done to them."""

_AT_ONCE = {"image": 64, "text": 256}

Batch = dict[str, Any]
"""images, texts and negatives: `Rows`; relations: tensors (n,); pairs: (n, 2) of (text, image)."""


@dataclass(frozen=True)
class Rows:
    """What a tower will read, row by row: pictures as bytes, token ids, or features of a trunk that is locked.

    Floats are made of a part when it is needed and not before: of a large batch that goes through the towers in parts,
    they would be the most that is held.

    Attributes:
        rows: (n) of whatever `ready` takes.
        make: some rows -> tensors by name.
    """

    rows: Sequence[Any] | NDArray[np.float32]
    make: Callable[[Any], dict[str, Tensor]]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> Rows:
        return Rows(self.rows[part], self.make)

    def ready(self, device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """What the tower reads, or {"features": (n, width)}."""
        return {name: tensor.to(device) for name, tensor in self.make(self.rows).items()}


@dataclass
class Material:
    """The pairs of a data set, ready for the towers.

    Attributes:
        dataset: images and texts that can be read.
        trainable: makes the towers' inputs.
        groups: (n_images,) images that are the same thing have one number.
        features: of the sides that are locked: (n_images, width) and (n_texts, width) float32.
        augmentation: what is done to pictures at random; None leaves them as they are.
        text_negatives: swap words of captions for further negatives.
        weights: (n_images,) how relevant each image's pairs are; None counts all the same.
        seed: of what is random.
        kept_bytes: of the pictures that are kept in memory so far.
    """

    dataset: ImageTextDataset
    trainable: Trainable
    groups: Indexes
    features: Mapping[Side, NDArray[np.float32]] = field(default_factory=dict)
    augmentation: Augmentation | None = None
    text_negatives: bool = False
    weights: NDArray[np.float32] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self._text_ids, self._image_ids = equal_things(self.dataset)
        self._said = {caption_key(text) for text in self.dataset.texts} if self.text_negatives else set()
        self._tokens = [] if "text" in self.features else self.trainable.token_ids(self.dataset.texts)
        self._kept: dict[int, Any] = {}
        self.kept_bytes = 0

    def __len__(self) -> int:
        return self.dataset.n_images

    def __getitem__(self, pair: Pair) -> Batch:
        return self.__getitems__([pair])

    def __getitems__(self, pairs: Sequence[Pair]) -> Batch:
        """A whole batch at once, as torch's DataLoader asks where it can; pictures are read in threads."""
        images = np.array([pair.image for pair in pairs])
        texts = np.array([pair.text for pair in pairs])
        relations = {"texts": self._text_ids[texts], "images": self._image_ids[images], "groups": self.groups[images]}
        if self.weights is not None:
            relations["weights"] = self.weights[images]
        batch: Batch = {
            "images": self._images(pairs) if "image" not in self.features else self._features("image", images),
            "texts": self._texts(texts) if "text" not in self.features else self._features("text", texts),
            "relations": {name: torch.from_numpy(values) for name, values in relations.items()},
            "pairs": torch.from_numpy(np.stack([texts, images], axis=1)),
        }
        if self.text_negatives and (negatives := self._negatives(pairs)):
            batch["negatives"] = Rows(self.trainable.token_ids(negatives), self.trainable.text_inputs)
        return batch

    def _features(self, side: Side, rows: NDArray[np.int64]) -> Rows:
        return Rows(self.features[side][rows], lambda part: {"features": torch.from_numpy(part)})

    def _texts(self, texts: NDArray[np.int64]) -> Rows:
        return Rows([self._tokens[text] for text in texts.tolist()], self.trainable.text_inputs)

    def _negatives(self, pairs: Sequence[Pair]) -> list[str]:
        """Captions with words exchanged, but none that is the caption of some picture here: it may be in the batch."""
        changed = (swapped(self.dataset.texts[p.text], np.random.default_rng([self.seed, *p])) for p in pairs)
        return [text for text in changed if text is not None and caption_key(text) not in self._said]

    def _images(self, pairs: Sequence[Pair]) -> Rows:
        with ThreadPoolExecutor(available()) as pool:
            return Rows(list(pool.map(self._image, pairs)), self.trainable.image_inputs)

    def _image(self, pair: Pair) -> Any:
        if pair.image in self._kept:
            return self._kept[pair.image]
        picture = self.dataset.images[pair.image].open()
        if self.augmentation is not None:
            captions = [self.dataset.texts[int(text)] for text in self.dataset.texts_of(pair.image)]
            picture = self.augmentation(picture, captions, np.random.default_rng([self.seed, *pair]))
            return self.trainable.prepare_image(picture)
        prepared = self.trainable.prepare_image(picture)
        if self.kept_bytes < KEPT_BYTES:
            self._kept[pair.image] = prepared
            self.kept_bytes += size_of(prepared)
        return prepared


def size_of(prepared: Any) -> int:
    """Bytes of what `prepare_image` gave: an array or a tensor, or a record of some."""
    if isinstance(prepared, tuple | list):
        return sum(size_of(part) for part in prepared)
    return int(getattr(prepared, "nbytes", 0))


def collate(batch: Batch) -> Batch:
    """What `Material.__getitems__` made is a batch already."""
    return batch


@torch.no_grad()
def features(trainable: Trainable, dataset: ImageTextDataset, side: Side) -> NDArray[np.float32]:
    """What a locked tower's trunk makes of every image or text: (n, width) float32.

    Raises:
        ImageError: a picture that cannot be decoded.
    """
    device = next(trainable.model.parameters()).device
    n = dataset.n_images if side == "image" else dataset.n_texts
    found: list[NDArray[np.float32]] = []
    trainable.model.eval()
    with track("features of images" if side == "image" else "features of texts", n) as advance:
        for inputs in _inputs(trainable, dataset, side):
            inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
            read = trainable.towers.image_features if side == "image" else trainable.towers.text_features
            found.append(read(inputs).float().cpu().numpy())
            advance(len(found[-1]))
    return np.concatenate(found)


@torch.no_grad()
def vectors(trainable: Trainable, side: Side, features: NDArray[np.float32]) -> Vectors:
    """(n, width) features of a trunk -> (n, d) float32 unit vectors, by the head as it is now."""
    towers = trainable.towers
    found = torch.from_numpy(np.asarray(features)).to(next(trainable.model.parameters()).device)
    made = towers.image_vectors(found) if side == "image" else towers.text_vectors(found)
    return made.float().cpu().numpy()


def _inputs(trainable: Trainable, dataset: ImageTextDataset, side: Side) -> Any:
    size = _AT_ONCE[side]
    if side == "text":
        tokens = trainable.token_ids(dataset.texts)
        for start in range(0, len(tokens), size):
            yield trainable.text_inputs(tokens[start : start + size])
        return
    ready: list[Any] = []
    for prepared in in_order(lambda ref: trainable.prepare_image(ref.open()), dataset.images, available(), 2 * size):
        ready.append(prepared)
        if len(ready) == size:
            yield trainable.image_inputs(ready)
            ready = []
    if ready:
        yield trainable.image_inputs(ready)
