"""Examine an encoder: is it used as it was trained, before a number is believed?

What can be measured from outside is measured on the vectors; what an encoder shows of itself (see
`luneta.types.InspectableEncoder`) is measured on what its towers really read, so that a recipe that is wrong is found
whatever made it wrong.
"""

from __future__ import annotations

from dataclasses import replace

from luneta.data.dataset import ImageTextDataset
from luneta.doctor import behaviour, model, on_data
from luneta.doctor.findings import Check, Diagnosis, Verdict
from luneta.doctor.image_recipe import image_recipe
from luneta.doctor.probes import Subject, subject_of
from luneta.doctor.text_recipe import text_recipe
from luneta.progress import track
from luneta.types import Encoder

__all__ = ["Check", "Diagnosis", "Verdict", "examine"]


def examine(encoder: Encoder, dataset: ImageTextDataset | None = None, *, quick: bool = False) -> Diagnosis:
    """Check that an encoder is used as it was trained, and that it behaves.

    Args:
        encoder: what `load_encoder` returns, or any object with `spec`, `encode_images` and `encode_texts`. One that
            cannot be opened up (see `luneta.types.InspectableEncoder`) is judged by its vectors alone, and the rest is
            "not known".
        dataset: what it is to serve. With it the language, the tokenizer and cut captions are looked at, and whether
            pictures are nearer to their own captions than to others'.
        quick: only what takes a moment: a few texts and pictures, no reading of the weights' files, no second model.

    Returns:
        Every check with its verdict, what was measured, why it matters and how to mend it.

    Raises:
        EncoderError: the encoder cannot take a text or a picture at all.
    """
    subject = subject_of(encoder, dataset)
    checks: list[Check] = []
    with track("examining", 4) as advance:
        checks += behaviour.answers(subject)
        advance(1)
        sound = not any(check.verdict == "fail" and check.name != "unit length" for check in checks)
        if sound:
            checks += _behaviour(subject)
            checks += [*text_recipe(subject), *image_recipe(subject)]
        advance(1)
        checks += [model.weights(subject, compare=not quick), model.logit_scale_and_bias(subject)]
        if dataset is not None and not quick:
            checks += [on_data.language(subject, dataset), *on_data.tokens(subject, dataset)]
        advance(1)
        if sound:
            checks += _measured_on_pairs(subject, dataset, quick)
        advance(1)
    spec = subject.encoder.spec
    return Diagnosis(spec.name, spec.fingerprint, spec.dtype, dataset.name if dataset is not None else None, checks)


def _behaviour(subject: Subject) -> list[Check]:
    texts, images = subject.encode_texts(subject.texts), subject.encode_images(subject.images)
    steady = behaviour.determinism(subject, texts, images)
    distinct = behaviour.distinct_vectors(subject, texts, images)
    if steady.verdict == "fail":
        names = ("batch invariance", "order", "one image path")
        return [steady, distinct, *(Check(name, "not known", "vectors change by themselves") for name in names)]
    return [
        steady,
        distinct,
        behaviour.batch_invariance(subject, images),
        behaviour.order(subject, texts, images),
        behaviour.one_image_path(subject, images),
    ]


def _measured_on_pairs(subject: Subject, dataset: ImageTextDataset | None, quick: bool) -> list[Check]:
    """The number format, on as many pairs as there are, and whether the pairs are found."""
    if dataset is None or quick:
        return [model.number_format(subject, twin=not quick)]
    texts, images = on_data.sample_pairs(dataset)
    if not images:
        return [model.number_format(subject, twin=True)]
    many = replace(subject, texts=texts, images=images)
    found = on_data.positives_above_shuffled(texts, many.encode_texts(texts), many.encode_images(images))
    return [model.number_format(many, twin=True), found]
