"""Audit published tables: find numbers that cannot be, from their digits alone.

Sources: Brown and Heathers, "The GRIM test" (2017), for shares that no whole number of hits gives; the bounds of MRR
and nDCG follow from putting every first hit as early or as late as the recalls allow.
"""

from __future__ import annotations

from pathlib import Path

from luneta.auditing import checks
from luneta.auditing.columns import Reading, read
from luneta.auditing.findings import Audit, Finding
from luneta.auditing.tables import read_tables
from luneta.errors import ConfigError

__all__ = ["Audit", "Finding", "audit"]


def audit(table: str | Path, *, queries: int | None = None, queries_column: str | None = None) -> Audit:
    """Check the tables of a CSV, Markdown, HTML or LaTeX file of retrieval results.

    Args:
        table: path of the file.
        queries: number of queries of every row, where the table does not say.
        queries_column: column that holds it; one called queries, n_queries or n is found without being named.

    Raises:
        ConfigError: no table, no column of a metric, or a count that is no number.
    """
    if queries is not None and queries < 1:
        raise ConfigError(f"queries={queries}: it must be at least 1")
    readings = _read_all(Path(table), queries, queries_column)
    settled = [checks.settled(claim) for reading in readings for claim in reading.claims]
    claims = [claim for claim, _ in settled]
    found = [finding for reading in readings for finding in reading.remarks]
    found += [finding for _, own in settled for finding in own]
    found += checks.units(claims)
    unstated = [claim for claim in claims if claim.n_queries is None]
    counts, odd = checks.inferred_counts(unstated, all(reading.has_data for reading in readings))
    found += [*odd, *checks.copies(claims), *checks.noise(claims, counts)]
    found.sort(key=lambda f: (f.verdict != "proved", f.row is None, f.row or 0))
    counts |= {claim.data: claim.n_queries for claim in claims if claim.n_queries}
    n_rows = len({claim.row for claim in claims})
    return Audit(str(table), n_rows, counts, found)


def _read_all(path: Path, queries: int | None, queries_column: str | None) -> list[Reading]:
    """Every table of the file that holds metrics; the error of the first when none does."""
    tables = read_tables(path)
    readings: list[Reading] = []
    errors: list[ConfigError] = []
    row = 0
    for number, table in enumerate(tables):
        place = f"table {number + 1}" if len(tables) > 1 else ""
        try:
            readings.append(read(table, number, row, queries, queries_column, place))
        except ConfigError as error:
            errors.append(error)
        row += len(table.rows)
    if not readings:
        raise ConfigError(f"{path}: {errors[0]}")
    return readings
