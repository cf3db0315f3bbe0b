"""A condition, read: tests of single columns, joined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from luneta.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from numpy.typing import NDArray

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "like", "contains", "null"]

WINDOW = 60  # characters of a filter shown around what is wrong with it


@dataclass(frozen=True, slots=True)
class Word:
    """A column's name or a value, and where in the text it stands."""

    value: str | int | float | bool
    at: int


@dataclass(frozen=True, slots=True)
class Predicate:
    """A column and what is asked of it; "null" asks nothing more, "in" has many values, the others one."""

    column: str
    at: int
    operator: Operator
    values: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    part: Node


@dataclass(frozen=True, slots=True)
class Junction:
    """All of the parts, or any of them."""

    kind: Literal["and", "or"]
    parts: tuple[Node, ...]


Node = Predicate | Not | Junction


def predicates_of(node: Node) -> Iterator[Predicate]:
    if isinstance(node, Predicate):
        yield node
    else:
        for part in (node.part,) if isinstance(node, Not) else node.parts:
            yield from predicates_of(part)


@dataclass(frozen=True)
class Filter:
    """A condition on metadata columns; made by `parse_filter`.

    Attributes:
        text: as it was written.
        tree: as it was read.
    """

    text: str
    tree: Node

    def __str__(self) -> str:
        return self.text

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it asks about, each once, in order."""
        return tuple(dict.fromkeys(predicate.column for predicate in predicates_of(self.tree)))

    def mask(self, table: pa.Table) -> NDArray[np.bool_]:
        """(n_rows,) bool: which rows of a table it chooses.

        Raises:
            ConfigError: a column that the table has not, or that cannot be compared so.
        """
        from luneta.filters.arrow import mask

        return mask(self, table)

    def to_arrow(self, schema: pa.Schema) -> pc.Expression:
        """The same for pyarrow: `table.filter`, a Parquet file, a data set. The schema says what its columns hold.

        Raises:
            ConfigError: as `mask`.
        """
        from luneta.filters.arrow import expression

        return expression(self, schema)

    def to_milvus(self, schema: pa.Schema) -> str:
        """The same for Milvus, where columns go by `milvus_name` and times are whole numbers in the column's unit.

        Raises:
            ConfigError: as `mask`.
        """
        from luneta.filters.milvus import to_milvus

        return to_milvus(self, schema)


def complaint(text: str, at: int, message: str) -> ConfigError:
    """The error that says what is wrong with a filter, with a mark under the place."""
    start = max(0, min(at - WINDOW // 2, len(text) - WINDOW))
    shown = "".join(c if c.isprintable() else " " for c in text[start : start + WINDOW])
    before, after = "... " if start else "", " ..." if start + WINDOW < len(text) else ""
    mark = " " * (len(before) + at - start) + "^"
    return ConfigError(f"the filter, at character {at + 1}: {message}\n  {before}{shown}{after}\n  {mark}")
