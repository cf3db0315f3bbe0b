"""Parts of the queries of a result: by metadata, length of the captions, number of right answers, size of the group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luneta.results import Evaluation
from luneta.stats import bootstrap
from luneta.types import Direction

SMALLEST_SLICE = 30
"""Queries; of fewer nothing can be said."""

MOST_RANGES = 4
"""That numbers are divided into."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The queries that share something, and how every encoder does on them.

    Attributes:
        name, value: what they share: a metadata column and its value, or "words" and the like and a range.
        values: recall@1 of every evaluation.
        differences: (value, low, high) of every evaluation to the first one; the first's own is None.
    """

    direction: Direction
    name: str
    value: str
    n_queries: int
    values: tuple[float, ...]
    differences: tuple[tuple[float, float | None, float | None] | None, ...]


@dataclass(frozen=True, slots=True)
class TooSmall:
    """Queries that are in no slice: fewer than `SMALLEST_SLICE` share each of `n_values` values of `name`."""

    direction: Direction
    name: str
    n_values: int
    n_queries: int


def compared_slices(
    evaluations: Sequence[Evaluation], direction: Direction, values: Sequence[NDArray[np.float64]], seed: int = 0
) -> tuple[list[Slice], list[TooSmall]]:
    """Parts of the queries with every encoder's score on them, and what is too small to be one.

    Args:
        evaluations: of one protocol; a column that any of them has divides the queries of all.
        direction: of the queries.
        values: of every evaluation, (n_queries,) score of each query.
        seed: of the bootstrap.
    """
    divisions: dict[str, Sequence[str]] = {}
    for evaluation in evaluations:
        divisions = slices(evaluation, direction) | divisions  # the first one's, where several have a column
    cluster = evaluations[0].clusters[direction]
    found, rest = [], []
    for name, labels in divisions.items():
        small = []
        for label in sorted(set(labels), key=natural):
            chosen = np.flatnonzero(np.array(labels, dtype=object) == label)
            if len(chosen) < SMALLEST_SLICE:
                small.append(len(chosen))
                continue
            gaps = {str(i): v[chosen] - values[0][chosen] for i, v in enumerate(values) if i}
            intervals = bootstrap(gaps, cluster[chosen], bounded=False, seed=seed)
            found.append(Slice(
                direction, name, label, len(chosen),
                tuple(float(v[chosen].mean()) for v in values),
                (None, *((i.value, i.low, i.high) for i in intervals.values())),
            ))  # fmt: skip
        if small:
            rest.append(TooSmall(direction, name, len(small), sum(small)))
    return found, rest


def slices(evaluation: Evaluation, direction: Direction) -> dict[str, Sequence[str]]:
    """{name: one label for each query}: metadata columns, caption length, relevant items, size of the query's group.

    A picture counts with the mean length of its captions. A group is what equal captions, pictures and other equal
    things join; its size is the number of its pictures.
    """
    found: dict[str, Sequence[str]] = {
        **_caption_lengths(evaluation, direction),
        "relevant items": binned(evaluation.rankings[direction].n_relevant),
        "group size": binned(_group_sizes(evaluation, direction)),
        **evaluation.slices[direction],
    }
    return {name: labels for name, labels in found.items() if len(set(labels)) > 1}


def _caption_lengths(evaluation: Evaluation, direction: Direction) -> dict[str, Sequence[str]]:
    """In words; in characters where most captions have no spaces."""
    texts = evaluation.query_names["text_to_image"]
    name, lengths = "words", np.array([len(text.split()) for text in texts])
    if np.median(lengths) <= 1:
        name, lengths = "characters", np.array([len(text) for text in texts])
    if direction == "image_to_text":
        ranking = evaluation.rankings[direction]
        sums = np.bincount(ranking.query, weights=lengths[ranking.positives], minlength=ranking.n_queries)
        lengths = np.rint(sums / ranking.n_relevant).astype(np.int64)
    return {name: binned(lengths)}


def _group_sizes(evaluation: Evaluation, direction: Direction) -> NDArray[np.int64]:
    of_queries, of_images = evaluation.clusters[direction], evaluation.clusters["image_to_text"]
    sizes: NDArray[np.int64] = np.bincount(of_images, minlength=int(of_queries.max()) + 1)[of_queries]
    return sizes


def binned(numbers: NDArray[np.int64]) -> list[str]:
    """Labels of up to four ranges that hold about as many numbers each, and enough of them to say something.

    A number that most have keeps a range to itself, so that the others are seen apart from it.
    """
    ordered = np.sort(numbers)
    starts: list[int] = []
    at = 0
    while at < len(ordered):
        starts.append(at)
        rest = len(ordered) - at
        size = max(-(-rest // (MOST_RANGES - len(starts) + 1)), SMALLEST_SLICE)
        last = ordered[min(at + size, len(ordered)) - 1]
        at = int(np.searchsorted(ordered, last, side="right"))
    if len(starts) > 2 and len(ordered) - starts[-1] < SMALLEST_SLICE:
        starts.pop()
    ends = [*starts[1:], len(ordered)]
    labels = []
    for start, end in zip(starts, ends, strict=True):
        low, high = ordered[start], ordered[end - 1]
        labels.append(f"{low}" if low == high else f"{low}-{high}")
    which = np.searchsorted(ordered[starts], numbers, side="right") - 1
    return [labels[i] for i in which.tolist()]


def natural(label: str) -> tuple[float, str]:
    """What labels are ordered by: ranges of numbers by where they begin, words by their letters.

    >>> sorted(["11-20", "owl", "2-10", "1"], key=natural)
    ['1', '2-10', '11-20', 'owl']
    """
    head = label.split("-")[0]
    return (float(head) if head.isdigit() else np.inf, label)
