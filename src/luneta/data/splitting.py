"""Training, validation and test parts of a data set that share nothing.

To read the splits that a source brings along, see `splits.py`; here new ones are made.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.groups import Groups, find_groups
from luneta.errors import ConfigError, DatasetError, did_you_mean

PARTS = ("train", "val", "test")

Size = float | int

_OFF = 0.1
"""A part further from the size asked for than this share of it is said aloud."""

logger = logging.getLogger("luneta")


@dataclass(frozen=True, eq=False)
class Splits:
    """Three parts of one data set; no group has members in two of them.

    Attributes:
        train, val, test: data sets; one of size 0 holds nothing.
        groups: what was kept together.
        part_of: (n_images,) 0, 1 or 2: whether an image of the whole is in train, val or test.
    """

    train: ImageTextDataset
    val: ImageTextDataset
    test: ImageTextDataset
    groups: Groups
    part_of: NDArray[np.int8]


def split_dataset(
    dataset: ImageTextDataset,
    *,
    val: Size = 0.1,
    test: Size = 0.1,
    seed: int = 0,
    stratify: str | None = None,
    groups: Groups | None = None,
) -> Splits:
    """Divide a data set so that nothing in one part is known from another.

    Whole groups are dealt out, the largest first, each at random in proportion to what the parts still lack and
    among those it fits into; so sizes are met as closely as groups allow, and every part gets its share of large ones.

    Args:
        dataset: what to divide.
        val, test: a share of the images (a number below 1) or how many (an int); 0 for none. The rest is for training.
        seed: equal seeds divide equally.
        stratify: metadata column whose values should be as frequent in every part as in the whole. A group counts
            with the value most of its images have.
        groups: of this data set, from `find_groups`; None looks for them with its defaults.

    Raises:
        ConfigError: sizes that leave nothing to train on, no such column, too many values, groups of other data.
        DatasetError: one group is too large for the sizes asked for.
    """
    sizes = _sizes(dataset.n_images, val, test)
    strata = None if stratify is None else _strata(dataset, stratify)
    groups = find_groups(dataset, seed=seed) if groups is None else groups
    if len(groups.datasets) != 1 or len(groups.image_groups[0]) != dataset.n_images:
        raise ConfigError(f"these groups are not of {dataset.name} alone; make them with find_groups(dataset)")
    part_of = _dealt(groups.image_groups[0], strata, sizes, seed)
    _check_sizes(dataset.name, part_of, sizes, groups)
    train, val_part, test_part = (
        replace(dataset.without_images(np.flatnonzero(part_of != number).tolist()), split=name)
        for number, name in enumerate(PARTS)
    )
    return Splits(train, val_part, test_part, groups, part_of)


def _sizes(n: int, val: Size, test: Size) -> tuple[int, int, int]:
    """How many images each part should have."""
    counts = []
    for name, size in (("val", val), ("test", test)):
        whole = isinstance(size, int | np.integer) and not isinstance(size, bool)
        if not (size >= 0 if whole else 0 <= size < 1):
            raise ConfigError(f"{name}={size!r}; expected a share below 1, such as 0.1, or a whole number of images")
        counts.append(int(size) if whole else round(n * size))
    if sum(counts) >= max(n, 1):
        raise ConfigError(f"val={val} and test={test} leave nothing to train on: there are {n} images")
    return n - sum(counts), counts[0], counts[1]


def _strata(dataset: ImageTextDataset, column: str) -> Indexes:
    """(n_images,) numbers that images share whose rows have equal values in a column."""
    if column not in dataset.rows.column_names:
        raise ConfigError(f"{dataset.name} has no column {column!r}. {did_you_mean(column, dataset.rows.column_names)}")
    values = dataset.rows.column(column).to_pylist()
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(repr(values[row]), len(numbers)) for row in dataset.image_rows.tolist()]
    if 2 * len(numbers) > dataset.n_images:
        raise ConfigError(
            f"column {column!r} has {len(numbers)} values for {dataset.n_images} images; "
            "stratify on one with few values"
        )
    return np.array(found, dtype=np.int64)


def _dealt(groups: Indexes, strata: Indexes | None, sizes: Sequence[int], seed: int) -> NDArray[np.int8]:
    """(n_images,) the part of each image."""
    _, group_of = np.unique(groups, return_inverse=True)
    n_groups = int(group_of.max(initial=-1)) + 1
    weight = np.bincount(group_of, minlength=n_groups)
    stratum_of = np.zeros(n_groups, dtype=np.int64) if strata is None else _commonest(group_of, strata)
    part = np.zeros(n_groups, dtype=np.int8)
    rng = np.random.default_rng(seed)
    owed = np.zeros(len(sizes))  # what earlier strata got too little of
    share = np.array(sizes) / max(sum(sizes), 1)
    total = np.array(sizes, dtype=np.float64)
    for stratum in np.argsort(np.bincount(stratum_of, weights=weight), kind="stable") if n_groups else ():
        mine = np.flatnonzero(stratum_of == stratum)
        n = int(weight[mine].sum())
        target = np.minimum(_rounded(share * n + owed, n), total)
        target[0] += n - target.sum()
        part[mine] = _filled(weight[mine], target, rng)
        got = np.bincount(part[mine], weights=weight[mine], minlength=len(sizes))
        owed += share * n - got
        total = np.maximum(total - got, 0)
    return part[group_of]


def _rounded(wanted: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Whole numbers near those wanted that sum to n: the largest fractions are rounded up."""
    wanted = np.maximum(wanted, 0)
    wanted = wanted * (n / wanted.sum()) if wanted.sum() else wanted
    low = np.floor(wanted)
    short = int(n - low.sum())
    low[np.argsort(low - wanted, kind="stable")[:short]] += 1
    return low


