"""What the search page shows of a view, as HTML."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from luneta.artifacts import hash_json
from luneta.bundles.bundle import Bundle
from luneta.search import Hit
from luneta.search.hits import plain
from luneta.serving.pages.asking import Asked, Desk, Detail, View
from luneta.serving.pages.feedback import Marks, exported
from luneta.serving.pages.filters import called, in_words
from luneta.serving.pages.html import data_uri, written_html
from luneta.serving.pages.labels import translator
from luneta.wording import Locale, Translate, written

LONGEST_CAPTION = 240
LONGEST_VALUE = 300
MOST_TEXTS = 6
MOST_PICTURES = 3


def answers_html(desk: Desk, view: View, marks: Marks, locale: Locale) -> str:
    """The answers, and what is said of them."""
    if view.error is not None:
        return written_html("answers.html.jinja", locale, of="error", error=desk.told(view.error, locale))
    assert view.hits is not None
    t, asked, hits = translator(locale), view.asked, view.hits
    votes = marks.for_query(asked.key).votes if asked else {}
    withheld = hits.relevant is False and asked is not None and not asked.anyway
    cards = [] if withheld else [_card(desk, view, hit, votes, t, locale) for hit in hits]
    return written_html(
        "answers.html.jinja",
        locale,
        error="",
        of="" if asked is None else hash_json([asked.key, asked.where, asked.offset])[:12],
        failed="" if view.failed is None else desk.told(view.failed, locale),
        title=_title(view, withheld, t),
        facts=_facts(view, t, locale),
        withheld=_why_nothing(view, t, locale) if withheld else "",
        notes=_notes(view, withheld, t),
        marks=_marks(votes, marks if view.taking else None, t),
        kept=_kept(desk, view, t) if votes else "",
        detail=None if view.detail is None else _detail(view.of, view.detail, locale),
        texts=bool(cards) and hits[0].side == "text",
        cards=cards,
        votes=asked is not None,
        start=asked.offset + 1 if asked else 1,
        previous=asked is not None and asked.offset > 0,
        more=hits.has_more and not withheld,
    )


def header_html(desk: Desk, name: str, locale: Locale) -> str:
    """Whose pictures they are."""
    bundle, preset = desk.searcher(name).bundle, desk.preset(name)
    return written_html(
        "header.html.jinja", locale, accent=preset.accent, title=preset.title.get(locale) or name,
        lead=preset.lead.get(locale, ""), n_images=bundle.n("image") if "image" in bundle.sides else 0,
        n_texts=bundle.n("text") if "text" in bundle.sides else 0, encoder=bundle.record["encoder"]["name"],
    )  # fmt: skip


def examples_html(desk: Desk, name: str, locale: Locale) -> str:
    return written_html("examples.html.jinja", locale, examples=desk.examples(name, locale))


# -- around the answers ------------------------------------------------------------------------------------------------


def _title(view: View, withheld: bool, t: Translate) -> str:
    if view.asked is None:
        return t("start")
    query, n = asked_for(view.asked, view.of, t), len(view.hits or ())
    if withheld or not n:
        return t("summary_none" if view.asked.item is None else "nothing_like", query=query)
    first = view.asked.offset + 1
    name = "summary" if view.asked.item is None else "summary_like"
    return t(name, first=first, last=first + n - 1, query=query)


def asked_for(asked: Asked, bundle: Bundle, t: Translate) -> str:
    """A query to a bundle in words."""
    if asked.item is not None:
        row = bundle.rows(asked.item.side, np.array([asked.item.id])).to_pylist()[0]
        name = row.get("_text") or next(iter(row.get("_texts") or ()), None) or row.get("_name")
        return t("like_item", name=_short(str(name), 60))
    parts = [asked.text.strip()] if asked.text.strip() else []
    return " + ".join([*parts, *([t("a_picture")] if asked.picture else [])])


def _facts(view: View, t: Translate, locale: Locale) -> list[str]:
    if view.asked is None:
        return []
    quick = view.seconds < 1
    facts = [
        t("milliseconds", n=round(1000 * view.seconds)) if quick else t("seconds", n=_number(view.seconds, locale))
    ]
    asked = view.asked
    where = in_words(asked.settings, asked.typed, t, locale) or asked.where
    return [*facts, t("where_is", where=_short(where, 160))] if where else facts


def _number(value: float, locale: Locale) -> str:
    return written(f"{value:.1f}", locale)


def _why_nothing(view: View, t: Translate, locale: Locale) -> str:
    assert view.hits is not None
    best, cutoff = (written("–" if n is None else f"{n:.3f}", locale) for n in (view.hits.best, view.hits.cutoff))
    return t("nothing_why", best=best, cutoff=cutoff)


def _notes(view: View, withheld: bool, t: Translate) -> list[str]:
    if view.asked is None or view.hits is None or withheld:
        return []
    notes = [t("shown_anyway")] if view.hits.relevant is False else []
    notes += [t("marks_used", n=view.n_marks)] if view.n_marks else []
    return notes if len(view.hits) else [*notes, t("nothing_left")]


def _marks(votes: Mapping[int, int], taken: Marks | None, t: Translate) -> dict[str, str] | None:
    """What is said of thumbs, and the file of them where it was asked for."""
    if not votes:
        return None
    up = sum(vote > 0 for vote in votes.values())
    lines = "" if taken is None else base64.b64encode(exported(taken.log).encode("utf-8", "replace")).decode("ascii")
    return {
        "said": t("marks", up=up, down=len(votes) - up),
        "file": f"data:application/jsonl;base64,{lines}" if lines else "",
    }


def _kept(desk: Desk, view: View, t: Translate) -> str:
    """Where thumbs are kept; of a server that others reach no path is told."""
    if not desk.settings.is_local:
        return t("marks_kept_there")
    return t("marks_kept", path=desk.votes_path(view))


# -- one answer --------------------------------------------------------------------------------------------------------


def _card(
    desk: Desk, view: View, hit: Hit, votes: Mapping[int, int], t: Translate, locale: Locale
) -> dict[str, Any]:  # fmt: skip
    bundle = view.of
    columns = desk.columns(view.bundle, bundle)
    title, subtitle, date = (_cell(hit, columns.get(place)) for place in ("title", "subtitle", "date"))
    caption = hit.text or next(iter(hit.texts), "")
    notes = [t("was_rank", rank=hit.rank_before)] if hit.rank_before not in (None, hit.rank) else []
    notes += [t("also", n=len(hit.also))] if hit.also else []
    notes += [t("below")] if hit.relevant is False else []
    return {
        "id": hit.id,
        "rank": hit.rank,
        "score": written(f"{hit.score:.3f}", locale),
        "note": ", ".join(notes),
        "title": title,
        "subtitle": " · ".join(filter(None, (subtitle, date))),
        "caption": _short(caption, LONGEST_CAPTION) if caption else ("" if title else hit.name or ""),
        "alt": _short(_name(hit), LONGEST_CAPTION),
        "uri": data_uri(bundle.thumbnails.get(hit.key)) if hit.side == "image" else None,
        "pictures": _pictures(bundle, hit) if hit.side == "text" else [],
        "vote": votes.get(hit.id, 0),
    }


def _detail(bundle: Bundle, detail: Detail, locale: Locale) -> dict[str, Any]:
    hit, found = detail.hit, detail.explanation
    falls = [fall for _, fall in found.words] if found and len(found.words) > 1 else []
    most = max((abs(fall) for fall in falls), default=0.0) or 1.0
    words = found.words if found and falls else ()
    return {
        "id": hit.id,
        "alt": _short(_name(hit), LONGEST_CAPTION),
        "uri": data_uri(bundle.thumbnails.get(hit.key)) if hit.side == "image" else None,
        "map": data_uri(detail.heat),
        "problem": detail.problem,
        "words": [
            {
                "text": word,
                "fall": written(f"{fall:+.3f}", locale),
                "sign": "warm" if fall >= 0 else "cold",
                "strength": round(100 * abs(fall) / most),
            }
            for word, fall in words
        ],
        "texts": [_short(text, LONGEST_CAPTION) for text in hit.texts[:MOST_TEXTS]],
        "known": [
            (called(name, {}, locale), _short(str(value), LONGEST_VALUE))
            for name, value in ((name, plain(value)) for name, value in hit.metadata.items())
            if value not in (None, "", [])
        ],
    }


def _cell(hit: Hit, column: str | None) -> str:
    value = None if column is None else plain(hit.metadata.get(column))
    return "" if value is None else _short(str(value), LONGEST_CAPTION)


def _name(hit: Hit) -> str:
    """What a person who does not see it is told."""
    return " ".join(str(hit.text or next(iter(hit.texts), None) or hit.name or "").split())


def _pictures(bundle: Bundle, hit: Hit) -> list[str]:
    shown = np.array(hit.images[:MOST_PICTURES], dtype=np.int64)
    keys = bundle.rows("image", shown).column("_key").to_pylist() if len(shown) else []
    return [uri for uri in (data_uri(bundle.thumbnails.get(key)) for key in keys) if uri is not None]


def _short(text: str, longest: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
