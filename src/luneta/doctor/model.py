"""Checks of the weights themselves, the scale of the scores and the number format."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from luneta.doctor.behaviour import rounded_to
from luneta.doctor.findings import Check, Verdict
from luneta.doctor.probes import Subject, Unit, drift, unit
from luneta.types import Encoder, EncoderSpec, WeightFacts

NEAR = 0.999
"""Cosine to the float32 vector that mixed precision keeps; a model cast whole falls below it."""

STILL_NEAR = 0.99
"""Below this the vectors are other vectors."""

SAME_ORDER = 0.98
"""Share of pairs of items that keep their order."""

INITIAL_SCALES = (1 / 0.07, 10.0, 1.0)
"""Where the scales of CLIP and of SigLIP start."""


def weights(facts: WeightFacts | None) -> Check:
    """Whether every tensor in memory is finite, trained, and what the file holds where they were compared."""
    if facts is None:
        return Check("weights", "not known", "the encoder does not show its weights")
    numbers = {
        "n_tensors": facts.n_tensors,
        "n_compared": facts.n_compared,
        "changed": list(facts.changed),
        "untrained": list(facts.untrained),
        "not_finite": list(facts.not_finite),
    }
    if facts.not_finite:
        return Check("weights", "fail", f"NaN or infinity in {_some(facts.not_finite)}", numbers)
    if facts.changed:
        measured = f"{len(facts.changed)} of {facts.n_compared} tensors are not what the file holds: "
        return Check("weights", "fail", measured + _some(facts.changed), numbers)
    if facts.untrained:
        measured = f"as freshly initialised, while their like in other layers are trained: {_some(facts.untrained)}"
        return Check("weights", "fail", measured, numbers)
    if not facts.n_compared:
        return Check("weights", "pass", f"{facts.n_tensors} tensors, all finite and trained", numbers)
    measured = f"{facts.n_compared} of {facts.n_tensors} tensors compared with the file, all equal, finite and trained"
    return Check("weights", "pass", measured, numbers)


def logit_scale_and_bias(subject: Subject) -> Check:
    spec, anatomy = subject.encoder.spec, subject.anatomy
    numbers = {"logit_scale": spec.logit_scale, "logit_bias": spec.logit_bias}
    named = {"scale": spec.logit_scale, "bias": spec.logit_bias}
    measured = ", ".join(f"{name} {value:.4g}" for name, value in named.items() if value is not None)
    faults = _faults_of_scale(spec)
    if anatomy is not None and anatomy.training.has_bias and spec.logit_bias is None:
        faults.append(f"{anatomy.training.family} has a bias, and none is there")
    if anatomy is not None and spec.logit_scale is None:
        faults.append("there is no scale")
    if faults:
        return Check("logit scale and bias", "fail", "; ".join([measured, *faults] if measured else faults), numbers)
    if spec.logit_scale is None:
        return Check("logit scale and bias", "not known", "the encoder's spec names none", numbers)
    if any(math.isclose(spec.logit_scale, initial, rel_tol=1e-3) for initial in INITIAL_SCALES):
        return Check("logit scale and bias", "warn", f"{measured}: where training starts, as if never trained", numbers)
    return Check("logit scale and bias", "pass", measured, numbers)


def _faults_of_scale(spec: EncoderSpec) -> list[str]:
    faults = []
    if spec.logit_scale is not None and not (math.isfinite(spec.logit_scale) and spec.logit_scale > 0):
        faults.append("a scale must be a number above 0")
    if spec.logit_bias is not None and not math.isfinite(spec.logit_bias):
        faults.append("a bias must be a number")
    elif spec.logit_bias is not None and spec.logit_bias >= 0:
        faults.append("a bias of a sigmoid loss is far below 0, since most pairs do not match")
    return faults


def number_format(subject: Subject, facts: WeightFacts | None, *, twin: bool) -> Check:
    """Whether the encoder computes finely enough; `twin` loads the same checkpoint in float32 and compares."""
    spec, anatomy = subject.encoder.spec, subject.anatomy
    coarse = rounded_to(subject.raw(subject.encoder.encode_texts, subject.texts))
    if coarse:
        measured = f"every number of the vectors is a {coarse}: scores come in steps and items tie"
        return Check("number format", "fail" if coarse == "bfloat16" else "warn", measured, {"rounded_to": coarse})
    if anatomy is None or facts is None:
        return Check("number format", "not known", "not rounded; the encoder has no float32 twin to compare with")
    if facts.coarse:
        measured = f"norms and embeddings are not held in float32: {_some(facts.coarse)}"
        return Check("number format", "warn", measured, {"coarse": list(facts.coarse)})
    computed = "integers of 8 bits or fewer" if facts.quantised else spec.dtype
    if computed == "float32":
        return Check("number format", "pass", "float32")
    if not twin:
        return Check("number format", "not known", f"{computed}; only the whole examination compares it with float32")
    return _against(anatomy.in_float32(), subject, computed)


def _against(exact: Encoder, subject: Subject, computed: str) -> Check:
    texts, images = subject.encode_texts(subject.texts), subject.encode_images(subject.images)
    true_texts, true_images = unit(exact.encode_texts(subject.texts)), unit(exact.encode_images(subject.images))
    cosine = 1 - max(drift(texts, true_texts), drift(images, true_images))
    same = order_agreement(texts @ images.T, true_texts @ true_images.T)
    good = cosine >= NEAR and same >= SAME_ORDER
    verdict: Verdict = "pass" if good else "warn" if cosine >= STILL_NEAR else "fail"
    measured = f"{computed} against float32: cosine at least {cosine:.5f}, {same:.1%} of the order kept"
    return Check("number format", verdict, measured, {"cosine": cosine, "order_agreement": same})


def order_agreement(scores: Unit, true: Unit) -> float:
    """Share of pairs of items that both (n_queries, n_items) score in the same order; a tie counts half.

    >>> order_agreement(np.array([[3.0, 2, 1]]), np.array([[3.0, 1, 2]]))  # one of three pairs turned
    0.6666666666666666
    """
    one, other = (np.sign(values[:, :, None] - values[:, None, :]) for values in (scores, true))
    above = np.triu(np.ones(scores.shape[1:] * 2, dtype=bool), k=1)
    agreement = (1 + one * other)[:, above] / 2
    return float(agreement.mean()) if agreement.size else 1.0


def _some(names: Sequence[str], n: int = 3) -> str:
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")
