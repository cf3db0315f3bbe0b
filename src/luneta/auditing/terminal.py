"""What an audit found, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.auditing.phrases import AUDIT, phrase
from luneta.wording import translator_of, written

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.auditing.findings import Audit


def audit_view(found: Audit, locale: str = "en") -> RenderableType:
    """Proofs first, then what is suspicious, each with its arithmetic."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    t = translator_of(locale, AUDIT)
    rows = phrase("rows_read", source=found.source, n=found.n_rows).text(locale)
    parts: list[RenderableType] = [Text.assemble((found.source, "bold"), rows.removeprefix(found.source))]
    for data, n in found.counts.items():
        said = phrase("queries_of", data=data or phrase("all_rows"), n=n).text(locale)
        parts.append(Text(f"  {said}", style="dim"))
    for verdict, style in (("proved", "bold red"), ("suspicious", "bold yellow")):
        chosen = [finding for finding in found.findings if finding.verdict == verdict]
        if chosen:
            parts.append(Text.assemble("\n", (t(verdict), style), f" ({written(f'{len(chosen):,}', locale)})"))
        for finding in chosen:
            where = [phrase("row", row=finding.row).text(locale)] if finding.row is not None else []
            where += [finding.column] if finding.column else []
            title = ", ".join([*where, t(f"kind_{finding.kind}")])
            text = Text.assemble((title, "bold"), "\n", finding.said.text(locale))
            parts.append(Padding(text, (0, 0, 0, 2)))
    if found.findings:
        parts.append(Text(f"\n{t('how_to_read')}", style="dim"))
    else:
        parts.append(Text(t("nothing"), style="green"))
    return Group(*parts)
