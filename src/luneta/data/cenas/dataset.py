"""Cenas as a data set: pictures drawn when they are opened, captions written when the data set is."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from luneta.data.cenas.captions import LANGUAGES, captions, pair_captions
from luneta.data.cenas.portuguese import FEMININE_KINDS, MASCULINE_KINDS
from luneta.data.cenas.world import (
    SPLIT_SIZES,
    SPLITS,
    VERSION,
    Scene,
    SwappedPair,
    sample_order,
    scenes,
    seeded,
    swapped_pairs,
)
from luneta.data.dataset import ImageTextDataset
from luneta.data.languages import find_language
from luneta.data.splits import ALL, find_split
from luneta.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger("luneta")

NAME = "cenas"
STYLES = ("flat", "sketch", "night")
DEFAULT_SPLIT = "test"
PAIRED_SPLIT = "compositional"
BOTH = "both"
DUPLICATES = "duplicates"
PLANTED_SHARE = 22
"""With planted duplicates, one picture in so many is an exact copy of another, and as many are near copies."""

_ROW_FIELDS = [
    ("picture", pa.string()), ("split", pa.string()), ("style", pa.string()), ("language", pa.string()),
    ("place", pa.string()), ("time", pa.string()), ("arrangement", pa.string()),
    ("kind_1", pa.string()), ("colour_1", pa.string()), ("count_1", pa.int64()), ("size_1", pa.string()),
    ("kind_2", pa.string()), ("colour_2", pa.string()), ("count_2", pa.int64()), ("size_2", pa.string()),
    ("group", pa.string()), ("duplicate", pa.string()), ("duplicate_of", pa.string()),
    ("swap", pa.string()), ("pair", pa.string()),
]  # fmt: skip
_SPLIT_BY_DEFAULT = f"the default; choose {', '.join(SPLITS)} or {ALL} with split="
_ARRANGEMENTS = {"horizontal": "first left of second", "vertical": "first above second", None: None}


@dataclass(frozen=True, slots=True)
class CenaRef:
    """A picture of Cenas that has not been drawn yet.

    Attributes:
        near_copy: of a near duplicate, which one; 0 is the picture itself.
    """

    label: str
    scene: Scene
    style: str
    near_copy: int = 0

    def key(self) -> str:
        """Digest of the pixels: whoever changes how things are drawn, or draws with a Pillow that draws otherwise,
        has other pictures. What it takes to draw them is kept, so that `open` is quick afterwards.
        """
        return hashlib.sha256(self.open().tobytes()).hexdigest()

    def open(self) -> Image:
        """Draw it: (96, 96) RGB."""
        from luneta.data.cenas.draw import draw, near_copy

        picture = draw(self.scene, self.style)
        return near_copy(picture, self.near_copy) if self.near_copy else picture


@dataclass(frozen=True, slots=True)
class _Item:
    """A picture, what is said about it in each language, and its metadata."""

    image: CenaRef
    texts: Mapping[str, Sequence[str]]
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Spec:
    """`cenas/sketch:test+duplicates`, taken apart; `chosen` says whether the split was."""

    style: str
    split: str
    chosen: bool
    planted: bool
    languages: tuple[str, ...]

    @property
    def name(self) -> str:
        style = "" if self.style == STYLES[0] else f"/{self.style}"
        return f"{NAME}{style}{f'+{DUPLICATES}' if self.planted else ''}"


def open_cenas(
    spec: str = NAME, *, split: str | None = None, language: str | None = None, limit: int | None = None, seed: int = 0
) -> ImageTextDataset:
    """The built-in illustrated world.

    Args:
        spec: "cenas", or with a drawing style "cenas/sketch", a split "cenas:val", planted duplicates
            "cenas+duplicates", or all three "cenas/night:val+duplicates".
        split: "train" (20 000 pictures), "val" (1000), "test" (2000; the default, which is logged and stands in
            `columns`), "compositional" (400 pairs of pictures whose captions use the same words in other roles), or
            "all" of them.
        language: "en" (the default), "pt-BR", or "both".
        limit: a random sample of so many pictures; of the compositional split, of whole pairs: at least 2, and one
            less where it is odd.
        seed: of the sample; the same seed takes the same pictures in every language and style.

    Returns:
        Five captions a picture and language; one in the compositional split. With planted duplicates a tenth more
        pictures: half of these repeat another picture to the pixel, half nearly, under captions of their own.

    Raises:
        ConfigError: a style, split, language, option or limit that does not exist.

    >>> data = open_cenas("cenas/sketch", language="pt", limit=3)
    >>> data
    ImageTextDataset('cenas/sketch', split='test', language='pt-BR', n_images=3, n_texts=15)
    >>> data.images[0].open().size
    (96, 96)
    """
    wanted = _read_spec(spec, split, language)
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}; a sample has at least 1 picture")
    if wanted.split == ALL:
        items, full = _all_splits(wanted, limit, seed), sum(SPLIT_SIZES.values())
    elif wanted.split == PAIRED_SPLIT:
        items, full = _pairs(wanted, limit, seed), SPLIT_SIZES[PAIRED_SPLIT]
    else:
        items, full = _pictures(wanted, limit, seed), _n_pictures(wanted)
    if not wanted.chosen:
        logger.info("%s: split %s (%s)", wanted.name, wanted.split, _SPLIT_BY_DEFAULT)
    return _dataset(wanted, items, {"limit": len(items), "seed": seed} if len(items) < full else None)


def _read_spec(spec: str, split: str | None, language: str | None) -> _Spec:
    body, *options = spec.split("+")
    body, _, named_split = body.partition(":")
    name, _, style = body.partition("/")
    if name != NAME:
        raise ConfigError(f"{spec!r} is not {NAME}; write {NAME}, {NAME}/STYLE, {NAME}:SPLIT or {NAME}+{DUPLICATES}")
    for option in options:
        if option != DUPLICATES:
            raise ConfigError(f"{spec!r}: {NAME} has no option {option!r}. {did_you_mean(option, [DUPLICATES])}")
    if (style or STYLES[0]) not in STYLES:
        raise ConfigError(f"{spec!r}: {NAME} has no style {style!r}. {did_you_mean(style, STYLES)}")
    if named_split and split and named_split != split:
        raise ConfigError(f"{spec!r} names the split {named_split!r}, but split={split!r} was given; keep one of them")
    asked = named_split or split or DEFAULT_SPLIT
    found = find_split(asked, (*SPLITS, ALL))
    if found is None:
        raise ConfigError(f"{NAME} has no split {asked!r}. {did_you_mean(asked, (*SPLITS, ALL))}")
    if options and found in (PAIRED_SPLIT, ALL):
        raise ConfigError(f"{spec!r}: duplicates are planted in {', '.join(SPLITS[:3])}, not in {found}")
    return _Spec(style or STYLES[0], found, bool(named_split or split), bool(options), _languages(language))


def _languages(asked: str | None) -> tuple[str, ...]:
    if asked == BOTH:
        return LANGUAGES
    found = find_language(asked, LANGUAGES) if asked else [LANGUAGES[0]]
    if not found:
        raise ConfigError(f"{NAME} has no captions in {asked!r}. {did_you_mean(str(asked), (*LANGUAGES, BOTH))}")
    return (found[0],)


def _n_pictures(wanted: _Spec) -> int:
    """Of train, val or test, planted duplicates included."""
    return SPLIT_SIZES[wanted.split] * (11 if wanted.planted else 10) // 10


def _pictures(wanted: _Spec, limit: int | None, seed: int) -> list[_Item]:
    everything = scenes(wanted.split)
    total = _n_pictures(wanted) if limit is None else min(limit, _n_pictures(wanted))
    n_copies = total // PLANTED_SHARE if wanted.planted else 0
    chosen = _sample(len(everything), total - 2 * n_copies, seed)
    items = [_item(wanted, index, everything[index]) for index in chosen]
    originals = sample_order(seeded(VERSION, "duplicates", wanted.split, seed), len(items), 2 * n_copies)
    for n, original in enumerate(originals):
        items.append(_copy(items[original], near=n >= n_copies))
    return items


def _sample(n: int, k: int, seed: int) -> list[int]:
    return sorted(sample_order(seeded("sample", seed), n, k)) if k < n else list(range(n))


def _item(wanted: _Spec, index: int, scene: Scene, said: Mapping[str, Sequence[str]] | None = None) -> _Item:
    label = f"{NAME}/{wanted.style}/{wanted.split}/{index:05d}"
    row: dict[str, Any] = {
        "picture": label, "split": wanted.split, "style": wanted.style, "place": scene.place, "time": scene.time,
        "arrangement": _ARRANGEMENTS[scene.axis], "group": hashlib.sha256(scene.family.encode()).hexdigest()[:16],
    }  # fmt: skip
    for n, group in enumerate(scene.groups, start=1):
        row |= {
            f"kind_{n}": group.kind,
            f"colour_{n}": group.colour,
            f"count_{n}": group.count,
            f"size_{n}": group.size,
        }
    texts = said or {language: captions(scene, language) for language in wanted.languages}
    return _Item(CenaRef(label, scene, wanted.style), texts, row)


def _copy(original: _Item, *, near: bool) -> _Item:
    """The same picture once more, to the pixel or nearly, with captions of its own."""
    kind = "near" if near else "exact"
    label = f"{original.image.label}-{kind}"
    row = {**original.row, "picture": label, "duplicate": kind, "duplicate_of": original.image.label}
    texts = {language: captions(original.image.scene, language, variant=1) for language in original.texts}
    return _Item(replace(original.image, label=label, near_copy=int(near)), texts, row)


def _all_pairs() -> tuple[SwappedPair, ...]:
    return swapped_pairs(frozenset({FEMININE_KINDS, MASCULINE_KINDS}))


def _pairs(wanted: _Spec, limit: int | None, seed: int) -> list[_Item]:
    if limit == 1:
        raise ConfigError(f"{NAME}:{PAIRED_SPLIT} holds pairs of pictures; a sample of it has at least 2, not 1")
    pairs = _all_pairs()
    n = len(pairs) if limit is None else min(len(pairs), limit // 2)
    return [item for index in _sample(len(pairs), n, seed) for item in _halves(wanted, index, pairs[index])]


def _all_splits(wanted: _Spec, limit: int | None, seed: int) -> list[_Item]:
    """Pictures of every split; a sample may hold one half of a pair."""
    numbered = [(split, index) for split in SPLITS for index in range(SPLIT_SIZES[split])]
    items = []
    for number in _sample(len(numbered), len(numbered) if limit is None else limit, seed):
        split, index = numbered[number]
        within = replace(wanted, split=split)
        if split == PAIRED_SPLIT:
            items.append(_halves(within, index // 2, _all_pairs()[index // 2])[index % 2])
        else:
            items.append(_item(within, index, scenes(split)[index]))
    return items


def _halves(wanted: _Spec, index: int, pair: SwappedPair) -> list[_Item]:
    said = {language: pair_captions(pair, language) for language in wanted.languages}
    items = []
    for half, scene in enumerate((pair.first, pair.second)):
        item = _item(wanted, 2 * index + half, scene, {lang: [texts[half]] for lang, texts in said.items()})
        items.append(replace(item, row={**item.row, "swap": pair.swap, "pair": f"{index:03d}"}))
    return items


def _dataset(wanted: _Spec, items: list[_Item], sample: dict[str, int] | None) -> ImageTextDataset:
    rows: list[dict[str, Any]] = []
    texts: list[str] = []
    text_rows: list[int] = []
    pairs: list[tuple[int, int]] = []
    image_rows = []
    for image, item in enumerate(items):
        image_rows.append(len(rows))
        for language in wanted.languages:
            for text in item.texts[language]:
                pairs.append((len(texts), image))
                text_rows.append(len(rows))
                texts.append(text)
            rows.append({**item.row, "language": language})
    return ImageTextDataset(
        name=wanted.name,
        images=[item.image for item in items],
        texts=texts,
        pairs=np.array(pairs, dtype=np.int64),
        rows=pa.Table.from_pylist(rows, schema=pa.schema(_ROW_FIELDS)),
        image_rows=np.array(image_rows, dtype=np.int64),
        text_rows=np.array(text_rows, dtype=np.int64),
        revision=VERSION,
        split=None if wanted.split == ALL else wanted.split,
        language=wanted.languages[0] if len(wanted.languages) == 1 else None,
        n_source_rows=len(rows),
        columns={} if wanted.chosen else {"split": wanted.split, "split_chosen": _SPLIT_BY_DEFAULT},
        sample=sample,
    )
