"""How sure a number is: clusters of queries that belong together, and bootstrap intervals over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from luneta.errors import ConfigError, ShapeError

Indexes = NDArray[np.int64]
Statistic = Literal["mean", "median"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A statistic and its confidence limits; the limits are None where nothing can be said about them."""

    value: float
    low: float | None
    high: float | None


def clusters(pairs: Indexes, n_texts: int, n_images: int) -> tuple[Indexes, Indexes]:
    """Which queries are not independent: connected components of the graph of what is relevant to what.

    Five captions of one picture succeed and fail together, so an interval that takes them for five independent
    queries is too narrow.

    Args:
        pairs: (n_pairs, 2) of (text index, image index).
        n_texts, n_images: sizes of the two sides.

    Returns:
        (n_texts,) and (n_images,) cluster numbers, 0 to n_clusters - 1, numbered alike on both sides.
    """
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    left, right = pairs[:, 0], pairs[:, 1] + n_texts
    root = np.arange(n_texts + n_images)
    while True:
        # Hook the larger root of every edge under the smaller one, then flatten all trees.
        a, b = root[left], root[right]
        apart = a != b
        if not apart.any():
            break
        left, right, a, b = left[apart], right[apart], a[apart], b[apart]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while True:
            above = root[root]
            if np.array_equal(above, root):
                break
            root = above
    _, labels = np.unique(root, return_inverse=True)
    return labels[:n_texts], labels[n_texts:]


@overload
def bootstrap(
    values: Mapping[str, ArrayLike], clusters: ArrayLike | None = None, *, statistic: Statistic = "mean",
    n_resamples: int = 1000, confidence: float = 0.95, seed: int = 0,
) -> dict[str, Interval]: ...  # fmt: skip
@overload
def bootstrap(
    values: ArrayLike, clusters: ArrayLike | None = None, *, statistic: Statistic = "mean",
    n_resamples: int = 1000, confidence: float = 0.95, seed: int = 0,
) -> Interval: ...  # fmt: skip
def bootstrap(
    values: ArrayLike | Mapping[str, ArrayLike],
    clusters: ArrayLike | None = None,
    *,
    statistic: Statistic = "mean",
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | dict[str, Interval]:
    """Percentile interval of a mean or median, resampling whole clusters of queries with replacement.

    Args:
        values: (n_queries,), or several such by name; all share the same resamples.
        clusters: (n_queries,) cluster number of each query; None takes every query as independent.
        statistic: "mean" or "median" over queries.
        n_resamples: number of resamples.
        confidence: of the interval, between 0 and 1.
        seed: equal seeds give equal intervals.

    Raises:
        ShapeError: no queries, unequal lengths, or values that are not finite.
        ConfigError: an unknown statistic, or numbers out of range.
    """
    if not isinstance(values, Mapping):
        return bootstrap({"": values}, clusters, statistic=statistic, n_resamples=n_resamples,
                         confidence=confidence, seed=seed)[""]  # fmt: skip
    if statistic not in ("mean", "median"):
        raise ConfigError(f"statistic is {statistic!r}; expected 'mean' or 'median'")
    if n_resamples < 1 or not 0 < confidence < 1:
        raise ConfigError(
            f"n_resamples is {n_resamples} and confidence {confidence}; expected >= 1 and between 0 and 1"
        )
    table, members = _checked(values, clusters)
    n_clusters = int(members.max()) + 1
    points = np.mean(table, axis=0) if statistic == "mean" else np.median(table, axis=0)
    resampled = (_means if statistic == "mean" else _medians)(table, members, n_clusters, n_resamples, seed)
    tail = (1 - confidence) / 2
    lows, highs = np.quantile(resampled, [tail, 1 - tail], axis=0)
    intervals = {}
    for name, column, point, low, high in zip(values, table.T, points, lows, highs, strict=True):
        limits = _degenerate(column, n_clusters, tail) or (float(low), float(high))
        intervals[name] = Interval(float(point), *limits)
    return intervals


def _checked(values: Mapping[str, ArrayLike], clusters: ArrayLike | None) -> tuple[NDArray[np.float64], Indexes]:
    """(n_queries, n_metrics) values and cluster numbers 0 to n_clusters - 1."""
    columns = [np.asarray(column, dtype=np.float64) for column in values.values()]
    n = len(columns[0]) if columns and columns[0].ndim == 1 else 0
    if n == 0 or any(column.shape != (n,) for column in columns):
        shapes = {name: np.shape(column) for name, column in values.items()}
        raise ShapeError(f"values have shapes {shapes}; expected one number per query, the same queries in each")
    table = np.stack(columns, axis=1)
    if not np.isfinite(table).all():
        raise ShapeError("values hold NaN or infinite numbers; an interval needs one finite number per query")
    if clusters is None:
        return table, np.arange(n)
    members = np.asarray(clusters)
    if members.shape != (n,):
        raise ShapeError(f"clusters have shape {members.shape}; expected ({n},), one for every query")
    return table, np.unique(members, return_inverse=True)[1]


def _degenerate(column: NDArray[np.float64], n_clusters: int, tail: float) -> tuple[float | None, float | None] | None:
    """Limits where resampling cannot give any, because all queries agree."""
    if column.min() != column.max():
        return None
    if column[0] == 0.0:
        return 0.0, 1 - tail ** (1 / n_clusters)
    if column[0] == 1.0:
        return tail ** (1 / n_clusters), 1.0
    return None, None


def _draws(n_clusters: int, n_resamples: int, seed: int, step: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    for start in range(0, n_resamples, step):
        rows = min(step, n_resamples - start)
        yield np.stack(
            [np.bincount(rng.integers(n_clusters, size=n_clusters), minlength=n_clusters) for _ in range(rows)]
        )


def _means(
    table: NDArray[np.float64], members: Indexes, n_clusters: int, n_resamples: int, seed: int
) -> NDArray[np.float64]:
    sums = np.stack([np.bincount(members, weights=column, minlength=n_clusters) for column in table.T], axis=1)
    sizes = np.bincount(members, minlength=n_clusters)
    step = max(1, 2**21 // n_clusters)
    draws = _draws(n_clusters, n_resamples, seed, step)
    return np.concatenate([(weights @ sums) / (weights @ sizes)[:, None] for weights in draws])


def _medians(
    table: NDArray[np.float64], members: Indexes, n_clusters: int, n_resamples: int, seed: int
) -> NDArray[np.float64]:
    result = np.empty((n_resamples, table.shape[1]))
    for i, weights in enumerate(_draws(n_clusters, n_resamples, seed, 1)):
        for j, column in enumerate(table.T):
            order = np.argsort(column)
            upto = np.cumsum(weights[0][members[order]])
            n = upto[-1]
            low, high = np.searchsorted(upto, [(n - 1) // 2, n // 2], side="right")
            result[i, j] = (column[order[low]] + column[order[high]]) / 2
    return result
