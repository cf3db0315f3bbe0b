"""Hard negatives: which images an encoder mistakes for which, so that they meet in a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from luneta.artifacts import atomic_path
from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.relevance import loose_caption_key
from luneta.finetuning import processes
from luneta.finetuning.material import features, vectors
from luneta.progress import track
from luneta.ranking import top_k
from luneta.types import Side, Trainable, Vectors

AT_ONCE = 65_536
"""Texts whose answers are held in memory together."""

MOST_OF_A_GROUP = 64
"""So many of a query's own things at most are looked past."""


@dataclass(frozen=True, slots=True)
class Miner:
    """Finds hard negatives in both directions, and leaves out what is likely none.

    Attributes:
        n: images kept for each.
        suspicious: of the others that score above a query's own best answer, so many of the first are left out: what
            beats the right answer is often a right answer that nobody wrote down.
        overlap: share of words (intersection over union) from which two captions say nearly the same.
        device: that scores are computed on, as `luneta.ranking.top_k` takes it.
    """

    n: int = 16
    suspicious: int = 2
    overlap: float = 0.8
    device: str | None = None

    def mine(self, dataset: ImageTextDataset, images: Vectors, texts: Vectors, groups: Indexes) -> Indexes:
        """The hard negatives of every image.

        Args:
            dataset: images and texts.
            images: (n_images, d) unit vectors of the encoder that makes the mistakes.
            texts: (n_texts, d) unit vectors.
            groups: (n_images,) images that are the same thing have one number.

        Returns:
            (n_images, n) image indexes, the hardest first; -1 where there are fewer.
        """
        words = _words(dataset)
        worst: list[dict[int, float]] = [{} for _ in range(dataset.n_images)]
        with track("hard negatives", dataset.n_texts + dataset.n_images) as advance:
            for image, other, lead in self._mistakes(dataset, images, texts, groups, words):
                if lead > worst[image].get(other, -np.inf):
                    worst[image][other] = lead
            advance(dataset.n_texts + dataset.n_images)
        found = np.full((dataset.n_images, self.n), -1, dtype=np.int64)
        for image, others in enumerate(worst):
            hardest = sorted(others, key=lambda other: (-others[other], other))[: self.n]
            found[image, : len(hardest)] = hardest
        return found

    def of_texts(self, dataset: ImageTextDataset, images: Vectors, texts: Vectors, groups: Indexes) -> Indexes:
        """The images that each text is taken to describe, and does not.

        Args:
            dataset, images, texts, groups: as in `mine`.

        Returns:
            (n_texts, n) image indexes, the likeliest first; -1 where there are fewer.
        """
        found = np.full((dataset.n_texts, self.n), -1, dtype=np.int64)
        filled = np.zeros(dataset.n_texts, dtype=np.int64)
        for text, other, _ in self._wrong_images(dataset, images, texts, groups, _words(dataset)):
            if filled[text] < self.n:
                found[text, filled[text]] = other
                filled[text] += 1
        return found

    def _mistakes(
        self,
        dataset: ImageTextDataset,
        images: Vectors,
        texts: Vectors,
        groups: Indexes,
        words: list[frozenset[str]],
    ) -> Iterator[tuple[int, int, float]]:
        """(image, other image, by how much the other scores above the right answer) in both directions."""
        for text, other, lead in self._wrong_images(dataset, images, texts, groups, words):
            yield int(dataset.images_of(text)[0]), other, lead
        wanted, most_texts = self._wanted(groups), int(np.bincount(dataset.pairs[:, 1]).max())
        scores, items = top_k(images, texts, min(wanted * most_texts, dataset.n_texts))
        for image in range(dataset.n_images):
            mine = dataset.texts_of(image)
            best = float((texts[mine] @ images[image]).max())
            allowed = (
                (int(dataset.images_of(text)[0]), score)
                for text, score in zip(items[image].tolist(), scores[image].tolist(), strict=True)
                if groups[int(dataset.images_of(text)[0])] != groups[image]
                and not any(self.alike(words[text], words[int(t)]) for t in mine)
            )
            for other, lead in self._credible(allowed, best):
                yield image, other, lead

    def _wrong_images(
        self,
        dataset: ImageTextDataset,
        images: Vectors,
        texts: Vectors,
        groups: Indexes,
        words: list[frozenset[str]],
    ) -> Iterator[tuple[int, int, float]]:
        """(text, image of another thing, by how much it scores above the right one), the highest of a text first."""
        wanted = min(self._wanted(groups), dataset.n_images)
        for text in range(dataset.n_texts):
            at = text % AT_ONCE
            if not at:  # answers of millions of texts would fill the memory
                scores, items = top_k(texts[text : text + AT_ONCE], images, wanted, device=self.device)
            mine = dataset.images_of(text)
            best = float((images[mine] @ texts[text]).max())
            others = zip(items[at].tolist(), scores[at].tolist(), strict=True)
            allowed = (
                (other, score)
                for other, score in others
                if groups[other] != groups[mine[0]]
                and not any(self.alike(words[text], words[int(t)]) for t in dataset.texts_of(other))
            )
            for other, lead in self._credible(allowed, best):
                yield text, other, lead

    def _wanted(self, groups: Indexes) -> int:
        """Answers to look through: those to keep, those to leave out, and a query's own."""
        return self.n + self.suspicious + min(int(np.bincount(groups).max()), MOST_OF_A_GROUP)

    def _credible(self, candidates: Iterator[tuple[int, float]], best: float) -> Iterator[tuple[int, float]]:
        """Candidates without the first suspicious ones, each with its lead over the right answer."""
        doubted: set[int] = set()
        for other, score in candidates:
            if score > best and len(doubted) < self.suspicious:
                doubted.add(other)
            if other not in doubted:  # with any of its captions
                yield other, score - best

    def alike(self, first: frozenset[str], second: frozenset[str]) -> bool:
        """Two captions, as their words, say nearly the same."""
        return len(first & second) >= self.overlap * len(first | second) > 0


