"""Which pairs meet in a batch: one caption for each thing, drawn anew in every epoch, the same for equal seeds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.errors import DatasetError


class Pair(NamedTuple):
    """One row of a batch; `epoch` seeds whatever is random about it."""

    image: int
    text: int
    epoch: int


def hands(n: int, at_most: int) -> tuple[int, int]:
    """How many batches of what size n images make; one pair alone has nothing to be told apart from.

    >>> hands(100, 64), hands(40, 64), hands(3, 2)
    ((2, 50), (1, 40), (1, 2))
    """
    n_batches = max(1, min(-(-n // at_most), n // 2))
    return n_batches, min(at_most, n // n_batches)


def deal(groups: Indexes, batch_size: int, rng: np.random.Generator) -> list[Indexes]:
    """Deal images out to batches of equal size, like cards, so that a group's images come into different batches.

    The groups are shuffled and laid in a row, and card k goes to hand k modulo the number of hands: two images of one
    group meet only when the group has more images than there are batches. What does not come out even, fewer images
    than there are batches, waits for another epoch.

    Args:
        groups: (n_images,) group numbers.
        batch_size: at most so many images a batch.
        rng: decides everything.

    Returns:
        Index arrays of one length.
    """
    n = len(groups)
    n_batches, size = hands(n, batch_size)
    place = rng.permutation(int(groups.max()) + 1)[groups]
    order = np.lexsort((rng.random(n), place))
    dealt = order[: size * n_batches].reshape(size, n_batches).T
    return [dealt[i] for i in rng.permutation(n_batches)]


def deal_related(groups: Indexes, neighbours: Indexes, batch_size: int, rng: np.random.Generator) -> list[Indexes]:
    """Batches of images that are hard to tell apart: each grows from random images by their nearest ones.

    Args:
        groups: (n_images,) group numbers; no batch holds two images of a group while there is another choice.
        neighbours: (n_images, k) images whose texts are mistaken for each other, the nearest first; -1 is none.
        batch_size: images of a batch.
        rng: decides everything.

    Returns:
        Index arrays of one length; what is left over waits for another epoch.
    """
    n = len(groups)
    n_batches, size = hands(n, batch_size)
    free = np.ones(n, dtype=bool)
    waiting = deque(rng.permutation(n).tolist())
    batches = []
    for _ in range(n_batches):
        batch: list[int] = []
        here: set[int] = set()
        passed: list[int] = []
        while len(batch) < size and waiting:
            seed = waiting.popleft()
            if not free[seed]:
                continue
            if int(groups[seed]) in here:
                passed.append(seed)
                continue
            for image in (seed, *neighbours[seed].tolist()):
                if image >= 0 and free[image] and int(groups[image]) not in here and len(batch) < size:
                    batch.append(image)
                    here.add(int(groups[image]))
                    free[image] = False
        passed = [image for image in passed if free[image]]
        batch += passed[: size - len(batch)]  # only groups are left that are here already: the loss masks them
        free[batch] = False
        waiting.extendleft(reversed(passed))
        batches.append(np.array(batch, dtype=np.int64))
    return [batches[i] for i in rng.permutation(n_batches)]


@dataclass
class BatchPlan:
    """The batches of every epoch, as torch's DataLoader takes them (`batch_sampler`).

    Attributes:
        dataset: what the pairs are from.
        groups: (n_images,) images that are the same thing have one number.
        at_most: pairs of a batch.
        seed: equal seeds give equal batches.
        neighbours: of an epoch, for batches of related images, see `deal_related`; None deals at random.
        process: which of several processes this is; each has an equal share of every batch.
        n_processes: how many there are.
        epoch: which epoch comes next; whoever iterates sets it.
    """

    dataset: ImageTextDataset
    groups: Indexes
    at_most: int
    seed: int = 0
    neighbours: Callable[[int], Indexes] | None = None
    process: int = 0
    n_processes: int = 1
    epoch: int = 0
    drop_last: bool = False  # asked for by accelerate

    def __post_init__(self) -> None:
        n_groups = len(np.unique(self.groups))
        if n_groups < 2:
            raise DatasetError(
                f"{self.dataset.name}: all {self.dataset.n_images} images are one group (equal or near-equal "
                "pictures or captions), so there is nothing to tell apart. Class labels are not captions: use "
                "texts that describe single pictures, or group by equal pictures only."
            )
        if not self.batch_size:
            raise DatasetError(
                f"{self.dataset.name}: batches of {hands(len(self.groups), self.at_most)[1]} pairs cannot be shared "
                f"by {self.n_processes} processes; start fewer, or take larger batches"
            )

    def __len__(self) -> int:
        return hands(len(self.groups), self.at_most)[0]

    @property
    def batch_size(self) -> int:
        """Pairs that this process has of every batch."""
        return hands(len(self.groups), self.at_most)[1] // self.n_processes

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[Pair]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.neighbours is None:
            batches = deal(self.groups, self.at_most, rng)
        else:
            batches = deal_related(self.groups, self.neighbours(self.epoch), self.at_most, rng)
        own = slice(self.process * self.batch_size, (self.process + 1) * self.batch_size)
        for batch in batches:
            yield [Pair(image, self._caption(image, rng), self.epoch) for image in batch.tolist()][own]

    def _caption(self, image: int, rng: np.random.Generator) -> int:
        texts = self.dataset.texts_of(image)
        return int(texts[rng.integers(len(texts))])
