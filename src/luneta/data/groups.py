"""Groups of items that are the same thing, and why: what must not stand on both sides of a split."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.group_links import EQUAL_KINDS, KINDS, TEXT_KINDS, Kind, Links, find_links
from luneta.data.relevance import Things, equal_captions
from luneta.errors import ConfigError
from luneta.stats import clusters

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.types import Vectors

Side = Literal["image", "text"]

GIANT_SHARE = 0.5
"""A group with more of the images than this, held together by equal captions, is worth a warning."""

SAID: Mapping[Kind, str] = {
    "file": "identical files",
    "pixels": "identical pixels",
    "near_image": "near-identical images",
    "mirrored_image": "mirror images",
    "vectors": "images with near vectors",
    "item": "equal item ids",
    "caption": "equal captions",
    "near_caption": "captions equal but for punctuation or accents",
    "pair": "a caption and its image",
}

logger = logging.getLogger("luneta")


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """An image or a text: its index, in the data set of that number among those grouped together."""

    side: Side
    index: int
    dataset: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """Why two items are in one group.

    Attributes:
        kind: "file", "pixels", "near_image", "mirrored_image", "vectors", "item", "caption", "near_caption", or
            "pair": a text and an image that the source puts together.
        first, second: the two.
        distance: 0 for what is equal; for near images and vectors, how far they are apart (0 to 1).
    """

    kind: Kind
    first: Item
    second: Item
    distance: float


@dataclass(frozen=True, eq=False)
class Groups:
    """Which items of one or several data sets are the same thing, together with everything said of them.

    Images and texts that a link or a pair joins, directly or through others, have one group number.

    Attributes:
        datasets: what was grouped.
        image_groups: for each data set (n_images,) group numbers.
        text_groups: for each data set (n_texts,) group numbers; all numbers run from 0 to n_groups - 1.
        found: the links, as arrays.
        unreadable: images that could not be read, and why; where their bytes could be read, these are compared.
        doubts: sentences about what looks wrong, such as captions that are class labels.
    """

    datasets: tuple[ImageTextDataset, ...]
    image_groups: tuple[Indexes, ...]
    text_groups: tuple[Indexes, ...]
    found: Links
    unreadable: Mapping[Item, str]
    doubts: tuple[str, ...] = ()

    @property
    def n_groups(self) -> int:
        parts = [*self.image_groups, *self.text_groups]
        return 1 + max((int(part.max()) for part in parts if len(part)), default=-1)

    @cached_property
    def counts(self) -> dict[Kind, int]:
        """How many links of each kind there are, those of images first."""
        n = np.bincount(self.found.kinds, minlength=len(KINDS))
        return {kind: int(n[code]) for code, kind in enumerate(KINDS) if n[code]}

    def links(self, *kinds: Kind) -> Iterator[Link]:
        """The links of some kinds, or all of them; of m equal items there are m - 1."""
        codes = [KINDS.index(kind) for kind in kinds] or range(len(KINDS))
        for at in np.flatnonzero(np.isin(self.found.kinds, list(codes))):
            yield self._link(int(at))

    def why(self, first: Item, second: Item) -> list[Link]:
        """The shortest chain of links and pairs from one item to the other; empty when no chain joins them.

        Raises:
            ConfigError: there is no such item.
        """
        start, goal = self._node(first), self._node(second)
        came: dict[int, tuple[int, int]] = {start: (start, -1)}
        waiting = deque([start])
        while waiting and goal not in came:
            node = waiting.popleft()
            neighbours, starts, edges = self._edges_by_node
            for at in range(starts[node], starts[node + 1]):
                other = int(neighbours[at])
                if other not in came:
                    came[other] = (node, int(edges[at]))
                    waiting.append(other)
        chain: list[Link] = []
        node = goal
        while node in came and node != start:
            node, edge = came[node]
            chain.append(self._link(edge))
        return chain[::-1]

    def things(self, dataset: int = 0, kinds: Sequence[Kind] = EQUAL_KINDS) -> Things:
        """What counts as equal in an evaluation: `evaluate(encoder, data, duplicates=groups.things())`.

        It does not chain through pairs, as groups do: captions of one image are not equal.

        Args:
            dataset: which of those grouped.
            kinds: links that count, of images and of texts. Where captions name colours, leave out "near_image": a red
                apple is a near-identical image of a green one.
        """
        images, texts = (np.unique(numbers, return_inverse=True)[1] for numbers in self.numbers(kinds)[dataset])
        first, _, end = self._offsets[2 * dataset : 2 * dataset + 3]
        within = ((first <= self.found.nodes) & (self.found.nodes < end)).all(axis=1)
        n = np.bincount(self.found.kinds[within], minlength=len(KINDS))
        links: dict[str, int] = {kind: int(n[KINDS.index(kind)]) for kind in kinds if n[KINDS.index(kind)]}
        return Things(self.datasets[dataset], texts, images, {"duplicates": "groups"}, links)

    def numbers(self, kinds: Sequence[Kind]) -> list[tuple[Indexes, Indexes]]:
        """For each data set (n_images,) and (n_texts,) numbers, equal where links of some kinds join items.

        Pairs do not join here, and numbers mean the same in all the data sets.
        """
        codes = [KINDS.index(kind) for kind in kinds]
        found = components(self.found.nodes[np.isin(self.found.kinds, codes)], self._offsets[-1])
        parts = np.split(found, self._offsets[1:-1])
        return list(zip(parts[::2], parts[1::2], strict=True))

    @cached_property
    def _offsets(self) -> list[int]:
        """Where the images and the texts of every data set start among all nodes, and the number of nodes."""
        sizes = [size for data in self.datasets for size in (data.n_images, data.n_texts)]
        return [0, *np.cumsum(sizes).tolist()]

    def _node(self, item: Item) -> int:
        if not 0 <= item.dataset < len(self.datasets) or item.side not in ("image", "text"):
            raise ConfigError(f"{item} is of no data set here; there are {len(self.datasets)}, numbered from 0")
        data = self.datasets[item.dataset]
        n = data.n_images if item.side == "image" else data.n_texts
        if not 0 <= item.index < n:
            raise ConfigError(f"{item}: {data.name} has {n} {item.side}s, numbered from 0")
        return self._offsets[2 * item.dataset + (item.side == "text")] + item.index

    def _item(self, node: int) -> Item:
        part = int(np.searchsorted(self._offsets, node, side="right")) - 1
        return Item("text" if part % 2 else "image", node - self._offsets[part], part // 2)

    def _link(self, edge: int) -> Link:
        """A link by its number; those after the last are the pairs."""
        n_links = len(self.found.kinds)
        if edge < n_links:
            first, second = self.found.nodes[edge].tolist()
            kind, distance = KINDS[self.found.kinds[edge]], float(self.found.distances[edge])
            return Link(kind, self._item(first), self._item(second), distance)
        first, second = self._pair_nodes[edge - n_links].tolist()
        return Link("pair", self._item(first), self._item(second), 0.0)

    @cached_property
    def _pair_nodes(self) -> Indexes:
        return pair_nodes(self.datasets)

    @cached_property
    def _edges_by_node(self) -> tuple[Indexes, Indexes, Indexes]:
        """Neighbours ordered by node, where each node's start, and the number of the link to each."""
        edges = np.concatenate([self.found.nodes, self._pair_nodes])
        ends, others = edges.T.reshape(-1), edges[:, ::-1].T.reshape(-1)
        order = np.argsort(ends, kind="stable")
        starts = np.searchsorted(ends[order], np.arange(self._offsets[-1] + 1))
        return others[order], starts, order % max(len(edges), 1)

    def __str__(self) -> str:
        from luneta.grids import as_text

        return as_text(self)

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(justify="right")
        sizes = np.bincount(np.concatenate(self.image_groups), minlength=self.n_groups)
        rows = [
            ("images", sum(data.n_images for data in self.datasets)),
            ("texts", sum(data.n_texts for data in self.datasets)),
            ("groups", self.n_groups),
            ("groups of several images", int((sizes > 1).sum())),
            ("images in the largest group", int(sizes.max(initial=0))),
            *((f"links: {SAID[kind]}", n) for kind, n in self.counts.items()),
            *([("unreadable images", len(self.unreadable))] if self.unreadable else []),
        ]
        for name, n in rows:
            table.add_row(name, f"{n:,}")
        return Group(table, *(Text(f"! {doubt}", style="yellow") for doubt in self.doubts))


