"""What the training of a re-ranker writes, what of it is worth its place on a disk, and how many pictures would fit.

Where blocks lie before the prompts, what comes out of them is the same for every text and step, so that it is kept in
files if there is room. It is much more than the pictures themselves: of six million pictures terabytes. Over the budget
it is computed anew whenever a picture is looked at.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from luneta.artifacts import read_json, write_json
from luneta.data.dataset import ImageTextDataset
from luneta.data.images import thumbnail_jpeg
from luneta.data.references import EncodedImageRef
from luneta.errors import ArtifactError, ConfigError
from luneta.rerank.elip import Elip
from luneta.types import ImageRef

GB = 10**9
DISKS = (1000 * GB, 800 * GB, 250 * GB)
"""Of the machines that people train on, as providers rent them."""

PAPER_PAIRS = 6_000_000
"""That Zhan et al. trained on."""

SIDES = (512, 384, 256)
"""Pixels of the longer side, to which pictures are often scaled when they are fetched."""

_SAMPLE = 32
_ROW = 64
"""Bytes beside the numbers of a stored vector: its key, and what a file of them says of itself."""
_FLOAT = 4
_COPIES = 9
"""Of the guide in files at once: weights and both moments, the same being written anew, best weights, both of the
result."""

KEPT = ("watched", "learnt")
"""Pictures whose states may be kept; first those that are measured on, which are looked at most."""

_KEPT = "kept.json"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes, and how many there are of what.

    Attributes:
        n_learnt, n_watched: pictures that are learnt from, and that is measured on.
        n_texts: that are learnt from and measured on.
        picture: of a picture as it is stored, on average.
        scaled: {pixels of the longer side: of a picture as JPEG of that size}.
        vector: of a vector in a store.
        states: of a picture before the block of the prompts.
        late: there are blocks before the prompts: states are worth keeping.
        checkpoints: of the guide, all copies of it.
    """

    n_learnt: int
    n_watched: int
    n_texts: int
    picture: float
    scaled: Mapping[int, float]
    vector: float
    states: float
    late: bool
    checkpoints: float

    @classmethod
    def of(cls, elip: Elip, learnt: ImageTextDataset, watched: ImageTextDataset, embedding_dim: int) -> Sizes:
        """Of a training that is not begun yet, from some of its pictures; nothing is written.

        Args:
            elip: that is trained.
            learnt, watched: what is learnt from and measured on; its pictures can be read.
            embedding_dim: of the encoder that finds the candidates.
        """
        some = np.linspace(0, learnt.n_images - 1, min(_SAMPLE, learnt.n_images)).astype(np.int64)
        refs = [learnt.images[int(i)] for i in np.unique(some)]
        found = elip.pictures(learnt.images).of(some[:1])
        masks = 0 if found.mask is None else found.mask.nbytes
        opened = [ref.open() for ref in refs]
        return cls(
            learnt.n_images, watched.n_images, learnt.n_texts + watched.n_texts,
            float(np.mean([_stored(ref) for ref in refs])),
            {side: float(np.mean([len(thumbnail_jpeg(image, side)) for image in opened])) for side in SIDES},
            embedding_dim * _FLOAT + _ROW, (found.states.float().nbytes + masks), bool(elip.tower.insert_layer),
            _COPIES * _FLOAT * elip.guide.n_parameters,
        )  # fmt: skip

    def times(self, learnt: float, watched: float) -> Sizes:
        """The same where so many times as much is learnt from and measured on."""
        texts = self.n_texts / max(1, self.n_learnt + self.n_watched)
        n_learnt, n_watched = round(learnt * self.n_learnt), round(watched * self.n_watched)
        return replace(self, n_learnt=n_learnt, n_watched=n_watched, n_texts=round(texts * (n_learnt + n_watched)))

    def by_part(self, kept: tuple[str, ...]) -> dict[str, float]:
        """{"pictures", "vectors", "checkpoints", "states"}; pictures are there already, or are to be fetched."""
        n = {"learnt": self.n_learnt, "watched": self.n_watched}
        return {
            "pictures": (self.n_learnt + self.n_watched) * self.picture,
            "vectors": (self.n_learnt + self.n_watched + self.n_texts) * self.vector,
            "checkpoints": self.checkpoints,
            "states": sum(n[name] for name in kept) * self.states if self.late else 0.0,
        }

    def kept(self, budget: float) -> tuple[str, ...]:
        """Whose states are kept within a budget of bytes that are written: "watched", "learnt", both or none.

        Raises:
            ConfigError: not even the rest fits.
        """
        parts = self.by_part(())
        left = budget - parts["vectors"] - parts["checkpoints"]
        if left < 0:
            raise ConfigError(
                f"{said(parts['vectors'] + parts['checkpoints'])} are written at least (vectors and checkpoints), and "
                f"{said(budget)} are there: give more, learn from fewer pictures, or take a smaller guide"
            )
        chosen = []
        for name, n in zip(KEPT, (self.n_watched, self.n_learnt), strict=True):
            if not self.late or n * self.states <= left:
                chosen.append(name)
                left -= n * self.states if self.late else 0
        return tuple(chosen)

    def fits(self, disk: float, *, side: int | None, keep: bool) -> int:
        """How many pictures with their texts could be learnt from on a disk of so many bytes.

        Args:
            disk: that holds everything, the pictures too.
            side: to which they are scaled; None leaves them as they are.
            keep: their states are kept.
        """
        texts = self.n_texts / max(1, self.n_learnt + self.n_watched)
        each = self.picture if side is None else min(self.picture, self.scaled[side])
        each += (1 + texts) * self.vector + (self.states if keep and self.late else 0)
        return max(0, int((disk - self.checkpoints) / each))


