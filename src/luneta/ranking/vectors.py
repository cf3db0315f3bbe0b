"""Vectors and pairs as ranking takes them: checked once, at the door."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ConfigError, ShapeError, did_you_mean
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


def check_block(block_mib: float) -> None:
    """Raises ShapeError when no block has that size."""
    if not 0 < block_mib < 2**40:
        raise ShapeError(f"block_mib is {block_mib}; expected a positive number of mebibytes")


def check_device(device: str | None) -> None:
    """Raises ConfigError when torch has no such device; None is the CPU without torch."""
    if device is None:
        return
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # an assertion where torch was built without CUDA
        known = ("cpu", "cuda", "mps", "xpu")
        raise ConfigError(
            f"device {device!r} cannot be used here: {str(error).splitlines()[0]} {did_you_mean(device, known)}"
        ) from error


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
    """(n_pairs,) dot products, each depending on its two vectors only, rounded to float32."""
    return exact_scores(queries, gallery, *pairs.T).astype(np.float32)


def exact_scores(queries: Floats, gallery: Floats, query: Indexes, item: Indexes) -> NDArray[np.float64]:
    """(n,) dot products of queries[query[i]] and gallery[item[i]], summed in float64."""
    scores = np.empty(len(query), dtype=np.float64)
    step = max(1, 2**16 // queries.shape[1])  # so many as stay in the cache
    for start in range(0, len(query), step):
        here = slice(start, start + step)
        # converted before and not by einsum, whose conversion is four times slower
        left, right = (side.astype(np.float64) for side in (queries[query[here]], gallery[item[here]]))
        scores[here] = np.einsum("ij,ij->i", left, right)
    return scores


def score_lists(queries: Floats, vectors: Floats) -> Floats:
    """(n, m) dot products of queries (n, d) and the m vectors of each, (n, m, d), as `score_pairs` has them."""
    scores: NDArray[np.float64] = np.einsum("nmd,nd->nm", vectors, queries, dtype=np.float64)
    return scores.astype(np.float32)


def exact_product(left: Floats, right: Floats) -> NDArray[np.float64]:
    """(n, m) dot products, summed in float64; only some of the right side is held in float64 at a time."""
    scores = np.empty((len(left), len(right)), dtype=np.float64)
    wide = left.astype(np.float64)
    for start in range(0, len(right), 1024):
        scores[:, start : start + 1024] = wide @ right[start : start + 1024].astype(np.float64).T
    return scores


def rounding(n_dims: int) -> float:
    """By how much a float32 dot product of unit vectors can be off, whatever the order of its sums.

    n rounding errors of at most half a step each, relative to the sum of the products' magnitudes, which is at most 1
    (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1); four more for converting thresholds.
    """
    return (n_dims + 4) * 2.0**-24


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