def find_groups(
    datasets: ImageTextDataset | Sequence[ImageTextDataset],
    *,
    near: bool = True,
    item_column: str | None = None,
    captions: bool = True,
    image_vectors: Vectors | Sequence[Vectors] | None = None,
    least_cosine: float = 0.97,
    seed: int = 0,
) -> Groups:
    """Find what is the same thing: within one data set, or across several.

    Files of equal content are joined; with `near`, every picture is decoded, and pictures of equal pixels and
    near-identical ones are joined too (stored again, resized, trimmed by about 5 %, mirrored, in other colours).
    Captions are joined to their images, so that the captions of one image stay together.

    Args:
        datasets: one, or several whose items may be the same.
        near: also compare decoded pictures.
        item_column: metadata column whose equal values mean the same thing (a garment, a painting).
        captions: join equal captions, and those equal but for punctuation and accents. Where captions are class
            labels this joins everything.
        image_vectors: (n_images, d) unit vectors of the images (for each data set); those with a cosine of at least
            `least_cosine` are joined. A row of zeros, for an image that has no vector, joins nothing. What is near
            depends on the encoder: look at the links.
        least_cosine: for `image_vectors`.
        seed: of the search for near neighbours among many images.

    Raises:
        ConfigError: no such column, or a cosine outside 0..1.
        ShapeError: vectors that do not fit the images.
    """
    several = (datasets,) if isinstance(datasets, ImageTextDataset) else tuple(datasets)
    if not several:
        raise ConfigError("there is no data set to group")
    vectors = [image_vectors] if isinstance(image_vectors, np.ndarray) else image_vectors
    links, unreadable = find_links(
        several, near=near, item_column=item_column, captions=captions,
        vectors=None if vectors is None else (list(vectors), least_cosine), seed=seed,
    )  # fmt: skip
    sizes = [size for data in several for size in (data.n_images, data.n_texts)]
    pairs = pair_nodes(several)
    numbers = components(np.concatenate([links.nodes, pairs]), sum(sizes))
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    doubts = _doubts(links, pairs, parts[::2], sum(sizes))
    for doubt in doubts:
        logger.warning("%s", doubt)
    broken = {Item("image", index, number): reason for (number, index), reason in unreadable.items()}
    return Groups(several, tuple(parts[::2]), tuple(parts[1::2]), links, broken, doubts)


