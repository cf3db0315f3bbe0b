"""What a re-ranker changes: the encoder alone and re-ranked, on the same texts, query by query."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from luneta.comparison import Comparison, Difference, compare
from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.relevance import Things
from luneta.embedding import Embeddings
from luneta.errors import ConfigError
from luneta.evaluation import measure, metrics_of
from luneta.grids import Grid, as_text
from luneta.metrics import METRICS, average_precision
from luneta.positives import Duplicates
from luneta.ranking import Ranking
from luneta.rerank.fusion import Fusion
from luneta.rerank.keeping import KeptScores, resumable
from luneta.rerank.messages import RERANK
from luneta.rerank.reranker import Reranker
from luneta.rerank.search import Found, found_by
from luneta.results import Evaluation
from luneta.stats import Interval, bootstrap
from luneta.wording import p_value, translator_of, written

if TYPE_CHECKING:
    from rich.console import RenderableType

logger = logging.getLogger("luneta")

MAP = "map"
"""Of judged queries, which have many right pictures."""

SHOWN = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10")
"""Metrics of the tables."""


@dataclass(frozen=True, eq=False)
class Reranking:
    """Before and after, text to image; the other direction is the encoder's in both.

    Attributes:
        before: the encoder alone.
        after: re-ranked.
        cost: wall_s of the re-ranking, ms_per_text, looks_per_text, and which share of the scores was kept from before.
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
        if self.after.rankings["text_to_image"].n_passed is not None:
            before, after = (result.metrics["text_to_image"][MAP].value for result in (self.before, self.after))
            values = (written(f"{value:.3f}", locale) for value in (before, after))
            rows.append((MAP, *values, _gain(self.before, self.after, MAP, locale), ""))
        for name in SHOWN:
            before, after = (result.metrics["text_to_image"][name].value for result in (self.before, self.after))
            gain = self.comparison.difference("text_to_image", name, 0, 1)
            values = (written(f"{value:.3f}", locale) for value in (before, after))
            rows.append((name, *values, _said(gain, locale), p_value(gain.p_holm, locale)))
        return Grid(
            title=t("rerank_title"),
            header=("", t("rerank_encoder"), t("rerank_after"), t("rerank_difference"), "p"),
            rows=tuple(rows),
            notes=(_measured_on(self.after, locale), *self._idle(locale), *self._looked(locale), t("rerank_paired")),
        )

    def _looked(self, locale: str) -> list[str]:
        """How far it looked, where that was not at all."""
        fusion = self.after.encoder.get("reranker", {}).get("fusion", {})
        if not fusion.get("alpha") or fusion.get("within") is None or "looks_per_text" not in self.cost:
            return []
        k = min(fusion["k"], self.after.protocol["n_images"])
        looks = written(f"{self.cost['looks_per_text']:.1f}", locale)
        return [translator_of(locale, RERANK)("rerank_looked", looks=looks, k=k)]

    def _idle(self, locale: str) -> list[str]:
        """Why nothing differs."""
        said = self.after.encoder.get("reranker")
        return [] if said is None or said["fusion"]["alpha"] else [translator_of(locale, RERANK)("rerank_idle")]

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
    """Measure the encoder alone and re-ranked. What was killed goes on where it was when it is called again.

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
    return rerank_evaluation(reranker, embeddings, before, cache=cache, seed=seed)


def rerank_evaluation(
    reranker: Reranker, embeddings: Embeddings, before: Evaluation, *, cache: bool = True, seed: int = 0
) -> Reranking:
    """The same where the encoder alone was measured already, from the vectors it stands on."""
    depths = rerank_depths(reranker, embeddings, before, (reranker.fusion.k,), cache=cache, seed=seed)
    return depths.at(reranker.fusion.k)


@dataclass(frozen=True, eq=False)
class Depths:
    """A re-ranker at several depths, from one look at the candidates of the deepest.

    Attributes:
        before: the encoder alone.
        after: {k: re-ranked}, ascending.
        cost: wall_s of looking at them all, ms_per_text, looks_per_text: how many of them on average, and kept: which
            share of the scores was there from before.
        lost: candidates that cannot be read any more, by their indexes; they keep the encoder's score.
    """

    before: Evaluation
    after: Mapping[int, Evaluation]
    cost: Mapping[str, float]
    lost: tuple[int, ...] = ()

    def at(self, k: int) -> Reranking:
        """At one depth; its cost is that of the deepest."""
        return Reranking(self.before, self.after[k], self.cost)

    def grid(self, locale: str = "en") -> Grid:
        """The encoder alone and every depth, with paired differences from it."""
        t = translator_of(locale, RERANK)
        judged = self.before.rankings["text_to_image"].n_passed is not None
        names = (MAP, *SHOWN[:3]) if judged else SHOWN
        rows = []
        for name in names:
            cells = [
                f"{_value(after, name, locale)} ({_gain(self.before, after, name, locale, limits=False)})"
                for after in self.after.values()
            ]
            rows.append((name, _value(self.before, name, locale), *cells))
        deepest = max(self.after)
        sure = ", ".join(f"{name} {_gain(self.before, self.after[deepest], name, locale)}" for name in names)
        return Grid(
            title=t("rerank_title_depths"),
            header=("", t("rerank_encoder"), *(f"k = {k}" for k in self.after)),
            rows=tuple(rows),
            notes=(
                f"{_measured_on(self.before, locale)} {t('rerank_in_brackets')}",
                t("rerank_deepest", k=deepest, gains=sure),
                t("rerank_below"),
            ),
        )

    def __str__(self) -> str:
        return as_text(self)

    def __rich__(self) -> RenderableType:
        from luneta.layouts import GridView

        return GridView(self.grid())


def evaluate_depths(
    reranker: Reranker,
    dataset: ImageTextDataset,
    ks: Sequence[int],
    *,
    duplicates: Duplicates | Things = "merge",
    cache: bool = True,
    batch_size: int | None = None,
    max_bad_share: float = 0.01,
    seed: int = 0,
) -> Depths:
    """Measure the encoder alone and re-ranked at several depths, no candidate looked at twice.

    Pictures below the first k keep the encoder's order, as in the published evaluation of ELIP, which takes 1000 off
    their scores.

    Args:
        reranker: whatever its own k, it looks as deep as is said; with early exit at its own k only.
        dataset: to measure on; nothing of it should have been learnt from.
        ks: depths; of a smaller gallery all is looked at.
        duplicates, cache, batch_size, max_bad_share, seed: as in `luneta.evaluate`.

    Raises:
        ConfigError: no depth, or one below 1.
        DatasetError, EncoderError: as `luneta.evaluate`.
    """
    _check_depths(ks)
    before, embeddings = measure(
        reranker.encoder, dataset, duplicates=duplicates, cache=cache, batch_size=batch_size,
        max_bad_share=max_bad_share, seed=seed,
    )  # fmt: skip
    return rerank_depths(reranker, embeddings, before, ks, cache=cache, seed=seed)


def rerank_depths(
    reranker: Reranker,
    embeddings: Embeddings,
    before: Evaluation,
    ks: Sequence[int],
    *,
    cache: bool = True,
    seed: int = 0,
) -> Depths:
    """The same where the encoder alone was measured already, from the vectors it stands on."""
    _check_depths(ks)
    if reranker.fusion.changes:
        _warn_of_what_chose(reranker, embeddings.dataset)
    start = time.perf_counter()
    rankings, lost = dict.fromkeys(sorted(set(ks)), before.rankings["text_to_image"]), ()
    n_looks = n_kept = 0
    if reranker.fusion.changes:
        found = found_by(embeddings, before, max(ks))
        rescorer = resumable(reranker.rescorer, cache=cache)
        fusions = {k: reranker.fusion.at(k) for k in rankings}
        looked_at = _looked_at(found, fusions.values())
        new = rescorer.rescore(found.queries, rescorer.pictures(found.dataset.images), looked_at)
        rankings = {k: fusion.ranking(found, new) for k, fusion in fusions.items()}
        lost = tuple(np.unique(looked_at[(looked_at >= 0) & np.isnan(new)]).tolist())
        n_looks, n_kept = int((looked_at >= 0).sum()), rescorer.n_kept if isinstance(rescorer, KeptScores) else 0
    wall_s = time.perf_counter() - start
    after = {k: _measured(reranker, before, k, ranking, wall_s, seed) for k, ranking in rankings.items()}
    n_texts = before.rankings["text_to_image"].n_queries
    cost = {
        "wall_s": wall_s, "ms_per_text": 1000 * wall_s / n_texts, "looks_per_text": n_looks / n_texts,
        "kept": n_kept / max(n_looks, 1),
    }  # fmt: skip
    return Depths(before, after, cost, lost)


def _looked_at(found: Found, fusions: Iterable[Fusion]) -> Indexes:
    """(n_texts, k) candidates that any of them looks at, first ones of each text; -1 behind them."""
    looked_at = np.full_like(found.candidates, -1)
    for fusion in fusions:
        first = fusion.looked_at(found.candidates, found.scores)
        np.maximum(looked_at[:, : first.shape[1]], first, out=looked_at[:, : first.shape[1]])
    return looked_at


def _warn_of_what_chose(reranker: Reranker, dataset: ImageTextDataset) -> None:
    """Say so where a re-ranker is measured on the very data that its alpha and k were chosen on."""
    chosen_on = reranker.record.get("validation")
    if isinstance(chosen_on, Mapping) and dataset.fingerprint in (chosen_on.get("fingerprint"), chosen_on.get("given")):
        logger.warning(
            "%s: on this very data it was chosen how far the re-ranker is believed, so that it looks better here than "
            "it is: measure it on other data", dataset.name,
        )  # fmt: skip


def _check_depths(ks: Sequence[int]) -> None:
    if not ks or min(ks) < 1:
        raise ConfigError(f"depths are {list(ks)}, expected how many candidates are looked at again: 1 or more each")


def _measured(
    reranker: Reranker, before: Evaluation, k: int, ranking: Ranking, wall_s: float, seed: int
) -> Evaluation:  # fmt: skip
    fusion = reranker.fusion.at(k)
    said = {"kind": reranker.rescorer.kind, "fusion": asdict(fusion)}
    name = f"{before.encoder['name']}, re-ranked{'' if fusion.within is None else ' with early exit'}"
    return replace(
        before,
        encoder={**before.encoder, "name": name, "reranker": said},
        metrics={**before.metrics, "text_to_image": metrics_of(ranking, before.clusters["text_to_image"], seed)},
        rankings={**before.rankings, "text_to_image": ranking},
        cost={**before.cost, "wall_s": wall_s},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        exhibits=None,  # they show what the vectors find
    )


def _gain(before: Evaluation, after: Evaluation, name: str, locale: str, *, limits: bool = True) -> str:
    """By how much a metric is higher, with its 95 % interval paired by query."""
    metric = average_precision if name == MAP else METRICS[name]
    per_query = [metric(result.rankings["text_to_image"]) for result in (after, before)]
    if not limits:
        return written(f"{float((per_query[0] - per_query[1]).mean()):+.3f}", locale)
    return _said(bootstrap(per_query[0] - per_query[1], before.clusters["text_to_image"], bounded=False), locale)


def _said(gain: Interval | Difference, locale: str) -> str:
    """A difference with its interval."""
    value = written(f"{gain.value:+.3f}", locale)
    if gain.low is None or gain.high is None:
        return value
    low, high = (written(f"{limit:+.3f}", locale) for limit in (gain.low, gain.high))
    return f"{value} ({translator_of(locale, RERANK)('rerank_from_to', low=low, high=high)})"


def _value(result: Evaluation, name: str, locale: str) -> str:
    return written(f"{result.metrics['text_to_image'][name].value:.3f}", locale)


def _measured_on(result: Evaluation, locale: str) -> str:
    rules = result.protocol
    counts = {name: written(f"{rules[f'n_{name}']:,}", locale) for name in ("images", "texts")}
    t = translator_of(locale, RERANK)
    return t("rerank_data", data=result.dataset["name"], hash=rules["hash"][:12], **counts)
