"""The training loop: transformers' Trainer with contrastive batches, exact for any micro-batch."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import prepare_data_loader
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerControl, TrainingArguments
from transformers.trainer_utils import SaveStrategy

from luneta.encoders.precision import resolve_dtype
from luneta.errors import TrainingError
from luneta.finetuning import processes, sharing
from luneta.finetuning.batches import BatchPlan
from luneta.finetuning.material import Batch, Material, Rows, collate
from luneta.finetuning.objective import Objective, Vectors
from luneta.finetuning.recipe import Recipe
from luneta.losses import Relations
from luneta.types import Towers

logger = logging.getLogger("luneta")

ENOUGH = 12
"""Ordered couples of different things, as four have, below which their mean cosine says nothing."""

TOWERS = ("images", "texts", "negatives")
"""What of a batch goes through a tower, in this order."""

Outputs = dict[str, Tensor]
"""Unit vectors by what they are of (`TOWERS`), and "scale" and "bias" (where there is one)."""


class Student(nn.Module):
    """What is trained, as one module: a batch in, or what one tower reads of it; vectors out."""

    def __init__(self, model: nn.Module, towers: Towers) -> None:
        super().__init__()
        self.model = model
        self.towers = towers

    def forward(self, **inputs: Mapping[str, Tensor]) -> Outputs:
        """
        Args:
            inputs: by the names of `TOWERS`, as `Rows.ready` makes them.
        """
        towers = self.towers
        found = {name: self._vectors(name, read) for name, read in inputs.items()}
        found["scale"] = towers.scale
        if towers.bias is not None:
            found["bias"] = towers.bias.clone()  # a result: several processes look at these
        return found

    def _vectors(self, name: str, read: Mapping[str, Tensor]) -> Tensor:
        towers = self.towers
        if name == "images":
            return towers.image_vectors(read["features"] if "features" in read else towers.image_features(read))
        return towers.text_vectors(read["features"] if "features" in read else towers.text_features(read))


@dataclass
class StepFacts:
    """What the last step saw, for whoever watches the training.

    Attributes:
        loss: of the batch.
        relations: of its pairs, over all processes.
        n_negatives: texts that describe none of its pictures, over all processes.
        scale: of the scores.
        mean_cosine: of different images, or texts, whichever is higher, of sides that learn: near 1 when all vectors
            are alike; None where too few are different or no tower learns.
        pairs: (n, 2) of (text, image) of the batch.
    """

    loss: float
    relations: Relations
    n_negatives: int
    scale: float
    mean_cosine: float | None
    pairs: Tensor

    @property
    def n_things(self) -> int:
        """Different ones among the pairs."""
        return len(set(self.relations.groups.tolist()))


class ContrastiveTrainer(Trainer):  # type: ignore[misc]
    """Trainer whose loss is of the whole batch, over all processes, whatever fits into memory at once.

    A batch larger than `micro_batch` goes through the towers in parts, twice: without gradients for the vectors, which
    give the loss and its gradient for every vector; then with gradients, which continue from these (GradCache, Gao et
    al., 2021). The gradient is that of the whole batch, dropout included.

    Attributes:
        facts: of the last step.
    """

    def __init__(
        self,
        student: Student,
        arguments: TrainingArguments,
        material: Material,
        plan: BatchPlan,
        *,
        objective: Objective,
        recipe: Recipe,
        validate: Callable[[], Mapping[str, float]],
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        self.plan, self.objective, self.recipe, self.validate = plan, objective, recipe, validate
        self.micro_batch = recipe.micro_batch or plan.batch_size
        self.facts: StepFacts | None = None
        self._shared = processes.shares_weights()
        self._n_negatives = 0  # of the last batch, over all processes
        super().__init__(
            model=student,
            args=arguments,
            train_dataset=material,
            eval_dataset=material,  # never read: `evaluate` asks `validate`, but the Trainer wants to see one
            data_collator=collate,
            callbacks=list(callbacks),
        )
        self.model_accepts_loss_kwargs = False

    # -- data ----------------------------------------------------------------------------------------------------

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches as the plan has them, which gives each of several processes its share."""
        loader: DataLoader[Any] = DataLoader(
            self.train_dataset,
            batch_sampler=self.plan,
            collate_fn=collate,  # type: ignore[arg-type]
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
        )
        prepared: DataLoader[Any] = prepare_data_loader(loader, self.accelerator.device, 1, 0)
        return prepared

    # -- learning ------------------------------------------------------------------------------------------------

    optimizer: torch.optim.Optimizer | None
    control: TrainerControl

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW; blocks further down learn slower by `layer_decay` each, only matrices are pulled to zero."""
        if self.optimizer is None:
            towers = self.model.towers
            blocks = tuple(f"{name}." for name in towers.blocks())  # may be shared out: kept apart in any case, so that
            groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}  # it goes on with more or fewer processes
            for name, parameter in self.model.model.named_parameters():
                if not parameter.requires_grad:
                    continue
                rate = self.args.learning_rate * self.recipe.layer_decay ** towers.depth(name)
                decay = self.recipe.weight_decay if parameter.ndim >= 2 else 0.0
                groups.setdefault((rate, decay, name.startswith(blocks)), []).append(parameter)
            self.optimizer = torch.optim.AdamW(
                [{"params": own, "lr": rate, "weight_decay": decay} for (rate, decay, _), own in groups.items()],
                betas=(0.9, 0.98),
                eps=1e-6,
                fused=self.args.device.type in ("cpu", "cuda"),  # one pass over the memory instead of ten
            )
        return self.optimizer

    def training_step(self, model: nn.Module, inputs: Batch, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """The loss of a batch, its gradients left on the parameters."""
        model.train()
        for layer in model.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()  # as pretrained (ALIGN): statistics of parts of a batch are not those of the whole
        before = RandomState()
        while True:
            try:
                return self._step(model, inputs)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                n = len(inputs["pairs"])
                if not _is_out_of_memory(error) or min(self.micro_batch, n) == 1:
                    raise
                self.micro_batch = max(1, min(self.micro_batch, n) // 2)
                if processes.are_joined():  # the others wait for this one's vectors
                    raise TrainingError(f"out of memory: start again with micro_batch={self.micro_batch}") from error
                before.restore()
                model.zero_grad(set_to_none=True)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                logger.warning(
                    "out of memory: going on with micro_batch=%d (the gradients stay those of the whole batch)",
                    self.micro_batch,
                )

    def compute_loss_context_manager(self) -> Any:
        """The number format of the recipe, also where the Trainer has not wrapped the model, as in a rehearsal."""
        return self.accelerator.autocast()

    def _step(self, model: nn.Module, inputs: Batch) -> Tensor:
        relations = self._relations(inputs["relations"])
        if len(inputs["pairs"]) <= self.micro_batch:
            with self.compute_loss_context_manager():
                outputs = model(**self._ready({name: inputs[name] for name in TOWERS if name in inputs}))
            loss = self._loss(outputs, relations)
            self._watch(outputs, loss, inputs, relations)
            self.accelerator.backward(loss)
            if self._shared:
                processes.average_gradients(self.model)
        else:
            loss = self._step_in_parts(self.model, inputs, relations)
            processes.average_gradients(self.model)
        return loss.detach()

    def _ready(self, part: Mapping[str, Rows]) -> dict[str, dict[str, Tensor]]:
        """What the towers read, on the device."""
        ready = {name: rows.ready(self.args.device) for name, rows in part.items()}
        if self._shared:  # all must read in the same parts, and the texts of each have lengths of their own
            for inputs in ready.values():
                inputs.pop("lengths", None)
        return ready

    def _step_in_parts(self, student: Student, inputs: Batch, relations: Relations) -> Tensor:
        """One tower after the other, part by part: so the activations of one part of one tower are held.

        Beside them are the gradients of the parts before, which a batch that goes through at once has not yet when its
        activations are most. Parts of half as many pairs leave room for these: what fits as a batch of its own fits as
        the parts of any batch.
        """
        parts = split(inputs, max(1, self.micro_batch // 2))
        states = []
        found: dict[str, list[Tensor]] = {}
        for name, rows in parts:
            states.append(RandomState())
            with torch.no_grad(), self.compute_loss_context_manager():
                found.setdefault(name, []).append(student(**self._ready({name: rows}))[name])
        whole: Outputs = {name: torch.cat(vectors).requires_grad_() for name, vectors in found.items()}
        temperature = {"scale": student.towers.scale, "bias": student.towers.bias}
        outputs = whole | {name: value for name, value in temperature.items() if value is not None}
        loss = self._loss(outputs, relations)
        self._watch(outputs, loss, inputs, relations)
        # Gradients of the vectors and of scale and bias; the former are scaled for 16 bits with the loss.
        self.accelerator.backward(loss)
        done = dict.fromkeys(whole, 0)
        for (name, rows), state in zip(parts, states, strict=True):
            state.restore()
            with self.compute_loss_context_manager():
                vectors = student(**self._ready({name: rows}))[name]
            gradient, start = whole[name].grad, done[name]
            if gradient is not None and vectors.requires_grad:
                vectors.backward(gradient[start : start + len(rows)])
            done[name] += len(rows)
        return loss

    def _loss(self, outputs: Outputs, relations: Relations) -> Tensor:
        images, texts = processes.gather(outputs["images"]), processes.gather(outputs["texts"])
        negatives = processes.gather(outputs.get("negatives", outputs["texts"][:0]))
        self._n_negatives = len(negatives)
        return self.objective(Vectors(images, texts, negatives, outputs["scale"], outputs.get("bias")), relations)

    def _relations(self, own: Mapping[str, Tensor]) -> Relations:
        whole = {name: processes.gather(values.to(self.args.device)) for name, values in own.items()}
        return Relations(whole["texts"], whole["images"], whole["groups"], whole.get("weights"))

    @torch.no_grad()
    def _watch(self, outputs: Outputs, loss: Tensor, inputs: Batch, relations: Relations) -> None:
        images, texts = outputs["images"].float(), outputs["texts"].float()
        others = _different(inputs["relations"]).to(images.device)
        learning = [v for side, v in (("image", images), ("text", texts)) if side not in self.recipe.cached]
        means = [float((v @ v.T)[others].mean()) for v in learning] if others.sum() >= ENOUGH else []
        cosine = max(means) if means else None
        self.facts = StepFacts(
            float(loss), relations, self._n_negatives, float(outputs["scale"]), cosine, inputs["pairs"]
        )

    # -- a model that is shared out ------------------------------------------------------------------------------

    def _wrap_model(self, model: nn.Module, training: bool = True, dataloader: Any = None) -> nn.Module:
        if not self._shared:
            wrapped: nn.Module = super()._wrap_model(model, training, dataloader)
            return wrapped
        return model if isinstance(model, sharing.Together) else sharing.Together(model)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if not self._shared:
            super().save_model(output_dir, _internal_call)
            return
        weights = sharing.gathered(self.model.state_dict())
        if self.args.should_save:
            self._save(output_dir, state_dict=weights)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self._shared:
            sharing.save_state(self.optimizer, self.lr_scheduler, Path(output_dir))
        else:
            super()._save_optimizer_and_scheduler(output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if self._shared:
            sharing.load_weights(self.model, Path(resume_from_checkpoint))
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self._shared:
            super()._load_optimizer_and_scheduler(checkpoint)
        elif checkpoint is not None:
            sharing.load_state(self.optimizer, self.lr_scheduler, Path(checkpoint))

    # -- measuring -----------------------------------------------------------------------------------------------

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Recall on the validation part instead of a loss."""
        self.model.eval()
        found = processes.of_main(self.validate())  # all decide by the same numbers
        metrics = {f"eval_{name}": value for name, value in found.items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class TemperatureLimit(TrainerCallback):  # type: ignore[misc]
    """Keeps the scale of the scores below a limit; None is none, as the sigmoid loss needs: SigLIP stands at 117."""

    def __init__(self, towers: Towers, limit: float | None) -> None:
        self._towers, self._limit = towers, limit

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._limit is not None:
            self._towers.clamp_scale(self._limit)


class RandomState:
    """The state of the random generators that dropout draws from."""

    def __init__(self) -> None:
        self._cpu = torch.get_rng_state()
        self._gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def restore(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._gpus:
            torch.cuda.set_rng_state_all(self._gpus)


def split(batch: Batch, size: int) -> list[tuple[str, Rows]]:
    """A batch in parts of at most `size` pairs, tower by tower; negatives go along in as many parts, of equal shares.

    Returns:
        (name of `TOWERS`, rows) of each part that holds any.
    """
    n_parts = -(-len(batch["pairs"]) // size)
    parts = []
    for name in TOWERS:
        m = len(batch.get(name, ()))
        cuts = [slice(m * number // n_parts, m * (number + 1) // n_parts) for number in range(n_parts)]
        parts += [(name, batch[name][rows]) for rows in cuts if rows.start < rows.stop]
    return parts


def _different(relations: Mapping[str, Tensor]) -> Tensor:
    """(n, n) whether two pairs of a batch are of different groups, with captions and pictures that are not equal."""
    return torch.stack([ids[:, None] != ids for name, ids in relations.items() if name != "weights"]).all(dim=0)


def _is_out_of_memory(error: BaseException) -> bool:
    """PyTorch says it by an error of its own on a GPU and by words on a CPU."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError) or any(part in str(error).lower() for part in words)


def training_arguments(recipe: Recipe, folder: str | os.PathLike[str], n_steps: int, device: str) -> TrainingArguments:
    """Of transformers, for a recipe."""
    every = recipe.steps_between(n_steps)
    precision = resolve_dtype(recipe.precision, torch.device(device))
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=n_steps,
        learning_rate=recipe.peak_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, round(recipe.warmup * n_steps)) if recipe.warmup else 0,
        max_grad_norm=recipe.max_grad_norm,
        bf16=precision == "bfloat16",
        fp16=precision == "float16",
        seed=recipe.seed,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy=SaveStrategy.STEPS,
        save_steps=every,
        save_total_limit=2,
        logging_steps=max(1, min(10, n_steps)),
        logging_nan_inf_filter=False,
        report_to=list(recipe.log_to) or "none",
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=device == "cpu",
        dataloader_pin_memory=device.startswith("cuda"),
    )
