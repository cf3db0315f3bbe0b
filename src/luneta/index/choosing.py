"""Which kind of index serves best."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["exact"]
KINDS: tuple[Kind, ...] = get_args(Kind)
