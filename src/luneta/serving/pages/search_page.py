"""The search page: what is on it, and which question each part of it asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from luneta.search import Item
from luneta.serving.pages.answers import answers_html, asked_for, examples_html, header_html
from luneta.serving.pages.asking import Asked, Desk, View, turned
from luneta.serving.pages.feedback import DOWN, UP, Marks
from luneta.serving.pages.filters import Control, condition, label_of, settings_of
from luneta.serving.pages.frame import Frame
from luneta.serving.pages.labels import said, translator
from luneta.serving.pages.pictures import PictureInput
from luneta.serving.pages.refusals import Refusal
from luneta.serving.pages.theme import ACTS
from luneta.wording import Locale

LONGEST = 20_000


class SearchPage:
    """Components and events; everything is decided by the desk.

    Args:
        frame: of all pages.
        desk: that answers.
        header: where the bundle's title stands, above the pages.
    """

    def __init__(self, frame: Frame, desk: Desk, header: Any) -> None:
        self.desk, self._frame, self.header = desk, frame, header
        labels = frame.labels
        several = len(desk.names) > 1
        self.bundle = labels.made(
            gr.Dropdown, said(label="bundle"), choices=list(desk.names), value=desk.names[0],
            visible=several, elem_id="bundle", interactive=True,
        )  # fmt: skip
        with gr.Row(elem_classes="ask", equal_height=False):
            self.query = labels.made(
                gr.Textbox,
                said(label="query", placeholder="query_placeholder"),
                elem_id="query", lines=1, max_lines=1, max_length=LONGEST, scale=5, autofocus=True,
            )  # fmt: skip
            self.go = labels.made(
                gr.Button, said(value="search"), variant="primary", elem_id="go", scale=1, min_width=110
            )
        self.examples = gr.HTML(
            examples_html(desk, desk.names[0], "en"), js_on_load=ACTS, elem_id="examples", apply_default_css=False
        )
        with gr.Row(elem_classes="desk", equal_height=False):
            with gr.Column(scale=1, min_width=270, elem_classes="side"):
                self._make_side()
            with gr.Column(scale=4, min_width=300):
                begun = desk.start(desk.names[0])
                self.results = gr.HTML(
                    answers_html(desk, begun, Marks(), "en"),
                    js_on_load=ACTS,
                    elem_id="answers",
                    apply_default_css=False,
                )
        self.view = gr.State(None)  # gradio would put what a page begins with into what everybody gets
        self.marks = gr.State(Marks())
        self._listen()

    # -- components --------------------------------------------------------------------------------------------

    def _make_side(self) -> None:
        labels, desk = self._frame.labels, self.desk
        with labels.made(gr.Accordion, said(label="picture_group"), open=True, elem_classes="fold"):
            mib = f"{desk.settings.max_upload_mib:g}"
            self.picture = labels.made(
                PictureInput,
                lambda t, _: {"label": t("picture"), "placeholder": t("picture_placeholder", mib=mib)},
                elem_id="picture",
            )
        self._filters: dict[str, list[Any]] = {}
        self._groups: dict[str, Any] = {}
        with labels.made(gr.Accordion, said(label="filters"), open=True, elem_classes="fold"):
            for n, name in enumerate(desk.names):
                with gr.Column(visible=n == 0, elem_classes="filters") as self._groups[name]:
                    self._filters[name] = [each for control in desk.controls[name] for each in self._filter(control)]
                    self._filters[name].append(self._condition(", ".join(_columns(desk, name))))
            self.clear = labels.made(gr.Button, said(value="clear_filters"), size="sm")
        with labels.made(gr.Accordion, said(label="options"), open=True, elem_classes="fold"):
            self.target = labels.made(
                gr.Radio,
                lambda t, _: {
                    "label": t("target"),
                    "choices": [(t("target_image"), "image"), (t("target_text"), "text")],
                },
                value="image", elem_id="target",
            )  # fmt: skip
            self.rerank = labels.made(
                gr.Checkbox, said(label="rerank", info="rerank_info"),
                visible=_reranks(desk, desk.names[0]), elem_id="rerank",
            )  # fmt: skip
            self.varied = labels.made(gr.Checkbox, said(label="varied"), elem_id="varied")
            self.near = labels.made(gr.Checkbox, said(label="near"), elem_id="near")

    def _condition(self, columns: str) -> Any:
        """Where any condition may be written."""
        labels = self._frame.labels
        with labels.made(gr.Accordion, said(label="where_group"), open=False, elem_classes="fold"):
            return labels.made(gr.Textbox, partial(_where_words, columns), lines=1, max_lines=4, max_length=LONGEST)

    def _filter(self, control: Control) -> list[Any]:
        """The inputs of one filter."""
        labels = self._frame.labels
        if control.kind == "choice":
            choices = _choices(control)
            return [
                labels.made(
                    gr.Dropdown,
                    lambda t, locale: {"label": label_of(control, locale)},
                    choices=choices,
                    multiselect=True,
                    value=[],
                    filterable=len(choices) > 8,
                )
            ]
        if control.kind == "text":
            return [
                labels.made(
                    gr.Textbox,
                    lambda t, locale: {"label": label_of(control, locale), "placeholder": t("holds")},
                    lines=1,
                    max_lines=1,
                    max_length=500,
                )
            ]
        ends = [str(end) for end in control.ends or ("", "")]
        with gr.Row(elem_classes="ends"):  # of texts: a number that is empty would be shown as 0
            return [
                labels.made(
                    gr.Textbox,
                    partial(_end_words, control, word),
                    placeholder=end,
                    max_lines=1,
                    max_length=40,
                    min_width=90,
                )
                for word, end in zip(("from", "to"), ends, strict=True)
            ]

    # -- events ------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        language, shown = self._frame.language, [self.results, self.view, self.marks]
        filters = [each for name in self.desk.names for each in self._filters[name]]
        controls = [self.bundle, self.query, self.picture, self.target, self.rerank, self.varied, self.near, *filters]
        given = [language, self.marks, *controls]
        how: dict[str, Any] = {
            "show_progress": "minimal",
            "show_progress_on": self.results,
            "api_visibility": "private",
        }
        gr.on([self.go.click, self.query.submit], self._search, given, shown, **how)
        self.examples.act(self._example, given, [self.query, *shown], **how)
        self.results.act(self._act, [language, self.view, self.marks], [*shown, self.query, self.picture], **how)
        self._changing = [each for name in self.desk.names for each in self._filters[name][:-1]]
        turned_to = [self.header, self.examples, self.rerank, *self._groups.values(), *self._changing, *shown]
        self.bundle.change(self._turn_to, [language, self.bundle], turned_to, **how)
        empty: list[list[str] | None] = [[] if isinstance(each, gr.Dropdown) else None for each in filters]
        self.clear.click(
            lambda: empty if len(empty) > 1 else empty[0],
            None,
            filters,
            show_progress="hidden",
            api_visibility="private",
        )
        self._frame.on_language(
            self._reword, [self.bundle, self.view, self.marks], [self.header, self.examples, self.results]
        )
        self._frame.on_load(self._begin, [self.header, self.examples, *self._changing, *shown])

    def _begin(self, locale: Locale) -> tuple[Any, ...]:
        name = self.desk.names[0]
        return (
            header_html(self.desk, name, locale),
            examples_html(self.desk, name, locale),
            *self._filters_now(),
            *self._started(name, locale),
        )

    def _filters_now(self) -> list[Any]:
        """The inputs of filters, with what bundles hold now."""
        updates: list[Any] = []
        for name in self.desk.names:
            for shape, control in zip(self.desk.controls[name], self.desk.controls_now(name), strict=True):
                updates += [gr.update(visible=False)] * shape.n_inputs if control is None else _updates(control)
        return updates

    def _turn_to(self, locale: Locale, name: str) -> list[Any]:
        return [
            header_html(self.desk, name, locale), examples_html(self.desk, name, locale),
            gr.update(visible=_reranks(self.desk, name)),
            *(gr.update(visible=name == other) for other in self._groups), *self._filters_now(),
            *self._started(name, locale),
        ]  # fmt: skip

    def _started(self, name: str, locale: Locale) -> tuple[str, View, Marks]:
        return self._show(self.desk.start(name), Marks(), locale)

    def _reword(self, locale: Locale, name: str, view: View | None, marks: Marks) -> tuple[Any, ...]:
        """The same in another language."""
        shown = self._show(view, marks, locale)[0] if view is not None else gr.skip()
        return header_html(self.desk, name, locale), examples_html(self.desk, name, locale), shown

    def _search(self, locale: Locale, marks: Marks, name: str, *controls: Any) -> tuple[str, View, Marks]:
        try:
            asked = self._asked(name, *controls)
        except Exception as error:  # noqa: BLE001 - told on the page
            return self._show(View(name, error=error), marks, locale)
        return self._answer(asked, marks, locale)

    def _example(
        self, event: gr.EventData, locale: Locale, marks: Marks, name: str, text: str, picture: Any, *controls: Any
    ) -> tuple[str, str, View, Marks]:
        chosen = str(_said(event).get("id", ""))[:LONGEST]
        return chosen, *self._search(locale, marks, name, chosen, None, *controls)

    def _asked(
        self, name: str, text: str, picture: str | None, target: Any, rerank: bool, varied: bool, near: bool,
        *filters: Any,
    ) -> Asked:  # fmt: skip
        self.desk.searcher(name)
        start = sum(len(self._filters[other]) for other in self.desk.names[: self.desk.names.index(name)])
        *given, typed = filters[start : start + len(self._filters[name])]
        settings = settings_of(self.desk.controls[name], self.desk.controls_now(name), given)
        return Asked(
            name, text or "", picture, None, target, condition(settings, typed or ""), tuple(settings), typed or "",
            bool(rerank), bool(varied), bool(near),
        )  # fmt: skip

    def _act(self, event: gr.EventData, locale: Locale, view: View | None, marks: Marks) -> tuple[Any, ...]:
        """A button among the answers; what more is wanted of takes the place of what was typed and chosen."""
        form = ("", None) if _said(event).get("act") == "more" else (gr.skip(), gr.skip())
        return *self._acted(
            event, locale, replace(view or View(error=Refusal("not_asked")), failed=None, taking=False), marks
        ), *form

    def _acted(self, event: gr.EventData, locale: Locale, view: View, marks: Marks) -> tuple[str, View, Marks]:
        act, number = str(_said(event).get("act", "")), _number(_said(event).get("id"))
        asked = view.asked
        if act == "more" and (hit := view.hit(number)) is not None:
            before = asked or Asked(view.bundle)
            more = replace(before, text="", picture=None, item=Item(hit.side, hit.id), offset=0, anyway=True)
            return self._answer(replace(more, target=hit.side), marks, locale)
        if act == "why" and (hit := view.hit(number)) is not None:
            return self._show(replace(view, detail=self.desk.explain(asked, hit, locale)), marks, locale)
        if act in ("up", "down") and asked is not None:
            try:
                query = asked_for(asked, view.of, translator("en"))
                marks = self.desk.vote(view, marks, number, UP if act == "up" else DOWN, query)
            except Exception as error:  # noqa: BLE001 - told beside the answers
                view = replace(view, failed=error)
        elif act == "export":
            view = replace(view, taking=True)
        elif act == "close":
            view = replace(view, detail=None)
        elif asked is not None:
            next_asked = {
                "next": turned(asked, 1), "previous": turned(asked, -1), "anyway": replace(asked, anyway=True),
                "again": replace(asked, offset=0), "forget": replace(asked, offset=0),
            }.get(act)  # fmt: skip
            if next_asked is not None:
                return self._answer(next_asked, Marks(log=marks.log) if act == "forget" else marks, locale)
        return self._show(view, marks, locale)

    def _answer(self, asked: Asked, marks: Marks, locale: Locale) -> tuple[str, View, Marks]:
        try:
            view = self.desk.answer(asked, marks)
        except Exception as error:  # noqa: BLE001 - told on the page
            view = View(asked.bundle, error=error)
        return self._show(view, marks.for_query(asked.key), locale)

    def _show(self, view: View, marks: Marks, locale: Locale) -> tuple[str, View, Marks]:
        try:
            return answers_html(self.desk, view, marks, locale), view, marks
        except Exception as error:  # noqa: BLE001 - told on the page
            view = View(view.bundle, error=error)
            return answers_html(self.desk, view, marks, locale), view, marks


def _where_words(columns: str, t: Any, locale: Locale) -> dict[str, str]:
    return {"label": t("where"), "info": t("where_info", columns=columns)}


def _end_words(control: Control, word: str, t: Any, locale: Locale) -> dict[str, str]:
    return {"label": t(word, name=label_of(control, locale))}


def _columns(desk: Desk, name: str) -> Sequence[str]:
    return [each for each in desk.searchers[name].bundle.items("image").column_names if not each.startswith("_")]


def _reranks(desk: Desk, name: str) -> bool:
    searcher = desk.searchers[name]
    return searcher.reranker is not None or searcher.bundle.record["reranker"] is not None


def _choices(control: Control) -> list[tuple[str, str]]:
    return [(f"{value} ({n})", str(value)) for value, n in control.values]


def _updates(control: Control) -> list[Any]:
    """For each input of a filter what it offers now."""
    if control.kind == "choice":
        return [gr.update(visible=True, choices=_choices(control))]
    if control.kind == "text":
        return [gr.update(visible=True)]
    return [gr.update(visible=True, placeholder=str(end)) for end in control.ends or ("", "")]


def _said(event: gr.EventData) -> dict[str, Any]:
    """What the page says of a click."""
    return event._data if isinstance(event._data, dict) else {}


def _number(written: Any) -> int:
    """
    >>> _number("17"), _number("x"), _number(None)
    (17, -1, -1)
    """
    return int(written) if str(written).isdecimal() and len(str(written)) < 20 else -1
