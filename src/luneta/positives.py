"""What counts as a right answer: the pairs of the source alone, or those of equal and near-equal things too."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.groups import same_things
from luneta.data.relevance import Things, equal_captions, equal_pictures, equal_things, merged_pairs
from luneta.errors import ConfigError, did_you_mean
from luneta.stats import clusters
from luneta.types import Direction

Duplicates = Literal["merge", "strict", "near"]
"""How equal things count, by name; `Things`, from `Groups.things`, say it one by one."""


@dataclass(frozen=True)
class Positives:
    """Which answers are right, and which queries are not independent of one another.

    Attributes:
        pairs: (n_pairs, 2) of (text index, image index).
        clusters: {direction: (n_queries,) numbers that queries of one thing share}.
        rules: what makes numbers comparable, for the protocol.
        record: what else is worth knowing, beside it.
    """

    pairs: Indexes
    clusters: Mapping[Direction, Indexes]
    rules: Mapping[str, str]
    record: Mapping[str, Any]


def check_duplicates(name: str) -> Duplicates:
    """The rule of that name.

    Raises:
        ConfigError: there is none.
    """
    known: tuple[Duplicates, ...] = get_args(Duplicates)
    for rule in known:
        if name == rule:
            return rule
    raise ConfigError(f"unknown duplicates rule {name!r}. {did_you_mean(str(name), known)}")


def find_positives(
    data: ImageTextDataset, duplicates: Duplicates | Things = "merge", *, left_out: Iterable[int] = ()
) -> Positives:
    """The right answers of a data set.

    Args:
        data: as it is evaluated.
        duplicates: as in `luneta.evaluate`.
        left_out: images that the data set of these `Things` has and `data` has not.

    Raises:
        ConfigError: an unknown rule, or things of other data.
        DatasetError: so many equal captions that the right answers would not fit in memory.
    """
    if data.judged:
        return _judged(data, duplicates)
    if isinstance(duplicates, Things):
        things = duplicates.remaining(data, left_out)
    elif check_duplicates(duplicates) == "near":
        things = same_things(data)
    else:
        pairs = merged_pairs(data) if duplicates == "merge" else data.pairs
        return Positives(pairs, _clusters(data, None), {"duplicates": duplicates}, {})
    pairs = merged_pairs(data, things)
    digest = hashlib.sha256(np.ascontiguousarray(pairs, dtype="<i8").tobytes()).hexdigest()
    rules = {**things.rules, "relevant_pairs": digest}
    return Positives(pairs, _clusters(data, things), rules, {"links": dict(things.links)})


def _judged(data: ImageTextDataset, duplicates: Duplicates | Things) -> Positives:
    """Of queries that were judged: what the judgements say, whatever else is equal.

    Queries share pictures, often all of them by a few steps; each stands for itself, unless it is asked twice.
    """
    if isinstance(duplicates, Things):
        raise ConfigError(f"the pictures of {data.name} were judged for its queries: groups say nothing more of them")
    texts, images = equal_captions(data), equal_pictures(data)[data.paired_images]
    rules = {"duplicates": "as judged", "neither right nor wrong": "passed over"}
    return Positives(data.pairs, {"text_to_image": texts, "image_to_text": joined(images, images)}, rules, {})


def _clusters(data: ImageTextDataset, things: Things | None) -> dict[Direction, Indexes]:
    """Queries that succeed and fail together: of one picture, of equal things or with equal captions.

    Equal captions are one query asked several times, also where the rule of relevance tells them apart.
    """
    texts, images = equal_things(data)
    if things is not None:
        texts, images = joined(texts, things.texts), joined(images, things.images)
    pairs = np.stack([texts[data.pairs[:, 0]], images[data.pairs[:, 1]]], axis=1)
    of_texts, of_images = clusters(pairs, int(texts.max()) + 1, int(images.max()) + 1)
    return {"text_to_image": of_texts[texts], "image_to_text": of_images[images]}


def joined(one: Indexes, other: Indexes) -> Indexes:
    """Numbers that items share which share one of two numbers, directly or through others.

    >>> joined(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])).tolist()
    [0, 0, 0, 1]
    """
    found, _ = clusters(np.stack([one, other], axis=1), int(one.max()) + 1, int(other.max()) + 1)
    return found[one]
