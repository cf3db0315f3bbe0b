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
        ("three cats left of four dogs", {"four cats left of three dogs"}),
        ("três gatos e quatro cães", {"quatro gatos e três cães"}),
        ("Red car, blue house.", {"blue car, Red house."}),
        ("a red and white car and a blue boat", {"a red and blue car and a white boat"}),
        ("a cat on the left and a dog on the right", {"a cat on the right and a dog on the left"}),
        ("a lamp above a table behind a chair", {"a lamp behind a table above a chair"}),
        ("um gato pequeno e um cão grande", {"um gato grande e um cão pequeno"}),
        (
            "two small red boats and three big blue cars",
            {
                "three small red boats and two big blue cars",
                "two big red boats and three small blue cars",
                "two small blue boats and three big red cars",
            },
        ),
    ],
)
def test_two_words_of_a_kind_and_of_different_things_change_places(caption: str, expected: set[str]) -> None:
    assert all_swaps(caption) == expected


@pytest.mark.parametrize(
    "caption",
    ["", "boat", "a boat", "the red", "um barco", "boat boat", "...", "a cat and a dog", "um gato e um cachorro",
     "红色的船", "12",
     "a red, white and blue flag", "a red, shiny white and blue flag", "a dress of red, white and blue",
     "uma bandeira vermelha, azul e branca", "a small little cat", "a red orange sunset", "a cat beside a dog",
     "a dog near a cat", "a cat sleeping", "a sleeping cat", "a dog bites a man", "a day and night scene",
     "a red ball and a blue ball", "one cat and two dogs", "dois gatos e três casas", "a small dog and a tiny cat",
     "a gray wall and a grey door", "um carro vermelho e uma casa verde", "a red dress, white and blue",
     "trees on the left and trees on the right", "the left side and the right side"],
)  # fmt: skip
def test_none_where_an_exchange_may_be_as_true_or_no_sentence(caption: str) -> None:
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
