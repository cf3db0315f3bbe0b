"""Checks that any encoder can be put through, by what it answers alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from luneta.doctor.findings import Check, Verdict
from luneta.doctor.probes import Subject, Unit, drift, unit
from luneta.errors import LunetaError
from luneta.types import StagedEncoder, WeightFacts

LENGTH_TOLERANCE = 1e-3
SAME = 1e-6
"""1 - cosine below which vectors of different inputs are one vector."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What an encoder gave for its texts and pictures, and what can be said of it at sight.

    Attributes:
        checks: shape, finite numbers and length; the first failure ends them, since what follows rests on it.
        texts: (n, embedding_dim) of length 1; None when nothing can be done with them.
        images: the same of the pictures.
    """

    checks: list[Check]
    texts: Unit | None = None
    images: Unit | None = None


def answers(subject: Subject) -> Answers:
    """The first answers of an encoder."""
    outputs: list[tuple[str, int, Any]] = []
    try:
        outputs.append(("text", len(subject.texts), subject.raw(subject.encoder.encode_texts, subject.texts)))
        outputs.append(("picture", len(subject.images), subject.raw(subject.encoder.encode_images, subject.images)))
    except LunetaError as error:
        if "not finite" not in str(error):
            raise
        return Answers([Check("finite numbers", "fail", str(error))])
    wrong = _wrong_arrays(outputs, subject.encoder.spec.embedding_dim)
    if wrong:
        return Answers([Check("vectors", "fail", wrong)])
    odd = [f"{raw.dtype} for {kind}s" for kind, _, raw in outputs if raw.dtype != np.float32]
    shape = f"float32, {subject.encoder.spec.embedding_dim} numbers each"
    found = [Check("vectors", "warn" if odd else "pass", ", ".join(odd) or shape)]
    bad = {kind: int((~np.isfinite(raw).all(axis=1)).sum()) for kind, _, raw in outputs}
    if any(bad.values()):
        measured = ", ".join(f"{bad[kind]} of {n} {kind} vectors hold NaN or infinity" for kind, n, _ in outputs)
        return Answers([*found, Check("finite numbers", "fail", measured, bad)])
    found += [Check("finite numbers", "pass", "every number of every vector"), _unit_length(outputs)]
    return Answers(found, unit(outputs[0][2]), unit(outputs[1][2]))


def _wrong_arrays(outputs: list[tuple[str, int, Any]], width: int) -> str | None:
    """What is not an array of floats of the right shape."""
    for kind, n, raw in outputs:
        if not isinstance(raw, np.ndarray) or not np.issubdtype(raw.dtype, np.floating):
            what = f"an array of {raw.dtype}" if isinstance(raw, np.ndarray) else f"a {type(raw).__name__}"
            return f"{what} for {n} {kind}s, expected an array of float32"
        if raw.shape != (n, width):
            return f"shape {raw.shape} for {n} {kind}s, expected ({n}, {width})"
    return None


def _unit_length(outputs: list[tuple[str, int, Any]]) -> Check:
    lengths = np.concatenate([np.linalg.norm(raw.astype(np.float64), axis=1) for _, _, raw in outputs])
    low, high = float(lengths.min()), float(lengths.max())
    good = 1 - low <= LENGTH_TOLERANCE and high - 1 <= LENGTH_TOLERANCE
    measured = f"lengths from {low:.6g} to {high:.6g}"
    return Check("unit length", "pass" if good else "fail", measured, {"shortest": low, "longest": high})


def determinism(subject: Subject, texts: Unit, images: Unit, facts: WeightFacts | None) -> Check:
    """The same inputs again."""
    moved = {
        "texts": drift(texts, subject.encode_texts(subject.texts)),
        "images": drift(images, subject.encode_images(subject.images)),
    }
    check = _steady("determinism", moved, subject.tolerance, "the same inputs again")
    if facts is None or not facts.training:
        return check
    measured = f"the model is in training mode, so that dropout is on; {check.measured}"
    return Check("determinism", "fail" if check.verdict == "fail" else "warn", measured, check.numbers)


def batch_invariance(subject: Subject, images: Unit) -> Check:
    """A picture alone, and a text among copies of itself: whatever changes, its padding does not."""
    text = subject.texts[0]
    moved = {
        "texts": drift(subject.encode_texts([text]), subject.encode_texts([text] * 3)[:1]),
        "images": drift(images[:1], subject.encode_images(subject.images[:1])),
    }
    return _steady("batch invariance", moved, subject.tolerance, "alone and in a batch")


def order(subject: Subject, texts: Unit, images: Unit) -> Check:
    """The same inputs backwards; only a row that fits another input better is out of place."""
    turned = subject.encode_texts(subject.texts[::-1])[::-1], subject.encode_images(subject.images[::-1])[::-1]
    swapped = {}
    for kind, before, after in (("texts", texts, turned[0]), ("images", images, turned[1])):
        likeness = before @ after.T
        swapped[kind] = int((likeness.max(axis=1) - np.diagonal(likeness) > subject.tolerance).sum())
    verdict: Verdict = "fail" if any(swapped.values()) else "pass"
    measured = "backwards in, backwards out"
    if verdict == "fail":
        measured = f"given backwards, {swapped['texts']} text and {swapped['images']} image vectors change places"
    return Check("order", verdict, measured, swapped)


def distinct_vectors(subject: Subject, texts: Unit, images: Unit) -> Check:
    """Whether either tower gives one vector for everything."""
    spread = {"texts": float(np.max(1 - texts @ texts.T)), "images": float(np.max(1 - images @ images.T))}
    dull = [kind for kind, largest in spread.items() if largest < SAME]
    measured = f"all {' and all '.join(dull)} get one vector" if dull else (
        f"1 - cosine up to {spread['texts']:.3g} between texts, {spread['images']:.3g} between images"
    )  # fmt: skip
    return Check("distinct vectors", "fail" if dull else "pass", measured, spread)


def padding_drift(subject: Subject) -> float:
    """How far the vector of a short text moves when a much longer one joins its batch."""
    text = subject.texts[0]
    return drift(subject.encode_texts([text]), subject.encode_texts([text, subject.long_text])[:1])


def one_image_path(subject: Subject, images: Unit) -> Check:
    """Preparing and encoding in two steps against one."""
    encoder = subject.encoder
    if not isinstance(encoder, StagedEncoder):
        return Check("one image path", "pass", "encode_images is the only one")
    moved = {"images": drift(images, subject.encode_in_two_steps(encoder, subject.images))}
    return _steady("one image path", moved, subject.tolerance, "prepared ahead and in one call")


def case_drift(subject: Subject) -> float:
    """How far vectors move when texts are written in capitals."""
    return drift(subject.encode_texts(subject.texts), subject.encode_texts([text.upper() for text in subject.texts]))


def rounded_to(vectors: Any) -> str | None:
    """The coarse format in which every number of float32 vectors can be written without loss, if there is one.

    >>> rounded_to(np.float32([0.5, 0.30078125])), rounded_to(np.float32([0.3]))
    ('bfloat16', None)
    """
    bits = np.ascontiguousarray(vectors, dtype=np.float32).view(np.uint32)
    if not (bits & 0xFFFF).any():
        return "bfloat16"
    values = np.asarray(vectors, dtype=np.float32)
    return "float16" if np.array_equal(values.astype(np.float16).astype(np.float32), values) else None


def _steady(name: str, moved: dict[str, float], tolerance: float, what: str) -> Check:
    worst = max(moved, key=lambda kind: moved[kind])
    verdict: Verdict = "pass" if moved[worst] <= tolerance else "fail"
    measured = f"{what}: 1 - cosine up to {moved[worst]:.2g}"
    if verdict == "fail":
        measured += f" for {worst}, where {tolerance:.0e} is rounding"
    return Check(name, verdict, measured, {f"{kind}_drift": value for kind, value in moved.items()})
