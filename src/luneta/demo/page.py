"""The demo's report: everything that was measured, and links to the pages beside it."""

from __future__ import annotations

import shlex

from luneta.advice import advise
from luneta.demo.indexing import Indexed
from luneta.demo.records import Demo, total_cost
from luneta.demo.rounds import BRL_PER_USD, RULES, USD_PER_HOUR
from luneta.demo.searching import Found
from luneta.demo.styles import Styles
from luneta.demo.trust import Trust
from luneta.demo.verdict import choices, leader, outcomes, outcomes_grid, verdict
from luneta.finetuning import FineTuning
from luneta.report import reranking
from luneta.report.comparison import comparison_lead
from luneta.report.costs import frontier_drawing
from luneta.report.doctor import doctor_lead
from luneta.report.document import Page, Report, Section
from luneta.report.evaluation import EvaluationSection
from luneta.report.facts import FactsSection, Figure
from luneta.report.finetuning import before_and_after, finetuning_lead, page_in
from luneta.report.messages import Locale, translator
from luneta.report.numbers import format_number
from luneta.report.profile import ProfileSection
from luneta.report.reranking import alone_and_reranked
from luneta.report.search import HitsSection
from luneta.report.sections import (
    Advice,
    Cost,
    Encoders,
    Group,
    Links,
    Note,
    Overview,
    Retrieved,
    Search,
    Searches,
    Step,
)
from luneta.rerank import Reranking
from luneta.search.tables import cutoffs_grid

N_EXAMPLES = 4
"""Hits, near misses and failures of each kind, of every encoder, round and direction."""

Line = tuple[str, str, str]
"""A title, the page it leads to, and what is found there in a sentence or two."""


def report_of(demo: Demo, locale: Locale) -> Report:
    """The page."""
    t = translator(locale)
    groups = [Group(t(result.round.name), result.evaluations) for result in demo.measured]
    advice = [
        Advice(advise(group.evaluations, rules=RULES), title=t("demo_advice", label=group.label))
        for group in groups[:2]
    ]
    steps = [Step(t("demo_profile_step"), demo.profile_s)]
    steps += [Step(t(f"demo_{name}"), seconds) for name, seconds in demo.trust.seconds.items()]
    steps.append(Step(t("demo_learning"), float(demo.learnt.cost["wall_s"])))
    steps.append(Step(t("demo_styles_before"), demo.styles.before_s))
    steps += [
        Step(t("demo_styles_step", method=found.recipe.method), float(found.cost["wall_s"]))
        for found in demo.styles.learnt
    ]
    steps.append(Step(t("demo_reranking"), demo.reranked.cost["wall_s"]))
    steps.append(Step(t("demo_index"), demo.indexed.seconds))
    sections: list[Section] = [
        Overview(groups),
        Links(trust_lines(demo.trust, locale), title=t("demo_trust"), note=t("demo_trust_note")),
        *advice,
        *_learnt(demo.learnt, locale),
        *_indexed(demo.indexed, locale),
        *_sketches(demo.styles, locale),
        *_reranked(demo.reranked, locale),
        _searches(demo, locale),
        ProfileSection(demo.profile),
        *(
            EvaluationSection(group.evaluations, group.label, n_examples=N_EXAMPLES, folded=index > 0)
            for index, group in enumerate(groups)
        ),
        Cost(groups, steps=steps),
        Note(t("demo_price"), paragraphs=[_price(demo, locale)]),
        Encoders(demo.measured[0].evaluations),
    ]
    return Report(t("demo_title"), sections, t("demo_lead"), locale)


def _learnt(found: FineTuning, locale: Locale) -> list[Section]:
    """What fine-tuning changed, at a glance, and where the rest of it is."""
    t, page = translator(locale), page_in(locale)
    link = (t("demo_learning_page"), "finetuning.html", finetuning_lead(found, locale))
    return [
        Overview(before_and_after(found, page), title=t("demo_learning")),
        Links([link], title=t("demo_learning_more"), note=t("demo_learning_note")),
    ]


