"""What the lab measures; measuring itself is the house's, this only puts the steps in a row and says how far it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from luneta.advice import Suggestion, advise
from luneta.artifacts import cache_dir, write_json
from luneta.bundles.items import names_of_images
from luneta.comparison import Comparison, compare
from luneta.data.dataset import ImageTextDataset
from luneta.data.references import EncodedImageRef
from luneta.data.sources import open_dataset
from luneta.encoders.presets import find_preset, list_encoders
from luneta.encoders.registry import load_encoder
from luneta.error_messages import error_in
from luneta.errors import LunetaError
from luneta.evaluation import measure
from luneta.hub_access import as_nobody
from luneta.profiling import Profile, profile
from luneta.progress import watch
from luneta.report.comparison import ComparisonSection
from luneta.report.evaluation import write_report
from luneta.report.profile import ProfileSection
from luneta.serving.observing import note_failure
from luneta.serving.pages.labels import translator
from luneta.serving.pages.refusals import Refusal
from luneta.serving.pages.shelf import touch
from luneta.serving.pages.uploads import Limits, laid_out
from luneta.serving.problems import Problem
from luneta.types import ImageRef
from luneta.wording import Locale

if TYPE_CHECKING:
    from PIL.Image import Image

    from luneta.results import Evaluation

Source = Literal["cenas", "hub", "folder", "upload"]
SOURCES: tuple[Source, ...] = get_args(Source)

MOST_ENCODERS = 6

CLOSING_S = 2.0
"""What measurements get to end in when the server is stopped."""

MOST_JOBS = 8
"""That are done or wait; more are told to come back."""

KEPT_S, MOST_KEPT = 6 * 3600, 100
"""Seconds for which reports can be downloaded, and how many."""

_HUB_DATA = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(:[\w.-]+)?")
_HUB_ENCODER = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")
_WORD = re.compile(r"[\w.-]{1,100}")
_COLUMNS = re.compile(r"[^/\\~\0]{1,500}")


@dataclass(frozen=True, slots=True)
class LabSettings:
    """What may be measured.

    Attributes:
        folders: data sets below this folder may be opened; None opens none of this machine's.
        max_upload_mib: of an uploaded data set.
        most_images: of any data set; larger ones are sampled.
        hub: data sets of the Hugging Face hub may be opened, as far as everybody may.
        encoders: that may be measured; None: every one with a short name, and those of the hub.
    """

    folders: Path | None = None
    max_upload_mib: float = 256.0
    most_images: int = 5000
    hub: bool = True
    encoders: tuple[str, ...] | None = None

    @property
    def max_bytes(self) -> int:
        return int(self.max_upload_mib * 2**20)

    @property
    def limits(self) -> Limits:
        return Limits(max_files=5 * self.most_images, max_bytes=8 * self.max_bytes)


@dataclass(frozen=True, slots=True)
class Task:
    """What somebody asks the lab.

    Attributes:
        source: kind of the data set.
        name: of it: of Cenas, of a repository, or of a folder below the lab's.
        uploads: paths of uploaded files.
        split, language, image, text: as in `open_dataset`; empty leaves them open.
        limit: pictures at most.
        encoders: by name.
    """

    source: Source
    name: str = ""
    uploads: tuple[str, ...] = ()
    split: str = ""
    language: str = ""
    image: str = ""
    text: str = ""
    limit: int = 200
    encoders: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, str]:
        """Those of `open_dataset` that were given."""
        given = {"split": self.split, "language": self.language, "image": self.image, "text": self.text}
        return {name: value for name, value in given.items() if value}

    @property
    def command(self) -> str | None:
        """What would measure the same in a terminal; None for an upload."""
        if self.source == "upload":
            return None
        words = ["luneta", "evaluate", self.name, *(f"--{name}={value}" for name, value in self.options.items())]
        return shlex.join([*words, f"--limit={self.limit}", *(f"--encoder={name}" for name in self.encoders)])


@dataclass(frozen=True)
class Outcome:
    """What was measured.

    Attributes:
        evaluations: one for each encoder.
        comparison: of two or more.
        report, results: files to take away.
        command: that measures the same.
    """

    evaluations: Sequence[Evaluation]
    profile: Profile
    comparison: Comparison | None
    advice: Sequence[Suggestion]
    report: Path
    results: Path
    command: str | None


class CancelledError(BaseException):
    """Somebody does not want it any more; no handler of errors may keep it."""


@dataclass
class Job:
    """One task at work in a thread of its own.

    Attributes:
        steps: what there is to do, in order: "data", names of encoders, "report".
        at: which of them is being done.
        stage, done, total: how far that is.
        outcome, error: how it ended.
    """

    steps: Sequence[str]
    at: int = 0
    stage: str = ""
    done: int = 0
    total: int | None = None
    outcome: Outcome | None = None
    error: BaseException | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def watcher(self, stage: str, done: int, total: int | None) -> None:
        """As `luneta.progress.watch` calls it."""
        self.check()
        self.stage, self.done, self.total = stage, done, total

    def begin(self, at: int) -> None:
        self.check()
        self.at, self.stage, self.done, self.total = at, "", 0, None

    def check(self) -> None:
        if self.cancelled.is_set():
            raise CancelledError

    @property
    def share(self) -> float:
        """Done so far, 0 to 1; every step counts as much."""
        inner = self.done / self.total if self.total else 0.0
        return min(1.0, (self.at + min(1.0, inner)) / len(self.steps))


class Lab:
    """Runs tasks, one at a time.

    Args:
        settings: what may be measured.
        root: below which files are kept while somebody looks at them.
    """

    def __init__(self, settings: LabSettings, root: Path) -> None:
        self.settings, self._root = settings, root
        self._one, self._changing = threading.Lock(), threading.Lock()
        self._jobs: list[Job] = []

    @property
    def sources(self) -> tuple[Source, ...]:
        missing = {"folder"} if self.settings.folders is None else set()
        missing |= set() if self.settings.hub else {"hub"}
        return tuple(source for source in SOURCES if source not in missing)

    def folders(self) -> list[str]:
        """Data sets that may be named: what lies directly in the lab's folder."""
        root = self.settings.folders
        if root is None or not root.is_dir():
            return []
        return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))[:200]

    def encoders(self) -> list[str]:
        """That are offered."""
        known, chosen = list_encoders(), self.settings.encoders
        return [preset.name for preset in known] if chosen is None else list(chosen)

    def start(self, task: Task, locale: Locale) -> Job:
        """Begin a task.

        Raises:
            Refusal: it cannot be one, or too many wait.
        """
        self._check(task)
        self._sweep()
        job = Job(["data", *task.encoders, "report"])
        with self._changing:
            self._jobs = [other for other in self._jobs if not other.ended.is_set()]
            if len(self._jobs) >= MOST_JOBS:
                raise Refusal("lab_busy", n=MOST_JOBS)
            self._jobs.append(job)
        threading.Thread(target=self._run, args=(job, task, locale), name="luneta-lab", daemon=True).start()
        return job

    def _sweep(self) -> None:
        """Forget what was measured long ago, and the oldest of very much."""
        made: list[tuple[float, Path]] = []
        for folder in self._root.glob("lab-*"):
            with contextlib.suppress(OSError):
                made.append((folder.stat().st_mtime, folder))
        for at, (when, folder) in enumerate(sorted(made, reverse=True)):
            if at >= MOST_KEPT or time.time() - when > KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Stop what is being measured; what it has written is taken away a moment later."""
        for job in self._jobs:
            job.cancelled.set()
        end = time.monotonic() + CLOSING_S
        for job in self._jobs:
            job.ended.wait(max(0.0, end - time.monotonic()))

    # -- what may be asked -------------------------------------------------------------------------------------

    def _check(self, task: Task) -> None:
        if task.source not in self.sources:
            raise Refusal("lab_no_source")
        if task.source == "hub" and not _HUB_DATA.fullmatch(task.name):
            raise Refusal("lab_hub_name")
        if task.source == "cenas" and not re.fullmatch(r"cenas(/[a-z]+)?(\+duplicates)?", task.name):
            raise Refusal("lab_no_source")
        for value in (task.split, task.language):
            if value and not _WORD.fullmatch(value):
                raise Refusal("lab_word", value=value[:40])
        for value in (task.image, task.text):
            if value and not _COLUMNS.fullmatch(value):
                raise Refusal("lab_column", value=value[:40])
        if not 2 <= task.limit <= self.settings.most_images:
            raise Refusal("lab_limit", n=self.settings.most_images)
        if not 1 <= len(task.encoders) <= MOST_ENCODERS or len(set(task.encoders)) < len(task.encoders):
            raise Refusal("lab_encoders", n=MOST_ENCODERS)
        known = self.settings.encoders
        for name in task.encoders:
            if known is not None and name not in known:
                raise Refusal("lab_encoder_here", name=name[:60], names=", ".join(known))
            unnamed = known is None and find_preset(name) is None
            if unnamed and (not _HUB_ENCODER.fullmatch(name) or os.path.exists(name)):
                raise Refusal("lab_encoder", name=name[:60])

    def _folder(self, name: str) -> Path:
        """A data set below the lab's folder.

        Raises:
            Refusal: there is none of that name, or it leads elsewhere.
        """
        root = self.settings.folders
        assert root is not None
        try:
            place = (root / name).resolve()
            inside = bool(name) and place.is_relative_to(root.resolve()) and place.exists()
        except (OSError, ValueError):
            inside = False
        if not inside:
            raise Refusal("lab_folder_missing", name=name[:60])
        return place

    # -- doing it ----------------------------------------------------------------------------------------------

    def _run(self, job: Job, task: Task, locale: Locale) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        unpacked = Path(tempfile.mkdtemp(prefix="lab-data-", dir=self._root))
        try:
            with self._alone(job), watch(job.watcher), as_nobody():
                job.outcome = self._measured(job, task, locale, unpacked / "upload" / "data")
        except BaseException as error:  # noqa: BLE001 - whoever waits for the job is told
            job.error = error
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
            job.ended.set()

    def _alone(self, job: Job) -> _Turn:
        return _Turn(self._one, job)

    def _measured(self, job: Job, task: Task, locale: Locale, unpacked: Path) -> Outcome:
        job.begin(0)
        data = self._opened(job, task, unpacked)
        found = profile(data)
        evaluations: list[Evaluation] = []
        for at, name in enumerate(task.encoders, start=1):
            job.begin(at)
            evaluations.append(measure(load_encoder(name), data, cache=task.source != "upload")[0])
        job.begin(len(job.steps) - 1)
        comparison = compare(evaluations) if len(evaluations) > 1 else None
        advice = advise(evaluations)
        out = Path(tempfile.mkdtemp(prefix="lab-", dir=self._root))
        report = write_report(
            out / "report.html", evaluations, advice=advice, command=task.command, locale=locale,
            extra=[*([ComparisonSection(comparison, data)] if comparison else []), ProfileSection(found)],
        )  # fmt: skip
        results = out / "results.json"
        write_json(results, _record(evaluations, comparison, found, advice))
        return Outcome(evaluations, found, comparison, advice, report, results, task.command)

    def _opened(self, job: Job, task: Task, unpacked: Path) -> ImageTextDataset:
        common: dict[str, Any] = {**task.options, "limit": task.limit}
        if task.source == "upload":
            for path in task.uploads:
                touch(path)
            unpacked.mkdir(parents=True)
            folder = laid_out(task.uploads, unpacked, self.settings.limits, job.check)
            return _without_paths(open_dataset(folder, within=unpacked, **common), Path(task.uploads[0]).name)
        if task.source == "folder":
            return _without_paths(open_dataset(self._folder(task.name), **common), task.name)
        return open_dataset(f"hub:{task.name}" if task.source == "hub" else task.name, **common)

    # -- telling -----------------------------------------------------------------------------------------------

    def told(self, error: BaseException, locale: Locale) -> str:
        """What went wrong, in a sentence, without a word of this machine."""
        if isinstance(error, Refusal):
            return translator(locale)(error.name, **error.parameters)
        if isinstance(error, LunetaError):
            return error_in(_without(str(error), self._places()), locale)
        if isinstance(error, CancelledError):
            return translator(locale)("lab_cancelled")
        note_failure(error)
        return str(Problem(500, "internal").body(locale)["detail"])

    def _places(self) -> Mapping[str, str]:
        folders = self.settings.folders
        places = {str(self._root): "lab", str(cache_dir()): "cache", os.path.expanduser("~"): "~"}
        return places if folders is None else {**places, str(folders.resolve()): folders.name}


def _without(text: str, places: Mapping[str, str]) -> str:
    """
    >>> _without("/tmp/x/lab-data-ab12/upload/data/a.csv has no rows; see /srv/data", {"/srv": "data sets"})
    'upload/a.csv has no rows; see data sets/data'
    """
    text = re.sub(r"[\w./-]*/lab-data-\w+/upload/data", "upload", text)
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    return text


@dataclass(frozen=True, slots=True)
class _Named:
    """A picture under another name; an `EncodedImageRef`."""

    label: str
    ref: EncodedImageRef

    def key(self) -> str:
        return self.ref.key()

    def read(self) -> Any:
        return self.ref.read()

    def open(self) -> Image:
        return self.ref.open()


def _without_paths(data: ImageTextDataset, name: str) -> ImageTextDataset:
    """The same under a name, its pictures named by where they lie in it: a report says nothing of this machine."""
    images: list[ImageRef] = [
        _Named(label, ref) if isinstance(ref, EncodedImageRef) else ref
        for label, ref in zip(names_of_images(data), data.images, strict=True)
    ]
    return replace(data, name=name, images=images)


class _Turn:
    """Waits for the lab to be free; whoever is cancelled waits no longer."""

    def __init__(self, lock: threading.Lock, job: Job) -> None:
        self._lock, self._job = lock, job

    def __enter__(self) -> None:
        while not self._lock.acquire(timeout=0.2):
            self._job.check()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _record(
    evaluations: Sequence[Evaluation], comparison: Comparison | None, found: Profile, advice: Sequence[Suggestion]
) -> dict[str, Any]:
    """Everything that was measured, for programs."""
    return {
        "schema": "luneta.lab/1",
        "evaluations": [evaluation.to_dict() for evaluation in evaluations],
        "comparison": None if comparison is None else comparison.to_dict(),
        "profile": found.to_dict(),
        "advice": [suggestion.to_dict() for suggestion in advice],
    }


async def until_ended(job: Job, every_s: float) -> AsyncIterator[Job]:
    """The job again and again, a last time when it has ended; no thread waits for it."""
    while not job.ended.is_set():
        yield job
        await asyncio.sleep(every_s)
    yield job
