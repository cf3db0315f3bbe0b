"""Captions with two words exchanged: the same words, another sentence."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luneta.data.relevance import caption_key
from luneta.finetuning.swaps import swapped


def all_swaps(caption: str) -> set[str | None]:
    return {swapped(caption, np.random.default_rng(seed)) for seed in range(60)}


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a red car and a blue house", {"a blue car and a red house"}),
        ("um carro vermelho e um barco azul", {"um carro azul e um barco vermelho"}),
        ("uma casa vermelha perto da porta amarela", {"uma casa amarela perto da porta vermelha"}),
        ("two cats left of three dogs", {"three cats left of two dogs"}),
        ("dois gatos e três cães", {"três gatos e dois cães"}),
        ("Red car, blue house.", {"blue car, Red house."}),
        ("a dog bites a man", {"a bites dog a man", "a man bites a dog", "a dog man a bites"}),
        (
            "the cat watches the bird",
            {"the watches cat the bird", "the bird watches the cat", "the cat bird the watches"},
        ),
    ],
)
def test_two_words_of_a_kind_change_places_else_two_others(caption: str, expected: set[str]) -> None:
    assert all_swaps(caption) == expected


@pytest.mark.parametrize(
    "caption",
    ["", "boat", "a boat", "the red", "um barco", "boat boat", "...", "a cat and a dog", "um gato e um cachorro",
     "红色的船", "12"],
)  # fmt: skip
def test_none_where_no_exchange_says_something_else(caption: str) -> None:
    assert all_swaps(caption) == {None}


@given(caption=st.text(alphabet="ab AB.,'-éã \n", max_size=40), seed=st.integers(0, 5))
def test_never_the_same_sentence_and_always_the_same_words(caption: str, seed: int) -> None:
    found = swapped(caption, np.random.default_rng(seed))
    if found is not None:
        assert caption_key(found) != caption_key(caption)
        words = (sorted(re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", text)) for text in (caption, found))
        assert next(words) == next(words)
        assert len(found) == len(caption)
    assert found == swapped(caption, np.random.default_rng(seed))
