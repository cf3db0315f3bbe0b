"""A condition in Milvus's own language.

Milvus has no third truth value that could be relied on: in some places a comparison with null is false, and its
negation true. So nots are carried down to the tests, and a negative predicate says itself that there must be a value.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from luneta.filters.binding import Bound, bind
from luneta.filters.tree import Filter, Node, Not, Predicate

OPPOSITE = {"=": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_WORDS = """
    and or not in like is null true false exists iso interval isnull isnotnull
    json_contains json_contains_all json_contains_any array_contains array_contains_all array_contains_any array_length
    text_match phrase_match random_sample match_all match_any match_least match_most match_exact
"""
RESERVED = frozenset(_WORDS.split()) | {"id", "vector"}
"""Words of Milvus's language, and the fields that hold ids and vectors."""

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def milvus_name(column: str) -> str:
    """The name that a column has in Milvus, which knows letters of ASCII, digits and underscores only.

    >>> milvus_name("year"), milvus_name("Ano de criação")
    ('year', 'Ano_de_cria_o_fe332e2f')
    """
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,200}", column) and column.lower() not in RESERVED
    if plain and not re.search(r"_[0-9a-f]{8}$", column):  # what ends so might be another column's name made plain
        return column
    readable = re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_")[:100]
    made = f"{readable}_{blake2b(column.encode(), digest_size=4).hexdigest()}"
    return made if made[0].isalpha() else f"c_{made.lstrip('_')}"


def to_milvus(condition: Filter, schema: pa.Schema) -> str:
    return _walk(condition, condition.tree, schema, wanted=True)


def _walk(condition: Filter, node: Node, schema: pa.Schema, *, wanted: bool) -> str:
    """What is true in Milvus exactly where the node is true, or false, by SQL's rules."""
    if isinstance(node, Not):
        return _walk(condition, node.part, schema, wanted=not wanted)
    if isinstance(node, Predicate):
        return _predicate(bind(condition, node, schema), wanted)
    parts = [_walk(condition, part, schema, wanted=wanted) for part in node.parts]
    return "(" + (" and " if (node.kind == "and") == wanted else " or ").join(parts) + ")"


def _predicate(bound: Bound, wanted: bool) -> str:
    name = milvus_name(bound.column.name)
    if bound.operator == "null":
        return f"{name} is null" if wanted else f"{name} is not null"
    if bound.operator in ("always", "never"):
        holds = (bound.operator == "always") == wanted
        return f"{name} is not null" if holds else f"({name} is null and {name} is not null)"
    positive = _positive(bound, name)
    if wanted:
        return f"({name} is not null and {positive})" if bound.operator == "!=" else positive
    if bound.operator in OPPOSITE:
        negative = f"{name} {OPPOSITE[bound.operator]} {_literal(bound.values[0])}"
        return f"({name} is not null and {negative})" if bound.operator == "=" else negative
    return f"({name} is not null and not ({positive}))"


def _positive(bound: Bound, name: str) -> str:
    if bound.operator == "in":
        return f"{name} in [{', '.join(_literal(value) for value in bound.values)}]"
    if bound.operator == "contains":
        return f"array_contains({name}, {_literal(bound.values[0])})"
    if bound.operator == "like" and not re.search(r"[%_\\]", bound.values[0]):
        return f"{name} == {_literal(bound.values[0])}"
    return f"{name} {'==' if bound.operator == '=' else bound.operator} {_literal(bound.values[0])}"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return '"' + "".join(_ESCAPES.get(character, character) for character in value) + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)
