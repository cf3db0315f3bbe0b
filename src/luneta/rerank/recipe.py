"""How an ELIP re-ranker is built and trained: every choice in one record; settings by name, after Zhan et al."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from luneta.errors import ConfigError, did_you_mean

RESULT = "elip.json"
"""File in the folder of a training that has ended: what it came to."""

ListLoss = Literal["auto", "softmax", "sigmoid"]
Batches = Literal["lists", "global"]
Drawing = Literal["rank", "similarity"]

_WHOLE = ("n_prompts", "queries", "hard", "random", "pool", "suspicious", "steps", "validations", "seed", "validated")


@dataclass(frozen=True, slots=True)
class ElipRecipe:
    """What an ELIP re-ranker looks like and how it learns.

    A step shows a number of texts, each with a list of pictures of its own: one that it describes, some that the
    encoder takes for it (`hard`), some at random. Every picture of a list is seen in the light of that list's text, as
    when it is used.

    Attributes:
        n_prompts: visual prompts made of a text.
        hidden: widths of the mapper's layers.
        insert_layer: the block of the image tower before which prompts come in; 0 is the paper's, negative numbers
            count from the end. What lies before it is computed once for every picture.
        gated: how much prompts are listened to is learnt and begins at nothing, so that training begins at the
            baseline.
        keep_prompts: the pooling head sees the prompts too, where there is one.
        dropout: of the prompts, in training.
        loss: "auto" is as pretrained: sigmoid where the encoder has a bias, else softmax over each list. Of a
            cross-encoder's logits "sigmoid" is the cross-entropy of matching.
        batches: "lists" gives every text pictures of its own; "global" is the paper's: the texts of a step are
            neighbours of one another, and each is held against the right pictures of all. Then `hard` and `random` say
            nothing: a list is as long as there are texts.
        queries: texts of a step.
        hard: pictures of a list that the encoder takes for the right one.
        random: pictures of a list drawn from all.
        pool: hard pictures are drawn from so many of the encoder's first answers, the first ones more often.
        drawn_by: the r-th of them by "rank" with weight 1 / r, or by "similarity" with the softmax of the encoder's
            scaled cosines, as in ELIP-B.
        suspicious: of what scores above the right answer so many of the first are left out: likely right, too.
        steps: of the training.
        learning_rate: of the mapper, at its peak.
        gate_rate: of the gate, at its peak.
        warmup: share of the steps in which rates rise; then they fall along a cosine.
        weight_decay: of the mapper's matrices.
        max_grad_norm: longer gradients are shortened to it.
        validations: how often it is measured on the way; the best weights are kept.
        validated: texts that it is measured on each time, at most.
        checkpointing: compute the guided blocks again in the backward pass: less memory, more time.
        seed: of weights, texts, lists and dropout.
    """

    n_prompts: int = 8
    hidden: tuple[int, ...] = (512, 512)
    insert_layer: int = 0
    gated: bool = True
    keep_prompts: bool = False
    dropout: float = 0.0
    loss: ListLoss = "auto"
    batches: Batches = "lists"
    queries: int = 32
    hard: int = 6
    random: int = 1
    pool: int = 100
    drawn_by: Drawing = "rank"
    suspicious: int = 2
    steps: int = 1000
    learning_rate: float = 1e-3
    gate_rate: float = 5e-3
    warmup: float = 0.05
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    validations: int = 10
    validated: int = 200
    checkpointing: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        choices = (("loss", ListLoss), ("batches", Batches), ("drawn_by", Drawing))
        for name, known in ((name, get_args(kind)) for name, kind in choices):
            if (choice := getattr(self, name)) not in known:
                raise ConfigError(f"unknown {name} {choice!r}. {did_you_mean(str(choice), known)}")
        ranges: tuple[tuple[str, float, float], ...] = (
            ("n_prompts", 1, 1000), ("dropout", 0, 0.9), ("queries", 1, 1e6), ("hard", 0, 1e4), ("random", 0, 1e4),
            ("pool", 1, 1e6), ("suspicious", 0, 1e4), ("steps", 1, 1e9), ("learning_rate", 1e-9, 10),
            ("gate_rate", 0, 10), ("warmup", 0, 1), ("weight_decay", 0, 10), ("max_grad_norm", 1e-9, 1e9),
            ("validations", 1, 1e6), ("validated", 1, 1e9), ("seed", 0, 2**32 - 1),
        )  # fmt: skip
        for name, low, high in ranges:
            value = getattr(self, name)
            kind, said = (int, "a whole number") if name in _WHOLE else (int | float, "a number")
            if isinstance(value, bool) or not isinstance(value, kind):
                raise ConfigError(f"{name} is {value!r}, expected {said}")
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}, expected {low:g} to {high:g}")
        hidden: Any = self.hidden
        if not isinstance(hidden, tuple | list) or not hidden:
            raise ConfigError(f"hidden is {hidden!r}, expected the widths of one layer or more, such as (512, 512)")
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in hidden):
            raise ConfigError(f"hidden is {list(hidden)}, expected widths of at least 1")
        object.__setattr__(self, "hidden", tuple(hidden))
        if isinstance(self.insert_layer, bool) or not isinstance(self.insert_layer, int):
            raise ConfigError(f"insert_layer is {self.insert_layer!r}, expected a whole number")
        if self.gated and self.keep_prompts:
            raise ConfigError(
                "keep_prompts shows the prompts to the pooling head whatever the gates let through, so that a training "
                "would not begin at the encoder's own scores: take gated=False with it"
            )
        if self.batches == "global" and self.queries < 2:
            raise ConfigError("queries is 1: a list of the right picture alone teaches nothing; take 2 or more")
        if self.batches == "lists" and not self.hard + self.random:
            raise ConfigError("hard and random are both 0: a list of the right picture alone teaches nothing")

    @property
    def listed(self) -> int:
        """Pictures of a list."""
        return self.queries if self.batches == "global" else 1 + self.hard + self.random

    def steps_between(self) -> int:
        """From one validation to the next."""
        return max(1, self.steps // self.validations)

    def to_dict(self) -> dict[str, Any]:
        """Every choice as plain data."""
        return {**asdict(self), "hidden": list(self.hidden)}


_PAPER = ElipRecipe(
    n_prompts=10, hidden=(10240, 10240), gated=False, batches="global", learning_rate=1e-3, weight_decay=0.2, random=0,
    steps=150_000,
)  # fmt: skip

VARIANTS: Mapping[str, ElipRecipe] = MappingProxyType(
    {
        "elip": ElipRecipe(),
        "elip-c": replace(_PAPER, loss="softmax", queries=40, hard=39),
        "elip-s": replace(_PAPER, loss="sigmoid", keep_prompts=True, dropout=0.1, queries=10, hard=9, steps=600_000),
        "elip-s2": replace(_PAPER, loss="sigmoid", keep_prompts=True, dropout=0.1, queries=10, hard=9, steps=600_000),
        "elip-b": replace(
            _PAPER, n_prompts=1, hidden=(1024, 1024), loss="sigmoid", batches="lists", queries=12, hard=1, suspicious=3,
            drawn_by="similarity", learning_rate=1e-5, steps=500_000,
        ),
    }
)  # fmt: skip
"""Settings by name: "elip" is what works on thousands of pairs and one machine; the others follow Zhan et al. (2025) as
far as paper and published code (github.com/ypliubit/ELIP) say how.

