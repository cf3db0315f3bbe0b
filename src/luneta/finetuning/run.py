"""finetune(encoder, data): better weights for one's own pairs, proved on a test part that shares nothing with them."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luneta.artifacts import write_json, write_text
from luneta.comparison import Comparison, compare
from luneta.cost import Prices, Run, entered, ledger_is_wanted, mean_recall, quality
from luneta.data.dataset import ImageTextDataset
from luneta.encoders.registry import load_encoder
from luneta.errors import ConfigError, EncoderError
from luneta.evaluation import evaluate
from luneta.finetuning import processes
from luneta.finetuning.card import card
from luneta.finetuning.claims import check_claim, claim
from luneta.finetuning.interpolation import TARGET, Point, choose, curve, mixed
from luneta.finetuning.keeping import last_checkpoint
from luneta.finetuning.parts import Parts, apart, not_learnt, warn_of_cut_captions, warn_of_little
from luneta.finetuning.prediction import Prediction, predict, scratch
from luneta.finetuning.recipe import Recipe
from luneta.finetuning.training import Training
from luneta.finetuning.validation import Validation
from luneta.grids import as_text
from luneta.results import Evaluation
from luneta.types import Encoder, TrainableEncoder

if TYPE_CHECKING:
    from rich.console import RenderableType

logger = logging.getLogger("luneta")

SCHEMA = "luneta.finetuning/1"
RESULT = "finetuning.json"


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

    def __str__(self) -> str:
        return as_text(self)

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
    max_bad_share: float = 0.01,
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
        keep: data sets whose recall should not fall: other languages, other styles. It is measured on what of them is
            not learnt from.
        allowed_loss: how much recall@1 on any of `keep` may fall.
        near: look for near-identical pictures too when parts are kept apart, which decodes every picture.
        max_bad_share: above this share of pictures that cannot be read, in the training or the test part, nothing is
            begun.
        prices: of the machine's hours.

    Raises:
        ConfigError: an encoder that cannot be trained, a recipe that does not fit, a folder that holds other things.
        DatasetError: nothing is left to learn from, to validate on or to measure of `keep`, or too many pictures
            cannot be read.
        TrainingError: the training came to nothing.
    """
    recipe, out = recipe or Recipe(), Path(out)
    if not isinstance(encoder, TrainableEncoder):
        raise ConfigError(f"{encoder.spec.name} cannot be fine-tuned: only checkpoints of transformers can")
    if not encoder.spec.fingerprint:
        raise EncoderError(f"{encoder.spec.name} has no fingerprint, so that its training cannot be told from another")
    loss: object = allowed_loss
    if not isinstance(loss, int | float) or not 0 <= allowed_loss <= 1:
        raise ConfigError(f"allowed_loss is {allowed_loss!r}, expected how much recall may fall: 0 to 1")
    prices = prices or Prices()
    about = {"encoder": encoder.spec.name, "data": train.name, "method": recipe.method, "out": str(out)}
    identity = {
        "encoder": encoder.spec.fingerprint,
        "data": [None if data is None else data.fingerprint for data in (train, validation, test, *keep)],
        "recipe": recipe.to_dict(),
        "allowed_loss": allowed_loss,
        "near": near,
    }
    check_claim(out, identity, RESULT)
    main = processes.is_main()
    with entered("finetune", about, device=encoder.spec.device, prices=prices, written=main) as run:
        plan = _plan(
            encoder, train, validation, test, keep, near=near, max_bad_share=max_bad_share, recipe=recipe
        )  # fmt: skip
        predicted = plan.predict(test, run, prices)
        logger.info("%s: %s", encoder.spec.name, predicted)
        start_s, resumed = time.perf_counter(), last_checkpoint(out / "training") is not None
        # First: a proof that cannot be given should not be found out after hours. Its vectors are kept.
        before = None if test is None else evaluate(encoder, test, max_bad_share=max_bad_share)
        trainable, parts = encoder.trainable(), plan.parts
        measured_on = {TARGET: Validation(trainable, parts.validation, recipe.cached)}
        for data in plan.kept:
            measured_on[_name_of(data, measured_on)] = Validation(trainable, data, recipe.cached)
        start = {name: tensor.detach().cpu().clone() for name, tensor in trainable.model.state_dict().items()}
        training = Training(trainable, parts.train, parts.groups, measured_on[TARGET], recipe, out / "training")
        claim(out, {**identity, "parts": parts.fingerprint}, RESULT)
        run.note(**predicted.facts())
        end = training.run()
        points = curve(trainable.model, start, end, measured_on)
        chosen = processes.of_main(choose(points, allowed_loss))
        run.facts.update(
            recall_before=points[0].recalls[TARGET], recall_after=chosen.recalls[TARGET], alpha=chosen.alpha
        )
        if main:
            trainable.save(out / "model", mixed(start, end, chosen.alpha), card="")
        processes.wait()
        tuned = load_encoder(str(out / "model"), dtype=encoder.spec.dtype, device=encoder.spec.device)
        after = None if test is None else evaluate(tuned, test, max_bad_share=max_bad_share)
        if before is not None and after is not None:
            run.facts.update(quality(after), recall_untrained=mean_recall(before))
        if not resumed:
            run.facts["actual_s"] = time.perf_counter() - start_s
    found = FineTuning(
        folder=out / "model", encoder=tuned, recipe=recipe, curve=points, chosen=chosen, n_steps=training.n_done,
        n_train=parts.train.n_images, n_val=parts.validation.n_images, n_leaked=parts.n_leaked,
        n_truncated=trainable.n_truncated(parts.train.texts), before=before, after=after, cost=run.facts,
    )  # fmt: skip
    if main:
        for name, result in (("before", before), ("after", after)):
            if result is not None:
                result.save(out / f"{name}.json")
        write_text(found.folder / "README.md", card(found, encoder.spec, train))
        write_json(out / RESULT, found.to_dict())
        shutil.rmtree(out / "training", ignore_errors=True)
    return found


