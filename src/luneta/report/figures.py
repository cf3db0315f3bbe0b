"""The numbers behind the drawings of an evaluation, and the drawings with their text alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.metrics import best_block, chance, recall_at
from luneta.ranking import Ranking
from luneta.report.document import Page
from luneta.report.plots import DASHES, N_SERIES, Curve, rank_histogram, recall_curve, similarity_histogram
from luneta.results import Evaluation
from luneta.stats import bootstrap
from luneta.types import Direction

LAST_K = 50
N_RESAMPLES = 400
"""A band a few pixels wide needs no more; the intervals in tables are the evaluation's own."""


def legend(names: Sequence[str]) -> list[dict[str, Any]]:
    """Name, colour and dash pattern of each encoder, as the drawings use them."""
    return [
        {"name": name, "series": series(index), "dashes": " ".join(f"{2 * d:g}" for d in DASHES[index % N_SERIES])}
        for index, name in enumerate(names)
    ]


def series(index: int) -> int:
    """The 1-based number of an encoder's colour."""
    return index % N_SERIES + 1


def recall_figure(evaluations: Sequence[Evaluation], names: Sequence[str], direction: Direction, page: Page) -> Any:
    """Recall@k for k of 1..50 (or the whole gallery, if smaller), all encoders, with bands and chance."""
    last = min(LAST_K, evaluations[0].rankings[direction].gallery_size)
    ks = list(range(1, last + 1))
    curves = [_recall_with_band(evaluation, direction, ks) for evaluation in evaluations]
    guess = mean_recall(chance(evaluations[0].rankings[direction]), ks)
    told = [k for k in (1, 5, 10, 50) if k <= last]
    lines = [(name, curve.y) for name, curve in zip(names, curves, strict=True)] + [(page.t("chance"), guess)]
    alt = "; ".join(
        page.t(
            "curve_alt",
            name=name,
            values=", ".join(page.t("at_k", value=page.percent(values[k - 1]), k=k) for k in told),
        )
        for name, values in lines
    )
    top = max(max(curve.high) for curve in curves)
    return recall_curve(
        curves,
        Curve(ks, guess, guess, guess),
        percent=_axis_percent(page, top),
        x_label=page.t("k_axis"),
        alt=f"{page.t(direction)}. {alt}",
    )


def _recall_with_band(evaluation: Evaluation, direction: Direction, ks: Sequence[int]) -> Curve:
    distinct, which = _distinct_queries(evaluation.rankings[direction])
    per_query = {str(k): recall_at(distinct, k)[which] for k in ks}
    bands = bootstrap(per_query, evaluation.clusters[direction], n_resamples=N_RESAMPLES)
    found = [bands[str(k)] for k in ks]
    ends = [(b.value if b.low is None else b.low, b.value if b.high is None else b.high) for b in found]
    return Curve(ks, [b.value for b in found], [low for low, _ in ends], [high for _, high in ends])


def mean_recall(ranking: Ranking, ks: Sequence[int]) -> list[float]:
    """Recall at each of many k, without intervals."""
    distinct, which = _distinct_queries(ranking)
    weights = np.bincount(which) / len(which)
    return [float(weights @ recall_at(distinct, k)) for k in ks]


def _distinct_queries(ranking: Ranking) -> tuple[Ranking, NDArray[np.int64]]:
    """A ranking with one query of each kind there is, and which of them every query is like.

    Recall depends only on a query's best tie block: how many items are above it, how many in it, how many of these
    are relevant. Thousands of queries share a few hundred of those, and a drawing asks for recall at many k.
    """
    better, tied, relevant = best_block(ranking)
    side = ranking.gallery_size + 1
    _, block = np.unique(better * side + tied, return_inverse=True)
    _, first, which = np.unique(block * side + relevant, return_index=True, return_inverse=True)
    n = relevant[first]
    return replace(
        ranking,
        offsets=np.append(0, np.cumsum(n)),
        positives=np.zeros(n.sum(), dtype=np.int64),
        n_better=np.repeat(better[first], n),
        n_tied=np.repeat(tied[first], n),
        scores=np.zeros(n.sum(), dtype=np.float32),
        top_item=np.zeros(len(first), dtype=np.int64),
        top_score=np.zeros(len(first), dtype=np.float32),
    ), which


