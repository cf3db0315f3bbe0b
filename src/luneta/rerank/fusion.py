"""How much a re-ranker is believed: s = s_base + alpha (s_new - s_base) on the first k candidates, or not at all.

Below the first k the encoder's order stays, and so it does below a score that is too far from the first one's. Which
alpha, k and distance are used is chosen in `luneta.rerank.choosing`.

Scores of another kind than cosines are first brought to the encoder's mean and spread, by one line for all texts: their
order is the same, and alpha means the same whatever gave them. No right answer is needed for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import Indexes
from luneta.errors import ConfigError
from luneta.ranking import Ranking, reranked
from luneta.rerank.search import Found

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Fusion:
    """How much new scores count.

    Attributes:
        alpha: 0 is the encoder alone, 1 the new score alone.
        k: candidates that are put into another order.
        slope, shift: new scores are taken as slope x score + shift.
        within: of those k only candidates whose score is at most so far below the first one's, as the encoder's scores
            are; None is all of them. A text whose first one leads by more is left as it is.
    """

    alpha: float
    k: int
    slope: float = 1.0
    shift: float = 0.0
    within: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"alpha is {self.alpha}, expected 0 (the encoder alone) to 1 (the new score alone)")
        if self.k < 1:
            raise ConfigError(f"k is {self.k}, expected how many candidates are put into another order: at least 1")
        if not (0 < self.slope < np.inf and np.isfinite(self.shift)):
            raise ConfigError(f"slope {self.slope} and shift {self.shift}, expected a slope above 0 and a number")
        if self.within is not None and not 0 <= self.within < np.inf:
            raise ConfigError(f"within is {self.within}, expected how far below the first score: 0 or more")

    @property
    def changes(self) -> bool:
        """Whether anything is put into another order."""
        return self.alpha > 0

    def at(self, k: int) -> Fusion:
        """The same at a depth. How far it looks was found at its own: at another one it looks at all."""
        return self if k == self.k else replace(self, k=k, within=None)

    def looked_at(self, candidates: Indexes, scores: Floats) -> Indexes:
        """The candidates that are scored anew: the first of each text, and -1 behind them.

        Args:
            candidates: (n, at least 1) of each text, best first; -1 behind them where there are fewer.
            scores: (n, as many) the encoder's.

        Returns:
            (n, at most k); of a text that is left as it is there is none.

        >>> Fusion(0.5, k=3, within=0.1).looked_at(
        ...     np.array([[7, 8, 9, 6], [5, 4, 3, 2]]), np.array([[0.9, 0.85, 0.7, 0.6], [0.9, 0.7, 0.6, 0.5]])
        ... )
        array([[ 7,  8, -1],
               [-1, -1, -1]])
        """
        first = candidates[:, : self.k]
        if self.within is None:
            return first
        with np.errstate(invalid="ignore"):  # where there is no candidate: infinity less infinity
            near = scores[:, :1] - scores[:, : self.k] <= self.within
        return np.where(near & (near.sum(axis=1, keepdims=True) > 1), first, -1)

    def fuse(self, base: Floats, new: Floats) -> Floats:
        """(n, k) scores of both -> those that decide; where there is no new one (NaN), the old one does."""
        gained = np.where(np.isnan(new), 0, self.slope * new.astype(np.float64) + self.shift - base)
        return np.asarray(base + self.alpha * gained, dtype=np.float32)

    def ranking(self, found: Found, new: Floats) -> Ranking:
        """The ranking after what is looked at was put into another order.

        Args:
            found: what the encoder alone finds.
            new: (n_texts, at least k) new scores of its candidates; of those that are not looked at any.
        """
        if not self.changes:
            return found.ranking
        first = slice(None), slice(self.k)
        candidates = self.looked_at(found.candidates, found.scores)
        return reranked(found.ranking, candidates, self.fuse(found.scores[first], new[first]))


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