def same_things(
    dataset: ImageTextDataset, *, near: bool = True, item_column: str | None = None, seed: int = 0
) -> Things:
    """Equal captions, equal pictures, and further pictures that are the same thing, for an evaluation.

    Args:
        dataset: what is to be evaluated.
        near: near-identical pictures are the same thing (mirror images are not); decodes every picture.
        item_column: metadata column whose equal values mean the same thing.
        seed: of the search for near-identical pictures.

    Raises:
        ConfigError: no such column.
    """
    groups = find_groups(dataset, near=near, item_column=item_column, captions=False, seed=seed)
    rules = {"duplicates": "near" if near else "merge"} | ({"same_item": item_column} if item_column else {})
    return replace(groups.things(), texts=equal_captions(dataset), rules=rules)


def components(edges: Indexes, n: int) -> Indexes:
    """(n,) numbers from 0 that nodes share when (n_edges, 2) edges join them, directly or through others."""
    nodes = np.arange(n)
    return clusters(np.concatenate([edges, np.stack([nodes, nodes], axis=1)]), n, n)[0]


def pair_nodes(datasets: Sequence[ImageTextDataset]) -> Indexes:
    """(n_pairs, 2) of text node and image node, of all data sets; every data set's images come before its texts."""
    nodes, offset = [np.empty((0, 2), dtype=np.int64)], 0
    for data in datasets:
        nodes.append(data.pairs + np.array([offset + data.n_images, offset]))
        offset += data.n_images + data.n_texts
    return np.concatenate(nodes)


def _doubts(links: Links, pairs: Indexes, image_groups: Sequence[Indexes], n_nodes: int) -> tuple[str, ...]:
    """Says when captions hold most images together that pictures alone would not."""
    images = np.concatenate(image_groups)
    largest = int(np.bincount(images).max(initial=0))
    if len(images) <= 2 or largest <= GIANT_SHARE * len(images):
        return ()
    by_caption = np.isin(links.kinds, [KINDS.index(kind) for kind in TEXT_KINDS])
    others = components(np.concatenate([links.nodes[~by_caption], pairs]), n_nodes)
    _, sizes = np.unique(others[pairs[:, 1]], return_counts=True)
    if not by_caption.any() or sizes.max(initial=0) > largest / 2:
        return ()
    return (
        f"Equal captions join {largest:,} of {len(images):,} images into one group, which cannot be divided: they look "
        "like class labels, or chain from image to image. captions=False (--no-captions) groups by pictures alone; "
        "equal captions may then stand on both sides of a split.",
    )


def same_group(groups: Groups, texts: Indexes, images: Indexes, dataset: int = 0) -> NDArray[np.bool_]:
    """Which of some texts and images are the same thing and so no negatives of each other.

    Args:
        groups: of the data set that is trained on.
        texts, images: (n_texts,) and (n_images,) indexes of a batch.
        dataset: which data set of `groups`.

    Returns:
        (n_texts, n_images) True where they are of one group; a contrastive loss leaves these out of its negatives.
    """
    same: NDArray[np.bool_] = (
        groups.text_groups[dataset][np.asarray(texts)][:, None] == groups.image_groups[dataset][np.asarray(images)]
    )
    return same
