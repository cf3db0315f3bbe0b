"""What is learnt from: texts, each with a list of a right picture, pictures taken for it, and pictures at random."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.errors import DatasetError
from luneta.finetuning.negatives import Miner, words_of
from luneta.rerank.neighbourhoods import neighbourhoods
from luneta.rerank.recipe import ElipRecipe

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """The texts of a step and the pictures each is held against.

    Attributes:
        texts: (n,) indexes.
        images: (n, n_listed) indexes; the first of each list is right.
        positive: (n, n_listed) what the text describes.
        ignored: (n, n_listed) neither right nor wrong: another picture of the same thing, or a picture that stands in
            the list already.
    """

    texts: Indexes
    images: Indexes
    positive: Mask
    ignored: Mask


@dataclass(frozen=True, eq=False)
class ListPlan:
    """The lists of every step: what they hold follows from the recipe's seed and the number of the step alone.

    Attributes:
        dataset: what is learnt from.
        pairs: (n_pairs, 2) of (text, image): what belongs together, equal things merged.
        groups: (n_images,) images that are the same thing have one number.
        hard: (n_texts, n) images that the encoder takes for the right one, the likeliest first; -1 where there are
            fewer.
        recipe: how lists are made.
        similarity: (n_texts, n) scaled cosines of `hard`, where they are drawn by it.
    """

    dataset: ImageTextDataset
    pairs: Indexes
    groups: Indexes
    hard: Indexes
    recipe: ElipRecipe
    similarity: NDArray[np.float32] | None = None
    _orders: dict[int, Indexes] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if len(np.unique(self.groups)) < 2:
            raise DatasetError(
                f"{self.dataset.name}: all {self.dataset.n_images} images are one group (equal or near-equal pictures "
                "or captions), so there is nothing to tell apart"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every text is shown once, or all but the last few."""
        return max(1, self.dataset.n_texts // self._n_texts)

    @property
    def _n_texts(self) -> int:
        return min(self.recipe.queries, self.dataset.n_texts)

    def lists(self, step: int) -> Lists:
        """The lists of a step, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        texts = self._order(epoch)[place * self._n_texts : (place + 1) * self._n_texts]
        rng = np.random.default_rng([self.recipe.seed, epoch, place])
        right = np.array([rng.choice(self._images_of(int(text))) for text in texts], dtype=np.int64)
        shared = self.recipe.batches == "global"
        images = _of_all(right) if shared else np.column_stack([right, self._own(texts, rng)])
        positive = self._belong(texts, images)
        unsure = self.groups[images] == self.groups[right][:, None]
        if shared:  # what was mined has been looked at for this
            unsure |= self._alike(texts, images)
        repeated = np.zeros_like(positive)
        for column in range(1, images.shape[1]):
            repeated[:, column] = (images[:, :column] == images[:, column, None]).any(axis=1)
        return Lists(texts, images, positive, repeated | unsure & ~positive)

    def _order(self, epoch: int) -> Indexes:
        """(n_texts,) in the order in which the steps of an epoch take them; of one epoch it is kept."""
        if epoch not in self._orders:
            rng = np.random.default_rng([self.recipe.seed, epoch])
            order = rng.permutation(self.dataset.n_texts)
            if self.recipe.batches == "global":
                order = neighbourhoods(order, self._n_texts, self.hard, self.pairs, self.groups, rng)
            self._orders.clear()
            self._orders[epoch] = order
        return self._orders[epoch]

    def _own(self, texts: Indexes, rng: np.random.Generator) -> Indexes:
        """(n, hard + random): what each text is held against beside its right picture."""
        drawn = rng.integers(self.dataset.n_images, size=(len(texts), self.recipe.hard + self.recipe.random))
        hard = self._hard(texts, rng)
        drawn[:, : hard.shape[1]] = np.where(hard >= 0, hard, drawn[:, : hard.shape[1]])
        return drawn

    def _alike(self, texts: Indexes, images: Indexes) -> Mask:
        """Which pictures have a caption that says nearly the same as the text."""
        miner, captions = Miner(), self.dataset.texts
        said = {
            image: [words_of(captions[int(text)]) for text in self.dataset.texts_of(image)]
            for image in np.unique(images).tolist()
        }
        found = np.zeros(images.shape, dtype=bool)
        for row, text in enumerate(texts.tolist()):
            words = words_of(captions[text])
            found[row] = [any(miner.alike(words, other) for other in said[image]) for image in images[row].tolist()]
        return found

    def _hard(self, texts: Indexes, rng: np.random.Generator) -> Indexes:
        """(n, at most recipe.hard) drawn without replacement, each with its weight (by the keys of Gumbel, 1954)."""
        pool = self.hard[texts]
        by_rank = -np.log(np.arange(1, pool.shape[1] + 1))
        keys = rng.gumbel(size=pool.shape) + (by_rank if self.similarity is None else self.similarity[texts])
        order = np.where(pool >= 0, keys, -np.inf).argsort(axis=1)[:, ::-1][:, : self.recipe.hard]
        return np.take_along_axis(pool, order, axis=1)

    def _images_of(self, text: int) -> Indexes:
        first, last = np.searchsorted(self.pairs[:, 0], [text, text + 1])
        return self.pairs[first:last, 1]

    @cached_property
    def _keys(self) -> Indexes:
        return self.pairs[:, 0] * self.dataset.n_images + self.pairs[:, 1]  # ascending, as the pairs are

    def _belong(self, texts: Indexes, images: Indexes) -> Mask:
        wanted = texts[:, None] * self.dataset.n_images + images
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.asarray(self._keys[at] == wanted, dtype=bool)


def _of_all(right: Indexes) -> Indexes:
    """(n, n): the right pictures of all texts for every text, each list beginning with its own.

    >>> _of_all(np.array([5, 7, 9])).tolist()
    [[5, 7, 9], [7, 9, 5], [9, 5, 7]]
    """
    places = np.arange(len(right))
    shared: Indexes = right[(places[:, None] + places) % len(right)]
    return shared
