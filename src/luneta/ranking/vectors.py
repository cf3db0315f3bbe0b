"""Vectors and pairs as ranking takes them: checked once, at the door."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ShapeError
from luneta.ranking.ties import Floats, Indexes


def check_vectors(name: str, vectors: Any) -> tuple[Floats, NDArray[np.float64]]:
    """The vectors as contiguous float32, and their lengths.

    Raises:
        ShapeError: not a table of finite real numbers with at least one row and one column.
    """
    array = np.asarray(vectors)
    if array.ndim != 2 or 0 in array.shape:
        raise ShapeError(f"{name} have shape {array.shape}; expected (n, embedding_dim) with at least one vector")
    if array.dtype.kind != "f":
        raise ShapeError(f"{name} have dtype {array.dtype}; expected float32: use vectors.astype(numpy.float32)")
    array = np.ascontiguousarray(array, dtype=np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", array, array).astype(np.float64))
    bad = np.flatnonzero(~np.isfinite(lengths))
    if len(bad):
        raise ShapeError(
            f"{name} hold NaN, infinite or overflowing numbers in {len(bad)} of {len(array)} rows (the first is row "
            f"{bad[0]}); look at what the encoder returns for that input"
        )
    return array, lengths


def check_match(left: Floats, right: Floats, names: tuple[str, str]) -> None:
    """Raises ShapeError when the two cannot be compared."""
    if left.shape[1] != right.shape[1]:
        raise ShapeError(
            f"{names[0]} have {left.shape[1]} dimensions and {names[1]} {right.shape[1]}: they were not made by one "
            "encoder; embed both again with the same one"
        )


def check_pairs(pairs: Any, names: tuple[str, str], n_first: int, n_second: int) -> Indexes:
    """(n_pairs, 2) of (first, second) index, sorted by both, without repeats.

    Raises:
        ShapeError: not such a table, or an index out of range.
    """
    array = np.asarray(pairs)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu":
        raise ShapeError(f"pairs have shape {array.shape} and dtype {array.dtype}; expected integers (n_pairs, 2)")
    array = array.astype(np.int64)
    for column, n in enumerate((n_first, n_second)):
        wrong = array[(array[:, column] < 0) | (array[:, column] >= n), column]
        if len(wrong):
            raise ShapeError(f"pairs name number {wrong[0]} of {n} {names[column]}; expected 0 to {n - 1}")
    keys = np.unique(array[:, 0] * n_second + array[:, 1])
    return np.stack([keys // n_second, keys % n_second], axis=1)


def score_pairs(queries: Floats, gallery: Floats, pairs: Indexes) -> Floats:
    """(n_pairs,) dot products, summed in float64 so that each depends on its two vectors only, then rounded."""
    scores = np.empty(len(pairs), dtype=np.float32)
    step = max(1, 2**17 // queries.shape[1])  # so many pairs as stay in the cache
    for start in range(0, len(pairs), step):
        query, item = pairs[start : start + step].T
        scores[start : start + step] = np.einsum("ij,ij->i", queries[query], gallery[item], dtype=np.float64)
    return scores


def product(left: Floats, right: Floats, device: str | None) -> Floats:
    """(n, m) scores in float32, computed with numpy or on a torch device as a scan computes them."""
    if device is None:
        return left @ right.T
    import torch

    with full_float32(), torch.inference_mode():
        scores = torch.from_numpy(left).to(device) @ torch.from_numpy(right).to(device).T
        return np.asarray(scores.cpu().numpy())


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Matrix products of torch in true float32: TensorFloat-32 keeps 10 bits and would invent ties and inversions."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
