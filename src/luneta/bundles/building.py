"""Making a bundle, and making it anew when the data have changed."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from luneta import __version__
from luneta.artifacts import hash_json, public_name, write_json, write_text
from luneta.bundles.bundle import SCHEMA, Bundle, check_record
from luneta.bundles.card import card
from luneta.bundles.files import (
    CARD,
    RECORD,
    SEAL,
    SOURCE,
    File,
    check,
    check_place,
    clean,
    only_writer,
    put,
    put_folder,
    seal_of,
)
from luneta.bundles.items import SIDES, Ids, item_tables
from luneta.bundles.remote import fill, publish, stem_of
from luneta.bundles.thumbnails import STEM as THUMBNAILS
from luneta.bundles.thumbnails import make_thumbnails, write_arrow
from luneta.data.dataset import ImageTextDataset
from luneta.embedding import Stored, cached_store_path, embed_stored
from luneta.errors import ArtifactError, ConfigError, EncoderError
from luneta.index import build_index
from luneta.index.building import check_kind
from luneta.progress import track
from luneta.store import SLOTS, EmbeddingStore
from luneta.types import Encoder, EncoderSpec, Side, SkippedRow, Vectors

logger = logging.getLogger("luneta")

BLOCK = 8192
"""Vectors in memory at once while files are written."""

N_QUERIES = 1000
"""Of each kind, that an index is measured with."""

LOCAL_STORE = ".vectors"

GROWN = 1.25
"""Times as many items as a cut-off was chosen with, from which on it is said to be stale."""


@dataclass(frozen=True, slots=True)
class IndexRecipe:
    """How a bundle is made.

    Attributes:
        kind: of index: auto, exact, hnsw, ivf-sq8 or ivf-pq.
        recall: share of the ten nearest that an index must find, measured.
        memory_mib: that an index may take; None is a share of what is free.
        thumbnail_px: longer side of the small pictures at most.
        text_tower: carry the text tower, so that a search needs neither torch nor the checkpoint.
        seed: of everything random.
    """

    kind: str = "auto"
    recall: float = 0.95
    memory_mib: float | None = None
    thumbnail_px: int = 320
    text_tower: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind != "auto":
            check_kind(self.kind)
        if not 0 < self.recall <= 1:
            raise ConfigError(f"recall is {self.recall}, expected a share above 0 and up to 1")
        if self.memory_mib is not None and not self.memory_mib > 0:
            raise ConfigError(f"memory_mib is {self.memory_mib}, expected a positive number of mebibytes")
        if not 32 <= self.thumbnail_px <= 2048:
            raise ConfigError(f"thumbnail_px is {self.thumbnail_px}, expected 32 to 2048 pixels")


@dataclass(frozen=True)
class Built:
    """A bundle and what making it did.

    Attributes:
        bundle: as it is now.
        n_new: items of each side that were not in it before.
        n_dropped: items of each side that were, and are not any more.
        n_computed: pictures and texts that went through the model.
        skipped: rows that are not in it, and why.
    """

    bundle: Bundle
    n_new: Mapping[Side, int]
    n_dropped: Mapping[Side, int]
    n_computed: Mapping[Side, int]
    skipped: Sequence[SkippedRow] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)


def build_bundle(
    encoder: Encoder,
    dataset: ImageTextDataset,
    out: str | os.PathLike[str],
    *,
    recipe: IndexRecipe | None = None,
    update: bool = False,
    source: Mapping[str, Any] | None = None,
    milvus: str | None = None,
    cache: bool = True,
    batch_size: int | None = None,
    max_bad_share: float = 0.01,
) -> Built:
    """Make a bundle of a data set, or bring one up to date.

    A run that was stopped goes on where it was; until it is done, the bundle is what it was before.

    Args:
        encoder: with a fingerprint.
        dataset: what is to be found.
        out: folder of the bundle, by custom NAME.luneta.
        recipe: how; None is the usual one, or the bundle's own when it is brought up to date.
        update: a bundle is there already: only what is new or changed is embedded, what is gone is dropped.
        source: where the data come from, as `open_dataset` takes it, for later updates.
        milvus: put the vectors and metadata into a Milvus, too, and search there: its URI, or a file that ends in .db
            for Milvus Lite; see `luneta.bundles.remote`. None leaves a bundle where it is.
        cache: keep vectors between runs with those of `evaluate`; else beside the bundle until it is done.
        batch_size: items per forward pass.
        max_bad_share: above this share of undecodable images nothing is made.

    Raises:
        ConfigError: the encoder has no fingerprint; a bundle is there and is not to be updated, or the other way round.
        IndexMismatchError: the bundle there was made with another encoder.
        ArtifactError: the folder holds other things, is being written, or cannot be.
        DatasetError: too many images cannot be decoded.
    """
    folder = Path(out)
    if not encoder.spec.fingerprint:
        raise ConfigError(
            f"{encoder.spec.name} has no fingerprint, so that nothing would tell its vectors from another encoder's; "
            "give its spec one"
        )
    check_place(folder, update=update)
    with only_writer(folder):
        old = Bundle.open(folder) if update else None
        if old is not None:
            old.check(encoder)
        chosen = recipe or (IndexRecipe() if old is None else IndexRecipe(**old.record["recipe"]))
        place = milvus or (None if old is None else old.source.get("milvus"))
        names = None if old is None else old.record["milvus"]
        if place is not None and names is None:
            names = f"{stem_of(folder)}_{secrets.token_hex(4)}"
        build = _Build(encoder, folder, chosen, old, place, names)
        return build.run(dataset, source, cache=cache, batch_size=batch_size, max_bad_share=max_bad_share)


@dataclass
class _Build:
    """One bundle in the making.

    Attributes:
        encoder, folder, recipe: as given.
        old: the bundle as it was, if there was one.
        milvus: URI of the Milvus that is searched; None searches the bundle's own index.
        names: that the names of its collections begin with, which no other bundle's do.
        files: that the new one consists of, so far.
    """

    encoder: Encoder
    folder: Path
    recipe: IndexRecipe
    old: Bundle | None
    milvus: str | None = None
    names: str | None = None
    files: list[File] = field(default_factory=list)

    def run(
        self, dataset: ImageTextDataset, source: Mapping[str, Any] | None, *, cache: bool, **how: Any
    ) -> Built:  # fmt: skip
        store = self._store(cache)
        self._remember(store)
        stored = embed_stored(self.encoder, dataset, store, **how)
        data = stored.dataset
        before = {side: None if self.old is None else self.old.items(side) for side in SIDES}
        tables = item_tables(data, stored.keys, before)
        thumbnails = make_thumbnails(
            self.folder, zip(stored.keys["image"], data.images, strict=True), side=self.recipe.thumbnail_px,
            old=[] if self.old is None else [f for f in self.old.files if f.name.startswith(THUMBNAILS)],
        )  # fmt: skip
        self.files += thumbnails
        vectors = {side: self._vectors(side, stored, order) for side, (_, order) in tables.items()}
        tower, why_not = self._text_tower(data.texts)
        record = {
            "schema": SCHEMA,
            "luneta_version": __version__,
            "encoder": encoder_facts(self.encoder.spec),
            "dataset": {
                "name": os.path.basename(data.name.rstrip("/")) if os.path.exists(data.name) else data.name,
                "revision": data.revision, "split": data.split, "language": data.language,
                "n_images": data.n_images, "n_texts": data.n_texts, "n_skipped": len(data.skipped),
            },
            "recipe": asdict(self.recipe),
            "sides": {side: self._side(side, tables[side][0], vectors) for side in SIDES},
            "thumbnails": [file.name for file in thumbnails],
            "text_tower": tower,
            "without_text_tower": why_not,
            "milvus": self.names,
            **self._inherited(),
        }  # fmt: skip
        known = {} if self.old is None else self.old.source.get("data", {})
        where = {"data": dict(source or known), "encoder": self.encoder.spec.name, "milvus": self.milvus}
        write_json(self.folder / SOURCE, where)
        bundle = seal(self.folder, record, self.files, self.old)
        if self.milvus is not None:
            publish(bundle, self.milvus)
        self._warn_of_growth(bundle)
        if not cache:
            _remove(self.folder / LOCAL_STORE)
        return self._told(bundle, stored)

    # -- vectors -----------------------------------------------------------------------------------------------

    def _store(self, cache: bool) -> EmbeddingStore:
        """Where vectors are kept until they are in the bundle: with those of other runs, or beside it."""
        spec = self.encoder.spec
        if cache:
            try:
                return EmbeddingStore.open_or_create(cached_store_path(spec), spec)
            except ArtifactError as error:
                logger.warning("vectors are kept beside the bundle while it is made: %s", error)
        return EmbeddingStore.open_or_create(self.folder / LOCAL_STORE, spec)

    def _remember(self, store: EmbeddingStore) -> None:
        """What the bundle knows and the store does not: the cache may be another machine's."""
        if self.old is None:
            return
        for side in SIDES:
            keys = self.old.items(side).column("_key").to_pylist()
            if not store.missing(side, keys):
                continue
            for file in self.old.files:  # nothing damaged gets a seal, or into the cache of others
                if file.name.startswith((f"vectors-{side}-", f"items-{side}-")):
                    check(self.folder, file, whole=True)
            row_of = {key: row for row, key in enumerate(keys)}
            vectors = self.old.vectors(side)
            with store.writing():
                for part in _parts(store.missing(side, keys), SLOTS[side]):
                    store.append(side, part, np.array(vectors[[row_of[key] for key in part]]), {})

    def _vectors(self, side: Side, stored: Stored, order: Ids) -> tuple[File, Vectors]:
        """The file of a side's vectors, and it in memory's reach; never all of them in memory."""
        shape = (len(order), self.encoder.spec.embedding_dim)

        def write(path: Path) -> None:  # not through a memory map: a full disk would end the process
            with path.open("wb") as stream, track("vectors", len(order)) as advance:
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(stream, header)
                for low in range(0, len(order), BLOCK):
                    part = order[low : low + BLOCK].tolist()
                    stream.write(np.ascontiguousarray(stored.vectors(side, part), dtype="<f4").tobytes())
                    advance(len(part))

        file = put(self.folder, f"vectors-{side}", ".npy", write)
        self.files.append(file)
        return file, np.load(self.folder / file.name, mmap_mode="r")

    # -- what is made of them ----------------------------------------------------------------------------------

    def _side(self, side: Side, table: pa.Table, vectors: Mapping[Side, tuple[File, Vectors]]) -> dict[str, Any]:
        items = put(self.folder, f"items-{side}", ".arrow", lambda path: write_arrow(path, table))
        self.files.append(items)
        file, ours = vectors[side]
        facts = self._index(side, table, vectors) if self.milvus is None else self._remote(side, table, ours)
        return {"n": table.num_rows, "items": items.name, "vectors": file.name, "index": facts}

    def _index(self, side: Side, table: pa.Table, vectors: Mapping[Side, tuple[File, Vectors]]) -> dict[str, Any]:
        """An index of a side, built and measured."""
        index = build_index(
            table.column("_id").to_numpy(), vectors[side][1], kind=self.recipe.kind, recall=self.recipe.recall,
            memory_mib=self.recipe.memory_mib, seed=self.recipe.seed,
            queries={other: _sample(vectors[other][1], self.recipe.seed) for other in SIDES},
        )  # fmt: skip
        report = None if index.report is None else index.report.to_dict()
        facts: dict[str, Any] = {"kind": index.kind, "file": None, "report": report}
        if index.kind != "exact":
            written = put(self.folder, f"index-{side}", ".faiss", index.write)
            self.files.append(written)
            facts["file"] = written.name
        return facts

    def _remote(self, side: Side, table: pa.Table, vectors: Vectors) -> dict[str, Any]:
        """A side's vectors and metadata in Milvus, under a name that their content gives them."""
        assert self.milvus is not None
        digests = [file.sha256 for file in self.files if file.name.startswith((f"vectors-{side}-", f"items-{side}-"))]
        name = f"{self.names}_{side}_{hash_json(sorted(digests))[:12]}"
        fill(self.milvus, name, table, vectors)
        return {"kind": "milvus", "file": None, "report": None, "collection": name}

    def _text_tower(self, texts: Sequence[str]) -> tuple[str | None, str | None]:
        """Name of the text tower's folder, or why there is none."""
        if not self.recipe.text_tower:
            return None, "it was not asked for"
        if self.old is not None and (name := self.old.record["text_tower"]):
            self.files += [file for file in self.old.files if file.name.startswith(f"{name}/")]
            return str(name), None
        from luneta.encoders.exporting import export_text_tower

        sample = [texts[i] for i in np.linspace(0, len(texts) - 1, min(200, len(texts))).astype(int)]
        try:
            name, files = put_folder(
                self.folder, "text-tower", lambda folder: export_text_tower(self.encoder, folder, check=sample)
            )
        except EncoderError as error:
            logger.warning("the bundle carries no text tower, so that a search has to load the encoder: %s", error)
            return None, str(error).replace(self.encoder.spec.name, public_name(self.encoder.spec.name))
        self.files += files
        return name, None

    def _inherited(self) -> dict[str, Any]:
        """What an update leaves as it is."""
        found: dict[str, Any] = {"calibration": None, "reranker": None}
        if self.old is not None:
            found = {name: self.old.record[name] for name in found}
            kept = {str(name) for name in found.values() if name}
            self.files += [file for file in self.old.files if file.name.partition("/")[0] in kept]
        return found

    def _warn_of_growth(self, bundle: Bundle) -> None:
        """Best scores grow with what is searched, and a cut-off does not."""
        if bundle.calibration is None:
            return
        for side, before in bundle.calibration.n_items.items():
            if bundle.n(side) > GROWN * before:
                logger.warning(
                    "the cut-offs were chosen with %d %ss, and there are %d now: calibrate again", before, side,
                    bundle.n(side),
                )  # fmt: skip

    def _told(self, bundle: Bundle, stored: Stored) -> Built:
        ids = {side: bundle.ids(side) for side in SIDES}
        before = {side: np.zeros(0, np.int64) if self.old is None else self.old.ids(side) for side in SIDES}
        return Built(
            bundle=bundle,
            n_new={side: len(np.setdiff1d(ids[side], before[side])) for side in SIDES},
            n_dropped={side: len(np.setdiff1d(before[side], ids[side])) for side in SIDES},
            n_computed={"image": stored.cost.n_images_computed, "text": stored.cost.n_texts_computed},
            skipped=stored.dataset.skipped,
            cost=asdict(stored.cost),
        )


