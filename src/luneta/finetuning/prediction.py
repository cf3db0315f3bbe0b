"""What a fine-tuning will take, as it is told beforehand, and how far such predictions were off."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luneta.cost import PeakOf
from luneta.errors import ArtifactError
from luneta.finetuning.messages import FINETUNING
from luneta.ledger import read_ledger
from luneta.wording import translator_of, written

SHORTEST_S = 10.0
"""Of less nothing more is told: it is over while one wonders, and other work on the machine decides how soon."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is left of a fine-tuning once its parts are known: training, validations, mixtures, proof.

    Attributes:
        seconds: altogether.
        seconds_by_part: "loading", "features", "steps", "mining", "validations", "checkpoints", "mixtures" and "proof".
        n_steps: of the training, or what is left of it.
        peak_mib: the most memory, as `luneta.cost.Peak` counts it: on a CPU of the whole process.
        usd, brl: None where no price or rate is known.
        device: "cpu" or the GPU's name.
        last_off: how far the last prediction on this device was off: 0.1 when it took a tenth longer than predicted;
            None where there was none.
        peak_of: what the memory is of; "process" is an upper bound.
    """

    seconds: float
    seconds_by_part: Mapping[str, float]
    n_steps: int
    peak_mib: float
    usd: float | None
    brl: float | None
    device: str
    last_off: float | None
    peak_of: PeakOf = "run"

    def __str__(self) -> str:
        """
        >>> print(Prediction(720, {}, 300, 1126, 0.02, None, "cpu", None))
        about 12 minutes, 1.1 GiB of memory for the whole process, 0.020 USD (the first prediction on this device)
        >>> print(Prediction(4, {}, 3, 500, None, None, "cpu", None))
        less than 10 seconds, 500 MiB of memory for the whole process (the first prediction on this device)
        """
        return self.said("en")

    def said(self, locale: str) -> str:
        """In a language, in one line."""
        t = translator_of(locale, FINETUNING)
        gib = self.peak_mib >= 1000
        size = f"{self.peak_mib / 1024:.1f} GiB" if gib else f"{self.peak_mib:.0f} MiB"
        memory = t(f"finetuning_memory_{self.peak_of}", n=written(size, locale))
        money = "".join(
            f", {written(f'{value:.3f}', locale)} {name}"
            for value, name in ((self.usd, "USD"), (self.brl, "BRL"))
            if value is not None
        )
        if self.last_off is None:
            last = t("finetuning_first")
        else:
            longer = "finetuning_longer" if self.last_off >= 0 else "finetuning_shorter"
            last = t(longer, share=f"{100 * abs(self.last_off):.0f}")
        if self.seconds < SHORTEST_S:
            time = t("finetuning_less_than", n=f"{SHORTEST_S:.0f}")
        else:
            amount, unit = duration(self.seconds)
            time = t("finetuning_about", n=written(amount, locale), unit=t(f"finetuning_{unit}"))
        return t("finetuning_predicted", time=time, memory=memory, money=money, last=last)

    def facts(self) -> dict[str, Any]:
        """For the ledger, beside what will have been true."""
        return {"predicted_s": self.seconds, "predicted_mib": self.peak_mib, "predicted_usd": self.usd}


def last_off(device: str) -> float | None:
    """How much longer the last run on a device took than was predicted, as a share; from the ledger.

    Runs that were over in less than `SHORTEST_S`, as was predicted, say nothing.
    """
    try:
        entries = read_ledger()
    except ArtifactError:
        return None
    for entry in reversed(entries):
        facts = entry.facts
        if entry.kind != "finetune":  # a re-ranker's predictions are another matter
            continue
        if entry.status == "finished" and facts.get("device") == device and facts.get("actual_s"):
            actual, predicted = float(facts["actual_s"]), float(facts["predicted_s"])
            if max(actual, predicted) >= SHORTEST_S:
                return actual / predicted - 1
    return None


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a training that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="luneta-") as folder:
        yield Path(folder) / "training"


def duration(seconds: float) -> tuple[str, str]:
    """
    >>> [duration(s) for s in (0.4, 42, 100, 720, 9000)]
    [('1', 'second'), ('42', 'seconds'), ('1.7', 'minutes'), ('12', 'minutes'), ('2.5', 'hours')]
    """
    if seconds < 60:
        n = max(1, round(seconds))
        return str(n), "seconds" if n > 1 else "second"
    value, unit = (seconds / 60, "minutes") if seconds < 3600 else (seconds / 3600, "hours")
    return (f"{value:.0f}" if value >= 10 else f"{value:.1f}"), unit
