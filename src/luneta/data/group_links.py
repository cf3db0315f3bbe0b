"""Links between items of data sets: what two of them share, found without comparing all with all."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.near_images import near_images
from luneta.data.neighbours import neighbours
from luneta.data.relevance import caption_key, loose_caption_key
from luneta.data.signatures import sign
from luneta.errors import ConfigError, ImageError, ShapeError, did_you_mean
from luneta.progress import track
from luneta.types import ImageRef, Vectors

logger = logging.getLogger("luneta")

Kind = Literal["file", "pixels", "near_image", "mirrored_image", "vectors", "item", "caption", "near_caption", "pair"]
KINDS: tuple[Kind, ...] = get_args(Kind)
IMAGE_KINDS: tuple[Kind, ...] = ("file", "pixels", "near_image", "mirrored_image", "vectors", "item")
"""Links between two images, the surest first."""

TEXT_KINDS: tuple[Kind, ...] = ("caption", "near_caption")
"""Links between two texts, the surest first."""

EQUAL_KINDS: tuple[Kind, ...] = ("file", "pixels", "near_image", "vectors", "item", "caption")
"""Links between items that count as equal in an evaluation, unless it is said otherwise.

Not mirror images, since captions tell left from right, nor captions that differ in accents, which tell words apart.
"""

_THREADS = 4
_PART = 64
_NEAREST = 10  # images with near vectors that each is linked to


@dataclass(frozen=True, eq=False)
class Links:
    """Links as arrays. Nodes are all items: images and then texts of the first data set, of the second, and so on.

    Attributes:
        kinds: (n_links,) int8, the number of each link's kind in `KINDS`.
        nodes: (n_links, 2) int64, the lower node first.
        distances: (n_links,) float32, 0 for what is equal.
    """

    kinds: NDArray[np.int8]
    nodes: Indexes
    distances: NDArray[np.float32]


Found = tuple[Kind, Indexes, NDArray[np.float32]]


def find_links(
    datasets: Sequence[ImageTextDataset],
    *,
    near: bool,
    item_column: str | None,
    captions: bool,
    vectors: tuple[Sequence[Vectors], float] | None,
    seed: int,
) -> tuple[Links, dict[tuple[int, int], str]]:
    """All links, and (data set, image) -> why it cannot be read. As `luneta.data.groups.find_groups`, which see.

    Raises:
        ConfigError: no such column, or a cosine outside 0..1.
        ShapeError: vectors that do not fit the images.
    """
    items = None if item_column is None else _all_item_ids(datasets, item_column)
    rows = None if vectors is None else _checked_vectors(datasets, *vectors)
    refs = [ref for data in datasets for ref in data.images]
    offsets = np.cumsum([0, *(size for data in datasets for size in (data.n_images, data.n_texts))])
    node = np.concatenate([np.arange(data.n_images) + offsets[2 * d] for d, data in enumerate(datasets)])
    found, unreadable = _picture_links(refs, near, seed)
    if items is not None:
        found.append(_equal("item", [key for keys in items for key in keys]))
    if rows is not None and vectors is not None:
        found.append(_vector_links(rows, vectors[1], seed))
    found = [(kind, node[pairs], distances) for kind, pairs, distances in found]
    if captions:
        text = np.concatenate([np.arange(data.n_texts) + offsets[2 * d + 1] for d, data in enumerate(datasets)])
        texts = [caption for data in datasets for caption in data.texts]
        found += [(kind, text[pairs], distances) for kind, pairs, distances in _caption_links(texts)]
    owner = np.repeat(np.arange(len(datasets)), [data.n_images for data in datasets])
    first = offsets[:-1:2]
    broken = {(int(owner[i]), int(node[i] - first[owner[i]])): reason for i, reason in unreadable.items()}
    return _joined(found), broken


def _joined(found: Sequence[Found]) -> Links:
    kinds = [np.full(len(pairs), KINDS.index(kind), dtype=np.int8) for kind, pairs, _ in found]
    nodes = [np.sort(pairs, axis=1) for _, pairs, _ in found]
    return Links(
        np.concatenate([*kinds, np.empty(0, dtype=np.int8)]),
        np.concatenate([*nodes, np.empty((0, 2), dtype=np.int64)]),
        np.concatenate([*(distances for _, _, distances in found), np.empty(0, dtype=np.float32)]),
    )


def _picture_links(refs: Sequence[ImageRef], near: bool, seed: int) -> tuple[list[Found], dict[int, str]]:
    keys, unreadable = _file_keys(refs)
    found = [_equal("file", keys)]
    if not near:
        return found, unreadable
    signatures = sign(refs, keys)
    unreadable |= signatures.unreadable
    found.append(_equal("pixels", [pixels or None for pixels in signatures.pixels], known=keys))
    distinct: dict[str, int] = {}
    for index, pixels in enumerate(signatures.pixels):
        if pixels:
            distinct.setdefault(pixels, index)
    close = near_images(signatures, np.array(list(distinct.values()), dtype=np.int64), seed=seed)
    found.append(("near_image", close.pairs[~close.mirrored], close.distances[~close.mirrored]))
    found.append(("mirrored_image", close.pairs[close.mirrored], close.distances[close.mirrored]))
    return found, dict(sorted(unreadable.items()))


def _file_keys(refs: Sequence[ImageRef]) -> tuple[list[str | None], dict[int, str]]:
    """Content digest of every picture; None, with the reason, where it cannot be read."""
    unreadable: dict[int, str] = {}

    def key(index: int) -> str | None:
        try:
            return refs[index].key()
        except ImageError as error:
            unreadable[index] = str(error)
            return None

    keys: list[str | None] = []
    parts = [range(start, min(start + _PART, len(refs))) for start in range(0, len(refs), _PART)]
    with ThreadPoolExecutor(_THREADS) as pool, track("hashing images", len(refs)) as advance:
        for part in pool.map(lambda indexes: [key(index) for index in indexes], parts):
            keys += part
            advance(len(part))
    return keys, unreadable


def _equal(kind: Kind, keys: Iterable[Hashable], known: Sequence[Hashable] | None = None) -> Found:
    """Links from the first item of every key to the others of the same key; None has none.

    Items that share their entry of `known` too are linked already, and are not linked again.
    """
    first: dict[Hashable, int] = {}
    pairs = []
    for index, key in enumerate(keys):
        if key is None:
            continue
        other = first.setdefault(key, index)
        if other != index and (known is None or known[index] is None or known[index] != known[other]):
            pairs.append((other, index))
    return kind, np.array(pairs, dtype=np.int64).reshape(-1, 2), np.zeros(len(pairs), dtype=np.float32)


def _caption_links(texts: Sequence[str]) -> list[Found]:
    """Equal captions, and one of each set of them linked to one of the next where only little differs."""
    keys = [caption_key(text) for text in texts]
    first: dict[str, int] = {}
    for index, key in enumerate(keys):
        first.setdefault(key, index)
    distinct = np.array(list(first.values()), dtype=np.int64)
    kind, pairs, distances = _equal("near_caption", (loose_caption_key(texts[index]) for index in distinct))
    return [_equal("caption", keys), (kind, distinct[pairs], distances)]


def _all_item_ids(datasets: Sequence[ImageTextDataset], column: str) -> list[list[Hashable]]:
    """`item_ids` of several data sets, with a warning where their columns are not of one kind."""
    ids = [item_ids(data, column) for data in datasets]
    kinds = [(kind, data.name) for data in datasets if (kind := _kind_of(data.rows.schema.field(column).type))]
    if len({kind for kind, _ in kinds}) > 1:
        logger.warning(
            "column %r holds %s: values are compared as they are written, so 007 is not 7",
            column, " and ".join(f"{kind} in {name}" for kind, name in kinds),
        )  # fmt: skip
    return ids


def _kind_of(column: pa.DataType) -> str:
    """What a column holds, in a word; nothing for one of nulls alone."""
    if pa.types.is_dictionary(column):
        column = column.value_type
    if pa.types.is_null(column):
        return ""
    if pa.types.is_integer(column) or pa.types.is_floating(column) or pa.types.is_decimal(column):
        return "numbers"
    return "text" if pa.types.is_string(column) or pa.types.is_large_string(column) else str(column)


def item_ids(data: ImageTextDataset, column: str) -> list[Hashable]:
    """The value of a metadata column for every image, as text; None where it is null, empty or no number.

    A whole number is written without a point: readers of tables turn a column of integers into one of floats where a
    value is missing, and 7.0 of one data set is 7 of another.

    Raises:
        ConfigError: no such column.
    """
    if column not in data.rows.column_names:
        raise ConfigError(f"{data.name} has no column {column!r}. {did_you_mean(column, data.rows.column_names)}")
    values = data.rows.column(column).to_pylist()
    texts = ["" if value is None or value != value else _written(value) for value in values]  # NaN is not itself
    return [texts[row] or None for row in data.image_rows.tolist()]


def _written(value: object) -> str:
    if isinstance(value, (float, Decimal)) and value % 1 == 0:
        return str(int(value))
    return str(value).strip()


def _checked_vectors(datasets: Sequence[ImageTextDataset], vectors: Sequence[Vectors], least: float) -> Vectors:
    """The images' vectors of all data sets, one under the other."""
    if not 0 < least <= 1:
        raise ConfigError(f"least_cosine is {least}; expected more than 0, and 1 at most")
    arrays = [np.asarray(part, dtype=np.float32) for part in vectors]
    if len(arrays) != len(datasets) or any(part.ndim != 2 for part in arrays):
        shapes = [part.shape for part in arrays]
        raise ShapeError(f"image_vectors have shapes {shapes}; expected (n_images, d) for {len(datasets)} data set(s)")
    for data, part in zip(datasets, arrays, strict=True):
        if part.shape != (data.n_images, arrays[0].shape[1]):
            raise ShapeError(f"{data.name} has {data.n_images} images, but its vectors have the shape {part.shape}")
    rows = np.concatenate(arrays)
    lengths = np.linalg.norm(rows, axis=1)
    if not np.allclose(lengths[lengths != 0], 1, atol=1e-3):  # false for NaN too
        raise ShapeError("image_vectors are not all finite and of length 1; divide every row by its length")
    return rows


def _vector_links(rows: Vectors, least: float, seed: int) -> Found:
    pairs, cosines = neighbours(rows, rows, least, _NEAREST + 1, seed=seed, stage="comparing vectors")
    order = pairs[:, 0] != pairs[:, 1]
    pairs, at = np.unique(np.sort(pairs[order], axis=1), axis=0, return_index=True)
    distances = np.clip(1 - cosines[order][at], 0, None)
    return "vectors", pairs, distances.astype(np.float32)
