"""Which kind of index serves best."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["exact", "hnsw", "ivf-sq8", "ivf-pq"]
KINDS: tuple[Kind, ...] = get_args(Kind)
