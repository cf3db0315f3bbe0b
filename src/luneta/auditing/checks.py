"""The arithmetic that printed retrieval numbers must obey."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from luneta.auditing.columns import Claim, without_remark
from luneta.auditing.counts import Verdict, chance_of_coarse, common_count, fits, misfit
from luneta.auditing.findings import Finding, Grade, Kind
from luneta.auditing.phrases import Phrase, phrase
from luneta.auditing.printed import Printed
from luneta.auditing.units import family

ROUND = (100, 200, 250, 500, 1000, 2000, 2500, 5000, 10_000)
"""Sizes that people choose for a sample."""
PROOF_ODDS = 6.0
"""Rows of one data set are proved to have different counts at odds of a million: see `common_count`."""
DOUBT_ODDS = 2.0
LEVEL = 0.05
Z = 1.96
Group = tuple[int, str]
"""Rows of one data set of one table: see `Claim.group`."""


def settled(claim: Claim) -> tuple[Claim, list[Finding]]:
    """A row in units in which it can be true, if there are any; and what is wrong with it, or hard to believe."""
    tried: list[tuple[Claim, list[Finding]]] = []
    for way in claim.ways:
        others = tuple(other for other in claim.ways if other is not way)
        own = replace(claim, ways=(way, *others))
        tried.append((own, [*order(own), *bounds(own), *stated_counts(own)]))
        if not tried[-1][1]:
            break
    best, found = min(tried, key=lambda one: (any(f.verdict == "proved" for f in one[1]), len(one[1])))
    if best.numbers != claim.numbers and not claim.percent_said:
        metric = next(m for m, number in best.numbers.items() if number != claim.numbers[m])
        why = phrase("only_in_percent", why=tried[0][1][0].said.values["why"])
        found = [*found, _about(best, metric, "units", "suspicious", why)]
    return best, found


def units(claims: Sequence[Claim]) -> Iterator[Finding]:
    """Rows in percent among fractions, and the other way round."""
    columns: dict[object, list[tuple[Claim, str]]] = defaultdict(list)
    for claim in claims:
        for name, metric in {family(metric): metric for metric in reversed(claim.numbers)}.items():
            if name != "median_rank":
                columns[claim.table, claim.block, name].append((claim, metric))
    for own in columns.values():
        mostly = 2 * sum(claim.numbers[metric].percent for claim, metric in own) > len(own)
        for claim, metric in own:
            percent = claim.numbers[metric].percent
            if percent != mostly:
                why = phrase("percent_among_fractions" if percent else "fractions_among_percent")
                yield Finding(claim.row, claim.columns[metric], "units", "suspicious", why)


def order(claim: Claim) -> Iterator[Finding]:
    """recall@k cannot fall with k, nor leave 0..1."""
    for metric, number in claim.numbers.items():
        if metric != "median_rank" and (number.high < 0 or number.low > 1):
            yield _about(claim, metric, "range", "proved", phrase("no_share", text=number.text))
    for (k, less), (m, more) in itertools.pairwise(claim.recalls.items()):
        if more.high < less.low:
            why = phrase("falls", k=str(k), less=less.text, m=str(m), more=more.text)
            yield _about(claim, f"recall@{m}", "order", "proved", why)


def _about(claim: Claim, metric: str, kind: Kind, verdict: Grade, why: Phrase) -> Finding:
    return Finding(claim.row, claim.columns[metric], kind, verdict, _of(claim, why))


def _of(claim: Claim, why: Phrase) -> Phrase:
    return phrase("about", label=claim.label or phrase("row", row=claim.row), why=why)


def bounds(claim: Claim) -> Iterator[Finding]:
    """MRR, nDCG, mAP and median rank must lie where the recalls leave them room."""
    if not claim.recalls or any(True for _ in order(claim)):  # recalls that cannot be bound nothing
        return
    given = ", ".join(f"recall@{k} = {number.text}" for k, number in claim.recalls.items())
    for metric, number in claim.numbers.items():
        for verdict, low, high, assumption in _limits(metric, claim.recalls):
            if not _inside(number, low, high):
                why = phrase("outside", given=given, metric=metric, low=low, high=high, assumption=assumption,
                             text=number.text)  # fmt: skip
                yield _about(claim, metric, "bounds", verdict, why)
                break
    yield from _median(claim)


def _limits(metric: str, recalls: dict[int, Printed]) -> Iterator[tuple[Grade, float, float, Phrase]]:
    """(what it proves to be outside, least, most, assumption), the surest first."""
    name, _, cut = metric.partition("@")
    if name == "mrr":
        where = phrase("cut_at", cut=cut) if cut else phrase("whole_ranking")
        yield "proved", *_room(recalls, lambda rank: 1 / rank, int(cut) if cut else None), where
    if name not in ("ndcg", "map"):
        return
    reached = min([1.0, *(float(number.highest) for k, number in recalls.items() if k >= int(cut))])
    if name == "map":
        yield "proved", 0.0, reached, phrase("no_hit_is_zero")
        return
    low, high = _room(recalls, lambda rank: 1 / math.log2(rank + 1), int(cut))
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, int(cut) + 1))
    yield "proved", low / ideal, reached, phrase("any_relevant")
    yield "suspicious", low, high, phrase("one_relevant")


def _room(recalls: dict[int, Printed], gain: Callable[[int], float], cut: int | None) -> tuple[float, float]:
    """Least and most mean gain of the first hit: all hits as late, or as early, as the recalls allow."""

    def worth(rank: int) -> float:
        return gain(rank) if cut is None or rank <= cut else 0.0

    low = high = 0.0
    least = most = Fraction(0)
    last = 0
    for k, number in recalls.items():
        # More hits in a nearer band are worth more, so both sums grow with every recall: take its two ends.
        low += float(max(number.low, least) - least) * worth(k)
        high += float(max(number.highest, most) - most) * worth(last + 1)
        least, most, last = max(number.low, least), max(number.highest, most), k
    high += float(max(Fraction(0), 1 - most)) * worth(last + 1)
    return low, min(high, 1.0)


def _inside(number: Printed, low: float, high: float) -> bool:
    """Whether some value that is printed like this can be within."""
    return low - 1e-9 <= number.highest and number.low <= high + 1e-9


def _median(claim: Claim) -> Iterator[Finding]:
    number = claim.numbers.get("median_rank")
    if number is None or claim.mean:
        return
    half = Fraction(1, 2)
    for k, recall in claim.recalls.items():
        if number.highest <= k and recall.highest < half:
            name = "median_too_good"
        elif number.low > k and recall.low > half:
            name = "median_too_bad"
        else:
            continue
        why = phrase(name, text=number.text, k=str(k), recall=recall.text)
        yield _about(claim, "median_rank", "bounds", "proved", why)
        return


def stated_counts(claim: Claim) -> Iterator[Finding]:
    """A recall is a whole number of hits out of the stated number of queries."""
    n = claim.n_queries
    if n is None or claim.mean or (metric := misfit(claim, n)) is None:
        return
    verdict: Grade = "proved" if claim.count_sure else "suspicious"
    yield _about(claim, metric, "count", verdict, no_whole_number(claim.numbers[metric], metric, n))


def no_whole_number(number: Printed, metric: str, n_queries: int) -> Phrase:
    hits = math.floor(number.value * n_queries)
    digits = max(0, round(-math.log10(number.unit)))
    below, above = (
        phrase("hits", hits=h, n=n_queries, share=h / n_queries, digits=digits + 1) for h in (hits, hits + 1)
    )
    return phrase("no_whole_number", metric=metric, text=number.text, below=below, above=above)


def inferred_counts(claims: Sequence[Claim]) -> tuple[dict[Group, int], list[Finding]]:
    """The number of queries of every data set, from the digits alone, and the rows that have another."""
    counts: dict[Group, int] = {}
    findings: list[Finding] = []
    odd_models: set[str] = set()
    for group, own in by_data(claims).items():
        verdict = common_count(own) if len(own) > 1 else Verdict(None, [], 0.0)
        if verdict.n_queries is None:
            continue
        name = own[0].where
        counts[group] = n = verdict.n_queries
        if verdict.log10_odds < DOUBT_ODDS:
            continue
        proof = verdict.log10_odds >= PROOF_ODDS and all(claim.named for claim in own)
        for claim in (own[i] for i in verdict.odd):
            metric = misfit(claim, n)
            if metric is None:
                continue
            odd_models.add(without_remark(claim.model))
            small = next((m for m in ROUND if m < n and fits(claim, m)), None)
            why = phrase(
                "other_count",
                n_others=len(own) - len(verdict.odd), of_data=phrase("of_data", data=name) if name else "", n=n,
                misfit=no_whole_number(claim.numbers[metric], metric, n),
                fits=phrase("fits", n=small) if small else "", odds=verdict.log10_odds,
            )  # fmt: skip
            findings.append(_about(claim, metric, "count", "proved" if proof else "suspicious", why))
    findings += _round_counts(claims, counts, odd_models)
    return counts, findings


def _round_counts(claims: Sequence[Claim], counts: dict[Group, int], odd_models: set[str]) -> Iterator[Finding]:
    """Rows that fit their data set's count, but a much smaller round one as well.

    A row of a model that has another row on another count needs less evidence: once one was measured on a sample, its
    others may have been.
    """
    n_rows = len({tuple(claim.recalls.values()) for claim in claims})
    for claim in claims:
        n = claim.n_queries or counts.get(claim.group)
        if n is None or claim.mean or not fits(claim, n):
            continue
        smaller = [m for m in ROUND if m < n]
        small = next((m for m in smaller if fits(claim, m)), None)
        if small is None or (n % small == 0 and all(number.value in (0, 1) for number in claim.recalls.values())):
            continue
        chance = chance_of_coarse(claim, small, n)
        trials = len(smaller) * (1 if without_remark(claim.model) in odd_models else n_rows)
        if chance * trials < LEVEL:
            why = phrase("sampled", n=n, small=small, one_in=1 / chance)
            yield Finding(claim.row, None, "count", "suspicious", _of(claim, why))


def copies(claims: Sequence[Claim]) -> Iterator[Finding]:
    """A row that is printed twice must say the same twice."""
    same: dict[object, list[Claim]] = defaultdict(list)
    for claim in claims:
        if any(text for _, text in claim.identity):
            same[claim.identity].append(claim)
    for group in same.values():
        for i, later in enumerate(group):
            for first in group[:i]:
                verdict = _may_disagree(first, later)
                differences = [
                    (metric, number, first.numbers[metric])
                    for metric, number in later.numbers.items()
                    if metric in first.numbers and not _agree(metric, first, later)
                ]
                if verdict and differences:
                    yield _disagreement(first, later, differences, verdict)


def _may_disagree(first: Claim, later: Claim) -> Grade | None:
    """What it means when rows of one name disagree; None where nothing says that they are about the same."""
    if first.table == later.table and first.place == later.place:
        return "suspicious"
    if not (first.named and later.named):
        return None
    if first.table == later.table:
        return "proved"
    return "suspicious" if first.said == later.said else None


def _agree(metric: str, one: Claim, other: Claim) -> bool:
    """Whether two numbers can be the same: in some units, with different decimals, one rounded and one cut off."""
    return any(
        abs(first[metric].value - second[metric].value) <= max(first[metric].unit, second[metric].unit)
        for first in one.ways
        for second in other.ways
    )


def _disagreement(
    first: Claim, later: Claim, differences: list[tuple[str, Printed, Printed]], verdict: Grade
) -> Finding:
    gaps = {number.value - before.value for _, number, before in differences}
    metric = differences[0][0]
    many = len(differences) > 1
    same_gap = len(gaps) == 1 and many
    why = phrase(
        "copies_differ" if many else "copy_differs",
        row=str(first.row),
        shown=[phrase("two_numbers", metric=name, before=before.text, after=number.text)
               for name, number, before in differences],
        gap=phrase("same_gap", gap=float(abs(next(iter(gaps))))) if same_gap else "",
        reading=phrase("one_is_wrong" if verdict == "proved" else "two_runs"),
    )  # fmt: skip
    column = later.columns[metric] if not many else None
    return Finding(later.row, column, "copies", verdict, _of(later, why))


def noise(claims: Sequence[Claim], counts: dict[Group, int]) -> Iterator[Finding]:
    """Neighbours in a ranking of models that are closer than two draws of queries would set them apart."""
    for own in by_data(claims).values():
        known = {claim.n_queries or counts.get(claim.group) for claim in own}
        n = next(iter(known)) if len(known) == 1 else None
        metric = next((f"recall@{k}" for k in own[0].recalls), None)
        if n is None or metric is None:
            continue
        distinct = {claim.identity: claim for claim in own if metric in claim.numbers and fits(claim, n)}
        ranked = sorted(distinct.values(), key=lambda claim: claim.numbers[metric].value, reverse=True)
        close = []
        for better, worse in itertools.pairwise(ranked):
            p, q = (float(claim.numbers[metric].value) for claim in (better, worse))
            margin = Z * math.sqrt((p * (1 - p) + q * (1 - q)) / n)
            if 0 < p - q < margin:
                close.append(
                    phrase("close", better=better.model, worse=worse.model, hits=round((p - q) * n), n=n, gap=p - q,
                           margin=margin)
                )  # fmt: skip
        if close:
            said = phrase("within_noise", data=own[0].where or phrase("all_rows"), n=n, close=close)
            yield Finding(None, own[0].columns[metric], "noise", "suspicious", said)


def by_data(claims: Sequence[Claim]) -> dict[Group, list[Claim]]:
    """The rows of every data set of a table, but for means."""
    groups: dict[Group, list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.recalls and not claim.mean:
            groups[claim.group].append(claim)
    return dict(groups)
