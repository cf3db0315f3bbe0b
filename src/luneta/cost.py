"""What a run costs: time, memory, energy, money."""

from __future__ import annotations

import contextlib
import logging
import platform
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from luneta.errors import ConfigError

PRICES_OF = "2026-11"
USD_PER_HOUR: Mapping[str, float] = {
    "H200": 3.50, "H100": 2.50, "A100": 1.50, "L40S": 1.00, "A10": 0.80, "A10G": 0.80, "L4": 0.70, "V100": 0.70,
    "4090": 0.50, "3090": 0.30, "T4": 0.35, "cpu": 0.10,
}  # fmt: skip
"""About what renting costs by the hour; a guess to begin with: say what you pay."""

GIVEN, OF_TABLE = "given", "table of "
"""Where a price is from, as `Prices.of` says: whoever ran it, or `USD_PER_HOUR` of a month."""


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
        rate, source = self.usd_per_hour, GIVEN
        if rate is None:
            words = re.split(r"[^a-z0-9]+", device.lower())  # whole words: an L40 is no L4
            name = next((name for name in USD_PER_HOUR if name.lower() in words), None)
            rate, source = (USD_PER_HOUR[name], f"{OF_TABLE}{PRICES_OF}") if name else (None, "not known")
        usd = None if rate is None else rate * seconds / 3600
        brl = None if usd is None or self.brl_per_usd is None else usd * self.brl_per_usd
        return {"usd_per_hour": rate, "price_from": source, "usd": usd, "brl": brl}


PeakOf = Literal["gpu", "run", "process"]
"""What the most memory in use is of: of a GPU, what PyTorch held; of the process, while the run went on; or, where the
system keeps no such peak, of the process since it began, which the run has not exceeded."""


@dataclass(eq=False)  # two that have seen the same are two
class Peak:
    """The most memory in use since a start; several may be watched at once, one inside the other.

    On a CPU resident memory of the whole process, libraries and all that was loaded before included. Linux lets its
    peak be forgotten at the start; elsewhere it is the process's, and the run's as soon as the run exceeds that.

    Attributes:
        device: PyTorch's name of it.
    """

    device: str
    _before: float = 0.0
    _forgotten: bool = False
    _highest: float = 0.0

    def mib(self) -> float:
        """So far."""
        self._highest = max(self._highest, _peak_mib(self.device))
        return self._highest

    @property
    def of(self) -> PeakOf:
        """What it is of."""
        if self.device.startswith("cuda"):
            return "gpu"
        return "run" if self._forgotten or self.mib() > self._before else "process"


_watched: list[Peak] = []
_watched_lock = threading.Lock()


@contextlib.contextmanager
def peak_memory(device: str) -> Iterator[Peak]:
    """Watch the most memory in use of a device."""
    with _watched_lock:
        for other in _watched:
            if other.device == device:
                other.mib()  # what it has seen is forgotten next
        peak = Peak(device, _peak_mib(device), _forget_peak(device))
        _watched.append(peak)
    try:
        yield peak
        peak.mib()
    finally:
        with _watched_lock:
            _watched.remove(peak)


def _peak_mib(device: str) -> float:
    """The most in use since it was last forgotten."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)


def _forget_peak(device: str) -> bool:
    """Whether the system lets it be forgotten."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        return True
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        return True
    return False


@dataclass
class Meter:
    """What is used between its start and now.

    Attributes:
        device: "cpu" or the name of the GPU.
        peak: of the memory in use.
        wall_s: seconds so far, or of the whole once it has ended.
    """

    device: str
    peak: Peak
    _start: float = field(default_factory=time.perf_counter)
    _tracker: Any = None

    @property
    def wall_s(self) -> float:
        return time.perf_counter() - self._start

    def energy_kwh(self) -> float | None:
        """From codecarbon, where it is installed (luneta[energy]): measured by RAPL and NVML, else from a table."""
        if self._tracker is None:
            return None
        self._tracker.flush()  # counts up to now; what it counted is told in no public way before it stops
        energy = getattr(getattr(self._tracker, "_total_energy", None), "kWh", None)
        return None if energy is None else float(energy)


def device_name(device: str) -> str:
    """The GPU's own name, or "cpu"."""
    if not device.startswith("cuda"):
        return "cpu"
    import torch

    return str(torch.cuda.get_device_name(device))


@contextlib.contextmanager
def metered(device: str) -> Iterator[Meter]:
    """Measure what a block uses; energy only where codecarbon is installed."""
    with peak_memory(device) as peak:
        meter = Meter(device_name(device), peak)
        meter._tracker = _energy_tracker()
        try:
            yield meter
        finally:
            if meter._tracker is not None:
                meter._tracker.stop()


def _energy_tracker() -> Any:
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError:
        return None
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    tracker = OfflineEmissionsTracker(country_iso_code="BRA", output_methods=[], log_level="critical")
    tracker.start()
    return tracker
