"""luneta demo: the whole job on built-in data, with pictures.

Two small encoders that learned English captions of flat drawings meet Cenas: as they learned it, in Portuguese, and
in other drawing styles. What comes out is the story of the real world in miniature, measured anew at every run.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from luneta.advice import advice_list, advise
from luneta.artifacts import write_json
from luneta.data.sources import open_dataset
from luneta.embedding import Embeddings, embed
from luneta.encoders.registry import load_encoder
from luneta.evaluation import evaluate_embeddings
from luneta.metrics import chance
from luneta.profiling import Profile, profile
from luneta.ranking import top_k
from luneta.report.document import Report, Section
from luneta.report.evaluation import EvaluationSection
from luneta.report.figures import LAST_K, mean_recall, rank_bins, rank_shares
from luneta.report.messages import Locale, translator
from luneta.report.numbers import format_number
from luneta.report.profile import ProfileSection
from luneta.report.sections import Advice, Cost, Encoders, Group, Note, Overview, Retrieved, Search, Searches, Step
from luneta.results import Evaluation, Metric
from luneta.terminal import evaluation_table
from luneta.types import DIRECTIONS, Direction

if TYPE_CHECKING:
    from rich.console import Console

ENCODERS = ("luneta-mini", "luneta-mini-siglip")
N_SEARCHES = 4
N_RETRIEVED = 5

USD_PER_HOUR = 0.50
BRL_PER_USD = 5.40


@dataclass(frozen=True, slots=True)
class Round:
    """One data set of the demo; `name` is the key of its label in the report's messages."""

    name: str
    language: str
    style: str

    @property
    def source(self) -> str:
        return "cenas:test" if self.style == "flat" else f"cenas/{self.style}:test"


