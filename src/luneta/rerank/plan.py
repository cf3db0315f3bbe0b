"""What the training of a re-ranker will take of time, disk and money, from a few steps of it that leave no trace."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from luneta.cost import Prices
from luneta.data.dataset import ImageTextDataset
from luneta.embedding import embed
from luneta.finetuning.messages import FINETUNING
from luneta.finetuning.prediction import duration
from luneta.grids import Grid
from luneta.ranking import top_k
from luneta.rerank.choosing import KS
from luneta.rerank.disk import DISKS, PAPER_PAIRS, SIDES, Sizes, said
from luneta.rerank.messages import RERANK
from luneta.rerank.pictures import PICTURES_BYTES, Pictures
from luneta.rerank.search import Found
from luneta.rerank.training import ElipTraining
from luneta.types import Encoder
from luneta.wording import translator_of, written

REHEARSED = 3
"""Steps that are tried, beside a first one, which is slower."""

_SAMPLE = 32


@dataclass(frozen=True, slots=True)
class Fit:
    """How much could be learnt from on a disk.

    Attributes:
        disk: bytes.
        keep: states are kept in files.
        n: {pixels of the longer side, None as they are: pictures}.
    """

    disk: float
    keep: bool
    n: Mapping[int | None, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training takes, or what is left of it: pictures, steps, measurements, the choice.

    Attributes:
        seconds: altogether.
        disk_mib: that is written while it lasts.
        usd, brl: None where no price or rate is known.
        seconds_by_part: "apart", "vectors" and "mining" of what comes before, where it is planned; "states", "steps",
            "measuring".
        bytes_by_part: "pictures", "vectors", "checkpoints", "states"; the first are there already, or to be fetched.
        on_the_fly: states do not fit and are computed anew whenever a picture is looked at.
        fits: what would fit on other disks.
    """

    seconds: float
    disk_mib: float
    usd: float | None
    brl: float | None
    seconds_by_part: Mapping[str, float] = field(default_factory=dict)
    bytes_by_part: Mapping[str, float] = field(default_factory=dict)
    on_the_fly: bool = False
    fits: Sequence[Fit] = ()

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

    def grids(self, locale: str = "en") -> list[Grid]:
        """What takes how much of time and disk; and what fits on which disk."""
        t = translator_of(locale, RERANK, FINETUNING)

        def time_of(part: str) -> str:
            if part not in self.seconds_by_part:
                return ""
            amount, unit = duration(self.seconds_by_part[part])
            return f"{written(amount, locale)} {t(f'finetuning_{unit}')}"

        names = [name for name in PARTS if name in self.seconds_by_part or name in self.bytes_by_part]
        rows = [
            (t(f"rerank_part_{name}"), time_of(name),
             written(said(self.bytes_by_part[name]), locale) if name in self.bytes_by_part else "")
            for name in names
        ]  # fmt: skip
        parts = Grid(
            title=t("rerank_plan"),
            header=("", t("rerank_time"), t("rerank_disk")),
            rows=tuple(rows),
            notes=(t("rerank_on_the_fly" if self.on_the_fly else "rerank_plan_note"),),
        )
        return [parts, self._fits_grid(locale)]

    def _fits_grid(self, locale: str) -> Grid:
        t = translator_of(locale, RERANK)

        def cell(n: int) -> str:
            count = f"{n / 1e6:.1f} M" if n >= 100_000 else f"{n:,}"
            return written(f"{count} ({min(1.0, n / PAPER_PAIRS):.0%})", locale)

        return Grid(
            title=t("rerank_fits"),
            header=(t("rerank_disk"), t("rerank_states"), t("rerank_as_they_are"), *(f"{side} px" for side in SIDES)),
            rows=tuple(
                (written(said(fit.disk), locale), t("rerank_kept" if fit.keep else "rerank_not_kept"),
                 *(cell(fit.n[side]) for side in (None, *SIDES)))
                for fit in self.fits
            ),
            notes=(t("rerank_fits_note"),),
            n_labels=2,
        )  # fmt: skip


PARTS = ("pictures", "apart", "vectors", "mining", "states", "steps", "measuring", "checkpoints")
"""Of a plan, in the order in which they come."""


