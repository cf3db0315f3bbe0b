"""evaluate(encoder, dataset): how well an encoder finds the right image for a text and the right text for an image."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from luneta.artifacts import hash_json
from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.relevance import Things
from luneta.doctor import examine
from luneta.embedding import Embeddings, cached_store_path, embed
from luneta.errors import ArtifactError, DatasetError
from luneta.exhibits import exhibits
from luneta.metrics import METRICS, average_precision, best_rank, chance, normalized_recall_at
from luneta.positives import Duplicates, Positives, check_duplicates, find_positives
from luneta.ranking import Ranking, passed_over, rank, rank_both
from luneta.results import Evaluation, Exhibits, Metric
from luneta.stats import bootstrap
from luneta.types import DIRECTIONS, Direction, Encoder, EncoderSpec

logger = logging.getLogger("luneta")

METRIC_DEFINITIONS = 2
"""Raised whenever a metric or the tie rule changes its meaning: results of different numbers are not comparable."""

MOST_SLICES = 30
"""A metadata column with more different values than this does not divide the queries."""

NORMALIZED_AT = (1, 5, 10)
NORMALIZED_SIZE = 1000

__all__ = ["Duplicates", "Evaluation", "embed_cached", "evaluate", "evaluate_embeddings", "measure", "metrics_of"]


def evaluate(
    encoder: Encoder,
    dataset: ImageTextDataset,
    *,
    duplicates: Duplicates | Things = "merge",
    cache: bool = True,
    batch_size: int | None = None,
    max_bad_share: float = 0.01,
    seed: int = 0,
) -> Evaluation:
    """Measure retrieval in both directions, with intervals, chance levels and the protocol.

    Args:
        encoder: what `load_encoder` returns, or any object with `spec`, `encode_images` and `encode_texts`.
        dataset: what `open_dataset` returns.
        duplicates: "merge" counts equal captions as relevant to each other's images, and equal pictures as relevant
            to each other's captions; "near" counts near-identical pictures as equal too, and decodes them all once
            more to find them; "strict" counts only the pairs of the source. What else is the same thing, such as
            pictures of one garment, is said by groups: `find_groups(dataset, item_column="sku").things()`.
        cache: keep the vectors between runs, and reuse those of the same encoder fingerprint and content.
        batch_size: items per forward pass; None lets the encoder and the device decide.
        max_bad_share: above this share of undecodable images the run stops.
        seed: of the bootstrap.

    Raises:
        ConfigError: an unknown rule for duplicates, or groups of other data.
        DatasetError: too many images cannot be decoded, or nothing is left to evaluate.
        EncoderError: not an encoder, or one that returns something that is not a set of finite vectors.
    """
    return measure(
        encoder,
        dataset,
        duplicates=duplicates,
        cache=cache,
        batch_size=batch_size,
        max_bad_share=max_bad_share,
        seed=seed,
    )[0]


def measure(
    encoder: Encoder,
    dataset: ImageTextDataset,
    *,
    duplicates: Duplicates | Things = "merge",
    cache: bool = True,
    batch_size: int | None = None,
    max_bad_share: float = 0.01,
    seed: int = 0,
) -> tuple[Evaluation, Embeddings]:
    """What `evaluate` returns, and the vectors it stands on; arguments and errors are its own."""
    check_rule(dataset, duplicates)  # now, and not after hours of embedding
    start = time.perf_counter()
    checks = examined(encoder)
    embeddings = embed_cached(encoder, dataset, cache=cache, batch_size=batch_size, max_bad_share=max_bad_share)
    evaluation = evaluate_embeddings(embeddings, duplicates=duplicates, seed=seed)
    cost = {**evaluation.cost, "wall_s": time.perf_counter() - start}
    return replace(evaluation, checks=checks, cost=cost), embeddings


def check_rule(dataset: ImageTextDataset, duplicates: Duplicates | Things) -> None:
    """Raises ConfigError for an unknown rule of what counts as equal, or groups of other data."""
    if isinstance(duplicates, Things):
        duplicates.remaining(dataset)
    else:
        check_duplicates(duplicates)


def embed_cached(
    encoder: Encoder,
    dataset: ImageTextDataset,
    *,
    cache: bool = True,
    batch_size: int | None = None,
    max_bad_share: float = 0.01,
) -> Embeddings:
    """The vectors of a data set, kept between runs for as long as the encoder's fingerprint stays.

    Arguments and errors are those of `evaluate`. A cache that cannot be used costs time, not the result.
    """
    store = cached_store_path(encoder.spec) if cache and encoder.spec.fingerprint else None
    try:
        return embed(encoder, dataset, store=store, batch_size=batch_size, max_bad_share=max_bad_share)
    except ArtifactError as error:
        if store is None:
            raise
        logger.warning(
            "the vectors are not kept between runs: %s (the cache is %s; LUNETA_CACHE names another folder, --no-cache "
            "or cache=False does without)", error, store.parent,
        )  # fmt: skip
    return embed(encoder, dataset, batch_size=batch_size, max_bad_share=max_bad_share)


def evaluate_embeddings(
    embeddings: Embeddings, *, duplicates: Duplicates | Things = "merge", seed: int = 0
) -> Evaluation:
    """The same from vectors that are already there; ranked on the GPU when the encoder is on one."""
    start = time.perf_counter()
    data = embeddings.dataset
    if not data.n_images:
        raise DatasetError(f"{data.name} holds no image and no text: there is nothing to evaluate")
    positives, rankings = ranked(embeddings, duplicates)
    shown: dict[Direction, Exhibits] = {
        direction: exhibits(rankings[direction], *_sides(embeddings, direction)) for direction in DIRECTIONS
    }
    if data.ignored is not None:
        shown["text_to_image"] = exhibits(rankings["text_to_image"], embeddings.texts, embeddings.images, data.ignored)
        # a picture's place among those that are asked about is not its place in the data set
        shown["image_to_text"] = replace(shown["image_to_text"], hits=(), near_misses=(), failures=())
    cost = embeddings.cost
    return Evaluation(
        encoder=_encoder_record(embeddings.encoder),
        dataset={**_dataset_record(data), "n_truncated": embeddings.n_truncated},
        protocol=_protocol(data, positives, seed),
        metrics={d: metrics_of(rankings[d], positives.clusters[d], seed) for d in DIRECTIONS},
        rankings=rankings,
        query_names={
            "text_to_image": list(data.texts),
            "image_to_text": [data.images[int(i)].label for i in data.paired_images],
        },
        clusters=positives.clusters,
        slices=_slices(data),
        cost={
            "wall_s": cost.wall_s + time.perf_counter() - start,
            "images_per_s": cost.images_per_s,
            "texts_per_s": cost.texts_per_s,
            "n_images_computed": cost.n_images_computed,
            "n_images_reused": cost.n_images_reused,
            "n_texts_computed": cost.n_texts_computed,
            "n_texts_reused": cost.n_texts_reused,
            "energy_kwh": None,
            "usd": None,
            "brl": None,
        },
        skipped=data.skipped,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        data=data,
        exhibits=shown,
    )


def ranked(
    embeddings: Embeddings, duplicates: Duplicates | Things = "merge"
) -> tuple[Positives, dict[Direction, Ranking]]:
    """Which answers are right, and where they stand in both directions; pictures without a text are not asked about."""
    positives = find_positives(embeddings.dataset, duplicates, left_out=embeddings.left_out)
    device = embeddings.encoder.device if embeddings.encoder.device.startswith("cuda") else None
    data, sides = embeddings.dataset, (embeddings.texts, embeddings.images)
    if data.ignored is None:
        return positives, rank_both(*sides, positives.pairs, device=device)
    found: dict[Direction, Ranking] = {
        "text_to_image": passed_over(rank(*sides, positives.pairs, device=device), *sides, data.ignored)
    }
    asked = np.full(data.n_images, -1, dtype=np.int64)
    asked[data.paired_images] = np.arange(len(data.paired_images))
    back = (sides[1][data.paired_images], sides[0])
    pairs, ignored = (np.stack([asked[p[:, 1]], p[:, 0]], axis=1) for p in (positives.pairs, data.ignored))
    ranking = rank(*back, pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], device=device)
    found["image_to_text"] = passed_over(ranking, *back, ignored[ignored[:, 0] >= 0])
    return positives, found


def examined(encoder: Encoder) -> list[dict[str, str]]:
    """The doctor's quick checks, as a result holds them; what is wrong is said, but measured all the same.

    An examination that fails is itself a check, "not known": whatever an encoder does when it is opened up or given
    pictures of ours, its result is not lost for it.

    Raises:
        EncoderError: it is no encoder.
    """
    try:
        checks = examine(encoder, quick=True).checks
    except Exception as error:  # anything can come out of an encoder of the user's own
        if not isinstance(encoder, Encoder):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        logger.warning("%s could not be examined: %s", encoder.spec.name, said)
        return [{"name": "examination", "verdict": "not known", "measured": f"could not be made: {said}"}]
    for check in checks:
        if check.verdict in ("warn", "fail"):
            logger.warning(
                "doctor: %s: %s (%s). %s %s luneta doctor says more",
                check.name, check.verdict, check.measured, check.why, check.mend,
            )  # fmt: skip
    return [{"name": check.name, "verdict": check.verdict, "measured": check.measured} for check in checks]


def _slices(data: ImageTextDataset) -> dict[Direction, dict[str, Sequence[str]]]:
    """Metadata columns with a few values that occur often enough to be measured apart, as text, for every query."""
    found: dict[Direction, dict[str, Sequence[str]]] = {direction: {} for direction in DIRECTIONS}
    for name in [] if data.judged else data.rows.column_names:  # rows of judged data are of pictures, not of queries
        column = data.rows[name]
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
                or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):  # fmt: skip
            continue
        values = np.array(["" if value is None else str(value) for value in column.to_pylist()], dtype=object)
        if 2 <= len(set(values)) <= MOST_SLICES:
            found["text_to_image"][name] = values[data.text_rows].tolist()
            found["image_to_text"][name] = values[data.image_rows].tolist()
    return found


def _sides(embeddings: Embeddings, direction: Direction) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(queries, gallery) of a direction."""
    sides = (embeddings.texts, embeddings.images)
    if direction == "image_to_text" and embeddings.dataset.judged:
        return sides[1][embeddings.dataset.paired_images], sides[0]
    return sides if direction == "text_to_image" else (sides[1], sides[0])


