"""What a profile says."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from luneta.data.language_guess import UNDECIDED
from luneta.types import SkippedRow

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from rich.console import RenderableType

_FEW_UNIQUE = 0.9
_DECIDED_ENOUGH = 0.2


@dataclass(frozen=True, slots=True)
class Spread:
    """How a quantity is spread: smallest, middle, all but one in twenty below, largest."""

    min: float
    median: float
    p95: float
    max: float

    @staticmethod
    def of(values: ArrayLike) -> Spread:
        """The spread of at least one value."""
        array = np.asarray(values)
        median, p95 = np.percentile(array, [50, 95])
        return Spread(float(array.min()), float(median), float(p95), float(array.max()))


@dataclass(frozen=True, slots=True)
class Example:
    """One picture of the contact sheet."""

    label: str
    width: int
    height: int
    captions: tuple[str, ...]
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CaptionFacts:
    """Captions.

    Attributes:
        words: parts between spaces; scripts written without spaces (Chinese, Japanese, Thai) count as few.
        characters: Unicode characters.
        n_unique: captions that differ by more than case, spacing and final punctuation (the rule by which an
            evaluation counts captions as equal).
        duplicates: the captions that occur most often, more than once, with their counts.
        shortest: a few.
        longest: a few.
        per_image: captions of an image.
        languages: guessed language -> share of the captions looked at; see `guess_language`.
        n_guessed: captions looked at for that.
    """

    words: Spread
    characters: Spread
    n_unique: int
    unique_share: float
    duplicates: tuple[tuple[str, int], ...]
    shortest: tuple[str, ...]
    longest: tuple[str, ...]
    per_image: Spread
    languages: dict[str, float]
    n_guessed: int


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Pictures that were read.

    Attributes:
        n_read: decoded without a problem.
        width: of the upright pictures, in pixels.
        height: likewise.
        kib: size of the encoded bytes; None for pictures that are drawn.
        sizes: the most frequent (width, height) with their counts.
        formats: file format -> count.
        modes: pixel layout as stored -> count.
        n_animated: pictures of which only the first frame counts.
        n_identical: pictures whose content another picture before them has.
    """

    n_read: int
    width: Spread
    height: Spread
    kib: Spread | None
    sizes: tuple[tuple[int, int, int], ...]
    formats: dict[str, int]
    modes: dict[str, int]
    n_animated: int
    n_identical: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What is in a data set.

    Attributes:
        n_looked_at: pictures that were opened; fewer than `n_images` when a sample was asked for.
        images: of those that could be read; None when none could.
        unreadable: of those opened, the ones that could not be decoded.
        skipped: rows left out when the data set was opened.
        examples: a contact sheet, drawn by lot.
    """

    name: str
    revision: str | None
    split: str | None
    language: str | None
    columns: dict[str, str]
    sample: dict[str, int] | None
    n_images: int
    n_texts: int
    n_pairs: int
    n_source_rows: int
    captions: CaptionFacts
    n_looked_at: int
    images: ImageFacts | None
    unreadable: tuple[SkippedRow, ...]
    skipped: tuple[SkippedRow, ...]
    examples: tuple[Example, ...]

    @property
    def chosen_columns(self) -> list[tuple[str, str, str]]:
        """("image", its column, why) and ("text", its column, why), where the source has columns."""
        columns = self.columns
        return [
            (kind, columns[kind], columns.get(f"{kind}_chosen", "as it comes"))
            for kind in ("image", "text")
            if kind in columns
        ]

    @property
    def main_language(self) -> str | None:
        """The language guessed for more than half of the captions; None when there is none, or most are undecided."""
        return next(
            (name for name, share in self.captions.languages.items() if share > 0.5 and name != UNDECIDED), None
        )

    @property
    def doubts(self) -> tuple[str, ...]:
        """Names of what deserves a second look before anything is measured: keys of the pages' messages."""
        found = []
        if self.unreadable:
            found.append("unreadable")
        if self.captions.unique_share < _FEW_UNIQUE:
            found.append("duplicates")
        if self.images is not None and self.images.n_identical:
            found.append("identical")
        if self._in_another_language():
            found.append("language")
        return tuple(found)

    def _in_another_language(self) -> bool:
        """Most of the captions that say a language, and enough of all, say one that is not the declared one."""
        decided = {name: share for name, share in self.captions.languages.items() if name != UNDECIDED}
        if self.language is None or sum(decided.values()) <= _DECIDED_ENOUGH:
            return False
        guessed = max(decided, key=lambda name: decided[name])
        if decided[guessed] <= sum(decided.values()) / 2 or len(guessed) != 2:  # a script is no language
            return False
        return self.language.split("-")[0] != guessed

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON (schema `luneta.profile/1`); the thumbnails stay behind."""
        record = asdict(self)
        for example in record["examples"]:
            del example["jpeg"]
        return {"schema": "luneta.profile/1", **record, "doubts": list(self.doubts)}

    def __rich__(self) -> RenderableType:
        from luneta.profiling.terminal import profile_view

        return profile_view(self)
