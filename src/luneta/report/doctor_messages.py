"""What the doctor's page says around its checks, in English and in Brazilian Portuguese."""

from __future__ import annotations

DOCTOR: dict[str, tuple[str, str]] = {
    "doctor_title": (
        "Are these encoders used as they were trained?",
        "Estes codificadores são usados como foram treinados?",
    ),
    "doctor_title_one": (
        "Is {encoder} used as it was trained?",
        "{encoder} é usado como foi treinado?",
    ),
    "doctor_lead_well": (
        "{encoder}: {n} checks, and none says otherwise.",
        "{encoder}: {n} exames, e nenhum diz que não.",
    ),
    "doctor_lead_warned": (
        "{encoder}: {n} checks, {n_warned} with a warning.",
        "{encoder}: {n} exames, {n_warned} com aviso.",
    ),
    "doctor_lead_failed": (
        "{encoder}: {n} checks, {n_failed} failed. Do not trust its numbers yet.",
        "{encoder}: {n} exames, reprovado em {n_failed}. Ainda não confie nos seus números.",
    ),
    "doctor_on": ("Examined in {dtype} on {data}.", "Examinado em {dtype} com {data}."),
    "doctor_alone": ("Examined in {dtype}, without data.", "Examinado em {dtype}, sem dados."),
    "doctor_pass": ("pass", "passa"),
    "doctor_warn": ("warning", "aviso"),
    "doctor_fail": ("fail", "falha"),
    "doctor_not known": ("not known", "não se sabe"),
    "doctor_passes": ("Pass", "Passam"),
    "doctor_warns": ("Warnings", "Avisos"),
    "doctor_fails": ("Fail", "Falham"),
    "doctor_unknowns": ("Not known", "Não se sabe"),
    "doctor_check": ("Check", "Exame"),
    "doctor_verdict": ("Verdict", "Veredito"),
    "doctor_measured": ("Measured", "Medido"),
    "doctor_mend": ("To mend it:", "Para corrigir:"),
    "doctor_whys": ("Why each check matters", "Por que cada exame importa"),
}
"""Message name -> (English, Brazilian Portuguese)."""
