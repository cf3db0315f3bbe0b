"""Search in a bundle: by text, picture, item, or sums and differences of them."""

from __future__ import annotations

from luneta.search.hits import Hit, Hits
from luneta.search.queries import Item, Part, Query
from luneta.search.searcher import Searcher, Wish

__all__ = ["Hit", "Hits", "Item", "Part", "Query", "Searcher", "Wish"]
