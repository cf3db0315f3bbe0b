"""What a training will take, from a few steps of it that leave no trace."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from luneta.cost import Prices, device_name, peak_memory
from luneta.data.dataset import ImageTextDataset
from luneta.finetuning import keeping
from luneta.finetuning.interpolation import ALPHAS
from luneta.finetuning.material import KEPT_BYTES, Material, size_of
from luneta.finetuning.prediction import Prediction, last_off
from luneta.finetuning.recipe import Recipe
from luneta.finetuning.trainer import RandomState
from luneta.finetuning.training import Training
from luneta.threads import available
from luneta.types import Side, Trainable

PROBE_STEPS = 20
LONGEST_SHARE = 0.1
"""A probe is no more than this share of the training's steps."""

_SAMPLE = 32
_WRITTEN = 64 * 2**20
"""Bytes that are written to see how fast that goes."""

_SIDES: tuple[Side, Side] = ("image", "text")


@dataclass(frozen=True)
class Work:
    """What a fine-tuning has to do beside its training.

    Attributes:
        kept: other data sets that mixtures are measured on.
        proved: what before and after are measured on.
        opening_s: seconds that opening the encoder up has taken.
        begun: folder of the training; what is there already is not done again.
    """

    kept: Sequence[ImageTextDataset]
    proved: Sequence[ImageTextDataset]
    opening_s: float = 0.0
    begun: Path | None = None

    def n_done(self, training: Training) -> int:
        """Steps."""
        return 0 if self.begun is None else keeping.n_done(self.begun, training.n_steps, training.recipe.patience)

    def has(self, pattern: str) -> int:
        """How many files of that kind there are."""
        return 0 if self.begun is None else len(list(self.begun.glob(pattern)))


def predict(training: Training, work: Work, prices: Prices) -> Prediction:
    """Rehearse some steps of a training and reckon the rest.

    Args:
        training: one of its own, that is thrown away after this: its model changes. Random states are put back.
        work: what else has to be done.
        prices: of the device's hours.
    """
    trainable = training.trainable
    device = str(next(trainable.model.parameters()).device)
    with peak_memory(device) as peak, _random_states_put_back():
        start_mib = peak.mib()
        pace = _pace(trainable, training.dataset, training.folder)
        rehearsed = _rehearse(training, pace)
        peak_mib = peak.mib() if device.startswith("cuda") else _most_mib(
            training, work, rehearsed, pace, start_mib, peak.mib()
        )  # fmt: skip
    by_part = _seconds_by_part(training, work, rehearsed, pace)
    seconds, name = sum(by_part.values()), device_name(device)
    price = prices.of(seconds, name)
    usd, brl = (None if price[unit] is None else float(str(price[unit])) for unit in ("usd", "brl"))
    n_left = training.n_steps - work.n_done(training)
    return Prediction(seconds, by_part, n_left, peak_mib, usd, brl, name, last_off(name), peak.of)


@dataclass(frozen=True, slots=True)
class _Rehearsed:
    """What some steps have shown.

    Attributes:
        step_s: of a step, its pictures ready.
        first_s: by how much the first is slower.
        keeps_pictures: whether all are prepared once only.
        kept_bytes: of pictures that the rehearsal has kept.
        trained_bytes: of the parameters that are trained.
    """

    step_s: float
    first_s: float
    keeps_pictures: bool
    kept_bytes: int
    trained_bytes: int


def _seconds_by_part(
    training: Training, work: Work, rehearsed: _Rehearsed, pace: Mapping[str, float]
) -> dict[str, float]:
    recipe, data, validation = training.recipe, training.dataset, training.validation.dataset
    n_done, weights = work.n_done(training), _bytes(training.trainable.model)
    n_left = training.n_steps - n_done
    n_validations = recipe.n_validations(training.n_steps) - n_done // recipe.steps_between(training.n_steps)
    n_minings = max(0, recipe.n_minings(training.n_steps, len(training.plan)) - work.has("negatives-*.npy"))
    checkpoint = weights + (2 + 1 + (recipe.ema is not None)) * rehearsed.trained_bytes  # optimizer, best, average
    return {
        "loading": 2 * work.opening_s + pace["writing"] * weights,
        "features": sum(
            _features_s(side, data, pace) for side in recipe.cached if not work.has(f"features-{side}-*.npy")
        ),
        "steps": n_left * rehearsed.step_s + bool(n_left) * rehearsed.first_s
        + _n_prepared(training, n_left, rehearsed) * pace["preparing"],
        "mining": n_minings * sum(_features_s(side, data, pace) for side in _SIDES if side not in recipe.cached),
        "validations": n_validations * _vectors_s(validation, pace, recipe) + pace["preparing"] * validation.n_images,
        "checkpoints": n_validations * pace["writing"] * checkpoint,
        "mixtures": sum(
            len(ALPHAS) * _vectors_s(one, pace, recipe) + pace["preparing"] * one.n_images
            for one in (validation, *work.kept)
        ),
        "proof": (2 if n_done == 0 else 1)  # vectors of before are kept
        * sum(_features_s(side, one, pace) for one in work.proved for side in _SIDES),
    }  # fmt: skip


def _n_prepared(training: Training, n_steps: int, rehearsed: _Rehearsed) -> int:
    """Pictures that are decoded in so many steps."""
    if "image" in training.recipe.cached:
        return 0
    n = n_steps * training.plan.batch_size
    return min(n, training.dataset.n_images) if rehearsed.keeps_pictures else n


def _most_mib(
    training: Training, work: Work, rehearsed: _Rehearsed, pace: Mapping[str, float], start_mib: float, peak_mib: float
) -> float:
    """Memory of the process: in the steps, with what the rehearsal did not hold; or where weights are mixed, with those
    before and after and the mixture in memory."""
    weights, picture = _bytes(training.trainable.model), pace["bytes"]
    cached = "image" in training.recipe.cached
    kept = 0.0 if cached or training.recipe.augment else min(KEPT_BYTES, picture * training.dataset.n_images)
    watched = 0.0 if cached else picture * training.validation.dataset.n_images
    mixing = start_mib + (3 * weights + watched + picture * (not cached) * sum(d.n_images for d in work.kept)) / 2**20
    learning = peak_mib + (weights + watched + max(0.0, kept - rehearsed.kept_bytes)) / 2**20
    return max(learning, mixing)


def _pace(trainable: Trainable, data: ImageTextDataset, folder: Path) -> dict[str, float]:
    """Seconds for one picture to be prepared, for one picture and one text to go through a tower, and for a byte to be
    written; and bytes of a picture."""
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
    pace["writing"] = _writing_s(trainable.model, folder)
    return pace


def _writing_s(model: nn.Module, folder: Path) -> float:
    """Seconds for a byte of weights to be on the disk."""
    some, n = {}, 0
    for name, tensor in model.state_dict().items():
        some[name], n = tensor.contiguous(), n + tensor.nbytes
        if n >= _WRITTEN:
            break
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "written"
    start = time.perf_counter()
    save_file(some, path)
    seconds = time.perf_counter() - start
    path.unlink()
    return seconds / n


def _rehearse(training: Training, pace: Mapping[str, float]) -> _Rehearsed:
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
        trained_bytes = sum(parameter.nbytes for parameter in keeping.trained(trainer.model).values())
    step_s = statistics.fmean(seconds[1:])
    first_s = max(0.0, seconds[0] - step_s)
    return _Rehearsed(step_s, first_s, _keeps_pictures(material, pace), material.kept_bytes, trained_bytes)


def _bytes(model: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in model.state_dict().values())


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
