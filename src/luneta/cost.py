"""What a run costs: time, memory, energy, money."""

from __future__ import annotations

import contextlib
import logging
import platform
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

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


@dataclass
class Meter:
    """What is used between its start and now.

    Attributes:
        device: "cpu" or the name of the GPU.
        wall_s: seconds so far, or of the whole once it has ended.
    """

    device: str = "cpu"
    _torch_device: str = "cpu"
    _start: float = field(default_factory=time.perf_counter)
    _tracker: Any = None

    @property
    def wall_s(self) -> float:
        return time.perf_counter() - self._start

    def peak_mib(self) -> float:
        """The most memory of the device in use.

        On a CPU the resident memory of the process at its highest so far, before the meter's start too: the system
        knows no other. On a GPU what PyTorch held of it since the start.
        """
        if self.device != "cpu":
            import torch

            return torch.cuda.max_memory_allocated(self._torch_device) / 2**20
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if platform.system() == "Darwin" else 2**10)

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
    name = device_name(device)
    if name != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    meter = Meter(name, device)
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
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    tracker = OfflineEmissionsTracker(country_iso_code="BRA", output_methods=[], log_level="critical")
    tracker.start()
    return tracker
