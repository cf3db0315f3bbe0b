"""compare(results): which of several encoders is better on the same queries, by how much, and how surely.

Two systems answered the same queries, so they are compared query by query: the difference of their means has a much
narrower interval than the two means suggest. Intervals are bootstrapped over clusters of related queries; p-values come
from a randomisation test, corrected for the number of pairs compared (Holm).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ConfigError, ProtocolMismatchError, did_you_mean
from luneta.grids import Grid, as_text
from luneta.metrics import METRICS, best_rank, reciprocal_rank
from luneta.results import Evaluation
from luneta.slicing import Slice, TooSmall, compared_slices
from luneta.stats import bootstrap, holm, randomisation_test
from luneta.types import DIRECTIONS, Direction

if TYPE_CHECKING:
    from rich.console import RenderableType

COMPARED = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10")
SLICED = "recall@1"
LEVEL = 0.05
N_EXAMPLES = 8

_REMEDIES = {
    "duplicates": "evaluate all with the same --duplicates rule",
    "same_item": "evaluate all with the same --same-item column",
    "relevant_pairs": "count the same things as equal in all: the same --duplicates and --same-item, or equal groups",
    "metric_definitions": "evaluate the older ones again: metrics have changed their meaning since",
    "ties": "evaluate the older ones again: the rule for equal scores has changed since",
    "captions": "evaluate all with the same rule for captions",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the first of two encoders is ahead of the second, over the same queries.

    Attributes:
        first, second: which of the compared evaluations.
        value: mean of the differences, query by query.
        low, high: its 95 % interval; None where nothing can be said.
        p: of the randomisation test; p_holm: corrected for all pairs compared on this metric and direction.
        n_wins, n_losses: queries on which the first is better, and worse; the others are equal.
    """

    direction: Direction
    metric: str
    first: int
    second: int
    value: float
    low: float | None
    high: float | None
    p: float
    p_holm: float
    n_wins: int
    n_losses: int

    @property
    def is_significant(self) -> bool:
        """At 5 % for the family of all pairs, and the interval agrees."""
        return self.p_holm < LEVEL and not (
            self.low is not None and self.high is not None and self.low <= 0 <= self.high
        )


@dataclass(frozen=True, slots=True)
class Contrast:
    """A query on which two encoders differ: its name and the expected rank of the best relevant item by each."""

    direction: Direction
    query: int
    name: str
    first_rank: float
    second_rank: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Encoders side by side under one protocol.

    Attributes:
        evaluations: in the order given; the first is the one that the others are held against in slices.
        differences: for every direction, metric and pair of encoders.
        slices: by metadata column, caption length, number of relevant items and size of the group.
        too_small: queries that are in no slice of theirs, because too few share it.
        contrasts: {(first, second): queries that the first finds and the second misses most, then the reverse}.
    """

    evaluations: Sequence[Evaluation]
    differences: Sequence[Difference]
    slices: Sequence[Slice]
    too_small: Sequence[TooSmall]
    contrasts: Mapping[tuple[int, int], Sequence[Contrast]]

    @property
    def names(self) -> list[str]:
        return distinct_names(self.evaluations)

    def difference(self, direction: Direction, metric: str, first: int, second: int) -> Difference:
        """How far `first` is ahead of `second`; with the sign turned where they were compared the other way round."""
        for found in self.differences:
            if (found.direction, found.metric) != (direction, metric):
                continue
            if (found.first, found.second) == (first, second):
                return found
            if (found.first, found.second) == (second, first):
                return _turned(found)
        raise ConfigError(f"no comparison of {first} and {second} on {metric}, {direction}")

    def to_dict(self) -> dict[str, Any]:
        from dataclasses import asdict

        return {
            "protocol": dict(self.evaluations[0].protocol),
            "encoders": [dict(e.encoder) | {"label": n} for e, n in zip(self.evaluations, self.names, strict=True)],
            "metrics": [
                {d: {m: asdict(e.metrics[d][m]) for m in COMPARED} for d in DIRECTIONS} for e in self.evaluations
            ],
            "differences": [asdict(d) for d in self.differences],
            "slices": [asdict(s) for s in self.slices],
            "too_small": [asdict(s) for s in self.too_small],
            "contrasts": [asdict(c) for found in self.contrasts.values() for c in found],
        }

    def grid(self, metric: str = "recall@1", locale: str = "en") -> Grid:
        """Every encoder's values of a metric, and every difference, as one table for a paper."""
        from luneta.terminal import comparison_grid

        check_metric(metric)
        return comparison_grid(self, metric, locale)

    def __str__(self) -> str:
        return as_text(self)

    def __rich__(self) -> RenderableType:
        from luneta.terminal import comparison_table

        return comparison_table(self)


