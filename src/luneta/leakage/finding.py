"""What of a test set the training set has seen, and how much that flatters the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.group_links import IMAGE_KINDS, TEXT_KINDS, Kind
from luneta.data.groups import Groups, find_groups
from luneta.errors import ConfigError, ProtocolMismatchError
from luneta.metrics import recall_at
from luneta.results import Evaluation
from luneta.stats import Interval, bootstrap
from luneta.types import DIRECTIONS, Direction

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = "luneta.leakage/1"
RECALLS = (1, 5, 10)

Seen = Literal["image", "image or caption"]

_LISTED = 1000  # sightings of each side written to JSON


@dataclass(frozen=True, slots=True)
class Sighting:
    """A test item and the item of the training set that it is, or repeats.

    Attributes:
        test, train: indexes of images, or of texts.
        kind: of the surest link between them.
        distance: of that link; 0 where other items lie between the two.
    """

    test: int
    train: int
    kind: Kind
    distance: float


@dataclass(frozen=True, slots=True)
class Inflation:
    """Recall with and without the queries whose answer, or who themselves, were seen in training.

    The gallery is the whole test set in every case; only queries are left out.

    Attributes:
        direction, metric: such as "text_to_image" and "recall@1".
        seen: which queries count as leaked: those whose image was seen, or whose image or caption was.
        n_queries, n_leaked: all queries, and the leaked ones.
        reported: over all queries.
        clean: over the others; None when all are leaked.
        leaked: over the leaked ones.
        inflation: reported less clean, with an interval by resampling groups (linearised); None when all are leaked.
    """

    direction: Direction
    metric: str
    seen: Seen
    n_queries: int
    n_leaked: int
    reported: Interval
    clean: Interval | None
    leaked: Interval
    inflation: Interval | None


@dataclass(frozen=True, eq=False)
class Leakage:
    """What of a test set the training set has seen.

    Attributes:
        train, test: the data sets.
        groups: of both together; number 0 is `train`, number 1 is `test`.
        images: seen test images, in their order.
        texts: seen test captions, in their order.
        inflations: with and without the leaked queries; empty without an evaluation, or when nothing is leaked.
    """

    train: ImageTextDataset
    test: ImageTextDataset
    groups: Groups
    images: tuple[Sighting, ...]
    texts: tuple[Sighting, ...]
    inflations: tuple[Inflation, ...] = ()

    @property
    def image_share(self) -> float:
        """Share of the test images that were seen."""
        return len(self.images) / max(self.test.n_images, 1)

    @property
    def text_share(self) -> float:
        """Share of the test captions that were seen."""
        return len(self.texts) / max(self.test.n_texts, 1)

    @property
    def counts(self) -> dict[Kind, int]:
        """How many test items were seen, by their surest link."""
        found = [sighting.kind for sighting in (*self.images, *self.texts)]
        return {kind: found.count(kind) for kind in (*IMAGE_KINDS, *TEXT_KINDS) if kind in found}

    def to_dict(self) -> dict[str, Any]:
        """The JSON form (schema `luneta.leakage/1`); the first 1000 sightings of each side."""
        labels = {"images": (self.images, _labels), "texts": (self.texts, _texts)}
        return {
            "schema": SCHEMA,
            "train": {"name": self.train.name, "n_images": self.train.n_images, "n_texts": self.train.n_texts},
            "test": {"name": self.test.name, "n_images": self.test.n_images, "n_texts": self.test.n_texts},
            "n_seen_images": len(self.images), "image_share": self.image_share,
            "n_seen_texts": len(self.texts), "text_share": self.text_share,
            "counts": self.counts,
            "unreadable": len(self.groups.unreadable),
            **{
                name: [
                    asdict(s) | {"test_name": named(self.test, s.test), "train_name": named(self.train, s.train)}
                    for s in sightings[:_LISTED]
                ]
                for name, (sightings, named) in labels.items()
            },
            "inflation": [asdict(inflation) for inflation in self.inflations],
        }  # fmt: skip

    def __str__(self) -> str:
        from luneta.grids import as_text

        return as_text(self)

    def __rich__(self) -> RenderableType:
        from luneta.leakage.terminal import leakage_view

        return leakage_view(self)


def find_leakage(
    train: ImageTextDataset,
    test: ImageTextDataset,
    *,
    groups: Groups | None = None,
    evaluation: Evaluation | None = None,
    seed: int = 0,
) -> Leakage:
    """Which test images and captions stand in the training set too, and what the score is without them.

    Args:
        train, test: data sets; of one source, open its splits one by one.
        groups: `find_groups((train, test))` with options of your own; None takes its defaults.
        evaluation: of the test set, to measure how much its recall owes to what was seen.
        seed: of the search and of the intervals.

    Raises:
        ConfigError: the groups are not of train and test.
        ProtocolMismatchError: the evaluation is of other data.
    """
    groups = find_groups((train, test), seed=seed) if groups is None else groups
    if [(data.n_images, data.n_texts) for data in groups.datasets] != [
        (data.n_images, data.n_texts) for data in (train, test)
    ]:
        raise ConfigError("these groups are not of train and test; make them with find_groups((train, test))")
    images = _sightings(groups, 0, IMAGE_KINDS)
    texts = _sightings(groups, 1, TEXT_KINDS)
    inflations = () if evaluation is None else _inflations(groups, images, texts, evaluation, seed)
    return Leakage(train, test, groups, images, texts, inflations)


def _sightings(groups: Groups, side: int, kinds: Sequence[Kind]) -> tuple[Sighting, ...]:
    """Test items that links of some kinds, the surest first, join to training items."""
    kind_of: dict[int, tuple[int, Kind]] = {}
    for n in range(1, len(kinds) + 1):
        if not groups.counts.get(kinds[n - 1]) or not groups.datasets[0].n_images:
            continue
        train, test = (part[side] for part in groups.numbers(kinds[:n]))
        known, first = np.unique(train, return_index=True)
        at = np.searchsorted(known, test)
        at = np.minimum(at, len(known) - 1)
        for item in np.flatnonzero(known[at] == test).tolist():
            kind_of.setdefault(item, (int(first[at[item]]), kinds[n - 1]))
    direct = _direct(groups, side)
    found = []
    for item, (match, kind) in sorted(kind_of.items()):
        nearest = direct.get((item, kind), (match, 0.0))
        found.append(Sighting(item, nearest[0], kind, nearest[1]))
    return tuple(found)


def _direct(groups: Groups, side: int) -> dict[tuple[int, Kind], tuple[int, float]]:
    """(test item, kind) -> the nearest training item it is directly linked to, and the distance."""
    found: dict[tuple[int, Kind], tuple[int, float]] = {}
    for link in groups.links(*(TEXT_KINDS if side else IMAGE_KINDS)):
        if (link.first.dataset, link.second.dataset) == (0, 1):
            at = (link.second.index, link.kind)
            if at not in found or link.distance < found[at][1]:
                found[at] = (link.first.index, link.distance)
    return found


def _inflations(
    groups: Groups, images: Sequence[Sighting], texts: Sequence[Sighting], evaluation: Evaluation, seed: int
) -> tuple[Inflation, ...]:
    test = groups.datasets[1]
    kept_images, kept_texts = _evaluated(groups, evaluation)
    flags = np.zeros(test.n_images, dtype=bool), np.zeros(test.n_texts, dtype=bool)
    for flag, sightings in zip(flags, (images, texts), strict=True):
        flag[[sighting.test for sighting in sightings]] = True
    clusters: dict[Direction, Indexes] = {
        "text_to_image": groups.text_groups[1][kept_texts],
        "image_to_text": groups.image_groups[1][kept_images],
    }
    found = []
    for seen, of_texts, of_images in _leaked(test, *flags):
        leaked: dict[Direction, NDArray[np.bool_]] = {
            "text_to_image": of_texts[kept_texts],
            "image_to_text": of_images[kept_images],
        }
        for direction in DIRECTIONS:
            if not leaked[direction].any():
                continue
            for k in RECALLS:
                hits = recall_at(evaluation.rankings[direction], k)
                found.append(
                    _inflation(direction, f"recall@{k}", seen, hits, leaked[direction], clusters[direction], seed)
                )
    return tuple(found)


def _leaked(
    test: ImageTextDataset, images: NDArray[np.bool_], texts: NDArray[np.bool_]
) -> list[tuple[Seen, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Which texts and which images are leaked as queries, by each meaning of the word that makes a difference."""
    owner, shown = test.pairs.T
    by_image = np.zeros(test.n_texts, dtype=bool)
    np.logical_or.at(by_image, owner, images[shown])
    rules: list[tuple[Seen, NDArray[np.bool_], NDArray[np.bool_]]] = [("image", by_image, images)]
    by_text = images.copy()
    np.logical_or.at(by_text, shown, texts[owner])
    if (texts & ~by_image).any():
        rules.append(("image or caption", by_image | texts, by_text))
    return rules


