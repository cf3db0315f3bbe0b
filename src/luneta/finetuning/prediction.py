"""What a training will take, from a few steps of it that leave no trace."""

from __future__ import annotations

import contextlib
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch

from luneta.cost import Meter, Prices
from luneta.data.dataset import ImageTextDataset
from luneta.errors import ArtifactError
from luneta.finetuning.interpolation import ALPHAS
from luneta.finetuning.material import KEPT_BYTES, Material, size_of
from luneta.finetuning.messages import FINETUNING
from luneta.finetuning.recipe import Recipe
from luneta.finetuning.trainer import RandomState
from luneta.finetuning.training import Training
from luneta.ledger import read_ledger
from luneta.threads import available
from luneta.types import Side, Trainable
from luneta.wording import translator_of, written

PROBE_STEPS = 20
LONGEST_SHARE = 0.1
"""A probe is no more than this share of the training's steps."""

_SAMPLE = 32
_SIDES: tuple[Side, Side] = ("image", "text")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is left of a fine-tuning once its parts are known: training, validations, mixtures, proof.

    Attributes:
        seconds: altogether.
        seconds_by_part: "features", "steps", "mining", "validations", "mixtures" and "proof".
        n_steps: of the training.
        peak_mib: the most memory of the device.
        usd, brl: None where no price or rate is known.
        device: "cpu" or the GPU's name.
        last_off: how far the last prediction on this device was off: 0.1 when it took a tenth longer than predicted;
            None where there was none.
    """

    seconds: float
    seconds_by_part: Mapping[str, float]
    n_steps: int
    peak_mib: float
    usd: float | None
    brl: float | None
    device: str
    last_off: float | None

    def __str__(self) -> str:
        """
        >>> print(Prediction(720, {}, 300, 1126, 0.02, None, "cpu", 0.12))
        about 12 minutes, 1.1 GiB, 0.020 USD (the last prediction on this device: took 12 % longer)
        """
        return self.said("en")

    def said(self, locale: str) -> str:
        """In a language, in one line."""
        t = translator_of(locale, FINETUNING)
        gib = self.peak_mib >= 1000
        size = f"{self.peak_mib / 1024:.1f} GiB" if gib else f"{self.peak_mib:.0f} MiB"
        money = "".join(
            f", {value:.3f} {name}" for value, name in ((self.usd, "USD"), (self.brl, "BRL")) if value is not None
        )
        if self.last_off is None:
            last = t("finetuning_first")
        else:
            longer = "finetuning_longer" if self.last_off >= 0 else "finetuning_shorter"
            last = t(longer, share=f"{100 * abs(self.last_off):.0f}")
        amount, unit = duration(self.seconds)
        return t("finetuning_predicted", n=written(amount, locale), unit=t(f"finetuning_{unit}"),
                 memory=written(size, locale), money=written(money, locale) if money else "", last=last)  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """For the ledger, beside what will have been true."""
        return {"predicted_s": self.seconds, "predicted_mib": self.peak_mib, "predicted_usd": self.usd}


def predict(
    training: Training,
    kept: Sequence[ImageTextDataset],
    proved: Sequence[ImageTextDataset],
    meter: Meter,
    prices: Prices,
) -> Prediction:
    """Rehearse some steps of a training and reckon the rest.

    Args:
        training: one of its own, that is thrown away after this: its model changes. Random states are put back.
        kept: other data sets that mixtures are measured on.
        proved: what before and after are measured on.
        meter: that has run since before.
        prices: of the device's hours.
    """
    with _random_states_put_back():
        pace = _pace(training.trainable, training.dataset)
        steps, prepared = _rehearse(training, pace)
    recipe, validation = training.recipe, training.validation.dataset
    n_validations = recipe.n_validations(training.n_steps)
    by_part = {
        "features": sum(_features_s(side, training.dataset, pace) for side in recipe.cached),
        "steps": steps + prepared,
        "mining": recipe.n_minings(training.n_steps, len(training.plan))
        * sum(_features_s(side, training.dataset, pace) for side in _SIDES if side not in recipe.cached),
        "validations": n_validations * _vectors_s(validation, pace, recipe) + pace["preparing"] * validation.n_images,
        "mixtures": sum(
            len(ALPHAS) * _vectors_s(data, pace, recipe) + pace["preparing"] * data.n_images
            for data in (validation, *kept)
        ),
        "proof": 2 * sum(_features_s(side, data, pace) for data in proved for side in _SIDES),
    }  # fmt: skip
    seconds = sum(by_part.values())
    price = prices.of(seconds, meter.device)
    usd, brl = (None if price[name] is None else float(str(price[name])) for name in ("usd", "brl"))
    return Prediction(
        seconds, by_part, training.n_steps, meter.peak_mib(), usd, brl, meter.device, last_off(meter.device)
    )


def last_off(device: str) -> float | None:
    """How much longer the last run on a device took than was predicted, as a share; from the ledger."""
    try:
        entries = read_ledger()
    except ArtifactError:
        return None
    for entry in reversed(entries):
        facts = entry.facts
        if entry.status == "finished" and facts.get("device") == device and facts.get("actual_s"):
            return float(facts["actual_s"]) / float(facts["predicted_s"]) - 1
    return None


def _pace(trainable: Trainable, data: ImageTextDataset) -> dict[str, float]:
    """Seconds for one picture to be prepared, and for one picture and one text to go through a tower."""
    towers = trainable.towers
    device = next(trainable.model.parameters()).device
    pictures = [data.images[int(i)] for i in np.linspace(0, data.n_images - 1, min(_SAMPLE, data.n_images))]
    texts = [data.texts[int(i)] for i in np.linspace(0, data.n_texts - 1, min(_SAMPLE, data.n_texts))]
    start = time.perf_counter()
    with ThreadPoolExecutor(available()) as pool:  # as in training
        prepared = list(pool.map(lambda ref: trainable.prepare_image(ref.open()), pictures))
    pace = {"preparing": (time.perf_counter() - start) / len(pictures), "bytes": float(size_of(prepared[0]))}
    inputs = {"image": trainable.image_inputs(prepared), "text": trainable.text_inputs(trainable.token_ids(texts))}
    trainable.model.eval()
    for side, read in (("image", towers.image_features), ("text", towers.text_features)):
        batch = {name: tensor.to(device) for name, tensor in inputs[side].items()}
        n = len(next(iter(batch.values())))
        with torch.no_grad():
            width = read({name: tensor[:1] for name, tensor in batch.items()}).shape[1]  # the first is slower
            start = time.perf_counter()
            read(batch).sum().item()
        pace[side], pace[f"{side} width"] = (time.perf_counter() - start) / n, float(width)
    return pace


def _rehearse(training: Training, pace: Mapping[str, float]) -> tuple[float, float]:
    """Seconds that all steps will take, and those of preparing their pictures."""
    data, recipe = training.dataset, training.recipe
    rows = {"image": data.n_images, "text": data.n_texts}
    noise = {side: np.ones((rows[side], int(pace[f"{side} width"])), dtype=np.float32) for side in recipe.cached}
    with training.prepared(noise) as (trainer, material, _):
        optimizer = trainer.create_optimizer()
        n = max(3, min(PROBE_STEPS, round(LONGEST_SHARE * training.n_steps)))
        seconds = []
        dealt = replace(training.plan, neighbours=None)  # at random, which takes as long and needs no mining
        for pairs in islice(chain.from_iterable(repeat(dealt)), n):
            batch = material.__getitems__(pairs)
            start = time.perf_counter()
            trainer.training_step(trainer.model, batch).item()
            optimizer.step()
            optimizer.zero_grad()
            seconds.append(time.perf_counter() - start)
    per_step = statistics.fmean(seconds[1:])  # the first is slower
    steps = per_step * training.n_steps
    if "image" in recipe.cached:
        return steps, 0.0
    n_prepared = training.n_steps * training.plan.batch_size
    if _keeps_pictures(material, pace):
        n_prepared = min(n_prepared, data.n_images)
    return steps, n_prepared * pace["preparing"]


def _keeps_pictures(material: Material, pace: Mapping[str, float]) -> bool:
    return material.augmentation is None and pace["bytes"] * len(material) <= KEPT_BYTES


def _features_s(side: Side, data: ImageTextDataset, pace: Mapping[str, float]) -> float:
    if side == "text":
        return pace["text"] * data.n_texts
    return (pace["preparing"] + pace["image"]) * data.n_images


def _vectors_s(data: ImageTextDataset, pace: Mapping[str, float], recipe: Recipe) -> float:
    """A validation, its pictures prepared."""
    n: dict[Side, int] = {"image": data.n_images, "text": data.n_texts}
    return sum(pace[side] * n[side] for side in n if side not in recipe.cached)


@contextlib.contextmanager
def _random_states_put_back() -> Iterator[None]:
    ours, pythons, numpys = RandomState(), random.getstate(), np.random.get_state()  # noqa: NPY002 - others use it
    try:
        yield
    finally:
        ours.restore()
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002


@contextlib.contextmanager
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