def compare(evaluations: Sequence[Evaluation], *, seed: int = 0) -> Comparison:
    """Compare two or more results of the same protocol.

    Args:
        evaluations: what `evaluate` returns or `load_evaluation` reads.
        seed: of bootstrap and randomisation.

    Raises:
        ConfigError: fewer than two.
        ProtocolMismatchError: they were not measured under the same protocol; says what differs, and what would make
            them comparable.
    """
    if len(evaluations) < 2:
        raise ConfigError(f"{len(evaluations)} result to compare; expected at least two")
    check_protocols(evaluations)
    per_query = [{d: {m: METRICS[m](e.rankings[d]) for m in COMPARED} for d in DIRECTIONS} for e in evaluations]
    differences: list[Difference] = []
    for direction in DIRECTIONS:
        cluster = evaluations[0].clusters[direction]
        for metric in COMPARED:
            values = [found[direction][metric] for found in per_query]
            differences += _differences(direction, metric, values, cluster, seed)
    pairs = list(itertools.combinations(range(len(evaluations)), 2))
    sliced = {d: compared_slices(evaluations, d, [p[d][SLICED] for p in per_query], seed) for d in DIRECTIONS}
    return Comparison(
        evaluations=list(evaluations),
        differences=differences,
        slices=[part for large, _ in sliced.values() for part in large],
        too_small=[rest for _, small in sliced.values() for rest in small],
        contrasts={pair: _contrasts(evaluations[pair[0]], evaluations[pair[1]]) for pair in pairs},
    )


def difference_of_means(
    first: Sequence[Evaluation],
    second: Sequence[Evaluation],
    *,
    direction: Direction = "text_to_image",
    metric: str = "recall@1",
    seed: int = 0,
) -> Difference:
    """How far the mean of some encoders is ahead of that of others, query by query; of one and one as in `compare`.

    Args:
        first, second: results of the same protocol, at least one each.
        direction, metric: what is compared.
        seed: of bootstrap and randomisation.

    Raises:
        ProtocolMismatchError: they were not measured under the same protocol.
    """
    check_protocols([*first, *second])
    sides = [np.mean([METRICS[metric](e.rankings[direction]) for e in side], axis=0) for side in (first, second)]
    return _differences(direction, metric, sides, first[0].clusters[direction], seed)[0]


def surely_ahead(
    evaluations: Sequence[Evaluation], direction: Direction, metric: str = "recall@1", *, seed: int = 0
) -> int | None:
    """Which of several results of one protocol is ahead of each of the others, as `compare` judges it; None if none."""
    values = [METRICS[metric](e.rankings[direction]) for e in evaluations]
    found = _differences(direction, metric, values, evaluations[0].clusters[direction], seed)
    leaders = [(d.first if d.value > 0 else d.second) for d in found if d.is_significant]
    return next((i for i in range(len(evaluations)) if leaders.count(i) == len(evaluations) - 1), None)


def check_protocols(evaluations: Sequence[Evaluation], files: Sequence[str | os.PathLike[str]] = ()) -> None:
    """Raises ProtocolMismatchError with everything that differs, when not all protocols are the same.

    Args:
        evaluations: at least one.
        files: where each was read from, to tell them apart by.
    """
    hashes = [e.protocol["hash"] for e in evaluations]
    if len(set(hashes)) == 1:
        return
    names = distinct_names(evaluations)
    if files:
        names = [f"{os.fspath(file)} ({e.encoder['name']})" for file, e in zip(files, evaluations, strict=True)]
    ruled = sorted({key for e in evaluations for key in e.protocol} - {"hash", "bootstrap_seed", "interval", "links"})
    recorded = ("name", "split", "language", "revision")
    lines, differing = [], []
    for key, values in [
        *((f"dataset {key}", [e.dataset.get(key) for e in evaluations]) for key in recorded),
        *((key, [e.protocol.get(key) for e in evaluations]) for key in ruled),
    ]:
        if any(value != values[0] for value in values):
            differing.append(key)
            shown = "; ".join(f"{name}: {_short(value)}" for name, value in zip(names, values, strict=True))
            lines.append(f"  {key}: {shown}")
    raise ProtocolMismatchError(
        "these results must not be compared, for they were not measured on the same task:\n"
        + "\n".join(lines)
        + "\n"
        + "\n".join(_ways_out(differing, evaluations, names))
    )


