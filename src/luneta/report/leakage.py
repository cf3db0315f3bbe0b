"""What of a test set was seen in training, as a page with the pictures side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta.leakage import Inflation, Leakage, Sighting
from luneta.leakage.terminal import sizes
from luneta.report.document import Page, Report
from luneta.report.messages import check_locale, translator
from luneta.stats import Interval

_PER_KIND = 8
_CAPTIONS = 20


@dataclass(frozen=True)
class LeakageSection:
    """Counts by link, pairs of pictures, captions, and recall with and without the leaked queries."""

    leakage: Leakage
    template: str = "leakage.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("leakage_heading")

    def view(self, page: Page) -> Mapping[str, Any]:
        found, t = self.leakage, page.t
        return {
            "stats": _stats(found, page),
            "doubtful": bool(found.groups.doubts),
            "counts": [(t(f"leakage_kind_{kind}"), page.number(n, 0)) for kind, n in found.counts.items()],
            "kinds": _pictures(found, page),
            "captions": [
                (found.test.texts[seen.test], found.train.texts[seen.train], t(f"leakage_kind_{seen.kind}"))
                for seen in found.texts[:_CAPTIONS]
            ],
            "n_more_captions": max(0, len(found.texts) - _CAPTIONS),
            "inflations": [_row(one, page) for one in found.inflations],
            "facts": [
                (t("leakage_train"), sizes(found.train, t, page.locale)),
                (t("leakage_test"), sizes(found.test, t, page.locale)),
            ],
        }


def write_leakage(path: str | os.PathLike[str], leakage: Leakage, *, locale: str = "en") -> Path:
    """Write what was seen as one HTML file that needs nothing else.

    Args:
        path: of the file; folders on the way are made.
        leakage: what to show.
        locale: the page's language, "en" or "pt-BR".

    Raises:
        ArtifactError: the file cannot be written; whatever stood there before is left alone.
        ConfigError: pages are not written in that language.
    """
    checked = check_locale(locale)
    t, page = translator(checked), Page(checked, translator(checked))
    lead = t("leakage_lead_none")
    if leakage.images or leakage.texts:
        lead = t(
            "leakage_lead",
            images=page.number(len(leakage.images), 0), all_images=page.number(leakage.test.n_images, 0),
            share=page.percent(leakage.image_share),
            texts=page.number(len(leakage.texts), 0), all_texts=page.number(leakage.test.n_texts, 0),
        )  # fmt: skip
    name = leakage.test.name
    title = t("leakage_title", test=(Path(name).name if os.path.exists(name) else name) or name)
    return Report(title, [LeakageSection(leakage)], lead, checked).write(path)


def _stats(found: Leakage, page: Page) -> list[tuple[str, str, str]]:
    t = page.t
    rows = [
        ("leakage_images", len(found.images), found.image_share, found.test.n_images),
        ("leakage_texts", len(found.texts), found.text_share, found.test.n_texts),
    ]
    stats = [
        (t(name), page.number(n, 0), t("leakage_of", share=page.percent(share), n=page.number(size, 0)))
        for name, n, share, size in rows
    ]
    if broken := len(found.groups.unreadable):
        stats.append((t("leakage_unreadable"), page.number(broken, 0), t("leakage_unreadable_note")))
    return stats


def _pictures(found: Leakage, page: Page) -> list[tuple[str, int, list[list[dict[str, Any]]]]]:
    """For every kind of link its name, how many more there are, and pairs of pictures."""
    kinds = []
    for kind in found.counts:
        sightings = [seen for seen in found.images if seen.kind == kind]
        if sightings:
            step = max(1, len(sightings) // _PER_KIND)  # spread over the data set
            shown = sightings[::step][:_PER_KIND]
            pairs = [_pair(seen, found, page) for seen in shown]
            kinds.append((page.t(f"leakage_kind_{kind}"), len(sightings) - len(shown), pairs))
    return kinds


def _pair(seen: Sighting, found: Leakage, page: Page) -> list[dict[str, Any]]:
    sides = (("leakage_in_test", found.test, seen.test), ("leakage_in_train", found.train, seen.train))
    cards = []
    for name, data, index in sides:
        picture = page.picture(data.images[index])
        captions = [data.texts[int(text)] for text in data.texts_of(index)[:1]]
        distance = page.t("leakage_distance", distance=page.number(seen.distance)) if seen.distance else ""
        cards.append(
            {"uri": picture.uri, "label": picture.label, "badge": page.t(name), "captions": captions, "note": distance}
        )
    return cards


def _row(one: Inflation, page: Page) -> dict[str, Any]:
    t = page.t
    return {
        "direction": t(one.direction),
        "metric": one.metric,
        "seen": t("leakage_seen_image" if one.seen == "image" else "leakage_seen_any"),
        "queries": t("leakage_of", share=page.number(one.n_leaked, 0), n=page.number(one.n_queries, 0)),
        "values": [_shares(value, page) for value in (one.reported, one.clean, one.leaked)],
        "gap": _points(one.inflation, page),
    }


def _shares(value: Interval | None, page: Page) -> tuple[str, str]:
    if value is None:
        return "–", ""
    if value.low is None or value.high is None:
        return page.percent(value.value), ""
    return page.percent(value.value), f"{page.percent(value.low)} – {page.percent(value.high)}"


def _points(value: Interval | None, page: Page) -> tuple[str, str]:
    """A difference of shares in percentage points."""
    if value is None:
        return "–", ""
    text = page.t("leakage_points", value=page.number(100 * value.value, 1))
    if value.low is None or value.high is None:
        return text, ""
    low, high = (page.number(100 * limit, 1) for limit in (value.low, value.high))
    return text, page.t("leakage_from_to", low=low, high=high)
