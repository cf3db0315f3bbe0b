"""Queries with judged pictures, as folders of three plain files (the layout of BEIR and TREC, with pictures for
documents).

    images.jsonl     {"image_id", "file_name", ...}: the gallery, pictures that answer nothing too
    queries.jsonl    {"query_id", "text"}
    qrels.tsv        query_id, image_id, score: 1 is right, 0 wrong, -1 neither
    judged.json      what it is, where the pictures are (they are not copied), and what a picture is that qrels.tsv says
                     nothing of: "unjudged" is "wrong", as where everything was judged, or "passed over"
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from luneta.artifacts import atomic_folder, read_json, write_json, write_text
from luneta.data.cells import strings
from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.pictures import LazyImages, find_pictures
from luneta.data.raw import RawTable, Request
from luneta.data.splits import ALL
from luneta.data.tables import read_table
from luneta.errors import ConfigError, DatasetError
from luneta.types import ImageRef, SkippedRow

logger = logging.getLogger("luneta")

SCHEMA = "luneta.judged/1"
RIGHT, WRONG, IGNORED = 1, 0, -1

UNJUDGED = ("wrong", "passed over")
"""What a picture may be that nothing is said of for a query."""

_IMAGES, _QUERIES, _QRELS, _ABOUT, _CARD = "images.jsonl", "queries.jsonl", "qrels.tsv", "judged.json", "README.md"


@dataclass(frozen=True)
class Judged:
    """Queries, a gallery, and judgements.

    Attributes:
        name: of the data set.
        root: folder in which the pictures' names start.
        images: {"file_name", ...} of every picture of the gallery.
        queries: what is searched for.
        right: (n, 2) of (query, image).
        ignored: (n, 2) of (query, image): neither right nor wrong.
        wrong: (n, 2) of (query, image): where not all that is unjudged is.
        unjudged: what all other pictures are for a query: "wrong" or "passed over".
        about: how it was made, as plain data.
        card: the same for people, as Markdown.
        language: of the queries, BCP 47.
    """

    name: str
    root: Path
    images: Sequence[Mapping[str, Any]]
    queries: Sequence[str]
    right: Sequence[tuple[int, int]]
    ignored: Sequence[tuple[int, int]] = ()
    wrong: Sequence[tuple[int, int]] = ()
    unjudged: str = UNJUDGED[0]
    about: Mapping[str, Any] = field(default_factory=dict)
    card: str = ""
    language: str = "en"

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write its files, all or none; a folder that is there is replaced.

        Raises:
            DatasetError: there is no query, or no picture that is right.
            ArtifactError: they cannot be written.
        """
        if not self.queries or not self.right:
            raise DatasetError(f"{self.name}: no query has a right picture; look at the folder that it is made of")
        scores = ((self.right, RIGHT), (self.wrong, WRONG), (self.ignored, IGNORED))
        lines = [f"{query}\t{image}\t{score}" for pairs, score in scores for query, image in pairs]
        with atomic_folder(folder) as new:
            write_text(new / _IMAGES, _lines({"image_id": str(i), **row} for i, row in enumerate(self.images)))
            write_text(new / _QUERIES, _lines({"query_id": str(i), "text": t} for i, t in enumerate(self.queries)))
            write_text(new / _QRELS, "\n".join(["query_id\timage_id\tscore", *lines, ""]))
            about = {"name": self.name, "images": str(self.root.resolve()), "language": self.language,
                     "unjudged": self.unjudged, **self.about}  # fmt: skip
            write_json(new / _ABOUT, {"schema": SCHEMA, **about})
            write_text(new / _CARD, self.card)
        return Path(folder)


