"""A bundle whose vectors are searched in Milvus: a file of Milvus Lite, a server, a cluster.

The bundle keeps vectors and items of its own, for updates and to be verified. Each version of a side is a collection
with a name that its content gives it, so that a filling that was killed goes on; the record names it. When the bundle
is sealed, the alias NAMES_SIDE is moved to it for whoever searches Milvus directly. The version before stays until the
next one, since a server may still be answering from it; older ones and what killed fillings left are dropped.
NAMES is the bundle's name and eight digits that no other bundle has.

A token for the server is read from LUNETA_MILVUS_TOKEN: it is a secret, and no bundle holds it. It is sent to the
place that was named when the bundle was built, and later only to LUNETA_MILVUS_URI: never on the word of a file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from luneta.errors import ConfigError
from luneta.types import Side, Vectors

if TYPE_CHECKING:
    from luneta.bundles.bundle import Bundle
    from luneta.index.milvus import MilvusCollection

TOKEN, PLACE = "LUNETA_MILVUS_TOKEN", "LUNETA_MILVUS_URI"

OURS = ("_key",)
"""Of the columns of ours, those that Milvus gets too: so there is always one."""


def stem_of(folder: Path) -> str:
    """A bundle's name as Milvus takes it.

    >>> stem_of(Path("my photos.luneta")), stem_of(Path("2024"))
    ('my_photos', 'b_2024')
    """
    stem = re.sub(r"\W", "_", folder.resolve().name.removesuffix(".luneta"), flags=re.ASCII)[:128]
    return stem if re.match("[A-Za-z_]", stem) else f"b_{stem}"


def metadata(items: pa.Table) -> pa.Table:
    """The columns that go to Milvus: those of the source that it can hold."""
    from luneta.index.milvus_schema import kept_schema

    kept = []
    for field in items.schema.remove_metadata():
        if field.name.startswith("_") and field.name not in OURS:
            continue
        try:
            kept_schema(pa.schema([field]))
        except ConfigError:
            continue  # a column of structs, say: it stays in the bundle and cannot be filtered by
        kept.append(field.name)
    return items.select(kept).replace_schema_metadata(None)


def fill(uri: str, name: str, items: pa.Table, vectors: Vectors) -> None:
    """Put a side into a collection; what is there already is not sent again.

    Raises:
        ConfigError, UnreachableError, MissingExtraError, ArtifactError: as `MilvusCollection.create` and `fill`.
    """
    from luneta.index.milvus import MilvusCollection

    rows = metadata(items)
    made = MilvusCollection.create(uri, name, vectors.shape[1], rows.schema, token=os.environ.get(TOKEN, ""))
    made.fill(items.column("_id").to_numpy(), vectors, rows)
    made.close()


def opened(bundle: Bundle, side: Side, *, named: str | None = None) -> MilvusCollection:
    """The collection that a side is searched in.

    Args:
        bundle: whose side it is.
        side: which.
        named: URI that the user has named; None takes that of LUNETA_MILVUS_URI, else the one beside the bundle.

    Raises:
        ConfigError: nobody knows where it is, or it is not there any more.
        UnreachableError, MissingExtraError: Milvus is not to be had.
    """
    from luneta.index.milvus import MilvusCollection

    trusted = named or os.environ.get(PLACE)
    uri = trusted or bundle.source.get("milvus")
    if not uri:
        raise ConfigError(f"{bundle.folder} is searched in Milvus, but does not say where: set {PLACE}, or update it "
                          "with --milvus URI")  # fmt: skip
    token = os.environ.get(TOKEN, "") if trusted else ""
    return MilvusCollection.open(str(uri), bundle.record["sides"][side]["index"]["collection"], token=token)


def publish(bundle: Bundle, uri: str) -> None:
    """Move the aliases to the bundle's collections, and drop all but these and those before."""
    for side in bundle.sides:
        collection = opened(bundle, side, named=uri)
        alias = f"{bundle.record['milvus']}_{side}"
        before = collection.publish(alias)
        if before is not None:
            collection.drop_others(f"{alias}_", {before})
        collection.close()
