"""A cell that is off by exactly .1 in one of two copies of a table is found, and which copy is impossible."""

from __future__ import annotations

from pathlib import Path

from luneta.auditing import audit

ROWS = """table,model,dataset,recall@1,recall@5,queries
by model,A,WikiArt,0.39128,0.64833,10325
by model,B,WikiArt,0.18605,0.37956,10325
by data set,A,WikiArt,{copy},10325
by data set,B,WikiArt,0.18605,0.37956,10325
"""


def test_the_copy_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(ROWS.format(copy="0.29128,0.54833"))
    proved = {(f.row, f.kind): f.explanation for f in audit(tmp_path / "t.csv").findings if f.verdict == "proved"}
    assert set(proved) == {(2, "copies"), (2, "count")}
    assert "off by exactly 0.1" in proved[2, "copies"]
    assert "no whole number of hits" in proved[2, "count"]


def test_copies_that_agree(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(ROWS.format(copy="0.39128,0.64833"))
    assert not audit(tmp_path / "t.csv").proved