def rehearse(
    training: ElipTraining, found: Found, device: str, prices: Prices, sizes: Sizes, kept: Sequence[str]
) -> Plan:
    """Try a little of everything and reckon the rest; the guide is as it was afterwards.

    Args:
        training: that is planned, its pictures not computed yet.
        found: what the encoder alone finds on the validation part, on which is chosen in the end.
        device: "cpu" or the GPU's name.
        prices: of its hours.
        sizes: of the whole, of which `training` may be a sample.
        kept: whose states are kept in files: "learnt", "watched".
    """
    recipe, elip = training.recipe, training.elip
    picture_s, picture_bytes = _of_a_picture(training.pictures)
    before = copy.deepcopy(elip.guide.state_dict())
    optimizer = training.optimizer()
    training.step(0, optimizer)
    stays = ("learnt" in kept and sizes.late) or sizes.n_learnt * picture_bytes <= PICTURES_BYTES
    if stays:  # each is read once, not at every step
        training.pictures.of(np.unique(np.concatenate([training.plan.lists(1 + n).images for n in range(REHEARSED)])))
    step_s = _seconds(lambda: [training.step(1 + n, optimizer) for n in range(REHEARSED)]) / REHEARSED
    elip.guide.load_state_dict(before)
    few = training.validation.sample(4, recipe.seed)
    pair_s = _seconds(lambda: elip.rescore(few.queries, training.watched, few.candidates)) / few.candidates.size
    n_validations = -(-recipe.steps // recipe.steps_between())
    grown = sizes.n_watched / len(training.watched.images)
    depth = max(found.k, min(max(KS), sizes.n_watched))
    n_watched_texts = min(recipe.validated, round(grown * len(found.queries)))
    n_pairs = n_validations * n_watched_texts * training.validation.k + 2 * grown * len(found.queries) * depth
    n_read = sizes.n_learnt * stays + sizes.n_watched
    by_part = {"states": n_read * picture_s, "steps": recipe.steps * step_s, "measuring": n_pairs * pair_s}
    on_the_fly = sizes.late and set(kept) != {"learnt", "watched"}
    return _plan(by_part, sizes.by_part(tuple(kept)), device, prices, on_the_fly, _fits(sizes))


def with_what_comes_before(
    plan: Plan, encoder: Encoder, data: ImageTextDataset, sizes: Sizes, apart_s: float, device: str, prices: Prices
) -> Plan:
    """A plan from the very start: keeping parts apart, vectors, what is taken for what.

    Args:
        plan: of what follows.
        encoder: that finds the candidates.
        data: a sample of what is learnt from.
        sizes: of the whole.
        apart_s: seconds of keeping parts apart, for the whole.
        device, prices: as in `rehearse`.
    """
    few = data.without_images(range(_SAMPLE, data.n_images)) if data.n_images > _SAMPLE else data
    embed(encoder, few.without_images(range(1, few.n_images)))  # the first is slower
    start = time.perf_counter()
    vectors = embed(encoder, few)
    each = (time.perf_counter() - start) / few.n_images  # a picture with its texts
    texts, images = (np.resize(side, (1000, side.shape[1])) for side in (vectors.texts, vectors.images))
    gpu = encoder.spec.device if encoder.spec.device.startswith("cuda") else None
    scored_s = _seconds(lambda: top_k(texts, images, 100, device=gpu)) / (len(texts) * len(images))
    before = {
        "apart": apart_s,
        "vectors": each * (sizes.n_learnt + sizes.n_watched),
        "mining": scored_s * sizes.n_texts * sizes.n_learnt,
    }
    return _plan({**before, **plan.seconds_by_part}, plan.bytes_by_part, device, prices, plan.on_the_fly, plan.fits)


def _plan(
    by_part: Mapping[str, float], sizes: Mapping[str, float], device: str, prices: Prices, on_the_fly: bool,
    fits: Sequence[Fit],
) -> Plan:  # fmt: skip
    seconds = sum(by_part.values())
    price = prices.of(seconds, device)
    usd, brl = (None if price[name] is None else float(str(price[name])) for name in ("usd", "brl"))
    disk = sum(n for name, n in sizes.items() if name != "pictures")
    return Plan(seconds, disk / 2**20, usd, brl, dict(by_part), dict(sizes), on_the_fly, fits)


def _fits(sizes: Sizes) -> tuple[Fit, ...]:
    sides = (None, *SIDES)
    return tuple(
        Fit(disk, keep, {side: sizes.fits(disk, side=side, keep=keep) for side in sides})
        for disk in DISKS
        for keep in ((False, True) if sizes.late else (False,))
    )


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
