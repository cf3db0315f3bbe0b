"""What all pages share: the language they speak, and what happens when somebody opens them or chooses another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from luneta.serving.pages.labels import FIRST, Labels, said
from luneta.serving.pages.theme import FOLD, SPEAK
from luneta.serving.problems import language_of
from luneta.wording import LOCALES, Locale

NAMES = {"en": "English", "pt-BR": "Português"}


class Frame:
    """Made first, inside the blocks; `finish` comes last."""

    def __init__(self) -> None:
        self.labels = Labels()
        self.language = self.labels.made(
            gr.Radio, said(label="language"), choices=[(NAMES[locale], locale) for locale in LOCALES],
            value=FIRST, elem_id="language", elem_classes="language", interactive=True,
        )  # fmt: skip
        theme = self.labels.made(gr.Button, said(value="theme"), size="sm", elem_id="theme")
        theme.click(None, js="() => { luneta.theme(); return []; }", api_visibility="private")
        self._reworded: list[tuple[Callable[..., Any], list[Any], list[Any]]] = []
        self._loaded: list[tuple[Callable[[Locale], Any], list[Any]]] = []
        self._left: list[Callable[[gr.Request], None]] = []

    def on_language(self, fn: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Call fn(locale, *inputs) for the outputs when another language is chosen."""
        self._reworded.append((fn, list(inputs), list(outputs)))

    def on_load(self, fn: Callable[[Locale], Any], outputs: Sequence[Any]) -> None:
        """Call fn(locale) for the outputs when the page is opened."""
        self._loaded.append((fn, list(outputs)))

    def on_leave(self, fn: Callable[[gr.Request], None]) -> None:
        """Call fn(request) when somebody closes the page."""
        self._left.append(fn)

    def finish(self, blocks: gr.Blocks) -> None:
        """Connect everything."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        components = self.labels.components
        turned = self.language.change(self.labels.updates, self.language, components, **quiet)
        turned.then(None, self.language, None, js=SPEAK, **quiet)
        for fn, inputs, outputs in self._reworded:
            self.language.change(fn, [self.language, *inputs], outputs, **quiet)
        for leave in self._left:
            blocks.unload(leave)
        outputs = [self.language, *(each for _, own in self._loaded for each in own)]
        opened = blocks.load(self._open, self.language, outputs, js="() => [luneta.language()]", **quiet)
        opened.then(None, self.language, None, js=FOLD, **quiet)

    def _open(self, chosen: str | None, request: gr.Request) -> list[Any]:
        locale: Locale = chosen if chosen in LOCALES else language_of(request.headers.get("accept-language", ""))
        return [locale, *(each for fn, _ in self._loaded for each in fn(locale))]
