"""How much a re-ranker is to be believed: alpha, k and how far to look, chosen where the right answers are known.

"Not at all" is among the choices, and anything else is taken only if its gain over the encoder alone is sure there: the
lower end of the paired 95 % interval is above 0. So a re-ranker that is no use changes nothing.

The best of many trials looks better than it is, even where all are noise. So the gain must also be sure where nothing
was chosen: the texts are halved, each half is fused as is best for the other one, and the gain over both is what counts
(cross-fitting; Stone, "Cross-validatory choice and assessment of statistical predictions", 1974).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ConfigError, did_you_mean
from luneta.metrics import METRICS
from luneta.rerank.early_exit import EarlyExit, early_exits
from luneta.rerank.fusion import Floats, Fusion, line
from luneta.rerank.search import Found
from luneta.stats import Interval, bootstrap

ALPHAS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Weights that are tried, beside 0."""

KS = (10, 20, 50, 100)
"""Depths that are tried, as far as there are candidates."""

CHOSEN_BY = "mrr"
"""What is to gain: it moves whenever the right picture moves, so that fewer texts decide than recall@1 needs."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to fuse, as measured: the metric, and its gain over the encoder alone, paired by text."""

    fusion: Fusion
    value: float
    gain: Interval

    @property
    def is_sure(self) -> bool:
        """The whole interval of the gain is above 0."""
        return self.gain.is_above_0


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and among what.

    Attributes:
        fusion: the best that is sure, or the encoder alone.
        value: the metric with it.
        gain: over the encoder alone, on texts that had no part in choosing alpha and k; of looking at all k.
        trials: all that was tried of them; the encoder alone first.
        metric: what they were measured by.
        early_exits: how far it was tried to look, the widest first; the nearest that is safe is used.
    """

    fusion: Fusion
    value: float
    gain: Interval
    trials: Sequence[Trial]
    metric: str
    early_exits: Sequence[EarlyExit] = ()

    @property
    def baseline(self) -> float:
        """The metric of the encoder alone."""
        return self.trials[0].value

    @property
    def best(self) -> Trial:
        """The trial of the highest value, sure or not; the first of equals."""
        return max(self.trials, key=lambda trial: trial.value)


def choose(found: Found, new: Floats, *, own_scale: bool = False, metric: str = CHOSEN_BY, seed: int = 0) -> Choice:
    """The best alpha and k, and the fewest looks that seem to lose nothing; or none.

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
    sure = [trial for trial in trials if trial.is_sure] if fair.is_above_0 else []
    best = max(sure, key=lambda trial: trial.value) if sure else trials[0]
    tried = early_exits(found, new, best.fusion, metric, gains["fair"], seed)
    fusion, value = best.fusion, best.value
    if safe := [early_exit for early_exit in tried if early_exit.is_safe]:
        fusion, value = replace(fusion, within=safe[-1].within), value + safe[-1].change.value
    return Choice(fusion, value, fair, trials, metric, tried)


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
