"""What the demo does before it believes its numbers: examine the encoders, look for leaks, compare query by query."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from luneta.comparison import Comparison, compare
from luneta.data.dataset import ImageTextDataset
from luneta.data.group_links import IMAGE_KINDS
from luneta.data.groups import Groups, find_groups
from luneta.data.sources import open_dataset
from luneta.demo.rounds import Measured
from luneta.doctor import Diagnosis, examine
from luneta.leakage import Leakage, find_leakage
from luneta.types import Encoder

PLANTED = "cenas:test+duplicates"
N_PLANTED_IN = 660
"""Pictures in which copies are planted: one in 11 is a copy of another, to the pixel or nearly."""


@dataclass(frozen=True)
class Planted:
    """How many planted copies the groups found.

    Attributes:
        groups: of the data set with its copies.
        n_copies, n_found: planted, and joined to their originals.
        n_others: links between images of which neither was planted as a copy of the other.
    """

    groups: Groups
    n_copies: int
    n_found: int
    n_others: int


@dataclass(frozen=True)
class Trust:
    """What speaks for the numbers, and against them.

    Attributes:
        diagnoses: of each encoder, on the first round.
        planted: copies in a data set, and what of them was found.
        at_random, by_groups: what the one half of it has seen of the other, divided in two ways.
        comparison: of the encoders on the first round.
        seconds: how long "doctor", "leakage" and "comparison" took.
    """

    diagnoses: Sequence[Diagnosis]
    planted: Planted
    at_random: Leakage
    by_groups: Leakage
    comparison: Comparison
    seconds: Mapping[str, float]


def find_trust(encoders: Sequence[Encoder], first: Measured, limit: int | None) -> Trust:
    """All of it.

    Args:
        encoders: those of the first round.
        first: the round that the encoders were trained for.
        limit: pictures of each data set at most.
    """
    times = [time.perf_counter()]
    diagnoses = [examine(encoder, first.embeddings.dataset) for encoder in encoders]
    times.append(time.perf_counter())
    data = open_dataset(PLANTED, language="en", limit=min(limit or N_PLANTED_IN, N_PLANTED_IN))
    groups = find_groups(data)
    parts = data.divide(val=0, test=0.5, groups=groups)
    at_random, by_groups = (find_leakage(*halves) for halves in (_halves(data), (parts.train, parts.test)))
    times.append(time.perf_counter())
    comparison = compare(first.evaluations)
    times.append(time.perf_counter())
    seconds = dict(zip(("doctor", "leakage", "comparison"), np.diff(times).tolist(), strict=True))
    return Trust(diagnoses, _planted(data, groups), at_random, by_groups, comparison, seconds)


def _halves(data: ImageTextDataset) -> tuple[ImageTextDataset, ImageTextDataset]:
    """The data set divided as is often done: at random, whatever is the same."""
    order = np.random.default_rng(0).permutation(data.n_images)
    middle = data.n_images - data.n_images // 2
    train, test = (data.without_images(left_out.tolist()) for left_out in (order[middle:], order[:middle]))
    return replace(train, split="train"), replace(test, split="test")


def _planted(data: ImageTextDataset, groups: Groups) -> Planted:
    number = {image.label: i for i, image in enumerate(data.images)}
    copied = [data.image_metadata(i)["duplicate_of"] for i in range(data.n_images)]
    planted = {(number[original], i) for i, original in enumerate(copied) if original is not None}
    same = groups.numbers(IMAGE_KINDS)[0][0]
    n_found = sum(bool(same[original] == same[copy]) for original, copy in planted)
    linked = {(link.first.index, link.second.index) for link in groups.links(*IMAGE_KINDS)}
    return Planted(groups, len(planted), n_found, len(linked - planted))
