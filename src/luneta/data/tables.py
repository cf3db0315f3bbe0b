"""CSV, TSV, JSON, JSON lines and Parquet files as tables, row numbers kept whatever is broken in between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from luneta.artifacts import atomic_path, cache_dir
from luneta.data.cells import untyped
from luneta.data.raw import RawTable
from luneta.data.records import is_unicode, table_of, unite
from luneta.errors import DatasetError, did_you_mean
from luneta.progress import track

_BATCH = 20_000  # JSON lines turned into Arrow at a time
_IN_MEMORY = 1 << 30  # larger Parquet files are unpacked to disk and memory-mapped

Broken = dict[int, str]


def read_table(path: Path, name: str, *, split: str | None = None) -> RawTable:
    """A table file's rows.

    Args:
        path: the file; its ending says the format.
        name: what the user opened.
        split: the split that the folder's layout gives it.

    Raises:
        DatasetError: not a table, or not readable as what its ending says.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(f"{path}: not a table file. {did_you_mean(path.suffix, TABLE_SUFFIXES)}")
    try:
        table, broken = reader(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    return RawTable(name, table, path.name, ((0, path.parent),), broken, split)


# JSON ---------------------------------------------------------------------------------------------------------


def _read_json_lines(path: Path) -> tuple[pa.Table, Broken]:
    broken: Broken = {}
    batches: list[pa.Table] = []
    records: list[Mapping[str, Any]] = []
    with path.open("rb") as stream, track(f"reading {path.name}", path.stat().st_size) as advance:
        row = 0
        for number, line in enumerate(stream, start=1):
            advance(len(line))
            if not line.strip() or (number == 1 and line.strip() == b"\xef\xbb\xbf"):
                continue
            record, problem = _parse_line(line, number)
            if problem:
                broken[row] = problem
            records.append(record)
            row += 1
            if len(records) == _BATCH:
                batches.append(table_of(records))
                records = []
    if records or not batches:
        batches.append(table_of(records))
    if row and len(broken) == row:
        raise DatasetError(f"{path} is not JSON lines: {broken[0]}")
    return unite(batches), broken


def _parse_line(line: bytes, number: int) -> tuple[Mapping[str, Any], str | None]:
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return {}, f"line {number} is not UTF-8"
    except (ValueError, RecursionError) as error:  # ValueError: also a number of more than 4300 digits
        return {}, f"line {number} is not JSON ({error})"
    if not isinstance(record, dict):
        return {}, f"line {number} is a {type(record).__name__}, not an object"
    if b"\\u" in line and not is_unicode(record):
        return {}, f"line {number} has broken Unicode (a lone surrogate)"
    return record, None


def _read_json(path: Path) -> tuple[pa.Table, Broken]:
    value = load_json(path)
    if value is None:
        return _read_json_lines(path)
    return records_table(value, path)


def load_json(path: Path) -> Any:
    """The JSON value in a file, or None when the file holds several, one a line.

    Raises:
        DatasetError: it is not JSON at all.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if not text.strip():
            raise DatasetError(f"{path} is empty; expected JSON")
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8: {error}") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # ValueError: also a number of more than 4300 digits
        if str(error).startswith("Extra data"):
            return None
        raise DatasetError(f"{path} is not JSON: {error}") from None


def records_table(value: Any, path: Path) -> tuple[pa.Table, Broken]:
    """The table of a JSON list of objects.

    Raises:
        DatasetError: it is something else.
    """
    if not isinstance(value, list):
        keys = f" with keys {', '.join(list(value)[:10])}" if isinstance(value, dict) else ""
        raise DatasetError(
            f"{path} holds a {type(value).__name__}{keys}; expected a list of objects (one a row), COCO captions, or "
            "a Karpathy split"
        )
    broken: Broken = {}
    records: list[Mapping[str, Any]] = []
    for row, record in enumerate(value):
        if not isinstance(record, dict):
            broken[row] = f"a {type(record).__name__}, not an object"
        elif not is_unicode(record):
            broken[row] = "broken Unicode (a lone surrogate)"
        records.append({} if row in broken else record)
    return table_of(records), broken


# CSV ----------------------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> tuple[pa.Table, Broken]:
    """Every column as text: CSV has no types, and a caption "2024" or "null" is still a caption.

    The columns are marked as untyped, so that numbers can be told once it is known which of them are captions. An empty
    cell is null; `""` is an empty string. Rows with too many or too few cells are broken.
    """
    delimiter, header = _csv_header(path)
    ragged: list[tuple[int, str]] = []

    def note(row: pacsv.InvalidRow) -> str:
        ragged.append((row.number, f"{row.actual_columns} cells, the header has {row.expected_columns}"))
        return "skip"

    try:
        table = pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(use_threads=False, block_size=64 << 20),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise DatasetError(_csv_problem(path, error)) from None
    # Row numbers count the header as 1; put a row of nulls where a broken row was.
    broken = {number - 2: reason for number, reason in ragged}
    if broken:
        numbers = np.full(table.num_rows + len(broken), -1, dtype=np.int64)
        good = np.setdiff1d(np.arange(len(numbers)), np.array(sorted(broken)))
        numbers[good] = np.arange(table.num_rows)
        table = table.take(pa.array(numbers, mask=numbers < 0))
    return untyped(table), broken


def _csv_header(path: Path) -> tuple[str, list[str]]:
    with path.open("rb") as stream:
        raw_line = stream.readline()
    if not raw_line.strip():
        raise DatasetError(f"{path} is empty, or begins with an empty line; expected a header with column names")
    try:
        line = raw_line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(_not_utf8(path)) from None
    delimiter = "\t" if path.suffix.lower() in (".tsv", ".tab") else max(",;\t", key=line.count)
    import csv

    return delimiter, next(csv.reader([line], delimiter=delimiter))


def _csv_problem(path: Path, error: pa.ArrowInvalid) -> str:
    if "utf8" in str(error).lower() or "utf-8" in str(error).lower():
        return _not_utf8(path)
    if "Empty CSV" in str(error):  # a header that no line break ends
        return f"{path} holds no rows"
    return f"{path} is not a CSV table: {error}. Quote cells that hold commas or line breaks."


def _not_utf8(path: Path) -> str:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                found = f"line {number} has the byte 0x{line[error.start]:02x}"
                break
        else:
            found = "some bytes"
    return (
        f"{path} is not UTF-8 ({found}); it may be Latin-1 or Windows-1252. Convert it: "
        f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8.csv"
    )


# Parquet ------------------------------------------------------------------------------------------------------


def _read_parquet(path: Path) -> tuple[pa.Table, Broken]:
    try:
        file = pq.ParquetFile(path, memory_map=True)
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        return (file.read() if size <= _IN_MEMORY else _unpacked(path, file)), {}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DatasetError(f"{path} is not a readable Parquet file: {error}") from None


def _unpacked(path: Path, file: pq.ParquetFile) -> pa.Table:
    """A large Parquet file as a memory-mapped Arrow file in the cache: pictures must be reachable at random."""
    status = path.stat()
    identity = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    target = cache_dir() / "tables" / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.arrow"
    if not target.exists():
        with (
            atomic_path(target) as temporary,
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_file(sink, file.schema_arrow) as writer,
            track(f"unpacking {path.name}", file.metadata.num_rows) as advance,
        ):
            for batch in file.iter_batches(batch_size=1000):
                writer.write_batch(batch)
                advance(batch.num_rows)
    return pa.ipc.open_file(pa.memory_map(str(target))).read_all()


def _read_arrow(path: Path) -> tuple[pa.Table, Broken]:
    source = pa.memory_map(str(path))
    try:
        return pa.ipc.open_file(source).read_all(), {}
    except pa.ArrowInvalid:
        pass
    try:
        source.seek(0)
        return pa.ipc.open_stream(source).read_all(), {}
    except pa.ArrowInvalid as error:
        raise DatasetError(f"{path} is not a readable Arrow file: {error}") from None


_READERS: dict[str, Callable[[Path], tuple[pa.Table, Broken]]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".tab": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json,
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
}
TABLE_SUFFIXES = tuple(_READERS)


def is_table(path: Path) -> bool:
    """The file's ending is one of a table."""
    return path.suffix.lower() in _READERS


def tables_in(folder: Path, stems: Iterable[str] = ()) -> list[Path]:
    """Table files directly in a folder, sorted; only those of the given stems, if any are given."""
    wanted = set(stems)
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and is_table(path) and not path.name.startswith(".") and (not wanted or path.stem in wanted)
    )
