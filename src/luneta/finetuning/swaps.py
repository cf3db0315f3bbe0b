"""Captions with words exchanged, which look alike and say something else (as NegCLIP's, Yuksekgonul et al., 2023)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")

Order = Literal["before", "after", "place"]

KINDS: Sequence[tuple[Order, str]] = [
    ("before", "red orange yellow green blue purple pink brown black white gray=grey"),
    ("after", "vermelho laranja amarelo verde azul roxo rosa marrom preto branco cinza"),
    ("after", "vermelha laranja amarela verde azul roxa rosa marrom preta branca cinza"),
    ("before", "two three four five six seven eight nine ten"),
    ("before", "três quatro cinco seis sete oito nove dez"),
    ("before", "small=little=tiny big=large=huge"),
    ("after", "pequeno=minúsculo grande=enorme"),
    ("after", "pequena=minúscula grande=enorme"),
    ("place", "left right"),
    ("place", "esquerda direita"),
    ("place", "above=over below=under behind"),
    ("place", "acima abaixo"),
    ("before", "sunny rainy snowy cloudy foggy"),
]
"""Words of one kind, "=" between those that mean the same, and where they stand: before their noun, after it, or in
a phrase of place. Two of them change places and the sentence stays grammatical: so there is no "one" (two cats), no
"dois" and "duas"; and it says something else: so there is no "beside" or "near", which hold both ways."""

_STOP = {
    word
    for words in (
        "a an the of and or in on at to with is are was were be it its this that there by from for as",
        "very muito muita bem mais",
        "o os um uma uns umas de do da dos das e ou em no na nos nas ao à aos às com é são por para que se seu sua",
    )
    for word in words.split()
}


_MASCULINE, _FEMININE = {"o", "os", "um", "do", "no", "ao"}, {"a", "as", "uma", "da", "na", "à"}

_MEANINGS: Sequence[tuple[Order, dict[str, int]]] = [
    (order, {word: number for number, same in enumerate(words.split()) for word in same.split("=")})
    for order, words in KINDS
]
_KNOWN = {word for _, meanings in _MEANINGS for word in meanings}


def swapped(caption: str, rng: np.random.Generator) -> str | None:
    """The caption with two words of one kind exchanged that belong to two different things.

    Args:
        caption: English or Portuguese.
        rng: chooses among the possible exchanges.

    Returns:
        None when no exchange is sure to give a sentence that is grammatical and says something else: the words of
        "a red, white and blue flag" belong to one thing, those of "a red ball and a blue ball" to two that are alike.

    >>> swapped("a red car and a blue house", np.random.default_rng(0))
    'a blue car and a red house'
    >>> swapped("a red, white and blue flag", np.random.default_rng(0)) is None
    True
    """
    words = _Words(caption)
    exchanges = [
        (i, j)
        for i in range(len(words.lowered))
        for j in range(i + 1, len(words.lowered))
        if any(_tells_apart(words, i, j, order, meanings) for order, meanings in _MEANINGS)
    ]
    if not exchanges:
        return None
    i, j = exchanges[int(rng.integers(len(exchanges)))]
    first, second = words.found[i], words.found[j]
    return (
        caption[: first.start()]
        + second[0]
        + caption[first.end() : second.start()]
        + first[0]
        + caption[second.end() :]
    )


class _Words:
    """The words of a caption, and which of them belong together."""

    def __init__(self, caption: str) -> None:
        self.found = list(_WORD.finditer(caption))
        self.lowered = [word[0].lower() for word in self.found]
        gaps = [caption[a.end() : b.start()] for a, b in pairwise(self.found)]
        self._divided = [bool(gap.strip()) for gap in gaps]  # by a comma or the like, from the word before

    def names(self, at: int) -> bool:
        """Whether a word may be a noun: no small word, and of none of the kinds."""
        word = self.lowered[at]
        return word not in _STOP and word not in _KNOWN and len(word) > 2

    def noun(self, at: int, step: int) -> int | None:
        """The nearest noun after (step 1) or before (-1) a word, when nothing but words of the kinds is between."""
        while True:
            at += step
            if not 0 <= at < len(self.lowered) or self._divided[at if step < 0 else at - 1]:
                return None
            if self.names(at):
                return at
            if self.lowered[at] not in _KNOWN:
                return None

    def apart(self, i: int, j: int) -> bool:
        """Whether a comma or a small word stands between two words."""
        return any(self._divided[i:j]) or any(word in _STOP for word in self.lowered[i + 1 : j])

    def gender(self, noun: int) -> str | None:
        """Of a Portuguese noun, from the article before it."""
        article = self.lowered[noun - 1] if noun else ""
        return "m" if article in _MASCULINE else "f" if article in _FEMININE else None


def _tells_apart(words: _Words, i: int, j: int, order: Order, meanings: Mapping[str, int]) -> bool:
    """Whether two words are of a kind and belong to different things, so that the exchange says something else."""
    first, second = (meanings.get(words.lowered[at]) for at in (i, j))
    if first is None or second is None or first == second:
        return False
    if order == "place":
        elsewhere = {*words.lowered[:i], *words.lowered[j + 1 :]}
        return any(words.names(at) and words.lowered[at] not in elsewhere for at in range(i + 1, j))
    step = 1 if order == "before" else -1
    own, others = words.noun(i, step), words.noun(j, step)
    if own is None or others is None or words.lowered[own] == words.lowered[others]:
        return False
    if order == "before":
        return own < j and words.apart(own, j)
    gender = words.gender(own)
    return others > i and words.apart(i, others) and gender is not None and gender == words.gender(others)