def _evaluated(groups: Groups, evaluation: Evaluation) -> tuple[Indexes, Indexes]:
    """Images and texts of the test set that the evaluation ranked: all but what it could not decode."""
    test = groups.datasets[1]
    left_out = _left_out(test, evaluation)
    images, texts = test.remaining(left_out)
    sizes = len(texts), len(images)
    if sizes == tuple(evaluation.rankings[direction].n_queries for direction in DIRECTIONS):
        measured = test.without_images(left_out) if left_out else test
        if measured.fingerprint == evaluation.dataset["fingerprint"]:
            return images, texts
    raise ProtocolMismatchError(
        f"the evaluation is of {evaluation.dataset['n_images']} images and {evaluation.dataset['n_texts']} texts "
        f"of {evaluation.dataset['name']}, not of {test.name} ({test.n_images} and {test.n_texts}); open the test set "
        "as it was evaluated, with the same split, columns, limit and seed"
    )


def _left_out(test: ImageTextDataset, evaluation: Evaluation) -> list[int]:
    """Images of the test set that the evaluation wrote down as skipped; the folder may have been named otherwise."""
    added = set(evaluation.skipped) - set(test.skipped)
    skipped = {(row.row, row.source.rpartition("/")[2]) for row in added}
    labels = (image.label.rpartition("/")[2] for image in test.images)
    return [i for i, at in enumerate(zip(test.image_rows.tolist(), labels, strict=True)) if at in skipped]


def _inflation(
    direction: Direction,
    metric: str,
    seen: Seen,
    hits: NDArray[np.float64],
    leaked: NDArray[np.bool_],
    clusters: Indexes,
    seed: int,
) -> Inflation:
    def over(which: NDArray[np.bool_]) -> Interval:
        return bootstrap(hits[which], clusters[which], seed=seed)

    reported, n_leaked = over(np.ones_like(leaked)), int(leaked.sum())
    if n_leaked == len(hits):
        return Inflation(direction, metric, seen, len(hits), n_leaked, reported, None, reported, None)
    clean = over(~leaked)
    # The difference of the two means, one of them over a random number of queries, as a mean of one value a query.
    gap = reported.value - clean.value
    values = gap + (hits - reported.value) - ~leaked / (~leaked).mean() * (hits - clean.value)
    inflation = bootstrap(values, clusters, bounded=False, seed=seed)
    return Inflation(direction, metric, seen, len(hits), n_leaked, reported, clean, over(leaked), inflation)


def _labels(data: ImageTextDataset, index: int) -> str:
    return data.images[index].label


def _texts(data: ImageTextDataset, index: int) -> str:
    return data.texts[index]
