"""The bundles of a server: opened, warmed, and exchanged when they have been brought up to date."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from luneta.artifacts import read_json
from luneta.bundles.bundle import Bundle
from luneta.bundles.files import RECORD
from luneta.errors import ConfigError, LunetaError
from luneta.search import Query, Searcher, Wish
from luneta.serving import facts
from luneta.serving.engines import (
    Engine,
    Observe,
    ServingSearcher,
    answered_alone,
    batchers,
)
from luneta.serving.observing import note_failure
from luneta.serving.settings import Settings

logger = logging.getLogger("luneta")

Stamp = tuple[int, int, int]

WARM_TEXT = "a picture"


@dataclass(frozen=True, eq=False)
class Served:
    """One bundle as it is now.

    Attributes:
        name: that clients call it by.
        searcher: answers from it.
        stamp: of its record on the disk; another one says that it has been replaced.
    """

    name: str
    searcher: ServingSearcher
    stamp: Stamp

    @property
    def bundle(self) -> Bundle:
        return self.searcher.bundle

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        return {"name": self.name, **facts.facts(self.bundle)}

    @property
    def short_facts(self) -> Mapping[str, Any]:
        return {name: value for name, value in self.facts.items() if name not in ("columns", "calibration")}


class Bundles:
    """The bundles of a server by name; the first is the one that is meant where none is named.

    Args:
        searchers: one for each name.
        settings: of the server.
        crowd: how many requests are worked on now.
        observe: called with what was computed together, and how many.

    Raises:
        ConfigError: there is none, or a name cannot stand in an address.
    """

    def __init__(
        self, searchers: Mapping[str, Searcher], settings: Settings, crowd: Callable[[], int], observe: Observe
    ) -> None:
        if not searchers:
            raise ConfigError("there is no bundle to serve")
        for name in searchers:
            if not name or "/" in name or not name.isprintable():
                raise ConfigError(f"a bundle cannot be called {name!r}: its name stands in addresses")
        self._make = batchers(settings, crowd, observe)
        self._engines: dict[str, Engine] = {}
        self._alone = self._make(answered_alone, name="re-ranking", gather=False)
        self._lock, self._warm = threading.Lock(), False
        self._served = {
            name: self._taken(name, searcher, _stamp_as_opened(searcher.bundle)) for name, searcher in searchers.items()
        }

    # -- asked by requests -------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    @property
    def default(self) -> str:
        return next(iter(self._served))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._served)

    def get(self, name: str) -> Served | None:
        """A bundle as it is now; what holds it keeps it as it is, whatever happens on the disk."""
        return self._served.get(name)

    def places(self) -> Mapping[str, str]:
        """Folders of this machine, as messages may name them -> what clients call the bundles there."""
        folders = {served.name: served.bundle.folder for served in self}
        return {str(path): name for name, place in folders.items() for path in (place, place.absolute())}

    def waiting(self) -> Mapping[str, int]:
        """How many items wait to be computed, by what is computed."""
        found = {"re-ranking": len(self._alone), "queries": 0, "texts": 0, "pictures": 0}
        for engine in tuple(self._engines.values()):
            for what, batcher in engine.batchers.items():
                found[what] += len(batcher)
        return found

    # -- opening -----------------------------------------------------------------------------------------------

    def _taken(self, name: str, searcher: Searcher, stamp: Stamp) -> Served:
        fingerprint = searcher.bundle.record["encoder"]["fingerprint"]
        if fingerprint in self._engines:
            self._engines[fingerprint].join(searcher)
        else:
            self._engines[fingerprint] = Engine(searcher, self._make)
        serving = ServingSearcher(
            searcher.bundle, searcher.encoder, searcher.reranker, searcher.device,
            engine=self._engines[fingerprint], alone=self._alone,
        )  # fmt: skip
        return Served(name, serving, stamp)

    def warm(self) -> None:
        """A query through everything, so that no client waits for what is loaded once; does so once.

        Raises:
            LunetaError: a bundle cannot be searched.
        """
        with self._lock:
            for served in () if self._warm else tuple(self):
                self._served[served.name] = new = self._renewed(served)  # it may have been replaced since it was opened
                if new is served:
                    warm(served)
            self._warm = True

    def refresh(self) -> list[str]:
        """Exchange bundles that have been replaced on the disk; names of those that were.

        Who is being answered goes on with the old one. One that cannot be opened now stays as it was, and is tried
        again. What read queries for bundles that nobody has any more is let go of.
        """
        changed = []
        with self._lock:
            for old in tuple(self):
                try:
                    new = self._renewed(old)
                except Exception as error:  # noqa: BLE001 - whatever it was, the others must not suffer for it
                    logger.warning("bundle %s cannot be opened again for now: %s", old.name, type(error).__name__)
                    if not isinstance(error, (LunetaError, OSError)):
                        note_failure(error)
                    continue
                if new is not old:
                    self._served[old.name] = new
                    changed.append(old.name)
                    logger.info("bundle %s is served as of %s", old.name, new.bundle.record["updated_at"])
            for fingerprint, engine in tuple(self._engines.items()):
                if not engine.users:
                    self._engines.pop(fingerprint).close()
        return changed

    def _renewed(self, old: Served) -> Served:
        folder, before = old.bundle.folder, old.searcher
        if (stamp := stamp_of(folder)) == old.stamp:
            return old
        bundle = Bundle.open(folder)
        same = bundle.record["encoder"]["fingerprint"] == old.bundle.record["encoder"]["fingerprint"]
        given = (before.encoder, before.reranker) if same else (None, None)
        new = self._taken(old.name, Searcher(bundle, *given, device=before.device), stamp)
        warm(new)
        return new

    def close(self) -> None:
        self._alone.close()
        for engine in self._engines.values():
            engine.close()


def stamp_of(folder: Path) -> Stamp:
    """What tells one record on the disk from the next."""
    facts = (folder / RECORD).stat()
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _stamp_as_opened(bundle: Bundle) -> Stamp:
    """That of the record a bundle was opened with; none that a file has where it has been replaced since."""
    stamp = stamp_of(bundle.folder)
    return stamp if read_json(bundle.folder / RECORD) == bundle.record else (0, 0, 0)


def warm(served: Served) -> None:
    """Map every file of a bundle into memory and load what reads queries.

    From then on nothing is opened by its name any more, so that a later update may take the files away.
    """
    from PIL import Image

    searcher, bundle = served.searcher, served.bundle.hold()
    vectors = searcher.vectors([Query.of(WARM_TEXT)], Wish())
    for side in bundle.sides:
        if bundle.n(side):
            searcher.answer_vectors([Query.of(WARM_TEXT)], vectors, Wish(target=side, top_k=1))
    bundle.thumbnails.get("")
    _ = bundle.calibration, bundle.source, served.facts
    try:
        searcher.encode_images([Image.new("RGB", (32, 32))])
        if bundle.record["reranker"] is not None:
            _ = searcher.reranked_with
    except LunetaError as error:
        logger.warning("bundle %s is searched by texts alone: %s", served.name, error)
