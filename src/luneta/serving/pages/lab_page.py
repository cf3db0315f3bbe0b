"""The lab page: choose data and encoders, watch, read and take away what was measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import gradio as gr

from luneta.data.cenas.dataset import STYLES
from luneta.serving.pages.frame import Frame
from luneta.serving.pages.lab import CancelledError, Job, Lab, Outcome, Source, Task, until_ended
from luneta.serving.pages.lab_view import invitation_html, outcome_html, progress_html, refused_html
from luneta.serving.pages.labels import said
from luneta.serving.pages.pictures import CountInput, UploadInput
from luneta.serving.pages.refusals import Refusal
from luneta.serving.pages.uploads import ARCHIVES, KEPT
from luneta.wording import Locale, Translate

EVERY_S = 0.4
"""How often the page is told how far a job is."""

DEFAULT_LIMIT = 200
BEGIN_WITH = ["luneta-mini", "luneta-mini-siglip"]


class LabPage:
    """Components and events; everything is decided by the lab."""

    def __init__(self, frame: Frame, lab: Lab) -> None:
        self.lab, self._frame = lab, frame
        self._jobs: dict[str, Job] = {}
        labels = frame.labels
        with gr.Row(elem_classes="desk", equal_height=False):
            with gr.Column(scale=1, min_width=270, elem_classes="side"):
                with labels.made(gr.Accordion, said(label="lab_data"), open=True, elem_classes="fold"):
                    self._make_data()
                with labels.made(gr.Accordion, said(label="lab_columns"), open=False, elem_classes="fold"):
                    self.split = labels.made(
                        gr.Textbox,
                        partial(_hinted, "lab_split", "test"),
                        elem_id="lab-split",
                        max_lines=1,
                        max_length=100,
                    )
                    self.language = labels.made(
                        gr.Textbox,
                        partial(_hinted, "lab_language", "en, pt-BR"),
                        elem_id="lab-language",
                        max_lines=1,
                        max_length=35,
                    )
                    self.image = labels.made(
                        gr.Textbox,
                        said(label="lab_image", placeholder="lab_found"),
                        elem_id="lab-image",
                        max_lines=1,
                        max_length=500,
                    )
                    self.text = labels.made(
                        gr.Textbox,
                        said(label="lab_text", placeholder="lab_found"),
                        elem_id="lab-text",
                        max_lines=1,
                        max_length=500,
                    )
                with labels.made(gr.Accordion, said(label="lab_encoders_group"), open=True, elem_classes="fold"):
                    known = lab.encoders()
                    self.encoders = labels.made(
                        gr.Dropdown, said(label="lab_encoders_label", info="lab_encoders_info"),
                        choices=known, value=[name for name in BEGIN_WITH if name in known], multiselect=True,
                        allow_custom_value=True, elem_id="lab-encoders", interactive=True,
                    )  # fmt: skip
                self.go = labels.made(gr.Button, said(value="lab_run"), variant="primary", elem_id="lab-go")
                self.stop = labels.made(gr.Button, said(value="lab_cancel"), elem_id="lab-stop", visible=False)
            with gr.Column(scale=4, min_width=300):
                with gr.Row(visible=False, elem_classes="take", elem_id="lab-take") as self.take:
                    self.report = labels.made(gr.DownloadButton, said(label="lab_report"), elem_id="lab-report")
                    self.json = labels.made(gr.DownloadButton, said(label="lab_json"), elem_id="lab-json")
                self.results = gr.HTML(
                    invitation_html("en"), elem_id="lab-results", js_on_load=None, apply_default_css=False
                )
        self.outcome = gr.State(None)
        self._listen()

    def _make_data(self) -> None:
        labels, lab = self._frame.labels, self.lab
        self.source = labels.made(
            gr.Radio,
            lambda t, _: {"label": t("lab_source"), "choices": [(t(f"lab_{each}"), each) for each in lab.sources]},
            value="cenas", elem_id="lab-source",
        )  # fmt: skip
        self._groups: dict[Source, Any] = {}
        with gr.Column(elem_classes="filters") as self._groups["cenas"]:
            self.cenas = labels.made(
                gr.Dropdown, _style_words, value=_cenas(STYLES[0]), elem_id="lab-cenas", interactive=True
            )  # fmt: skip
        with gr.Column(visible=False, elem_classes="filters") as self._groups["hub"]:
            self.hub = labels.made(
                gr.Textbox,
                partial(_hinted, "lab_hub_label", "owner/name"),
                elem_id="lab-hub",
                max_lines=1,
                max_length=200,
            )
        with gr.Column(visible=False, elem_classes="filters") as self._groups["folder"]:
            self.folder = labels.made(
                gr.Dropdown, said(label="lab_folder_label", info="lab_folder_info"),
                choices=lab.folders(), value=None, allow_custom_value=True, elem_id="lab-folder", interactive=True,
            )  # fmt: skip
        with gr.Column(visible=False, elem_classes="filters") as self._groups["upload"]:
            self.upload = labels.made(
                UploadInput,
                lambda t, _: {"label": t("lab_upload_label", mib=f"{lab.settings.max_upload_mib:g}")},
                file_count="multiple", file_types=[*ARCHIVES, *sorted(KEPT)], height=150, elem_id="lab-upload",
            )  # fmt: skip
        self.limit = labels.made(
            CountInput, said(label="lab_limit_label"), value=min(DEFAULT_LIMIT, lab.settings.most_images),
            minimum=2, maximum=lab.settings.most_images, precision=0, elem_id="lab-limit",
        )  # fmt: skip

    # -- events ------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        names = [self.cenas, self.hub, self.folder]
        given = [self._frame.language, self.source, *names, self.upload, self.split, self.language, self.image,
                 self.text, self.limit, self.encoders]  # fmt: skip
        shown = [self.results, self.outcome, self.go, self.stop, self.take, self.report, self.json]
        self.go.click(self._run, given, shown, concurrency_limit=None, **quiet)
        self.stop.click(self._cancel, None, None, concurrency_limit=None, **quiet)
        self.source.change(self._turn_to, self.source, list(self._groups.values()), **quiet)
        self._frame.on_language(self._reword, [self.outcome], [self.results])
        self._frame.on_leave(self._cancel)

    def _turn_to(self, source: Source) -> list[Any]:
        return [gr.update(visible=source == other) for other in self._groups]

    def _reword(self, locale: Locale, found: Outcome | None) -> str:
        return invitation_html(locale) if found is None else outcome_html(found, locale)

    def _cancel(self, request: gr.Request) -> None:
        job = self._jobs.get(str(request.session_hash))
        if job is not None:
            job.cancelled.set()

    async def _run(
        self, request: gr.Request, locale: Locale, source: Source, cenas: str, hub: str, folder: str | None,
        uploads: Sequence[str] | None, split: str, language: str, image: str, text: str, limit: int,
        encoders: Sequence[str],
    ) -> AsyncIterator[tuple[Any, ...]]:  # fmt: skip
        name = {"cenas": cenas, "hub": hub, "folder": folder, "upload": ""}.get(source) or ""
        task = Task(
            source, str(name).strip(), tuple(uploads or ()), _word(split), _word(language), _word(image), _word(text),
            limit, tuple(encoders or ()),
        )  # fmt: skip
        session = str(request.session_hash)
        try:
            if session in self._jobs:
                raise Refusal("lab_running")
            job = self._jobs[session] = self.lab.start(task, locale)
        except Refusal as error:
            yield self._show(refused_html(self.lab.told(error, locale), locale))
            return
        try:
            async for now in until_ended(job, EVERY_S):
                if not now.ended.is_set():
                    yield self._show(progress_html(now, locale), working=True)
            yield await asyncio.to_thread(self._ended, job, locale)
        finally:
            job.cancelled.set()  # nobody waits for it any more
            self._jobs.pop(session, None)

    def _ended(self, job: Job, locale: Locale) -> tuple[Any, ...]:
        if job.outcome is None:
            assert job.error is not None
            cancelled = isinstance(job.error, CancelledError)
            return self._show(refused_html(self.lab.told(job.error, locale), locale, meant=cancelled))
        return self._show(outcome_html(job.outcome, locale), job.outcome)

    def _show(self, html: str, found: Outcome | None = None, *, working: bool = False) -> tuple[Any, ...]:
        """For each of the components that change."""
        files = [gr.update()] * 2 if found is None else [str(found.report), str(found.results)]
        buttons = gr.update(interactive=not working), gr.update(visible=working)
        return html, found, *buttons, gr.update(visible=found is not None), *files


def _style_words(t: Translate, locale: Locale) -> dict[str, Any]:
    return {"label": t("lab_style"), "choices": [(t(f"lab_style_{style}"), _cenas(style)) for style in STYLES]}


def _hinted(label: str, hint: str, t: Translate, locale: Locale) -> dict[str, str]:
    """A label in any language over a hint that is the same in all."""
    return {"label": t(label), "placeholder": hint}


def _cenas(style: str) -> str:
    return "cenas" if style == STYLES[0] else f"cenas/{style}"


def _word(written: str | None) -> str:
    return (written or "").strip()
