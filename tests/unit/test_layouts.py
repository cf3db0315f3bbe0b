"""Tables in the room there is: whole where it suffices, else folded where a reader would fold them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from luneta.grids import Grid
from luneta.layouts import GridView, Name

PROOF = Grid(
    title="Before and after on a data set whose name is longer than the table beneath it is wide, as names may be",
    header=("", "before", "after", "difference"),
    rows=(
        ("texto → imagem recall@10", "0,897 (0,871 a 0,923)", "0,911 (0,886 a 0,935)", "+0,014 (+0,002 a +0,027)"),
        ("texto → imagem mrr", "0,937", "0,950", "+0,013"),
    ),
    notes=("Paired by query.",),
)
SPENT = Grid(
    title="What was spent",
    header=("started (UTC)", "kind", "what", "status", "minutes", "peak MiB", "kWh", "USD", "BRL"),
    rows=(
        ("2026-11-26 06:18", "finetune", "google/siglip2-base-patch16-224 · fotos · lora", "interrompida", "1.234,5",
         "12.688", "0,0001", "0,000", "–"),
        ("all 2 runs", "", "", "", "0.2", "", "0.0001", "0.000", "–"),
    ),
    n_labels=4,
)  # fmt: skip


def shown(grid: Grid, width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(GridView(grid))
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("grid", [PROOF, SPENT], ids=["proof", "spent"])
@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_nothing_is_wider_than_the_terminal_and_no_number_is_broken(grid: Grid, width: int) -> None:
    lines = shown(grid, width)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).replace("(", " ").replace(")", " ").split()
    for row in grid.rows:
        for cell in row[grid.n_labels :]:
            for number in cell.replace("(", "").replace(")", "").split():
                assert number in words
    assert "…" not in "".join(lines)


def test_a_wide_terminal_has_one_line_a_row_and_a_narrow_one_the_interval_below() -> None:
    wide, narrow = shown(PROOF, 140), shown(PROOF, 80)
    assert any("recall@10 0,897 (0,871 a 0,923) 0,911" in line for line in wide)
    (value,) = [i for i, line in enumerate(narrow) if "0,897" in line]
    assert "0,911" in narrow[value]
    assert narrow[value + 1].split() == ["0,871", "a", "0,923", "0,886", "a", "0,935", "+0,002", "a", "+0,027"]
    assert narrow[value + 1].index("0,871") == narrow[value].index("0,897") - len("0,871 a ")


def test_words_become_one_column_only_where_they_must() -> None:
    assert any(line.startswith("started (UTC)    kind     what") for line in shown(SPENT, 200))
    narrow = shown(SPENT, 80)
    assert any(line.startswith("started (UTC) · kind · what") for line in narrow)
    (first,) = [line for line in narrow if line.startswith("2026-11-26")]
    assert first.split()[:4] == ["2026-11-26", "06:18", "·", "finetune"]
    assert first.split()[-5:] == ["1.234,5", "12.688", "0,0001", "0,000", "–"]
    assert any(line.startswith("all 2 runs ") for line in narrow)


@pytest.mark.parametrize("width", [30, 44, 56])
def test_where_there_is_no_room_nothing_is_lost(width: int) -> None:
    """Not even where rows have to be folded everywhere."""
    names = ("photos/of-everything", "another-data-set-with-a-long-name", "third")
    lines = shown(Grid("", ("alpha", *names), (("0 *", *["0.123 (0.100 to 0.150)"] * 3),)), width)
    assert max(map(len, lines)) <= width
    digits = [c for line in lines for c in line if c.isdigit()]
    assert sorted(digits) == sorted("0" + "012301000150" * 3)


def test_a_title_runs_over_the_whole_terminal() -> None:
    assert " ".join(shown(PROOF, 80)[:2]) == PROOF.title


@given(st.text("abc/-_ 青", min_size=1, max_size=40).map(str.strip).filter(bool), st.integers(2, 30))
def test_a_name_loses_nothing_but_spaces_and_fits(text: str, width: int) -> None:
    lines = list(Name(text).lines(width))
    assert max(map(cell_len, lines)) <= width
    assert "".join("".join(lines).split()) == "".join(text.split())
    if cell_len(text) <= width:
        assert lines == [text]
