"""The numbers of the demo's pages as flat records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from luneta.advice import advise
from luneta.comparison import Comparison
from luneta.demo.indexing import Indexed
from luneta.demo.rounds import BRL_PER_USD, ROUNDS, RULES, USD_PER_HOUR, Measured
from luneta.demo.searching import Found
from luneta.demo.styles import Styles
from luneta.demo.trust import Trust
from luneta.demo.verdict import Outcome
from luneta.finetuning import FineTuning
from luneta.finetuning.tables import METRICS
from luneta.metrics import chance
from luneta.profiling import Profile
from luneta.report.examples import KINDS
from luneta.report.figures import LAST_K, mean_recall, rank_bins, rank_shares
from luneta.rerank import Reranking
from luneta.rerank.evaluation import SHOWN as RERANKED
from luneta.results import Evaluation, Metric
from luneta.types import DIRECTIONS, Direction

Record = dict[str, Any]


@dataclass(frozen=True)
class Demo:
    """Everything that was measured.

    Attributes:
        measured: every round.
        profile: of the first round's data set; `profile_s` seconds were spent on it.
        trust: what speaks for the numbers, and against them.
        learnt: the fine-tuning that taught Portuguese.
        styles: those that taught sketches.
        reranked: sketches, by the encoder alone and re-ranked.
        searches: examples.
        indexed: a bundle, and searches in it.
    """

    measured: Sequence[Measured]
    profile: Profile
    profile_s: float
    trust: Trust
    learnt: FineTuning
    styles: Styles
    reranked: Reranking
    searches: Sequence[Found]
    indexed: Indexed


def total_cost(demo: Demo) -> tuple[float, float, float]:
    """Seconds, USD and BRL of everything that was measured."""
    seconds = demo.profile_s + sum(demo.trust.seconds.values()) + demo.reranked.cost["wall_s"]
    seconds += float(demo.learnt.cost["wall_s"]) + demo.styles.seconds + demo.indexed.seconds
    seconds += sum(float(e.cost["wall_s"] or 0) for result in demo.measured for e in result.evaluations)
    usd = seconds / 3600 * USD_PER_HOUR
    return seconds, usd, usd * BRL_PER_USD


def records(demo: Demo) -> Iterator[Record]:
    """One record for each number: of the profile, of every round, of what speaks for and against them, of the cost.

    `baseline` is the number that a step set out to improve: a first measurement has none. What a record says nothing
    about is None. No two records share all of step, encoder, data, language, style, direction and metric.
    """
    found = demo.profile
    first = {"data": found.name, "language": found.language, "style": ROUNDS[0].style}
    for name, value in _numbers(found.to_dict()):
        yield _record("profile", name, value, **first, seconds=demo.profile_s)
    for result in demo.measured:
        for evaluation in result.evaluations:
            yield from _of_evaluation(evaluation, result)
    yield from _of_trust(demo.trust, first)
    for result in demo.measured[:2]:
        for suggestion in advise(result.evaluations, rules=RULES):
            for name, value in _numbers(dict(suggestion.evidence), suggestion.rule):
                yield _record("advice", name, value, **_about(result.evaluations[0], result) | {"encoder": None})
    yield from _of_learning(demo.learnt, "finetune", f"{demo.learnt.base} tuned")
    yield from _of_styles(demo.styles)
    yield from _of_reranking(demo.reranked)
    for search in demo.searches:
        about = _about(search.result.evaluations[0], search.result) | {"direction": "text_to_image"}
        yield _record("search", f"picture {search.image}: rank", search.rank, **about)
        for place, score in enumerate(search.scores, start=1):
            yield _record("search", f"picture {search.image}: score of result {place}", score, **about)
    yield from _of_indexing(demo.indexed)
    seconds, usd, brl = total_cost(demo)
    prices = {"usd_per_hour": USD_PER_HOUR, "brl_per_usd": BRL_PER_USD}
    for name, value in {"wall_s": seconds, "usd": usd, "brl": brl, **prices}.items():
        yield _record("total", name, value, seconds=seconds)


def _record(step: str, metric: str, value: float, **rest: Any) -> Record:
    fields = ("encoder", "data", "language", "style", "direction")
    numbers = ("low", "high", "chance", "baseline", "seconds")
    return {
        "step": step,
        **{name: rest.get(name) for name in fields},
        "metric": metric,
        "value": value,
        **{name: rest.get(name) for name in numbers},
    }


def _about(evaluation: Evaluation, result: Measured) -> dict[str, Any]:
    return {
        "encoder": evaluation.encoder["name"],
        "data": evaluation.dataset["name"],
        "language": result.round.language,
        "style": result.round.style,
        "seconds": evaluation.cost["wall_s"],
    }


def _of_evaluation(evaluation: Evaluation, result: Measured) -> Iterator[Record]:
    about = _about(evaluation, result)
    for direction in DIRECTIONS:
        for name, metric in _metrics(evaluation, direction).items():
            yield _record("zero-shot", name, **asdict(metric), direction=direction, **about)
        for name, value in _shown(evaluation, direction):
            yield _record("zero-shot", name, value, direction=direction, **about)
    about_data = {name: evaluation.dataset[name] for name in ("n_images", "n_texts", "n_truncated")}
    for name, value in _numbers({**evaluation.cost, **about_data}):
        yield _record("zero-shot", name, value, **about)
    if result.round == ROUNDS[0]:
        for name, value in _numbers(dict(evaluation.encoder)):
            yield _record("encoder", name, value, encoder=evaluation.encoder["name"])


def _metrics(evaluation: Evaluation, direction: Direction) -> dict[str, Metric]:
    """Those of the tables, and those that the curves and histograms of ranks show."""
    ranking = evaluation.rankings[direction]
    guess = chance(ranking)
    ks = list(range(1, min(LAST_K, ranking.gallery_size) + 1))
    recalls = zip(ks, mean_recall(ranking, ks), mean_recall(guess, ks), strict=True)
    shares = zip(rank_bins(ranking.gallery_size), rank_shares(ranking), rank_shares(guess), strict=True)
    drawn = {f"recall@{k}": Metric(value, None, None, by_chance) for k, value, by_chance in recalls}
    drawn |= {f"share of ranks {r[0]}-{r[1]}": Metric(value, None, None, by_chance) for r, value, by_chance in shares}
    return {
        **evaluation.metrics[direction],
        **{k: m for k, m in drawn.items() if k not in evaluation.metrics[direction]},
    }


def _shown(evaluation: Evaluation, direction: Direction) -> Iterator[tuple[str, float]]:
    """The histogram of similarities, and ranks and scores of the examples."""
    if evaluation.exhibits is None:
        return
    exhibits = evaluation.exhibits[direction]
    ends = zip(exhibits.bin_edges, exhibits.bin_edges[1:], exhibits.positive, exhibits.negative, strict=False)
    for low, high, positive, negative in ends:
        yield f"share of right pairs with a similarity of {low:.4f} to {high:.4f}", positive
        yield f"share of other pairs with a similarity of {low:.4f} to {high:.4f}", negative
    for kind, _ in KINDS:
        for n, example in enumerate(getattr(exhibits, kind), start=1):
            yield f"{kind} {n}: rank", example.rank
            for place, score in enumerate(example.scores, start=1):
                yield f"{kind} {n}: score of result {place}", score


def _of_learning(found: FineTuning, step: str, encoder: str) -> Iterator[Record]:
    """Every metric after, with what it was before as its baseline; the paired differences of the tables; the course."""
    seconds = float(found.cost["wall_s"])
    for proof in found.proofs:
        data = proof.after.dataset
        about = {
            "encoder": encoder, "data": f"{data['name']}:{data['split']}", "language": data["language"],
            "style": data["name"].partition("/")[2] or ROUNDS[0].style, "seconds": seconds,
        }  # fmt: skip
        for direction in DIRECTIONS:
            for name, metric in proof.after.metrics[direction].items():
                before = proof.before.metrics[direction][name].value
                yield _record(step, name, **asdict(metric), direction=direction, baseline=before, **about)
            for name in METRICS:
                change = proof.comparison.difference(direction, name, 1, 0)
                yield _record(step, f"difference of {name}", change.value, low=change.low, high=change.high,
                              direction=direction, **about)  # fmt: skip
    about = {"encoder": encoder, "seconds": seconds}
    for point in found.curve:
        for name, recall in point.recalls.items():
            yield _record(step, f"recall@1 on {name} at alpha {point.alpha:g}", recall, **about)
    for moment in found.history:
        if "recall" in moment:
            yield _record(step, f"recall@1 in training at step {moment['step']:g}", moment["recall"], **about)
    facts = {name: getattr(found, name) for name in ("n_steps", "n_train", "n_val", "n_leaked", "n_truncated")}
    for name, value in _numbers({**facts, "alpha": found.chosen.alpha, **found.cost}):
        yield _record(step, name, value, **about)


def _of_styles(styles: Styles) -> Iterator[Record]:
    """All that is known of every fine-tuning, and what a US cent has bought."""
    for found in styles.learnt:
        encoder = f"{found.base} tuned by {found.recipe.method}"
        yield from _of_learning(found, "styles", encoder)
        bought = Outcome.of(found).points_per_cent
        yield _record("styles", "points a US cent", bought, encoder=encoder, seconds=float(found.cost["wall_s"]))
    yield _record("styles", "measured before: wall_s", styles.before_s, seconds=styles.before_s)


def _of_reranking(found: Reranking) -> Iterator[Record]:
    """Every metric re-ranked, with the encoder's own as its baseline, and the paired differences of the table."""
    data = found.after.dataset
    about = {
        "encoder": f"{found.before.encoder['name']} re-ranked", "data": data["name"], "language": data["language"],
        "style": "sketch", "direction": "text_to_image", "seconds": found.cost["wall_s"],
    }  # fmt: skip
    for name, metric in found.after.metrics["text_to_image"].items():
        before = found.before.metrics["text_to_image"][name].value
        yield _record("rerank", name, **asdict(metric), baseline=before, **about)
    for name in RERANKED:
        change = found.comparison.difference("text_to_image", name, 0, 1)
        yield _record("rerank", f"difference of {name}", change.value, low=change.low, high=change.high, **about)
    for name, value in _numbers({**found.cost, "n_images": data["n_images"], "n_texts": data["n_texts"]}):
        yield _record("rerank", name, value, **about)


