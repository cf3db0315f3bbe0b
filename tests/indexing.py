"""The plainest index there can be: a dictionary of vectors, searched in float64."""

from __future__ import annotations

import numpy as np

from luneta.types import Found


class ModelIndex:
    """What every index must equal."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.vectors: dict[int, np.ndarray] = {}

    @property
    def ids(self) -> list[int]:
        return sorted(self.vectors)

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        self.vectors |= dict(zip(ids.tolist(), vectors, strict=True))

    def remove(self, ids: np.ndarray) -> int:
        return sum(self.vectors.pop(number, None) is not None for number in ids.tolist())

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Found:
        ids = np.array([i for i in self.ids if allowed is None or i in set(allowed.tolist())], dtype=np.int64)
        found = Found(np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64))
        for row, query in enumerate(queries.astype(np.float64)):
            scores = np.array([np.einsum("i,i->", self.vectors[i].astype(np.float64), query) for i in ids])
            scores = scores.astype(np.float32)
            order = np.argsort(-scores, kind="stable")[:k]
            found.scores[row, : len(order)], found.ids[row, : len(order)] = scores[order], ids[order]
        return found


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def random_units(n: int, dim: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((n, dim)) + 1e-9)


def clustered(n: int, dim: int, *, n_clusters: int = 50, spread: float = 0.7, seed: int = 0) -> np.ndarray:
    """Unit vectors around centres, as embeddings lie."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.standard_normal((n_clusters, dim)))
    return unit(centres[rng.integers(n_clusters, size=n)] + spread * rng.standard_normal((n, dim)) / np.sqrt(dim))
