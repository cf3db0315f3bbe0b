"""Published tables in the formats people publish them in."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from luneta.auditing.printed import parse, parse_count
from luneta.auditing.tables import read_tables
from luneta.errors import ConfigError

HEADER = ("model", "dataset", "R@1", "R@5")
ROWS = (("CLIP B/32", "COCO", "0.301", "0.560"), ("SigLIP & co", "COCO", "0.472", "0.721"))

CSV = "model,dataset,R@1,R@5\nCLIP B/32,COCO,0.301,0.560\nSigLIP & co,COCO,0.472,0.721\n"
BRAZILIAN = "model;dataset;R@1;R@5\nCLIP B/32;COCO;0,301;0,560\nSigLIP & co;COCO;0,472;0,721\n"
MARKDOWN = """Some words | not a table

| model | dataset | R@1 | R@5 |
|:------|---------|----:|----:|
| [CLIP B/32](https://example.org) | COCO | 0.301 | 0.560 |
| SigLIP & co | COCO | **0.472** | `0.721` |
"""
HTML = """<p>Results</p><table><thead><tr><th>model<th>dataset</th><th>R@1</th><th>R@5</th></tr></thead>
<tbody><tr><td rowspan=1>CLIP B/32</td><td rowspan="2">COCO</td><td>0.301</td><td>0.560</td></tr>
<tr><td>SigLIP &amp; co</td><td><b>0.472</b></td><td>0.721</td></tr></tbody></table>"""
LATEX = r"""\begin{table}\begin{tabular}{@{}l l c@{\hspace{1em}} c}
\toprule
model & dataset & R@1 & R@5 \\ \midrule
CLIP B/32~\cite{radford} & COCO & 0.301 & 0.560 \\ % a remark
\rowcolor SigLIP \& co & COCO & \textbf{0.472} & $0.721$ \\[2pt]
\bottomrule
\end{tabular}\end{table}"""


@pytest.mark.parametrize(
    ("name", "text"), [("t.csv", CSV), ("t.md", MARKDOWN), ("t.html", HTML), ("t.tex", LATEX), ("t.txt", CSV),
                       ("md.txt", MARKDOWN), ("html.txt", HTML), ("tex.txt", LATEX), ("t.tsv", CSV.replace(",", "\t"))],
)  # fmt: skip
def test_every_format_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    (table,) = read_tables(tmp_path / name)
    assert table.header == HEADER
    assert table.rows == ROWS


def test_a_spreadsheet_of_a_brazilian(tmp_path: Path) -> None:
    path = tmp_path / "resultados.csv"
    path.write_bytes(BRAZILIAN.replace("dataset", "conjunto de avaliação").encode("cp1252"))
    (table,) = read_tables(path)
    assert table.header[1] == "conjunto de avaliação"
    assert table.rows[1][2] == "0,472"


def test_headers_of_two_lines_are_joined_over_what_they_span(tmp_path: Path) -> None:
    (tmp_path / "t.html").write_text(
        "<table><tr><th rowspan=2>model</th><th colspan=2>COCO</th><th colspan=2>Flickr30k</th></tr>"
        "<tr><th>R@1</th><th>R@5</th><th>R@1</th><th>R@5</th></tr>"
        "<tr><td>A</td><td>1.0</td><td>2.0</td><td>3.0</td><td>4.0</td></tr></table>"
    )
    (tmp_path / "t.tex").write_text(
        r"\begin{tabular}{lcccc} & \multicolumn{2}{c}{COCO} & \multicolumn{2}{c}{Flickr30k} \\ \cmidrule(lr){2-3}"
        r" model & R@1 & R@5 & R@1 & R@5 \\ \hline A & 1.0 & 2.0 & 3.0 & 4.0 \\ \end{tabular}"
    )
    for name in ("t.html", "t.tex"):
        (table,) = read_tables(tmp_path / name)
        assert table.header == ("model", "COCO R@1", "COCO R@5", "Flickr30k R@1", "Flickr30k R@5")
        assert table.rows == (("A", "1.0", "2.0", "3.0", "4.0"),)


GROUPED = ("model", "COCO R@1", "COCO R@5", "Flickr R@1", "Flickr R@5")


@pytest.mark.parametrize(
    ("lines", "header"),
    [((",COCO,,Flickr,", "model,R@1,R@5,R@1,R@5"), GROUPED),
     (("model,COCO,,Flickr,", ",R@1,R@5,R@1,R@5"), GROUPED),
     ((",,COCO,,Flickr", "model,R@1,R@5,R@1,R@5"), GROUPED),
     ((",,COCO,,", "model,R@1,R@5,R@10,MRR"), ("model", "COCO R@1", "COCO R@5", "COCO R@10", "COCO MRR")),
     ((",,,COCO,,,,Flickr,", ",T2I,,I2T,,T2I,,I2T,", "model,R@1,R@5,R@1,R@5,R@1,R@5,R@1,R@5"), None),
     ((",COCO,,,,Flickr,,,", ",T2I,,I2T,,T2I,,I2T,", "model,R@1,R@5,R@1,R@5,R@1,R@5,R@1,R@5"),
      ("model", "COCO T2I R@1", "COCO T2I R@5", "COCO I2T R@1", "COCO I2T R@5",
       "Flickr T2I R@1", "Flickr T2I R@5", "Flickr I2T R@1", "Flickr I2T R@5")),
     ((",R@1,,R@5,", "model,COCO,Flickr,COCO,Flickr"),
      ("model", "R@1 COCO", "R@1 Flickr", "R@5 COCO", "R@5 Flickr")),
     ((",COCO,,Flickr,,", "model,R@1,R@5,R@1,R@5,MRR"), (*GROUPED, "MRR")),
     (("model,data,,", ",,R@1,R@5"), ("model", "data", "R@1", "R@5"))],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["csv", "md"])
def test_names_of_groups_that_cannot_span(
    tmp_path: Path, lines: tuple[str, ...], header: tuple[str, ...] | None, ending: str
) -> None:
    """Over the first column of a group or its middle; where it is unclear, it stays where it stands."""
    width = lines[0].count(",")
    rows = [*lines, "a" + ",0.5" * width]
    if ending == "md":
        rows = [rows[0], ",".join(["-"] * (width + 1)), *rows[1:]]
        rows = [f"| {row.replace(',', ' | ')} |" for row in rows]
    (tmp_path / f"t.{ending}").write_text("\n".join(rows) + "\n")
    (table,) = read_tables(tmp_path / f"t.{ending}")
    if header is not None:
        assert table.header == header
    else:
        assert table.header[1:5] == ("T2I R@1", "T2I R@5", "COCO I2T R@1", "I2T R@5")


def test_lines_that_only_divide_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model,R@1\nzero-shot,\nA,0.1\nfine-tuned,\nB,0.2\n")
    (table,) = read_tables(tmp_path / "t.csv")
    assert table.header == ("model", "R@1")
    assert [row[0] for row in table.rows] == ["A", "B"]
    assert table.sections == ("zero-shot", "fine-tuned")


STACKED = """COCO,,
model,R@1,R@5
A,0.1,0.2

Flickr30k,,
model,R@5,R@1
A,0.4,0.3
"""


def test_tables_one_below_the_other(tmp_path: Path) -> None:
    """Each with its own title and columns."""
    (tmp_path / "t.csv").write_text(STACKED)
    first, second = read_tables(tmp_path / "t.csv")
    assert (first.title, first.header, first.rows) == ("COCO", ("model", "R@1", "R@5"), (("A", "0.1", "0.2"),))
    assert (second.title, second.header) == ("Flickr30k", ("model", "R@5", "R@1"))
    assert second.rows == (("A", "0.4", "0.3"),)


TITLED = {
    "md": """# A study
##
## COCO
Words.

| model | R@1 |
|---|---|
| A | 0.1 |

## Flickr30k
### 1K

| model | R@1 |
|---|---|
| A | 0.1 |

| model | R@1 |
|---|---|
| B | 0.2 |
""",
    "html": """<h1>A study</h1><table><caption>COCO</caption><tr><th>model<th>R@1<tr><td>A<td>0.1</table>
<h2>Flickr30k</h2><h3>1K</h3><table><tr><th>model<th>R@1<tr><td>A<td>0.1</table>
<table><tr><th>model<th>R@1<tr><td>B<td>0.2</table>""",
    "tex": r"""\section{A study}
\begin{table}\begin{tabular}{ll} model & R@1 \\ A & 0.1 \\ \end{tabular}\caption{\textbf{COCO} \cite{x}}\end{table}
\begin{table}\caption[short]{Flickr30k}
\begin{subtable}{c}\subcaption{1K}\begin{tabular}{ll} model & R@1 \\ A & 0.1 \\ \end{tabular}\end{subtable}
\subfloat[1K]{\begin{tabular}{ll} model & R@1 \\ B & 0.2 \\ \end{tabular}}\end{table}""",
}


@pytest.mark.parametrize("ending", TITLED)
def test_titles_are_captions_and_headings(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"t.{ending}").write_text(TITLED[ending])
    coco, flickr, below = read_tables(tmp_path / f"t.{ending}")
    study = "" if ending == "tex" else "A study, "
    assert coco.title == ("A study, COCO" if ending == "md" else "COCO")
    assert flickr.title == below.title == f"{study}Flickr30k, 1K"
    assert coco.said != flickr.said == below.said


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no table"), (b"only,words\nno,numbers\n", "no table"), (b"PK\x03\x04\0\0", "not text"),
     (None, "cannot be read"), (b'model,R@1\n"A,0.1\n' + b"x" * 140_000, "cannot be read as CSV")],
)  # fmt: skip
def test_what_is_no_table_is_refused_with_the_way_out(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_tables(path)


def test_broken_pages_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.html"
    path.write_text("<![oops <table><tr><th>model<th>R@1<tr><td>A<td>0.1</table>")
    with contextlib.suppress(ConfigError):  # what the parser of one Python reads, that of another refuses
        read_tables(path)
    path.write_text("<table><tr><th colspan=²>model<th>R@1<tr><td>A<td>0.1</table>")
    assert read_tables(path)[0].header == ("model", "R@1")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("name", "text"), [("t.csv", CSV), ("t.md", MARKDOWN), ("t.tex", LATEX)])
def test_lines_end_as_any_system_ends_them(tmp_path: Path, name: str, text: str, ending: str) -> None:
    (tmp_path / name).write_bytes(text.replace("\n", ending).encode())
    (table,) = read_tables(tmp_path / name)
    assert (table.header, table.rows) == (HEADER, ROWS)


def test_empty_cells_at_both_ends_keep_their_place(tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("||R@1|R@5|note|\n|-|-|-|-|\n||0.1|0.2||\nA|0.3|0.4|\n|B|0.5|0.6|a\\|\n")
    (table,) = read_tables(tmp_path / "t.md")
    assert table.header == ("", "R@1", "R@5", "note")
    assert table.rows == (("", "0.1", "0.2", ""), ("A", "0.3", "0.4", ""), ("B", "0.5", "0.6", "a|"))


@pytest.mark.parametrize(
    ("cell", "number", "decimals", "percent"),
    [("0.398", 0.398, 3, False), ("39,8", 39.8, 1, False), ("39.80 %", 39.8, 2, True), ("12.3 ± 0.4", 12.3, 1, False),
     ("12.3 (+1.0)", 12.3, 1, False), ("†12.3*", 12.3, 1, False), (".5", 0.5, 1, False), ("7", 7, 0, False),
     ("−3.0", -3, 1, False)],
)  # fmt: skip
def test_numbers_as_printed(cell: str, number: float, decimals: int, percent: bool) -> None:
    found = parse(cell)
    assert found is not None
    assert (float(found[0]), found[1], found[2]) == (number, decimals, percent)


@pytest.mark.parametrize("cell", ["", " - ", "n/a", "NaN", "—"])
def test_no_value(cell: str) -> None:
    assert parse(cell) is None


@pytest.mark.parametrize("cell", ["abc", "1.2.3", "12 of 40", "1,234.5", "ViT-B/32"])
def test_what_is_no_number_is_said_to_be_none(cell: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse(cell)


@pytest.mark.parametrize(
    ("cell", "count"),
    [("8.279", 8279), ("8,279", 8279), ("8 279", 8279), ("8279.0", 8279), ("1.000.000", 10**6), ("600", 600)],
)
def test_counts_with_the_separators_of_any_country(cell: str, count: int) -> None:
    assert parse_count(cell) == count


@pytest.mark.parametrize("cell", ["0", "12.5", "many", "-3", "1.00"])
def test_what_is_no_count(cell: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_count(cell)
