"""Examine an encoder: is it used as it was trained, before a number is believed?

What can be measured from outside is measured on the vectors; what an encoder shows of itself (see
`luneta.types.InspectableEncoder`) is measured on what its towers really read, so that a recipe that is wrong is found
whatever made it wrong.
"""

from __future__ import annotations

from dataclasses import replace

from luneta.data.dataset import ImageTextDataset
from luneta.doctor import behaviour, model, on_data
from luneta.doctor.explanations import EXPLANATIONS
from luneta.doctor.findings import Check, Diagnosis, Verdict
from luneta.doctor.image_recipe import image_recipe
from luneta.doctor.probes import Subject, Unit, subject_of
from luneta.doctor.text_recipe import text_recipe
from luneta.errors import EncoderError, ShapeError
from luneta.progress import track
from luneta.types import Encoder, WeightFacts

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
        EncoderError: not an encoder, or one that cannot take a text or a picture at all.
    """
    if not isinstance(encoder, Encoder):
        raise EncoderError(
            f"{encoder!r} is no encoder: expected what load_encoder returns, or an object with spec, encode_images and "
            "encode_texts"
        )
    subject = subject_of(encoder, dataset, n_images=2 if quick else 3)
    with track("examining", 4) as advance:
        first = behaviour.answers(subject)
        checks = list(first.checks)
        advance(1)
        facts = subject.anatomy.weights(compare=not quick) if subject.anatomy else None
        checks += [model.weights(facts), model.logit_scale_and_bias(subject)]
        advance(1)
        if dataset is not None and not quick:
            checks += [on_data.language(subject, dataset), *on_data.tokens(subject, dataset)]
        if first.texts is not None and first.images is not None:
            try:
                checks += _behaviour(subject, first.texts, first.images, facts)
                checks += [*text_recipe(subject), *image_recipe(subject)]
                advance(1)
                checks += _measured_on_pairs(subject, facts, dataset, quick)
                advance(1)
            except ShapeError as error:  # right for several items and wrong for one, for example
                checks = [check for check in checks if check.name != "vectors"]
                checks.append(Check("vectors", "fail", str(error)))
    checks.sort(key=lambda check: list(EXPLANATIONS).index(check.name))
    spec = subject.encoder.spec
    return Diagnosis(spec.name, spec.fingerprint, spec.dtype, dataset.name if dataset is not None else None, checks)


def _behaviour(subject: Subject, texts: Unit, images: Unit, facts: WeightFacts | None) -> list[Check]:
    steady = behaviour.determinism(subject, texts, images, facts)
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


def _measured_on_pairs(
    subject: Subject, facts: WeightFacts | None, dataset: ImageTextDataset | None, quick: bool
) -> list[Check]:
    """The number format, on as many pairs as there are, and whether the pairs are found."""
    if dataset is None or quick:
        return [model.number_format(subject, facts, twin=not quick)]
    texts, images = on_data.sample_pairs(dataset)
    if not images:
        return [model.number_format(subject, facts, twin=True)]
    many = replace(subject, texts=texts, images=images)
    found = on_data.positives_above_shuffled(texts, many.encode_texts(texts), many.encode_images(images))
    return [model.number_format(many, facts, twin=True), found]
