"""What an encoder finds by itself: the first candidates of every text, which a re-ranker puts into another order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.embedding import Embeddings
from luneta.errors import ConfigError
from luneta.ranking import Ranking, top_k_of_others
from luneta.results import Evaluation
from luneta.types import Vectors


@dataclass(frozen=True, eq=False)
class Queries:
    """Texts that something is searched for with.

    Attributes:
        texts: (n) strings.
        vectors: (n, embedding_dim) of the encoder.
    """

    texts: Sequence[str]
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.texts)

    def of(self, chosen: NDArray[Any]) -> Queries:
        """Some of them, by index."""
        return Queries([self.texts[int(i)] for i in chosen], self.vectors[chosen])


@dataclass(frozen=True, eq=False)
class Found:
    """What the encoder alone finds for the texts of a data set.

    Attributes:
        dataset: that is searched.
        queries: its texts.
        ranking: where the right pictures stand.
        candidates: (n_texts, k) the first pictures, best first; -1 behind them where a text has fewer.
        scores: (n_texts, k) float32 cosines; minus infinity where there is no candidate.
        clusters: (n_texts,) equal for texts that succeed and fail together.
    """

    dataset: ImageTextDataset
    queries: Queries
    ranking: Ranking
    candidates: Indexes
    scores: NDArray[np.float32]
    clusters: Indexes

    @property
    def k(self) -> int:
        return int(self.candidates.shape[1])

    def cut(self, k: int) -> Found:
        """The same with fewer candidates."""
        return replace(self, candidates=self.candidates[:, :k], scores=self.scores[:, :k])

    def sample(self, n: int, seed: int) -> Found:
        """The same with some of its texts, drawn at random."""
        if n >= len(self.queries):
            return self
        chosen = np.sort(np.random.default_rng(seed).permutation(len(self.queries))[:n])
        return replace(
            self, queries=self.queries.of(chosen), ranking=_some(self.ranking, chosen),
            candidates=self.candidates[chosen], scores=self.scores[chosen], clusters=self.clusters[chosen],
        )  # fmt: skip


def search(embeddings: Embeddings, ranking: Ranking, clusters: Indexes, k: int) -> Found:
    """The first k pictures of every text by the encoder alone.

    Args:
        embeddings: a data set and its vectors.
        ranking: where the right pictures of its texts stand.
        clusters: (n_texts,) equal for texts that succeed and fail together.
        k: candidates; where there are fewer, all. Pictures that a query passes over are none.

    Raises:
        ConfigError: k below 1.
    """
    check_depth(k)
    data = embeddings.dataset
    device = embeddings.encoder.device if embeddings.encoder.device.startswith("cuda") else None
    ignored = np.empty((0, 2), dtype=np.int64) if data.ignored is None else data.ignored
    most = int((data.n_images - np.bincount(ignored[:, 0], minlength=data.n_texts)).max())
    k = min(int(k), most)
    scores, candidates = top_k_of_others(embeddings.texts, embeddings.images, ignored, k, device=device)
    return Found(data, Queries(list(data.texts), embeddings.texts), ranking, candidates, scores, clusters)


def check_depth(k: int) -> None:
    """Raises ConfigError where k is no number of candidates."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ConfigError(f"k is {k!r}, expected how many candidates are looked at again: at least 1")


def found_by(embeddings: Embeddings, evaluation: Evaluation, k: int) -> Found:
    """The same with what an evaluation of these vectors counts as right."""
    return search(embeddings, evaluation.rankings["text_to_image"], evaluation.clusters["text_to_image"], k)


def _some(ranking: Ranking, chosen: Indexes) -> Ranking:
    """The ranking of some queries."""
    rows = np.concatenate([np.arange(ranking.offsets[q], ranking.offsets[q + 1]) for q in chosen])
    per_positive: Mapping[str, Any] = {
        name: getattr(ranking, name)[rows] for name in ("positives", "n_better", "n_tied", "scores")
    }
    return replace(
        ranking, **per_positive, offsets=np.append(0, np.cumsum(ranking.n_relevant[chosen])),
        top_item=ranking.top_item[chosen], top_score=ranking.top_score[chosen],
        n_passed=None if ranking.n_passed is None else ranking.n_passed[chosen],
    )  # fmt: skip
