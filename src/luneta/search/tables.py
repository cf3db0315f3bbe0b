"""Hits, cut-offs and what was built, as tables of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from luneta.bundles.calibration import Calibration, Rate
from luneta.grids import Grid
from luneta.search.hits import Hits
from luneta.search.messages import SEARCH
from luneta.wording import Translate, translator_of, written

LONGEST_CELL = 100


def hits_grid(hits: Hits, locale: str) -> Grid:
    """Answers, best first."""
    t = translator_of(locale, SEARCH)
    reranked = any(hit.rank_before is not None for hit in hits)
    texts = bool(len(hits)) and hits[0].side == "text"
    rows = []
    for hit in hits:
        words = [short(str(hit.text))] if texts else [short(str(hit.name)), short(hit.texts[0] if hit.texts else "")]
        also = [t("also", n=len(hit.also))] if hit.also else []
        words[-1] = "; ".join([*filter(None, words[-1:]), *also])
        before = [str(hit.rank_before)] if reranked else []
        mark = " *" if hit.relevant is False else ""
        rows.append((f"{hit.rank}.", *words, str(hit.id), written(f"{hit.score:.3f}", locale) + mark, *before))
    names = [t("text")] if texts else [t("picture"), t("text")]
    header = ("", *names, t("id"), t("score"), *([t("rank_before")] if reranked else []))
    notes = []
    if any(hit.relevant is False for hit in hits):
        notes.append(t("below_note", cutoff=written(f"{hits.cutoff:.3f}", locale)))
    return Grid(t("answers_to", query=short(hits.query)), header, tuple(rows), tuple(notes), n_labels=1 + len(names))


def built_grid(record: Mapping[str, Any], locale: str) -> Grid:
    """The indexes of a bundle, and what was measured of them."""
    from luneta.index.tuning import Report

    t = translator_of(locale, SEARCH)
    sides = record["sides"]
    reports = {side: Report.from_dict(f["index"]["report"]) for side, f in sides.items() if f["index"]["report"]}
    names = list(dict.fromkeys(name for report in reports.values() for name in report.queries))
    rows = []
    for side, facts in sides.items():
        report = reports.get(side)
        found = [None if report is None else report.queries.get(name) for name in names]
        recalls = ["" if query is None else _interval(asdict(query.recall), locale) for query in found]
        slowest = max(filter(None, found), key=lambda query: query.p50_ms, default=None)
        rows.append((
            t("pictures" if side == "image" else "texts"), facts["index"]["kind"], written(f"{facts['n']:,}", locale),
            *recalls, "" if slowest is None else written(f"{slowest.p50_ms:.2f} / {slowest.p99_ms:.2f}", locale),
            "" if report is None else written(f"{report.memory_mib:,.1f}", locale),
        ))  # fmt: skip
    header = (
        t("searched"), t("kind"), "n", *(t("recall_of", name=t(name)) for name in names), t("milliseconds"),
        t("memory"),
    )  # fmt: skip
    reasons = dict.fromkeys(report.choice.sentence(locale) for report in reports.values())
    return Grid(t("index_title"), header, tuple(rows), tuple(reasons), n_labels=2)


def cutoffs_grid(calibration: Calibration, locale: str) -> Grid:
    """The cut-offs of a bundle and their mistakes."""
    t = translator_of(locale, SEARCH)
    rows = tuple(
        (
            t("pictures" if cutoff.target == "image" else "texts"), cutoff.language or t("any_language"),
            written(f"{cutoff.value:.3f}", locale), _rate(cutoff.missed, locale), _rate(cutoff.fooled, locale),
        )
        for cutoff in calibration.cutoffs
    )  # fmt: skip
    kinds = dict.fromkeys("natural" if c.without.startswith("queries") else "taken_away" for c in calibration.cutoffs)
    return Grid(
        t("cutoffs"),
        (t("searched"), t("language"), t("cutoff"), t("missed"), t("fooled")),
        rows,
        tuple(t("cutoff_note", without=t(kind)) for kind in kinds),
        n_labels=2,
    )


def short(text: str) -> str:
    """A text in one line, of what can be printed: nothing in it steers a terminal."""
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text).split())
    return line if len(line) <= LONGEST_CELL else line[: LONGEST_CELL - 1] + "…"


def nothing(t: Translate, hits: Hits, locale: str) -> str:
    """That nothing is relevant, and how far from it the best answer is."""
    best, cutoff = (written("-" if n is None else f"{n:.3f}", locale) for n in (hits.best, hits.cutoff))
    return t("nothing_relevant", best=best, cutoff=cutoff)


def _rate(rate: Rate, locale: str) -> str:
    return _interval({"value": rate.value, "low": rate.low, "high": rate.high}, locale)


def _interval(numbers: Mapping[str, float | None], locale: str) -> str:
    value, low, high = (None if n is None else written(f"{n:.3f}", locale) for n in (
        numbers["value"], numbers.get("low"), numbers.get("high")))  # fmt: skip
    return f"{value} ({low}–{high})" if low is not None and high is not None else str(value)