def predict_cost(
    encoder: Encoder,
    train: ImageTextDataset,
    *,
    recipe: Recipe | None = None,
    validation: ImageTextDataset | None = None,
    test: ImageTextDataset | None = None,
    keep: Sequence[ImageTextDataset] = (),
    near: bool = True,
    max_bad_share: float = 0.01,
    prices: Prices | None = None,
) -> Prediction:
    """What `finetune` with the same arguments would take, from a rehearsal of a few steps.

    Raises:
        ConfigError, DatasetError: as `finetune`.
    """
    recipe, prices = recipe or Recipe(), prices or Prices()
    about = {"encoder": encoder.spec.name, "data": train.name, "method": recipe.method}
    with entered("predict", about, device=encoder.spec.device, prices=prices, written=ledger_is_wanted()) as run:
        plan = _plan(
            encoder, train, validation, test, keep, near=near, max_bad_share=max_bad_share, recipe=recipe
        )  # fmt: skip
        return plan.predict(test, run, prices)


@dataclass(frozen=True)
class _Plan:
    """What a training will learn from and be measured on, before any of it is done."""

    encoder: TrainableEncoder
    parts: Parts
    kept: Sequence[ImageTextDataset]
    recipe: Recipe

    def predict(self, test: ImageTextDataset | None, run: Run, prices: Prices) -> Prediction:
        """With a model of its own, which is gone before the training begins."""
        with scratch() as folder:
            trainable = self.encoder.trainable()
            validation = Validation(trainable, self.parts.validation, self.recipe.cached)
            training = Training(trainable, self.parts.train, self.parts.groups, validation, self.recipe, folder)
            return predict(training, self.kept, test, run.meter, prices)


def _plan(
    encoder: Encoder,
    train: ImageTextDataset,
    validation: ImageTextDataset | None,
    test: ImageTextDataset | None,
    keep: Sequence[ImageTextDataset],
    *,
    near: bool,
    max_bad_share: float,
    recipe: Recipe,
) -> _Plan:
    if not isinstance(encoder, TrainableEncoder):
        raise ConfigError(f"{encoder.spec.name} cannot be fine-tuned: only checkpoints of transformers can")
    parts = apart(train, validation, test, near, recipe.seed, max_bad_share)
    warn_of_little(parts.train, recipe.method)
    warn_of_cut_captions(encoder, parts.train)
    return _Plan(encoder, parts, not_learnt(keep, parts.train, near, recipe.seed), recipe)


def _name_of(data: ImageTextDataset, taken: Mapping[str, Any]) -> str:
    name = " ".join(part for part in (data.name, data.split, data.language) if part)
    return name if name not in taken else f"{name} ({len(taken)})"
