"""finetune(encoder, data): better weights for one's own pairs, proved on a test part that shares nothing with them."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luneta.artifacts import write_json, write_text
from luneta.comparison import Comparison
from luneta.cost import Prices
from luneta.data.dataset import ImageTextDataset
from luneta.encoders.registry import load_encoder
from luneta.errors import ConfigError, EncoderError
from luneta.evaluation import evaluate
from luneta.finetuning import processes
from luneta.finetuning.card import card
from luneta.finetuning.claims import check_claim, claimed
from luneta.finetuning.interpolation import TARGET, Point, choose, curve, mixed
from luneta.finetuning.keeping import last_checkpoint
from luneta.finetuning.parts import (
    Kept,
    Parts,
    apart,
    not_learnt,
    relevance_of,
    warn_of_cut_captions,
    warn_of_little,
)
from luneta.finetuning.prediction import Prediction, predict, scratch
from luneta.finetuning.proof import Proof, names_of, public_name, save_proofs
from luneta.finetuning.recipe import Recipe
from luneta.finetuning.training import Training
from luneta.finetuning.validation import Validation
from luneta.grids import as_text
from luneta.ledger import Run, entered, ledger_is_wanted, mean_recall, quality
from luneta.types import Encoder, Trainable, TrainableEncoder

if TYPE_CHECKING:
    from rich.console import RenderableType

logger = logging.getLogger("luneta")

SCHEMA = "luneta.finetuning/1"
RESULT = "finetuning.json"

OF_THE_MACHINE = ("micro_batch", "checkpointing", "log_to")
"""Choices that do not change what is learnt: a training may go on with others."""


@dataclass(frozen=True)
class FineTuning:
    """What came out of a fine-tuning.

    Attributes:
        folder: of the checkpoint: an ordinary one of transformers, which `load_encoder` takes by its path.
        encoder: the new one.
        recipe: how it was trained.
        base: name of the encoder that was fine-tuned, and `data`, of what it learnt from.
        curve: mixtures of the weights before and after: what was learnt against what was forgotten.
        chosen: the mixture that was kept.
        n_steps: that were done.
        history: what was measured on the way: "step" with "loss" or "recall".
        n_train, n_val: images.
        n_leaked: images that were left out of training because the validation or test part has the same thing.
        n_truncated: captions that are longer than the encoder reads.
        proofs: before and after on the test parts, and on what was not to be forgotten.
        cost: wall_s, usd, brl, energy_kwh, peak_mib, device; and whether it was "resumed": then of what came after
            that, and what earlier runs of it took stands in the ledger.
    """

    folder: Path
    encoder: Encoder
    recipe: Recipe
    base: str
    data: str
    curve: Sequence[Point]
    chosen: Point
    n_steps: int
    history: Sequence[Mapping[str, float]]
    n_train: int
    n_val: int
    n_leaked: int
    n_truncated: int
    proofs: Sequence[Proof]
    cost: Mapping[str, Any]

    @property
    def comparison(self) -> Comparison | None:
        """After against before, query by query, on the first test part; None where there was none."""
        return next((proof.comparison for proof in self.proofs if proof.learnt), None)

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
            "history": [dict(moment) for moment in self.history],
            "n_train": self.n_train,
            "n_val": self.n_val,
            "n_leaked": self.n_leaked,
            "n_truncated": self.n_truncated,
            "alpha": self.chosen.alpha,
            "curve": [{"alpha": point.alpha, "recalls": dict(point.recalls)} for point in self.curve],
            "proofs": [proof.to_dict() for proof in self.proofs],
            "cost": dict(self.cost),
        }


def finetune(
    encoder: Encoder,
    train: ImageTextDataset,
    *,
    out: str | os.PathLike[str],
    recipe: Recipe | None = None,
    validation: ImageTextDataset | None = None,
    test: ImageTextDataset | Sequence[ImageTextDataset] = (),
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
        out: folder of the result: `model/` (the checkpoint), `finetuning.json`, and `results/` of the proofs.
        recipe: how; None trains everything with careful defaults.
        validation: what recall is measured on as it goes; None takes a tenth of `train`, by groups.
        test: what the proof is measured on, before and after; several, as one in each language, give several.
        keep: data sets whose recall should not fall: other languages, other styles. Of what of them is not learnt from
            one half decides which mixture of before and after is kept, and the other proves what was forgotten.
        allowed_loss: how much recall@1 on the deciding half of any of `keep` may fall.
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
    recipe, out, prices, tests = recipe or Recipe(), Path(out), prices or Prices(), _several(test)
    learner = _checked(encoder, allowed_loss)
    about = {"encoder": encoder.spec.name, "data": train.name, "method": recipe.method, "out": str(out)}
    identity = {
        "encoder": encoder.spec.fingerprint,
        "data": [None if data is None else data.fingerprint for data in (train, validation, *tests, *keep)],
        "recipe": {key: value for key, value in recipe.to_dict().items() if key not in OF_THE_MACHINE},
        "allowed_loss": allowed_loss,
        "near": near,
    }
    check_claim(out, identity, RESULT)
    device, main = encoder.spec.device, processes.is_main()
    with (
        contextlib.ExitStack() as claims,
        entered("finetune", about, device=device, prices=prices, written=main) as run,
    ):
        plan = _plan(
            learner, train, validation, tests, keep, near=near, max_bad_share=max_bad_share, recipe=recipe
        )  # fmt: skip
        predicted = plan.predict(run, prices)
        logger.info("%s: fine-tuning takes %s", encoder.spec.name, predicted)
        start_s, resumed = time.perf_counter(), last_checkpoint(out / "training") is not None
        # First: a proof that cannot be given should not be found out after hours. Its vectors are kept.
        before = [evaluate(encoder, data, max_bad_share=max_bad_share) for _, _, data in plan.proved]
        trainable, parts = learner.trainable(), plan.parts
        measured_on = plan.measured_on(trainable)
        start = {name: tensor.detach().cpu().clone() for name, tensor in trainable.model.state_dict().items()}
        training = plan.training(trainable, measured_on[TARGET], out / "training")
        claims.enter_context(claimed(out, {**identity, "parts": parts.fingerprint}, RESULT))
        run.note(**predicted.facts())
        end = training.run()
        points = curve(trainable.model, start, end, measured_on)
        chosen = processes.of_main(choose(points, allowed_loss))
        base = public_name(encoder.spec.name, encoder.spec.revision)
        if main:
            trainable.save(out / "model", mixed(start, end, chosen.alpha), card="")
            if training.adapter is not None:
                training.adapter.save(out / "adapter", chosen.alpha, base)
        processes.wait()
        tuned = load_encoder(str(out / "model"), dtype=encoder.spec.dtype, device=device)
        after = [evaluate(tuned, data, max_bad_share=max_bad_share) for _, _, data in plan.proved]
        proofs = [
            Proof(name, learnt, *both) for (name, learnt, _), *both in zip(plan.proved, before, after, strict=True)
        ]
        run.facts.update(
            recall_before=points[0].recalls[TARGET], recall_after=chosen.recalls[TARGET], alpha=chosen.alpha
        )
        if tests:
            run.facts.update(quality(after[0]), recall_untrained=mean_recall(before[0]))
        if not resumed:
            run.facts["actual_s"] = time.perf_counter() - start_s
        found = FineTuning(
            folder=out / "model", encoder=tuned, recipe=recipe, base=base,
            data=public_name(train.name, train.revision), curve=points, chosen=chosen, n_steps=training.n_done,
            history=training.history, n_train=parts.train.n_images, n_val=parts.validation.n_images,
            n_leaked=parts.n_leaked, n_truncated=trainable.n_truncated(parts.train.texts), proofs=proofs,
            cost={**run.cost(), "resumed": resumed},
        )  # fmt: skip
        if main:
            _write(found, out, card(found, encoder.spec, train))
    return found


def _checked(encoder: Encoder, allowed_loss: object) -> TrainableEncoder:
    """The encoder, if it can be trained and told from others, and if what it may forget is a share."""
    if not isinstance(encoder, TrainableEncoder):
        raise ConfigError(f"{encoder.spec.name} cannot be fine-tuned: only checkpoints of transformers can")
    if not encoder.spec.fingerprint:
        raise EncoderError(f"{encoder.spec.name} has no fingerprint, so that its training cannot be told from another")
    if not isinstance(allowed_loss, int | float) or not 0 <= allowed_loss <= 1:
        raise ConfigError(f"allowed_loss is {allowed_loss!r}, expected how much recall may fall: 0 to 1")
    return encoder


def _write(found: FineTuning, out: Path, model_card: str) -> None:
    """Everything beside the checkpoint; last the record that says that all of it is there."""
    save_proofs(found.proofs, out / "results")
    write_text(found.folder / "README.md", model_card)
    if (logged := out / "training" / "runs").is_dir():  # where the Trainer's TensorBoard writes
        logged.rename(out / "logs")
    write_json(out / RESULT, found.to_dict())
    shutil.rmtree(out / "training", ignore_errors=True)


def predict_cost(
    encoder: Encoder,
    train: ImageTextDataset,
    *,
    recipe: Recipe | None = None,
    validation: ImageTextDataset | None = None,
    test: ImageTextDataset | Sequence[ImageTextDataset] = (),
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
        learner = _checked(encoder, allowed_loss=0)
        plan = _plan(
            learner, train, validation, _several(test), keep, near=near, max_bad_share=max_bad_share, recipe=recipe
        )  # fmt: skip
        return plan.predict(run, prices)


def _several(test: ImageTextDataset | Sequence[ImageTextDataset]) -> Sequence[ImageTextDataset]:
    return (test,) if isinstance(test, ImageTextDataset) else test


@dataclass(frozen=True)
class _Plan:
    """What a training will learn from and be measured on, before any of it is done."""

    encoder: TrainableEncoder
    parts: Parts
    tests: Mapping[str, ImageTextDataset]
    kept: Mapping[str, Kept]
    recipe: Recipe

    @property
    def proved(self) -> list[tuple[str, bool, ImageTextDataset]]:
        """What before and after are measured on: its name, whether it is what was learnt, and the data."""
        kept = [(name, False, kept.proving) for name, kept in self.kept.items() if kept.proving is not None]
        return [*((name, True, data) for name, data in self.tests.items()), *kept]

    def measured_on(self, trainable: Trainable) -> dict[str, Validation]:
        """What decides, by name: the validation part, and the deciding part of what is to be kept."""
        cached = self.recipe.cached
        deciding = {name: Validation(trainable, kept.deciding, cached) for name, kept in self.kept.items()}
        return {TARGET: Validation(trainable, self.parts.validation, cached), **deciding}

    def training(self, trainable: Trainable, validation: Validation, folder: Path) -> Training:
        """Of an encoder that has been opened up."""
        learnt, column = self.parts.train, self.recipe.relevance
        weights = None if column is None else relevance_of(learnt, column)
        return Training(trainable, learnt, self.parts.groups, validation, self.recipe, folder, weights)

    def predict(self, run: Run, prices: Prices) -> Prediction:
        """With a model of its own, which is gone before the training begins."""
        with scratch() as folder:
            trainable = self.encoder.trainable()
            validation = Validation(trainable, self.parts.validation, self.recipe.cached)
            training = self.training(trainable, validation, folder)
            deciding, proved = [kept.deciding for kept in self.kept.values()], [data for *_, data in self.proved]
            return predict(training, deciding, proved, run.meter, prices)


def _plan(
    encoder: TrainableEncoder,
    train: ImageTextDataset,
    validation: ImageTextDataset | None,
    tests: Sequence[ImageTextDataset],
    keep: Sequence[ImageTextDataset],
    *,
    near: bool,
    max_bad_share: float,
    recipe: Recipe,
) -> _Plan:
    parts = apart(train, validation, tests, near, recipe.seed, max_bad_share)
    warn_of_little(parts.train, recipe.method)
    warn_of_cut_captions(encoder, parts.train)
    kept = not_learnt(keep, parts, tests, near, recipe.seed, max_bad_share)
    names = names_of([*tests, *keep], reserved=[TARGET])
    of_tests, of_kept = names[: len(tests)], names[len(tests) :]
    return _Plan(encoder, parts, dict(zip(of_tests, tests, strict=True)), dict(zip(of_kept, kept, strict=True)), recipe)
