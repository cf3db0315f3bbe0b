"""What an audit says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

Kind = Literal["order", "range", "bounds", "count", "copies", "noise", "units", "unreadable"]
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
            "unreadable" (a cell that is no number).
        verdict: "proved" follows from the printed digits, rounded or cut off; for rows on different counts whose number
            of queries is not stated, at odds of a million to one. "suspicious" has another reading.
        explanation: the arithmetic.
    """

    row: int | None
    column: str | None
    kind: Kind
    verdict: Grade
    explanation: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


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

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.padding import Padding
        from rich.text import Text

        yield Text.assemble((self.source, "bold"), f": {self.n_rows:,} rows")
        for data, n in self.counts.items():
            yield Text(f"  {data or 'all rows'}: {n:,} queries", style="dim")
        for verdict, style in (("proved", "bold red"), ("suspicious", "bold yellow")):
            chosen = [finding for finding in self.findings if finding.verdict == verdict]
            if chosen:
                yield Text.assemble("\n", (verdict.capitalize(), style), f" ({len(chosen)})")
            for finding in chosen:
                where = [f"row {finding.row}"] if finding.row is not None else []
                where += [finding.column] if finding.column else []
                yield Padding(
                    Text.assemble((", ".join([*where, finding.kind]), "bold"), "\n", finding.explanation), (0, 0, 0, 2)
                )
        if not self.findings:
            yield Text("Nothing that cannot be was found. That is no proof that the numbers are right.", style="green")
        else:
            yield Text(
                "\nProofs take recall@k for the share of queries with a hit in the first k, rounded or cut off; "
                "rows are numbered from 0.",
                style="dim",
            )
