"""The ledger: what every run has cost, failed, interrupted and killed ones least of all forgotten."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from luneta.cost import Meter, Prices, metered
from luneta.errors import ArtifactError
from luneta.types import DIRECTIONS

if TYPE_CHECKING:
    from luneta.embedding import Embeddings
    from luneta.results import Evaluation

logger = logging.getLogger("luneta")

LEDGER = "runs/ledger.jsonl"
"""Where runs are written down, unless LUNETA_LEDGER names another file."""

FIRST_BEAT_S = 20.0
"""After so long a run first says how long it has lasted, then ever more rarely: a killed one has a cost too."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One run, as the ledger knows it.

    Attributes:
        id: of the run.
        kind: "finetune", "evaluate", ...
        status: "finished", "failed", "interrupted", or "killed": it began and never said that it ended.
        started_at: UTC.
        facts: everything else that was written down, costs included; of runs without an end, what they had cost when
            they were last heard of.
    """

    id: str
    kind: str
    status: str
    started_at: str
    facts: Mapping[str, Any]


@dataclass
class Run:
    """A run that goes on.

    Attributes:
        meter: of what it uses.
        prices: of the device's hours.
        facts: results and costs, which are written down when it ends.
    """

    id: str
    meter: Meter
    prices: Prices
    _write: Callable[[Mapping[str, Any]], None]
    facts: dict[str, Any] = field(default_factory=dict)

    def cost(self) -> dict[str, Any]:
        """What it has taken: wall_s, device, peak_mib, peak_of, energy_kwh, usd_per_hour, price_from, usd, brl."""
        seconds, meter = self.meter.wall_s, self.meter
        memory = {"peak_mib": meter.peak.mib(), "peak_of": meter.peak.of}
        used = {"wall_s": seconds, "device": meter.device, **memory}
        return {**used, "energy_kwh": meter.energy_kwh(), **self.prices.of(seconds, meter.device)}

    def note(self, **facts: Any) -> None:
        """Write something down at once; where that is not possible, with the end of the run."""
        self.facts.update(facts)
        with contextlib.suppress(ArtifactError):
            self._write({"id": self.id, "event": "note", **facts})


_chosen: ContextVar[Path | None] = ContextVar("luneta_ledger", default=None)


def ledger_path() -> Path:
    """Where runs are written down: as `kept_in` says, else LUNETA_LEDGER, else `LEDGER`."""
    return _chosen.get() or Path(os.environ.get("LUNETA_LEDGER", LEDGER))


@contextlib.contextmanager
def kept_in(path: Path) -> Iterator[None]:
    """While it lasts runs of this context are written down there."""
    token = _chosen.set(path)
    try:
        yield
    finally:
        _chosen.reset(token)


def ledger_is_wanted() -> bool:
    """Whether somebody keeps a ledger here: commands that leave nothing else behind do not begin one."""
    return "LUNETA_LEDGER" in os.environ or ledger_path().is_file()


@contextlib.contextmanager
def entered(kind: str, about: Mapping[str, Any], *, device: str, prices: Prices, written: bool = True) -> Iterator[Run]:
    """Write a run down when it begins and when it ends, however it ends, with what it has cost.

    Args:
        kind: of the run.
        about: what is known of it at the start.
        device: that it runs on.
        prices: of the device's hours.
        written: False measures and writes nothing, as in all but one of several processes.

    Raises:
        ArtifactError: the ledger cannot be written when the run begins; when it ends, that is only a warning.
    """
    number = uuid.uuid4().hex[:12]
    path = ledger_path()  # once: threads know nothing of `kept_in`
    write = partial(_append, path) if written else _forget
    write({"id": number, "event": "start", "kind": kind, "at": _now(), "process": _myself(), **about})
    status, error = "failed", None
    with metered(device) as meter:
        run = Run(number, meter, prices, write)
        try:
            with _heard_of(run):
                yield run
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        except BaseException as problem:
            error = f"{type(problem).__name__}: {problem}"[:300]
            raise
        finally:
            run.facts.update(run.cost())
            said = {} if error is None else {"error": error}
            try:
                write({"id": run.id, "event": "end", "status": status, "at": _now(), **said, **run.facts})
            except ArtifactError as problem:  # the work is done, or an error of its own is on its way
                logger.warning("%s Without its end it counts as one that was killed.", problem)


@contextlib.contextmanager
def _heard_of(run: Run) -> Iterator[None]:
    """Note from time to time what a run has cost so far."""
    over = threading.Event()

    def listen() -> None:
        while not over.wait(max(FIRST_BEAT_S, run.meter.wall_s / 2)):
            with contextlib.suppress(ArtifactError):
                run._write({"id": run.id, "event": "note", **run.cost()})

    listener = threading.Thread(target=listen, name="luneta-ledger", daemon=True)
    listener.start()
    try:
        yield
    finally:
        over.set()
        listener.join()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _forget(record: Mapping[str, Any]) -> None:
    """A ledger without pages."""


def _append(path: Path, record: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock"), path.open("ab+") as stream:
            _end_last_line(stream)
            stream.write(json.dumps(record).encode() + b"\n")
    except OSError as error:
        raise ArtifactError(
            f"the run cannot be written down in {path}: {error.strerror or error}. LUNETA_LEDGER names another file."
        ) from error


def _end_last_line(stream: Any) -> None:
    """Cut half a line, left by a process that died in writing; end a whole one, as editors leave it."""
    stream.seek(0)
    content = stream.read()
    if not content or content.endswith(b"\n"):
        return
    start = content.rfind(b"\n") + 1
    try:
        json.loads(content[start:])
    except ValueError:
        stream.truncate(start)
    else:
        stream.write(b"\n")


def read_ledger(path: Path | None = None) -> list[Entry]:
    """All runs in the order of their starts.

    Raises:
        ArtifactError: there is no ledger, or a line of it is damaged (the last one may be half: a crash).
    """
    path = ledger_path() if path is None else path
    if not path.is_file():
        raise ArtifactError(f"there is no ledger at {path}: no run has been written down yet")
    lines = path.read_bytes().splitlines()
    starts: dict[str, dict[str, Any]] = {}
    later: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if record["event"] == "start":
                starts[record["id"]] = record
            else:
                later.setdefault(record["id"], {}).update(record)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number == len(lines):
                continue
            raise ArtifactError(f"line {number} of {path} is damaged; repair or remove it") from error
    return [_entry(start, later.get(run, {})) for run, start in starts.items()]


_OWN = ("id", "event", "kind", "at", "process", "status")


def _entry(start: Mapping[str, Any], later: Mapping[str, Any]) -> Entry:
    facts = {key: value for key, value in {**start, **later}.items() if key not in _OWN}
    without_end = "running" if _is_alive(start.get("process")) else "killed"
    status = str(later.get("status", without_end))
    return Entry(str(start["id"]), str(start["kind"]), status, str(start["at"]), facts)


def _myself() -> list[Any]:
    """Which process of which machine this is; numbers of processes are given again, but not with the same start."""
    return [platform.node(), os.getpid(), _start_of(os.getpid())]


def _start_of(process: int) -> int | None:
    """When a process started, in ticks of the machine; None where that cannot be read."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _is_alive(process: Any) -> bool:
    if not isinstance(process, list) or len(process) != 3 or process[0] != platform.node():
        return False
    try:
        os.kill(process[1], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return bool(_start_of(process[1]) == process[2])


@dataclass(frozen=True, slots=True)
class Total:
    """What runs have cost together.

    Attributes:
        n_runs: whatever became of them.
        n_at_least: among them, those that never said that they ended: what is known of them is a lower bound.
        wall_s, usd: seconds and dollars.
        energy_kwh, brl: None where no run has them.
        n_unpriced: runs without a price.
        n_without_reais: runs with a price in dollars alone, which `brl` leaves out.
    """

    n_runs: int
    n_at_least: int
    wall_s: float
    usd: float
    energy_kwh: float | None
    brl: float | None
    n_unpriced: int
    n_without_reais: int


def total(entries: Sequence[Entry], brl_per_usd: float | None = None) -> Total:
    """The sum over all runs: failed, interrupted and killed ones and evaluations too.

    Args:
        entries: of a ledger.
        brl_per_usd: exchange rate for runs that were written down without one.
    """

    def known(key: str) -> list[float]:
        return [float(entry.facts[key]) for entry in entries if entry.facts.get(key) is not None]

    reais = [value for entry in entries if (value := reais_of(entry, brl_per_usd)) is not None]
    n_priced = sum(entry.facts.get("usd") is not None or entry.facts.get("brl") is not None for entry in entries)
    return Total(
        n_runs=len(entries),
        n_at_least=sum(entry.status in ("killed", "running") for entry in entries),
        wall_s=sum(known("wall_s")),
        usd=sum(known("usd")),
        energy_kwh=sum(known("energy_kwh")) if known("energy_kwh") else None,
        brl=sum(reais) if reais else None,
        n_unpriced=len(entries) - len(known("usd")),
        n_without_reais=n_priced - len(reais),
    )


def reais_of(entry: Entry, brl_per_usd: float | None = None) -> float | None:
    """A run's cost in reais, by the rate it was written down with or else by the one given."""
    if entry.facts.get("brl") is not None:
        return float(entry.facts["brl"])
    usd = entry.facts.get("usd")
    return None if usd is None or brl_per_usd is None else float(usd) * brl_per_usd


def cached_images(embeddings: Embeddings) -> int:
    """Distinct pictures whose vectors were there before: what an evaluation did not have to pay."""
    return max(0, len(set(embeddings.dataset.image_keys)) - embeddings.cost.n_images_computed)


def quality(result: Evaluation) -> dict[str, Any]:
    """What the ledger keeps of an evaluation, beside its cost."""
    return {"protocol": result.protocol["hash"], "measured_on": result.dataset["name"], "recall": mean_recall(result)}


def mean_recall(result: Evaluation) -> float:
    """Recall@1, the mean of both directions."""
    return sum(result.metrics[direction]["recall@1"].value for direction in DIRECTIONS) / len(DIRECTIONS)