def rank_bins(gallery_size: int) -> list[tuple[int, int]]:
    """Ranges of ranks (first, last) that widen as 1, 2, 5, 10, 20, 50 ...

    >>> rank_bins(12)
    [(1, 1), (2, 2), (3, 5), (6, 10), (11, 12)]
    >>> rank_bins(1)
    [(1, 1)]
    """
    ends = [digit * 10**power for power in range(len(str(gallery_size))) for digit in (1, 2, 5)]
    last = [end for end in ends if end < gallery_size] + [gallery_size]
    first = [1] + [end + 1 for end in last[:-1]]
    return list(zip(first, last, strict=True))


def rank_shares(ranking: Ranking) -> list[float]:
    """Share of queries whose first right answer stands in each of `rank_bins`; ties count in all ranks they share."""
    up_to = mean_recall(ranking, [last for _, last in rank_bins(ranking.gallery_size)])
    return [max(0.0, high - low) for low, high in zip([0.0, *up_to], up_to, strict=False)]


def rank_figure(evaluations: Sequence[Evaluation], names: Sequence[str], direction: Direction, page: Page) -> Any:
    """Where the first right answer stands, all encoders, against chance."""
    rankings = [evaluation.rankings[direction] for evaluation in evaluations]
    bins = [
        page.number(first, 0) if first == last else f"{page.number(first, 0)}–{page.number(last, 0)}"
        for first, last in rank_bins(rankings[0].gallery_size)
    ]
    shares = [rank_shares(ranking) for ranking in rankings]
    guess = rank_shares(chance(rankings[0]))
    ends = [_short(last) for _, last in rank_bins(rankings[0].gallery_size)]
    alt = "; ".join(
        f"{name}: "
        + ", ".join(
            page.t("rank_alt", value=page.percent(value), ranks=ranks) for ranks, value in zip(bins, row, strict=True)
        )
        for name, row in [*zip(names, shares, strict=True), (page.t("chance"), guess)]
    )
    return rank_histogram(
        ends,
        shares,
        guess,
        percent=_axis_percent(page, max([*guess, *(value for row in shares for value in row)])),
        x_label=page.t("rank_axis"),
        alt=f"{page.t(direction)}. {alt}",
    )


def _short(rank: int) -> str:
    """A rank for an axis.

    >>> _short(500), _short(2000), _short(25010), _short(1234)
    ('500', '2k', '25k', '1.2k')
    """
    if rank < 1000:
        return str(rank)
    return f"{rank / 1000:.2g}k" if rank < 100_000 else f"{rank / 1000:.0f}k"


def similarity_figure(evaluation: Evaluation, name: str, index: int, page: Page) -> dict[str, Any] | None:
    """Similarities of right and of other pairs; the pairs, and so the drawing, are the same in both directions."""
    if evaluation.exhibits is None:
        return None
    shown, metrics = evaluation.exhibits["text_to_image"], evaluation.metrics["text_to_image"]
    negative = metrics.get("mean_negative_similarity")
    means = {
        "positive": page.number(metrics["mean_positive_similarity"].value),
        "negative": page.number(negative.value if negative else None),
    }
    plot = similarity_histogram(
        shown.bin_edges,
        shown.positive,
        shown.negative,
        series=index,
        number=lambda value: page.number(value, 2),
        x_label=page.t("similarity_axis"),
        alt=f"{name}. {page.t('similarity_alt', **means)}",
    )
    return {"name": name, "series": series(index), "plot": plot, **means}


def _axis_percent(page: Page, highest: float) -> Any:
    """Percentages for an axis, with as many digits as its height needs."""
    digits = 0 if highest > 0.05 else 1 if highest > 0.005 else 2
    return lambda value: f"{page.number(100 * value, digits)} %"