def _ways_out(differing: Sequence[str], evaluations: Sequence[Evaluation], names: Sequence[str]) -> Iterator[str]:
    for key in differing:
        if key in _REMEDIES:
            yield f"To compare: {_REMEDIES[key]}."
    if "dataset_fingerprint" not in differing:
        return
    yield "To compare: evaluate all on the same data (the same split, --limit, --seed and --language)."
    metric = "recall@1|1000"
    if "n_images" in differing and all(metric in e.metrics["text_to_image"] for e in evaluations):
        shown = ", ".join(
            f"{name} {_with_interval(e.metrics['text_to_image'][metric])}"
            for name, e in zip(names, evaluations, strict=True)
        )
        yield (
            f"If they are samples of one data set, {metric} allows for the sizes of the galleries (text to image: "
            f"{shown}); without shared queries there is no paired test."
        )


def _with_interval(metric: Any) -> str:
    return f"{metric.value:.3f}" + ("" if metric.low is None else f" [{metric.low:.3f}, {metric.high:.3f}]")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else text[:12] + "..."


def distinct_names(evaluations: Sequence[Evaluation]) -> list[str]:
    """The encoders' names; where two are equal, with what sets them apart, or a number."""
    names = [str(e.encoder["name"]) for e in evaluations]
    for detail in ("dtype", "revision"):
        told = {
            name: len({e.encoder.get(detail) for n, e in zip(names, evaluations, strict=True) if n == name}) > 1
            for name in names
        }
        names = [
            f"{name} ({e.encoder.get(detail)})" if told[name] else name
            for name, e in zip(names, evaluations, strict=True)
        ]
    seen: dict[str, int] = {}
    numbered = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(name if names.count(name) == 1 else f"{name} #{seen[name]}")
    return numbered


def _differences(
    direction: Direction, metric: str, values: Sequence[NDArray[np.float64]], cluster: NDArray[np.int64], seed: int
) -> list[Difference]:
    """Every pair of encoders on one metric."""
    pairs = list(itertools.combinations(range(len(values)), 2))
    gaps = {f"{a}-{b}": values[a] - values[b] for a, b in pairs}
    intervals = bootstrap(gaps, cluster, bounded=False, seed=seed)
    p_values = [randomisation_test(gap, cluster, seed=seed) for gap in gaps.values()]
    return [
        Difference(
            direction, metric, a, b, interval.value, interval.low, interval.high, p, float(adjusted),
            n_wins=int((gap > 0).sum()), n_losses=int((gap < 0).sum()),
        )
        for (a, b), gap, interval, p, adjusted in zip(
            pairs, gaps.values(), intervals.values(), p_values, holm(p_values), strict=True
        )
    ]  # fmt: skip


def _turned(found: Difference) -> Difference:
    return Difference(
        found.direction, found.metric, found.second, found.first, -found.value,
        None if found.high is None else -found.high, None if found.low is None else -found.low,
        found.p, found.p_holm, n_wins=found.n_losses, n_losses=found.n_wins,
    )  # fmt: skip


def _contrasts(first: Evaluation, second: Evaluation) -> list[Contrast]:
    """Queries that the first finds early and the second late, most so first; then the other way round."""
    found: list[Contrast] = []
    for direction in DIRECTIONS:
        a, b = first.rankings[direction], second.rankings[direction]
        gap = reciprocal_rank(a) - reciprocal_rank(b)
        ranks = best_rank(a), best_rank(b)
        order = np.lexsort((ranks[0] - ranks[1], -gap))
        chosen = [*(q for q in order[:N_EXAMPLES] if gap[q] > 0), *(q for q in order[::-1][:N_EXAMPLES] if gap[q] < 0)]
        found += [
            Contrast(direction, int(q), first.query_names[direction][q], float(ranks[0][q]), float(ranks[1][q]))
            for q in chosen
        ]
    return found


def check_metric(metric: str) -> str:
    """Raises ConfigError for a metric that is not compared."""
    if metric not in COMPARED:
        raise ConfigError(f"unknown metric {metric!r}. {did_you_mean(metric, COMPARED)}")
    return metric
