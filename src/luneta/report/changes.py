"""The texts whose order a re-ranker changed most, with the pictures that came first before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset
from luneta.embedding import Embeddings
from luneta.metrics import best_rank, reciprocal_rank
from luneta.report.document import Page
from luneta.report.examples import N_ANSWERS, picture_view
from luneta.rerank import Reranker, Reranking
from luneta.rerank.search import found_by

N_TEXTS = 6
"""Of each kind, better and worse."""

N_PICTURES = 5

SIDES: tuple[tuple[Literal["better", "worse"], str], ...] = (("better", "good"), ("worse", "bad"))


@dataclass(frozen=True)
class Change:
    """One text whose right picture was moved.

    Attributes:
        text: its index.
        ranks: of the best right picture, before and after, as the pictures are shown.
        relevant: right pictures.
        before, after: the first pictures, best first.
        came_from: where each of `after` stood before, from 1.
    """

    text: int
    ranks: tuple[float, float]
    relevant: Sequence[int]
    before: Sequence[int]
    after: Sequence[int]
    came_from: Sequence[int]


@dataclass(frozen=True)
class Changes:
    """How many texts find a right picture earlier or later than before, and those that changed most.

    Attributes:
        n_better, n_worse: texts.
        better, worse: the most changed of each, the most changed first; one of texts that succeed and fail
            together.
    """

    n_better: int
    n_worse: int
    better: Sequence[Change]
    worse: Sequence[Change]


def changes_of(reranker: Reranker, embeddings: Embeddings, found: Reranking, n_texts: int = N_TEXTS) -> Changes:
    """The texts that gained and lost most by reciprocal rank: what moves at the top counts more than what moves below.

    Args:
        reranker: as it was used.
        embeddings: of the data that was measured.
        found: before and after.
        n_texts: at most so many of each kind.
    """
    rankings = [result.rankings["text_to_image"] for result in (found.before, found.after)]
    ranks = np.stack([best_rank(ranking) for ranking in rankings])
    gains = reciprocal_rank(rankings[1]) - reciprocal_rank(rankings[0])
    clusters = found.before.clusters["text_to_image"]
    chosen = [_most(sign * gains, sign * (ranks[0] - ranks[1]), clusters, n_texts) for sign in (1, -1)]
    texts = np.concatenate(chosen)
    shown = _changes(reranker, embeddings, found, texts, ranks) if len(texts) else []
    n_better, n_worse = int((gains > 0).sum()), int((gains < 0).sum())
    return Changes(n_better, n_worse, shown[: len(chosen[0])], shown[len(chosen[0]) :])


def _most(gains: NDArray[Any], places: NDArray[Any], clusters: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """(at most n,) texts with the largest gains, of equal ones those that moved farther; one of each cluster.

    >>> _most(np.array([0.5, 0.5, 0.0, 0.9, 0.9]), np.array([1, 3, 0, 9, 9]), np.array([0, 1, 2, 3, 3]), 9).tolist()
    [3, 1, 0]
    """
    order = np.lexsort((-places, -gains))
    order = order[gains[order] > 0]
    _, first = np.unique(clusters[order], return_index=True)
    return np.asarray(order[np.sort(first)][:n], dtype=np.int64)


def _changes(
    reranker: Reranker, embeddings: Embeddings, found: Reranking, texts: NDArray[np.int64], ranks: NDArray[Any]
) -> list[Change]:
    data, ranking = embeddings.dataset, found.before.rankings["text_to_image"]
    candidates = found_by(embeddings, found.before, max(reranker.fusion.k, N_PICTURES))
    old = candidates.candidates[texts]
    new, _ = reranker.rerank([data.texts[text] for text in texts], data.images, old, candidates.scores[texts])
    made = []
    for text, before, after in zip(texts.tolist(), old, new, strict=True):
        right = ranking.positives[ranking.offsets[text] : ranking.offsets[text + 1]].tolist()
        # as they are shown: looked at in other company, scores of 16 bits that are nearly equal can change places
        places = [
            _place(order, right, measured) for order, measured in zip((before, after), ranks[:, text], strict=True)
        ]
        shown = [order[:N_PICTURES][order[:N_PICTURES] >= 0].tolist() for order in (before, after)]
        came_from = [int(np.flatnonzero(before == item)[0]) + 1 for item in shown[1]]
        made.append(Change(text, (places[0], places[1]), right, shown[0], shown[1], came_from))
    return made


def _place(order: NDArray[np.int64], right: Sequence[int], measured: float) -> float:
    """The first place of a right picture; where none is in the order, what was measured."""
    found = np.flatnonzero(np.isin(order, right))
    return float(found[0] + 1 if len(found) else measured)


@dataclass(frozen=True)
class ChangesSection:
    """The changes of a re-ranker, to be looked at.

    Attributes:
        changes: what was found.
        data: that was searched.
    """

    changes: Changes
    data: ImageTextDataset
    template: str = "changes.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("reranking_changes")

    def view(self, page: Page) -> Mapping[str, Any]:
        found, t = self.changes, page.t
        counts = {"better": found.n_better, "worse": found.n_worse}
        same = self.data.n_texts - found.n_better - found.n_worse
        said = {name: page.number(n, 0) for name, n in {**counts, "same": same, "n": self.data.n_texts}.items()}
        return {
            "counts": t("reranking_counts", **said),
            "note": t("reranking_changes_note"),
            "before": t("reranking_alone"),
            "after": t("reranking_after"),
            "language": self.data.language,
            "sides": [
                {
                    "title": t(f"reranking_{side}"),
                    "none": t(f"reranking_none_{side}"),
                    "tone": tone,
                    "changes": [self._view(change, page) for change in getattr(found, side)],
                }
                for side, tone in SIDES
            ],
        }

    def _view(self, change: Change, page: Page) -> dict[str, Any]:
        right = set(change.relevant)
        unseen = [] if right & {*change.before, *change.after} else change.relevant
        ranks = [page.number(rank, 0 if rank == int(rank) else 1) for rank in change.ranks]

        def strip(items: Sequence[int], places: Sequence[str]) -> list[dict[str, Any]]:
            return [
                {**picture_view(self.data, item, page), "right": item in right, "score": place}
                for item, place in zip(items, places, strict=True)
            ]

        return {
            "query": self.data.texts[change.text],
            "moved": page.t("reranking_moved", before=ranks[0], after=ranks[1]),
            "before": strip(change.before, [str(place + 1) for place in range(len(change.before))]),
            "after": strip(change.after, [page.t("reranking_was", rank=place) for place in change.came_from]),
            "answers": [picture_view(self.data, item, page) for item in unseen[:N_ANSWERS]],
            "n_more": max(0, len(unseen) - N_ANSWERS),
        }
