"""Indexes of vectors: exact, and approximate where exact search would be too slow or too large.

All are a `luneta.types.VectorIndex`. Which kind serves best is decided by measuring, not by belief.
"""

from __future__ import annotations

from luneta.index.building import build_index, load_index, open_index, save_index
from luneta.index.choosing import Choice, choose
from luneta.index.tuning import QueryReport, Report

__all__ = ["Choice", "QueryReport", "Report", "build_index", "choose", "load_index", "open_index", "save_index"]
