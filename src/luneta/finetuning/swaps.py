"""Captions with words exchanged, which look alike and say something else (as NegCLIP's, Yuksekgonul et al., 2023)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")

KINDS: Sequence[Sequence[str]] = [
    kind.split()
    for kind in (
        "red orange yellow green blue purple pink brown black white gray grey",
        "vermelho laranja amarelo verde azul roxo rosa marrom preto branco cinza",
        "vermelha amarela roxa preta branca",
        "one two three four five six seven eight nine ten",
        "dois três quatro cinco seis sete oito nove dez",
        "duas",
        "small little tiny big large huge",
        "pequeno minúsculo grande enorme",
        "pequena minúscula",
        "left right",
        "esquerda direita",
        "above below under over behind beside",
        "acima abaixo",
        "day night morning evening",
        "sunny rainy snowy cloudy foggy",
    )
]
"""Words of one kind: two of them in a caption can change places and the sentence stays grammatical."""

_JOINING = {"and", "or", "e", "ou", "y", "o", "und", "et"}
_BETWEEN_EQUALS = _JOINING | {"a", "an", "the", "um", "uma", "os", "as"}

_STOP = {
    word
    for words in (
        "a an the of and or in on at to with is are was were be it its this that there by from for as",
        "o os um uma uns umas de do da dos das e ou em no na nos nas ao à aos às com é são por para que se seu sua",
    )
    for word in words.split()
}


def swapped(caption: str, rng: np.random.Generator) -> str | None:
    """The caption with two words exchanged: two of one kind where it has them, else two other words.

    Args:
        caption: English or Portuguese, or any language that puts spaces between words.
        rng: chooses among the possible exchanges.

    Returns:
        None when no exchange gives another sentence. "A cat and a dog" says the same as "a dog and a cat": words that
        are joined by nothing but "and" do not change places.

    >>> swapped("a red car and a blue house", np.random.default_rng(0))
    'a blue car and a red house'
    >>> swapped("boat", np.random.default_rng(0)) is None
    True
    """
    words = list(_WORD.finditer(caption))
    lowered = [word[0].lower() for word in words]
    alike = [
        (i, j)
        for i in range(len(words))
        for j in range(i + 1, len(words))
        if any(lowered[i] in kind and lowered[j] in kind for kind in KINDS) and _tells_apart(lowered, i, j)
    ]
    if not alike:
        content = [i for i, word in enumerate(lowered) if word not in _STOP and len(word) > 2]
        alike = [(i, j) for i in content for j in content if i < j and _tells_apart(lowered, i, j)]
    if not alike:
        return None
    i, j = alike[int(rng.integers(len(alike)))]
    first, second = words[i], words[j]
    return (
        caption[: first.start()]
        + second[0]
        + caption[first.end() : second.start()]
        + first[0]
        + caption[second.end() :]
    )


def _tells_apart(words: Sequence[str], i: int, j: int) -> bool:
    """Whether the sentence says something else when its words i and j change places."""
    between = set(words[i + 1 : j])
    return words[i] != words[j] and not (between & _JOINING and between <= _BETWEEN_EQUALS)
