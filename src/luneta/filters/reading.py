"""Text -> a condition. By hand, because one page of code gives messages that no generated parser gives."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from luneta.errors import ConfigError
from luneta.filters.tree import Filter, Junction, Node, Not, Operator, Predicate, Word, complaint

LONGEST = 20_000  # characters of a filter
DEEPEST = 50  # parentheses and nots within one another
LONGEST_NUMBER = 64  # characters

KEYWORDS = frozenset(["and", "or", "not", "in", "between", "like", "contains", "is", "null", "true", "false"])
COMPARISONS: dict[str, Operator] = {
    "=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
}  # fmt: skip

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?!\w))
    | (?P<text>'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")+"|`(?:[^`]|``)+`)
    | (?P<word>[^\W\d]\w*)
    | (?P<sign><=|>=|<>|!=|==|[=<>(),])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """number, text, name, sign, end, or a keyword itself"""
    text: str
    at: int


def parse_filter(text: str) -> Filter:
    """Read a condition; `luneta.filters` says what it may look like.

    Raises:
        ConfigError: it cannot be read: where, and what was expected there; it is too long or too deep.

    >>> parse_filter("style = 'Impressionism' and year < 1900").columns
    ('style', 'year')
    """
    if len(text) > LONGEST:
        raise ConfigError(f"the filter has {len(text):,} characters; at most {LONGEST:,} are read. Make it shorter.")
    for at, character in enumerate(text):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise complaint(text, at, f"the character U+{ord(character):04X} is no text.")
    return Filter(text, _Parser(text).parse())


def quoted_name(name: str) -> str:
    """A column's name as it may stand in a filter, whatever it holds.

    >>> print(quoted_name('Year "of" painting'))
    "Year ""of"" painting"
    """
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """Text as it may stand in a filter.

    >>> print(quoted_text("d'Orsay"))
    'd''Orsay'
    """
    return "'" + text.replace("'", "''") + "'"


def _tokens(text: str) -> list[Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise complaint(text, at, _unreadable(text[at:]))
        kind, piece = str(match.lastgroup), match.group()
        if kind == "word":
            kind = piece.lower() if piece.lower() in KEYWORDS else "name"
        elif kind == "name":
            piece = piece[1:-1].replace(piece[0] * 2, piece[0])
        elif kind == "text":
            piece = piece[1:-1].replace("''", "'")
        if kind != "space":
            found.append(Token(kind, piece, at))
        at = match.end()
    return [*found, Token("end", "", len(text))]


def _unreadable(rest: str) -> str:
    if rest[0] == "'":
        return "this text has no end: a single quote is missing (a quote within text is written twice: '')."
    if rest[0] in '"`':
        return f"this name of a column has no end or is empty: {rest[0]} is missing."
    if rest[0].isdigit() or (rest[0] in "+-." and rest[1:2].isdigit()):
        return "this is no number. A name that begins with a digit goes in double quotes."
    if rest.startswith(("&", "|", "!")):
        return f"{rest[0]} is not known here: write and, or, not."
    return f"{rest[0]!r} is not known here. A name with more than letters, digits and _ goes in double quotes."


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.next = 0
        self.depth = 0

    def parse(self) -> Node:
        if self.tokens[0].kind == "end":
            raise complaint(self.text, 0, "it is empty. Write, for example: year < 1900")
        tree = self.either()
        if self.token.kind != "end":
            raise self.expected("and, or, or the end")
        return tree

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def take(self, *kinds: str) -> Token | None:
        """The next token if it is one of these keywords, signs or kinds."""
        token = self.token
        if token.kind not in kinds and not (token.kind == "sign" and token.text in kinds):
            return None
        self.next += 1
        return token

    def expected(self, what: str) -> ConfigError:
        token = self.token
        there = "the end of the filter" if token.kind == "end" else quoted_text(token.text[:40])
        return complaint(self.text, token.at, f"expected {what}, not {there}.")

    def either(self) -> Node:
        return self.joined("or", [self.both()])

    def both(self) -> Node:
        return self.joined("and", [self.single()])

    def joined(self, kind: str, parts: list[Node]) -> Node:
        while self.take(kind):
            parts.append(self.both() if kind == "or" else self.single())
        if len(parts) == 1:
            return parts[0]
        return Junction("or" if kind == "or" else "and", tuple(parts))

    def single(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise complaint(self.text, self.token.at, f"more than {DEEPEST} parentheses and nots within one another.")
        node: Node
        if self.take("not"):
            node = Not(self.single())
        elif self.take("("):
            node = self.either()
            if not self.take(")"):
                raise self.expected("and, or, or )")
        else:
            node = self.predicate()
        self.depth -= 1
        return node

    def predicate(self) -> Node:
        column = self.take("name")
        if column is None:
            raise self.expected("the name of a column (in double quotes where it is one of the language's own words)")
        if self.take("is"):
            negative = self.take("not") is not None
            if not self.take("null"):
                raise self.expected("null" if negative else "null or not null")
            return _negated(Predicate(column.text, column.at, "null"), negative)
        sign = self.take(*COMPARISONS)
        if sign is not None:
            return Predicate(column.text, column.at, COMPARISONS[sign.text], (self.value(),))
        negative = self.take("not") is not None
        return _negated(self.relation(column), negative)

    def relation(self, column: Token) -> Node:
        """in, between, like, contains: what may follow a name, with or without not."""
        word = self.take("in", "between", "like", "contains")
        if word is None:
            raise self.expected("a comparison (= != < <= > >=), in, between, like, contains or is")
        if word.kind == "in":
            return Predicate(column.text, column.at, "in", self.values())
        if word.kind == "between":
            low = Predicate(column.text, column.at, ">=", (self.value(),))
            if not self.take("and"):
                raise self.expected("and, then the upper end: between 1880 and 1900")
            return Junction("and", (low, Predicate(column.text, column.at, "<=", (self.value(),))))
        operator: Operator = "like" if word.kind == "like" else "contains"
        value = self.value()
        if not isinstance(value.value, str):
            raise complaint(self.text, value.at, f"{operator} wants text in single quotes.")
        if operator == "like" and not re.fullmatch(r"(?:[^\\]|\\[%_\\])*", value.value):
            raise complaint(self.text, value.at, r"in a pattern a backslash stands before %, _ or a second backslash.")
        return Predicate(column.text, column.at, operator, (value,))

    def values(self) -> tuple[Word, ...]:
        if not self.take("("):
            raise self.expected("( and the values: in ('a', 'b')")
        found = [self.value()]
        while self.take(","):
            found.append(self.value())
        if not self.take(")"):
            raise self.expected(", or )")
        return tuple(found)

    def value(self) -> Word:
        token = self.take("text", "number", "true", "false")
        if token is None:
            if self.token.kind == "name":
                raise self.expected("a value (text goes in single quotes: 'like this')")
            if self.token.kind == "null":
                raise self.expected("a value (nothing equals null: write is null or is not null)")
            raise self.expected("a value: text in single quotes, a number, true or false")
        if token.kind == "number":
            return Word(self.number(token), token.at)
        return Word(token.text if token.kind == "text" else token.kind == "true", token.at)

    def number(self, token: Token) -> int | float:
        if len(token.text) > LONGEST_NUMBER or not math.isfinite(float(token.text)):
            raise complaint(self.text, token.at, "this number is too large.")
        return float(token.text) if set(token.text) & set(".eE") else int(token.text)


def _negated(node: Node, negative: bool) -> Node:
    return Not(node) if negative else node