def metrics_of(ranking: Ranking, cluster: Indexes, seed: int) -> dict[str, Metric]:
    """Means (the median, for the rank) with intervals; beside each what a constant encoder would score."""
    per_query, by_chance = _per_query(ranking), _per_query(chance(ranking))
    metrics = {}
    for name, interval in bootstrap(per_query, cluster, seed=seed).items():
        guess = float(by_chance[name].mean())
        certain = guess == 1  # such as recall@50 among 50 items: there is nothing to be unsure of
        low, high = (None, None) if certain else (interval.low, interval.high)
        metrics[name] = Metric(interval.value, low, high, guess)
    rank = bootstrap(best_rank(ranking), cluster, statistic="median", seed=seed)
    metrics["median_rank"] = Metric(rank.value, rank.low, rank.high, float(np.median(best_rank(chance(ranking)))))
    positive = bootstrap(ranking.scores, cluster[ranking.query], bounded=False, seed=seed)
    metrics["mean_positive_similarity"] = Metric(positive.value, positive.low, positive.high, None)
    if np.isfinite(ranking.mean_negative_similarity):  # with one pair there is no negative
        metrics["mean_negative_similarity"] = Metric(ranking.mean_negative_similarity, None, None, None)
    return metrics


def _per_query(ranking: Ranking) -> dict[str, NDArray[np.float64]]:
    """The metrics whose mean is reported; recall@k|1000 only where the gallery is large enough for it, map of judged
    queries only: it is what is published of them."""
    values = {} if ranking.n_passed is None else {"map": average_precision(ranking)}
    values |= {
        name: metric(ranking) for name, metric in METRICS.items() if name not in ("best_rank", "positive_similarity")
    }
    for k in NORMALIZED_AT:
        normalized = normalized_recall_at(ranking, k, NORMALIZED_SIZE)
        if normalized is not None:
            values[f"recall@{k}|{NORMALIZED_SIZE}"] = normalized
    return values


