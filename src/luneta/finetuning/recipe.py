"""How an encoder is fine-tuned: every choice in one record, with what is known to work as defaults."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from luneta.errors import ConfigError, did_you_mean
from luneta.types import Side

RESULT = "finetuning.json"
"""File in the folder of a training that has ended: what it came to."""

Method = Literal["full", "lora", "lit", "head"]
Loss = Literal["auto", "infonce", "sigmoid"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

LARGEST_SCALE = 100.0
"""The scale of a softmax loss is held below this, as CLIP was trained, or below where it stands at the start."""

logger = logging.getLogger("luneta")

_RATES: dict[str, tuple[float, float, float]] = {  # default, and the range outside which something is likely wrong
    "full": (1e-5, 1e-7, 2e-3),
    "lora": (1e-4, 1e-6, 1e-2),
    "lit": (1e-4, 1e-7, 1e-2),
    "head": (1e-3, 1e-6, 1e-1),
}
_WHOLE = ("steps", "batch_size", "micro_batch", "refresh", "rank", "patience", "validations")
_RANK = 8
_EPOCHS = {"full": 10.0, "lora": 10.0, "lit": 20.0, "head": 50.0}
_BATCHES = {"full": 64, "lora": 64, "lit": 256, "head": 1024}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained, by which loss, how long and how fast.

    An epoch shows every image once, with one of its captions drawn at random.

    Attributes:
        method: "full" trains everything; "lora" low-rank additions to the attention of both towers (Hu et al., 2022);
            "lit" one tower while the other is locked and its vectors are computed once (Zhai et al., 2022); "head" only
            the projections into the common space, on features computed once.
        loss: "auto" is the checkpoint's own: sigmoid where it has a bias, else InfoNCE.
        locked: the tower that "lit" leaves alone; None is the images. Images locked teach a language; texts locked
            teach a look.
        epochs: how long; None takes the method's default.
        steps: how long in steps, instead of epochs.
        batch_size: pairs that are told apart from one another in a step.
        micro_batch: pairs that would fit into memory as a batch of their own; larger batches go in parts that take no
            more, and gradients are those of the whole batch all the same.
        learning_rate: at its peak; None takes the method's default.
        warmup: share of the steps in which the learning rate rises; then it falls along a cosine.
        weight_decay: of matrices; 0 because pretrained weights should not be pulled to zero.
        layer_decay: factor of the learning rate from one block to the one below it (1 treats all alike).
        max_grad_norm: longer gradients are shortened to it.
        ema: share of the old in the running average of the weights that is kept in the end (0.999); None keeps none.
        rank: of the low-rank additions; None is 8.
        margin: if given, the hardest negative of each pair is pushed so far below it (VSE++), beside the loss.
        dims: lengths that shortened vectors should work at, beside the whole (Matryoshka).
        text_negatives: captions with words swapped are further negatives (NegCLIP); English and Portuguese.
        hard_negatives: batches are of images that the encoder mistakes for one another, mined before the training.
        refresh: epochs after which they are mined anew, from the encoder as it then is; None mines once.
        relevance: column of the data set that says how relevant a picture's captions are to it (0 or more; graded
            relevance): the loss counts its pairs so much.
        augment: crop and recolour the images a little, and mirror those whose captions name no side.
        drop_patches: share of the patches that the image tower does not read in training (FLIP).
        checkpointing: compute activations again in the backward pass: less memory, more time.
        patience: validations without a better recall after which training ends; None never ends early.
        validations: how often the recall is measured on the way.
        precision: of matrix products; weights and losses stay in float32. "auto" is bfloat16 where the device computes
            it, else float32.
        log_to: what else losses and recalls are sent to: "tensorboard", "wandb", "mlflow" and whatever else the Trainer
            of transformers knows.
        seed: of batches, captions, augmentation and dropout.
    """

    method: Method = "full"
    loss: Loss = "auto"
    locked: Side | None = None
    epochs: float | None = None
    steps: int | None = None
    batch_size: int | None = None
    micro_batch: int | None = None
    learning_rate: float | None = None
    warmup: float = 0.05
    weight_decay: float = 0.0
    layer_decay: float = 1.0
    max_grad_norm: float = 1.0
    ema: float | None = None
    rank: int | None = None
    margin: float | None = None
    dims: tuple[int, ...] = ()
    text_negatives: bool = False
    hard_negatives: bool = False
    refresh: int | None = None
    relevance: str | None = None
    augment: bool = False
    drop_patches: float = 0.0
    checkpointing: bool = False
    patience: int | None = None
    validations: int = 10
    precision: Precision = "auto"
    log_to: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("method", Method), ("loss", Loss), ("locked", Side), ("precision", Precision)):
            value = getattr(self, name)
            if value not in get_args(choices) and not (name == "locked" and value is None):
                raise ConfigError(f"unknown {name} {value!r}. {did_you_mean(str(value), get_args(choices))}")
        ranges: tuple[tuple[str, float, float, bool], ...] = (
            ("epochs", 0, 1e6, True), ("steps", 1, 1e9, False), ("batch_size", 2, 1e7, False),
            ("micro_batch", 1, 1e7, False), ("learning_rate", 0, 10, True), ("warmup", 0, 1, False),
            ("weight_decay", 0, 10, False), ("layer_decay", 0, 1, True), ("max_grad_norm", 0, 1e9, True),
            ("ema", 0, 0.999999, True), ("refresh", 1, 1e6, False), ("rank", 1, 4096, False), ("margin", 0, 2, True),
            ("drop_patches", 0, 0.9, False), ("patience", 1, 1e6, False), ("validations", 1, 1e6, False),
        )  # fmt: skip
        for name, low, high, above in ranges:
            value = getattr(self, name)
            kind, said = (int, "a whole number") if name in _WHOLE else (int | float, "a number")
            if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
                raise ConfigError(f"{name} is {value!r}, expected {said}")
            if value is not None and not (low < value <= high if above else low <= value <= high):
                raise ConfigError(f"{name} is {value}, expected {'more than' if above else 'at least'} {low:g} and at "
                                  f"most {high:g}")  # fmt: skip
        seed: Any = self.seed
        dims: Any = self.dims
        if isinstance(seed, bool) or not isinstance(seed, int) or self.seed < 0:
            raise ConfigError(f"seed is {self.seed!r}, expected a whole number of at least 0")
        if any(not isinstance(dim, int) or int(dim) < 1 for dim in dims):
            raise ConfigError(f"dims are {list(self.dims)}, expected lengths of at least 1")
        self._check_that_all_applies()
        default, low, high = _RATES[self.method]
        if not low <= self.peak_rate <= high:
            facts = (self.peak_rate, self.method, low, high, default)
            if self.peak_rate < low:
                logger.warning("a learning rate of %g is outside what works for method=%r (%g to %g; the default is "
                               "%g): expect nothing to be learnt", *facts)  # fmt: skip
            else:
                logger.warning("a learning rate of %g is outside what works for method=%r (%g to %g; the default is "
                               "%g): expect the encoder to forget what it knew", *facts)  # fmt: skip

    def _check_that_all_applies(self) -> None:
        """Nothing that was asked for is left out in silence.

        Raises:
            ConfigError: a choice that the others leave without effect.
        """
        if self.epochs is not None and self.steps is not None:
            raise ConfigError(f"epochs={self.epochs:g} and steps={self.steps} both say how long: give one of them")
        if self.rank is not None and self.method != "lora":
            raise ConfigError(
                f"rank={self.rank} is of low-rank additions, and method={self.method!r} makes none; take "
                "method='lora', or leave it out"
            )
        if self.locked is not None and self.method != "lit":
            raise ConfigError(
                f"locked={self.locked!r} is the tower that method='lit' leaves alone, and method={self.method!r} locks "
                "none or both; take method='lit', or leave it out"
            )
        if self.method == "lit" and self.locked != "text" and (self.augment or self.drop_patches):
            raise ConfigError("augment and drop_patches change images, but with method='lit' these are computed once; "
                              "leave them out, or lock the texts (locked='text')")  # fmt: skip
        if self.method == "head" and (self.augment or self.drop_patches or self.text_negatives or self.checkpointing):
            raise ConfigError("augment, drop_patches, text_negatives and checkpointing need towers that run, and with "
                              "method='head' their features are computed once; leave them out or use another "
                              "method")  # fmt: skip
        if self.method == "head" and self.layer_decay != 1:
            raise ConfigError(
                f"layer_decay={self.layer_decay:g} is for the blocks of a tower, and method='head' trains none; leave "
                "it out or use another method"
            )
        if self.refresh is not None and not self.hard_negatives:
            raise ConfigError("refresh says how often hard negatives are mined anew: ask for them with "
                              "hard_negatives=True, or leave it out")  # fmt: skip

    @property
    def locked_side(self) -> Side | None:
        """The tower that is left alone while the other learns; None where both learn or neither does."""
        return (self.locked or "image") if self.method == "lit" else None

    @property
    def n_ranks(self) -> int | None:
        """Rank of the low-rank additions; None where there are none."""
        return (self.rank or _RANK) if self.method == "lora" else None

    @property
    def peak_rate(self) -> float:
        return _RATES[self.method][0] if self.learning_rate is None else self.learning_rate

    @property
    def pairs_per_step(self) -> int:
        return _BATCHES[self.method] if self.batch_size is None else self.batch_size

    @property
    def cached(self) -> tuple[Side, ...]:
        """The sides whose trunks are not trained, so that their features are computed once."""
        if self.method == "head":
            return "image", "text"
        return () if self.locked_side is None else (self.locked_side,)

    def n_steps(self, steps_per_epoch: int) -> int:
        """Steps of the whole training."""
        if self.steps is not None:
            return self.steps
        return max(1, round((_EPOCHS[self.method] if self.epochs is None else self.epochs) * steps_per_epoch))

    def n_minings(self, n_steps: int, steps_per_epoch: int) -> int:
        """How often hard negatives are mined."""
        if not self.hard_negatives:
            return 0
        return 1 if self.refresh is None else -(-n_steps // (self.refresh * steps_per_epoch))

    def steps_between(self, n_steps: int) -> int:
        """From one validation to the next."""
        return max(1, n_steps // self.validations)

    def n_validations(self, n_steps: int) -> int:
        """Of a training that goes on to its last step, which is validated too."""
        return -(-n_steps // self.steps_between(n_steps))

    def to_dict(self) -> dict[str, Any]:
        """Every choice as plain data, defaults of the method filled in."""
        return {
            **asdict(self),
            "dims": list(self.dims),
            "log_to": list(self.log_to),
            "locked": self.locked_side,
            "rank": self.n_ranks,
            "learning_rate": self.peak_rate,
            "batch_size": self.pairs_per_step,
        }

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Recipe:
        """What `to_dict` gives.

        Raises:
            ConfigError, TypeError: it is none of a recipe.
        """
        return cls(**{**said, "dims": tuple(said["dims"]), "log_to": tuple(said["log_to"])})
