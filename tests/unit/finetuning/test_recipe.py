"""Recipes: defaults by method, and bad values refused before any work is done."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from luneta.errors import ConfigError
from luneta.finetuning.recipe import Recipe

BAD: list[tuple[dict[str, Any], str]] = [
    ({"method": "loar"}, "unknown method 'loar'. Did you mean lora"),
    ({"loss": "triplet"}, "unknown loss 'triplet'. Known: auto"),
    ({"locked": "both"}, "unknown locked 'both'"),
    ({"precision": "fp8"}, "unknown precision"),
    ({"epochs": 0}, "epochs is 0, expected more than 0"),
    ({"steps": 0}, "steps is 0, expected at least 1"),
    ({"batch_size": 1}, "batch_size is 1, expected at least 2"),
    ({"micro_batch": 0}, "micro_batch"),
    ({"learning_rate": 0}, "learning_rate is 0, expected more than 0"),
    ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ({"warmup": 1.5}, "warmup is 1.5"),
    ({"weight_decay": -1}, "weight_decay"),
    ({"layer_decay": 0}, "layer_decay"),
    ({"ema": 1}, "ema is 1"),
    ({"rank": 0, "method": "lora"}, "rank is 0"),
    ({"margin": 3}, "margin is 3"),
    ({"drop_patches": 0.95}, "drop_patches"),
    ({"patience": 0}, "patience"),
    ({"validations": 0}, "validations"),
    ({"steps": "3"}, "steps is '3', expected a whole number"),
    ({"steps": 2.5}, "steps is 2.5, expected a whole number"),
    ({"validations": 2.5}, "validations is 2.5, expected a whole number"),
    ({"learning_rate": "fast"}, "learning_rate is 'fast', expected a number"),
    ({"batch_size": True}, "batch_size is True"),
    ({"seed": 1.5}, "seed is 1.5"),
    ({"seed": -1}, "seed is -1"),
    ({"dims": (2.5,)}, r"dims are \[2.5\]"),
    ({"dims": (0,)}, r"dims are \[0\]"),
    ({"method": "lit", "augment": True}, "locked='text'"),
    ({"method": "lit", "drop_patches": 0.5}, "computed once"),
    ({"method": "head", "text_negatives": True}, "use another method"),
    ({"epochs": 2, "steps": 30}, "epochs=2 and steps=30 both say how long: give one"),
    ({"rank": 4}, "rank=4 is of low-rank additions, and method='full' makes none; take method='lora'"),
    ({"rank": 4, "method": "lit"}, "method='lit' makes none"),
    ({"locked": "text"}, "locked='text' is the tower that method='lit' leaves alone"),
    ({"locked": "image", "method": "head"}, "locks none or both; take method='lit', or leave it out"),
    ({"checkpointing": True, "method": "head"}, "checkpointing need towers that run"),
    (
        {"layer_decay": 0.7, "method": "head"},
        "layer_decay=0.7 is for the blocks of a tower, and method='head' trains none",
    ),
    ({"hard_negatives": True, "refresh": 0}, "refresh is 0, expected at least 1"),
    ({"refresh": 2}, "ask for them with hard_negatives=True"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_values_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recipe(**arguments)


@pytest.mark.parametrize(
    ("method", "low", "high"), [("full", 1e-8, 1e-2), ("lora", 1e-7, 0.1), ("lit", 1e-8, 0.1), ("head", 1e-7, 1.0)]
)
def test_a_learning_rate_outside_of_what_works_is_said(
    method: Any, low: float, high: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "luneta")
    Recipe(method=method)
    assert not caplog.records
    Recipe(method=method, learning_rate=low)
    assert "nothing to be learnt" in caplog.text
    Recipe(method=method, learning_rate=high)
    assert "forget" in caplog.text


def test_defaults_of_the_method_are_filled_in() -> None:
    head = Recipe(method="head")
    assert (head.peak_rate, head.pairs_per_step, head.cached) == (1e-3, 1024, ("image", "text"))
    assert Recipe(method="lit", locked="text").cached == ("text",)
    assert Recipe().cached == Recipe(method="lora").cached == ()
    said = json.loads(json.dumps(head.to_dict()))
    assert (said["learning_rate"], said["batch_size"], said["dims"]) == (1e-3, 1024, [])


def test_what_is_not_said_is_what_the_method_takes() -> None:
    """So that a recipe can be made into one of another method."""
    said = {method: Recipe(method=method).to_dict() for method in ("full", "lora", "lit", "head")}  # type: ignore[arg-type]
    assert [said[method]["rank"] for method in said] == [None, 8, None, None]
    assert [said[method]["locked"] for method in said] == [None, None, "image", None]
    assert Recipe(method="lora", rank=2).to_dict()["rank"] == 2
    assert replace(Recipe(method="lora"), method="full").n_ranks is None
    assert replace(Recipe(method="lit"), method="full").cached == ()


def test_steps_or_epochs() -> None:
    assert Recipe(steps=7).n_steps(100) == 7
    assert Recipe(epochs=0.5).n_steps(9) == 4
    assert Recipe(epochs=0.01).n_steps(9) == 1
    assert Recipe().n_steps(9) == 90
