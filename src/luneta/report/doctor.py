"""What the doctor found in one or more encoders, as a page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta.doctor import Check, Diagnosis, Verdict
from luneta.doctor.measured import measured_in
from luneta.doctor.portuguese import in_words
from luneta.errors import ConfigError
from luneta.report.document import Page, Report
from luneta.report.messages import check_locale, translator

_TONES: Mapping[Verdict, str] = {"pass": "good", "warn": "warn", "fail": "bad", "not known": ""}
_COUNTED: Mapping[Verdict, str] = {"pass": "passes", "warn": "warns", "fail": "fails", "not known": "unknowns"}


@dataclass(frozen=True)
class DoctorSection:
    """The checks of one encoder: what is wrong first, then all of them."""

    diagnosis: Diagnosis
    template: str = "doctor.html.jinja"

    def heading(self, page: Page) -> str:
        return self.diagnosis.encoder

    def view(self, page: Page) -> Mapping[str, Any]:
        found = self.diagnosis
        counts = {verdict: sum(check.verdict == verdict for check in found.checks) for verdict in _TONES}
        return {
            "where": page.t("doctor_on" if found.dataset else "doctor_alone", dtype=found.dtype, data=found.dataset),
            "stats": [
                (page.t(f"doctor_{_COUNTED[verdict]}"), page.number(n, 0), "")
                for verdict, n in counts.items()
                if n or verdict == "pass"
            ],
            "wrong": [_check(check, page) for check in (*found.failed, *found.warned)],
            "checks": [_check(check, page) for check in found.checks],
        }


def _check(check: Check, page: Page) -> dict[str, str]:
    said = in_words(check.name, page.locale)
    return {
        "name": said.name,
        "verdict": page.t(f"doctor_{check.verdict}"),
        "tone": _TONES[check.verdict],
        "measured": measured_in(check.measured, page.locale),
        "why": said.why,
        "mend": said.mend,
    }


def doctor_lead(diagnosis: Diagnosis, locale: str) -> str:
    """The verdict on one encoder, in a sentence."""
    checked = check_locale(locale)
    page = Page(checked, translator(checked))
    failed, warned = len(diagnosis.failed), len(diagnosis.warned)
    return page.t(
        "doctor_lead_failed" if failed else "doctor_lead_warned" if warned else "doctor_lead_well",
        encoder=diagnosis.encoder, n=page.number(len(diagnosis.checks), 0), n_failed=page.number(failed, 0),
        n_warned=page.number(warned, 0),
    )  # fmt: skip


def write_doctor(path: str | os.PathLike[str], diagnoses: Sequence[Diagnosis], *, locale: str = "en") -> Path:
    """Write what the doctor found as one HTML file that needs nothing else.

    Args:
        path: of the file; folders on the way are made.
        diagnoses: what `luneta.examine` returned, one for each encoder.
        locale: the page's language, "en" or "pt-BR".

    Raises:
        ArtifactError: the file cannot be written; whatever stood there before is left alone.
        ConfigError: no diagnosis, or pages are not written in that language.
    """
    checked = check_locale(locale)
    if not diagnoses:
        raise ConfigError("a page of the doctor needs at least one diagnosis")
    t = translator(checked)
    title = t("doctor_title") if len(diagnoses) > 1 else t("doctor_title_one", encoder=diagnoses[0].encoder)
    lead = " ".join(doctor_lead(diagnosis, checked) for diagnosis in diagnoses)
    return Report(title, [DoctorSection(diagnosis) for diagnosis in diagnoses], lead, checked).write(path)
