"""Texts that an encoder has trouble telling apart, together in one step: the global hard samples of ELIP.

Each group begins with a text that no group has yet. The texts of the pictures that the encoder takes for the right one
join it, then those of theirs, until there are enough (Zhan et al. say that batches are grouped, not how).
"""

from __future__ import annotations

import numpy as np

from luneta.data.dataset import Indexes
from luneta.progress import track


def neighbourhoods(
    seeds: Indexes, size: int, hard: Indexes, pairs: Indexes, groups: Indexes, rng: np.random.Generator
) -> Indexes:
    """All texts in an order in which every `size` of them are neighbours.

    A group holds no two texts of one thing as long as there are others; what is left in the end is in one group
    whatever it is.

    Args:
        seeds: (n_texts,) every text once; earlier ones choose their neighbours first.
        size: texts of a group.
        hard: (n_texts, n) images that the encoder takes for the right one, the likeliest first; -1 where there are
            fewer.
        pairs: (n_pairs, 2) of (text, image), sorted.
        groups: (n_images,) images that are the same thing have one number.
        rng: of the order of the groups, for the last ones to be made hold what was left over.

    Returns:
        (n_texts,) the groups one after the other; the texts that make no whole group come last.
    """
    texts_of = _TextsOf(pairs, len(groups))
    thing = groups[pairs[np.searchsorted(pairs[:, 0], np.arange(len(seeds))), 1]]  # by its first image
    free = np.ones(len(seeds), dtype=bool)
    rest = _Rest(seeds, free)
    made = np.empty((len(seeds) // size, size), dtype=np.int64)
    with track("grouping texts", len(made)) as advance:
        for group in made:
            group[0] = rest.take(1)[0]
            n, looked_at = 1, 0
            while n < size and looked_at < n:
                images = hard[group[looked_at]]
                found = texts_of(images[images >= 0])
                found = found[free[found] & ~np.isin(thing[found], thing[group[:n]])]
                _, first = np.unique(thing[found], return_index=True)  # one text of each thing, the likeliest first
                found = found[np.sort(first)][: size - n]
                group[n : n + len(found)] = found
                free[found] = False
                n, looked_at = n + len(found), looked_at + 1
            group[n:] = rest.take(size - n)
            advance(1)
    return np.concatenate([made[rng.permutation(len(made))].reshape(-1), rest.take(len(seeds) - made.size)])


class _Rest:
    """The texts that are still free, in their order."""

    def __init__(self, seeds: Indexes, free: np.ndarray) -> None:
        self._seeds, self._free, self._next = seeds, free, 0

    def take(self, n: int) -> Indexes:
        """The next n of them, which are free no more."""
        taken = np.empty(n, dtype=np.int64)
        for place in range(n):
            while not self._free[self._seeds[self._next]]:
                self._next += 1
            taken[place] = self._seeds[self._next]
            self._free[taken[place]] = False
        return taken


class _TextsOf:
    """From images to their texts, in the order of the images."""

    def __init__(self, pairs: Indexes, n_images: int) -> None:
        order = np.argsort(pairs[:, 1], kind="stable")
        self._texts = pairs[order, 0]
        self._starts = np.searchsorted(pairs[order, 1], np.arange(n_images + 1))

    def __call__(self, images: Indexes) -> Indexes:
        first, n = self._starts[images], self._starts[images + 1] - self._starts[images]
        found: Indexes = self._texts[np.repeat(first - np.cumsum(n) + n, n) + np.arange(n.sum())]
        return found
