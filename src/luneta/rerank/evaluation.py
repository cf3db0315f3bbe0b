"""What a re-ranker changes: the encoder alone and re-ranked, on the same texts, query by query."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from luneta.comparison import Comparison, Difference, compare
from luneta.data.dataset import ImageTextDataset
from luneta.data.relevance import Things
from luneta.embedding import Embeddings
from luneta.evaluation import measure, metrics_of
from luneta.grids import Grid, as_text
from luneta.positives import Duplicates
from luneta.rerank.messages import RERANK
from luneta.rerank.reranker import Reranker
from luneta.rerank.search import found_by
from luneta.results import Evaluation
from luneta.wording import translator_of, written

if TYPE_CHECKING:
    from rich.console import RenderableType

METRICS = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10")


@dataclass(frozen=True, eq=False)
class Reranking:
    """Before and after, text to image; the other direction is the encoder's in both.

    Attributes:
        before: the encoder alone.
        after: re-ranked.
        cost: wall_s of the re-ranking and ms_per_text.
    """

    before: Evaluation
    after: Evaluation
    cost: Mapping[str, float]

    @cached_property
    def comparison(self) -> Comparison:
        """After against before, query by query."""
        return compare([self.after, self.before])

    def grid(self, locale: str = "en") -> Grid:
        """Both, and the paired differences."""
        t, rows = translator_of(locale, RERANK), []
        for name in METRICS:
            before, after = (result.metrics["text_to_image"][name].value for result in (self.before, self.after))
            gain = self.comparison.difference("text_to_image", name, 0, 1)
            values = (written(f"{value:.3f}", locale) for value in (before, after))
            rows.append((name, *values, _said(gain, locale), written(f"{gain.p_holm:.3f}", locale)))
        return Grid(
            title=t("rerank_title"),
            header=("", t("rerank_encoder"), t("rerank_after"), t("rerank_difference"), "p"),
            rows=tuple(rows),
            notes=(_measured_on(self.after, locale), t("rerank_paired")),
        )

    def __str__(self) -> str:
        return as_text(self)

    def __rich__(self) -> RenderableType:
        from luneta.layouts import GridView

        return GridView(self.grid())


def evaluate_reranked(
    reranker: Reranker,
    dataset: ImageTextDataset,
    *,
    duplicates: Duplicates | Things = "merge",
    cache: bool = True,
    batch_size: int | None = None,
    max_bad_share: float = 0.01,
    seed: int = 0,
) -> Reranking:
    """Measure the encoder alone and re-ranked.

    Args:
        reranker: what `train_elip` gives or `Reranker.load` reads.
        dataset: to measure on; nothing of it should have been learnt from.
        duplicates, cache, batch_size, max_bad_share, seed: as in `luneta.evaluate`.

    Raises:
        ConfigError, DatasetError, EncoderError: as `luneta.evaluate`.
    """
    before, embeddings = measure(
        reranker.encoder, dataset, duplicates=duplicates, cache=cache, batch_size=batch_size,
        max_bad_share=max_bad_share, seed=seed,
    )  # fmt: skip
    return rerank_evaluation(reranker, embeddings, before, seed=seed)


def rerank_evaluation(reranker: Reranker, embeddings: Embeddings, before: Evaluation, *, seed: int = 0) -> Reranking:
    """The same where the encoder alone was measured already, from the vectors it stands on."""
    start = time.perf_counter()
    ranking = before.rankings["text_to_image"]
    if reranker.fusion.changes:
        found = found_by(embeddings, before, reranker.fusion.k)
        pictures = reranker.rescorer.pictures(found.dataset.images)
        new = reranker.rescorer.rescore(found.queries, pictures, found.candidates)
        ranking = reranker.fusion.ranking(found, new)
    wall_s = time.perf_counter() - start
    after = replace(
        before,
        encoder={**before.encoder, "name": f"{before.encoder['name']}, re-ranked", "reranker": _said_of(reranker)},
        metrics={**before.metrics, "text_to_image": metrics_of(ranking, before.clusters["text_to_image"], seed)},
        rankings={**before.rankings, "text_to_image": ranking},
        cost={**before.cost, "wall_s": wall_s},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        exhibits=None,  # they show what the vectors find
    )
    return Reranking(before, after, {"wall_s": wall_s, "ms_per_text": 1000 * wall_s / ranking.n_queries})


def _said_of(reranker: Reranker) -> dict[str, Any]:
    return {"kind": reranker.rescorer.kind, "fusion": asdict(reranker.fusion)}


def _said(gain: Difference, locale: str) -> str:
    """A difference with its interval."""
    value = written(f"{gain.value:+.3f}", locale)
    if gain.low is None or gain.high is None:
        return value
    low, high = (written(f"{limit:+.3f}", locale) for limit in (gain.low, gain.high))
    return f"{value} ({translator_of(locale, RERANK)('rerank_from_to', low=low, high=high)})"


def _measured_on(result: Evaluation, locale: str) -> str:
    rules = result.protocol
    counts = {name: written(f"{rules[f'n_{name}']:,}", locale) for name in ("images", "texts")}
    t = translator_of(locale, RERANK)
    return t("rerank_data", data=result.dataset["name"], hash=rules["hash"][:12], **counts)
