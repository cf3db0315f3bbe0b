"""Results in the formats of other tools: TREC runs and qrels, MTEB's JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from luneta.artifacts import atomic_path, write_json
from luneta.data.relevance import Things
from luneta.embedding import Embeddings
from luneta.errors import ConfigError
from luneta.positives import Duplicates, find_positives
from luneta.ranking import top_k
from luneta.results import Evaluation
from luneta.types import DIRECTIONS, Direction

PREFIX = {"text_to_image": ("t", "i"), "image_to_text": ("i", "t")}
"""Names of queries and items: t0, t1, ... are texts, i0, i1, ... images, numbered as in `Embeddings.dataset`: where a
picture could not be decoded, those after it have moved up by one, and so have the texts after its own."""


def export_trec(
    embeddings: Embeddings,
    folder: str | os.PathLike[str],
    *,
    depth: int = 100,
    duplicates: Duplicates | Things = "merge",
) -> list[Path]:
    """Write DIRECTION.run and DIRECTION.qrels for trec_eval, pytrec_eval, ranx and their kin.

    A run holds the `depth` best items of every query; trec_eval orders equal scores by name, so numbers of data with
    ties differ from Luneta's. Pictures that could not be decoded are in neither file and have no number: i7 is
    `embeddings.dataset.images[7]`, which is that of the data set that was asked for only where `embeddings.left_out` is
    empty.

    Args:
        embeddings: what `embed` returns.
        folder: is made if need be.
        depth: items of a query; at most the gallery.
        duplicates: as in `evaluate`.

    Returns:
        The files.

    Raises:
        ConfigError: a depth below 1.
        ArtifactError: a file cannot be written.
    """
    if depth < 1:
        raise ConfigError(f"depth is {depth}; expected at least 1")
    data = embeddings.dataset
    pairs = find_positives(data, duplicates, left_out=embeddings.left_out).pairs
    tag = "".join(c if c.isalnum() or c in "-._" else "-" for c in embeddings.encoder.name)
    sides = {
        "text_to_image": (embeddings.texts, embeddings.images),
        "image_to_text": (embeddings.images, embeddings.texts),
    }
    written = []
    for direction in DIRECTIONS:
        queries, gallery = sides[direction]
        scores, items = top_k(queries, gallery, min(depth, len(gallery)))
        own = pairs if direction == "text_to_image" else pairs[:, ::-1]
        query_name, item_name = PREFIX[direction]
        run = (
            f"{query_name}{q} Q0 {item_name}{item} {rank} {score:.8f} {tag}\n"
            for q, (row, values) in enumerate(zip(items.tolist(), scores.tolist(), strict=True))
            for rank, (item, score) in enumerate(zip(row, values, strict=True), start=1)
        )
        qrels = (f"{query_name}{q} 0 {item_name}{item} 1\n" for q, item in sorted(map(tuple, own.tolist())))
        written += [_write(folder, f"{direction}.run", run), _write(folder, f"{direction}.qrels", qrels)]
    return written


def _write(folder: str | os.PathLike[str], name: str, lines: Iterator[str]) -> Path:
    path = Path(folder) / name
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(lines)
    return path


def export_mteb(evaluation: Evaluation, folder: str | os.PathLike[str]) -> list[Path]:
    """Write each direction as the JSON of an MTEB retrieval task: DIRECTION.json.

    Names are MTEB's: `recall_at_k` would be the share of relevant items, so the share of queries with a hit is written
    as `hit_rate_at_k`. `main_score` is nDCG@10, as for MTEB's retrieval tasks.

    Args:
        evaluation: what `evaluate` returns or `load_evaluation` reads.
        folder: is made if need be.

    Returns:
        The files.

    Raises:
        ArtifactError: a file cannot be written.
    """
    written = []
    for direction in DIRECTIONS:
        written.append(Path(folder) / f"{direction}.json")
        write_json(written[-1], _mteb(evaluation, direction))
    return written


def _mteb(evaluation: Evaluation, direction: Direction) -> dict[str, Any]:
    data, metrics = evaluation.dataset, evaluation.metrics[direction]
    scores: dict[str, Any] = {f"hit_rate_at_{k}": metrics[f"recall@{k}"].value for k in (1, 5, 10, 50)}
    scores |= {f"ndcg_at_{k}": metrics[f"ndcg@{k}"].value for k in (5, 10)}
    scores |= {"map_at_10": metrics["map@10"].value, "mrr": metrics["mrr"].value}
    scores |= {"main_score": metrics["ndcg@10"].value, "hf_subset": "default",
               "languages": [data["language"]] if data.get("language") else []}  # fmt: skip
    return {
        "task_name": f"{data['name']} ({direction})",
        "dataset_revision": data.get("revision") or data["fingerprint"],
        "mteb_version": None,
        "evaluation_time": evaluation.cost.get("wall_s"),
        "kg_co2_emissions": None,
        "scores": {str(data.get("split") or "all"): [scores]},
    }
