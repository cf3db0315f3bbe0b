"""What the doctor found, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from luneta.doctor.measured import measured_in
from luneta.doctor.portuguese import in_words
from luneta.wording import Messages, translator_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.doctor.findings import Diagnosis, Verdict

EXAM: Messages = {
    "exam_on": ("{dtype}, on {data}", "{dtype}, com {data}"),
    "exam_check": ("check", "exame"),
    "exam_verdict": ("verdict", "veredito"),
    "exam_measured": ("measured", "medido"),
    "exam_pass": ("pass", "passa"),
    "exam_warn": ("warn", "aviso"),
    "exam_fail": ("fail", "falha"),
    "exam_not known": ("not known", "não se sabe"),
    "exam_n_pass": ("{n} pass", "passam: {n}"),
    "exam_n_warn": ("{n} warn", "avisos: {n}"),
    "exam_n_fail": ("{n} fail", "falhas: {n}"),
    "exam_n_not known": ("{n} not known", "não se sabe: {n}"),
    "exam_mend": ("To mend it: {mend}", "Para corrigir: {mend}"),
}
"""Message name -> (English, Brazilian Portuguese)."""

_STYLES: Mapping[Verdict, str] = {"pass": "green", "warn": "yellow", "fail": "bold red", "not known": "dim"}


def diagnosis_view(found: Diagnosis, locale: str = "en") -> RenderableType:
    """Every check with its verdict, and what to do about those that do not pass."""
    from rich import box
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    t = translator_of(locale, EXAM)
    where = t("exam_on", dtype=found.dtype, data=found.dataset) if found.dataset else found.dtype
    title = Text.assemble((found.encoder, "bold"), f", {where}")
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="")
    for column in ("check", "verdict", "measured"):
        table.add_column(t(f"exam_{column}"), no_wrap=column != "measured")
    for check in found.checks:
        verdict = Text(t(f"exam_{check.verdict}"), _STYLES[check.verdict])
        table.add_row(in_words(check.name, locale).name, verdict, Text(measured_in(check.measured, locale)))
    parts: list[RenderableType] = [table]
    for check in [*found.failed, *found.warned]:
        said = in_words(check.name, locale)
        parts.append(Text.assemble((f"{t(f'exam_{check.verdict}')}: ", _STYLES[check.verdict]), (said.name, "bold")))
        parts.append(Padding(Text(f"{said.why}\n{t('exam_mend', mend=said.mend)}\n"), (0, 0, 0, 2)))
    counts = {verdict: sum(check.verdict == verdict for check in found.checks) for verdict in _STYLES}
    said_counts = ", ".join(t(f"exam_n_{verdict}", n=n) for verdict, n in counts.items() if n)
    return Group(*parts, Text(said_counts, style=_STYLES[found.verdict]))
