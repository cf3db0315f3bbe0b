"""From an encoder and pairs to better weights: the steps of a fine-tuning, each of which can be interrupted."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback, TrainingArguments

from luneta.artifacts import atomic_folder, atomic_path
from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.encoders.precision import resolve_dtype
from luneta.errors import ConfigError, DatasetError, did_you_mean
from luneta.finetuning import processes
from luneta.finetuning.alarms import Alarms
from luneta.finetuning.augmentation import Augmentation
from luneta.finetuning.batches import BatchPlan
from luneta.finetuning.keeping import (
    BEST,
    Keeper,
    RunningAverage,
    ended,
    last_checkpoint,
    remove_half_checkpoints,
    set_weights,
)
from luneta.finetuning.material import Material, features
from luneta.finetuning.negatives import HardNegatives
from luneta.finetuning.objective import Objective
from luneta.finetuning.recipe import LARGEST_SCALE, Recipe
from luneta.finetuning.sharing import check_shareable, shared_out
from luneta.finetuning.trainer import ContrastiveTrainer, Student, TemperatureLimit, training_arguments
from luneta.finetuning.validation import Validation
from luneta.progress import Advance, track
from luneta.types import Part, Side, Trainable

logger = logging.getLogger("luneta")

FEWEST = 2
"""Images without which there is nothing to tell apart."""


@dataclass
class Training:
    """One fine-tuning, from its start to the best weights it found.

    Attributes:
        trainable: the encoder opened up; its model changes.
        dataset: what is learnt from.
        groups: (n_images,) images of it that are the same thing have one number.
        validation: what recall is measured on as it goes.
        recipe: how.
        folder: of checkpoints; what is killed goes on from there.
        weights: (n_images,) how relevant the pairs of an image are.
        adapter: what method "lora" has learnt, once it is done.
    """

    trainable: Trainable
    dataset: ImageTextDataset
    groups: Indexes
    validation: Validation
    recipe: Recipe
    folder: Path
    weights: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.dataset.n_images < FEWEST:
            raise DatasetError(f"{self.dataset.name} has {self.dataset.n_images} image: there is nothing to tell apart")
        check_loggers(self.recipe.log_to)
        self._shared = processes.shares_weights()
        if self._shared:
            device = next(self.trainable.model.parameters()).device
            check_shareable(self.recipe, resolve_dtype(self.recipe.precision, device))
        self.adapter: Adapter | None = None
        self.objective = Objective.of(self.recipe, self.trainable.sigmoid)
        if self.objective.sigmoid and not self.trainable.sigmoid:
            raise ConfigError("the sigmoid loss needs a bias beside the scale, and this checkpoint has none; take "
                              "loss='infonce', which it was trained with")  # fmt: skip
        width = self.trainable.encoder().spec.embedding_dim
        if any(dim > width for dim in self.recipe.dims):
            raise ConfigError(f"dims are {list(self.recipe.dims)}, and the vectors have {width} numbers")
        self.plan = BatchPlan(
            self.dataset, self.groups, self.recipe.pairs_per_step, self.recipe.seed,
            process=processes.number(), n_processes=processes.count(),
        )  # fmt: skip
        self.n_steps = self.recipe.n_steps(len(self.plan))

    def run(self) -> dict[str, Tensor]:
        """Train, or go on training, and leave the best weights in the model.

        Returns:
            All weights of the model, low-rank additions merged in, by the names of the checkpoint.

        Raises:
            TrainingError: the loss is no number, or the vectors have collapsed.
            ConfigError: the method does not fit the model.
        """
        with self.prepared() as (trainer, _, adapters):
            if processes.is_main():
                remove_half_checkpoints(self.folder)
            processes.wait()
            checkpoint = last_checkpoint(self.folder)
            model = self.trainable.model
            n_trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
            logger.info("training %d of %d parameters", n_trained, sum(p.numel() for p in model.parameters()))
            state = ended(checkpoint, self.n_steps, self.recipe.patience)
            if state is None:
                state = self._train(trainer, checkpoint)
            self.history, self.n_done = _moments(state["log_history"]), state["global_step"]
        processes.wait()
        set_weights(self.trainable.model, load_file(self.folder / BEST))
        self.adapter = None if adapters is None else Adapter.of(adapters)
        if adapters is not None:
            adapters.merge_and_unload()
        return {name: tensor.detach().cpu().clone() for name, tensor in self.trainable.model.state_dict().items()}

    def _train(self, trainer: ContrastiveTrainer, checkpoint: Path | None) -> dict[str, Any]:
        """What is left of the steps; returns the state at the end."""
        if checkpoint is not None:
            logger.info("going on from %s", checkpoint)
            self._keeper.load(checkpoint)
        with track("steps", self.n_steps) as advance:
            trainer.add_callback(_Progress(advance))
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        return {"log_history": trainer.state.log_history, "global_step": trainer.state.global_step}

    @contextlib.contextmanager
    def prepared(
        self, features: Mapping[Side, NDArray[np.float32]] | None = None
    ) -> Iterator[tuple[ContrastiveTrainer, Material, Any]]:
        """While it lasts the model is ready to be trained.

        Args:
            features: of the sides that are locked; None computes them.

        Yields:
            The trainer, what it reads, and peft's model where there are low-rank additions.

        Raises:
            ConfigError: the method does not fit the model.
        """
        with processes.shared_by_ourselves(), self._prepared(features) as found:
            yield found

    @contextlib.contextmanager
    def _prepared(
        self, features: Mapping[Side, NDArray[np.float32]] | None
    ) -> Iterator[tuple[ContrastiveTrainer, Material, Any]]:
        torch.manual_seed(self.recipe.seed)
        device = str(next(self.trainable.model.parameters()).device)
        arguments = training_arguments(self.recipe, self.folder, self.n_steps, device)
        torch.device(arguments.device)  # from here on, processes that were started together know of one another
        material = self._material(features)
        if self.recipe.hard_negatives:
            self.plan.neighbours = HardNegatives(
                self.trainable, self.dataset, self.groups, material.features, self.folder, self.recipe.refresh
            )
        adapters = self._open()
        together = shared_out(self.trainable) if self._shared else contextlib.nullcontext()
        share = self.recipe.drop_patches
        patches = self.trainable.dropped_patches(share) if share else contextlib.nullcontext()
        with together, patches, _quiet():
            yield self._trainer(material, arguments), material, adapters

    # -- parts -------------------------------------------------------------------------------------------------

    def _material(self, features: Mapping[Side, NDArray[np.float32]] | None) -> Material:
        recipe = self.recipe
        return Material(
            self.dataset,
            self.trainable,
            self.groups,
            features={side: self._features(side) for side in recipe.cached} if features is None else features,
            augmentation=Augmentation() if recipe.augment else None,
            text_negatives=recipe.text_negatives,
            weights=self.weights,
            seed=recipe.seed,
        )

    def _features(self, side: Side) -> NDArray[np.float32]:
        """Of a locked trunk; kept, so that a training that goes on reads the very same."""
        path = self.folder / f"features-{side}-{self.dataset.fingerprint[:16]}.npy"
        if processes.is_main() and not self._are_whole(path, side):
            found = features(self.trainable, self.dataset, side)
            with atomic_path(path) as new:
                np.save(new, found)
        processes.wait()
        loaded: NDArray[np.float32] = np.load(path, mmap_mode="r" if path.stat().st_size > 2**30 else None)
        return loaded

    def _are_whole(self, path: Path, side: Side) -> bool:
        """Whether a file holds features of every image or text."""
        n = self.dataset.n_images if side == "image" else self.dataset.n_texts
        return path.is_file() and len(np.load(path, mmap_mode="r")) == n

    def _open(self) -> Any:
        """Mark what is trained; returns peft's model where there are low-rank additions."""
        model, towers = self.trainable.model, self.trainable.towers
        adapters = None
        if self.recipe.n_ranks is not None:
            adapters = _with_adapters(self.trainable, self.recipe.n_ranks)
            for name, parameter in model.named_parameters():
                if towers.part_of(name) == "temperature":
                    parameter.requires_grad_(True)
        else:
            parts = trained_parts(self.recipe)
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(towers.part_of(name) in parts)
        if self.recipe.checkpointing:
            enable = "activation_checkpointing_enable"  # of newer versions of transformers
            getattr(model, enable if hasattr(model, enable) else "gradient_checkpointing_enable")()
        return adapters

    def _trainer(self, material: Material, arguments: TrainingArguments) -> ContrastiveTrainer:
        model = self.trainable.model
        average = RunningAverage(model, self.recipe.ema)
        self._keeper = Keeper(model, self.folder, average, self.recipe.patience)
        towers = self.trainable.towers
        limit = None if self.objective.sigmoid else max(LARGEST_SCALE, float(towers.scale.detach()))
        alarms = Alarms(self.dataset, self.objective, limit)

        def validate() -> Mapping[str, float]:
            with average.applied():
                return self.validation()

        trainer = ContrastiveTrainer(
            Student(model, towers),
            arguments,
            material,
            self.plan,
            objective=self.objective,
            recipe=self.recipe,
            validate=validate,
            callbacks=[TemperatureLimit(towers, limit), self._keeper, alarms],
        )
        alarms.trainer = trainer
        trainer.remove_callback(PrinterCallback)
        return trainer


