"""The same pass over the similarity matrix on a torch device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from luneta.progress import track
from luneta.ranking.scan import Lines, Tally, block_shape, spans
from luneta.ranking.ties import Floats, Indexes
from luneta.ranking.vectors import full_float32

if TYPE_CHECKING:
    import torch


def scan(rows: Lines, cols: Lines, *, device: str, block_mib: float) -> tuple[Tally, Tally]:
    """As `luneta.ranking.scan.scan`, with the vectors and one block of scores on `device`."""
    import torch

    n_rows, n_cols = len(rows.vectors), len(cols.vectors)
    found_rows, found_cols = Tally.of(rows), Tally.of(cols)
    height, width = block_shape(n_rows, n_cols, block_mib)
    right = torch.from_numpy(cols.vectors[cols.order]).to(device)
    with full_float32(), torch.inference_mode(), track("similarities", n_rows * n_cols) as advance:
        for r0, r1 in spans(n_rows, height):
            left = torch.from_numpy(rows.vectors[rows.order[r0:r1]]).to(device)
            for c0, c1 in spans(n_cols, width):
                scores = left @ right[c0:c1].T
                _count(scores, rows.thresholds(r0, r1), cols.order[c0:c1], found_rows.part(r0, r1))
                _count(scores.T, cols.thresholds(c0, c1), rows.order[r0:r1], found_cols.part(c0, c1))
                advance((r1 - r0) * (c1 - c0))
    return found_rows, found_cols


def _count(lines: torch.Tensor, thresholds: list[tuple[Floats, Floats]], items: Indexes, found: Tally) -> None:
    import torch

    top = lines.max(dim=1)
    here = found.empty_like()
    here.top_score[:] = top.values.cpu().numpy()
    here.top_item[:] = items[top.indices.cpu().numpy()]
    for layer, (upper, lower) in enumerate(thresholds):
        part = lines[: len(upper)]
        here.n_above[layer][:] = (part > torch.from_numpy(upper).to(part.device)[:, None]).sum(dim=1).cpu().numpy()
        here.n_at_least[layer][:] = (part >= torch.from_numpy(lower).to(part.device)[:, None]).sum(dim=1).cpu().numpy()
    found.add(here)


def count_by_sorting(
    queries: Floats, gallery: Floats, offsets: Indexes, upper: Floats, lower: Floats, *, device: str, block_mib: float
) -> tuple[Indexes, Indexes]:
    """As `luneta.ranking.scan.count_by_sorting`, on `device`."""
    import torch

    n_above, n_at_least = np.empty(len(upper), dtype=np.int64), np.empty(len(upper), dtype=np.int64)
    step = max(1, int(block_mib * 2**20 / 4) // len(gallery))
    with full_float32(), torch.inference_mode(), track("similarities", len(queries)) as advance:
        others = torch.from_numpy(gallery).to(device)
        above, at_least = torch.from_numpy(upper).to(device), torch.from_numpy(lower).to(device)
        for start, stop in spans(len(queries), step):
            ordered = (torch.from_numpy(queries[start:stop]).to(device) @ others.T).sort(dim=1).values
            for query, scores in zip(range(start, stop), ordered, strict=True):
                own = slice(offsets[query], offsets[query + 1])
                n_above[own] = len(gallery) - torch.searchsorted(scores, above[own], side="right").cpu().numpy()
                n_at_least[own] = len(gallery) - torch.searchsorted(scores, at_least[own], side="left").cpu().numpy()
            advance(stop - start)
    return n_above, n_at_least
