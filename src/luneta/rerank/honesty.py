"""Does a re-ranker do what it says? Three questions that it must answer before it may be used.

1. Is the order better than the encoder's own? (`beats_baseline`)
2. Do the new scores alone order the candidates better than chance? They do not where a picture's vector has left the
   space of the texts, as when a pooling head is skipped. (`beats_shuffle`)
3. Is the gain due to the text? Pictures are looked at in the light of another query's text and scored with their own
   (by a cross-encoder, for which the two are one, with that other text): what gains as much then has learnt something
   about pictures, or leaks the text into whatever it looks at. (`needs_its_query`)

All three are differences paired by text, and the whole 95 % interval must be above 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from luneta.metrics import METRICS
from luneta.ranking import reranked
from luneta.rerank.choosing import CHOSEN_BY
from luneta.rerank.fusion import Floats, Fusion
from luneta.rerank.messages import RERANK
from luneta.rerank.search import Found, Queries
from luneta.stats import bootstrap
from luneta.wording import translator_of, written

QUESTIONS = ("beats_baseline", "beats_shuffle", "needs_its_query")


class Rescorer(Protocol):
    """Whatever scores candidates anew by looking at a text and a picture together."""

    @property
    def kind(self) -> str:
        """What results and folders call it."""
        ...

    @property
    def own_scale(self) -> bool:
        """New scores are of another kind than the encoder's cosines."""
        ...

    def pictures(self, images: Sequence[Any]) -> Any:
        """A data set's pictures, as `rescore` takes them."""
        ...

    def rescore(
        self, queries: Queries, pictures: Any, candidates: NDArray[np.int64], *, guides: Queries | None = None
    ) -> Floats:
        """(n, k) new scores of candidates; NaN for a picture that cannot be read, and where there is no candidate.

        Args:
            queries: n texts.
            pictures: what `pictures` gave.
            candidates: (n, k) indexes; -1 where there is none.
            guides: n texts in whose light the pictures are looked at instead of each query's own.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the questions: how large the difference is, its 95 % interval, and whether that is enough."""

    question: str
    value: float
    low: float | None
    high: float | None

    @property
    def passed(self) -> bool:
        return self.low is not None and self.low > 0

    def __str__(self) -> str:
        return self.said("en")

    def said(self, locale: str) -> str:
        """In a language, in one line."""
        t = translator_of(locale, RERANK)
        value, low, high = (
            None if x is None else written(f"{x:+.3f}", locale) for x in (self.value, self.low, self.high)
        )
        known = low is not None and high is not None
        limits = t("rerank_from_to", low=low, high=high) if known else t("rerank_no_interval")
        return f"{t(f'rerank_{self.question}')} {value} ({limits}): {t('rerank_yes' if self.passed else 'rerank_no')}"


@dataclass(frozen=True, slots=True)
class Answers:
    """Several, in one line."""

    answers: Sequence[Answer]

    def __str__(self) -> str:
        return self.said("en")

    def said(self, locale: str) -> str:
        return "; ".join(answer.said(locale) for answer in self.answers)


def question(
    rescorer: Rescorer, pictures: Any, found: Found, new: Floats, fusion: Fusion, *, seed: int = 0
) -> list[Answer]:
    """The answers of a re-ranker, by mean reciprocal rank.

    Args:
        rescorer: gave the new scores.
        pictures: that are searched in, as it takes them.
        found: what the encoder alone finds, on data that was not learnt from.
        new: (n_texts, k) new scores of its candidates.
        fusion: how much they are to count; where it changes nothing, what they would do alone is asked instead.
        seed: of the exchange of queries and of the bootstrap.
    """
    used = fusion if fusion.changes else replace(fusion, alpha=1.0, k=found.k)
    first = found.cut(used.k)
    swapped = rescorer.rescore(
        first.queries, pictures, used.looked_at(first.candidates, first.scores),
        guides=first.queries.of(strangers(found.clusters, seed)),
    )  # fmt: skip
    metric = METRICS[CHOSEN_BY]
    order, alone = metric(used.ranking(first, new)), metric(replace(used, alpha=1.0, within=None).ranking(first, new))
    shuffled = metric(reranked(first.ranking, first.candidates, np.zeros_like(first.scores)))
    differences = {
        "beats_baseline": order - metric(first.ranking),
        "beats_shuffle": alone - shuffled,
        "needs_its_query": order - metric(used.ranking(first, swapped)),
    }
    intervals = bootstrap(differences, found.clusters, bounded=False, seed=seed)
    return [Answer(name, found_.value, found_.low, found_.high) for name, found_ in intervals.items()]


def strangers(clusters: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """(n,) for every query another one of another cluster.

    Each is taken once, as long as no cluster holds more than half of them; else those outside of it are taken several
    times. Where all are of one cluster there are no strangers, and each gets another query of its own.

    >>> strangers(np.array([0, 0, 1, 1]), seed=0).tolist()
    [2, 3, 0, 1]
    >>> strangers(np.array([0, 0, 0, 1]), seed=0).tolist()
    [3, 3, 3, 2]
    """
    rng, sizes = np.random.default_rng(seed), np.bincount(clusters)
    order = rng.permutation(len(sizes))[clusters].argsort(kind="stable")  # clusters together, in random order
    largest = int(sizes.max())
    found = np.empty(len(clusters), dtype=np.int64)
    if largest == len(clusters):
        found[order] = np.roll(order, -1)
    elif 2 * largest <= len(clusters):
        found[order] = np.roll(order, -largest)  # beyond the largest cluster nobody meets his own
    else:
        inside = clusters == sizes.argmax()
        own, others = rng.permutation(np.flatnonzero(inside)), rng.permutation(np.flatnonzero(~inside))
        found[others], found[own] = own[: len(others)], np.resize(others, len(own))
    return found
