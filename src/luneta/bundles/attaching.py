"""What a bundle is given when it is there: cut-offs below which nothing is relevant, and a re-ranker."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from luneta.artifacts import write_json
from luneta.bundles.building import seal, unsealed
from luneta.bundles.bundle import Bundle
from luneta.bundles.calibration import (
    MOST_QUERIES,
    Calibration,
    Cutoff,
    Mistake,
    best_scores,
    check_bound,
    measured_cutoff,
)
from luneta.bundles.files import File, only_writer, put, put_folder
from luneta.bundles.items import SIDES
from luneta.data.dataset import ImageTextDataset
from luneta.errors import ConfigError
from luneta.evaluation import embed_cached
from luneta.rerank.builtin import located
from luneta.rerank.kinds import GUIDE, RECORD
from luneta.rerank.reranker import Reranker
from luneta.stats import clusters
from luneta.store import text_key
from luneta.types import Encoder, Side, Vectors

Ids = NDArray[np.int64]


def calibrate(
    folder: str | os.PathLike[str],
    data: ImageTextDataset | None = None,
    *,
    encoder: Encoder | None = None,
    language: str | None = None,
    mistake: Mistake = "missed",
    error_rate: float = 0.05,
    seed: int = 0,
) -> Calibration:
    """Give a bundle cut-offs below which nothing is relevant, for texts that search pictures and the other way round.

    Args:
        folder: of the bundle.
        data: queries, some of which have no answer in the bundle: a text has one where a picture of it, or of a text
            equal to it, is in the bundle. None takes the bundle's own pairs, and each query once more without its
            answers. So it is where all of `data` is in the bundle, too.
        encoder: of the bundle; None loads it, where there are data.
        language: of the queries.
        mistake, error_rate: what is bounded, as in `chosen_cutoff`.
        seed: of the sample of queries and of its halves.

    Returns:
        All cut-offs that the bundle has then.

    Raises:
        ConfigError: too few queries, or options that make no sense.
        ArtifactError: the bundle is being written, or cannot be.
        IndexMismatchError: another encoder.
    """
    check_bound(mistake, error_rate)
    place = Path(folder)
    with only_writer(place):
        bundle = Bundle.open(place)
        queries = _own(bundle) if data is None else _given(bundle, data, encoder)
        cutoffs = [
            queries.cutoff(bundle, side, language, mistake=mistake, error_rate=error_rate, seed=seed)
            for side in SIDES
        ]  # fmt: skip
        made = Calibration(cutoffs, {side: bundle.n(side) for side in SIDES})
        whole = made if bundle.calibration is None else bundle.calibration.joined(made)
        file = put(place, "calibration", ".json", lambda path: write_json(path, whole.to_dict()))
        kept = _less(bundle.files, bundle.record["calibration"])
        seal(place, {**unsealed(bundle), "calibration": file.name}, [*kept, file], bundle)
    return whole


def attach_reranker(folder: str | os.PathLike[str], reranker: str | os.PathLike[str], encoder: Encoder) -> Bundle:
    """Give a bundle a re-ranker.

    Args:
        folder: of the bundle.
        reranker: folder of the re-ranker, or the name of a built-in encoder for its own.
        encoder: of both.

    Raises:
        ArtifactError: the bundle or the re-ranker is not whole, or the bundle cannot be written.
        IndexMismatchError: one of them is of another encoder.
    """
    place, origin = Path(folder), Path(located(reranker))
    with only_writer(place):
        bundle = Bundle.open(place)
        bundle.check(encoder)
        Reranker.load(origin, encoder)
        name, files = put_folder(place, "reranker", lambda new: _copy(origin, new))
        kept = _less(bundle.files, bundle.record["reranker"])
        return seal(place, {**unsealed(bundle), "reranker": name}, [*kept, *files], bundle)


class _Queries:
    """Texts and pictures, each content once, and which belong together.

    Attributes:
        keys: the contents.
        rows: of each among the vectors.
        vectors: of all that were given.
        groups: number of the connected part of the pairs that each is in.
        partners: for each content of a side the contents of the other that belong to it.
    """

    def __init__(
        self, keys: Mapping[Side, Sequence[str]], vectors: Mapping[Side, Vectors], pairs: Ids, known: Bundle
    ) -> None:
        unique = {side: np.unique(np.array(keys[side]), return_index=True, return_inverse=True) for side in SIDES}
        self.keys = {side: unique[side][0].tolist() for side in SIDES}
        self.rows: Mapping[Side, Ids] = {side: unique[side][1] for side in SIDES}
        self.vectors = vectors
        joined = np.stack([unique["text"][2][pairs[:, 0]], unique["image"][2][pairs[:, 1]]], axis=1)
        text_groups, image_groups = clusters(joined, len(self.keys["text"]), len(self.keys["image"]))
        self.groups: Mapping[Side, Ids] = {"text": text_groups, "image": image_groups}
        self.partners: Mapping[Side, dict[str, set[str]]] = {"text": defaultdict(set), "image": defaultdict(set)}
        self._join((self.keys["text"][text], self.keys["image"][image]) for text, image in joined)
        self._join(_pairs_of(known))

    def _join(self, pairs: Iterable[tuple[str, str]]) -> None:
        for text, image in pairs:
            self.partners["text"][text].add(image)
            self.partners["image"][image].add(text)

    def cutoff(
        self, bundle: Bundle, target: Side, language: str | None, *, mistake: Mistake, error_rate: float, seed: int
    ) -> Cutoff:
        """The cut-off of queries of one side that search the other."""
        asking: Side = "text" if target == "image" else "image"
        ids_of: dict[str, list[int]] = defaultdict(list)
        for key, number in zip(bundle.items(target).column("_key").to_pylist(), bundle.ids(target), strict=True):
            ids_of[key].append(int(number))
        n = len(self.keys[asking])
        chosen = np.sort(np.random.default_rng(seed).permutation(n)[:MOST_QUERIES])
        partners = [self.partners[asking][self.keys[asking][query]] for query in chosen]
        answers = [np.array(sorted(i for key in own for i in ids_of.get(key, ())), dtype=np.int64) for own in partners]
        has_answer = np.array([len(ids) > 0 for ids in answers])
        scores = best_scores(bundle.index(target), np.asarray(self.vectors[asking][self.rows[asking][chosen]]), answers)
        groups = self.groups[asking][chosen]
        return measured_cutoff(
            target, language, scores, has_answer, groups, mistake=mistake, error_rate=error_rate, seed=seed
        )


def _pairs_of(bundle: Bundle) -> Iterable[tuple[str, str]]:
    image_key = dict(zip(bundle.ids("image").tolist(), bundle.items("image").column("_key").to_pylist(), strict=True))
    texts = bundle.items("text")
    for key, images in zip(texts.column("_key").to_pylist(), texts.column("_images").to_pylist(), strict=True):
        for image in images:
            yield key, image_key[image]


def _own(bundle: Bundle) -> _Queries:
    keys: dict[Side, Sequence[str]] = {side: bundle.items(side).column("_key").to_pylist() for side in SIDES}
    row_of = {number: row for row, number in enumerate(bundle.ids("image").tolist())}
    images = bundle.items("text").column("_images").to_pylist()
    pairs = np.array([(text, row_of[image]) for text, own in enumerate(images) for image in own], dtype=np.int64)
    return _Queries(keys, {side: bundle.vectors(side) for side in SIDES}, pairs.reshape(-1, 2), bundle)


def _given(bundle: Bundle, data: ImageTextDataset, encoder: Encoder | None) -> _Queries:
    if data.judged:
        raise ConfigError(f"{data.name} holds judged queries; cut-offs are chosen with pairs of pictures and captions")
    opened = bundle.encoder() if encoder is None else encoder
    bundle.check(opened)
    found = embed_cached(opened, data)
    keys: dict[Side, Sequence[str]] = {
        "image": found.dataset.image_keys,
        "text": [text_key(t) for t in found.dataset.texts],
    }
    return _Queries(keys, {"image": found.images, "text": found.texts}, found.dataset.pairs, bundle)


def _less(files: Sequence[File], name: str | None) -> list[File]:
    return [file for file in files if file.name.partition("/")[0] != name]


def _copy(source: Path, target: Path) -> None:
    """Only what a re-ranker consists of: people and file managers leave other things beside it."""
    for name in (RECORD, GUIDE):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
