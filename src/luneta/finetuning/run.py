"""finetune(encoder, data): better weights for one's own pairs, proved on a test part that shares nothing with them."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from luneta.artifacts import hash_file, hash_json, public_name, write_json, write_text
from luneta.comparison import Comparison
from luneta.cost import Prices
from luneta.data.dataset import ImageTextDataset
from luneta.encoders.precision import resolve_dtype
from luneta.encoders.registry import load_encoder
from luneta.errors import ArtifactError, ConfigError, EncoderError
from luneta.finetuning import processes
from luneta.finetuning.card import card
from luneta.finetuning.claims import claimed, is_done, read_result
from luneta.finetuning.interpolation import TARGET, Point, choose, curve, mixed
from luneta.finetuning.keeping import last_checkpoint
from luneta.finetuning.parts import relevance_of
from luneta.finetuning.planning import Given, Plan
from luneta.finetuning.prediction import Prediction
from luneta.finetuning.proof import Proof, data_name, load_proofs, save_proofs
from luneta.finetuning.recipe import RESULT, Recipe
from luneta.grids import as_text
from luneta.ledger import Run, entered, ledger_is_wanted, mean_recall, quality
from luneta.types import Encoder, TrainableEncoder

if TYPE_CHECKING:
    from rich.console import RenderableType

logger = logging.getLogger("luneta")

SCHEMA = "luneta.finetuning/1"

ALLOWED_LOSS = 0.03

OF_THE_MACHINE = ("micro_batch", "checkpointing", "log_to", "precision")
"""Choices that do not change what is learnt, so that a training may go on with others; of the precision it counts what
it comes to on the device."""


@dataclass(frozen=True)
class FineTuning:
    """What came out of a fine-tuning.

    Attributes:
        folder: of the checkpoint: an ordinary one of transformers, which `load_encoder` takes by its path.
        encoder: the new one.
        weights: SHA-256 of the file of its weights.
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
    weights: str
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
        spec = self.encoder.spec
        return {
            "schema": SCHEMA,
            "encoder": {"name": spec.name, "fingerprint": spec.fingerprint, "dtype": spec.dtype},
            "weights": self.weights,
            "recipe": self.recipe.to_dict(),
            "base": self.base,
            "data": self.data,
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

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, encoder: Encoder | None = None) -> FineTuning:
        """Read what `finetune` has left in a folder. Results that were read hold no pictures.

        Args:
            folder: that was given as `out`.
            encoder: the new one, where it is loaded already; None loads it in the number format it was proved in.

        Raises:
            ArtifactError: no fine-tuning has ended there, a file is damaged, or it was written by a version that kept
                less.
            EncoderError: the checkpoint cannot be loaded.
        """
        folder = Path(folder)
        path = folder / RESULT
        said = read_result(path, SCHEMA, _NEEDED)
        proofs = load_proofs(said["proofs"], folder / "results")
        try:
            points = [Point(**point) for point in said["curve"]]
            chosen = next(point for point in points if point.alpha == said["alpha"])
            recipe = Recipe.of(said["recipe"])
            dtype = said["encoder"]["dtype"]
        except (KeyError, TypeError, StopIteration, ConfigError) as error:
            raise ArtifactError(f"{path} is no whole fine-tuning: {type(error).__name__}: {error}") from error
        if _hash_of(folder / "model") != said["weights"]:
            raise ArtifactError(
                f"{folder / 'model'} holds other weights than those that {path} tells of: they were exchanged or "
                "damaged. Choose another folder, or remove this one to train anew"
            )
        return cls(
            folder=folder / "model", encoder=encoder or load_encoder(str(folder / "model"), dtype=dtype),
            recipe=recipe, curve=points, chosen=chosen, proofs=proofs,
            **{name: said[name] for name in _AS_WRITTEN},
        )  # fmt: skip

    def pictured(
        self, before: Encoder, test: ImageTextDataset | Sequence[ImageTextDataset], *, max_bad_share: float = 0.01
    ) -> FineTuning:
        """The same with the pictures of its test parts, which one that was read from a folder lacks.

        Args:
            before: the encoder that was fine-tuned.
            test, max_bad_share: as `finetune` takes them.

        Raises:
            ConfigError: it was proved on other data.
            DatasetError: too many pictures cannot be read.
        """
        if any(proof.before.data is not None for proof in self.proofs):
            return self
        both = (before, self.encoder)
        learnt, given = [proof for proof in self.proofs if proof.learnt], _several(test)
        if len(learnt) != len(given):
            raise ConfigError(f"it was proved on {len(learnt)} test parts, and here are {len(given)}")
        shown = [proof.pictured(both, data, max_bad_share) for proof, data in zip(learnt, given, strict=True)]
        return replace(self, proofs=[*shown, *(proof for proof in self.proofs if not proof.learnt)])


_AS_WRITTEN = ("weights", "base", "data", "n_steps", "history", "n_train", "n_val", "n_leaked", "n_truncated", "cost")
"""Attributes of a fine-tuning that are in its file as they are."""

_NEEDED = ("encoder", "recipe", "alpha", "curve", "proofs", *_AS_WRITTEN)