def _of_indexing(found: Indexed) -> Iterator[Record]:
    """What the bundle holds, its cut-offs with both mistakes, and the scores of what was found."""
    bundle = found.searcher.bundle
    about = {"encoder": bundle.record["encoder"]["name"], "data": bundle.record["dataset"]["name"]}
    about["seconds"] = found.seconds
    for side in bundle.sides:
        yield _record("index", f"{side}: n", bundle.n(side), **about)
    for cutoff in found.calibration.cutoffs:
        yield _record("index", f"{cutoff.target}: cut-off", cutoff.value, **about)
        for name, rate in (("missed", cutoff.missed), ("fooled", cutoff.fooled)):
            yield _record("index", f"{cutoff.target}: {name}", rate.value, low=rate.low, high=rate.high, **about)
    for number, hits in enumerate(found.answers, start=1):
        for hit in hits:
            yield _record("index", f"search {number}: score of result {hit.rank}", hit.score, **about)


def _of_trust(trust: Trust, first: dict[str, Any]) -> Iterator[Record]:
    for diagnosis in trust.diagnoses:
        about = {**first, "encoder": diagnosis.encoder, "seconds": trust.seconds["doctor"]}
        verdicts = [check.verdict for check in diagnosis.checks]
        for verdict in ("pass", "warn", "fail", "not known"):
            yield _record("doctor", verdict, verdicts.count(verdict), **about)
        for check in diagnosis.checks:
            for name, value in _numbers(dict(check.numbers), check.name):
                yield _record("doctor", name, value, **about)
    planted = trust.planted
    data = planted.groups.datasets[0]
    about = {"data": data.name, "language": data.language, "style": first["style"]}
    about["seconds"] = trust.seconds["leakage"]
    counts = {
        "n_images": data.n_images, "n_texts": data.n_texts, "n_groups": planted.groups.n_groups,
        "planted copies": planted.n_copies, "planted copies found": planted.n_found, "other links": planted.n_others,
        "links": planted.groups.counts,
    }  # fmt: skip
    for name, value in _numbers(counts):
        yield _record("groups", name, value, **about)
    for way, leakage in (("at random", trust.at_random), ("by groups", trust.by_groups)):
        content = {k: v for k, v in leakage.to_dict().items() if k not in ("images", "texts", "inflation")}
        for name, value in _numbers(content, way):
            yield _record("leakage", name, value, **about)
    yield from _of_comparison(trust.comparison, {**first, "seconds": trust.seconds["comparison"]})


