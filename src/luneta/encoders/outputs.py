"""What every encoder owes its callers, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from luneta.errors import EncoderError
from luneta.types import EncoderSpec, Vectors


def unit_vectors(raw: Any, names: Sequence[str], spec: EncoderSpec, method: str) -> Vectors:
    """What an encoder returned, checked and normalised: (n, embedding_dim) float32, every row of length 1.

    Args:
        raw: what the encoder returned; its rows may have any length but zero.
        names: (n) labels of the pictures, or the texts, for the message.
        spec: the encoder's.
        method: what was called, for the message.

    Raises:
        EncoderError: not an array of floats, another shape, NaN, infinite or zero vectors.
    """
    who = f"{spec.name}: {method}"
    expected = (len(names), spec.embedding_dim)
    if not isinstance(raw, np.ndarray) or not np.issubdtype(raw.dtype, np.floating):
        kind = f"an array of {raw.dtype}" if isinstance(raw, np.ndarray) else f"a {type(raw).__name__}"
        raise EncoderError(f"{who} returned {kind}; expected a numpy array of float32, shape {expected}")
    if raw.shape != expected:
        raise EncoderError(
            f"{who} returned shape {raw.shape} for {len(names)} items; expected {expected}, one row per item and "
            "spec.embedding_dim columns"
        )
    wide = raw.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        name = names[int(bad[0])]
        what = "a vector of length 0" if lengths[bad[0]] == 0 else "a vector that is not finite (NaN or infinity)"
        shown = repr(name if len(name) <= 80 else name[:77] + "...")
        raise EncoderError(
            f"{who} returned {what} for {shown}, {len(bad)} of {len(names)} in this batch. Scores would be "
            "meaningless; look at the encoder's dtype and weights."
        )
    return (wide / lengths[:, None]).astype(np.float32)  # type: ignore[no-any-return]
