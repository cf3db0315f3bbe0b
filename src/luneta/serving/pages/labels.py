"""Words on a page that change with its language, while what somebody typed stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import gradio as gr

from luneta.serving.pages.messages import PAGES
from luneta.wording import Locale, Translate, translator_of

C = TypeVar("C")

Wording = Callable[[Translate, Locale], Mapping[str, Any]]
"""From a language to the arguments of a component that are words in it."""

FIRST: Locale = "en"
"""In which a page is built; a browser that prefers another one gets it before it is shown."""


class Labels:
    """The components of a page whose words depend on its language."""

    def __init__(self) -> None:
        self._wordings: list[tuple[Any, Wording]] = []

    def made(self, kind: Callable[..., C], words: Wording, **rest: Any) -> C:
        """A component, in the first language, that is known to depend on it."""
        component = kind(**words(translator(FIRST), FIRST), **rest)
        self._wordings.append((component, words))
        return component

    @property
    def components(self) -> list[Any]:
        return [component for component, _ in self._wordings]

    def updates(self, locale: Locale) -> list[Any]:
        """For each of the components what it says in a language."""
        t = translator(locale)
        return [gr.update(**words(t, locale)) for _, words in self._wordings]


def said(**names: str) -> Wording:
    """Arguments that are messages, by the names of these."""

    def words(t: Translate, locale: Locale) -> Mapping[str, Any]:
        return {argument: t(name) for argument, name in names.items()}

    return words


def translator(locale: Locale) -> Translate:
    return translator_of(locale, PAGES)
