"""Numbers as they are printed: a value is known only to half a unit of its last decimal."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_NUMBER = re.compile(r"^[^\w+\-−.,]*(?P<number>[-−]?(?:\d+(?:[.,]\d+)?|[.,]\d+))\s*(?P<percent>%)?(?P<rest>.*)$")
_REST = re.compile(r"^\s*($|±|\+/-|\+-|\(|\[|[*†‡§¶↑↓\u00b9\u00b2\u00b3])")
_THOUSANDS = re.compile(
    r"(?P<whole>\d{1,3}(?P<mark>[., '\u2019\u00a0\u202f])\d{3}(?:(?P=mark)\d{3})*)(?P<rest>(?!(?P=mark))[.,]\d+)?"
)
_MISSING = frozenset({"", "-", "–", "—", "n/a", "na", "nan", "none", "null", "?", "x", "..."})


@dataclass(frozen=True, slots=True)
class Printed:
    """A share of queries (or another number) as printed.

    Attributes:
        text: the cell.
        value: what it says, exactly; percent are converted, so that 12.3 % is 123/1000.
        unit: one step of its last decimal, as a fraction of 1.
        percent: whether it was read as percent.
    """

    text: str
    value: Fraction
    unit: Fraction
    percent: bool = False

    @property
    def low(self) -> Fraction:
        """The smallest true value that is printed like this."""
        return self.value - self.unit / 2

    @property
    def high(self) -> Fraction:
        """The largest true value that is rounded to this."""
        return self.value + self.unit / 2

    @property
    def highest(self) -> Fraction:
        """The largest true value that is printed like this, cut off instead of rounded."""
        return self.value + self.unit

    @property
    def truncated(self) -> Printed:
        """The same digits, understood as cut off instead of rounded."""
        return Printed(self.text, self.value + self.unit / 2, self.unit, self.percent)

    def hits(self, n_queries: int) -> int | None:
        """The whole number of queries out of `n_queries` whose share is printed like this; None if there is none."""
        least = -((-self.low.numerator * n_queries) // self.low.denominator)
        most = (self.high.numerator * n_queries) // self.high.denominator
        if least > most:
            return None
        return min(max(round(self.value * n_queries), least), most)

    def fits(self, n_queries: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) whether some whole number of hits out of each count is printed like this."""
        scale = math.lcm(self.low.denominator, self.high.denominator)
        low, high = int(self.low * scale), int(self.high * scale)
        least, most = -((-low * n_queries) // scale), (high * n_queries) // scale
        fit: NDArray[np.bool_] = least <= most
        return fit


class TwoReadings(ValueError):
    """A cell that could say two things: `one`, or `other`."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"could be {one} or {other}")
        self.one, self.other = one, other


def parse(cell: str) -> tuple[Decimal, int, bool] | None:
    """(number, decimals, has a percent sign) of a cell such as "39.8", "39,8 %" or "0.398 ± 0.004".

    None when the cell is empty or says that there is no value.

    Raises:
        ValueError: the cell says something else.

    >>> parse("39,8 %")
    (Decimal('39.8'), 1, True)
    >>> parse("–") is None
    True
    """
    if cell.strip().lower() in _MISSING:
        return None
    found = _NUMBER.match(cell.strip())
    if found is None or not _REST.match(found["rest"]):
        raise ValueError(cell)
    number = found["number"].replace("−", "-").replace(",", ".")
    return Decimal(number), len(number.partition(".")[2]), bool(found["percent"])


def parse_rank(cell: str, decimal_mark: str | None) -> tuple[Decimal, int, bool] | None:
    """The same of a median rank, which may have thousands separators.

    Args:
        cell: as printed.
        decimal_mark: what stands before the decimals elsewhere in the table, "." or ","; None where nobody can say.

    Raises:
        TwoReadings: the cell could say two things.
        ValueError: the cell says something else.

    >>> parse_rank("1.234", ","), parse_rank("1.234", "."), parse_rank("1.100,5", None)
    ((Decimal('1234'), 0, False), (Decimal('1.234'), 3, False), (Decimal('1100.5'), 1, False))
    """
    found = _THOUSANDS.fullmatch(cell.strip())
    if found is None:
        return parse(cell)
    whole, mark, rest = found["whole"], found["mark"], found["rest"] or ""
    if not rest and whole.count(mark) == 1 and mark in ".,":
        if decimal_mark is None:
            raise TwoReadings(whole.replace(mark, ""), whole.replace(mark, "."))
        if mark == decimal_mark:
            return parse(cell)
    return parse(re.sub(r"\D", "", whole) + rest)


def parse_count(cell: str) -> int | None:
    """A number of queries, with any thousands separator; None when the cell is empty.

    Raises:
        ValueError: not a positive whole number.

    >>> parse_count("8.279"), parse_count("25,000"), parse_count("3179")
    (8279, 25000, 3179)
    """
    text = cell.strip()
    if text.lower() in _MISSING:
        return None
    if re.fullmatch(r"\d{1,3}(?:[., '’\u00a0\u202f]\d{3})+", text):
        text = re.sub(r"\D", "", text)
    if text.endswith(".0"):
        text = text[:-2]  # a count with gaps becomes a float in pandas
    if not re.fullmatch(r"\d+", text) or int(text) == 0:
        raise ValueError(cell)
    return int(text)