def free_bytes(folder: Path) -> int:
    """What is free where a folder is, or will be."""
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def folder_bytes(folder: Path) -> int:
    """Of all files in a folder and below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def decided(folder: Path, sizes: Sizes, budget: float) -> tuple[str, ...]:
    """Whose states are kept in a training's folder: what fits when it begins, as `write_decision` noted it.

    It stays so, whatever is free by now: a training that goes on ends with the same bytes. Nothing is written.

    Raises:
        ConfigError: not even what must be written fits.
        ArtifactError: what was decided cannot be read.
    """
    path = folder / _KEPT
    if not path.is_file():
        return sizes.kept(budget)
    way_out = f"remove {folder} to begin the training anew"
    try:
        said = read_json(path)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; {way_out}") from error
    names = said.get("kept") if isinstance(said, dict) else None
    if not isinstance(names, list) or not all(name in KEPT for name in names):
        raise ArtifactError(f"{path} does not say of which pictures ({', '.join(KEPT)}) states are kept; {way_out}")
    return tuple(names)


def write_decision(folder: Path, kept: Sequence[str]) -> None:
    """Note whose states are kept, when a training begins.

    Raises:
        ArtifactError: it cannot be written.
    """
    if not (folder / _KEPT).is_file():
        write_json(folder / _KEPT, {"kept": list(kept)})


def is_begun(folder: Path) -> bool:
    """Whether a training's folder holds more than what was decided."""
    return folder.is_dir() and any(path.name != _KEPT for path in folder.iterdir())


def said(n_bytes: float) -> str:
    """
    >>> [said(n) for n in (250e9, 1.2e12, 3e6, 12)]
    ['250 GB', '1.2 TB', '3.0 MB', '12 bytes']
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            value = n_bytes / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"


def read_size(text: str) -> int:
    """Bytes of "250GB", "1 TB", "800" (gigabytes).

    Raises:
        ConfigError: it is no size.

    >>> [read_size(text) for text in ("250GB", "1 TB", "0.5")]
    [250000000000, 1000000000000, 500000000]
    """
    units = {"": GB, "kb": 10**3, "mb": 10**6, "gb": GB, "tb": 10**12}
    number = text.strip().lower().rstrip("bkmgt ")
    unit = text.strip().lower()[len(number) :].strip()
    try:
        n_bytes = int(float(number) * units[unit])
    except (KeyError, ValueError, OverflowError):
        raise ConfigError(f"{text!r} is no size of a disk; expected one such as 250GB or 1TB") from None
    if n_bytes < 1:
        raise ConfigError(f"a disk of {text} holds nothing; expected a size such as 250GB or 1TB")
    return n_bytes


def _stored(ref: ImageRef) -> int:
    """Bytes of a picture as it is stored; of one that is drawn, as JPEG."""
    if isinstance(ref, EncodedImageRef):
        return len(ref.read())
    image = ref.open()
    return len(thumbnail_jpeg(image, max(image.size)))
