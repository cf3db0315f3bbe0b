"""language_gap(encoder, data sets): how much worse an encoder is in one language than in another.

Two languages are compared on the pictures that have captions in both, each ranked among these alone: a smaller gallery
is an easier one. Picture by picture, the mean over its captions in one language is held against that in the other;
intervals are bootstrapped over clusters of pictures that succeed and fail together in either.
"""

from __future__ import annotations

import contextlib
import tempfile
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.groups import same_things
from luneta.data.relevance import Things, equal_captions
from luneta.embedding import Embeddings, embed
from luneta.errors import ConfigError, DatasetError
from luneta.evaluation import check_rule, embed_cached, evaluate_embeddings, examined, ranked
from luneta.metrics import METRICS, chance
from luneta.positives import Duplicates, joined
from luneta.ranking import Ranking
from luneta.results import Evaluation
from luneta.stats import bootstrap, holm, randomisation_test
from luneta.types import DIRECTIONS, Direction, Encoder

if TYPE_CHECKING:
    from rich.console import RenderableType

Floats = NDArray[np.float64]

SCHEMA = "luneta.languages/1"

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
        n_images: pictures that have captions in both; both are ranked among these alone.
        value: mean of the paired differences, picture by picture; low, high: its 95 % interval.
        p_holm: randomisation test, corrected for all gaps of this metric and direction.
        score, reference_score: means over these pictures, in either; `value` is the difference.
        chance, reference_chance: what a constant encoder would get for them.
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
    score: float
    reference_score: float
    chance: float
    reference_chance: float


@dataclass(frozen=True, slots=True)
class LanguageGap:
    """One encoder in several languages.

    Attributes:
        evaluations: {language: its result, among all its pictures}, the first language being the reference.
        writings: {(language, name of a way of writing): its result}; only where it changes some caption.
        gaps: of every other language to the first, and of every way of writing to the usual one.
    """

    evaluations: Mapping[str, Evaluation]
    writings: Mapping[tuple[str, str], Evaluation]
    gaps: Sequence[Gap]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form (schema `luneta.languages/1`); queries are in the results of the languages."""
        from luneta import __version__

        reference, first = next(iter(self.evaluations.items()))
        return {
            "schema": SCHEMA,
            "created_at": first.created_at,
            "luneta_version": __version__,
            "encoder": dict(first.encoder),
            "reference": reference,
            "languages": {language: _record(evaluation) for language, evaluation in self.evaluations.items()},
            "writings": [
                {"language": language, "writing": writing, **_record(evaluation)}
                for (language, writing), evaluation in self.writings.items()
            ],
            "gaps": [asdict(gap) for gap in self.gaps],
            "checks": [dict(check) for check in first.checks],
        }

    def __str__(self) -> str:
        from luneta.grids import as_text

        return as_text(self)

    def __rich__(self) -> RenderableType:
        from luneta.terminal import languages_table

        return languages_table(self)


def _record(evaluation: Evaluation) -> dict[str, Any]:
    told = evaluation.to_dict()
    return {name: told[name] for name in ("dataset", "protocol", "metrics")}


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
        EncoderError: as in `evaluate`.
    """
    if len(datasets) < 2:
        raise ConfigError(f"{len(datasets)} language to compare; expected at least two, such as en,pt-BR")
    rules = _rules(datasets, duplicates)
    checks = examined(encoder)
    reference = next(iter(datasets))
    evaluations: dict[str, Evaluation] = {}
    rewritten: dict[tuple[str, str], Evaluation] = {}
    of_languages: list[_Pair] = []
    of_writings: list[_Pair] = []
    with _embedding(encoder, cache, batch_size=batch_size, max_bad_share=max_bad_share) as embedded:
        for language, data in datasets.items():
            usual = _Measured.of(embedded(data), rules[language], checks, seed)
            evaluations[language] = usual.evaluation
            if language == reference:
                first = usual
            else:
                of_languages.append(_pair(language, "", usual, reference, first))
            for name, texts in _rewritten(usual.data.texts) if writings else ():
                other = usual.written(texts, embedded, checks, seed)
                rewritten[language, name] = other.evaluation
                of_writings.append(_pair(language, name, other, language, usual))
    gaps: list[Gap] = []
    for direction in DIRECTIONS:
        for metric in MEASURED:
            found = [_gap(pair, direction, metric, seed) for pair in (*of_languages, *of_writings)]
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
        rules: dict[str, Duplicates | Things] = {language: duplicates[language] for language in datasets}
    else:
        rules = dict.fromkeys(datasets, duplicates)
    for language, data in datasets.items():
        check_rule(data, rules[language])
    return {language: same_things(datasets[language]) if rule == "near" else rule for language, rule in rules.items()}