def _of_comparison(comparison: Comparison, about: dict[str, Any]) -> Iterator[Record]:
    names = comparison.names
    for d in comparison.differences:
        where = {**about, "encoder": f"{names[d.first]} - {names[d.second]}", "direction": d.direction}
        yield _record("comparison", d.metric, d.value, low=d.low, high=d.high, **where)
        for name, value in {"p": d.p, "p_holm": d.p_holm, "n_wins": d.n_wins, "n_losses": d.n_losses}.items():
            yield _record("comparison", f"{d.metric}: {name}", value, **where)
    for part in comparison.slices:
        metric = f"recall@1, {part.name}: {part.value or '(none)'}"
        where = {**about, "direction": part.direction}
        yield _record("comparison", f"{metric}: n_queries", part.n_queries, **where)
        for name, value, difference in zip(names, part.values, part.differences, strict=True):
            yield _record("comparison", metric, value, **where, encoder=name)
            if difference is not None:
                gap, low, high = difference
                pair = f"{name} - {names[0]}"
                yield _record("comparison", metric, gap, low=low, high=high, **where, encoder=pair)
    for (one, other), contrasts in comparison.contrasts.items():
        for contrast in contrasts:
            for name, rank in ((names[one], contrast.first_rank), (names[other], contrast.second_rank)):
                where = {**about, "direction": contrast.direction, "encoder": name}
                yield _record("comparison", f"query {contrast.query}: rank", rank, **where)


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a nested record under its dotted name, those of lists by place, and every list's length."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _numbers(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        yield f"{name}.n", len(value)
        yield from ((f"{name}.{i}", part) for i, part in enumerate(value) if isinstance(part, int | float))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value