def _moments(log: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Losses and recalls of the Trainer's log, with their steps."""
    names = {"loss": "loss", "eval_recall": "recall"}
    return [{"step": entry["step"], name: entry[key]} for entry in log for key, name in names.items() if key in entry]


def check_loggers(names: Sequence[str]) -> None:
    """
    Raises:
        ConfigError: a logger that the Trainer does not know, or whose package is not installed.
    """
    from transformers.integrations import integration_utils as integrations

    known = sorted(integrations.INTEGRATION_TO_CALLBACK)
    available = integrations.get_available_reporting_integrations()
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown logger {name!r}. {did_you_mean(name, known)}")
        if name not in available:
            raise ConfigError(f"cannot log to {name}: its package is not installed. pip install {name}")


def trained_parts(recipe: Recipe) -> set[Part]:
    """The parts of the towers that a method trains."""
    if recipe.method == "head":
        return {"image_head", "text_head", "temperature"}
    if recipe.method == "lit":
        free: Side = "text" if recipe.locked_side == "image" else "image"
        heads: dict[Side, set[Part]] = {"text": {"text", "text_head"}, "image": {"image", "image_head"}}
        return heads[free] | {"temperature"}
    return {"image", "text", "image_head", "text_head", "temperature"}


def _with_adapters(trainable: Trainable, rank: int) -> Any:
    from peft import LoraConfig, get_peft_model

    layers = trainable.towers.attention_layers(("image", "text"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)  # peft asks by names that transformers gives up
        return get_peft_model(trainable.model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers))


@dataclass(frozen=True)
class Adapter:
    """Low-rank additions as peft writes them.

    Attributes:
        config: peft's.
        weights: by peft's names.
    """

    config: Any
    weights: Mapping[str, Tensor]

    @classmethod
    def of(cls, model: Any) -> Adapter:
        """Of peft's model, as it is now."""
        from peft import get_peft_model_state_dict

        weights = {name: tensor.detach().cpu().clone() for name, tensor in get_peft_model_state_dict(model).items()}
        return cls(model.peft_config["default"], weights)

    def save(self, folder: Path, alpha: float, base: str) -> None:
        """Write what the mixture `alpha` of before and after adds; the temperature is not part of it.

        Args:
            folder: written whole or not at all.
            alpha: share of what was learnt.
            base: public name of the checkpoint that it adds to.

        Raises:
            ArtifactError: it cannot be written.
        """
        with atomic_folder(folder) as new:
            replace(self.config, base_model_name_or_path=base, inference_mode=True).save_pretrained(new)
            scaled = {name: alpha * tensor if ".lora_B." in name else tensor for name, tensor in self.weights.items()}
            save_file(scaled, new / "adapter_model.safetensors")


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Tells whoever watches how many steps are done."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._seen = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.on_step_end(args, state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._advance(state.global_step - self._seen)
        self._seen = state.global_step


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """None of the library's own logging of every step; progress is ours to show."""
    from transformers.utils import logging as library

    verbosity = library.get_verbosity()
    library.set_verbosity_error()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