def _lines(records: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def is_judged(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return all((folder / name).is_file() for name in (_IMAGES, _QUERIES, _QRELS))


def open_judged(folder: Path, name: str, request: Request) -> ImageTextDataset:
    """The data set of such a folder.

    Args:
        folder: with the files.
        name: what the user opened.
        request: `image` may name the folder of the pictures where they have moved; a sample is of pictures, and queries
            that it holds no right picture for leave.

    Raises:
        ConfigError: a column or split is asked for: there are none to choose.
        DatasetError: a file is damaged, or too many pictures are missing.
    """
    _check_request(name, request)
    about = read_json(folder / _ABOUT) if (folder / _ABOUT).is_file() else {}
    if about and about.get("schema") != SCHEMA:
        raise DatasetError(f"{folder / _ABOUT} has schema {about.get('schema')!r}; expected {SCHEMA!r}")
    root = request.image_folder or Path(about.get("images") or folder)
    images, queries, qrels = (read_table(folder / file, name) for file in (_IMAGES, _QUERIES, _QRELS))
    codes, make, skipped = _gallery(images, root, name, request.max_bad_share)
    held, first = np.unique(codes[codes >= 0], return_index=True)
    gallery = np.where(codes >= 0, np.searchsorted(held, codes), -1)  # the image of every row
    texts = _cells(queries, "text")
    unjudged = about.get("unjudged", UNJUDGED[0])
    if unjudged not in UNJUDGED:
        raise DatasetError(
            f"{folder / _ABOUT} says that what is unjudged is {unjudged!r}; expected {' or '.join(UNJUDGED)}"
        )
    told = _judgements(_read(qrels), _numbers(images, "image_id"), _numbers(queries, "query_id"), gallery)
    right, ignored = told[RIGHT], told[IGNORED]
    if unjudged == "passed over":
        ignored = np.concatenate([ignored, _others(np.concatenate([*told.values()]), len(texts), len(held))])
    answered = np.unique(right[:, 0])
    if not len(answered):
        raise DatasetError(f"{name}: no query has a right picture that can be had")
    if len(answered) < len(texts):
        logger.warning("%s: %d of %d queries have no right picture", name, len(texts) - len(answered), len(texts))
    whole = ImageTextDataset(
        name=name,
        images=LazyImages(make, held),
        texts=[texts[query] for query in answered],
        pairs=_among(answered, right),
        rows=images.table,
        image_rows=np.flatnonzero(codes >= 0)[first],
        text_rows=np.zeros(len(answered), dtype=np.int64),  # queries have no row of their own
        language=request.language or about.get("language"),
        columns={"image": "file_name", "text": "text", **_told(about)},
        skipped=tuple(skipped),
        n_source_rows=images.table.num_rows,
        ignored=_among(answered, ignored),
    )
    return _sampled(whole, request)


def _gallery(
    images: RawTable, root: Path, name: str, max_bad_share: float
) -> tuple[Indexes, Callable[[int], ImageRef], list[SkippedRow]]:
    """(n_rows,) the picture of every row, -1 where it cannot be had; a picture by its number; what is left out."""
    raw = replace(images, name=name, folders=((0, root),))
    pictures = find_pictures(raw, _column(images, "file_name"), np.arange(images.table.num_rows))
    reasons = {**pictures.bad, **images.broken}
    skipped = [SkippedRow(row, _IMAGES, reason) for row, reason in sorted(reasons.items())]
    if len(skipped) > max_bad_share * images.table.num_rows:
        shown = "".join(f"\n  row {row.row}: {row.reason}" for row in skipped[:5])
        raise DatasetError(
            f"{name}: {len(skipped)} of {images.table.num_rows} pictures cannot be had:{shown}\nThey are looked for in "
            f'{root}; name another folder with image="FOLDER", or accept more with max_bad_share='
        )
    codes = pictures.codes.copy()
    codes[list(images.broken)] = -1
    return codes, pictures.make, skipped


def _check_request(name: str, request: Request) -> None:
    named = [option for option in ("text", "revision") if getattr(request, option) is not None]
    if request.image is not None and request.image_folder is None:
        named.insert(0, "image")
    if request.split not in (None, ALL):
        named.append("split")
    if named:
        raise ConfigError(f"{name} holds judged queries: there is no {', '.join(named)} to choose")


def _column(raw: RawTable, name: str) -> str:
    if name not in raw.table.column_names:
        raise DatasetError(f"{raw.name}: {raw.label} has no column {name!r}, only {', '.join(raw.table.column_names)}")
    return name


def _cells(raw: RawTable, name: str) -> list[str]:
    return strings(raw.table.column(_column(raw, name)).cast(pa.string()))


def _told(about: Mapping[str, Any]) -> dict[str, str]:
    """What the folder says of how it was made."""
    return {name: str(value) for name, value in about.items() if name not in ("schema", "images", "language")}


def _numbers(raw: RawTable, column: str) -> dict[str, int]:
    """From names to row numbers."""
    return {name: row for row, name in enumerate(_cells(raw, column))}


def _read(qrels: RawTable) -> list[tuple[str, str, int]]:
    """(query, image, score) of every judgement."""
    try:
        scores = [int(score) for score in _cells(qrels, "score")]
    except (TypeError, ValueError):
        raise DatasetError(f"{qrels.name}: {_QRELS} has a score that is no whole number") from None
    return list(zip(_cells(qrels, "query_id"), _cells(qrels, "image_id"), scores, strict=True))


def _judgements(
    judged: Iterable[tuple[str, str, int]], images: Mapping[str, int], queries: Mapping[str, int], gallery: Indexes
) -> dict[int, Indexes]:
    """(n, 2) of (query, image) that are RIGHT, WRONG and IGNORED."""
    found: dict[int, list[tuple[int, int]]] = {RIGHT: [], WRONG: [], IGNORED: []}
    for query, image, score in judged:
        if query not in queries or image not in images:
            raise DatasetError(f"{_QRELS} names query {query!r} and image {image!r}, which are not both there")
        if gallery[images[image]] >= 0:
            found[int(np.sign(score))].append((queries[query], int(gallery[images[image]])))
    return {score: np.array(pairs, dtype=np.int64).reshape(-1, 2) for score, pairs in found.items()}


def _others(listed: Indexes, n_queries: int, n_images: int) -> Indexes:
    """(n, 2) of (query, image): all that are not listed."""
    unlisted = np.ones((n_queries, n_images), dtype=bool)
    unlisted[tuple(listed.T)] = False
    return np.argwhere(unlisted)


def _among(queries: Indexes, pairs: Indexes) -> Indexes:
    """The pairs of some queries, these numbered anew."""
    pairs = pairs[np.isin(pairs[:, 0], queries)]
    return np.stack([np.searchsorted(queries, pairs[:, 0]), pairs[:, 1]], axis=1)


def _sampled(whole: ImageTextDataset, request: Request) -> ImageTextDataset:
    limit = request.limit
    if limit is None or limit >= whole.n_images:
        return whole
    left = np.random.default_rng(request.seed).permutation(whole.n_images)[limit:]
    return replace(whole.without_images(left.tolist()), sample={"limit": limit, "seed": request.seed})
