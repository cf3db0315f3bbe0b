"""What an audit says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from luneta.auditing.phrases import Phrase

if TYPE_CHECKING:
    from rich.console import RenderableType

Kind = Literal["order", "range", "bounds", "count", "copies", "noise", "units", "columns", "unreadable"]
Grade = Literal["proved", "suspicious"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that cannot be, or is hard to believe.

    Attributes:
        row: data row, from 0; None when it is about many.
        column: name of the column; None when it is about many.
        kind: "order" (recall falls with k), "range" (no share), "bounds" (MRR, nDCG or median rank against the
            recalls), "count" (not a whole number of hits; rows on different counts), "copies" (copies of a row
            disagree), "noise" (differences too small to mean anything), "units" (percent among fractions),
            "columns" (several columns of one name), "unreadable" (a cell that is no number).
        verdict: "proved" follows from the printed digits, rounded or cut off, in every unit they can be in; for rows on
            different counts whose number of queries is not stated, at odds of a million to one. Copies and different
            counts need columns that name model and data. "suspicious" has another reading.
        said: the arithmetic.
    """

    row: int | None
    column: str | None
    kind: Kind
    verdict: Grade
    said: Phrase

    @property
    def explanation(self) -> str:
        """The arithmetic, in English."""
        return self.said.text()

    def to_dict(self) -> dict[str, Any]:
        named = ("row", "column", "kind", "verdict", "explanation")
        return {name: getattr(self, name) for name in named}


@dataclass(frozen=True, slots=True)
class Audit:
    """All findings on the tables of one file.

    Attributes:
        source: the file.
        n_rows: data rows read.
        counts: what was measured on (as the table says) -> its number of queries, stated or inferred from the digits.
        findings: proofs first.
    """

    source: str
    n_rows: int
    counts: dict[str, int]
    findings: Sequence[Finding]

    @property
    def proved(self) -> bool:
        return any(finding.verdict == "proved" for finding in self.findings)

    def __rich__(self) -> RenderableType:
        from luneta.auditing.terminal import audit_view

        return audit_view(self)
