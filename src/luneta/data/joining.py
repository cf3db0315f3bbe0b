"""Several data sets as one: further captions of the same pictures, further pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.relevance import caption_key
from luneta.errors import ConfigError
from luneta.types import ImageRef


def join_datasets(datasets: Sequence[ImageTextDataset]) -> ImageTextDataset:
    """One data set of all pictures and captions; a picture of equal content stands in it once, with all its captions.

    Of equal captions of a picture (case, spacing and final punctuation aside) the first stays: an equal set adds
    nothing. So captions of the same pictures in two languages become one data set to learn both from.

    Args:
        datasets: at least one; the metadata of a picture are those of the first that has it, and columns are told where
            all were read from the same ones.

    Raises:
        ConfigError: there is none.
        ImageError: a picture cannot be read.
    """
    if not datasets:
        raise ConfigError("there is no data set to join")
    if len(datasets) == 1:
        return datasets[0]
    images: list[ImageRef] = []
    number_of: dict[str, int] = {}
    texts: list[str] = []
    said: set[tuple[int, str]] = set()
    pairs, image_rows, text_rows = [], [], []
    n_rows = 0
    for data in datasets:
        numbers = np.empty(data.n_images, dtype=np.int64)
        for index, key in enumerate(data.image_keys):
            if key not in number_of:
                number_of[key] = len(images)
                images.append(data.images[index])
                image_rows.append(n_rows + int(data.image_rows[index]))
            numbers[index] = number_of[key]
        found = _unsaid(np.stack([data.pairs[:, 0], numbers[data.pairs[:, 1]]], axis=1), data.texts, said)
        kept, at = np.unique(found[:, 0], return_inverse=True)
        pairs.append(np.stack([at + len(texts), found[:, 1]], axis=1))
        text_rows.append(data.text_rows[kept] + n_rows)
        texts += [data.texts[int(text)] for text in kept]
        n_rows += data.rows.num_rows
    return ImageTextDataset(
        name=" + ".join(dict.fromkeys(data.name for data in datasets)),
        images=images,
        texts=texts,
        pairs=np.concatenate(pairs),
        rows=pa.concat_tables([data.rows for data in datasets], promote_options="permissive"),
        image_rows=np.array(image_rows, dtype=np.int64),
        text_rows=np.concatenate(text_rows),
        columns={name: read for name, read in datasets[0].columns.items()
                 if all(data.columns.get(name) == read for data in datasets)},
        split=_common([data.split for data in datasets]),
        language=_common([data.language for data in datasets]),
        skipped=tuple(row for data in datasets for row in data.skipped),
        n_source_rows=sum(data.n_source_rows for data in datasets),
    )  # fmt: skip


def _unsaid(pairs: Indexes, texts: Sequence[str], said: set[tuple[int, str]]) -> Indexes:
    """The pairs of a text and a picture that does not have that caption yet; `said` learns them."""
    keys = [caption_key(text) for text in texts]
    found = []
    for text, image in np.unique(pairs, axis=0).tolist():
        if (image, keys[text]) not in said:
            said.add((image, keys[text]))
            found.append((text, image))
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _common(values: Sequence[str | None]) -> str | None:
    """What all say, or all that is said, separated by commas."""
    return ",".join(dict.fromkeys(value for value in values if value)) or None
