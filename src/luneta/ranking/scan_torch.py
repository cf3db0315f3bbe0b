"""The same pass over the similarity matrix on a torch device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from luneta.progress import track
from luneta.ranking.scan import FEW, Lines, Tally, block_shape, spans
from luneta.ranking.ties import Floats
from luneta.ranking.vectors import exact_product, exact_scores, full_float32

if TYPE_CHECKING:
    import torch


def scan(rows: Lines, cols: Lines, *, device: str, block_mib: float) -> tuple[Tally, Tally]:
    """As `luneta.ranking.scan.scan`, with the vectors and one block of scores on `device`."""
    import torch

    n_rows, n_cols = len(rows.vectors), len(cols.vectors)
    found_rows, found_cols = Tally.empty(rows), Tally.empty(cols)
    height, width = block_shape(n_rows, n_cols, block_mib)
    left, right = (torch.from_numpy(side.vectors).to(device) for side in (rows, cols))
    with full_float32(), torch.inference_mode(), track("similarities", n_rows * n_cols) as advance:
        for c0, c1 in spans(n_cols, width):
            for r0, r1 in spans(n_rows, height):
                scores = left[r0:r1] @ right[c0:c1].T
                found_rows.add(rows, r0, _count(scores, rows.part(r0, r1), cols.vectors[c0:c1]), c0)
                found_cols.add(cols, c0, _count(scores.T, cols.part(c0, c1), rows.vectors[r0:r1]), r0)
                advance((r1 - r0) * (c1 - c0))
    return found_rows, found_cols


def _count(scores: torch.Tensor, lines: Lines, others: Floats) -> Tally:
    """What is found along the first dimension of a block of scores, which are products of lines and others."""
    found = Tally.empty(lines)
    top = scores.max(dim=1)
    found.top_score[:], found.top_item[:] = top.values.cpu().numpy(), top.indices.cpu().numpy()
    for i, layer in enumerate(lines.layers):
        n = len(layer.lines)
        part = scores if n == len(scores) else scores[_on(scores, layer.lines)]
        doubt = lines.doubt[layer.lines]
        above = part > _on(scores, (layer.upper + doubt).astype(np.float32))[:, None]
        rest = (part >= _on(scores, (layer.lower - doubt).astype(np.float32))[:, None]) & ~above
        sure = above.sum(dim=1).cpu().numpy()
        line, item = (index.cpu().numpy() for index in rest.nonzero(as_tuple=True))
        if len(line) <= FEW * part.numel():
            exact = exact_scores(lines.vectors, others, layer.lines[line], item)
            found.n_above[i][:] = sure + np.bincount(line[exact > layer.upper[line]], minlength=n)
            found.n_at_least[i][:] = sure + np.bincount(line[exact >= layer.lower[line]], minlength=n)
        else:
            exact = exact_product(lines.vectors[layer.lines], others)
            found.n_above[i][:] = (exact > layer.upper[:, None]).sum(axis=1)
            found.n_at_least[i][:] = (exact >= layer.lower[:, None]).sum(axis=1)
    return found


def _on(like: torch.Tensor, array: np.ndarray) -> torch.Tensor:
    import torch

    return torch.from_numpy(array).to(like.device)
