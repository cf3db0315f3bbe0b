"""Near-identical pictures: the same one stored again, resized, trimmed, mirrored or in other colours.

Two steps. *Candidates*: the lowest frequencies of a grey thumbnail (a discrete cosine transform), as drawn and as
mirrored, have near neighbours. *Check*: one thumbnail is laid on the other (scale and shift of each axis, by
Gauss-Newton after Lucas and Kanade, 1981), its colours are fitted to the other's grey by least squares, and what is
left is judged twice: over the whole picture, and window by window, for pictures that share an outline or a background
but not what is inside. The windows are compared as in the structural similarity of Wang et al. (2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import Indexes
from luneta.data.neighbours import neighbours
from luneta.data.signatures import Signatures
from luneta.progress import track

Floats = NDArray[np.float32]

MAX_RESIDUAL = 0.08
"""Share of the grey values' variance that may differ once one picture lies on the other."""

MAX_DISTANCE = 0.06
"""One minus the mean similarity of windows, up to which two pictures are near-identical."""

_FREQUENCIES = 8
_CANDIDATES = 10  # a picture, as drawn and as mirrored
_LEAST_COSINE = 0.4
_ROUGH_RESIDUAL = 0.35  # at half the thumbnail's size
_MAX_SHIFT = 0.13  # of half a side: what a crop of 5 % on either side needs, and a little more
_MAX_ASPECT = 1.2  # how much wider one picture may be than the other
_PLAIN = 2.0  # grey levels: pictures of less contrast have nothing to compare
_NOISE = 4.0  # grey levels that say nothing, such as those of strong JPEG compression
_WINDOW, _STRIDE = 8, 4
_OWN = 0.7  # share of a softened pixel that is its own
_BATCH = 512
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class NearPairs:
    """Pairs of near-identical pictures.

    Attributes:
        pairs: (n_pairs, 2) int64, the lower index first, sorted, without repeats.
        distances: (n_pairs,) float32, one minus the mean similarity of windows; 0 to MAX_DISTANCE.
        mirrored: (n_pairs,) whether one is the mirror image of the other.
    """

    pairs: Indexes
    distances: Floats
    mirrored: NDArray[np.bool_]


def near_images(signatures: Signatures, which: Indexes, *, seed: int = 0) -> NearPairs:
    """Near-identical pairs among some pictures.

    Args:
        signatures: of all pictures.
        which: indexes of those to compare; one of every set of identical ones is enough. Plain and unreadable
            ones are left out.
        seed: of the search among more than a few thousand.
    """
    which, vectors = _comparable(signatures.thumbnails, which)
    flip = (1 - 2 * (np.arange(_FREQUENCIES**2)[1:] % 2)).astype(np.float32)  # odd waves along x change sign
    found = []
    for mirrored, queries in ((False, vectors), (True, vectors * flip)):
        stage = "mirrored candidates" if mirrored else "candidates"
        pairs, _ = neighbours(queries, vectors, _LEAST_COSINE, _CANDIDATES + 1, seed=seed, stage=stage)
        pairs = which[pairs[pairs[:, 0] != pairs[:, 1]]]
        pairs = np.unique(np.sort(pairs, axis=1), axis=0)
        ratio = np.abs(np.log(signatures.aspects[pairs[:, 0]] / signatures.aspects[pairs[:, 1]]))
        found.append(_checked(signatures.thumbnails, pairs[ratio <= np.log(_MAX_ASPECT)], mirrored))
    return _best_of(*found)


def _comparable(thumbnails: NDArray[np.uint8], which: Indexes) -> tuple[Indexes, Floats]:
    """Those that are not plain, and their lowest frequencies."""
    kept, vectors = [np.empty(0, dtype=np.int64)], [np.empty((0, _FREQUENCIES**2 - 1), dtype=np.float32)]
    for start in range(0, len(which), _BATCH):
        part = which[start : start + _BATCH]
        grey = thumbnails[part] @ _GREY
        clear = grey.std(axis=(1, 2)) >= _PLAIN
        kept.append(part[clear])
        vectors.append(_frequencies(grey[clear]))
    return np.concatenate(kept), np.concatenate(vectors)


def _frequencies(grey: Floats) -> Floats:
    """(n, 63) unit vectors of the lowest frequencies, those along x running fastest."""
    place, wave = np.arange(grey.shape[1]), np.arange(_FREQUENCIES)[:, None]
    basis = np.cos(np.pi * (2 * place + 1) * wave / (2 * len(place))).astype(np.float32)
    basis[0] /= np.sqrt(2)
    found = (basis @ grey @ basis.T).reshape(len(grey), _FREQUENCIES**2)[:, 1:]
    unit: Floats = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
    return unit


