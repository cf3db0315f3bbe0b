"""language_gap(encoder, data sets): how much worse an encoder is in one language than in another.

Languages are compared picture by picture: for every picture that has captions in both, the mean over its captions in
one language is held against that in the other. Intervals are bootstrapped over pictures.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset
from luneta.data.groups import same_things
from luneta.data.relevance import Things, equal_captions
from luneta.errors import ConfigError, DatasetError
from luneta.evaluation import evaluate
from luneta.metrics import METRICS
from luneta.positives import Duplicates, joined
from luneta.results import Evaluation
from luneta.stats import bootstrap, holm, randomisation_test
from luneta.types import DIRECTIONS, Direction, Encoder

if TYPE_CHECKING:
    from rich.console import RenderableType

MEASURED = ("recall@1", "recall@10", "mrr")


def without_accents(text: str) -> str:
    """The text as people write it who leave accents out: in Latin, Greek and Cyrillic letters, and no other signs.

    >>> without_accents("Maçã, ação, Ñandú"), without_accents("がぎ हिन्दी")
    ('Maca, acao, Nandu', 'がぎ हिन्दी')
    """
    parts = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in parts if not "\u0300" <= c <= "\u036f"))


WRITINGS: Mapping[str, Callable[[str], str]] = {
    "without accents": without_accents,
    "UPPER CASE": str.upper,
    "lower case": str.lower,
}
"""Other ways in which people write the same captions."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a language, or a way of writing, is from the one it is held against; positive is better.

    Attributes:
        language: what was measured.
        writing: name of a way of writing the same captions, or empty.
        reference: the language it is held against (its own, for a way of writing).
        n_images: pictures that have captions in both.
        value: mean of the paired differences, picture by picture; low, high: its 95 % interval.
        p_holm: randomisation test, corrected for all gaps of this metric and direction.
    """

    direction: Direction
    metric: str
    language: str
    writing: str
    reference: str
    n_images: int
    value: float
    low: float | None
    high: float | None
    p_holm: float


@dataclass(frozen=True, slots=True)
class LanguageGap:
    """One encoder in several languages.

    Attributes:
        evaluations: {language: its result}, the first language being the reference.
        writings: {(language, name of a way of writing): its result}; only where it changes some caption.
        gaps: of every other language to the first, and of every way of writing to the usual one.
    """

    evaluations: Mapping[str, Evaluation]
    writings: Mapping[tuple[str, str], Evaluation]
    gaps: Sequence[Gap]

    def __rich__(self) -> RenderableType:
        from luneta.terminal import languages_table

        return languages_table(self)


def language_gap(
    encoder: Encoder,
    datasets: Mapping[str, ImageTextDataset],
    *,
    writings: bool = True,
    duplicates: Duplicates | Mapping[str, Duplicates | Things] = "merge",
    cache: bool = True,
    batch_size: int | None = None,
    max_bad_share: float = 0.01,
    seed: int = 0,
) -> LanguageGap:
    """Evaluate every language and compare them on the pictures they share.

    Args:
        encoder: what `load_encoder` returns, or any object with `spec`, `encode_images` and `encode_texts`.
        datasets: {language: the same pictures with captions in it}; the first is the reference.
        writings: also measure captions without accents and in other cases.
        duplicates: as in `evaluate`; groups for each language, as {language: groups.things()}.
        cache, batch_size, max_bad_share, seed: as in `evaluate`.

    Raises:
        ConfigError: fewer than two languages, or groups that lack one.
        DatasetError: a language shares no picture with the first.
    """
    if len(datasets) < 2:
        raise ConfigError(f"{len(datasets)} language to compare; expected at least two, such as en,pt-BR")

    rules = _rules(datasets, duplicates)

    def measure(data: ImageTextDataset, rule: Duplicates | Things) -> Evaluation:
        return evaluate(encoder, data, duplicates=rule, cache=cache, batch_size=batch_size,
                        max_bad_share=max_bad_share, seed=seed)  # fmt: skip

    evaluations = {language: measure(data, rules[language]) for language, data in datasets.items()}
    rewritten: dict[tuple[str, str], Evaluation] = {}
    for language, data in datasets.items() if writings else ():
        for name, write in WRITINGS.items():
            texts = [write(text) for text in data.texts]
            if texts != list(data.texts):
                other, rule = replace(data, texts=texts), rules[language]
                if isinstance(rule, Things):
                    rule = replace(rule, data=other, texts=joined(rule.texts, equal_captions(other)))
                rewritten[language, name] = measure(other, rule)
    reference = next(iter(datasets))
    pairs = [(language, "", reference) for language in datasets if language != reference]
    pairs += [(language, name, language) for language, name in rewritten]
    gaps: list[Gap] = []
    for direction in DIRECTIONS:
        for metric in MEASURED:
            found = [
                _gap(evaluations[against], rewritten[language, name] if name else evaluations[language],
                     Gap(direction, metric, language, name, against, 0, 0.0, None, None, 1.0), seed)
                for language, name, against in pairs
            ]  # fmt: skip
            adjusted = holm([gap.p_holm for gap in found])
            gaps += [replace(gap, p_holm=float(p)) for gap, p in zip(found, adjusted, strict=True)]
    return LanguageGap(evaluations, rewritten, gaps)


def _rules(
    datasets: Mapping[str, ImageTextDataset], duplicates: Duplicates | Mapping[str, Duplicates | Things]
) -> dict[str, Duplicates | Things]:
    """What counts as equal in each language; near-identical pictures are looked for once, not in every writing."""
    if isinstance(duplicates, Mapping):
        if lacking := [language for language in datasets if language not in duplicates]:
            raise ConfigError(f"duplicates lacks {', '.join(lacking)}; expected groups for every language")
        return {language: duplicates[language] for language in datasets}
    return {language: same_things(data) if duplicates == "near" else duplicates for language, data in datasets.items()}


def _gap(reference: Evaluation, other: Evaluation, gap: Gap, seed: int) -> Gap:
    """The gap with its numbers filled in; `p_holm` is not corrected yet."""
    ours, theirs = (_by_image(e, gap.direction, gap.metric) for e in (other, reference))
    shared = [key for key in ours if key in theirs]
    if not shared:
        raise DatasetError(f"{gap.language} and {gap.reference} share no picture: there is nothing to compare them on")
    differences = np.array([ours[key] - theirs[key] for key in shared])
    interval = bootstrap(differences, bounded=False, seed=seed)
    p = randomisation_test(differences, seed=seed)
    return replace(gap, n_images=len(shared), value=interval.value, low=interval.low, high=interval.high, p_holm=p)


def _by_image(evaluation: Evaluation, direction: Direction, metric: str) -> dict[str, float]:
    """{content of a picture: mean of the metric over its queries}."""
    data = evaluation.data
    assert data is not None  # it was evaluated here
    values: NDArray[np.float64] = METRICS[metric](evaluation.rankings[direction])
    if direction == "image_to_text":
        per_image = values
    else:
        sums = np.bincount(data.pairs[:, 1], weights=values[data.pairs[:, 0]], minlength=data.n_images)
        per_image = sums / np.bincount(data.pairs[:, 1], minlength=data.n_images)
    return dict(zip(data.image_keys, per_image.tolist(), strict=True))
