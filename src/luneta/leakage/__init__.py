"""What of a test set the training set has seen: `find_leakage`."""

from __future__ import annotations

from luneta.leakage.finding import Inflation, Leakage, Sighting, find_leakage

__all__ = ["Inflation", "Leakage", "Sighting", "find_leakage"]