def _best_of(first: NearPairs, second: NearPairs) -> NearPairs:
    """Every pair once, by its smaller distance: a symmetric picture is found both ways."""
    pairs = np.concatenate([first.pairs, second.pairs])
    distances = np.concatenate([first.distances, second.distances])
    mirrored = np.concatenate([first.mirrored, second.mirrored])
    order = np.lexsort((mirrored, distances, pairs[:, 1], pairs[:, 0]))
    pairs = pairs[order]
    new = np.ones(len(pairs), dtype=bool)
    new[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return NearPairs(pairs[new], distances[order][new], mirrored[order][new])


def _checked(thumbnails: NDArray[np.uint8], pairs: Indexes, mirrored: bool) -> NearPairs:
    """Those candidates that are near-identical."""
    kept, distances = [np.empty((0, 2), dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    with track("comparing mirrored images" if mirrored else "comparing images", len(pairs)) as advance:
        for start in range(0, len(pairs), _BATCH):
            batch = pairs[start : start + _BATCH]
            first, second = thumbnails[batch[:, 0]].astype(np.float32), thumbnails[batch[:, 1]].astype(np.float32)
            accepted, distance = compare(first, second[:, :, ::-1] if mirrored else second)
            kept.append(batch[accepted])
            distances.append(distance[accepted])
            advance(len(batch))
    all_kept = np.concatenate(kept)
    return NearPairs(all_kept, np.concatenate(distances), np.full(len(all_kept), mirrored))


def compare(first: Floats, second: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Whether pictures are near-identical, pair by pair, and their distances (1 where they are clearly not).

    Args:
        first, second: (n, SIDE, SIDE, 3) thumbnails, 0 to 255.
    """
    # The greyer of the two is explained by the more colourful one: a grey copy says nothing of colours.
    swap = (_colourfulness(first) < _colourfulness(second))[:, None, None, None]
    rich, poor = _softened(np.where(swap, second, first)), _softened(np.where(swap, first, second))
    source, target = rich.transpose(0, 3, 1, 2), poor @ _GREY
    distance = np.ones(len(first), dtype=np.float32)
    if not len(first):
        return np.zeros(0, dtype=bool), distance
    rough = align(_halved(source), _halved(target), n_steps=3)
    near = np.flatnonzero(rough.residual <= _ROUGH_RESIDUAL)
    if not len(near):
        return np.zeros(len(first), dtype=bool), distance
    fine = align(source[near], target[near], n_steps=3, start=rough.placing[near])
    distance[near] = 1 - window_similarity(fine.fitted, fine.target, fine.contrast)
    residual = np.ones(len(first), dtype=np.float32)
    residual[near] = fine.residual
    return (residual <= MAX_RESIDUAL) & (distance <= MAX_DISTANCE), distance


def _colourfulness(thumbnails: Floats) -> Floats:
    found: Floats = (thumbnails.max(axis=3) - thumbnails.min(axis=3)).mean(axis=(1, 2))
    return found


def _softened(thumbnails: Floats) -> Floats:
    """A little of the neighbours in every pixel: what is read between pixels then looks like what is read on them."""
    for axis in (1, 2):
        lines = np.moveaxis(thumbnails, axis, 1)
        padded = np.concatenate([lines[:, :1], lines, lines[:, -1:]], axis=1)
        soft = _OWN * lines + (1 - _OWN) / 2 * (padded[:, :-2] + padded[:, 2:])
        thumbnails = np.moveaxis(soft, 1, axis)
    return thumbnails


def _halved(pictures: Floats) -> Floats:
    *lead, height, width = pictures.shape
    found: Floats = pictures.reshape(*lead, height // 2, 2, width // 2, 2).mean(axis=(-3, -1))
    return found


@dataclass(frozen=True, eq=False)
class Alignment:
    """One picture laid on another, for n pairs.

    Attributes:
        placing: (n, 4) scale and shift along x, scale and shift along y, in halves of a side; 0 is in place.
        fitted, target: (n, side, side) grey values of mean 0, those of the target of variance 1; 0 outside the overlap.
        residual: (n,) share of the target's variance that is not fitted.
        contrast: (n,) the target's standard deviation in grey levels.
    """

    placing: Floats
    fitted: Floats
    target: Floats
    residual: Floats
    contrast: Floats


def align(source: Floats, target: Floats, *, n_steps: int, start: Floats | None = None) -> Alignment:
    """Lay colour pictures on grey ones, by Gauss-Newton steps over scale, shift and colour together.

    Args:
        source: (n, 3, side, side).
        target: (n, side, side).
        n_steps: how many.
        start: (n, 4) placing to begin with; None begins in place.
    """
    n, _, side, _ = source.shape
    half = (side - 1) / 2
    along = (np.arange(side, dtype=np.float32) - half) / half
    placing = np.zeros((n, 4), dtype=np.float32) if start is None else start
    for step in range(n_steps + 1):
        moved, inside = _moved(source, placing, along)
        colours = _centred(moved.reshape(n, 3, -1), inside)
        goal = _centred(target.reshape(n, 1, -1), inside)
        contrast = np.sqrt((goal**2).sum(axis=2, keepdims=True) / inside.sum(axis=2, keepdims=True))
        goal = goal / np.maximum(contrast, 1.0)
        weights = _solved(colours, goal, 1e-2, shared=True)
        fitted = weights.transpose(0, 2, 1) @ colours
        rest = goal - fitted
        if step == n_steps:
            break
        picture = (weights.transpose(0, 2, 1) @ moved.reshape(n, 3, -1)).reshape(n, side, side)
        slopes = _slopes(picture, along, half) * inside
        change = _solved(np.concatenate([slopes, colours], axis=1), rest, 1e-3, shared=False)[:, :4, 0]
        placing = np.clip(placing + change, -_MAX_SHIFT, _MAX_SHIFT)
    residual = (rest**2).sum(axis=(1, 2)) / inside.sum(axis=(1, 2))
    shape = (n, side, side)
    return Alignment(placing, fitted.reshape(shape), goal.reshape(shape), residual, contrast[:, 0, 0])


def _moved(source: Floats, placing: Floats, along: Floats) -> tuple[Floats, Floats]:
    """The pictures as placed, and (n, 1, side * side) 1 where they have pixels."""
    side = len(along)
    half = (side - 1) / 2
    x = (along * (1 + placing[:, :1]) + placing[:, 1:2]) * half + half
    y = (along * (1 + placing[:, 2:3]) + placing[:, 3:4]) * half + half
    by_rows = np.matmul(_between(y, side)[:, None], source, dtype=np.float32)
    moved = np.matmul(by_rows, _between(x, side).transpose(0, 2, 1)[:, None], dtype=np.float32)
    in_x, in_y = ((at >= -0.25) & (at <= side - 0.75) for at in (x, y))
    inside = (in_y[:, :, None] & in_x[:, None, :]).astype(np.float32)
    return moved, inside.reshape(len(source), 1, -1)


def _between(at: Floats, side: int) -> Floats:
    """(n, m, side) weights that read a line of `side` pixels at (n, m) places, linearly between neighbours."""
    pixel = np.arange(side, dtype=np.float32)
    found: Floats = np.maximum(0, 1 - np.abs(np.clip(at, 0, side - 1)[:, :, None] - pixel))
    return found


def _centred(values: Floats, inside: Floats) -> Floats:
    found: Floats = (values - (values * inside).sum(axis=2, keepdims=True) / inside.sum(axis=2, keepdims=True)) * inside
    return found


def _slopes(picture: Floats, along: Floats, half: float) -> Floats:
    """(n, 4, side * side): how grey values change with the scale and shift along x and along y."""
    by_x, by_y = np.zeros_like(picture), np.zeros_like(picture)
    by_x[:, :, 1:-1] = (picture[:, :, 2:] - picture[:, :, :-2]) * (half / 2)
    by_y[:, 1:-1] = (picture[:, 2:] - picture[:, :-2]) * (half / 2)
    slopes = np.stack([by_x * along, by_x, by_y * along[:, None], by_y], axis=1)
    return slopes.reshape(len(picture), 4, -1)


def _solved(columns: Floats, goal: Floats, ridge: float, *, shared: bool) -> Floats:
    """(n, m, 1) least-squares weights of (n, m, pixels) columns for (n, 1, pixels), kept small where undecided.

    The ridge is a share of each column's sum of squares, or of their mean where the columns have one unit (`shared`).
    """
    products = columns @ columns.transpose(0, 2, 1)
    scale = np.einsum("nii->ni", products)
    if shared:
        scale = np.broadcast_to(scale.mean(axis=1, keepdims=True), scale.shape)
    products = products + np.eye(products.shape[1], dtype=np.float32) * (ridge * scale + 1e-3)[:, None, :]
    found: Floats = np.linalg.solve(products, columns @ goal.transpose(0, 2, 1))
    return found


def window_similarity(fitted: Floats, target: Floats, contrast: Floats) -> Floats:
    """(n,) mean similarity of windows, -1 to 1; every window with something in it counts nearly alike."""
    shape = (_WINDOW, _WINDOW)
    left, right = (
        np.lib.stride_tricks.sliding_window_view(values, shape, (1, 2))[:, ::_STRIDE, ::_STRIDE]
        for values in (fitted, target)
    )
    left, right = (windows - windows.mean(axis=(3, 4), keepdims=True) for windows in (left, right))
    both = ((left**2) + (right**2)).mean(axis=(3, 4))
    common = 2 * (left * right).mean(axis=(3, 4))
    noise = 2 * (_NOISE / np.maximum(contrast, 1.0))[:, None, None] ** 2
    whole = (both / (both + noise)).sum(axis=(1, 2))
    found: Floats = (common / (both + noise)).sum(axis=(1, 2)) / np.maximum(whole, 1e-6)
    return found
