"""Below which score nothing in a bundle is relevant: a cut-off with a chosen error rate, and its measured ones.

A cut-off is chosen on half of the queries and measured on the other half; texts of one picture are in the same one. It
is a quantile with the correction for finite samples that makes it hold for new queries of the same kind (conformal
prediction: Vovk, Gammerman and Shafer, 2005): of n scores of queries with an answer, the floor(e (n + 1))-th least is
undercut by a new one with a probability of at most e.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from luneta.artifacts import read_json
from luneta.errors import ArtifactError, ConfigError
from luneta.stats import bootstrap
from luneta.types import Side, VectorIndex, Vectors

SCHEMA = "luneta.calibration/1"

Mistake = Literal["missed", "fooled"]
MISTAKES: tuple[Mistake, ...] = get_args(Mistake)

MOST_QUERIES = 5000

AT_ONCE = 1_000_000
"""Answers that are in memory at a time."""

LEAST = 20
"""Queries without an answer in each half, from which on they are taken rather than others without theirs."""

Ids = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of n queries with its 95 % interval, resampled by groups of related queries."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Cutoff:
    """The least score of a best answer that counts as relevant.

    Attributes:
        target: what is searched: image by texts, text by pictures.
        language: of the queries; None where nobody said.
        value: the score; minus infinity never says that nothing is relevant.
        mistake: which of the two was bounded.
        error_rate: by how much.
        n_chosen: queries that it was chosen with.
        missed: share of held-out queries with an answer that are told there is none.
        fooled: share of held-out queries without an answer that are given one.
        without: where the queries without an answer come from.
    """

    target: Side
    language: str | None
    value: float
    mistake: Mistake
    error_rate: float
    n_chosen: int
    missed: Rate
    fooled: Rate
    without: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """The cut-offs of a bundle.

    Attributes:
        cutoffs: one for each target and language.
        n_items: of each side when the last of them was chosen; best scores grow with what is searched.
    """

    cutoffs: Sequence[Cutoff]
    n_items: Mapping[Side, int]

    def cutoff(self, target: Side, language: str | None = None) -> Cutoff | None:
        """The one that a query is held to: its language's; else that of no language; else the most lenient."""
        known = [cutoff for cutoff in self.cutoffs if cutoff.target == target]
        exact = [c for c in known if c.language == language] or [c for c in known if c.language is None]
        return min(exact or known, key=lambda cutoff: cutoff.value, default=None)

    def joined(self, newer: Calibration) -> Calibration:
        """With the cut-offs of another one in the place of its own for the same target and language."""
        taken = {(cutoff.target, cutoff.language) for cutoff in newer.cutoffs}
        kept = [cutoff for cutoff in self.cutoffs if (cutoff.target, cutoff.language) not in taken]
        return Calibration((*kept, *newer.cutoffs), newer.n_items)

    def to_dict(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "cutoffs": [asdict(c) for c in self.cutoffs], "n_items": dict(self.n_items)}

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Calibration:
        """
        Raises:
            ArtifactError: it is missing, damaged or of another schema.
        """
        written = read_json(path)
        try:
            if written["schema"] != SCHEMA:
                raise ValueError(f"schema is {written['schema']!r}, expected {SCHEMA!r}")
            cutoffs = [
                Cutoff(**{**c, "missed": Rate(**c["missed"]), "fooled": Rate(**c["fooled"])})
                for c in written["cutoffs"]
            ]
            return cls(cutoffs, written["n_items"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{path} is no calibration ({type(error).__name__}: {error})") from error


def best_scores(
    index: VectorIndex, queries: Vectors, answers: Sequence[Ids]
) -> tuple[Scores, Scores]:  # fmt: skip
    """The best score of each query, with all items and without its own answers.

    Args:
        index: that is searched.
        queries: (n, dim) unit vectors.
        answers: for each query the ids that answer it; may be none.

    Returns:
        (n,) twice; minus infinity where nothing is left.
    """
    whole, without = np.empty(len(queries)), np.empty(len(queries))
    counts = np.array([len(ids) for ids in answers], dtype=np.int64)
    order, low = np.argsort(counts, kind="stable"), 0
    while low < len(order):  # alike in depth, so that few with many answers do not deepen all
        high = low + 1
        while high < len(order) and (high + 1 - low) * (counts[order[high]] + 1) <= AT_ONCE:
            high += 1
        part = order[low:high]
        found = index.search(queries[part], int(counts[part].max()) + 1)
        others = np.array([~np.isin(ids, answers[q]) for q, ids in zip(part, found.ids, strict=True)])
        others &= found.ids >= 0
        first = found.scores[np.arange(len(part)), others.argmax(axis=1)]
        whole[part], without[part] = found.scores[:, 0], np.where(others.any(axis=1), first, -np.inf)
        low = high
    return whole, without


def check_bound(mistake: str, error_rate: float) -> None:
    """Raises ConfigError for a mistake or a rate that cannot be bounded."""
    if mistake not in MISTAKES:
        raise ConfigError(f"mistake is {mistake!r}, expected {' or '.join(MISTAKES)}")
    if not 0 < error_rate < 1:
        raise ConfigError(f"error_rate is {error_rate}, expected a share between 0 and 1")


def chosen_cutoff(answered: Scores, unanswered: Scores, mistake: Mistake, error_rate: float) -> float:
    """The cut-off that bounds a mistake.

    Args:
        answered, unanswered: best scores of queries with and without an answer.
        mistake: "missed" bounds the share of answered ones below it, "fooled" that of unanswered ones not below it.
        error_rate: the bound, between 0 and 1.

    Raises:
        ConfigError: too few queries to bound it so.
    """
    check_bound(mistake, error_rate)
    scores = answered if mistake == "missed" else unanswered
    k = int(np.floor(error_rate * (len(scores) + 1) + 1e-9))
    if k < 1:
        needed = int(np.ceil(1 / error_rate)) - 1
        raise ConfigError(
            f"{len(scores)} queries to choose a cut-off with are too few for an error rate of {error_rate}: at least "
            f"{needed} are needed"
        )
    if mistake == "missed":
        return float(np.sort(scores)[k - 1])
    return float(np.nextafter(np.float32(np.sort(scores)[-k]), np.float32(np.inf)))


def measured_cutoff(
    target: Side,
    language: str | None,
    scores: tuple[Scores, Scores],
    has_answer: NDArray[np.bool_],
    groups: Ids,
    *,
    mistake: Mistake = "missed",
    error_rate: float = 0.05,
    seed: int = 0,
) -> Cutoff:
    """A cut-off chosen on half of the queries, and its mistakes on the other half.

    Args:
        target, language: of the queries.
        scores: (n,) twice, as `best_scores` gives them.
        has_answer: (n,) whether there is an answer to a query at all. Where enough have none, these are the queries
            without an answer; else it is those that have one, their answers taken away.
        groups: (n,) queries of one number are in the same half.
        mistake, error_rate: as in `chosen_cutoff`.
        seed: of the halves.

    Raises:
        ConfigError: too few queries, or an unknown mistake.
    """
    check_bound(mistake, error_rate)
    whole, less = scores
    names = np.unique(groups)
    chosen_names = np.random.default_rng(seed).permutation(names)[: (len(names) + 1) // 2]
    choosing = np.isin(groups, chosen_names)
    natural = min((~has_answer & half).sum() for half in (choosing, ~choosing)) >= LEAST
    without = whole if natural else less
    lacking = ~has_answer if natural else has_answer & np.isfinite(less)
    value = chosen_cutoff(whole[choosing & has_answer], without[choosing & lacking], mistake, error_rate)
    return Cutoff(
        target, language, value, mistake, error_rate, int((choosing & has_answer).sum()),
        missed=_rate(whole < value, ~choosing & has_answer, groups),
        fooled=_rate(without >= value, ~choosing & lacking, groups),
        without="queries whose pictures are not in the bundle" if natural else "their answers taken away",
    )  # fmt: skip


def _rate(wrong: NDArray[np.bool_], counted: NDArray[np.bool_], groups: Ids) -> Rate:
    if not counted.any():
        raise ConfigError("no queries are left to measure the cut-off with: give more data")
    found = bootstrap(wrong[counted].astype(float), np.unique(groups[counted], return_inverse=True)[1])
    return Rate(found.value, found.low, found.high, int(counted.sum()))
