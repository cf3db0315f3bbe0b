"""A bundle, opened: items, vectors and an index for each side, small pictures, and what reads a query."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from luneta.artifacts import read_json
from luneta.bundles.files import RECORD, SEAL, SOURCE, File, check, files_of, seal_of
from luneta.bundles.items import SIDES, Ids, read_items
from luneta.bundles.thumbnails import Thumbnails
from luneta.errors import ArtifactError, ConfigError, IndexMismatchError
from luneta.index import load_index
from luneta.index.collections import Collection, LocalCollection
from luneta.types import Encoder, Side, VectorIndex, Vectors

if TYPE_CHECKING:
    from luneta.bundles.calibration import Calibration
    from luneta.encoders.light import LightTextEncoder
    from luneta.rerank.reranker import Reranker
    from luneta.types import ImageRef

SCHEMA = "luneta.bundle/1"
REMOTE = "milvus"

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A folder that `build_bundle` wrote; nothing in it is read before it is needed.

    Attributes:
        folder: where it lies.
        record: its `bundle.json`.
    """

    folder: Path
    record: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Bundle:
        """Open a bundle for reading; no lock is taken.

        Every file is there and as long as it should be; `verify` reads them all.

        Raises:
            ArtifactError: there is none, it is of another schema, or a file is missing or cut.
        """
        bundle = cls.read(folder)
        try:
            for file in bundle.files:
                check(bundle.folder, file)
        except ArtifactError:
            newer = cls.read(folder)
            if newer.record == bundle.record:
                raise
            return cls.open(folder)  # a writer came between
        return bundle

    def hold(self) -> Bundle:
        """Map what is searched into memory, so that it stays while a writer puts another bundle in its place."""
        for side in self.sides:
            self.items(side), self.vectors(side), self.index(side)
        self.thumbnails.hold()
        return self

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Bundle:
        """The same, whatever has become of its files.

        Raises:
            ArtifactError: there is no bundle, or it is of another schema.
        """
        place = Path(folder)
        if not (place / RECORD).is_file():
            why = "no such folder" if not place.exists() else f"it has no {RECORD}"
            free = folder if not place.exists() else "NAME.luneta"
            raise ArtifactError(f"{folder} is no bundle: {why}. Make one with `luneta index DATA --out {free}`.")
        record = read_json(place / RECORD)
        try:
            if record["schema"] != SCHEMA:
                raise ValueError(f"schema is {record['schema']!r}, expected {SCHEMA!r}")
            check_record(record)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(
                f"{place / RECORD} is not the record of a bundle that this version reads ({type(error).__name__}: "
                f"{error}); make the bundle again with `luneta index`"
            ) from error
        if record.get(SEAL) != seal_of(record):
            raise ArtifactError(
                f"{place / RECORD} is damaged: it is not what was sealed; take it from a copy, or make the bundle "
                "again with `luneta index`"
            )
        return cls(place, record)

    @property
    def files(self) -> list[File]:
        return files_of(self.record["files"])

    def verify(self) -> Iterator[tuple[File, str | None]]:
        """Read every file; for each what is wrong with it, or None."""
        for file in self.files:
            try:
                check(self.folder, file, whole=True)
            except ArtifactError as error:
                yield file, str(error)
            else:
                yield file, None

    # -- items -------------------------------------------------------------------------------------------------

    @property
    def sides(self) -> tuple[Side, ...]:
        return tuple(self.record["sides"])

    def n(self, side: Side) -> int:
        return int(self._side(side)["n"])

    def _side(self, side: Side) -> Mapping[str, Any]:
        found: Mapping[str, Any] | None = self.record["sides"].get(side)
        if found is None:
            raise ConfigError(f"{self.folder} has no {side}s to search; it has: {', '.join(self.sides)}")
        return found

    def items(self, side: Side) -> pa.Table:
        """The items of a side, ascending by number; see `luneta.bundles.items`."""
        return self._kept(("items", side), lambda: read_items(self.folder / self._side(side)["items"], side))

    def ids(self, side: Side) -> Ids:
        """(n,) their numbers."""
        column: Ids = self.items(side).column("_id").to_numpy()
        return column

    def places(self, side: Side, ids: Ids | Sequence[int]) -> Ids:
        """Where some items stand among those of their side.

        Raises:
            ConfigError: a number that no item has.
        """
        known = self.ids(side)
        try:
            ids = np.asarray(ids, dtype=np.int64)
        except OverflowError:
            raise ConfigError(f"the bundle has no {side} with a number of so many digits") from None
        places: Ids = np.minimum(np.searchsorted(known, ids), max(len(known) - 1, 0))
        wrong = ids if not len(known) else ids[known[places] != ids]
        if len(wrong):
            raise ConfigError(f"the bundle has no {side} with the number {int(wrong[0])}")
        return places

    def rows(self, side: Side, ids: Ids) -> pa.Table:
        """Rows of some items, in the order given.

        Raises:
            ConfigError: a number that no item has.
        """
        return self.items(side).take(pa.array(self.places(side, ids)))

    def vectors(self, side: Side) -> Vectors:
        """(n, embedding_dim) float32 unit vectors, mapped into memory, in the order of the items."""
        return self._kept(("vectors", side), lambda: _mapped(self.folder / self._side(side)["vectors"], self.n(side)))

    def index(self, side: Side) -> VectorIndex:
        """The index of a side's vectors that lies in the bundle: exact, where Milvus is searched."""
        return self._kept(("index", side), lambda: self._opened_index(side))

    def collection(self, side: Side) -> Collection:
        """What a search asks: the index with the items, or Milvus."""
        return self._kept(("collection", side), lambda: self._opened_collection(side))

    def _opened_collection(self, side: Side) -> Collection:
        if self._side(side)["index"]["kind"] == REMOTE:
            from luneta.bundles.remote import opened

            return opened(self, side)
        return LocalCollection(self.index(side), self.items(side))

    def _opened_index(self, side: Side) -> VectorIndex:
        facts = self._side(side)["index"]
        path = None if facts.get("file") is None else self.folder / facts["file"]
        kind = "exact" if facts["kind"] == REMOTE else facts["kind"]
        return load_index(kind, path, self.vectors(side), self.ids(side))

    @cached_property
    def thumbnails(self) -> Thumbnails:
        return Thumbnails(self.folder, self.record["thumbnails"])

    @cached_property
    def originals(self) -> Sequence[ImageRef]:
        """The pictures as they were indexed, in the order of the items, from where they lie.

        Opening one raises ImageError where it has gone, or is another picture by now.
        """
        from luneta.bundles.originals import originals

        return originals(self.items("image"), self.source.get("data", {}))

    # -- what it was given besides -----------------------------------------------------------------------------

    @cached_property
    def calibration(self) -> Calibration | None:
        """Below which scores nothing is relevant; None where nobody has measured it."""
        from luneta.bundles.calibration import Calibration

        name = self.record["calibration"]
        return None if name is None else Calibration.read(self.folder / name)

    def reranker(self, encoder: Encoder) -> Reranker:
        """The bundle's own re-ranker.

        Raises:
            ConfigError: it has none.
            IndexMismatchError: it is of another encoder.
        """
        name = self.record["reranker"]
        if name is None:
            raise ConfigError(
                f"{self.folder} has no re-ranker; give it one with `luneta index --update --reranker FOLDER`"
            )
        return self._kept(("reranker", encoder.spec.fingerprint), lambda: _reranker(self.folder / name, encoder))

    # -- what reads a query ------------------------------------------------------------------------------------

    @property
    def text_encoder(self) -> LightTextEncoder | None:
        """The text tower that the bundle carries, without torch; None where it carries none."""
        name = self.record["text_tower"]
        return None if name is None else self._kept(("tower", "text"), lambda: _light(self.folder / name))

    def check(self, encoder: Encoder) -> None:
        """Refuse an encoder whose vectors these are not.

        Raises:
            IndexMismatchError: the fingerprints differ; the message names both encoders.
        """
        ours, theirs = self.record["encoder"], encoder.spec
        if ours["fingerprint"] != theirs.fingerprint:
            raise IndexMismatchError(
                f"{self.folder} was made with {ours['name']} ({ours['dtype']}, fingerprint {ours['fingerprint'][:16]}),"
                f" but {theirs.name} ({theirs.dtype}, {theirs.fingerprint[:16]}) was given. Their vectors cannot be "
                "compared: use the first encoder, or make the bundle again with the second."
            )

    def encoder(self, name: str | None = None, *, device: str = "auto") -> Encoder:
        """The encoder whose vectors these are, loaded whole.

        Args:
            name: where it is, should it have moved.
            device: as in `load_encoder`.

        Raises:
            IndexMismatchError: what is there now is another encoder.
            EncoderError: it cannot be loaded.
            ConfigError: it is an object of the user's own, which has to be given.
        """
        return self._kept(("encoder", name, device), lambda: self._loaded_encoder(name, device))

    def _loaded_encoder(self, name: str | None, device: str) -> Encoder:
        from luneta.encoders.custom import names_code
        from luneta.encoders.registry import load_encoder

        facts = self.record["encoder"]
        if name is None:
            name = str(self.source.get("encoder", facts["name"]))
            if names_code(name):  # what a file says must not decide which code runs
                raise ConfigError(f"{self.folder} was made with {name}, an object of your own: give it by --encoder")
        options: dict[str, Any] = {} if names_code(name) else {"dtype": facts["dtype"], "device": device}
        if facts.get("revision") and "@" not in name and not Path(name).exists() and "/" in name:
            options["revision"] = facts["revision"]
        encoder = load_encoder(name, **options)
        self.check(encoder)
        return encoder

    @cached_property
    def source(self) -> Mapping[str, Any]:
        """Where data and encoder are on this machine; empty where nobody knows any more."""
        path = self.folder / SOURCE
        found = read_json(path) if path.is_file() else {}
        if not isinstance(found, dict) or not isinstance(found.get("data", {}), dict):
            raise ArtifactError(f"{path} does not say where data and encoder are: delete it, and name them")
        return found

    # -- kept while it is open ---------------------------------------------------------------------------------

    @cached_property
    def _memory(self) -> dict[object, Any]:
        return {}

    def _kept(self, key: object, make: Callable[[], T]) -> T:
        if key not in self._memory:
            self._memory[key] = make()
        found: T = self._memory[key]
        return found


