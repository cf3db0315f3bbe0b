"""finetune(encoder, data): better weights for one's own pairs, proved on a test part that shares nothing with them."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from luneta.artifacts import write_json, write_text
from luneta.comparison import Comparison, compare
from luneta.cost import Prices, entered
from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.groups import Groups, find_groups
from luneta.encoders.registry import load_encoder
from luneta.errors import ConfigError, DatasetError, EncoderError
from luneta.evaluation import evaluate
from luneta.finetuning.card import card
from luneta.finetuning.interpolation import TARGET, Point, choose, curve, mixed
from luneta.finetuning.recipe import Recipe
from luneta.finetuning.training import Training, claim
from luneta.finetuning.validation import Validation
from luneta.results import Evaluation
from luneta.types import Encoder, TrainableEncoder

if TYPE_CHECKING:
    from rich.console import RenderableType

logger = logging.getLogger("luneta")

SCHEMA = "luneta.finetuning/1"
VAL_SHARE = 0.1
MOST_VALIDATED = 1000
"""Images of the validation part that recall is measured on in training; more would cost time and change little."""


@dataclass(frozen=True)
class FineTuning:
    """What came out of a fine-tuning.

    Attributes:
        folder: of the checkpoint: an ordinary one of transformers, which `load_encoder` takes by its path.
        encoder: the new one.
        recipe: how it was trained.
        curve: mixtures of the weights before and after: what was learnt against what was forgotten.
        chosen: the mixture that was kept.
        n_steps: that were done.
        n_train, n_val: images.
        n_leaked: images that were left out of training because the validation or test part has the same thing.
        n_truncated: captions that are longer than the encoder reads.
        before, after: results on the test part; None where there was none.
        cost: of everything: wall_s, usd, brl, energy_kwh, peak_mib, device.
    """

    folder: Path
    encoder: Encoder
    recipe: Recipe
    curve: Sequence[Point]
    chosen: Point
    n_steps: int
    n_train: int
    n_val: int
    n_leaked: int
    n_truncated: int
    before: Evaluation | None
    after: Evaluation | None
    cost: Mapping[str, Any]

    @property
    def comparison(self) -> Comparison | None:
        """After against before, query by query, on the test part."""
        return None if self.before is None or self.after is None else compare([self.after, self.before])

    def __rich__(self) -> RenderableType:
        from luneta.finetuning.tables import finetuning_view

        return finetuning_view(self)

    def to_dict(self) -> dict[str, Any]:
        """Schema luneta.finetuning/1."""
        return {
            "schema": SCHEMA,
            "encoder": {"name": self.encoder.spec.name, "fingerprint": self.encoder.spec.fingerprint},
            "recipe": self.recipe.to_dict(),
            "n_steps": self.n_steps,
            "n_train": self.n_train,
            "n_val": self.n_val,
            "n_leaked": self.n_leaked,
            "n_truncated": self.n_truncated,
            "alpha": self.chosen.alpha,
            "curve": [{"alpha": point.alpha, "recalls": dict(point.recalls)} for point in self.curve],
            "cost": dict(self.cost),
        }


def finetune(
    encoder: Encoder,
    train: ImageTextDataset,
    *,
    out: str | os.PathLike[str],
    recipe: Recipe | None = None,
    validation: ImageTextDataset | None = None,
    test: ImageTextDataset | None = None,
    keep: Sequence[ImageTextDataset] = (),
    allowed_loss: float = 0.03,
    near: bool = True,
    prices: Prices | None = None,
) -> FineTuning:
    """Fine-tune an encoder on pairs of images and texts.

    What the validation and test parts hold, or anything near it, is taken out of the training part first. Steps that
    were done are on the disk: a run that was killed goes on when it is called again with the same arguments.

    Args:
        encoder: what `load_encoder` returns.
        train: what to learn from.
        out: folder of the result: `model/` (the checkpoint), `finetuning.json`, `before.json` and `after.json`.
        recipe: how; None trains everything with careful defaults.
        validation: what recall is measured on as it goes; None takes a tenth of `train`, by groups.
        test: what the proof is measured on, before and after; None gives no proof.
        keep: data sets whose recall should not fall: other languages, other styles.
        allowed_loss: how much recall@1 on any of `keep` may fall.
        near: look for near-identical pictures too when parts are kept apart, which decodes every picture.
        prices: of the machine's hours.

    Raises:
        ConfigError: an encoder that cannot be trained, a recipe that does not fit, a folder that holds other things.
        DatasetError: nothing is left to learn from.
        TrainingError: the training came to nothing.
    """
    recipe, out = recipe or Recipe(), Path(out)
    if not isinstance(encoder, TrainableEncoder):
        raise ConfigError(f"{encoder.spec.name} cannot be fine-tuned: only checkpoints of transformers can")
    if not encoder.spec.fingerprint:
        raise EncoderError(f"{encoder.spec.name} has no fingerprint, so that its training cannot be told from another")
    about = {"encoder": encoder.spec.name, "data": train.name, "method": recipe.method, "out": str(out)}
    with entered("finetune", about, device=encoder.spec.device, prices=prices or Prices()) as facts:
        identity = {
            "encoder": encoder.spec.fingerprint,
            "data": [None if data is None else data.fingerprint for data in (train, validation, test, *keep)],
            "recipe": recipe.to_dict(),
            "allowed_loss": allowed_loss,
        }
        claim(out, identity)
        parts = _apart(train, validation, test, near, recipe.seed)
        trainable = encoder.trainable()
        measured_on = {TARGET: Validation(trainable, parts.validation, recipe.cached)}
        for data in keep:
            measured_on[_name_of(data, measured_on)] = Validation(trainable, _sample(data, recipe.seed), recipe.cached)
        start = {name: tensor.detach().cpu().clone() for name, tensor in trainable.model.state_dict().items()}
        training = Training(trainable, parts.train, parts.groups, measured_on[TARGET], recipe, out / "training")
        end = training.run()
        points = curve(trainable.model, start, end, measured_on)
        chosen = choose(points, allowed_loss)
        facts.update(recall_before=points[0].recalls[TARGET], recall_after=chosen.recalls[TARGET], alpha=chosen.alpha)
        trainable.save(out / "model", mixed(start, end, chosen.alpha), card="")
        tuned = load_encoder(str(out / "model"), device=encoder.spec.device)
        before, after = (None if test is None else evaluate(one, test) for one in (encoder, tuned))
    found = FineTuning(
        folder=out / "model", encoder=tuned, recipe=recipe, curve=points, chosen=chosen, n_steps=training.n_done,
        n_train=parts.train.n_images, n_val=parts.validation.n_images, n_leaked=parts.n_leaked,
        n_truncated=trainable.n_truncated(parts.train.texts), before=before, after=after, cost=facts,
    )  # fmt: skip
    for name, result in (("before", before), ("after", after)):
        if result is not None:
            result.save(out / f"{name}.json")
    write_text(found.folder / "README.md", card(found, encoder.spec, train))
    write_json(out / "finetuning.json", found.to_dict())
    shutil.rmtree(out / "training", ignore_errors=True)
    return found


@dataclass(frozen=True)
class _Parts:
    train: ImageTextDataset
    validation: ImageTextDataset
    groups: Indexes
    n_leaked: int


def _apart(
    train: ImageTextDataset,
    validation: ImageTextDataset | None,
    test: ImageTextDataset | None,
    near: bool,
    seed: int,
) -> _Parts:
    """Training and validation parts that share nothing with each other nor with the test part."""
    others = [data for data in (validation, test) if data is not None]
    groups = find_groups([train, *others], near=near, seed=seed)
    _check_readable(groups, train)
    own = groups.image_groups[0]
    elsewhere = np.unique(
        np.concatenate([np.empty(0, dtype=np.int64), *groups.image_groups[1:], *groups.text_groups[1:]])
    )
    leaked = np.isin(own, elsewhere)
    broken = np.zeros(len(own), dtype=bool)
    broken[[item.index for item in groups.unreadable if item.dataset == 0]] = True
    dropped = leaked | broken
    if leaked.any():
        logger.warning(
            "%d of %d training images are left out: the validation or test part has the same picture or caption",
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
        return _Parts(learnt, _sample(validation, seed), own, int(leaked.sum()))
    held_out = _held_out(own, seed)
    inside = learnt.without_images(np.flatnonzero(held_out).tolist())
    outside = learnt.without_images(np.flatnonzero(~held_out).tolist())
    return _Parts(inside, _sample(outside, seed), own[~held_out], int(leaked.sum()))


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


def _check_readable(groups: Groups, train: ImageTextDataset) -> None:
    n_broken = sum(item.dataset == 0 for item in groups.unreadable)
    if n_broken > max(1, 0.01 * train.n_images):
        reasons = list(dict.fromkeys(groups.unreadable.values()))[:3]
        raise DatasetError(
            f"{n_broken} of {train.n_images} images of {train.name} cannot be read ({'; '.join(reasons)})"
        )


def _sample(data: ImageTextDataset, seed: int) -> ImageTextDataset:
    if data.n_images <= MOST_VALIDATED:
        return data
    chosen = np.random.default_rng(seed).permutation(data.n_images)[MOST_VALIDATED:]
    return data.without_images(chosen.tolist())


def _name_of(data: ImageTextDataset, taken: Mapping[str, Any]) -> str:
    name = " ".join(part for part in (data.name, data.split, data.language) if part)
    return name if name not in taken else f"{name} ({len(taken)})"
