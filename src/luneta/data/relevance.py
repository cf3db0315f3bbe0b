"""Which texts are relevant to which images once equal things count as equal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.errors import ConfigError, DatasetError

MAX_PAIRS = 10_000_000
"""More relevant pairs than this (1.6 GB while they are ranked) mean class labels rather than captions."""


@dataclass(frozen=True, eq=False)
class Things:
    """Which texts of a data set count as equal to one another, and which images.

    Attributes:
        data: the data set.
        texts, images: (n_texts,) and (n_images,) numbers from 0 that equal ones share.
        rules: what makes them equal, by name, for the protocol of an evaluation.
        links: how many links of each kind join them, for the record.
    """

    data: ImageTextDataset
    texts: Indexes
    images: Indexes
    rules: Mapping[str, str]
    links: Mapping[str, int] = field(default_factory=dict)

    def remaining(self, data: ImageTextDataset, left_out: Iterable[int] = ()) -> Things:
        """The same of what an evaluation measures.

        Args:
            data: their data set, or what is left of it.
            left_out: images of their data set that it lacks.

        Raises:
            ConfigError: they are of other data.
        """
        images, texts = self.data.remaining(left_out)
        left = self.data.without_images(left_out) if len(images) < self.data.n_images else self.data
        alike = left is data or (
            left.n_images == data.n_images
            and np.array_equal(left.pairs, data.pairs)
            and list(left.texts) == list(data.texts)
        )
        if not alike:
            raise ConfigError(
                f"these groups are of {self.data.name} ({self.data.n_images:,} images and {self.data.n_texts:,} "
                f"texts), not of the data set evaluated ({data.name}, {data.n_images:,} and {data.n_texts:,}); make "
                "them with find_groups of the very data set"
            )
        return Things(data, self.texts[texts], self.images[images], self.rules, self.links)


def caption_key(text: str) -> str:
    """What two captions must share to count as the same: not case, spacing, Unicode form or final punctuation.

    >>> caption_key("A  Dog.") == caption_key("a dog")
    True
    >>> caption_key("uma maçã") == caption_key("uma mac\u0327a\u0303")
    True
    >>> caption_key("a dog") == caption_key("a log")
    False
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return folded.rstrip(" .!?;:,…。．|") or folded


def loose_caption_key(text: str) -> str:
    """What near-identical captions share: neither punctuation nor accents of Latin, Greek and Cyrillic letters either.

    Accents tell words apart in many languages, so this is for keeping captions together, not for calling them right.

    >>> loose_caption_key("Pão-de-açúcar, à noite!") == loose_caption_key("pao de acucar a noite")
    True
    >>> loose_caption_key("1.5 m") == loose_caption_key("15 m")
    False
    """
    letters = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(
        " " if unicodedata.category(letter).startswith("P") else letter
        for letter in letters
        if not "\u0300" <= letter <= "\u036f"
    )
    return " ".join(unicodedata.normalize("NFKC", kept).split()) or caption_key(text)


def equal_things(dataset: ImageTextDataset) -> tuple[Indexes, Indexes]:
    """(n_texts,) and (n_images,) numbers that equal captions share, and that equal pictures share."""
    return equal_captions(dataset), equal_pictures(dataset)


def equal_captions(dataset: ImageTextDataset) -> Indexes:
    """(n_texts,) numbers that equal captions share."""
    return _groups([caption_key(text) for text in dataset.texts])


def equal_pictures(dataset: ImageTextDataset) -> Indexes:
    """(n_images,) numbers that equal pictures share."""
    return _groups(dataset.image_keys)


def merged_pairs(dataset: ImageTextDataset, things: Things | None = None) -> Indexes:
    """Pairs in which equal captions are relevant to each other's images, and equal images to each other's texts.

    A text t is relevant to an image i when some pair (t', i') has a caption equal to t's and a picture of the same
    content as i's. One step only: it does not chain through other captions of the same image.

    Args:
        dataset: texts, images and their pairs.
        things: what counts as equal by another rule, as of `Groups.things`; None takes `equal_things`.

    Returns:
        (n_pairs, 2) int64 of (text index, image index), sorted.

    Raises:
        ConfigError: the things are of other data.
        DatasetError: so many equal captions that the relevant pairs would not fit in memory.
    """
    if things is None:
        text_group, image_group = equal_things(dataset)
    else:
        left = things.remaining(dataset)
        text_group, image_group = left.texts, left.images
    group_pairs = np.unique(np.stack([text_group[dataset.pairs[:, 0]], image_group[dataset.pairs[:, 1]]], 1), axis=0)
    texts, text_starts = _members(text_group)
    images, image_starts = _members(image_group)
    n_texts = np.diff(text_starts)[group_pairs[:, 0]]
    n_images = np.diff(image_starts)[group_pairs[:, 1]]
    total = int((n_texts * n_images).sum())
    if total > MAX_PAIRS:
        raise DatasetError(
            f"{dataset.name}: equal captions make {total:,} relevant pairs of {dataset.n_texts:,} texts and "
            f"{dataset.n_images:,} images: these look like class labels. Take a sample (limit=10000), or count only "
            'the given pairs with duplicates="strict".'
        )
    # A group pair of a texts and b images becomes a*b pairs: number them 0 .. a*b-1 and split into (row, column).
    sizes = n_texts * n_images
    owner = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(total) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    row, column = np.divmod(within, n_images[owner])
    merged = np.stack(
        [texts[text_starts[group_pairs[owner, 0]] + row], images[image_starts[group_pairs[owner, 1]] + column]], 1
    )
    return merged[np.lexsort((merged[:, 1], merged[:, 0]))]


def _groups(keys: Sequence[str]) -> NDArray[np.int64]:
    """A group number for each key: equal keys, equal numbers."""
    numbers: dict[str, int] = {}
    return np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64, len(keys))


def _members(group: NDArray[np.int64]) -> tuple[Indexes, Indexes]:
    """Items ordered by group, and where each group starts (one more entry than there are groups)."""
    order = np.argsort(group, kind="stable")
    n_groups = int(group.max()) + 1 if len(group) else 0
    return order, np.searchsorted(group[order], np.arange(n_groups + 1))
