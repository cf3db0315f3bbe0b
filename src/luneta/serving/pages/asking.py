"""What somebody asks on the search page, and what comes of it; all searching is the searcher's."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from luneta.bundles.bundle import Bundle
from luneta.errors import ConfigError, LunetaError
from luneta.filters import parse_filter
from luneta.progress import watch
from luneta.search import Hit, Hits, Item, Part, Query, Searcher, Wish
from luneta.search.explaining import Explanation, heat_map
from luneta.serving.batching import GivenUpError, Patience, patience
from luneta.serving.observing import note_failure
from luneta.serving.pages.feedback import FeedbackBook, Marks, vote_record
from luneta.serving.pages.filters import Control, Setting, controls_of
from luneta.serving.pages.labels import translator
from luneta.serving.pages.presets import PLAIN, Preset
from luneta.serving.pages.refusals import Refusal
from luneta.serving.pages.shelf import touch
from luneta.serving.pictures import Darkroom
from luneta.serving.problems import Problem, problem_of
from luneta.serving.settings import Settings
from luneta.types import Side
from luneta.wording import Locale

if TYPE_CHECKING:
    from PIL.Image import Image

PAGE = 10
"""Answers of a page."""

DIVERSITY, NEAR = 0.35, 0.97
"""Of the switches for varied answers and for near-duplicates."""

N_EXPLAINED = 2
"""Explanations at once: each sends a picture through the encoder dozens of times."""

N_EXAMPLES = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with all that was set beside it.

    Attributes:
        bundle: its name.
        text: as typed.
        picture: path of an uploaded one.
        item: what more is wanted of, instead of text and picture.
        where: a condition.
        settings, typed: what it was made of: filters, and what somebody wrote.
        rerank, varied, near: the switches.
        anyway: show answers that are not relevant.
    """

    bundle: str
    text: str = ""
    picture: str | None = None
    item: Item | None = None
    target: Side = "image"
    where: str | None = None
    settings: tuple[Setting, ...] = ()
    typed: str = ""
    rerank: bool = False
    varied: bool = False
    near: bool = False
    offset: int = 0
    anyway: bool = False

    @property
    def key(self) -> str:
        """What it asks for, whatever was set beside it."""
        item = "" if self.item is None else f"{self.item.side} {self.item.id}"
        return "\n".join((self.bundle, self.target, self.text.strip(), self.picture or "", item))