ROUNDS = (
    Round("demo_round_en_flat", "en", "flat"),
    Round("demo_round_pt_flat", "pt-BR", "flat"),
    Round("demo_round_en_sketch", "en", "sketch"),
    Round("demo_round_en_night", "en", "night"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A round's results, one per encoder, and the vectors of the first encoder, which does the searching."""

    round: Round
    evaluations: Sequence[Evaluation]
    embeddings: Embeddings


def run_demo(out: str | os.PathLike[str], *, console: Console, locale: Locale = "en", limit: int | None = None) -> Path:
    """Profile, measure, advise, search, and write it all down.

    Args:
        out: folder for report.html, summary.json and results/*.json.
        console: where the tables go as they are made.
        locale: language of the report, the tables and the advice.
        limit: pictures per data set, for a quick look; None takes all 2000.

    Returns:
        Path of the report.

    Raises:
        ArtifactError: `out` cannot be written.
    """
    out, t = Path(out), translator(locale)
    start = time.perf_counter()
    found = profile(open_dataset(ROUNDS[0].source, language=ROUNDS[0].language, limit=limit))
    profile_s = time.perf_counter() - start
    console.print(found)

    measured = []
    for result in _measure(limit):
        console.print(f"\n[bold]{t(result.round.name)}[/bold]")
        console.print(evaluation_table(result.evaluations, locale))
        for evaluation in result.evaluations:
            evaluation.save(
                out / "results" / f"{result.round.language}-{result.round.style}-{evaluation.encoder['name']}.json"
            )
        measured.append(result)
    for result in measured[:2]:
        console.print(f"\n[bold]{t(result.round.name)}[/bold]")
        console.print(advice_list(advise(result.evaluations), locale))

    write_json(out / "summary.json", list(summary(measured, found, profile_s)))
    report = Report(t("demo_title"), _sections(measured, found, profile_s, locale), t("demo_lead"), locale)
    return report.write(out / "report.html")


def _measure(limit: int | None) -> Iterator[Measured]:
    """Every round with every encoder; pictures that two rounds share are embedded once."""
    encoders = [load_encoder(name) for name in ENCODERS]
    with tempfile.TemporaryDirectory(prefix="luneta-demo-") as stores:
        for one in ROUNDS:
            dataset = open_dataset(one.source, language=one.language, limit=limit)
            embeddings = [embed(e, dataset, store=Path(stores) / e.spec.name) for e in encoders]
            evaluations = [_priced(evaluate_embeddings(vectors)) for vectors in embeddings]
            yield Measured(one, evaluations, embeddings[0])


def _priced(evaluation: Evaluation) -> Evaluation:
    usd = float(evaluation.cost["wall_s"] or 0) / 3600 * USD_PER_HOUR
    return replace(evaluation, cost={**evaluation.cost, "usd": usd, "brl": usd * BRL_PER_USD})


def summary(measured: Sequence[Measured], found: Profile, profile_s: float) -> Iterator[dict[str, Any]]:
    """The report's numbers as flat records: the profile, metrics, curves and costs of every round, and the total.

    `baseline` is the number that a step set out to improve: a first measurement has none. What a record says nothing
    about is None.
    """
    first = {"data": found.name, "language": found.language, "style": ROUNDS[0].style, "seconds": profile_s}
    for name, value in _counts(found.to_dict()):
        yield _record("profile", name, value, **first)
    for result in measured:
        for evaluation in result.evaluations:
            about = {
                "encoder": evaluation.encoder["name"],
                "data": evaluation.dataset["name"],
                "language": result.round.language,
                "style": result.round.style,
                "seconds": evaluation.cost["wall_s"],
            }
            for direction in DIRECTIONS:
                for name, metric in _metrics(evaluation, direction).items():
                    yield _record("zero-shot", name, **asdict(metric), direction=direction, **about)
            for name, cost in evaluation.cost.items():
                if cost is not None:
                    yield _record("zero-shot", name, cost, **about)
    seconds, usd, brl = _total_cost(measured, profile_s)
    for name, value in (("wall_s", seconds), ("usd", usd), ("brl", brl)):
        yield _record("total", name, value, seconds=seconds)


def _record(step: str, metric: str, value: float, **rest: Any) -> dict[str, Any]:
    fields = ("encoder", "data", "language", "style", "direction")
    numbers = ("low", "high", "chance", "baseline", "seconds")
    return {
        "step": step,
        **{name: rest.get(name) for name in fields},
        "metric": metric,
        "value": value,
        **{name: rest.get(name) for name in numbers},
    }


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


def _counts(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a nested record under its dotted name, and the length of every list."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _counts(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        yield f"{name}.n", len(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


def _total_cost(measured: Sequence[Measured], profile_s: float) -> tuple[float, float, float]:
    """Seconds, USD and BRL of everything that was measured."""
    seconds = profile_s + sum(float(e.cost["wall_s"] or 0) for result in measured for e in result.evaluations)
    usd = seconds / 3600 * USD_PER_HOUR
    return seconds, usd, usd * BRL_PER_USD


def _sections(measured: Sequence[Measured], found: Profile, profile_s: float, locale: Locale) -> list[Section]:
    t = translator(locale)
    groups = [Group(t(result.round.name), result.evaluations) for result in measured]
    seconds, usd, brl = _total_cost(measured, profile_s)
    advice = [Advice(advise(group.evaluations), title=t("demo_advice", label=group.label)) for group in groups[:2]]
    price = t(
        "demo_price_text",
        seconds=format_number(seconds, 0, locale),
        usd_per_hour=format_number(USD_PER_HOUR, 2, locale),
        brl_per_usd=format_number(BRL_PER_USD, 2, locale),
        usd=format_number(usd, 3, locale),
        brl=format_number(brl, 3, locale),
    )
    return [
        Overview(groups),
        *advice,
        _searches(measured[0], measured[1], locale),
        ProfileSection(found),
        *(
            EvaluationSection(group.evaluations, group.label, n_examples=4, folded=index > 0)
            for index, group in enumerate(groups)
        ),
        Cost(groups, steps=[Step(t("demo_profile_step"), profile_s)]),
        Note(t("demo_price"), paragraphs=[price]),
        Encoders(measured[0].evaluations),
    ]


def _searches(english: Measured, portuguese: Measured, locale: Locale) -> Searches:
    """The same pictures asked for in both languages."""
    t = translator(locale)
    data = english.embeddings.dataset
    chosen = np.random.default_rng(0).choice(data.n_images, size=min(N_SEARCHES, data.n_images), replace=False)
    searches = [_search(result, int(image), locale) for image in chosen for result in (english, portuguese)]
    note = t("demo_searches_note", encoder=english.embeddings.encoder.name, n=format_number(data.n_images, 0, locale))
    return Searches(searches, title=t("demo_searches"), note=note)


def _search(result: Measured, image: int, locale: Locale) -> Search:
    """Search by the first caption of a picture."""
    data, vectors = result.embeddings.dataset, result.embeddings
    text = int(data.texts_of(image)[0])
    ranking = result.evaluations[0].rankings["text_to_image"]
    mine = slice(ranking.offsets[text], ranking.offsets[text + 1])
    relevant = set(ranking.positives[mine].tolist())
    scores, items = top_k(vectors.texts[text : text + 1], vectors.images, min(N_RETRIEVED, data.n_images))
    return Search(
        query=data.texts[text],
        language=result.round.language,
        note=translator(locale)("demo_rank", rank=format_number(int(ranking.n_better[mine].min()) + 1, 0, locale)),
        retrieved=[
            Retrieved(data.images[item], float(score), item in relevant, data.texts[int(data.texts_of(item)[0])])
            for item, score in zip(items[0].tolist(), scores[0], strict=True)
        ],
    )
