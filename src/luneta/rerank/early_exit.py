"""Which looks can be spared: candidates whose score is far below the first one's, texts whose first one leads by far.

How far is learnt where the right answers are known: distances are tried from the widest to the nearest, and the first
one that does not seem safe ends it. So a luckier nearer one is never reached, and many tries are no excuse
(testing in a fixed sequence: Maurer, Hothorn and Lehmacher, 1995). Cambazoglu et al., "Early exit optimizations for
additive machine learned ranking systems" (2010), call this distance a proximity threshold, and k a rank threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from luneta.metrics import METRICS
from luneta.ranking import TIE_TOLERANCE
from luneta.rerank.fusion import Floats, Fusion
from luneta.rerank.search import Found
from luneta.stats import Interval, bootstrap

SHARES = (0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
"""Of all looks, that are tried to be enough."""

LOSS = 0.001
"""Of the metric: the lower end of what changes may not be below it."""

LOSING = 0.05
"""Of all texts: so many at most may lose anything, seen or not (of few texts, more than that may be unseen)."""


@dataclass(frozen=True, slots=True)
class EarlyExit:
    """One distance, as measured.

    Attributes:
        within: how far below the first score candidates are still looked at.
        looks: of a text, on average.
        left: share of texts that are left as they are.
        change: of the metric, from looking at all k; paired by text. No limits: it is the same for every text.
        losing: share of texts that lose by it; of what no text shows, the upper limit says how often it may be.
        gain: over the encoder alone that is left, on texts that had no part in choosing alpha and k.
    """

    within: float
    looks: float
    left: float
    change: Interval
    losing: Interval
    gain: Interval

    @property
    def is_safe(self) -> bool:
        """It costs at most `LOSS` and hits at most `LOSING`, by the worse limits; what is left of the gain is sure."""
        worst = self.change.value if self.change.low is None else self.change.low
        hit = 1.0 if self.losing.high is None else self.losing.high
        return worst >= -LOSS and hit <= LOSING and self.gain.is_above_0


def early_exits(
    found: Found, new: Floats, fusion: Fusion, metric: str, fair: NDArray[np.float64], seed: int
) -> list[EarlyExit]:
    """What was tried, the widest first; all but the last are safe, and that one may be.

    Args:
        found: what the encoder alone finds, on data that was not learnt from.
        new: (n_texts, k) new scores of its candidates.
        fusion: how they are used, of all k.
        metric: a name of `luneta.metrics.METRICS`.
        fair: (n_texts,) its gain over the encoder alone, as alpha and k chosen elsewhere give it.
        seed: of the bootstrap.
    """
    tried: list[EarlyExit] = []
    if not fusion.changes:
        return tried
    whole = METRICS[metric](fusion.ranking(found, new))
    for within in _distances(found, fusion.k):
        nearer = replace(fusion, within=within)
        looked_at = nearer.looked_at(found.candidates, found.scores) >= 0
        change = METRICS[metric](nearer.ranking(found, new)) - whole
        intervals = bootstrap({"change": change, "gain": fair + change}, found.clusters, bounded=False, seed=seed)
        looks, left = float(looked_at.sum(axis=1).mean()), float((~looked_at.any(axis=1)).mean())
        tried.append(EarlyExit(within, looks, left, losing=_losing(change, found.clusters, seed), **intervals))
        if not tried[-1].is_safe:
            break
    return tried


def _losing(change: NDArray[np.float64], clusters: NDArray[np.int64], seed: int) -> Interval:
    """Share of (n_texts,) changes that are losses; never surer of few than it would be of none."""
    losing, none = (bootstrap(lost, clusters, seed=seed) for lost in (change < -TIE_TOLERANCE, np.zeros(len(change))))
    return replace(losing, high=max(share for share in (losing.value, losing.high, none.high) if share is not None))


def _distances(found: Found, k: int) -> Sequence[float]:
    """How far below the first score so many of the candidates are; descending."""
    there = found.candidates[:, 1:k] >= 0
    if not there.any():
        return []
    behind = (found.scores[:, :1] - found.scores[:, 1:k])[there]
    return sorted({float(f"{np.quantile(behind, share):.3g}") for share in SHARES}, reverse=True)