def _filled(weights: Indexes, targets: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int8]:
    """The part of every group: largest first, at random in proportion to the room left among parts it fits into."""
    order = rng.permutation(len(weights))
    order = order[np.argsort(-weights[order], kind="stable")]
    draws = rng.random(len(weights)).tolist()
    left = targets.tolist()
    found = np.empty(len(weights), dtype=np.int8)
    for group, draw in zip(order.tolist(), draws, strict=True):
        weight = int(weights[group])
        fits = [max(room, 0.0) if room >= weight else 0.0 for room in left]
        if not any(fits):  # in none: where the most room is
            chosen = max(range(len(left)), key=left.__getitem__)
        else:
            point, chosen = draw * sum(fits), 0
            while point >= fits[chosen] and chosen < len(fits) - 1:
                point -= fits[chosen]
                chosen += 1
        left[chosen] -= weight
        found[group] = chosen
    return found


def _commonest(group_of: Indexes, strata: Indexes) -> Indexes:
    """(n_groups,) the stratum that most images of each group have; the lower number of several."""
    pairs, counts = np.unique(np.stack([group_of, strata], axis=1), axis=0, return_counts=True)
    order = np.lexsort((pairs[:, 1], -counts, pairs[:, 0]))
    first = np.unique(pairs[order, 0], return_index=True)[1]
    found: Indexes = pairs[order][first, 1]
    return found


def _check_sizes(name: str, part_of: NDArray[np.int8], sizes: Sequence[int], groups: Groups) -> None:
    """Say when groups did not allow the sizes; refuse where a part asked for stays empty."""
    got = np.bincount(part_of, minlength=len(PARTS))
    largest = int(np.bincount(groups.image_groups[0]).max(initial=0))
    said = ", ".join(f"{part} {n} instead of {size}" for part, n, size in zip(PARTS, got, sizes, strict=True))
    if any(size and not n for size, n in zip(sizes, got, strict=True)):
        way_out = " ".join(groups.doubts) or "Ask for a larger part, or pass groups= found with fewer kinds of links."
        raise DatasetError(
            f"{name} cannot be divided so: its largest group holds {largest} of {len(part_of)} images ({said}). "
            f"{way_out}"
        )
    if any(abs(n - size) > max(1, _OFF * size) for size, n in zip(sizes, got, strict=True)):
        logger.warning("%s: groups of up to %d images did not allow the sizes asked for: %s", name, largest, said)
