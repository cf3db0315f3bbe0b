"""What a client may know of a bundle: counts, columns and what they hold, its encoder; nothing of the machine."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from luneta.bundles.bundle import Bundle
from luneta.filters.binding import column_of
from luneta.search.hits import plain
from luneta.types import Side

N_VALUES = 20
"""Values of a column that are named, the most frequent first."""

LONGEST_VALUE = 100
"""Characters of a value that is worth choosing from a list."""


def facts(bundle: Bundle) -> dict[str, Any]:
    """What is said of a bundle besides its name."""
    record = bundle.record
    calibration = bundle.calibration
    return {
        "encoder": {
            name: record["encoder"][name] for name in ("name", "revision", "fingerprint", "embedding_dim", "dtype")
        } | {"languages": list(record["encoder"].get("languages", ()))},
        "dataset": {name: record["dataset"][name] for name in ("name", "revision", "split", "language")},
        "n_images": bundle.n("image") if "image" in bundle.sides else 0,
        "n_texts": bundle.n("text") if "text" in bundle.sides else 0,
        "index": {side: record["sides"][side]["index"]["kind"] for side in bundle.sides},
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "calibration": None if calibration is None else plain(calibration.to_dict()["cutoffs"]),
        "reranks": record["reranker"] is not None,
        "columns": {side: columns(bundle, side) for side in bundle.sides},
    }  # fmt: skip


def columns(bundle: Bundle, side: Side) -> list[dict[str, Any]]:
    """The metadata columns of a side, as filters name them."""
    table = bundle.items(side)
    return [
        _column(name, table.column(name)) for name in table.column_names if not name.startswith("_")
    ]  # fmt: skip


def _column(name: str, cells: pa.ChunkedArray) -> dict[str, Any]:
    kind = column_of(name, cells.type).kind
    found: dict[str, Any] = {"name": name, "holds": kind, "n_missing": cells.null_count, "values": [], "range": None}
    if kind == "other":
        return found
    if kind == "texts":
        cells = pc.list_flatten(cells)
    if kind in ("integer", "float", "time"):
        ends = pc.min_max(cells)
        found["range"] = (
            None if ends["min"].as_py() is None else [plain(ends["min"].as_py()), plain(ends["max"].as_py())]
        )
    if kind != "float":
        counts = pc.value_counts(cells).to_pylist()
        counts.sort(key=lambda pair: (-pair["counts"], str(pair["values"])))
        values = [(pair["values"], pair["counts"]) for pair in counts if pair["values"] is not None]
        short = [(value, n) for value, n in values if not (isinstance(value, str) and len(value) > LONGEST_VALUE)]
        found["values"] = [{"value": plain(value), "n": n} for value, n in short[:N_VALUES]]
    return found
