"""Collections in Milvus: a file of Milvus Lite, its server, Milvus Standalone and Distributed, by the same calls."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import pyarrow as pa

from luneta import progress
from luneta.errors import ArtifactError, ConfigError, LunetaError, UnreachableError, did_you_mean
from luneta.filters import Filter, milvus_name
from luneta.filters.tree import predicates_of
from luneta.index import checks, milvus_client, milvus_schema
from luneta.index.base import padded
from luneta.index.checks import Ids
from luneta.index.collections import check_there, fitted
from luneta.index.milvus_schema import ID, VECTOR
from luneta.types import Found, Vectors

if TYPE_CHECKING:
    from pymilvus import MilvusClient

Answer = TypeVar("Answer")

BATCH_ROWS, BATCH_BYTES = 1_000, 16 * 2**20
"""Of a request; servers refuse one of more than 64 MiB."""
PAGE_IDS = 10_000
QUERIES, ANSWERS = 256, 1_000_000
"""Queries of a request, and how many answers all of them may have."""
TRIES = 5
"""Searches that may meet a collection that is dropped because its alias has just been given to another."""

BUILT: dict[str, dict[str, int]] = {
    "HNSW": {"M": 16, "efConstruction": 200}, "HNSW_SQ": {"M": 16, "efConstruction": 200},
    "IVF_FLAT": {"nlist": 128}, "IVF_SQ8": {"nlist": 128},
}  # fmt: skip
LITE_KINDS = ("AUTOINDEX", "FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8")
"""Others Milvus Lite takes without a word and searches without an index."""


@dataclass(frozen=True, slots=True)
class MilvusSettings:
    """How a collection is made and searched.

    Attributes:
        kind: of index, as Milvus calls it: AUTOINDEX, FLAT, HNSW, IVF_FLAT, IVF_SQ8, DISKANN, ...
        metric: COSINE, or IP, which is the same for unit vectors.
        build: parameters of the index, such as {"M": 16, "efConstruction": 200}; what is left out has Luneta's or
            Milvus's own value.
        search: parameters of a search, such as {"ef": 128} or {"nprobe": 32}.
        consistency: Strong finds all that was written before; Bounded, Session and Eventually answer sooner on a
            cluster. Kept with the collection.
        timeout_s: how long one request may take, its repetitions included.
    """

    kind: str = "AUTOINDEX"
    metric: Literal["COSINE", "IP"] = "COSINE"
    build: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    consistency: Literal["Strong", "Bounded", "Session", "Eventually"] = "Strong"
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if self.metric not in ("COSINE", "IP"):
            raise ConfigError(f"metric is {self.metric!r}, expected COSINE or IP: scores are cosines")
        if self.consistency not in ("Strong", "Bounded", "Session", "Eventually"):
            raise ConfigError(f"consistency is {self.consistency!r}, expected Strong, Bounded, Session or Eventually")
        if not self.timeout_s > 0:
            raise ConfigError(f"timeout_s is {self.timeout_s}, expected seconds above 0")


class MilvusCollection:
    """A `luneta.index.collections.Collection` in Milvus; many threads may use it.

    Attributes:
        uri: of the Milvus.
        name: of the collection, or an alias of one.
    """

    def __init__(self, client: MilvusClient, uri: str, name: str, settings: MilvusSettings) -> None:
        """Use `create` or `open`."""
        self.uri, self.name = uri, name
        self._client, self._settings = client, settings
        self._lite = _is_lite(client, uri)
        about = self._call("read the collection", client.describe_collection, name)
        self._schema = milvus_schema.read_schema(about["properties"], name)
        self._dim = int(next(field["params"]["dim"] for field in about["fields"] if field["name"] == VECTOR))
        self._call("load the collection", client.load_collection, name)

    @classmethod
    def create(
        cls,
        uri: str,
        name: str,
        dim: int,
        schema: pa.Schema,
        *,
        token: str = "",
        settings: MilvusSettings | None = None,
    ) -> MilvusCollection:
        """Make a collection; one that is there and was made for the same vectors and columns is gone on with.

        Args:
            uri: a path that ends in .db, kept by Milvus Lite in this process, or a server's http://host:19530.
            name: letters of ASCII, digits and underscores.
            dim: of the vectors.
            schema: the metadata columns; `milvus_schema` says what becomes of each type.
            token: user:password or an API key, where the server asks for one.
            settings: None takes the defaults.

        Raises:
            ConfigError: a name, a column or an index that cannot be; another collection of that name.
            UnreachableError, MissingExtraError, ArtifactError: Milvus is not to be had.
        """
        settings = settings or MilvusSettings()
        if not re.fullmatch(r"[A-Za-z_]\w{0,254}", name, re.ASCII):
            raise ConfigError(f"{name!r} cannot be the name of a collection: letters, digits and _, no digit first")
        kept = milvus_schema.kept_schema(schema)
        client = milvus_client.connect(uri, token)
        with milvus_client.calling("make the collection", uri):
            if _is_lite(client, uri) and settings.kind not in LITE_KINDS:
                hint = did_you_mean(settings.kind, LITE_KINDS)
                raise ConfigError(f"Milvus Lite has no index {settings.kind!r}. {hint}")
            if not client.has_collection(name):
                client.create_collection(
                    name,
                    schema=milvus_schema.milvus_schema(client, dim, kept),
                    properties={milvus_schema.PROPERTY: milvus_schema.written_schema(kept)},
                    consistency_level=settings.consistency,
                    timeout=settings.timeout_s,
                )
            _ensure_index(client, name, settings)
        made = cls(client, uri, name, settings)
        if made.dim != dim or made.schema != kept:
            raise ConfigError(
                f"the collection {name!r} is there already, for vectors of {made.dim} numbers and the columns "
                f"{', '.join(made.schema.names)}; drop it or choose another name"
            )
        return made

    @classmethod
    def open(cls, uri: str, name: str, *, token: str = "", settings: MilvusSettings | None = None) -> MilvusCollection:
        """Open a collection that was made before, by its name or by an alias of it.

        Args:
            uri, name, token: as in `create`.
            settings: `search` and `timeout_s` count; the others are the collection's.

        Raises:
            ConfigError: there is no such collection.
            ArtifactError: it was not made by Luneta.
            UnreachableError, MissingExtraError: Milvus is not to be had.
        """
        if milvus_client.is_local(uri) and not Path(uri).exists():
            raise ConfigError(f"there is no file {uri}; collections are made with MilvusCollection.create")
        client = milvus_client.connect(uri, token)
        with milvus_client.calling("look for the collection", uri):
            if not client.has_collection(name):
                known = client.list_collections()
                raise ConfigError(f"there is no collection {name!r} at {milvus_client.shown(uri)}. "
                                  f"{did_you_mean(name, known)}")  # fmt: skip
        return cls(client, uri, name, settings or MilvusSettings())

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    @property
    def ids(self) -> Ids:
        """(n,) of everything in it, ascending; they are fetched, some 10 000 a request."""
        asked = {"filter": "", "output_fields": [ID], "batch_size": PAGE_IDS}
        pages = self._call("read ids", self._client.query_iterator, self.name, **asked)
        ids: list[int] = []
        with milvus_client.calling("read ids", self.uri), contextlib.closing(pages):
            while page := pages.next():
                ids += [entity[ID] for entity in page]
        return np.unique(np.array(ids, dtype=np.int64))

    def __len__(self) -> int:
        found = self._call("count", self._client.query, self.name, filter="", output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def search(self, queries: Vectors, k: int, *, where: Filter | None = None) -> Found:
        """See `Collection`.

        Equal scores stand by ascending id, but which of several stand last before the end is Milvus's choice.
        """
        k = checks.check_k(k)
        queries = checks.unit_vectors("queries", queries, self.dim)
        asked = {"filter": "" if where is None else self._filter(where), "limit": k}
        params = dict(self._settings.search)
        if "ef" in params:
            params["ef"] = max(params["ef"], k)  # Milvus refuses less
        step = max(1, min(QUERIES, ANSWERS // k))
        parts = [
            self._call(
                "search", self._client.search, self.name,
                data=list(queries[start : start + step]), anns_field=VECTOR, search_params={"params": params}, **asked,
            )
            for start in range(0, len(queries), step)
        ]  # fmt: skip
        hits = [_scored(hits) for part in parts for hits in part]
        found = padded(np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64), k)
        for row, (scores, ids) in enumerate(hits):
            found.scores[row, : len(ids)], found.ids[row, : len(ids)] = scores, ids
        return found

    def upsert(self, ids: Ids, vectors: Vectors, rows: pa.Table) -> None:
        """See `Collection`. More than a request holds are flushed, since Milvus Lite is slow with what is not."""
        vectors = checks.unit_vectors("vectors", vectors, self.dim)
        ids = checks.new_ids(ids, len(vectors))
        if self._send(ids, vectors, fitted(rows, self.schema, len(ids)), np.arange(len(ids))) > 1:
            self.flush()

    def fill(self, ids: Ids, vectors: Vectors, rows: pa.Table) -> int:
        """Send what is not there yet, by id, and flush: a filling that was killed goes on where it was.

        Args:
            ids, vectors, rows: as in `upsert`; the vectors may be mapped into memory, they are read batch by batch.

        Returns:
            How many were sent.

        Raises:
            ArtifactError: in the end there are not as many as there should be.
            ShapeError, ConfigError: as in `upsert`.
        """
        ids = checks.new_ids(ids, len(vectors))
        rows = fitted(rows, self.schema, len(ids))
        known = self.ids
        missing = np.flatnonzero(~np.isin(ids, known))
        self._send(ids, vectors, rows, missing)
        self.flush()
        n, expected = len(self), len(known) + len(missing)
        if n != expected:
            raise ArtifactError(
                f"the collection {self.name!r} holds {n:,} items after filling and should hold {expected:,}: something "
                f"else writes to it, or Milvus lost some; fill it again"
            )
        return len(missing)

    def delete(self, ids: Ids) -> int:
        """See `Collection`."""
        ids = np.unique(checks.whole_numbers("ids", ids))
        n = 0
        for start in range(0, len(ids), BATCH_ROWS):
            some = ids[start : start + BATCH_ROWS].tolist()
            n += len(self._entities(some, [ID]))
            self._call("delete", self._client.delete, self.name, ids=some)
        return n

    def rows(self, ids: Ids) -> pa.Table:
        """See `Collection`."""
        ids = checks.whole_numbers("ids", ids)
        names = [ID, *(milvus_name(name) for name in self.schema.names)]
        entities: list[dict[str, Any]] = []
        for start in range(0, len(ids), BATCH_ROWS):
            entities += self._entities(np.unique(ids[start : start + BATCH_ROWS]).tolist(), names)
        places = milvus_schema.row_numbers(ids, entities)
        check_there(ids, places >= 0)
        return milvus_schema.from_entities(entities, self.schema).take(pa.array(places))

    def publish(self, alias: str) -> str | None:
        """Let those who opened the alias find this collection from now on.

        Nobody's search fails meanwhile. Those who opened the alias keep the columns that they saw when they did.

        Returns:
            The collection that they found before, which stays; None where there was none, or it is this one.

        Raises:
            ConfigError: a collection has that name.
        """
        with milvus_client.calling("publish the collection", self.uri):
            before = None
            if self._client.has_collection(alias):
                before = self._client.describe_collection(alias)["collection_name"]
            if before == alias:
                raise ConfigError(f"{alias!r} is the name of a collection; an alias needs a name of its own")
            if before is None:
                self._client.create_alias(self.name, alias)
            elif before != self.name:
                self._client.alter_alias(self.name, alias)
        return None if before == self.name else before

    def drop_others(self, prefix: str, spared: Container[str]) -> None:
        """Delete the other collections whose names begin so.

        Args:
            prefix: of their names.
            spared: names of those that stay.
        """
        with milvus_client.calling("look for collections", self.uri):
            found = self._client.list_collections()
        for name in found:
            if name.startswith(prefix) and name != self.name and name not in spared:
                self._call("drop a collection", self._client.drop_collection, name)

    def flush(self) -> None:
        """Let Milvus put away and index what it holds in memory."""
        self._call("flush", self._client.flush, self.name)

    def drop(self) -> None:
        """Delete the collection and all that is in it."""
        self._call("drop the collection", self._client.drop_collection, self.name)

    def close(self) -> None:
        """Let go of the connection; a file of Milvus Lite stays this process's until it ends."""
        self._client.close()

    def _call(self, what: str, request: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """An answer to a request, asked again while a server starts anew or a collection is dropped under an alias."""
        end, gone = time.monotonic() + self._settings.timeout_s, 0
        while True:
            try:
                with milvus_client.calling(what, self.uri):
                    return request(*args, timeout=self._settings.timeout_s, **kwargs)
            except LunetaError as error:
                dropped, away = milvus_client.is_gone(error), isinstance(error, UnreachableError)
                gone += dropped
                if not (away or (dropped and gone < TRIES)) or time.monotonic() > end:
                    raise
            time.sleep(milvus_client.ASK_AGAIN_S)

    def _filter(self, where: Filter) -> str:
        asked = list(predicates_of(where.tree))
        escaped = any(one.operator == "like" and "\\" in str(one.values[0].value) for one in asked)
        if self._lite and escaped and any(one.operator == "contains" for one in asked):
            raise ConfigError(
                "Milvus Lite does not know a backslash in like where the same filter has contains; leave one of them "
                "out, or use a Milvus server"
            )
        return where.to_milvus(self.schema)

    def _entities(self, ids: list[int], names: list[str]) -> list[dict[str, Any]]:
        if not ids:
            return []
        asked = {"filter": f"{ID} in {ids}", "output_fields": names}
        return list(self._call("read rows", self._client.query, self.name, **asked))

    def _send(self, ids: Ids, vectors: Vectors, rows: pa.Table, which: Ids) -> int:
        """How many requests it took."""
        a_row = 4 * self.dim + rows.nbytes // max(1, len(rows))
        step = max(1, min(BATCH_ROWS, BATCH_BYTES // a_row))
        starts = range(0, len(which), step)
        with progress.track("items", len(which)) as advance:
            for start in starts:
                some = which[start : start + step]
                batch = checks.unit_vectors("vectors", vectors[some], self.dim)
                entities = milvus_schema.to_entities(ids[some], batch, rows.take(pa.array(some)))
                self._call("write", self._client.upsert, self.name, data=entities)
                advance(len(some))
        return len(starts)


def _is_lite(client: MilvusClient, uri: str) -> bool:
    with milvus_client.calling("ask for the version", uri):
        return str(client.get_server_version()).startswith("milvus_lite")


def _ensure_index(client: MilvusClient, name: str, settings: MilvusSettings) -> None:
    """That the collection has its index, also where a run was killed before it was made."""
    there = client.list_indexes(name, field_name=VECTOR)
    if there:
        metric = client.describe_index(name, there[0])["metric_type"]
        if metric != settings.metric:
            raise ConfigError(f"the collection {name!r} is there already, with the metric {metric}")
        return
    params = client.prepare_index_params()
    build = {**BUILT.get(settings.kind, {}), **settings.build}
    params.add_index(field_name=VECTOR, index_type=settings.kind, metric_type=settings.metric, params=build)
    client.create_index(name, params, timeout=settings.timeout_s)


def _scored(hits: Any) -> tuple[np.ndarray[Any, np.dtype[np.float32]], Ids]:
    """Scores and ids of one query's answers, best first, equal scores by id."""
    scores, ids = np.array(hits.distances, dtype=np.float32), np.array(hits.ids, dtype=np.int64)
    order = np.lexsort((ids, -scores))
    return scores[order], ids[order]
