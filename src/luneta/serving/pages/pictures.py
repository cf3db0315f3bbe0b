"""Inputs as the pages take them: uploads as paths of their files, which gradio itself must not open, and plain numbers.

They are classes, for gradio makes a component anew for whoever has it changed, by another language for example.
"""

from __future__ import annotations

import math
from abc import ABCMeta
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta
from gradio.utils import get_upload_folder


class _AsTheyAre(ComponentMeta):  # type: ignore[misc]
    """For classes that change nothing but a method: gradio would write a stub beside their module."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> type:
        made: type = ABCMeta.__new__(cls, name, bases, attributes)
        return made


class _Picture(gr.Image, metaclass=_AsTheyAre):  # type: ignore[misc]
    is_template = True  # to the page it is gradio's

    def preprocess(self, payload: Any) -> str | None:
        return uploaded_path(payload)


class UploadInput(gr.File, metaclass=_AsTheyAre):  # type: ignore[misc]
    """Takes files and gives their paths."""

    is_template = True

    def preprocess(self, payload: Any) -> list[str]:
        return [path for path in map(uploaded_path, payload or ()) if path is not None]


class CountInput(gr.Number, metaclass=_AsTheyAre):  # type: ignore[misc]
    """Takes a number of things; whoever counts them refuses what cannot be, in the page's language."""

    is_template = True

    def preprocess(self, payload: Any) -> int:
        return count_of(payload)


def PictureInput(**rest: Any) -> gr.Image:
    """A component that takes a picture and gives the path of its file."""
    return _Picture(
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        buttons=[],
        interactive=True,
        height=170,
        show_label=False,
        **rest,
    )


def uploaded_path(payload: Any) -> str | None:
    """Where an uploaded file lies; None where there is none, or where it lies elsewhere than uploads do."""
    path = getattr(payload, "path", None)
    if not path:
        return None
    place = Path(path).resolve()
    return str(place) if place.is_relative_to(Path(get_upload_folder()).resolve()) else None


def count_of(payload: Any) -> int:
    """A number of things; 0 where it is none.

    >>> count_of(60.0), count_of(None), count_of(float("nan")), count_of("60"), count_of(1e300)
    (60, 0, 0, 0, 0)
    """
    usual = isinstance(payload, int | float) and math.isfinite(payload) and abs(payload) < 10**9
    return int(payload) if usual else 0