def _rewritten(texts: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Every other way of writing that changes some of the texts."""
    for name, write in WRITINGS.items():
        written = [write(text) for text in texts]
        if written != list(texts):
            yield name, written


# What is measured ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _embedding(
    encoder: Encoder, cache: bool, *, batch_size: int | None, max_bad_share: float
) -> Iterator[Callable[[ImageTextDataset], Embeddings]]:
    """Embeds what has not been embedded before: the languages share most pictures, and all ways of writing one do.

    Without the cache the vectors are kept until the end of the block.
    """
    if cache or not encoder.spec.fingerprint:
        yield lambda data: embed_cached(encoder, data, cache=cache, batch_size=batch_size, max_bad_share=max_bad_share)
        return
    with tempfile.TemporaryDirectory(prefix="luneta-languages-") as folder:
        store = Path(folder) / "store"
        yield lambda data: embed(encoder, data, store=store, batch_size=batch_size, max_bad_share=max_bad_share)


@dataclass(frozen=True)
class _Measured:
    """A language, or a way of writing one.

    Attributes:
        embeddings: its vectors.
        rule: what counts as equal among them.
        evaluation: its result.
    """

    embeddings: Embeddings
    rule: Duplicates | Things
    evaluation: Evaluation

    @classmethod
    def of(
        cls, embeddings: Embeddings, rule: Duplicates | Things, checks: Sequence[Mapping[str, str]], seed: int
    ) -> _Measured:
        """As it was embedded, of a rule for what was to be embedded."""
        if isinstance(rule, Things):
            rule = rule.remaining(embeddings.dataset, embeddings.left_out)
        embeddings = replace(embeddings, left_out=())
        evaluation = evaluate_embeddings(embeddings, duplicates=rule, seed=seed)
        return cls(embeddings, rule, replace(evaluation, checks=checks))

    @property
    def data(self) -> ImageTextDataset:
        return self.embeddings.dataset

    def written(
        self,
        texts: Sequence[str],
        embedded: Callable[[ImageTextDataset], Embeddings],
        checks: Sequence[Mapping[str, str]],
        seed: int,
    ) -> _Measured:
        """The same pictures with their captions written in another way."""
        data, rule = _with_keys(replace(self.data, texts=texts), self.data.image_keys), self.rule
        if isinstance(rule, Things):
            rule = replace(rule, data=data, texts=joined(rule.texts, equal_captions(data)))
        return _Measured.of(embedded(data), rule, checks, seed)

    def ranked(self, images: Indexes) -> _Ranked:
        """Where the right answers stand among these of the pictures alone, and their captions; ascending."""
        if len(images) == self.data.n_images:
            return _Ranked(self.data, self.evaluation.rankings, self.evaluation.clusters["image_to_text"])
        gone = np.setdiff1d(np.arange(self.data.n_images), images)
        _, texts = self.data.remaining(gone)
        keys = self.data.image_keys
        data = _with_keys(self.data.without_images(gone), [keys[image] for image in images.tolist()])
        rule = self.rule.remaining(data, gone) if isinstance(self.rule, Things) else self.rule
        vectors = self.embeddings
        positives, rankings = ranked(
            replace(vectors, dataset=data, images=vectors.images[images], texts=vectors.texts[texts]), rule
        )
        return _Ranked(data, rankings, positives.clusters["image_to_text"])


def _with_keys(data: ImageTextDataset, keys: Sequence[str]) -> ImageTextDataset:
    """With the digests of its pictures, which are known: nobody reads them all again."""
    object.__setattr__(data, "image_keys", tuple(keys))
    return data


# Pairs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ranked:
    """Where the right answers stand in both directions, and which pictures succeed and fail together."""

    data: ImageTextDataset
    rankings: Mapping[Direction, Ranking]
    clusters: Indexes

    def by_image(self, direction: Direction, metric: str) -> tuple[Floats, Floats]:
        """(n_images,) mean of the metric over each picture's queries, and what a constant encoder would get."""
        ranking = self.rankings[direction]
        scores = METRICS[metric](ranking), METRICS[metric](chance(ranking))
        if direction == "image_to_text":
            return scores
        texts, images = self.data.pairs[:, 0], self.data.pairs[:, 1]
        counts = np.bincount(images, minlength=self.data.n_images)
        ours, by_chance = (
            np.bincount(images, weights=values[texts], minlength=self.data.n_images) / counts for values in scores
        )
        return ours, by_chance


@dataclass(frozen=True)
class _Pair:
    """Two rankings of the same pictures; `order` says where each picture of the reference stands in the other."""

    language: str
    writing: str
    reference: str
    other: _Ranked
    against: _Ranked
    order: Indexes


def _pair(language: str, writing: str, other: _Measured, reference: str, against: _Measured) -> _Pair:
    """Both ranked among the pictures they share.

    Raises:
        DatasetError: there is none.
    """
    theirs, ours = _shared(against.data.image_keys, other.data.image_keys)
    if not len(ours):
        raise DatasetError(f"{language} and {reference} share no picture: there is nothing to compare them on")
    ascending = np.sort(ours)
    order = np.searchsorted(ascending, ours)
    return _Pair(language, writing, reference, other.ranked(ascending), against.ranked(theirs), order)


def _shared(one: Sequence[str], other: Sequence[str]) -> tuple[Indexes, Indexes]:
    """Indexes of equal keys, pair by pair, ascending in the first; of repeated ones as many as both have.

    >>> [found.tolist() for found in _shared(["a", "b", "b", "c"], ["c", "b", "x", "a"])]
    [[0, 1, 3], [3, 1, 0]]
    """
    places: dict[str, deque[int]] = {}
    for place, key in enumerate(other):
        places.setdefault(key, deque()).append(place)
    pairs = [(place, places[key].popleft()) for place, key in enumerate(one) if places.get(key)]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _gap(pair: _Pair, direction: Direction, metric: str, seed: int) -> Gap:
    """The gap of a pair; `p_holm` is not corrected yet."""
    theirs, their_chance = pair.against.by_image(direction, metric)
    ours, our_chance = (values[pair.order] for values in pair.other.by_image(direction, metric))
    cluster = joined(pair.against.clusters, pair.other.clusters[pair.order])
    interval = bootstrap(ours - theirs, cluster, bounded=False, seed=seed)
    return Gap(
        direction, metric, pair.language, pair.writing, pair.reference, len(theirs),
        interval.value, interval.low, interval.high, randomisation_test(ours - theirs, cluster, seed=seed),
        score=float(ours.mean()), reference_score=float(theirs.mean()),
        chance=float(our_chance.mean()), reference_chance=float(their_chance.mean()),
    )  # fmt: skip
