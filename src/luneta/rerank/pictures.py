"""Pictures before the block at which prompts come in: read once, kept in memory or on the disk, handed out by index."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luneta.artifacts import atomic_path
from luneta.decoding import in_order
from luneta.errors import ImageError
from luneta.progress import track
from luneta.threads import available
from luneta.types import Halfway, ImageRef, Matcher, PromptableEncoder, PromptedTower

Indexes = NDArray[np.int64]
Row = tuple[NDArray[np.float32], NDArray[np.bool_] | None]

SHARD = 256
"""Pictures of one file."""

PICTURES_BYTES = 2**30
"""Of pictures that are kept in memory; the one asked for longest ago goes first."""

BATCHES = {"cpu": 32, "cuda": 256, "mps": 32}
"""Pictures that go through the first blocks together."""


class Pictures:
    """The pictures of a data set on their way through an image tower.

    Where no block comes before the prompts only the decoded picture is worth keeping; else what comes out of the last
    block before them, which is the same for every text.

    Attributes:
        images: the pictures.
    """

    def __init__(self, encoder: PromptableEncoder | Matcher, tower: PromptedTower, images: Sequence[ImageRef]) -> None:
        self.images = images
        self._encoder, self._tower = encoder, tower
        self._kept: OrderedDict[int, Any] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._shards: list[Row] = []
        self._keeps_states = bool(tower.insert_layer)

    def lost(self, indexes: Indexes) -> NDArray[np.bool_]:
        """(n,) which of the pictures cannot be read; the others are kept as far as there is room."""
        if self._shards:
            return np.zeros(len(indexes), dtype=bool)
        return np.array([isinstance(found, ImageError) for found in self._get(indexes)], dtype=bool)

    def of(self, indexes: Indexes) -> Halfway:
        """(n, n_tokens, width) of the pictures, on the CPU or where they were computed.

        Raises:
            ImageError: a picture cannot be read.
        """
        found = self._rows(indexes) if self._shards else self._get(indexes)
        for index, item in zip(indexes.tolist(), found, strict=True):
            if isinstance(item, ImageError):
                raise ImageError(f"{self.images[index].label}: {item.reason}")
        if not self._keeps_states:
            return self._computed(found)
        states = torch.from_numpy(np.stack([states for states, _ in found]))
        masks = [mask for _, mask in found if mask is not None]
        return Halfway(states, torch.from_numpy(np.stack(masks)) if masks else None)

    def keep_in(self, folder: Path) -> None:
        """Compute all of them now and keep them in files; what a run that was killed has written is taken as it is.

        Where no block comes before the prompts there is nothing to keep.

        Raises:
            ImageError: a picture cannot be read.
            ArtifactError: a file cannot be written.
        """
        if not self._tower.insert_layer:
            return
        shards = [range(low, min(low + SHARD, len(self.images))) for low in range(0, len(self.images), SHARD)]
        with track("pictures", len(self.images)) as advance:
            for number, shard in enumerate(shards):
                states, mask = _files(folder, number)
                if not states.is_file():
                    self._forget()  # in batches of the shard alone: the last bits are the same whenever it is made
                    found = self.of(np.array(shard, dtype=np.int64))
                    if found.mask is not None:
                        _write(mask, found.mask)
                    _write(states, found.states)  # last: where it is, both are
                advance(len(shard))
        self._forget()
        self._shards = [_mapped(*_files(folder, number)) for number in range(len(shards))]

    def keep_nothing(self) -> None:
        """Keep no more than decoded pictures, as many as fit into memory.

        What comes before the prompts is computed for just the pictures that are asked for, so that the last bits do
        not depend on what was asked for before.
        """
        self._keeps_states = False
        self._forget()

    def _rows(self, indexes: Indexes) -> list[Row]:
        rows: list[Row] = []
        for index in indexes.tolist():
            states, mask = self._shards[index // SHARD]
            rows.append((states[index % SHARD], None if mask is None else mask[index % SHARD]))
        return rows

    def _get(self, indexes: Indexes) -> list[Any]:
        """What is kept of each picture, read and computed where it was not."""
        with self._lock:
            found: dict[int, Any] = {}
            for index in dict.fromkeys(indexes.tolist()):
                if index in self._kept:
                    self._kept.move_to_end(index)
                    found[index] = self._kept[index]
            missing = [index for index in dict.fromkeys(indexes.tolist()) if index not in found]
            for index, item in self._read(missing):
                found[index] = item
                self._keep(index, item)
            return [found[index] for index in indexes.tolist()]

    def _read(self, indexes: Sequence[int]) -> Iterator[tuple[int, Any]]:
        size = BATCHES.get(self._tower.device.type, 32)
        decoded = in_order(self._prepared, (self.images[index] for index in indexes), available(), size)
        with contextlib.closing(decoded):
            for low in range(0, len(indexes), size):
                batch = indexes[low : low + size]
                items: list[Any] = [next(decoded) for _ in batch]
                readable = [place for place, item in enumerate(items) if not isinstance(item, ImageError)]
                if self._keeps_states and readable:
                    rows = _apart(self._tower.halfway([items[place] for place in readable]))
                    for place, row in zip(readable, rows, strict=True):
                        items[place] = row
                yield from zip(batch, items, strict=True)

    def _prepared(self, ref: ImageRef) -> Any:
        try:
            return self._encoder.prepare_image(ref.open())
        except ImageError as error:
            return error

    def _computed(self, prepared: Sequence[Any]) -> Halfway:
        size = BATCHES.get(self._tower.device.type, 32)
        parts = [self._tower.halfway(prepared[low : low + size]) for low in range(0, len(prepared), size)]
        masks = [part.mask for part in parts if part.mask is not None]
        return Halfway(torch.cat([part.states for part in parts]), torch.cat(masks) if masks else None)

    def _keep(self, index: int, item: Any) -> None:
        self._kept[index] = item
        self._bytes += _size(item)
        while self._bytes > PICTURES_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _size(oldest)

    def _forget(self) -> None:
        self._kept.clear()
        self._bytes = 0


def _apart(pictures: Halfway) -> Iterable[Row]:
    states = pictures.states.float().cpu().numpy()
    masks: Any = [None] * len(states) if pictures.mask is None else pictures.mask.cpu().numpy()
    return zip(states, masks, strict=True)


def _files(folder: Path, number: int) -> tuple[Path, Path]:
    """Of the states and of the masks of a shard."""
    return folder / f"halfway-{number:05d}.npy", folder / f"halfway-mask-{number:05d}.npy"


def _write(path: Path, array: Tensor) -> None:
    with atomic_path(path) as new:
        np.save(new, array.cpu().numpy())


def _mapped(states: Path, mask: Path) -> Row:
    """The arrays of a shard, read as they are needed."""
    return np.load(states, mmap_mode="r"), np.load(mask, mmap_mode="r") if mask.is_file() else None


def _size(item: Any) -> int:
    """Bytes of what is kept of a picture."""
    if isinstance(item, np.ndarray | Tensor):
        return int(item.nbytes)
    if isinstance(item, tuple | list):
        return sum(_size(part) for part in item)
    return 64
