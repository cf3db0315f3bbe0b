"""The k best items of every query, exactly."""

from __future__ import annotations

import numpy as np

from luneta.errors import ShapeError
from luneta.ranking.scan import block_shape, spans
from luneta.ranking.scan_torch import full_float32
from luneta.ranking.ties import Floats, Indexes
from luneta.ranking.vectors import check_match, check_vectors


def top_k(
    queries: Floats, gallery: Floats, k: int, *, device: str | None = None, block_mib: float = 64
) -> tuple[Floats, Indexes]:
    """The k best-scored gallery items of every query.

    Args:
        queries: (n_queries, d) float32.
        gallery: (n_items, d) float32.
        k: how many; at most n_items.
        device, block_mib: as in `rank`.

    Returns:
        scores (n_queries, k) float32 and gallery indexes (n_queries, k) int64; best first, equal scores by lower index.

    Raises:
        ShapeError: vectors of the wrong shape or content, k < 1 or larger than the gallery.
    """
    queries, _ = check_vectors("queries", queries)
    gallery, _ = check_vectors("gallery", gallery)
    check_match(queries, gallery, ("queries", "gallery"))
    if not 1 <= k <= len(gallery):
        raise ShapeError(f"k is {k}; expected 1 to {len(gallery)}, the size of the gallery")
    height, width = block_shape(len(queries), len(gallery), block_mib)
    scores = np.empty((len(queries), k), dtype=np.float32)
    items = np.empty((len(queries), k), dtype=np.int64)
    for q0, q1 in spans(len(queries), height):
        best = np.empty((q1 - q0, 0), dtype=np.float32)
        where = np.empty((q1 - q0, 0), dtype=np.int64)
        for g0, g1 in spans(len(gallery), width):
            found = _product(queries[q0:q1], gallery[g0:g1], device)
            best = np.concatenate([best, found], axis=1)
            where = np.concatenate([where, np.broadcast_to(np.arange(g0, g1), found.shape)], axis=1)
            order = np.argsort(-best, axis=1, kind="stable")[:, :k]
            best, where = np.take_along_axis(best, order, axis=1), np.take_along_axis(where, order, axis=1)
        scores[q0:q1], items[q0:q1] = best, where
    return scores, items


def _product(queries: Floats, gallery: Floats, device: str | None) -> Floats:
    if device is None:
        return queries @ gallery.T
    import torch

    with full_float32(), torch.inference_mode():
        product = torch.from_numpy(queries).to(device) @ torch.from_numpy(gallery).to(device).T
        return np.asarray(product.cpu().numpy())