def _encoder_record(spec: EncoderSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "revision": spec.revision,
        "fingerprint": spec.fingerprint,
        "embedding_dim": spec.embedding_dim,
        "backend": spec.backend,
        "dtype": spec.dtype,
        "device": spec.device,
        "n_parameters": spec.n_parameters,
        "logit_scale": spec.logit_scale,
        "logit_bias": spec.logit_bias,
        "languages": list(spec.languages),
        "details": dict(spec.details),
    }


def _dataset_record(data: ImageTextDataset) -> dict[str, Any]:
    return {
        "name": data.name,
        "revision": data.revision,
        "split": data.split,
        "language": data.language,
        "n_images": data.n_images,
        "n_texts": data.n_texts,
        "n_rows": data.rows.num_rows,
        "n_rows_used": len(np.union1d(data.image_rows, data.text_rows)),
        "n_unique_texts": len(set(data.texts)),
        "columns": dict(data.columns),
        "fingerprint": data.fingerprint,
    }


def _protocol(data: ImageTextDataset, positives: Positives, seed: int) -> dict[str, Any]:
    """What must be equal for two numbers to be comparable, and the hash of it.

    The data set enters by its content, not its name: the same files in another folder are comparable, other files
    under the same name are not.
    """
    rules: Mapping[str, Any] = {
        "dataset_fingerprint": data.fingerprint,
        "n_images": data.n_images,
        "n_texts": data.n_texts,
        "captions": "judged queries" if data.judged else "every caption is a query",
        **positives.rules,
        "ties": "expectation over random orders",
        "metric_definitions": METRIC_DEFINITIONS,
    }
    return {
        "hash": hash_json(rules),
        **rules,
        **positives.record,
        "sample": dict(data.sample) if data.sample else None,
        "sample_seed": data.sample["seed"] if data.sample else None,
        "interval": "95 % percentile bootstrap over clusters of related queries",
        "bootstrap_seed": seed,
    }
