"""How many queries a printed table can have been measured on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from luneta.auditing.columns import Claim
from luneta.auditing.printed import Printed

LARGEST = 250_000
"""No search goes beyond this number of queries."""
MOST_WAYS = 200_000
"""Ways to spread hits over ranks beyond which they are not listed one by one."""


def horizon(claims: Sequence[Claim]) -> int:
    """The number of queries from which on the printed decimals cannot tell counts apart: any would fit."""
    finest = min((number.unit for claim in claims for number in claim.recalls.values()), default=Fraction(1))
    return min(LARGEST, math.ceil(1 / finest))


def fitting(claim: Claim, limit: int) -> NDArray[np.bool_]:
    """(limit,) whether 1, 2, ... limit queries allow all recalls of the row, rounded to the nearest or all cut off."""
    counts = np.arange(1, limit + 1)
    rounded, cut = np.ones(limit, dtype=bool), np.ones(limit, dtype=bool)
    for number in claim.recalls.values():
        rounded &= number.fits(counts)
        cut &= number.truncated.fits(counts)
    return rounded | cut


def fits(claim: Claim, n_queries: int) -> bool:
    return misfit(claim, n_queries) is None


def misfit(claim: Claim, n_queries: int) -> str | None:
    """The metric that is no whole number of hits out of `n_queries`, whether rounded or cut off; None if all can be."""
    readings = (claim.recalls, {k: number.truncated for k, number in claim.recalls.items()})
    wrong = [[f"recall@{k}" for k, number in reading.items() if number.hits(n_queries) is None] for reading in readings]
    return None if any(not names for names in wrong) else wrong[0][0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rows of one data set say about their number of queries.

    Attributes:
        n_queries: the count that explains them best; None when the printed decimals cannot tell.
        odd: places (in the sequence given) of the rows it does not fit.
        log10_odds: how much likelier the rows are with the odd ones measured on other counts than all on one. Among
            truthful tables at most one in 10**log10_odds looks like this.
    """

    n_queries: int | None
    odd: list[int]
    log10_odds: float


def common_count(claims: Sequence[Claim]) -> Verdict:
    """Infer the number of queries that rows of one data set share, and the rows that have another.

    Out of N queries a recall takes one of N + 1 values, so a row that fits N by nature is N / 10^decimals as surprising
    per recall as one that fits it by accident. Copies of a row count once. Prior: 1 / N; every set of odd rows alike.
    """
    limit = horizon(claims)
    distinct: dict[tuple[Printed, ...], list[int]] = {}
    for place, claim in enumerate(claims):
        distinct.setdefault(tuple(claim.recalls.values()), []).append(place)
    rows = [claims[places[0]] for places in distinct.values()]
    logs = np.log(np.arange(1, limit + 1))
    prior = -logs - math.log(math.log(limit) + 1)
    together, apart = prior.copy(), prior - len(rows) * math.log(2)
    for row in rows:
        fit, informative, accident = fitting(row, limit), _informative(row), _accident(row)
        together[~fit] = -np.inf
        together -= informative * logs
        apart -= np.where(fit, np.minimum(informative * logs, accident), accident)
    best = int(apart.argmax())
    fine = [fits(row, best + 1) for row in rows]
    odd = [place for places, ok in zip(distinct.values(), fine, strict=True) if not ok for place in places]
    gains = [_accident(row) - _informative(row) * logs[best] for row, ok in zip(rows, fine, strict=True) if ok]
    evidence = float(sum(gains)) - math.log(limit)
    if evidence < math.log(1000):
        return Verdict(None, [], 0.0)
    same = float(np.logaddexp.reduce(together))
    return Verdict(best + 1, odd, (float(apart[best]) - same) / math.log(10) if odd else 0.0)


def _informative(claim: Claim) -> int:
    """How many recalls say something of the number of queries."""
    return sum(0 < number.value < 1 for number in claim.recalls.values())


def _accident(claim: Claim) -> float:
    """How surprising its recalls are if any share is as likely, in nats."""
    return sum(-math.log(number.unit) for number in claim.recalls.values() if 0 < number.value < 1)


def chance_of_coarse(claim: Claim, coarse: int, fine: int) -> float:
    """How often a row of `fine` queries fits `coarse` ones as well.

    Of all shares of `fine` queries, the part that `coarse` can print too, for every recall; and where the hits beyond
    rank 1 are few enough for their places to be listed, the part of the MRR and nDCG that go with these recalls.
    """
    chance = 1.0
    for number in claim.recalls.values():
        if 0 < number.value < 1:
            steps = {round(Fraction(hits, fine) / number.unit) for hits in range(1, fine)}
            both = sum(Printed("", step * number.unit, number.unit).hits(coarse) is not None for step in steps)
            chance *= both / len(steps)
    few, many = (printable(claim, n) for n in (coarse, fine))
    if few and many:
        chance *= len(few & many) / len(many)
    return chance


def printable(claim: Claim, n_queries: int) -> set[tuple[int, ...]] | None:
    """All (MRR, nDCG) that can stand beside the row's recalls, in units of their last decimal.

    None where they cannot be listed: no such metric, hits beyond the deepest recall, or too many ways.
    """
    recalls = claim.recalls
    wanted = [(name, claim.numbers[name]) for name in ("mrr", "mrr@10", "ndcg@10") if name in claim.numbers]
    hits = [number.hits(n_queries) for number in recalls.values()]
    if not wanted or not recalls or None in hits or hits[-1] != n_queries or max(recalls) > 10:
        return None
    bands, before, k_before = [], 0, 0
    for k, found in zip(recalls, hits, strict=True):
        assert found is not None
        bands.append((range(k_before + 1, k + 1), found - before))
        before, k_before = found, k
    ways = math.prod(math.comb(max(n, 0) + len(ranks) - 1, len(ranks) - 1) for ranks, n in bands)
    if ways > MOST_WAYS or any(n < 0 for _, n in bands):
        return None
    sums: set[tuple[float, ...]] = {tuple(0.0 for _ in wanted)}
    for ranks, n in bands:
        spread = [_sums(wanted, ranks, counts) for counts in _compositions(n, len(ranks))]
        sums = {tuple(a + b for a, b in zip(one, other, strict=True)) for one in sums for other in spread}
    units = [float(number.unit) for _, number in wanted]
    return {tuple(round(s / n_queries / unit) for s, unit in zip(one, units, strict=True)) for one in sums}


def _sums(wanted: Sequence[tuple[str, Printed]], ranks: range, counts: Sequence[int]) -> tuple[float, ...]:
    """What `counts` first hits at `ranks` add to each metric, times the number of queries."""
    return tuple(
        math.fsum(
            n / (rank if name.startswith("mrr") else math.log2(rank + 1)) for rank, n in zip(ranks, counts, strict=True)
        )
        for name, _ in wanted
    )


def _compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    """All ways to write `total` as an ordered sum of `parts` numbers from 0 on."""
    if parts == 1:
        return [(total,)]
    edges = itertools.combinations(range(total + parts - 1), parts - 1)
    return [tuple(b - a - 1 for a, b in itertools.pairwise((-1, *edge, total + parts - 1))) for edge in edges]
