"""What a search found, as a page that works offline."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luneta.errors import ImageError
from luneta.report.document import Page, Report
from luneta.report.messages import check_locale
from luneta.search.explaining import Explanation, heat_map
from luneta.search.hits import Hit, Hits
from luneta.search.messages import SEARCH
from luneta.search.queries import Query
from luneta.search.searcher import Searcher
from luneta.search.tables import nothing
from luneta.wording import translator_of, written

MOST_COLUMNS = 6
"""Of the source's columns that are shown of an answer."""


def write_search(
    path: str | os.PathLike[str], searcher: Searcher, query: Query, hits: Hits, *, explain: bool = False,
    locale: str = "en",
) -> Path:  # fmt: skip
    """Write the answers to a query as one HTML file that needs nothing else.

    Args:
        path: of the file.
        searcher: that answered.
        query: what was asked.
        hits: the answers.
        explain: with a map of what carries the score on every picture, and what each word does for the first.
        locale: "en" or "pt-BR".

    Raises:
        ArtifactError: the file cannot be written; whatever stood there before is left alone.
        ConfigError: pages are not written in that language.
        EncoderError: explanations need the encoder, which cannot be loaded.
    """
    checked = check_locale(locale)
    maps: dict[int, Explanation] = {}
    if explain:
        maps = {hit.id: searcher.explain(query, hit.id) for hit in hits if hit.side == "image"}
    section = HitsSection(searcher, hits, maps)
    t = translator_of(checked, SEARCH)
    return Report(t("page_title"), [section], str(searcher.bundle.record["dataset"]["name"]), checked).write(path)


@dataclass(frozen=True)
class HitsSection:
    """Answers, each with its pictures.

    Attributes:
        searcher: that answered.
        hits: the answers.
        maps: explanations of some of them, by number.
    """

    searcher: Searcher
    hits: Hits
    maps: Mapping[int, Explanation]
    template: str = "hits.html.jinja"

    def heading(self, page: Page) -> str:
        return translator_of(page.locale, SEARCH)("answers_to", query=self.hits.query)

    def view(self, page: Page) -> Mapping[str, Any]:
        t = translator_of(page.locale, SEARCH)
        note = nothing(t, self.hits, page.locale) if self.hits.relevant is False else ""
        first = self.maps.get(self.hits[0].id) if len(self.hits) else None
        return {
            "note": note if len(self.hits) else t("nothing_found"),
            "words_title": t("words_title"),
            "words": [
                {"text": word, "fall": written(f"{fall:+.3f}", page.locale)}
                for word, fall in (first.words if first and len(first.words) > 1 else ())
            ],
            "hits": [self._hit(hit, page) for hit in self.hits],
        }

    def _hit(self, hit: Hit, page: Page) -> dict[str, Any]:
        t = translator_of(page.locale, SEARCH)
        notes = [t("was_rank", rank=hit.rank_before)] if hit.rank_before not in (None, hit.rank) else []
        notes += [t("also", n=len(hit.also))] if hit.also else []
        notes += [t("below")] if hit.relevant is False else []
        known = [f"{name}: {value}" for name, value in hit.metadata.items() if value not in (None, "")]
        return {
            "rank": hit.rank,
            "score": page.number(hit.score),
            "note": ", ".join(notes),
            "views": list(self._views(hit)),
            "words": hit.text if hit.side == "text" else (hit.texts[0] if hit.texts else hit.name),
            "about": " · ".join([f"id {hit.id}", *([str(hit.name)] if hit.name else []), *known[:MOST_COLUMNS]]),
        }

    def _views(self, hit: Hit) -> Iterator[dict[str, Any]]:
        """The picture of an answer, and its map; or the first pictures of a text."""
        bundle = self.searcher.bundle
        keys = [hit.key]
        if hit.side == "text":
            shown = np.array(hit.images[:3], dtype=np.int64)
            keys = bundle.rows("image", shown).column("_key").to_pylist()
        for key in keys:
            yield _view(bundle.thumbnails.get(key), str(hit.name or hit.text))
        if hit.id in self.maps and hit.side == "image":
            yield _view(self._map(hit), f"{hit.name} ({self.hits.query})")

    def _map(self, hit: Hit) -> bytes | None:
        try:
            return heat_map(self.searcher.picture(hit.id), self.maps[hit.id].parts, longest=320)
        except ImageError:
            return None


def _view(jpeg: bytes | None, label: str) -> dict[str, Any]:
    uri = None if jpeg is None else "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
    return {"uri": uri, "alt": label, "label": label, "language": None}
