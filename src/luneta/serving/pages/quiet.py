"""Blocks that keep to themselves what somebody asked: no error of theirs is printed, and each is told in a sentence."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import gradio as gr

from luneta.serving.pages.lab import Lab
from luneta.serving.pages.labels import FIRST, translator
from luneta.serving.pages.refusals import Refusal
from luneta.serving.problems import language_of
from luneta.wording import LOCALES, Locale


class QuietBlocks(gr.Blocks):  # type: ignore[misc]
    """Gradio's, which would print what an event was given, and tell its errors in English.

    Attributes:
        told: an error in a sentence; set before anybody asks.
        language: the component that says in which language.
        lab: of the pages, to be closed with them.
    """

    told: Callable[[Exception, Locale], str]
    language: Any = None
    lab: Lab | None = None

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, request: Any = None, *rest: Any, **more: Any
    ) -> dict[str, Any]:
        try:
            found: dict[str, Any] = await super().process_api(block_fn, inputs, state, request, *rest, **more)
        except Exception as error:  # noqa: BLE001 - told on the page
            locale = self._spoken(block_fn, inputs, request)
            own = Refusal("not_asked") if isinstance(error, gr.Error) else error
            raise gr.Error(
                html.escape(self.told(own, locale)), title=translator(locale)("error"), print_exception=False
            ) from None
        return found

    def _spoken(self, block_fn: Any, inputs: list[Any], request: Any) -> Locale:
        """As the page says, else as its browser does."""
        said = [value for block, value in zip(block_fn.inputs, inputs, strict=False) if block is self.language]
        if said and said[0] in LOCALES:
            return said[0]  # type: ignore[no-any-return]
        headers = getattr(request, "headers", None)
        return FIRST if headers is None else language_of(headers.get("accept-language", ""))
