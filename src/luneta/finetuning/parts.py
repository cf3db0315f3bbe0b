"""Who learns, who validates: parts that share nothing, of pictures that can be read."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from luneta.artifacts import hash_json
from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.groups import Groups, find_groups
from luneta.decoding import in_order
from luneta.errors import ConfigError, DatasetError, ImageError, did_you_mean
from luneta.finetuning.recipe import Method
from luneta.progress import track
from luneta.threads import available
from luneta.types import CuttingEncoder, Encoder, ImageRef
from luneta.wording import FirstFew

logger = logging.getLogger("luneta")

VAL_SHARE = 0.1
MOST_VALIDATED = 1000
"""Images of the validation part that recall is measured on in training; more would cost time and change little."""

Mask = NDArray[np.bool_]

FEW: Mapping[Method, int] = {"full": 300, "lora": 100, "lit": 300, "head": 20}
"""Of fewer images a method learns more by heart than it understands."""


@dataclass(frozen=True)
class Parts:
    """What is learnt from and what is validated on.

    Attributes:
        train, validation: nothing is in both.
        groups: (n_images,) of the training part: images that are the same thing have one number.
        n_leaked: images left out of it because the validation or test part has the same thing.
    """

    train: ImageTextDataset
    validation: ImageTextDataset
    groups: Indexes
    n_leaked: int

    @property
    def fingerprint(self) -> str:
        """Hex digest of what is learnt from, what is validated on, and what is the same thing."""
        return hash_json([self.train.fingerprint, self.validation.fingerprint, self.groups.tolist()])


@dataclass(frozen=True)
class Kept:
    """A data set on which nothing should be forgotten, in two parts that share nothing with each other.

    Attributes:
        deciding: which mixture of the weights is kept is decided on it, among others.
        proving: what was forgotten is measured on it; None where there is too little for both.
    """

    deciding: ImageTextDataset
    proving: ImageTextDataset | None


def apart(
    train: ImageTextDataset,
    validation: ImageTextDataset | None,
    tests: Sequence[ImageTextDataset],
    near: bool,
    seed: int,
    max_bad_share: float = 0.01,
) -> Parts:
    """Training and validation parts that share nothing with each other nor with the test part.

    Args:
        train, validation, tests: as `finetune` takes them.
        near: near-identical pictures are the same thing.
        seed: of what is taken out for validation.
        max_bad_share: more training pictures than this share (and more than one) that cannot be read are too many.

    Raises:
        DatasetError: nothing is left to learn from or to validate on, too many pictures cannot be read, or texts are
            judged queries.
    """
    others = [data for data in (validation, *tests) if data is not None]
    if asked := [data.name for data in (train, *others) if data.judged]:
        raise DatasetError(f"the texts of {asked[0]} are queries that pictures were judged for: it can be measured on, "
                           "not learnt from; take pictures with captions")  # fmt: skip
    groups = find_groups([train, *others], near=near, seed=seed)
    unreadable = _unreadable(groups, 0) if near else broken_pictures(train)
    _check_readable(unreadable, train, max_bad_share)
    own = groups.image_groups[0]
    elsewhere = np.unique(
        np.concatenate([np.empty(0, dtype=np.int64), *groups.image_groups[1:], *groups.text_groups[1:]])
    )
    leaked = np.isin(own, elsewhere)
    broken = np.zeros(len(own), dtype=bool)
    broken[list(unreadable)] = True
    dropped = leaked | broken
    if leaked.any():
        logger.warning(
            "training images left out, since the validation or test part has the same picture or caption: %d of %d",
            int(leaked.sum()), len(own),
        )  # fmt: skip
    if dropped.all():
        raise DatasetError(
            f"nothing is left of {train.name} to learn from: the validation and test parts hold all of it"
        )
    kept = np.flatnonzero(~dropped)
    learnt = train.without_images(np.flatnonzero(dropped).tolist()) if dropped.any() else train
    own = own[kept]
    if validation is not None:
        held_apart = untested(validation, groups, 1)
        held = _only(validation, held_apart, max_bad_share, _unreadable(groups, 1) if near else None)
        return Parts(learnt, sample(held, seed), own, int(leaked.sum()))
    held_out = _held_out(own, seed)
    inside = learnt.without_images(np.flatnonzero(held_out).tolist())
    outside = learnt.without_images(np.flatnonzero(~held_out).tolist())
    return Parts(inside, sample(outside, seed), own[~held_out], int(leaked.sum()))


def _unreadable(groups: Groups, dataset: int) -> dict[int, str]:
    """Images of a data set that cannot be decoded, and why; known where all have been decoded to be compared."""
    return {item.index: reason for item, reason in groups.unreadable.items() if item.dataset == dataset}


def untested(validation: ImageTextDataset, groups: Groups, place: int) -> Mask:
    """Of the validation part, what the test parts do not hold.

    Checkpoint and mixture are chosen on it: chosen on the pictures of the proof, they would flatter it.

    Args:
        validation: the part.
        groups: of it and the test parts.
        place: of the part among what was grouped; those behind it are test parts.

    Returns:
        (n_images,) which images may decide.

    Raises:
        DatasetError: none.
    """
    tested = [*groups.image_groups[place + 1 :], *groups.text_groups[place + 1 :]]
    shared = np.isin(groups.image_groups[place], np.concatenate([np.empty(0, dtype=np.int64), *tested]))
    if shared.all():
        raise DatasetError(
            f"nothing is left of {validation.name} to validate on: the test part holds all of it. Take other pictures, "
            "or name none: a tenth of the training part is taken"
        )
    if shared.any():
        logger.warning(
            "validation images left out, since the test part has the same picture or caption: %d of %d",
            int(shared.sum()), len(shared),
        )  # fmt: skip
    return np.asarray(~shared, dtype=bool)


def not_learnt(
    keep: Sequence[ImageTextDataset],
    parts: Parts,
    tests: Sequence[ImageTextDataset],
    near: bool,
    seed: int,
    max_bad_share: float = 0.01,
) -> list[Kept]:
    """Of other data sets, the pictures that are not learnt from: on those alone can be seen what is forgotten.

    Pictures of the test parts prove and decide nothing, those of the validation part decide and prove nothing; of the
    others so many prove that it is half, if they can. Captions join nothing here: of other languages or styles they are
    other captions of the same pictures.

    Args:
        keep: the data sets.
        parts: what is learnt from and validated on.
        tests: what the proof of the training is measured on.
        near: near-identical pictures are the same thing.
        seed: of the search for them, and of the pictures that are measured where there are many.
        max_bad_share: as `apart` takes it.

    Raises:
        DatasetError: nothing is left of one of them, or nothing that may decide, or too much cannot be read.
    """
    if not keep:
        return []
    sets = [parts.train, *keep, parts.validation, *tests]
    groups = find_groups(sets, near=near, captions=False, seed=seed)
    found = groups.image_groups
    learnt, decides = found[0], found[1 + len(keep)]
    tested = np.concatenate([np.empty(0, dtype=np.int64), *found[2 + len(keep) :]])
    left = []
    for number, (data, own) in enumerate(zip(keep, found[1:], strict=False), start=1):
        shared = np.isin(own, learnt)
        if shared.all():
            raise DatasetError(
                f"nothing is left of {data.name} to see on what is forgotten: all its pictures are learnt from. Take a "
                "split or pictures that are not in the training part"
            )
        if shared.any():
            logger.info(
                "%s: recall is measured on %d of %d images; the others are learnt from",
                data.name, int((~shared).sum()), len(shared),
            )  # fmt: skip
        proving = _proving(own, ~shared, np.isin(own, tested), np.isin(own, decides), seed)
        deciding = ~shared & ~proving
        if not deciding.any():
            raise DatasetError(
                f"all pictures of {data.name} that are not learnt from are in the test part, which decides nothing; "
                "take more of its pictures"
            )
        broken = _unreadable(groups, number) if near else None
        decider = sample(_only(data, deciding, max_bad_share, broken), seed)
        left.append(Kept(decider, _only(data, proving, max_bad_share, broken) if proving.any() else None))
    return left


def _only(
    data: ImageTextDataset, chosen: Mask, max_bad_share: float, broken: Mapping[int, str] | None
) -> ImageTextDataset:
    """The chosen images, as far as they can be read.

    Args:
        data: of which they are.
        chosen: (n_images,).
        max_bad_share: above this share of the chosen ones, unreadable ones are too many.
        broken: images that cannot be decoded, and why; None looks.

    Raises:
        DatasetError: they are too many, or all.
    """
    left = data if chosen.all() else data.without_images(np.flatnonzero(~chosen).tolist())
    if broken is None:
        here = broken_pictures(left)
    else:
        place = np.cumsum(chosen) - 1
        here = {int(place[index]): reason for index, reason in broken.items() if chosen[index]}
    _check_readable(here, left, max_bad_share)
    return left.without_images(list(here)) if here else left


def _proving(groups: Indexes, unlearnt: Mask, tested: Mask, decides: Mask, seed: int) -> Mask:
    """Which of the pictures that were not learnt from prove, by whole groups: half of them, if they may."""
    proving = unlearnt & tested & ~decides
    others, sizes = np.unique(groups[unlearnt & ~proving & ~decides], return_counts=True)
    order = np.random.default_rng(seed).permutation(len(others))
    missing = unlearnt.sum() // 2 - proving.sum()
    n = int(np.searchsorted(np.cumsum(sizes[order]), missing)) + 1 if missing > 0 else 0
    most = len(others) if (unlearnt & decides).any() else len(others) - 1
    return np.asarray(proving | (unlearnt & np.isin(groups, others[order[: max(0, min(n, most))]])), dtype=bool)


def _held_out(groups: Indexes, seed: int) -> Any:
    """Whole groups, a tenth of the images or a little more, never more than half."""
    rng = np.random.default_rng(seed)
    sizes = np.bincount(groups)
    chosen = np.zeros(len(sizes), dtype=bool)
    n = 0
    for group in rng.permutation(np.flatnonzero(sizes)).tolist():
        if n >= VAL_SHARE * len(groups):
            break
        if n + sizes[group] <= len(groups) / 2:
            chosen[group] = True
            n += int(sizes[group])
    if not n or n == len(groups):
        raise DatasetError("the images are one group, so that no validation part can be taken out; name one yourself")
    return chosen[groups]


def broken_pictures(data: ImageTextDataset) -> dict[int, str]:
    """Images that cannot be decoded, and why."""

    def problem(ref: ImageRef) -> str | None:
        try:
            ref.open()
        except ImageError as error:
            return error.reason
        return None

    found: dict[int, str] = {}
    with track("looking at pictures", data.n_images) as advance:
        for index, reason in enumerate(in_order(problem, data.images, available(), 64)):
            if reason is not None:
                found[index] = reason
            advance(1)
    return found


def _check_readable(broken: Mapping[int, str], data: ImageTextDataset, max_bad_share: float) -> None:
    if broken:
        labels = FirstFew([data.images[i].label for i in broken])
        logger.warning(
            "%s: images left out, since they cannot be read: %d of %d (%s)",
            data.name,
            len(broken),
            data.n_images,
            labels,
        )
    if len(broken) > max(1, max_bad_share * data.n_images) or len(broken) == data.n_images:
        named = "; ".join(f"{data.images[i].label}: {reason}" for i, reason in list(broken.items())[:3])
        raise DatasetError(
            f"{len(broken)} of {data.n_images} images of {data.name} cannot be read ({named}). Repair or remove "
            "them; luneta profile lists them all"
        )


def relevance_of(data: ImageTextDataset, column: str) -> NDArray[np.float32]:
    """(n_images,) how much the pairs of each image count, from a metadata column; 1 on average.

    Raises:
        ConfigError: there is no such column.
        DatasetError: a value is no number of at least 0, or none is above 0.
    """
    if column not in data.rows.column_names:
        raise ConfigError(
            f"{data.name} has no column {column!r} for the relevance. {did_you_mean(column, data.rows.column_names)}"
        )
    values = np.full(data.n_images, np.nan)
    for image, value in enumerate(data.rows.column(column).take(pa.array(data.image_rows)).to_pylist()):
        with contextlib.suppress(TypeError, ValueError):
            values[image] = float(value)
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad) or not values.any():
        where = f"that of {data.images[int(bad[0])].label} is not" if len(bad) else "and some above it: all are 0"
        raise DatasetError(f"{data.name}: the relevance in {column!r} must be numbers of at least 0, {where}")
    counted: NDArray[np.float32] = (values / values.mean()).astype(np.float32)
    return counted


def warn_of_little(train: ImageTextDataset, method: Method) -> None:
    """Say so when there is less to learn from than the method needs."""
    if train.n_images >= FEW[method]:
        return
    facts = (train.name, train.n_images, FEW[method], method)
    if method == "head":
        logger.warning("%s has %d images to learn from; of fewer than about %d, method=%r learns more by heart than it "
                       "understands: collect more", *facts)  # fmt: skip
    else:
        logger.warning("%s has %d images to learn from; of fewer than about %d, method=%r learns more by heart than it "
                       "understands: take method='head', which changes least; or collect more", *facts)  # fmt: skip


def warn_of_cut_captions(encoder: Encoder, train: ImageTextDataset) -> int:
    """Say so when the encoder does not read all of some captions; how many these are."""
    n = encoder.n_truncated(train.texts) if isinstance(encoder, CuttingEncoder) else 0
    if n:
        logger.warning(
            "training captions longer than %s reads, whose end is not learnt: %d of %d (%.1f %%). Shorten them, or "
            "divide them into several captions", encoder.spec.name, n, train.n_texts, 100 * n / train.n_texts,
        )  # fmt: skip
    return n or 0


def sample(data: ImageTextDataset, seed: int) -> ImageTextDataset:
    if data.n_images <= MOST_VALIDATED:
        return data
    chosen = np.random.default_rng(seed).permutation(data.n_images)[MOST_VALIDATED:]
    return data.without_images(chosen.tolist())
