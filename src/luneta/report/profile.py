"""A profile as a section of a report, or as a page of its own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta.data.language_guess import guess_in
from luneta.profiling import ImageFacts, Profile, Spread
from luneta.report.document import Page, Report
from luneta.report.html import jpeg_data_uri
from luneta.report.messages import check_locale, translator

_MAX_ROWS = 50
_MAX_BARS = 8
_MAX_CARDS = 10
_MAX_CAPTIONS = 3
_MAX_CHARACTERS = 120

Bar = tuple[str, float, str]


@dataclass(frozen=True)
class ProfileSection:
    """Counts, captions, languages, pictures, what is broken, and a contact sheet."""

    profile: Profile
    template: str = "profile.html.jinja"

    def heading(self, page: Page) -> str:
        return page.t("profile_heading")

    def view(self, page: Page) -> Mapping[str, Any]:
        found = self.profile
        left_out = [*found.unreadable, *found.skipped]
        return {
            "stats": _stats(found, page),
            "doubts": _doubts(found, page),
            "facts": _facts(found, page),
            "partly": None if found.n_looked_at == found.n_images else found.n_looked_at,
            "n_images": found.n_images,
            "caption_spreads": [
                _spread(page.t("profile_words"), found.captions.words, page),
                _spread(page.t("profile_characters"), found.captions.characters, page),
            ],
            "languages": _bars(_languages(found, page), 1.0, page),
            "n_guessed": found.captions.n_guessed,
            "duplicates": found.captions.duplicates,
            "shortest": found.captions.shortest,
            "longest": found.captions.longest,
            "pictures": None if found.images is None else _pictures(found.images, page),
            "reasons": Counter(page.reason(row.reason) for row in left_out).most_common(_MAX_BARS),
            "rows": [(row.row, row.source, page.reason(row.reason)) for row in left_out[:_MAX_ROWS]],
            "n_more": max(0, len(left_out) - _MAX_ROWS),
            "n_shown": _MAX_CARDS,
            "examples": [_example(example, page) for example in found.examples],
        }


def write_profile(path: str | os.PathLike[str], profile: Profile, *, locale: str = "en") -> Path:
    """Write a profile as one HTML file that needs nothing else.

    Args:
        path: of the file; folders on the way are made.
        profile: what to show.
        locale: the page's language, "en" or "pt-BR".

    Raises:
        ArtifactError: the file cannot be written; whatever stood there before is left alone.
        ConfigError: pages are not written in that language.
    """
    checked = check_locale(locale)
    t, page = translator(checked), Page(checked, translator(checked))
    lead = t("profile_lead", images=page.number(profile.n_images, 0), texts=page.number(profile.n_texts, 0))
    name = Path(profile.name).name if os.path.exists(profile.name) else profile.name
    title = t("profile_title", data=name or profile.name)
    return Report(title, [ProfileSection(profile)], lead, checked).write(path)


def _stats(found: Profile, page: Page) -> list[tuple[str, str, str]]:
    t, per_image = page.t, found.captions.per_image
    spread = t("profile_from_to", low=page.number(per_image.min, 0), high=page.number(per_image.max, 0))
    return [
        (t("images"), page.number(found.n_images, 0), ""),
        (t("texts"), page.number(found.n_texts, 0), ""),
        (t("profile_unique"), page.percent(found.captions.unique_share), t("profile_unique_note")),
        (t("profile_per_image"), _plain(per_image.median, page), spread if per_image.min < per_image.max else ""),
        (
            t("profile_unreadable"),
            page.number(len(found.unreadable), 0),
            t("profile_looked_at", n=page.number(found.n_looked_at, 0)),
        ),
        (
            t("profile_left_out"),
            page.number(len(found.skipped), 0),
            t("profile_of_rows", n=page.number(found.n_source_rows, 0)),
        ),
    ]


def _doubts(found: Profile, page: Page) -> list[str]:
    languages = {"declared": found.language, "guessed": found.main_language}
    return [page.t(f"profile_doubt_{name}", **languages) for name in found.doubts]


def _facts(found: Profile, page: Page) -> list[tuple[str, str]]:
    t = page.t
    said = [(t(name), getattr(found, name)) for name in ("revision", "split", "language")]
    rows = [(t("data_set"), found.name), *((name, value) for name, value in said if value)]
    for kind, name, why in found.chosen_columns:
        rows.append((t(f"profile_{kind}_column"), f"{name} ({page.reason(why)})"))
    if found.sample:
        sample = {name: page.number(found.sample[name], 0) for name in ("limit", "seed")}
        rows.append((t("sample"), t("sample_of", **sample)))
    return rows


def _languages(found: Profile, page: Page) -> dict[str, float]:
    return {guess_in(guess, page.locale): share for guess, share in found.captions.languages.items()}


def _pictures(images: ImageFacts, page: Page) -> dict[str, Any]:
    t = page.t
    spreads = [_spread(t("profile_width"), images.width, page), _spread(t("profile_height"), images.height, page)]
    if images.kib is not None:
        spreads.append(_spread(t("profile_kib"), images.kib, page))
    formats = {t("profile_drawn") if name == "drawn" else name: n for name, n in images.formats.items()}
    sizes = {f"{width} × {height}": n for width, height, n in images.sizes}
    return {
        "spreads": spreads,
        "bars": [
            (t("profile_formats"), _bars(formats, images.n_read, page)),
            (t("profile_modes"), _bars(images.modes, images.n_read, page)),
            (t("profile_sizes"), _bars(sizes, images.n_read, page)),
        ],
        "facts": [
            (t("profile_identical"), page.number(images.n_identical, 0)),
            (t("profile_animated"), page.number(images.n_animated, 0)),
        ],
    }


def _bars(parts: Mapping[str, float], whole: float, page: Page) -> list[Bar]:
    """The largest parts of a whole; counts say their number, shares only their percentage."""
    bars = []
    for name, part in list(parts.items())[:_MAX_BARS]:
        text = page.percent(part / whole)
        bars.append((name, part / whole, text if whole == 1.0 else f"{page.number(part, 0)} ({text})"))
    return bars


def _spread(name: str, spread: Spread, page: Page) -> tuple[str, list[str]]:
    return name, [_plain(value, page) for value in (spread.min, spread.median, spread.p95, spread.max)]


def _plain(value: float, page: Page) -> str:
    """Whole numbers without decimals."""
    return page.number(value, 0 if value == int(value) or value >= 100 else 1)


def _example(example: Any, page: Page) -> dict[str, Any]:
    first = next(iter(example.captions), None)
    return {
        "uri": jpeg_data_uri(example.jpeg),
        "alt": page.t("profile_alt_captioned", caption=first)
        if first is not None
        else page.t("profile_alt", label=example.label),
        "captions": list(_shortened(example.captions[:_MAX_CAPTIONS])),
        "n_more": max(0, len(example.captions) - _MAX_CAPTIONS),
        "note": f"{example.width} × {example.height}",
    }


def _shortened(captions: Iterable[str]) -> Iterable[str]:
    return (text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + " …" for text in captions)
