"""The result of an evaluation: what was measured, under which protocol, and its files.

`result.json` (schema `luneta.evaluation/1`) holds the numbers; the Parquet file beside it holds, for every query of
both directions, where all its relevant items stand, so that any other statistic can be computed later without
embedding anything again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from luneta.artifacts import atomic_paths, check_writable, hash_file, hash_json, json_text, printable, read_json
from luneta.errors import ArtifactError
from luneta.ranking import Ranking
from luneta.types import DIRECTIONS, Direction, SkippedRow

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.data.dataset import ImageTextDataset

SCHEMA = "luneta.evaluation/1"

SLICE = "slice."
"""Begins the names of the queries' columns that divide them into slices."""

ROUNDING = 1e-9
"""Shares nearer than this are equal: a mean of thousands of numbers is not exact."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A mean over queries, its 95 % interval, and what a constant encoder would get on the same data."""

    value: float
    low: float | None
    high: float | None
    chance: float | None

    @property
    def is_like_guessing(self) -> bool:
        """The interval (the value, where it has none) does not lie above what a constant encoder would get."""
        low = self.value if self.low is None else self.low
        return self.chance is not None and low <= self.chance + ROUNDING


@dataclass(frozen=True, slots=True)
class Example:
    """One query and what was found for it; indexes are into the data set's texts or images."""

    query: int
    rank: float
    relevant: tuple[int, ...]
    retrieved: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Exhibits:
    """What a report shows beyond the numbers, for one direction.

    Attributes:
        hits, near_misses, failures: example queries by how well they did.
        bin_edges: (n_bins + 1) similarity; positive, negative: (n_bins) share of pairs in each bin.
    """

    hits: tuple[Example, ...]
    near_misses: tuple[Example, ...]
    failures: tuple[Example, ...]
    bin_edges: tuple[float, ...]
    positive: tuple[float, ...]
    negative: tuple[float, ...]


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==; compare what is asked for, as `metrics`
class Evaluation:
    """How well one encoder finds texts' images and images' texts in one data set.

    Attributes:
        encoder, dataset, protocol, cost: as written to the JSON (see the package's documentation of the format).
        metrics: {direction: {name: Metric}}.
        rankings: {direction: Ranking}, from which every metric was computed.
        query_names: {direction: one readable name for each query}.
        clusters: {direction: (n_queries,) int64}, equal for queries that succeed and fail together.
        slices: {direction: {name of a metadata column with few values: one value, as text, for each query}}.
        skipped: rows of the source that were left out.
        checks: what the doctor found at a glance, as {"name", "verdict", "measured"}.
        data: the data set as evaluated and what to show of it; absent from a result that was read from a file.
    """

    encoder: Mapping[str, Any]
    dataset: Mapping[str, Any]
    protocol: Mapping[str, Any]
    metrics: Mapping[Direction, Mapping[str, Metric]]
    rankings: Mapping[Direction, Ranking]
    query_names: Mapping[Direction, Sequence[str]]
    clusters: Mapping[Direction, NDArray[np.int64]]
    slices: Mapping[Direction, Mapping[str, Sequence[str]]]
    cost: Mapping[str, float | int | None]
    skipped: tuple[SkippedRow, ...] = ()
    checks: Sequence[Mapping[str, str]] = ()
    created_at: str = ""
    data: ImageTextDataset | None = field(default=None, repr=False)
    exhibits: Mapping[Direction, Exhibits] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # what an encoder of the user's own says of itself may hold paths and numbers of NumPy
        object.__setattr__(self, "encoder", _plain(self.encoder))

    def __repr__(self) -> str:
        recalls = ", ".join(f"{d} recall@1 {m['recall@1'].value:.3f}" for d, m in self.metrics.items())
        return f"Evaluation({self.encoder['name']!r} on {self.dataset['name']!r}: {recalls})"

    def __str__(self) -> str:
        from luneta.grids import as_text

        return as_text(self)

    def __rich__(self) -> RenderableType:
        from luneta.terminal import evaluation_table

        return evaluation_table([self])

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, complete but for the name of the queries' file and the seal."""
        from luneta import __version__

        return {
            "schema": SCHEMA,
            "created_at": self.created_at,
            "luneta_version": __version__,
            "encoder": dict(self.encoder),
            "dataset": dict(self.dataset),
            "protocol": dict(self.protocol),
            "metrics": {
                direction: {name: asdict(metric) for name, metric in metrics.items()}
                for direction, metrics in self.metrics.items()
            },
            "skipped": [asdict(row) for row in self.skipped],
            "checks": [dict(check) for check in self.checks],
            "cost": dict(self.cost),
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the JSON, and beside it the Parquet file of all queries; returns the latter's path.

        `result.json` has `queries.parquet` beside it; any other `NAME.json` has `NAME.queries.parquet`, so that
        several results can share a folder; a name without `.json` has `NAME-queries.parquet`. Neither file takes its
        place before both are written.

        Raises:
            ArtifactError: the files cannot be written, or `path` is a pipe or a device, which cannot hold two.
            ValueError: a number is NaN or infinite.
        """
        path, queries = check_savable(path)
        with atomic_paths(path, queries) as (result_file, queries_file):
            with queries_file.open("wb") as stream:  # not its name: pyarrow takes none that is no UTF-8
                pq.write_table(self._queries_table(), stream, compression="zstd")
            content = self.to_dict() | {"queries": {"file": queries.name, "sha256": hash_file(queries_file)}}
            text = json_text(content | {"seal": hash_json(content)})
            result_file.write_text(printable(text), encoding="utf-8")
        return queries

    def _queries_table(self) -> pa.Table:
        return pa.concat_tables([self._direction_table(direction) for direction in DIRECTIONS]).replace_schema_metadata(
            {
                "schema": SCHEMA,
                **{f"gallery_size.{d}": str(self.rankings[d].gallery_size) for d in DIRECTIONS},
                **{
                    f"mean_negative_similarity.{d}": repr(self.rankings[d].mean_negative_similarity) for d in DIRECTIONS
                },
            }
        )

    def _direction_table(self, direction: Direction) -> pa.Table:
        from luneta.metrics import best_rank, positive_similarity

        ranking = self.rankings[direction]
        offsets = pa.array(ranking.offsets, pa.int64())

        def ragged(values: Any) -> pa.Array:
            return pa.LargeListArray.from_arrays(offsets, pa.array(values))

        columns = {
            "direction": pa.array([direction] * ranking.n_queries, pa.string()),
            "query": pa.array(np.arange(ranking.n_queries), pa.int64()),
            "query_name": pa.array([printable(name) for name in self.query_names[direction]], pa.string()),
            "cluster": self.clusters[direction],
            "rank": best_rank(ranking),
            "score": positive_similarity(ranking),
            "top_item": ranking.top_item,
            "top_score": ranking.top_score,
            "relevant": ragged(ranking.positives),
            "relevant_score": ragged(ranking.scores),
            "relevant_n_better": ragged(ranking.n_better),
            "relevant_n_tied": ragged(ranking.n_tied),
        }
        if ranking.n_passed is not None:
            columns["n_passed"] = ranking.n_passed
        for name, values in self.slices[direction].items():
            columns[SLICE + name] = pa.array([printable(value) for value in values], pa.string())
        return pa.table(columns)


def queries_path(path: str | os.PathLike[str]) -> Path:
    """Where the queries of a result at `path` are.

    >>> [queries_path(name).name for name in ("result.json", "mine.json", "mine", "mine.v1")]
    ['queries.parquet', 'mine.queries.parquet', 'mine-queries.parquet', 'mine.v1-queries.parquet']
    """
    path = Path(path)
    name = printable(path.name)  # it is written in the JSON
    if name == "result.json":
        return path.with_name("queries.parquet")
    stem = name.removesuffix(".json")  # "x" and "x.json" are two results, each with queries of its own
    return path.with_name(f"{stem}{'-' if stem == name else '.'}queries.parquet")


def check_savable(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """The two files of a result at `path`, refused before the work if they cannot be written.

    Raises:
        ArtifactError: they cannot, or `path` is a pipe or a device, which cannot hold two.
    """
    path = Path(path)
    if not path.name:
        raise ArtifactError(f"cannot write {path}: it is a folder; name a file in it")
    queries = queries_path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ArtifactError(f"cannot write {path}: a result is two files; choose an ordinary name")
    for file in (path, queries):
        check_writable(file)
    return path, queries


def _plain(value: Any) -> Any:
    """A value as JSON has it: paths and other objects as text, numbers of NumPy as numbers."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def load_evaluation(path: str | os.PathLike[str]) -> Evaluation:
    """Read what `Evaluation.save` wrote.

    Raises:
        ArtifactError: a file is missing, of another schema, cut short, or was edited since.
    """
    path = Path(path)
    content = read_json(path)
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise ArtifactError(f"{path} has schema {schema!r}; expected {SCHEMA!r}: evaluate again to compare with it")
    try:
        seal = content.pop("seal", None)
        if seal != hash_json(content):
            raise ArtifactError(f"{path} was edited or damaged since it was written (its seal does not fit)")
        return _from_content(content, path)
    except OSError as error:
        raise ArtifactError(f"{path}: its queries cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{path} is not a whole result: {type(error).__name__}: {error}") from error


def _held(path: Path) -> pa.Buffer:
    """A file in memory of Arrow's own.

    Arrow's threads may let go of what they read when the interpreter is already closing. What belongs to Python, such
    as an open file, would then end the process (SIGABRT), once in twenty runs of a command that stops after reading.
    """
    with path.open("rb") as stream:  # not its name: pyarrow takes none that is no UTF-8
        held = pa.allocate_buffer(os.fstat(stream.fileno()).st_size)
        stream.readinto(memoryview(held))
    return held


def _from_content(content: Mapping[str, Any], path: Path) -> Evaluation:
    queries = path.with_name(content["queries"]["file"])
    if not queries.is_file():
        raise ArtifactError(f"{queries} is missing: it belongs to {path} and must be moved together with it")
    if hash_file(queries) != content["queries"]["sha256"]:
        raise ArtifactError(f"{queries} is not the file that was written with {path}")
    table = pq.read_table(pa.BufferReader(_held(queries)))
    by_direction = {d: table.filter(pa.compute.equal(table["direction"], d)) for d in DIRECTIONS}
    return Evaluation(
        encoder=content["encoder"],
        dataset=content["dataset"],
        protocol=content["protocol"],
        metrics={d: {name: Metric(**m) for name, m in content["metrics"][d].items()} for d in DIRECTIONS},
        rankings={d: _ranking(d, by_direction[d], table.schema.metadata) for d in DIRECTIONS},
        query_names={d: by_direction[d]["query_name"].to_pylist() for d in DIRECTIONS},
        clusters={d: by_direction[d]["cluster"].to_numpy() for d in DIRECTIONS},
        slices={d: _slices(by_direction[d]) for d in DIRECTIONS},
        cost=content["cost"],
        skipped=tuple(SkippedRow(**row) for row in content["skipped"]),
        checks=content["checks"],
        created_at=content["created_at"],
    )


def _slices(table: pa.Table) -> dict[str, list[str]]:
    names = [name for name in table.column_names if name.startswith(SLICE)]
    return {name.removeprefix(SLICE): table[name].to_pylist() for name in names}


def _ranking(direction: Direction, table: pa.Table, metadata: Mapping[bytes, bytes]) -> Ranking:
    lists = table["relevant"].combine_chunks()
    lengths = pa.compute.list_value_length(lists).to_numpy(zero_copy_only=False)

    def flat(name: str) -> Any:
        return pa.compute.list_flatten(table[name].combine_chunks()).to_numpy(zero_copy_only=False)

    return Ranking(
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        positives=flat("relevant"),
        n_better=flat("relevant_n_better"),
        n_tied=flat("relevant_n_tied"),
        scores=flat("relevant_score"),
        top_item=table["top_item"].to_numpy(),
        top_score=table["top_score"].to_numpy(),
        gallery_size=int(metadata[f"gallery_size.{direction}".encode()]),
        mean_negative_similarity=float(metadata[f"mean_negative_similarity.{direction}".encode()]),
        n_passed=table["n_passed"].to_numpy() if "n_passed" in table.column_names else None,
    )
