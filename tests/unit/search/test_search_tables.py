"""Answers in the terminal."""

from __future__ import annotations

import io

from PIL import Image
from rich.console import Console

from luneta.bundles.calibration import Calibration, Cutoff, Rate
from luneta.search.drawing import drawn
from luneta.search.hits import Hit, Hits
from luneta.search.tables import cutoffs_grid, hits_grid


def test_nothing_in_a_caption_steers_the_terminal() -> None:
    evil = "a boat\x1b[2J\x1b]0;title\x07\u202e"
    hits = Hits(evil, [Hit(1, 7, "image", 0.5, name=f"{evil}.png", texts=[evil])])
    grid = hits_grid(hits, "en")
    shown = "".join([grid.title, *(cell for row in grid.rows for cell in row)])
    assert shown.isprintable()
    assert "a boat" in shown


def test_a_picture_in_characters() -> None:
    picture = Image.new("RGB", (40, 20), (255, 0, 0))
    picture.paste((0, 0, 255), (0, 10, 40, 20))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    console = Console(width=80, force_terminal=True, color_system="truecolor", file=io.StringIO())
    text = drawn(buffer.getvalue(), 8)
    assert text.plain == "\n".join(["\N{UPPER HALF BLOCK}" * 8] * 2)
    styles = [str(span.style) for span in text.spans]
    assert styles[0].startswith("rgb(255,0,0) on rgb(2")  # resizing mixes neighbours a little
    assert styles[-1].endswith("on rgb(0,0,255)")
    console.print(text)


def test_the_mistakes_of_a_cut_off_are_named_by_what_is_true_and_what_is_said() -> None:
    rate = Rate(0.05, 0.01, 0.1, 200)
    found = Calibration([Cutoff("image", None, 0.25, "missed", 0.05, 100, rate, rate, "taken away")], {"image": 9})
    header = cutoffs_grid(found, "en").header
    assert header[-2:] == ("have an answer, told nothing", "have no answer, shown something")
    header = cutoffs_grid(found, "pt-BR").header
    assert header[-2:] == ("têm resposta, mas são recusadas", "não têm resposta, mas são atendidas")
