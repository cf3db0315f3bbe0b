"""What the training of a re-ranker will take, from a few steps of it that leave no trace."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from luneta.cost import Prices
from luneta.finetuning.messages import FINETUNING
from luneta.finetuning.prediction import duration
from luneta.rerank.messages import RERANK
from luneta.rerank.pictures import Pictures
from luneta.rerank.search import Found
from luneta.rerank.training import ElipTraining
from luneta.wording import translator_of, written

REHEARSED = 3
"""Steps that are tried, beside a first one, which is slower."""

_SAMPLE = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """What is left of a training once its parts are known: pictures, steps, measurements, the choice.

    Attributes:
        seconds: altogether.
        disk_mib: of pictures that are kept in files while it lasts; gone when it has ended.
        usd, brl: None where no price or rate is known.
    """

    seconds: float
    disk_mib: float
    usd: float | None
    brl: float | None

    def __str__(self) -> str:
        """
        >>> print(Plan(720, 2500, 0.02, None))
        about 12 minutes, 2.4 GiB of disk while it lasts, 0.020 USD
        """
        return self.said("en")

    def said(self, locale: str) -> str:
        """In a language, in one line."""
        t = translator_of(locale, RERANK, FINETUNING)
        disk = f"{self.disk_mib / 1024:.1f} GiB" if self.disk_mib >= 1000 else f"{self.disk_mib:.0f} MiB"
        money = [
            f", {written(f'{value:.3f}', locale)} {name}"
            for value, name in ((self.usd, "USD"), (self.brl, "BRL"))
            if value is not None
        ]
        amount, unit = duration(self.seconds)
        return t("rerank_about", n=written(amount, locale), unit=t(f"finetuning_{unit}"), disk=written(disk, locale),
                 money="".join(money))  # fmt: skip


def rehearse(training: ElipTraining, found: Found, device: str, prices: Prices) -> Plan:
    """Try a little of everything and reckon the rest; the guide is as it was afterwards.

    Args:
        training: that is planned, its pictures not computed yet.
        found: what the encoder alone finds on the validation part, on which is chosen in the end.
        device: "cpu" or the GPU's name.
        prices: of its hours.
    """
    recipe, elip = training.recipe, training.elip
    n_pictures = len(training.pictures.images) + len(training.watched.images)
    picture_s, picture_bytes = _of_a_picture(training.pictures)
    before = copy.deepcopy(elip.guide.state_dict())
    optimizer = training.optimizer()
    training.step(0, optimizer)
    step_s = _seconds(lambda: [training.step(1 + n, optimizer) for n in range(REHEARSED)]) / REHEARSED
    elip.guide.load_state_dict(before)
    few = training.validation.sample(4, recipe.seed)
    pair_s = _seconds(lambda: elip.rescore(few.queries, training.watched, few.candidates)) / few.candidates.size
    n_validations = -(-recipe.steps // recipe.steps_between())
    n_pairs = n_validations * training.validation.candidates.size + 2 * found.candidates.size
    kept = n_pictures if elip.tower.insert_layer else 0
    seconds = kept * picture_s + recipe.steps * step_s + n_pairs * pair_s
    price = prices.of(seconds, device)
    usd, brl = (None if price[name] is None else float(str(price[name])) for name in ("usd", "brl"))
    return Plan(seconds, kept * picture_bytes / 2**20, usd, brl)


def _of_a_picture(pictures: Pictures) -> tuple[float, float]:
    """Seconds for one to be read and to come to the block of the prompts, and bytes of what is kept of it."""
    sample = np.linspace(0, len(pictures.images) - 1, min(_SAMPLE, len(pictures.images))).astype(np.int64)
    pictures.of(sample[:1])  # the first is slower
    start = time.perf_counter()
    found = pictures.of(sample)
    return (time.perf_counter() - start) / len(sample), found.states.nbytes / len(sample)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
