"""One file of an embedding store: a Parquet table of key, vector and failure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from luneta.artifacts import atomic_path, hash_file
from luneta.errors import ArtifactError
from luneta.types import Vectors

Kind = Literal["image", "text"]
KINDS: tuple[Kind, Kind] = ("image", "text")


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as the manifest names it."""

    file: str
    kind: Kind
    n_rows: int
    n_failures: int
    n_bytes: int
    sha256: str


def shard_name(kind: Kind, number: int) -> str:
    """File name of a kind's shard: image-00007.parquet."""
    return f"{kind}-{number:05d}.parquet"


def shard_kind(file: str) -> Kind | None:
    """The kind a file name stands for, None when it is not that of a shard."""
    kind, _, number = file.removesuffix(".parquet").partition("-")
    for known in KINDS:
        if kind == known and number.isascii() and number.isdigit() and file == shard_name(known, int(number)):
            return known
    return None


def write_shard(path: Path, kind: Kind, keys: Sequence[str], vectors: Vectors, failures: Mapping[str, str]) -> Shard:
    """Write one row group, whole or not at all. Every writer setting is given: equal rows make equal bytes.

    Raises:
        ArtifactError: the file cannot be written.
    """
    n, dim = vectors.shape
    failed = np.array([key in failures for key in keys], dtype=bool)
    # NaN and not null: before version 26, Arrow cannot read a null of a fixed-size list back from Parquet.
    rows = np.where(failed[:, np.newaxis], np.float32(np.nan), vectors)
    flat = pa.array(rows.reshape(-1), pa.float32())
    schema = pa.schema(
        [
            pa.field("key", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
            pa.field("failure", pa.string()),
        ]
    )
    columns = [
        pa.array(keys, pa.string()),
        pa.FixedSizeListArray.from_arrays(flat, dim),
        pa.array([failures.get(key) for key in keys], pa.string()),
    ]
    with atomic_path(path) as temporary:
        pq.write_table(
            pa.Table.from_arrays(columns, schema=schema),
            temporary,
            row_group_size=n,
            version="2.6",
            data_page_version="1.0",
            compression="none",  # digests and unit vectors do not compress
            use_dictionary=False,
            write_statistics=False,
        )
        return Shard(path.name, kind, n, int(failed.sum()), temporary.stat().st_size, hash_file(temporary))


def read_keys(folder: Path, shard: Shard) -> tuple[pa.Array, dict[str, str]]:
    """Keys of a shard, in order, and its failures; the vectors are not touched and the hash is not checked.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    path = folder / shard.file
    try:
        if (n_bytes := path.stat().st_size) != shard.n_bytes:
            raise damaged(folder, shard, f"{n_bytes} bytes long instead of {shard.n_bytes}")
        table = pq.read_table(path, columns=["key", "failure"], partitioning=None)
        keys, reasons = table["key"].combine_chunks(), table["failure"].to_pylist()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise damaged(folder, shard, str(error)) from error
    if len(keys) != shard.n_rows:
        raise damaged(folder, shard, f"{len(keys)} rows instead of {shard.n_rows}")
    return keys, {keys[row].as_py(): reason for row, reason in enumerate(reasons) if reason is not None}


def read_vectors(folder: Path, shard: Shard, embedding_dim: int) -> NDArray[np.float32]:
    """Vectors of a shard, (n_rows, embedding_dim), after its hash was checked; NaN where an item could not be read.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        content = (folder / shard.file).read_bytes()
        if hashlib.sha256(content).hexdigest() != shard.sha256:
            raise wrong_hash(folder, shard)
        column = pq.read_table(pa.BufferReader(content), columns=["vector"])["vector"].combine_chunks()
        values: NDArray[np.float32] = column.values.to_numpy(zero_copy_only=False)
        return values.reshape(shard.n_rows, embedding_dim)
    except (OSError, pa.ArrowException, KeyError, ValueError, AttributeError) as error:
        raise damaged(folder, shard, str(error)) from error


def check_hash(folder: Path, shard: Shard) -> None:
    """Raises ArtifactError when a shard is not what the manifest says."""
    try:
        if hash_file(folder / shard.file) != shard.sha256:
            raise wrong_hash(folder, shard)
    except OSError as error:
        raise damaged(folder, shard, str(error)) from error


def wrong_hash(folder: Path, shard: Shard) -> ArtifactError:
    return damaged(folder, shard, "its content no longer has the hash noted in the manifest")


def damaged(folder: Path, shard: Shard, how: object) -> ArtifactError:
    reason = " ".join(str(how).split())
    return ArtifactError(
        f"{folder / shard.file} is damaged or lost: {reason}. Delete that file and embed the data set into {folder} "
        f"again: only its {shard.n_rows} {shard.kind}s are computed anew."
    )