def words_of(text: str) -> frozenset[str]:
    """What `Miner.alike` compares of a caption."""
    return frozenset(loose_caption_key(text).split())


def _words(dataset: ImageTextDataset) -> list[frozenset[str]]:
    return [words_of(text) for text in dataset.texts]


@dataclass
class HardNegatives:
    """What an encoder in training mistakes for what, epoch by epoch.

    What was mined is kept on the disk, so that a training that goes on in the middle of an epoch has the same batches.

    Attributes:
        trainable: the encoder; its weights change between epochs.
        dataset: what is learnt from.
        groups: (n_images,) images that are the same thing have one number.
        features: of the sides that are locked, as `Material` has them.
        folder: where what was mined is kept.
        refresh: epochs from one mining to the next; None mines once.
    """

    trainable: Trainable
    dataset: ImageTextDataset
    groups: Indexes
    features: Mapping[Side, NDArray[np.float32]]
    folder: Path
    refresh: int | None = None

    def __call__(self, epoch: int) -> Indexes:
        """(n_images, k) image indexes for the batches of an epoch, see `Miner.mine`."""
        path = self.folder / f"negatives-{0 if self.refresh is None else epoch // self.refresh}.npy"
        if not processes.of_main(path.is_file()) and (processes.is_main() or processes.shares_weights()):
            read = self._vectors("image"), self._vectors("text")  # by all that hold a part of the model
            if processes.is_main():
                found = Miner().mine(self.dataset, *read, self.groups)
                with atomic_path(path) as new:
                    np.save(new, found)
        processes.wait()
        mined: Indexes = np.load(path)
        return mined

    def _vectors(self, side: Side) -> Vectors:
        known = self.features.get(side)
        return vectors(self.trainable, side, features(self.trainable, self.dataset, side) if known is None else known)
