"""The options of recipes: every field of a recipe is an option of its name, in a panel of what belongs together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from luneta.cli.options import Choices

if TYPE_CHECKING:
    from luneta.rerank import ElipRecipe

HOW, MEMORY = "How", "Speed and memory"
GUIDE, LISTS, TRAINING = "Guide", "What texts are held against", "Training"


def _option(kind: Any, default: Any, panel: str, text: str, *names: str, shown: bool | str = True) -> tuple[Any, Any]:
    return kind, typer.Option(default, *names, help=text, rich_help_panel=panel, show_default=shown)


def _by_method(kind: Any, text: str) -> tuple[Any, Any]:
    return _option(kind | None, None, HOW, text, shown="by method")


def _by_variant(kind: Any, panel: str, text: str) -> tuple[Any, Any]:
    return _option(kind | None, None, panel, text, shown="by variant")


FINETUNING: Choices = {
    "method": _option(
        str, "full", HOW,
        "full: everything; lora: low-rank additions to both towers; lit: one tower, the other locked; head: the "
        "projections only.",
    ),
    "loss": _option(str, "auto", HOW, "auto (as pretrained), infonce or sigmoid."),
    "locked": _option(str | None, None, HOW, "The tower that lit locks: image or text.", "--lock", shown="image"),
    "epochs": _by_method(float, "Times every image is shown."),
    "steps": _option(int | None, None, HOW, "Steps, instead of epochs."),
    "batch_size": _by_method(int, "Pairs told apart in a step."),
    "learning_rate": _by_method(float, "At its peak."),
    "warmup": _option(float, 0.05, HOW, "Share of the steps in which it rises."),
    "weight_decay": _option(float, 0.0, HOW, "Of matrices."),
    "max_grad_norm": _option(float, 1.0, HOW, "Longer gradients are shortened to it."),
    "layer_decay": _option(float, 1.0, HOW, "Factor of the learning rate from block to block downwards."),
    "ema": _option(float | None, None, HOW, "Keep a running average of the weights, such as 0.999."),
    "rank": _option(int | None, None, HOW, "Of lora's additions.", shown="8"),
    "margin": _option(float | None, None, HOW, "Push each hardest negative so far away too."),
    "text_negatives": _option(bool, False, HOW, "Captions with words swapped are negatives too."),
    "dims": _option(str | None, None, HOW, "Lengths at which shortened vectors should work too, as 64,128."),
    "relevance": _option(str | None, None, HOW, "Column that says how much a picture's captions count."),
    "hard_negatives": _option(bool, False, HOW, "Batches of pictures that are mistaken for one another."),
    "refresh": _option(int | None, None, HOW, "Epochs after which these are looked for anew."),
    "augment": _option(bool, False, HOW, "Crop, recolour and (where no caption names a side) mirror."),
    "patience": _option(int | None, None, HOW, "End after so many validations without a better recall."),
    "validations": _option(int, 10, HOW, "How often recall is measured on the way."),
    "log_to": _option(
        list[str] | None, None, HOW, "Send losses and recalls to tensorboard, wandb, ... too; several times."
    ),
    "seed": _option(int, 0, HOW, "Of everything random."),
    "micro_batch": _option(
        int | None, None, MEMORY,
        "Pairs that fit into memory at once; the gradients stay those of the whole batch.", shown="the batch",
    ),
    "precision": _option(str, "auto", MEMORY, "auto, float32, bfloat16 or float16."),
    "checkpointing": _option(bool, False, MEMORY, "Less memory, more time."),
    "drop_patches": _option(float, 0.0, MEMORY, "Share of the patches that are not read in training."),
}  # fmt: skip
"""The fields of `luneta.finetuning.Recipe`."""

ELIP: Choices = {
    "insert_layer": _by_variant(
        int, GUIDE, "Block of the image tower before which prompts come in; 0 is the first, -2 the last but one."
    ),
    "n_prompts": _by_variant(int, GUIDE, "Prompts made of a text."),
    "hidden": _by_variant(str, GUIDE, "Widths of the mapper, as 512,512."),
    "gated": _by_variant(
        bool, GUIDE, "How much prompts are listened to is learnt and begins at nothing: at the encoder's own order."
    ),
    "keep_prompts": _by_variant(bool, GUIDE, "The pooling head sees the prompts too, where there is one."),
    "dropout": _by_variant(float, GUIDE, "Of the prompts, in training."),
    "batches": _by_variant(
        str, LISTS,
        "lists: every text has pictures of its own; global: a step's texts are neighbours and share theirs.",
    ),
    "queries": _by_variant(int, LISTS, "Texts of a step."),
    "hard": _by_variant(int, LISTS, "Pictures for each text that the encoder takes for the right one."),
    "random": _by_variant(int, LISTS, "Pictures for each text at random."),
    "pool": _by_variant(int, LISTS, "Of the encoder's first answers, how many the hard pictures are drawn from."),
    "drawn_by": _by_variant(
        str, LISTS, "rank: earlier answers more often; similarity: by the encoder's scaled cosines."
    ),
    "suspicious": _by_variant(
        int, LISTS, "First answers above the right one that are left out, since they are likely right too."
    ),
    "loss": _by_variant(str, TRAINING, "auto (as pretrained), softmax or sigmoid."),
    "steps": _by_variant(int, TRAINING, "How many."),
    "learning_rate": _by_variant(float, TRAINING, "Of the mapper, at its peak."),
    "gate_rate": _by_variant(float, TRAINING, "The learning rate of the gate, at its peak."),
    "warmup": _by_variant(float, TRAINING, "Share of the steps in which both rates rise."),
    "weight_decay": _by_variant(float, TRAINING, "Of the mapper's matrices."),
    "max_grad_norm": _by_variant(float, TRAINING, "Longer gradients are shortened to it."),
    "validations": _by_variant(int, TRAINING, "How often it is measured on the way; the best weights are kept."),
    "validated": _by_variant(int, TRAINING, "Texts that it is measured on each time, at most."),
    "checkpointing": _by_variant(bool, TRAINING, "Less memory, more time."),
    "seed": _option(int, 0, TRAINING, "Of everything random."),
}  # fmt: skip
"""The fields of `luneta.rerank.ElipRecipe`; what is not said is as the variant has it."""


def widths(option: str, listed: str | None) -> tuple[int, ...]:
    """Whole numbers, as somebody types them.

    >>> widths("--dims", "64, 128"), widths("--dims", None)
    ((64, 128), ())

    Raises:
        ConfigError: they are none.
    """
    from luneta.errors import ConfigError

    try:
        return tuple(int(part) for part in (listed or "").split(",") if part.strip())
    except ValueError as error:
        raise ConfigError(f"{option} is {listed!r}, expected whole numbers separated by commas, as 64,128") from error


def elip_recipe(variant: str, choices: Mapping[str, Any]) -> ElipRecipe:
    """A variant's settings with what was said otherwise.

    Raises:
        ConfigError: a variant or choice that does not exist, or a choice that has no effect beside another.
    """
    from dataclasses import replace

    from luneta.errors import ConfigError
    from luneta.rerank.recipe import recipe_of

    given = {name: value for name, value in choices.items() if value is not None}
    if "hidden" in given:
        given["hidden"] = widths("--hidden", given["hidden"])
    recipe = replace(recipe_of(variant), **given)
    if recipe.batches == "global" and ({"hard", "random", "drawn_by"} & given.keys()):
        raise ConfigError(
            "--hard, --random and --drawn-by say nothing with --batches global, where texts share their pictures: "
            "leave them out, or take --batches lists"
        )
    if not recipe.gated and "gate_rate" in given:
        raise ConfigError("--gate-rate says nothing without a gate: leave it out, or take --gated")
    return recipe
