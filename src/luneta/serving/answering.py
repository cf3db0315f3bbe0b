"""From forms to answers: what the routes do, without HTTP."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from luneta.errors import ConfigError
from luneta.filters import parse_filter
from luneta.search import Hit, Hits, Item, Part, Query, Wish
from luneta.search.hits import plain
from luneta.serving.fetching import fetch
from luneta.serving.forms import DEEPEST_VARIED, EmbedForm, PartForm, SearchForm, SimilarForm, WishForm
from luneta.serving.pictures import Darkroom, from_base64
from luneta.serving.problems import Problem
from luneta.serving.served import Bundles, Served
from luneta.serving.settings import Settings
from luneta.types import Side

logger = logging.getLogger("luneta.serving")


class Answers:
    """Answers forms from the bundles that are served; every method is for the thread of one request."""

    def __init__(self, bundles: Bundles, settings: Settings) -> None:
        self._bundles, self._settings = bundles, settings
        self._darkroom = Darkroom(settings.max_pixels)

    # -- bundles and items -------------------------------------------------------------------------------------

    def bundle(self, name: str | None) -> Served:
        """Raises Problem where there is none of that name."""
        served = self._bundles.get(self._bundles.default if name is None else name)
        if served is None:
            raise Problem(404, "no_bundle", names=", ".join(self._bundles.names))
        return served

    def bundles(self) -> dict[str, Any]:
        return {"default": self._bundles.default, "bundles": [served.short_facts for served in self._bundles]}

    def row(self, served: Served, side: Side, number: int) -> Mapping[str, Any]:
        """An item's row. Raises Problem where there is none of that number."""
        if side not in served.bundle.sides:
            raise Problem(404, "no_side", side=side)
        try:
            row: Mapping[str, Any] = served.bundle.rows(side, np.array([number])).to_pylist()[0]
        except ConfigError:
            raise Problem(404, "no_item", side=side) from None
        return row

    def item(self, name: str, side: Side, number: int) -> dict[str, Any]:
        served = self.bundle(name)
        row = self.row(served, side, number)
        return {
            "id": number, "side": side, "name": row.get("_name"), "text": row.get("_text"),
            "texts": row.get("_texts") or [], "images": row.get("_images") or [],
            "metadata": {name: plain(value) for name, value in row.items() if not name.startswith("_")},
            "thumbnail": thumbnail_path(served, side, number),
        }  # fmt: skip

    def thumbnail(self, name: str, number: int) -> tuple[bytes, str]:
        """A small picture as JPEG, and a tag that changes when it does."""
        served = self.bundle(name)
        key = str(self.row(served, "image", number)["_key"])
        jpeg = served.bundle.thumbnails.get(key)
        if jpeg is None:
            raise Problem(404, "no_thumbnail")
        return jpeg, f'"{key[:32]}-{served.bundle.record["recipe"]["thumbnail_px"]}"'

    # -- queries -----------------------------------------------------------------------------------------------

    def search(self, form: SearchForm, files: Sequence[bytes]) -> dict[str, Any]:
        served = self.bundle(form.bundle)
        wish = self._wish(served, form, form.target, rerank=form.rerank, language=form.language)
        parts = list(Query.read(form.query).parts) if form.query is not None else []
        encoded = [*([] if form.image is None else [from_base64(form.image)]), *files]
        weights = [1.0] * len(encoded)
        for part in form.parts:
            data = self._picture_of(part)
            if data is not None:
                encoded.append(data)
                weights.append(part.weight)
            else:
                parts.append(Part(part.text if part.item is None else _item(part), part.weight))  # type: ignore[arg-type]
        if not (parts or encoded):
            raise Problem(422, "no_query")
        with self._darkroom.decoded(encoded) as pictures:
            parts += [Part(picture, weight) for picture, weight in zip(pictures, weights, strict=True)]
            hits = served.searcher.answer([Query(tuple(parts))], wish)[0]
        return self._told(served, hits, wish, anyway=form.anyway)

    def similar(self, form: SimilarForm, files: Sequence[bytes]) -> dict[str, Any]:
        served = self.bundle(form.bundle)
        _no_files(files)
        self.row(served, form.side, form.id)
        wish = self._wish(served, form, form.target or form.side)
        hits = served.searcher.answer([Query.of(Item(form.side, form.id))], wish)[0]
        return self._told(served, hits, wish, anyway=True)

    def embed(self, form: EmbedForm, files: Sequence[bytes]) -> dict[str, Any]:
        served = self.bundle(form.bundle)
        encoded = [*map(from_base64, form.images), *files]
        if not (form.texts or encoded):
            raise Problem(422, "nothing_to_embed")
        with self._darkroom.decoded(encoded) as pictures:
            images = served.searcher.encode_images(pictures).tolist() if pictures else []
        encoder = served.bundle.record["encoder"]
        return {
            "bundle": served.name, "encoder": encoder["name"], "fingerprint": encoder["fingerprint"],
            "embedding_dim": encoder["embedding_dim"],
            "texts": served.searcher.encode_texts(form.texts).tolist() if form.texts else [], "images": images,
        }  # fmt: skip

    def _picture_of(self, part: PartForm) -> bytes | None:
        if part.image is not None:
            return from_base64(part.image)
        if part.image_url is None:
            return None
        settings = self._settings
        return fetch(
            part.image_url, settings.allowed_hosts, max_bytes=settings.max_bytes,
            timeout_s=settings.timeout_s / 2,  # so that it can still be told that the host was too slow
        )  # fmt: skip

    def _wish(self, served: Served, form: WishForm, target: Side, **more: Any) -> Wish:
        if target not in served.bundle.sides:
            raise Problem(422, "no_side", side=target)
        if (form.diversity or form.near is not None) and form.offset + form.top_k > DEEPEST_VARIED:
            raise Problem(422, "deep", n=DEEPEST_VARIED)
        if more.get("rerank") and served.bundle.record["reranker"] is None and served.searcher.reranker is None:
            raise Problem(422, "no_reranker")
        return Wish(
            target, form.top_k, form.offset, None if form.where is None else parse_filter(form.where),
            form.diversity, form.near, tuple(form.like), tuple(form.unlike), tuple(form.exclude), **more,
        )  # fmt: skip

    def _told(self, served: Served, hits: Hits, wish: Wish, *, anyway: bool) -> dict[str, Any]:
        withheld = hits.relevant is False and not anyway
        if self._settings.log_queries:
            logger.info("query to %s: %s", served.name, hits.query)
        return {
            "bundle": served.name, "query": hits.query, "relevant": hits.relevant, "cutoff": plain(hits.cutoff),
            "best": plain(hits.best),
            "n_withheld": len(hits) if withheld else 0, "has_more": hits.has_more and not withheld,
            "hits": [] if withheld else [_hit(served, hit) for hit in hits],
        }  # fmt: skip


def _item(part: PartForm) -> Item:
    assert part.item is not None
    return Item(part.item.side, part.item.id)


def _no_files(files: Sequence[bytes]) -> None:
    if files:
        raise Problem(400, "multipart", why="pictures are of no use here")


def _hit(served: Served, hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank, "id": hit.id, "side": hit.side, "score": hit.score, "name": hit.name, "text": hit.text,
        "texts": hit.texts, "images": hit.images,
        "metadata": {name: plain(value) for name, value in hit.metadata.items()},
        "rank_before": hit.rank_before, "relevant": hit.relevant, "also": hit.also,
        "thumbnail": thumbnail_path(served, hit.side, hit.id),
    }  # fmt: skip


def thumbnail_path(served: Served, side: Side, number: int) -> str | None:
    """Where a picture's small copy is served; None for a text, and where there are none."""
    if side != "image" or not served.bundle.record["thumbnails"]:
        return None
    return f"/bundles/{quote(served.name, safe='')}/thumbnails/{number}.jpg"
