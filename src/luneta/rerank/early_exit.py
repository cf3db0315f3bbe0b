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
from luneta.rerank.fusion import Floats, Fusion
from luneta.rerank.search import Found
from luneta.stats import Interval, bootstrap, share_at_most

SHARES = (0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
"""Of all looks, that are tried to be enough."""

LOSS = 0.001
"""Of the metric: the lower end of the interval of what changes may not be below it."""

LOSING = 0.02
"""Of all texts: no more than that may lose anything, by the limit of what was seen. Few pictures cannot show that."""


@dataclass(frozen=True, slots=True)
class EarlyExit:
    """One distance, as measured.

    Attributes:
        within: how far below the first score candidates are still looked at.
        looks: of a text, on average.
        left: share of texts that are left as they are.
        change: of the metric, from looking at all k; paired by text. No limits: it is the same for every text.
        losing: share of texts that lose by it.
        losing_at_most: its upper limit, which is above 0 even where no text loses.
        gain: what is left of the gain over the encoder alone, on texts that had no part in choosing alpha and k.
    """

    within: float
    looks: float
    left: float
    change: Interval
    losing: float
    losing_at_most: float
    gain: Interval

    @property
    def is_safe(self) -> bool:
        """By the worse limits it costs at most `LOSS`, in at most `LOSING` of the texts, and the gain stays sure."""
        worst = self.change.value if self.change.low is None else self.change.low
        return worst >= -LOSS and self.losing_at_most <= LOSING and self.gain.is_above_0


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
        tried.append(EarlyExit(within, looks, left, intervals["change"], *_losing(change, found.clusters),
                               intervals["gain"]))  # fmt: skip
        if not tried[-1].is_safe:
            break
    return tried


def _losing(change: NDArray[np.float64], clusters: NDArray[np.int64]) -> tuple[float, float]:
    """The share of (n_texts,) changes that are losses, and how large it may be.

    Texts of one cluster lose together: what has a limit is how many clusters do, each with as many of its texts as in
    those that were seen, and no fewer than if none had been.
    """
    lost, (_, member) = change < 0, np.unique(clusters, return_inverse=True)
    hit = np.bincount(member, weights=lost) > 0
    n, inside = len(hit), lost[hit[member]].mean() if hit.any() else 1.0
    return float(lost.mean()), max(share_at_most(int(hit.sum()), n) * float(inside), share_at_most(0, n))


def _distances(found: Found, k: int) -> Sequence[float]:
    """How far below the first score so many of the candidates are; descending."""
    there = found.candidates[:, 1:k] >= 0
    if not there.any():
        return []
    first = np.broadcast_to(found.scores[:, :1], there.shape)
    behind = first[there] - found.scores[:, 1:k][there]
    return sorted({float(f"{np.quantile(behind, share):.3g}") for share in SHARES}, reverse=True)