def _sketches(styles: Styles, locale: Locale) -> list[Section]:
    """What each method has made of the encoder, for what, and where the rest of it is."""
    page = Page(locale, translator(locale))
    t, found = page.t, outcomes(styles)
    links = [
        (
            t("demo_styles_page", method=one.recipe.method, trains=t(f"demo_styles_{one.recipe.method}")),
            page_of(one), finetuning_lead(one, locale),
        )
        for one in styles.learnt
    ]  # fmt: skip
    frontier = Figure(frontier_drawing(choices(found, page), page))
    table, said = outcomes_grid(found, page), verdict(found, leader(styles), page)
    return [
        FactsSection(t("demo_styles"), figures=[frontier], grids=[table], paragraphs=[said]),
        Links(links, title=t("demo_styles_more"), note=t("demo_styles_links")),
    ]


def page_of(found: FineTuning) -> str:
    """Name of the page of one of the ways to learn sketches."""
    return f"sketches-{found.recipe.method}.html"


def _reranked(found: Reranking, locale: Locale) -> list[Section]:
    """What a second look at the first candidates changed."""
    t = translator(locale)
    both = Group(t("demo_round_en_sketch"), alone_and_reranked(found, reranking.page_in(locale)))
    numbers = FactsSection(
        t("demo_reranking_numbers"), grids=[found.grid(locale)], paragraphs=[t("demo_reranking_note")]
    )
    return [Overview([both], title=t("demo_reranking")), numbers]


def _indexed(found: Indexed, locale: Locale) -> list[Section]:
    """What one can search in now, what was found there, and when nothing was."""
    t, bundle = translator(locale), found.searcher.bundle
    n = format_number(bundle.n("image"), 0, locale)
    place = shlex.quote(str(bundle.folder))
    commands = [f'luneta search {place} "{found.answers[0].query}"', f"luneta serve {place}"]
    numbers = FactsSection(t("demo_index_numbers"), grids=[cutoffs_grid(found.calibration, locale)])
    answers = [HitsSection(found.searcher, hits, {}) for hits in found.answers]
    return [Note(t("demo_index"), [t("demo_index_text", n=n)], commands), numbers, *answers]


def trust_lines(trust: Trust, locale: Locale) -> list[Line]:
    """What speaks for the numbers and against them, a line for each page."""
    t, planted = translator(locale), trust.planted

    def number(n: int) -> str:
        return format_number(n, 0, locale)

    leakage = t(
        "demo_leakage_text",
        n=number(planted.groups.datasets[0].n_images), copies=number(planted.n_copies), found=number(planted.n_found),
        others=number(planted.n_others), n_test=number(trust.at_random.test.n_images),
        leaked=number(len(trust.at_random.images)), n_test_grouped=number(trust.by_groups.test.n_images),
        clean=number(len(trust.by_groups.images)),
    )  # fmt: skip
    return [
        (t("demo_doctor"), "doctor.html", " ".join(doctor_lead(found, locale) for found in trust.diagnoses)),
        (t("demo_leakage"), "leakage.html", leakage),
        (t("demo_comparison"), "comparison.html", comparison_lead(trust.comparison, locale)),
    ]


def _price(demo: Demo, locale: Locale) -> str:
    seconds, usd, brl = total_cost(demo)
    return translator(locale)(
        "demo_price_text",
        seconds=format_number(seconds, 0, locale),
        usd_per_hour=format_number(USD_PER_HOUR, 2, locale),
        brl_per_usd=format_number(BRL_PER_USD, 2, locale),
        usd=format_number(usd, 3, locale),
        brl=format_number(brl, 3, locale),
    )


def _searches(demo: Demo, locale: Locale) -> Searches:
    t, vectors = translator(locale), demo.measured[0].embeddings
    n = format_number(vectors.dataset.n_images, 0, locale)
    note = t("demo_searches_note", encoder=vectors.encoder.name, n=n)
    return Searches([_search(found, locale) for found in demo.searches], title=t("demo_searches"), note=note)


def _search(found: Found, locale: Locale) -> Search:
    data = found.result.embeddings.dataset
    return Search(
        query=data.texts[found.text],
        language=found.result.round.language,
        note=translator(locale)("demo_rank", rank=format_number(found.rank, 0, locale)),
        retrieved=[
            Retrieved(data.images[item], score, item in found.relevant, data.texts[int(data.texts_of(item)[0])])
            for item, score in zip(found.items, found.scores, strict=True)
        ],
    )
