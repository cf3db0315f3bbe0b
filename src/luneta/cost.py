"""What a run costs: time, memory, energy, money; and a ledger that forgets no run, failed ones least of all."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from luneta.errors import ArtifactError, ConfigError

LEDGER = "runs/ledger.jsonl"
"""Where runs are written down, unless LUNETA_LEDGER names another file."""

PRICES_OF = "2026-11"
USD_PER_HOUR: Mapping[str, float] = {
    "H200": 3.50, "H100": 2.50, "A100": 1.50, "L40S": 1.00, "A10": 0.80, "L4": 0.70, "V100": 0.70, "4090": 0.50,
    "3090": 0.30, "T4": 0.35, "cpu": 0.10,
}  # fmt: skip
"""About what renting costs by the hour; a guess to begin with: say what you pay."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What an hour costs.

    Attributes:
        usd_per_hour: of the machine; None takes a rough one from a small table, by the device's name.
        brl_per_usd: exchange rate; None gives no reais.
    """

    usd_per_hour: float | None = None
    brl_per_usd: float | None = None

    def __post_init__(self) -> None:
        for name in ("usd_per_hour", "brl_per_usd"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1e6:
                raise ConfigError(f"{name} is {value}, expected a price of at least 0")

    def of(self, seconds: float, device: str) -> dict[str, float | str | None]:
        """{"usd_per_hour", "price_from", "usd", "brl"} of a time on a device."""
        rate, source = self.usd_per_hour, "given"
        if rate is None:
            name = next((name for name in USD_PER_HOUR if name.lower() in device.lower()), None)
            rate, source = (USD_PER_HOUR[name], f"table of {PRICES_OF}") if name else (None, "not known")
        usd = None if rate is None else rate * seconds / 3600
        brl = None if usd is None or self.brl_per_usd is None else usd * self.brl_per_usd
        return {"usd_per_hour": rate, "price_from": source, "usd": usd, "brl": brl}


@dataclass
class Meter:
    """What is used between its start and now.

    Attributes:
        device: "cpu" or the name of the GPU.
        wall_s: seconds so far, or of the whole once it has ended.
    """

    device: str = "cpu"
    _start: float = field(default_factory=time.perf_counter)
    _tracker: Any = None

    @property
    def wall_s(self) -> float:
        return time.perf_counter() - self._start

    def peak_mib(self) -> float:
        """The most memory of the device in use: resident memory of the process, or what PyTorch held of the GPU."""
        if self.device != "cpu":
            import torch

            return torch.cuda.max_memory_allocated() / 2**20
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if platform.system() == "Darwin" else 2**10)

    def energy_kwh(self) -> float | None:
        """From codecarbon, where it is installed (luneta[energy]): measured by RAPL and NVML, else from a table."""
        if self._tracker is None:
            return None
        energy = self._tracker.flush() or self._tracker.final_emissions_data.energy_consumed
        return float(self._tracker.final_emissions_data.energy_consumed) if energy is not None else None


def device_name(device: str) -> str:
    """The GPU's own name, or "cpu"."""
    if not device.startswith("cuda"):
        return "cpu"
    import torch

    return str(torch.cuda.get_device_name(device))


@contextlib.contextmanager
def metered(device: str) -> Iterator[Meter]:
    """Measure what a block uses; energy only where codecarbon is installed."""
    name = device_name(device)
    if name != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats()
    meter = Meter(name)
    tracker = _energy_tracker()
    meter._tracker = tracker
    try:
        yield meter
    finally:
        if tracker is not None:
            tracker.stop()


def _energy_tracker() -> Any:
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError:
        return None
    tracker = OfflineEmissionsTracker(country_iso_code="BRA", save_to_file=False, log_level="critical")
    tracker.start()
    return tracker


# -- the ledger --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One run, as the ledger knows it.

    Attributes:
        id: of the run.
        kind: "finetune", "evaluate", ...
        status: "finished", "failed", "interrupted", or "killed": it began and never said that it ended.
        started_at: UTC.
        facts: everything else that was written down, costs included.
    """

    id: str
    kind: str
    status: str
    started_at: str
    facts: Mapping[str, Any]


def ledger_path() -> Path:
    return Path(os.environ.get("LUNETA_LEDGER", LEDGER))


@contextlib.contextmanager
def entered(kind: str, about: Mapping[str, Any], *, device: str, prices: Prices) -> Iterator[dict[str, Any]]:
    """Write a run down when it begins and when it ends, however it ends, with what it has cost.

    Yields:
        A record to which results can be added.
    """
    run = uuid.uuid4().hex[:12]
    facts: dict[str, Any] = {}
    _append({"id": run, "event": "start", "kind": kind, "at": _now(), "process": os.getpid(), **about})
    status = "failed"
    with metered(device) as meter:
        try:
            yield facts
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            seconds = meter.wall_s
            used = {
                "wall_s": seconds,
                "device": meter.device,
                "peak_mib": meter.peak_mib(),
                "energy_kwh": meter.energy_kwh(),
            }
            facts.update(used, **prices.of(seconds, meter.device))
            _append({"id": run, "event": "end", "status": status, "at": _now(), **facts})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _append(record: Mapping[str, Any]) -> None:
    path = ledger_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock"), path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
    except OSError as error:
        raise ArtifactError(
            f"the run cannot be written down in {path}: {error.strerror or error}. LUNETA_LEDGER names another file."
        ) from error


def read_ledger(path: Path | None = None) -> list[Entry]:
    """All runs in the order of their starts.

    Raises:
        ArtifactError: there is no ledger, or a line of it is damaged (the last one may be half: a crash).
    """
    path = ledger_path() if path is None else path
    if not path.is_file():
        raise ArtifactError(f"there is no ledger at {path}: no run has been written down yet")
    lines = path.read_text(encoding="utf-8").splitlines()
    starts: dict[str, dict[str, Any]] = {}
    ends: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            (starts if record["event"] == "start" else ends)[record["id"]] = record
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                continue
            raise ArtifactError(f"line {number} of {path} is damaged; repair or remove it") from error
    return [_entry(start, ends.get(run)) for run, start in starts.items()]


def _entry(start: Mapping[str, Any], end: Mapping[str, Any] | None) -> Entry:
    about = {key: value for key, value in start.items() if key not in ("id", "event", "kind", "at", "process")}
    after = {key: value for key, value in (end or {}).items() if key not in ("id", "event", "status", "at")}
    without_end = "running" if _is_alive(start.get("process")) else "killed"
    status = without_end if end is None else str(end["status"])
    return Entry(str(start["id"]), str(start["kind"]), status, str(start["at"]), {**about, **after})


def _is_alive(process: Any) -> bool:
    if not isinstance(process, int):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
