"""Looking at a data set: every caption, and every picture unless a sample was asked for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.images import decode_image, read_header, thumbnail_jpeg
from luneta.data.language_guess import guess_language
from luneta.data.references import EncodedImageRef, digest
from luneta.data.relevance import caption_key
from luneta.decoding import in_order
from luneta.errors import ConfigError, ImageError
from luneta.profiling.facts import CaptionFacts, Example, ImageFacts, Profile, Spread
from luneta.progress import track
from luneta.types import ImageRef, SkippedRow

N_TOP = 10
N_EXAMPLES = 24
THUMBNAIL_PX = 224
_MAX_GUESSED = 20_000  # captions whose language is guessed
_DRAWN = "drawn"  # the "format" of pictures that have no encoded bytes


def profile(
    dataset: ImageTextDataset,
    *,
    sample: int | None = None,
    n_examples: int = N_EXAMPLES,
    seed: int = 0,
    n_threads: int | None = None,
) -> Profile:
    """Look at every caption and, unless `sample` says otherwise, decode every picture.

    Args:
        dataset: what to look at.
        sample: open only so many pictures, drawn by lot; the profile then says so.
        n_examples: pictures on the contact sheet, drawn by lot from those that can be read.
        seed: of both draws.
        n_threads: that decode; by default one a core, at most 8.

    Raises:
        ConfigError: `sample` or `n_examples` makes no sense.
    """
    if (sample is not None and sample < 1) or n_examples < 0:
        raise ConfigError(f"sample={sample}, n_examples={n_examples}: at least one picture, and no fewer than none")
    rng = np.random.default_rng(seed)
    looked_at = np.arange(dataset.n_images)
    if sample is not None and sample < dataset.n_images:
        looked_at = np.sort(rng.choice(dataset.n_images, size=sample, replace=False))
    drawn = rng.permutation(looked_at)[: 2 * n_examples].tolist()  # twice as many, in case some are unreadable
    looks = _look_at(dataset, looked_at, set(drawn), n_threads or min(8, os.cpu_count() or 1))
    good = [look for look in looks if look.problem is None]
    return Profile(
        name=dataset.name,
        revision=dataset.revision,
        split=dataset.split,
        language=dataset.language,
        columns=dict(dataset.columns),
        sample=dict(dataset.sample) if dataset.sample else None,
        n_images=dataset.n_images,
        n_texts=dataset.n_texts,
        n_pairs=len(dataset.pairs),
        n_source_rows=dataset.n_source_rows,
        captions=_caption_facts(dataset, rng),
        n_looked_at=len(looked_at),
        images=_image_facts(good) if good else None,
        unreadable=tuple(
            SkippedRow(int(dataset.image_rows[look.index]), look.label, look.problem) for look in looks if look.problem
        ),
        skipped=dataset.skipped,
        examples=tuple(_examples(dataset, good, drawn))[:n_examples],
    )


# Pictures -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Look:
    """What one picture showed."""

    index: int
    label: str
    problem: str | None = None
    format: str = _DRAWN
    mode: str = "RGB"
    animated: bool = False
    width: int = 0
    height: int = 0
    n_bytes: int | None = None
    key: str = ""
    jpeg: bytes | None = None


def _look_at(dataset: ImageTextDataset, indexes: Indexes, wanted: set[int], n_threads: int) -> list[_Look]:
    def look(index: int) -> _Look:
        return _look(index, dataset.images[index], thumbnail=index in wanted)

    looks: list[_Look] = []
    with track("looking at images", len(indexes)) as advance:
        for found in in_order(look, indexes.tolist(), n_threads, ahead=4 * n_threads):
            looks.append(found)
            advance(1)
    return looks


def _look(index: int, ref: ImageRef, *, thumbnail: bool) -> _Look:
    found = _Look(index, ref.label)
    try:
        if isinstance(ref, EncodedImageRef):
            data = ref.read()
            header = read_header(data)
            found.format, found.mode, found.animated = header.format, header.mode, header.animated
            found.n_bytes, found.key, image = len(data), digest(data), decode_image(data)
        else:
            found.key, image = ref.key(), ref.open()
    except ImageError as error:
        found.problem = error.reason
        return found
    found.width, found.height = image.size
    if thumbnail:
        found.jpeg = thumbnail_jpeg(image, THUMBNAIL_PX)
    return found


def _image_facts(looks: Sequence[_Look]) -> ImageFacts:
    sizes = Counter((look.width, look.height) for look in looks)
    n_bytes = [look.n_bytes for look in looks if look.n_bytes is not None]
    return ImageFacts(
        n_read=len(looks),
        width=Spread.of([look.width for look in looks]),
        height=Spread.of([look.height for look in looks]),
        kib=Spread.of(np.array(n_bytes) / 1024) if n_bytes else None,
        sizes=tuple((*size, count) for size, count in sizes.most_common(N_TOP)),
        formats=_counted(look.format for look in looks),
        modes=_counted(look.mode for look in looks),
        n_animated=sum(look.animated for look in looks),
        n_identical=len(looks) - len({look.key for look in looks}),
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _examples(dataset: ImageTextDataset, looks: Sequence[_Look], drawn: Sequence[int]) -> Iterable[Example]:
    """The pictures drawn by lot that could be read, in the order of the lot."""
    readable = {look.index: look for look in looks if look.jpeg is not None}
    for index in drawn:
        if look := readable.get(index):
            captions = tuple(dataset.texts[text] for text in dataset.texts_of(index).tolist())
            yield Example(look.label, look.width, look.height, captions, look.jpeg or b"")


# Captions -----------------------------------------------------------------------------------------------------


def _caption_facts(dataset: ImageTextDataset, rng: np.random.Generator) -> CaptionFacts:
    texts = dataset.texts
    first: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for index, text in enumerate(texts):
        key = caption_key(text)
        first.setdefault(key, index)
        counts[key] += 1
    characters = np.array([len(text) for text in texts])
    by_length = np.argsort(characters, kind="stable").tolist()
    guessed = np.arange(len(texts))
    if len(texts) > _MAX_GUESSED:
        guessed = np.sort(rng.choice(len(texts), size=_MAX_GUESSED, replace=False))
    languages = Counter(guess_language(texts[index]) for index in guessed.tolist())
    return CaptionFacts(
        words=Spread.of([len(text.split()) for text in texts]),
        characters=Spread.of(characters),
        n_unique=len(counts),
        unique_share=len(counts) / len(texts),
        duplicates=tuple((texts[first[key]], n) for key, n in counts.most_common(N_TOP) if n > 1),
        shortest=tuple(dict.fromkeys(texts[index] for index in by_length[:3])),
        longest=tuple(dict.fromkeys(texts[index] for index in by_length[:-4:-1])),
        per_image=Spread.of(np.bincount(dataset.pairs[:, 1], minlength=dataset.n_images)),
        languages={name: count / len(guessed) for name, count in languages.most_common()},
        n_guessed=len(guessed),
    )
