"""What comes into an index, checked at the door."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ShapeError
from luneta.ranking.vectors import check_match, check_vectors
from luneta.types import Vectors

LENGTH_TOLERANCE = 1e-3  # as far as bfloat16 and float16 leave a vector from length 1

Ids = NDArray[np.int64]


def unit_vectors(name: str, vectors: Any, dim: int | None = None) -> Vectors:
    """The vectors as contiguous float32; there may be none.

    Args:
        name: what they are called in a message.
        vectors: (n, dim).
        dim: what is expected; None takes any.

    Raises:
        ShapeError: not a table of unit vectors of that dimension.
    """
    array = np.asarray(vectors)
    if array.ndim == 2 and array.shape[0] == 0 and array.shape[1] == (dim or array.shape[1]) > 0:
        return np.empty(array.shape, dtype=np.float32)
    if array.dtype == np.float32 and array.flags.c_contiguous and array.ndim == 2 and array.shape[1] == dim:
        squares = np.einsum("ij,ij->i", array, array)
        if np.abs(squares - 1).max() < LENGTH_TOLERANCE:  # nearly always, and in a third of the time; NaN is not
            return array
    array, lengths = check_vectors(name, array)
    if dim is not None and array.shape[1] != dim:
        check_match(array, np.empty((1, dim), dtype=np.float32), (name, "the index"))
    wrong = np.flatnonzero(np.abs(lengths - 1) > LENGTH_TOLERANCE)
    if len(wrong):
        raise ShapeError(
            f"{name} are not of length 1 in {len(wrong)} of {len(array)} rows (row {wrong[0]} has length "
            f"{lengths[wrong[0]]:.4g}); divide every row by its length"
        )
    return array


def new_ids(ids: Any, n: int) -> Ids:
    """The ids of n vectors.

    Raises:
        ShapeError: not n whole numbers, one of them negative or there twice.
    """
    array = whole_numbers("ids", ids)
    if len(array) != n:
        raise ShapeError(f"{len(array)} ids for {n} vectors; expected one for each")
    if n and array.min() < 0:
        raise ShapeError(f"ids hold {array.min()}; expected numbers from 0 on")
    in_order = np.sort(array)
    twice = in_order[1:][in_order[1:] == in_order[:-1]]
    if len(twice):
        raise ShapeError(f"id {twice[0]} stands twice among the ids; every vector needs one of its own")
    return array


def whole_numbers(name: str, ids: Any) -> Ids:
    """(n,) int64.

    Raises:
        ShapeError: they are not.
    """
    array = np.asarray(ids)
    if array.shape == (0,):
        return np.empty(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.dtype.kind == "u" and array.max() > np.int64(2**62)):
        raise ShapeError(f"{name} have shape {array.shape} and dtype {array.dtype}; expected (n,) int64")
    return np.ascontiguousarray(array, dtype=np.int64)


def allowed_ids(allowed: Any) -> Ids:
    """
    Raises:
        ShapeError: not whole numbers, ascending.
    """
    array = whole_numbers("allowed ids", allowed)
    if (array[1:] <= array[:-1]).any():
        raise ShapeError("allowed ids are not ascending; use numpy.unique(allowed)")
    return array


def check_k(k: Any) -> int:
    """
    Raises:
        ShapeError: k is no whole number of at least 1.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ShapeError(f"k is {k}; expected a whole number of at least 1")
    return int(k)