@processes.shared_by_ourselves()
def finetune(
    encoder: Encoder,
    train: ImageTextDataset,
    *,
    out: str | os.PathLike[str],
    recipe: Recipe | None = None,
    validation: ImageTextDataset | None = None,
    test: ImageTextDataset | Sequence[ImageTextDataset] = (),
    keep: Sequence[ImageTextDataset] = (),
    allowed_loss: float | None = None,
    near: bool = True,
    max_bad_share: float = 0.01,
    prices: Prices | None = None,
) -> FineTuning:
    """Fine-tune an encoder on pairs of images and texts.

    What the validation and test parts hold, or anything near it, is taken out of the training part first. Steps that
    were done are on the disk: a run that was killed goes on when it is called again with the same arguments, and of one
    that has ended everything is read from its folder, but for the pictures of its proof (`FineTuning.pictured`).

    Args:
        encoder: what `load_encoder` returns.
        train: what to learn from.
        out: folder of the result: `model/` (the checkpoint), `finetuning.json`, and `results/` of the proofs.
        recipe: how; None trains everything with careful defaults.
        validation: what recall is measured on as it goes; None takes a tenth of `train`, by groups.
        test: what the proof is measured on, before and after; several, as one in each language, give several.
        keep: data sets whose recall should not fall: other languages, other styles. Of what of them is not learnt from
            one half decides which mixture of before and after is kept, and the other proves what was forgotten.
        allowed_loss: how much recall@1 on the deciding half of any of `keep` may fall; None is 0.03.
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
    recipe, out, prices = recipe or Recipe(), Path(out), prices or Prices()
    learner, allowed = _checked(encoder), _allowed(allowed_loss, keep)
    given = Given(train, validation, _several(test), keep, near, max_bad_share)
    identity = _identity(learner, given, recipe, allowed)
    if is_done(out, identity, RESULT):
        if processes.is_main():
            shutil.rmtree(out / "training", ignore_errors=True)  # of one that was killed just after its end
        return FineTuning.load(out, encoder=_reloaded(out / "model", learner))
    about = {"encoder": encoder.spec.name, "data": train.name, "method": recipe.method, "out": str(out)}
    device, main, steps = encoder.spec.device, processes.is_main(), out / "training"
    with (
        contextlib.ExitStack() as claims,
        entered("finetune", about, device=device, prices=prices, written=main) as run,
    ):
        plan = Plan.of(learner, given, recipe)
        predicted = plan.predict(prices, begun=steps)
        logger.info("%s: fine-tuning takes %s", encoder.spec.name, predicted)
        start_s, resumed = time.perf_counter(), last_checkpoint(steps) is not None
        # First: a proof that cannot be given should not be found out after hours. Its vectors are kept.
        before = plan.measure(learner)
        whole = {**identity, "parts": plan.parts.fingerprint}
        claims.enter_context(claimed(out, whole, RESULT, made_with=_machinery(run)))
        run.note(**predicted.facts())
        learnt = _learn(plan, out, allowed)
        tuned = _reloaded(out / "model", learner)
        proofs = plan.proofs(before, plan.measure(tuned))
        run.facts.update(_facts(learnt, proofs), actual_s=time.perf_counter() - start_s)
        found = FineTuning(
            folder=out / "model", encoder=tuned, weights=_hash_of(out / "model"), recipe=recipe,
            base=public_name(encoder.spec.name), data=data_name(train), curve=learnt.curve, chosen=learnt.chosen,
            n_steps=learnt.n_steps, history=learnt.history, n_train=plan.parts.train.n_images,
            n_val=plan.parts.validation.n_images, n_leaked=plan.parts.n_leaked, n_truncated=plan.n_truncated,
            proofs=proofs, cost={**run.cost(), "resumed": resumed},
        )  # fmt: skip
        if main:
            _write(found, out, card(found, encoder.spec, train))
    processes.wait()  # until then nothing says that it is done
    return found


def _checked(encoder: Encoder) -> TrainableEncoder:
    """The encoder, if it can be trained and told from others."""
    if not isinstance(encoder, TrainableEncoder):
        raise ConfigError(f"{encoder.spec.name} cannot be fine-tuned: only checkpoints of transformers can")
    if not encoder.spec.fingerprint:
        raise EncoderError(f"{encoder.spec.name} has no fingerprint, so that its training cannot be told from another")
    return encoder


def _allowed(asked: object, keep: Sequence[ImageTextDataset]) -> float:
    """By how much recall on what is to be kept may fall."""
    if asked is None:
        return ALLOWED_LOSS
    if not isinstance(asked, int | float) or not 0 <= asked <= 1:
        raise ConfigError(f"allowed_loss is {asked!r}, expected how much recall may fall: 0 to 1")
    if not keep:
        raise ConfigError(f"allowed_loss={asked} is for what is to be kept, and nothing is: name it with keep (another "
                          "data set, or other captions of this one), or leave it out")  # fmt: skip
    return float(asked)


def _identity(encoder: Encoder, given: Given, recipe: Recipe, allowed_loss: float) -> dict[str, Any]:
    """What the result follows from: a training goes on in its folder only where all of it is the same."""
    column = recipe.relevance  # of the metadata, which no fingerprint covers
    return {
        "encoder": encoder.spec.fingerprint,
        "data": given.fingerprints,
        "relevance": None if column is None else hash_json(relevance_of(given.train, column).tolist()),
        "recipe": {key: value for key, value in recipe.to_dict().items() if key not in OF_THE_MACHINE},
        "precision": resolve_dtype(recipe.precision, torch.device(encoder.spec.device)),
        "allowed_loss": allowed_loss,
        "near": given.near,
    }


def _machinery(run: Run) -> dict[str, str]:
    """What the last bits of the result depend on beside that: a training goes on with others, and says so."""
    libraries = {name: version(name) for name in ("torch", "transformers", "peft", "numpy")}
    return {"device": run.meter.device, **libraries}


@dataclass(frozen=True)
class _Learnt:
    """What training and mixing came to; the weights are on the disk.

    Attributes:
        curve, chosen, n_steps, history: as `FineTuning` has them.
    """

    curve: Sequence[Point]
    chosen: Point
    n_steps: int
    history: Sequence[Mapping[str, float]]


def _learn(plan: Plan, out: Path, allowed_loss: float) -> _Learnt:
    """Train, choose the mixture of before and after that is kept, and write it."""
    trainable = plan.encoder.trainable()
    measured_on = plan.measured_on(trainable)
    start = {name: tensor.detach().cpu().clone() for name, tensor in trainable.model.state_dict().items()}
    training = plan.training(trainable, measured_on[TARGET], out / "training")
    end = training.run()
    points = curve(trainable.model, start, end, measured_on)
    chosen = processes.of_main(choose(points, allowed_loss))
    if processes.is_main():
        trainable.save(out / "model", mixed(start, end, chosen.alpha), card="")
        if training.adapter is not None:
            training.adapter.save(out / "adapter", chosen.alpha, public_name(plan.encoder.spec.name))
    processes.wait()
    return _Learnt(points, chosen, training.n_done, training.history)


def _reloaded(folder: Path, like: TrainableEncoder) -> TrainableEncoder:
    """The new checkpoint, computed as the encoder that it comes from: else before and after would differ by that."""
    spec = like.spec
    tuned = load_encoder(str(folder), dtype=spec.dtype, device=spec.device, batch_size=like.batch_size)
    return _checked(tuned)


def _hash_of(model: Path) -> str:
    return hash_file(model / "model.safetensors")


def _facts(learnt: _Learnt, proofs: Sequence[Proof]) -> dict[str, Any]:
    """For the ledger."""
    before, after = learnt.curve[0].recalls[TARGET], learnt.chosen.recalls[TARGET]
    facts: dict[str, Any] = {"recall_before": before, "recall_after": after, "alpha": learnt.chosen.alpha}
    if proofs and proofs[0].learnt:
        facts |= {**quality(proofs[0].after), "recall_untrained": mean_recall(proofs[0].before)}
    return facts


def _write(found: FineTuning, out: Path, model_card: str) -> None:
    """Everything beside the checkpoint; last the record that says that all of it is there."""
    save_proofs(found.proofs, out / "results")
    write_text(found.folder / "README.md", model_card)
    if (logged := out / "training" / "runs").is_dir():  # where the Trainer's TensorBoard writes
        logged.rename(out / "logs")
    write_json(out / RESULT, found.to_dict())
    shutil.rmtree(out / "training", ignore_errors=True)


@processes.shared_by_ourselves()
def predict_cost(
    encoder: Encoder,
    train: ImageTextDataset,
    *,
    out: str | os.PathLike[str] | None = None,
    recipe: Recipe | None = None,
    validation: ImageTextDataset | None = None,
    test: ImageTextDataset | Sequence[ImageTextDataset] = (),
    keep: Sequence[ImageTextDataset] = (),
    near: bool = True,
    max_bad_share: float = 0.01,
    prices: Prices | None = None,
) -> Prediction:
    """What `finetune` with the same arguments would take, from a rehearsal of a few steps.

    Args:
        out: folder of the result; of a training that was begun there, what is left is predicted. None, or one that has
            ended: all of it.
        encoder, train, recipe, validation, test, keep, near, max_bad_share, prices: as in `finetune`.

    Raises:
        ConfigError, DatasetError: as `finetune`.
    """
    recipe, prices = recipe or Recipe(), prices or Prices()
    about = {"encoder": encoder.spec.name, "data": train.name, "method": recipe.method}
    with entered("predict", about, device=encoder.spec.device, prices=prices, written=ledger_is_wanted()):
        plan = Plan.of(
            _checked(encoder),
            Given(train, validation, _several(test), keep, near, max_bad_share),
            recipe,
        )
        return plan.predict(prices, begun=None if out is None else Path(out) / "training")


def _several(test: ImageTextDataset | Sequence[ImageTextDataset]) -> Sequence[ImageTextDataset]:
    return (test,) if isinstance(test, ImageTextDataset) else test
