"""Rows of one table that were measured on different numbers of queries are found from their digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from luneta.auditing import audit


def recalls(rng: np.random.Generator, n_queries: int, skill: float) -> str:
    ranks = rng.geometric(skill, n_queries)
    return ",".join(f"{(ranks <= k).mean():.5f}" for k in (1, 5, 10))


def table(path: Path, counts: list[int]) -> Path:
    rng = np.random.default_rng(0)
    rows = [f"model {i},flickr30k-pt,{recalls(rng, n, 0.2 + 0.05 * i)}" for i, n in enumerate(counts)]
    path.write_text("\n".join(["model,dataset,recall@1,recall@5,recall@10", *rows]) + "\n")
    return path


def test_base_beats_so400m_on_a_hundred_images(tmp_path: Path) -> None:
    """The row that won was measured on 500 queries, the others on 2900."""
    found = audit(table(tmp_path / "t.csv", [2900] * 7 + [500]))
    assert found.counts == {"flickr30k-pt": 2900}
    assert [(f.row, f.kind, f.verdict) for f in found.findings if f.row is not None] == [(7, "count", "proved")]


def test_one_protocol_has_nothing_to_find(tmp_path: Path) -> None:
    assert not audit(table(tmp_path / "t.csv", [2900] * 5)).proved