Theirs: `insert_layer`, `gated` (no gate), `keep_prompts`; `hidden` (1024 for each prompt, twice) and the `dropout` of
"elip-s", by their code; `loss`, and of "elip-b" `drawn_by` and `suspicious`; `batches` of "elip-c" and "elip-s": that
they are of neighbours; `queries` of "elip-c", by the paper; `learning_rate` of "elip-c" and "elip-s", by the names of
their checkpoints; AdamW's moments and the cosine.

Likely theirs, not published as such: `n_prompts` (of a configuration by others; of "elip-b" their code's default),
`queries` of "elip-s" and "elip-b" (pictures of a GPU times two), `weight_decay` (their training code's default), all of
"elip-s2", which is "elip-s" on another backbone.

Ours: the data; `steps` (once through six million pairs); which texts are neighbours (`pool`, `suspicious` of "elip-c"
and "elip-s"); of "elip-b" `learning_rate`, and that pictures are drawn from the encoder's answers in all data (`pool`,
`hard`, `batches`) instead of from the batch, and that its head of matching is not trained; `warmup`, `max_grad_norm`,
`validations`, `validated`, `seed`; how the mapper begins; the bias of the sigmoid loss (the encoder's own, theirs is
-10). `hard`, `random` and `gate_rate` say nothing there but for "elip-b"'s `hard`.
"""


def recipe_of(name: str) -> ElipRecipe:
    """The settings of that name.

    Raises:
        ConfigError: there are none.
    """
    if name not in VARIANTS:
        raise ConfigError(f"unknown variant {name!r}. {did_you_mean(str(name), VARIANTS)}")
    return VARIANTS[name]