def check_record(record: Mapping[str, Any]) -> None:
    """Raises KeyError, TypeError, ValueError or AttributeError for a record that is not whole."""
    names = {file.name for file in files_of(record["files"])}
    folders = {name.partition("/")[0] for name in names if "/" in name}
    for side, facts in record["sides"].items():
        if side not in SIDES:
            raise ValueError(f"there is no side {side!r}")
        int(facts["n"]), str(facts["index"]["kind"])
        named = [facts["items"], facts["vectors"], facts["index"]["file"]]
        if strange := [name for name in named if name is not None and name not in names]:
            raise ValueError(f"{strange[0]!r} is not among its files")
    if set(record["thumbnails"]) - names:
        raise ValueError("a pack of thumbnails is not among its files")
    for part, known in (("text_tower", folders), ("reranker", folders), ("calibration", names)):
        if record[part] is not None and record[part] not in known:
            raise ValueError(f"its {part} is not among its files")
    str(record["encoder"]["fingerprint"]), str(record["encoder"]["name"]), int(record["encoder"]["embedding_dim"])


def _mapped(path: Path, n: int) -> Vectors:
    try:
        vectors: Vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged or missing: {error}") from error
    if vectors.ndim != 2 or len(vectors) != n or vectors.dtype != np.float32:
        raise ArtifactError(f"{path} holds {vectors.dtype} of shape {vectors.shape}, expected {n} float32 vectors")
    return vectors


def _reranker(folder: Path, encoder: Encoder) -> Reranker:
    from luneta.rerank.reranker import Reranker

    return Reranker.load(folder, encoder)


def _light(folder: Path) -> LightTextEncoder:
    from luneta.encoders.light import LightTextEncoder

    return LightTextEncoder.load(folder)