@dataclass(frozen=True, slots=True)
class Detail:
    """Why an answer was found.

    Attributes:
        hit: the answer.
        explanation: None where there is none to be had.
        heat: the picture under its map, as JPEG.
        problem: why not, in the page's language.
    """

    hit: Hit
    explanation: Explanation | None = None
    heat: bytes | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows.

    Attributes:
        bundle: whose.
        asked: None at the start.
        hits: the answers; at the start some items.
        seconds: they took.
        n_marks: thumbs that moved the query.
        detail: of one answer.
        error: what went wrong instead, told in any language.
        failed: what went wrong beside it.
        taking: the file of thumbs was asked for.
        searcher: found them; what is shown is from its bundle, whatever has come in its place.
    """

    bundle: str = ""
    asked: Asked | None = None
    hits: Hits | None = None
    seconds: float = 0.0
    n_marks: int = 0
    detail: Detail | None = None
    error: Exception | None = None
    failed: Exception | None = None
    taking: bool = False
    searcher: Searcher | None = field(default=None, repr=False, compare=False)

    @property
    def of(self) -> Bundle:
        """What is shown is from it."""
        assert self.searcher is not None
        return self.searcher.bundle

    def hit(self, number: int) -> Hit | None:
        """The answer with a number."""
        return next((hit for hit in self.hits or () if hit.id == number), None)


class Desk:
    """Answers the search page; every method may be called from many threads.

    Args:
        searchers: by name; looked up anew for every question, so that a bundle may be exchanged.
        presets: how some of them are shown.
        settings: of the server.
        book: where thumbs are kept.
    """

    def __init__(
        self, searchers: Mapping[str, Searcher], presets: Mapping[str, Preset], settings: Settings, book: FeedbackBook
    ) -> None:
        self.searchers, self._presets, self.settings, self.book = searchers, presets, settings, book
        self._darkroom = Darkroom(settings.max_pixels)
        self._explaining = threading.Semaphore(N_EXPLAINED)
        self.names = tuple(searchers)
        self.controls: Mapping[str, Sequence[Control]] = {
            name: controls_of(searchers[name].bundle, self.preset(name)) for name in self.names
        }
        """The filters of each bundle, as the page has their inputs."""
        self._current: dict[str, tuple[Bundle, Sequence[Control | None]]] = {}
        for name in self.names:
            self.columns(
                name, searchers[name].bundle
            )  # a preset that asks for what is not there is refused at the start

    def searcher(self, name: str) -> Searcher:
        """Raises Refusal where it is not served any more."""
        found = self.searchers.get(name)
        if found is None:
            raise Refusal("no_bundle")
        return found

    def preset(self, name: str) -> Preset:
        return self._presets.get(name, PLAIN)

    def controls_now(self, name: str) -> Sequence[Control | None]:
        """The filters with what the bundle holds now; None for one that it has no use for any more."""
        bundle = self.searcher(name).bundle
        known = self._current.get(name)
        if known is None or known[0] is not bundle:
            try:
                found = {control.column: control for control in controls_of(bundle, self.preset(name))}
            except ConfigError:
                found = {}  # a column that the preset needs has gone
            shapes = [(shape, found.get(shape.column)) for shape in self.controls[name]]
            now = [new if new and (new.kind, new.holds) == (old.kind, old.holds) else None for old, new in shapes]
            known = self._current[name] = (bundle, now)
        return known[1]

    def columns(self, name: str, bundle: Bundle) -> Mapping[str, str | None]:
        """For each place on an answer the column that is shown there."""
        known = bundle.items("image").column_names
        return {place: columns.among(known) for place, columns in self.preset(name).columns.items()}

    def examples(self, name: str, locale: Locale) -> Sequence[str]:
        """Queries to begin with: the preset's, else texts of the bundle itself."""
        preset = self.preset(name)
        if preset.examples:
            return preset.examples.get(locale, ())
        bundle = self.searcher(name).bundle
        if "text" not in bundle.sides or not bundle.n("text"):
            return ()
        places = np.linspace(0, bundle.n("text") - 1, num=60).astype(int)
        texts = dict.fromkeys(bundle.items("text").column("_text").take(places).to_pylist())
        return [text for text in texts if 12 <= len(text) <= 44 and "\n" not in text][:N_EXAMPLES]

    # -- answering ---------------------------------------------------------------------------------------------

    def start(self, name: str) -> View:
        """Some pictures from all over a bundle."""
        searcher = self.searcher(name)
        bundle = searcher.bundle
        n = bundle.n("image")
        places = np.unique(np.linspace(0, max(n - 1, 0), num=min(PAGE, n)).astype(int))
        rows = bundle.items("image").take(places).to_pylist()
        hits = [
            Hit(
                0, row["_id"], "image", 0.0, row["_name"], None, row["_texts"] or (), (),
                {column: value for column, value in row.items() if not column.startswith("_")}, key=row["_key"],
            )
            for row in rows
        ]  # fmt: skip
        return View(name, hits=Hits("", hits), searcher=searcher)

    def answer(self, asked: Asked, marks: Marks) -> View:
        """The answers to what was asked, moved by what was marked among answers to the same.

        Raises:
            Refusal: nothing is asked, or what was asked is not there any more.
            LunetaError, Problem, GivenUpError: as searching does.
        """
        searcher = self.searcher(asked.bundle)
        own = marks.for_query(asked.key)
        wish = Wish(
            asked.target, PAGE, asked.offset, None if asked.where is None else parse_filter(asked.where),
            DIVERSITY if asked.varied else 0.0, NEAR if asked.near else None, own.like, own.unlike,
            rerank=asked.rerank and asked.target == "image" and asked.picture is None and asked.item is None,
        )  # fmt: skip
        begin = time.perf_counter()
        with patience(Patience(self.settings.timeout_s)), self._query(asked) as query:
            hits = searcher.answer([query], wish)[0]
        return View(asked.bundle, asked, hits, time.perf_counter() - begin, len(own.votes), searcher=searcher)

    def explain(self, asked: Asked | None, hit: Hit, locale: Locale) -> Detail:
        """Why an answer was found; where that cannot be told, why not."""
        if asked is None or hit.side != "image":
            return Detail(hit, problem=translator(locale)("why_texts_only") if hit.side != "image" else "")
        limit = Patience(self.settings.timeout_s)
        try:
            searcher = self.searcher(asked.bundle)
            with patience(limit), self._turn(), watch(lambda *_: limit.check()), self._query(asked) as query:
                explanation = searcher.explain(query, hit.id)
                return Detail(hit, explanation, heat_map(searcher.picture(hit.id), explanation.parts, longest=480))
        except Exception as error:  # noqa: BLE001 - the answer itself is there and is shown
            return Detail(hit, problem=self.told(error, locale))

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One of the few explanations at once.

        Raises:
            GivenUpError: others take too long.
        """
        if not self._explaining.acquire(timeout=self.settings.timeout_s):
            raise GivenUpError
        try:
            yield
        finally:
            self._explaining.release()

    @contextlib.contextmanager
    def _query(self, asked: Asked) -> Iterator[Query]:
        """What was asked, its picture decoded for as long as the block lasts."""
        if asked.item is not None:
            yield Query.of(asked.item)
            return
        parts = list(Query.read(asked.text).parts) if asked.text.strip() else []
        encoded = [] if asked.picture is None else [self._bytes(asked.picture)]
        if not parts and not encoded:
            raise Refusal("no_query")
        with self._darkroom.decoded(encoded) as pictures:
            yield Query((*parts, *map(_picture_part, pictures)))

    def _bytes(self, path: str) -> bytes:
        limit = self.settings.max_bytes
        touch(path)
        try:
            with Path(path).open("rb") as file:
                data = file.read(limit + 1)
        except OSError:
            raise Refusal("picture_gone") from None
        if len(data) > limit:
            raise Problem(413, "too_large", limit=f"{self.settings.max_upload_mib:g}")
        return data

    # -- thumbs ------------------------------------------------------------------------------------------------

    def votes_path(self, view: View) -> Path:
        """The file of thumbs for the bundle of a view."""
        return self.book.path(view.bundle, str(view.of.record["encoder"]["fingerprint"]))

    def vote(self, view: View, marks: Marks, number: int, vote: int, query: str) -> Marks:
        """With a thumb given, or taken back where it was given already; it is written down as well.

        Raises:
            ArtifactError: it cannot be.
        """
        hit = view.hit(number)
        if view.asked is None or hit is None:
            return marks
        found, now = marks.for_query(view.asked.key).toggled(number, vote)
        record = vote_record(
            bundle=view.bundle, dataset=str(view.of.record["dataset"]["name"]), query=query,
            target=hit.side, item=number, key=hit.key, rank=hit.rank, score=hit.score, vote=now,
        )  # fmt: skip
        self.book.write(self.votes_path(view), record)
        return found.logged(record)

    # -- telling -----------------------------------------------------------------------------------------------

    def told(self, error: Exception, locale: Locale) -> str:
        """What went wrong, in a sentence, without a word of this machine."""
        if isinstance(error, Refusal):
            return translator(locale)(error.name, **error.parameters)
        if isinstance(error, GivenUpError):
            problem = Problem(504, "slow", seconds=f"{self.settings.timeout_s:g}")
        elif isinstance(error, LunetaError):
            problem = problem_of(error, self._places())
        else:
            problem = error if isinstance(error, Problem) else Problem(500, "internal")
        if problem.status == 500:
            note_failure(error)
        return str(problem.body(locale)["detail"])

    def _places(self) -> Mapping[str, str]:
        folders = {name: searcher.bundle.folder for name, searcher in self.searchers.items()}
        return {str(path): name for name, place in folders.items() for path in (place, place.absolute())}


def _picture_part(picture: Image) -> Part:
    return Part(picture)


def turned(asked: Asked, pages: int) -> Asked:
    """The same, some pages further on."""
    return replace(asked, offset=max(0, asked.offset + pages * PAGE))
