"""Percent or fractions: every way in which the numbers of a row can be meant."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from luneta.auditing.printed import Printed

FINE = 4
"""Decimals from which on numbers are fractions where nothing in their table says percent."""
FINEST = Fraction(1, 10**6)
"""No number is known better: further digits are those of a float, of which a mean in single precision has seven."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as it stands in a table.

    Attributes:
        text: the cell.
        value: the number in it.
        decimals: how many of them are printed.
        percent: whether the cell or the name of its column has a percent sign.
    """

    text: str
    value: Decimal
    decimals: int
    percent: bool

    @property
    def says_percent(self) -> bool:
        """A fraction goes no higher than 1."""
        return self.percent or self.value > 1

    def printed(self, percent: bool) -> Printed:
        scale = 100 if percent else 1
        value, unit = Fraction(self.value) / scale, Fraction(1, 10**self.decimals * scale)
        if unit < FINEST:
            value, unit = round(value, 8), FINEST
        return Printed(self.text, value, unit, percent)


def family(metric: str) -> str:
    """Metrics of one family share their units: recall@1 and recall@5, while MRR may have units of its own.

    >>> family("recall@5")
    'recall'
    """
    return metric.partition("@")[0]


def says_percent(cells: Iterable[tuple[str, Cell]]) -> bool:
    """Whether any share among (metric, cell) is marked as percent, or larger than 1."""
    return any(cell.says_percent for metric, cell in cells if family(metric) != "median_rank")


def ways(cells: Mapping[str, Cell], percent_said: bool) -> tuple[dict[str, Printed], ...]:
    """All readings of a row's numbers that their signs and sizes allow, as shares of 1; fractions first.

    Args:
        cells: metric -> cell of one row.
        percent_said: whether anything in the table is in percent. Then low numbers may be, too.
    """
    choices: dict[str, tuple[bool, ...]] = {}
    for name in dict.fromkeys(map(family, cells)):
        own = [cell for metric, cell in cells.items() if family(metric) == name]
        if name == "median_rank":
            choices[name] = (False,)
        elif any(cell.says_percent for cell in own):
            choices[name] = (True,)
        elif not percent_said and max(cell.decimals for cell in own) >= FINE:
            choices[name] = (False,)
        else:
            choices[name] = (False, True)
    found = []
    for chosen in itertools.product(*choices.values()):
        percent = dict(zip(choices, chosen, strict=True))
        found.append({metric: cell.printed(percent[family(metric)]) for metric, cell in cells.items()})
    return tuple(found)
