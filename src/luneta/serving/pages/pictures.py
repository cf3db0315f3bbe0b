"""An uploaded picture as the path of its file; gradio itself must not decode it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder


def PictureInput(**rest: Any) -> gr.Image:
    """A component that takes a picture and gives the path of its file."""
    made = gr.Image(
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        buttons=[],
        interactive=True,
        height=170,
        show_label=False,
        **rest,
    )
    vars(made)["preprocess"] = uploaded_path
    return made


def uploaded_path(payload: Any) -> str | None:
    """Where an uploaded file lies; None where there is none, or where it lies elsewhere than uploads do."""
    path = getattr(payload, "path", None)
    if not path:
        return None
    place = Path(path).resolve()
    return str(place) if place.is_relative_to(Path(get_upload_folder()).resolve()) else None