def seal(folder: Path, record: Mapping[str, Any], files: Sequence[File], old: Bundle | None) -> Bundle:
    """Make a bundle what a record says: from here on it is that one.

    Args:
        folder: of the bundle; the caller is its only writer.
        record: without files and dates.
        files: all that it consists of.
        old: what was there before.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    whole = {
        **record,
        "files": {f.name: {"sha256": f.sha256, "bytes": f.n_bytes} for f in sorted(files, key=lambda f: f.name)},
        "created_at": now if old is None else old.record["created_at"],
        "updated_at": now,
    }
    check_record(whole)  # what cannot be read must not take the place of what can
    write_json(folder / RECORD, {**whole, SEAL: seal_of(whole)})
    bundle = Bundle.open(folder)
    write_text(folder / CARD, card(bundle.record))
    clean(folder, bundle.files)
    return bundle


_SEALED = ("files", "created_at", "updated_at", SEAL)
"""What a record is given when it is sealed."""


def unsealed(bundle: Bundle) -> dict[str, Any]:
    """A bundle's record as `seal` takes it."""
    return {name: value for name, value in bundle.record.items() if name not in _SEALED}


def encoder_facts(spec: EncoderSpec) -> dict[str, Any]:
    """What a bundle says of its encoder; of a folder only its own name."""
    return {
        "name": public_name(spec.name),
        "revision": spec.revision,
        "fingerprint": spec.fingerprint,
        "embedding_dim": spec.embedding_dim,
        "dtype": spec.dtype,
        "backend": spec.backend,
        "languages": list(spec.languages),
    }


def _sample(vectors: Vectors, seed: int) -> Vectors:
    if len(vectors) <= N_QUERIES:
        return np.array(vectors)
    chosen = np.sort(np.random.default_rng(seed).choice(len(vectors), N_QUERIES, replace=False))
    return np.array(vectors[chosen])


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[low : low + size] for low in range(0, len(items), size))


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
