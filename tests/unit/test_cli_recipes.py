"""Every field of a recipe is an option of its name; what is said is taken, and what has no effect is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
import typer.main

from luneta.cli import app, recipes
from luneta.errors import ConfigError
from luneta.finetuning import Recipe
from luneta.rerank import VARIANTS, ElipRecipe


def options_of(*path: str) -> Mapping[str, Any]:
    """The options of a command, by the names of its arguments."""
    command: Any = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    return {parameter.name: parameter for parameter in command.params}


@pytest.mark.parametrize(
    ("path", "recipe", "options"),
    [(("finetune",), Recipe, recipes.FINETUNING), (("rerank", "train"), ElipRecipe, recipes.ELIP)],
)
def test_every_field_is_an_option(path: tuple[str, ...], recipe: type[Any], options: Mapping[str, Any]) -> None:
    fields = {field.name for field in dataclasses.fields(recipe)}
    assert set(options) == fields
    offered = options_of(*path)
    for name in fields:
        wanted = "--lock" if name == "locked" else f"--{name.replace('_', '-')}"
        assert wanted in offered[name].opts, name
        assert offered[name].help, name


def test_defaults_of_fine_tuning_are_those_of_its_recipe() -> None:
    offered, defaults = options_of("finetune"), dataclasses.asdict(Recipe())
    for name, default in defaults.items():
        assert (offered[name].default or None) == (default or None), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_not_said_is_as_the_variant_has_it(variant: str) -> None:
    unsaid = {name: option.default for name, option in options_of("rerank", "train").items() if name in recipes.ELIP}
    assert recipes.elip_recipe(variant, unsaid) == VARIANTS[variant]


SAID: dict[str, Any] = {
    "insert_layer": -1, "n_prompts": 5, "hidden": "64, 32", "gated": True, "keep_prompts": False, "dropout": 0.2,
    "loss": "softmax", "batches": "lists", "queries": 9, "hard": 4, "random": 2, "pool": 33, "drawn_by": "similarity",
    "suspicious": 1, "steps": 77, "learning_rate": 0.02, "gate_rate": 0.03, "warmup": 0.2, "weight_decay": 0.1,
    "max_grad_norm": 2.0, "validations": 3, "validated": 44, "checkpointing": True, "seed": 7,
}  # fmt: skip


def test_whatever_is_said_is_taken() -> None:
    told = recipes.elip_recipe("elip-c", SAID)
    assert told.to_dict() == {**SAID, "hidden": [64, 32]}
    assert recipes.elip_recipe("elip", {"gated": False, "keep_prompts": True, "warmup": 0.0}) == dataclasses.replace(
        VARIANTS["elip"], gated=False, keep_prompts=True, warmup=0.0
    )


@pytest.mark.parametrize(
    ("variant", "said", "message"),
    [
        ("elip-c", {"hard": 3}, "--hard, --random and --drawn-by say nothing with --batches global"),
        ("elip", {"batches": "global", "drawn_by": "rank"}, "say nothing with --batches global"),
        ("elip-c", {"gate_rate": 0.1}, "--gate-rate says nothing without a gate"),
        ("elip", {"gated": False, "gate_rate": 0.1}, "--gate-rate says nothing without a gate"),
        ("elip", {"keep_prompts": True}, "keep_prompts shows the prompts to the pooling head .* take gated=False"),
        ("elip", {"hidden": "wide"}, "--hidden is 'wide', expected whole numbers"),
        ("elip", {"warmup": 3.0}, "warmup is 3.0, expected 0 to 1"),
        ("elip-d", {}, "Did you mean elip-"),
    ],
)
def test_what_has_no_effect_or_cannot_be_is_refused(variant: str, said: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipes.elip_recipe(variant, said)


@pytest.mark.parametrize("said", [{"batches": "lists", "hard": 3}, {"gated": True, "gate_rate": 0.1}])
def test_what_has_an_effect_is_not(said: dict[str, Any]) -> None:
    assert {name: getattr(recipes.elip_recipe("elip-c", said), name) for name in said} == said
