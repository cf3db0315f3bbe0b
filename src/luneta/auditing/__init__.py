"""Audit published tables: find numbers that cannot be, from their digits alone.

Sources: Brown and Heathers, "The GRIM test" (2017), for shares that no whole number of hits gives; the bounds of MRR
and nDCG follow from putting every first hit as early or as late as the recalls allow.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from luneta.auditing import checks
from luneta.auditing.columns import Reading, count_column, holds_metrics, read
from luneta.auditing.findings import Audit, Finding
from luneta.auditing.tables import Table, read_tables
from luneta.errors import ConfigError, did_you_mean

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
    counts, odd = checks.inferred_counts(unstated)
    found += [*odd, *checks.copies(claims), *checks.noise(claims, counts)]
    found.sort(key=lambda f: (f.verdict != "proved", f.row is None, f.row or 0))
    first = {claim.group: claim.where for claim in reversed(claims)}
    known = {first[group]: n for group, n in counts.items()}
    known |= {claim.where: claim.n_queries for claim in claims if claim.n_queries}
    n_rows = len({claim.row for claim in claims})
    return Audit(str(table), n_rows, known, found)


def _read_all(path: Path, queries: int | None, queries_column: str | None) -> list[Reading]:
    """Every table of the file that holds metrics."""
    tables = read_tables(path)
    chosen = [i for i, table in enumerate(tables) if holds_metrics(table)]
    if not chosen:
        raise ConfigError(
            f"{path}: no column of a retrieval metric (recall@1, R@5, MRR, nDCG@10, ...) among: "
            + ", ".join(name or "(no name)" for table in tables for name in table.header)
        )
    counts = {i: count_column(tables[i], queries_column) for i in chosen}
    if queries_column is not None and all(count is None for count in counts.values()):
        names = [name for i in chosen for name in tables[i].header]
        raise ConfigError(f"{path}: no column {queries_column!r}. {did_you_mean(queries_column, names)}")
    titles = _titles(tables, chosen)
    before = list(itertools.accumulate((len(table.rows) for table in tables), initial=0))
    return [read(tables[i], i, titles[i], before[i], queries, counts[i]) for i in chosen]


def _titles(tables: Sequence[Table], chosen: Sequence[int]) -> dict[int, str]:
    """What tells several tables apart, for a reader: their titles, and their numbers in the file where these do not."""
    if len(chosen) == 1:
        return {chosen[0]: ""}
    short = {i: shorten(tables[i].title.split(". ")[0], 60, placeholder=" ...") for i in chosen}
    often = Counter(short.values())
    return {
        i: title if title and often[title] == 1 else f"{title} (tab. {i + 1})" if title else f"tab. {i + 1}"
        for i, title in short.items()
    }
