"""How much a re-ranker is believed: s = s_base + alpha (s_new - s_base) on the first k candidates, or not at all.

alpha and k are chosen where the right answers are known, with "not at all" among the choices, and anything else is
taken only if its gain over the encoder alone is sure there: the lower end of the paired 95 % interval is above 0. Below
the first k the encoder's order stays. So a re-ranker that is no use changes nothing.

The best of many trials looks better than it is, even where all are noise. So the gain must also be sure where nothing
was chosen: the texts are halved, each half is fused as is best for the other one, and the gain over both is what counts
(cross-fitting; Stone, "Cross-validatory choice and assessment of statistical predictions", 1974).

Scores of another kind than cosines are first brought to the encoder's mean and spread, by one line for all texts: their
order is the same, and alpha means the same whatever gave them. No right answer is needed for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ConfigError, did_you_mean
from luneta.metrics import METRICS
from luneta.ranking import Ranking, reranked
from luneta.rerank.search import Found
from luneta.stats import Interval, bootstrap

ALPHAS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Weights that are tried, beside 0."""

KS = (10, 20, 50, 100)
"""Depths that are tried, as far as there are candidates."""

CHOSEN_BY = "mrr"
"""What is to gain: it moves whenever the right picture moves, so that fewer texts decide than recall@1 needs."""

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Fusion:
    """How much new scores count.

    Attributes:
        alpha: 0 is the encoder alone, 1 the new score alone.
        k: candidates that are put into another order.
        slope, shift: new scores are taken as slope x score + shift.
    """

    alpha: float
    k: int
    slope: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"alpha is {self.alpha}, expected 0 (the encoder alone) to 1 (the new score alone)")
        if self.k < 1:
            raise ConfigError(f"k is {self.k}, expected how many candidates are put into another order: at least 1")
        if not (0 < self.slope < np.inf and np.isfinite(self.shift)):
            raise ConfigError(f"slope {self.slope} and shift {self.shift}, expected a slope above 0 and a number")

    @property
    def changes(self) -> bool:
        """Whether anything is put into another order."""
        return self.alpha > 0

    def fuse(self, base: Floats, new: Floats) -> Floats:
        """(n, k) scores of both -> those that decide; where there is no new one (NaN), the old one does."""
        gained = np.where(np.isnan(new), 0, self.slope * new.astype(np.float64) + self.shift - base)
        return np.asarray(base + self.alpha * gained, dtype=np.float32)

    def ranking(self, found: Found, new: Floats) -> Ranking:
        """The ranking after the first k candidates were put into another order.

        Args:
            found: what the encoder alone finds.
            new: (n_texts, at least k) new scores of its candidates.
        """
        if not self.changes:
            return found.ranking
        first = slice(None), slice(self.k)
        return reranked(found.ranking, found.candidates[first], self.fuse(found.scores[first], new[first]))


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to fuse, as measured: the metric, and its gain over the encoder alone, paired by text."""

    fusion: Fusion
    value: float
    gain: Interval

    @property
    def is_sure(self) -> bool:
        """The whole interval of the gain is above 0."""
        return self.gain.low is not None and self.gain.low > 0


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and among what.

    Attributes:
        fusion: the best that is sure, or the encoder alone.
        value: the metric with it.
        gain: over the encoder alone, on texts that had no part in choosing alpha and k.
        trials: all that was tried; the encoder alone first.
        metric: what they were measured by.
    """

    fusion: Fusion
    value: float
    gain: Interval
    trials: Sequence[Trial]
    metric: str

    @property
    def baseline(self) -> float:
        """The metric of the encoder alone."""
        return self.trials[0].value

    @property
    def best(self) -> Trial:
        """The trial of the highest value, sure or not; the first of equals."""
        return max(self.trials, key=lambda trial: trial.value)


def line(base: Floats, new: Floats) -> tuple[float, float]:
    """Slope and shift that give new scores the mean of the old ones, and their spread among the candidates of a text.

    Args:
        base: (n_texts, k) the encoder's scores.
        new: (n_texts, k) new ones; NaN where there is none.

    >>> slope, shift = line(np.array([[0.4, 0.2]]), np.array([[9.0, 5.0]]))
    >>> round(slope, 9), round(shift, 9)
    (0.05, -0.05)
    """
    there = ~np.isnan(new)
    olds, news = (np.where(there, scores, np.nan).astype(np.float64) for scores in (base, new))
    if not there.any():
        return 1.0, 0.0
    spreads = spread(olds), spread(news)
    slope = spreads[0] / spreads[1] if min(spreads) > 0 else 1.0
    shift = float(np.nanmean(olds) - slope * np.nanmean(news))
    return slope, shift


def spread(scores: Floats) -> float:
    """Standard deviation of (n_texts, k) scores among the candidates of a text; NaN is none.

    >>> round(spread(np.array([[1.0, 3.0], [5.0, 7.0], [np.nan, np.nan]])), 6)
    1.0
    """
    known = ~np.isnan(scores).all(axis=1)
    return float(np.sqrt(np.nanvar(scores[known].astype(np.float64), axis=1).mean())) if known.any() else 0.0


def choose(found: Found, new: Floats, *, own_scale: bool = False, metric: str = CHOSEN_BY, seed: int = 0) -> Choice:
    """The best alpha and k, or none.

    Args:
        found: what the encoder alone finds, on data that was not learnt from.
        new: (n_texts, k) new scores of its candidates.
        own_scale: they are of another kind than the encoder's, and are brought to its mean and spread.
        metric: a name of `luneta.metrics.METRICS` that is better when it is higher.
        seed: of the halves and of the bootstrap.

    Raises:
        ConfigError: an unknown metric.
    """
    if metric not in METRICS or metric in ("best_rank", "positive_similarity"):
        raise ConfigError(f"unknown metric {metric!r}. {did_you_mean(metric, METRICS)}")
    depths = [k for k in KS if k < found.k] + [found.k]
    scale = line(found.scores, new) if own_scale else (1.0, 0.0)
    fusions = [Fusion(0.0, found.k, *scale), *(Fusion(alpha, k, *scale) for k in depths for alpha in ALPHAS)]
    values = np.stack([METRICS[metric](fusion.ranking(found, new)) for fusion in fusions])
    gains = {str(number): value - values[0] for number, value in enumerate(values)}
    gains["fair"] = _fair_gains(values, found.clusters, seed)
    intervals = bootstrap(gains, found.clusters, bounded=False, seed=seed)
    fair = intervals.pop("fair")
    trials = [
        Trial(fusion, float(value.mean()), gain)
        for fusion, value, gain in zip(fusions, values, intervals.values(), strict=True)
    ]
    sure = [trial for trial in trials if trial.is_sure] if fair.low is not None and fair.low > 0 else []
    best = max(sure, key=lambda trial: trial.value) if sure else trials[0]
    return Choice(best.fusion, best.value, fair, trials, metric)


def _fair_gains(values: NDArray[np.float64], clusters: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """(n_texts,) gain of each text by the trial that is best for the other half of the clusters.

    Args:
        values: (n_trials, n_texts) of the metric; the encoder alone first.
        clusters: (n_texts,) texts of one cluster are in one half.
        seed: of the halves.
    """
    half = (np.random.default_rng(seed).permutation(int(clusters.max()) + 1) % 2)[clusters].astype(bool)
    gains = np.zeros(values.shape[1])
    for own in (half, ~half):
        if own.any() and not own.all():
            best = values[:, ~own].mean(axis=1).argmax()
            gains[own] = (values[best] - values[0])[own]
    return gains
