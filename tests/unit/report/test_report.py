"""The evaluation report: the numbers are those of the result, the right things are marked, nothing leaks or runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from luneta.advice import advise
from luneta.comparison import compare
from luneta.data.dataset import ImageTextDataset
from luneta.errors import ArtifactError, ConfigError, ProtocolMismatchError
from luneta.evaluation import evaluate
from luneta.report.document import Page, Report
from luneta.report.evaluation import EvaluationSection, best_of, lead, write_report
from luneta.report.examples import galleries
from luneta.report.messages import Locale, check_locale, translator
from luneta.report.sections import (
    Cost,
    Encoders,
    Group,
    Note,
    Overview,
    Retrieved,
    Search,
    Searches,
    Skipped,
    Step,
    data_label,
    encoder_names,
)
from luneta.results import Evaluation, Metric, load_evaluation
from luneta.types import DIRECTIONS, SkippedRow
from pages import Element, read
from worlds import ConceptEncoder, world

EVIL = "<script>alert(1)</script>\"'<img src=x onerror=alert(2)>{{ 7*7 }} $\\frac{1}{0}$ &amp; </style></title>"


def measured(noise: float = 2.0, name: str = "concepts", data: ImageTextDataset | None = None) -> Evaluation:
    data = world(40, captions_per_image=3) if data is None else data
    return evaluate(ConceptEncoder(noise=noise, name=name), data, cache=False)


@pytest.fixture(scope="module")
def weak() -> Evaluation:
    return measured(4.0, "weak")


@pytest.fixture(scope="module")
def strong() -> Evaluation:
    return measured(1.0, "strong")


COMMAND = "luneta evaluate 'my photos' --encoder weak"
ROWS = tuple(SkippedRow(row, f"images/{row}.jpg", f"odd {row}" if row else "no caption") for row in range(60))


@pytest.fixture(scope="module")
def priced(weak: Evaluation) -> Evaluation:
    """The weak one with everything that a result can carry."""
    cost = {**weak.cost, "wall_s": 200.4, "usd": 0.0279, "energy_kwh": 0.01234}
    encoder = {**weak.encoder, "details": {"weights": "abc", "image": {"size": [64, 64]}}, "n_parameters": 5_800_000}
    return replace(weak, cost=cost, encoder=encoder, skipped=ROWS)


@pytest.fixture(scope="module")
def weak_html(weak: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_report(tmp_path_factory.mktemp("weak") / "report.html", [weak]).read_bytes()


@pytest.fixture(scope="module")
def weak_page(weak_html: bytes) -> Element:
    return read(weak_html.decode())


@pytest.fixture(scope="module", params=["en", "pt-BR"])
def pair_page(
    priced: Evaluation, strong: Evaluation, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Element:
    """Two encoders with advice, rows left out and a command line."""
    two = [priced, replace(strong, skipped=ROWS)]
    path = tmp_path_factory.mktemp("pair") / "report.html"
    write_report(path, two, advice=advise(two), command=COMMAND, locale=request.param)
    return read(path.read_text(encoding="utf-8"))


def locale_of(page: Element) -> Locale:
    return check_locale(page.all("html")[0].attributes["lang"])


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Element]:
    def write(*evaluations: Evaluation, **options: object) -> Element:
        path = write_report(tmp_path / "report.html", evaluations, **options)  # type: ignore[arg-type]
        return read(path.read_text(encoding="utf-8"))

    return write


def body(page: Element) -> str:
    return page.all("body")[0].text


def expected_cell(name: str, metric: Metric, page: Page) -> str:
    """A cell written from the definition, not with the report's own code."""
    digits, factor, unit = (1, 100, " %") if name.startswith("recall@") else (1 if name == "median_rank" else 3, 1, "")

    def number(value: float, sized_by: float) -> str:
        small = unit and 0 < sized_by < 0.01
        places = int(f"{100 * sized_by:e}".split("e-")[1]) + 1 if small else digits
        text = f"{factor * value:,.{places}f}"
        return text.translate(str.maketrans(",.", ".,")) if page.locale == "pt-BR" else text

    text = number(metric.value, metric.value) + unit
    if metric.low is not None and metric.high is not None:
        separator = "; " if page.locale == "pt-BR" else ", "
        text += f" [{number(metric.low, metric.high)}{separator}{number(metric.high, metric.high)}]"
    return text


def test_every_number_of_the_result_stands_in_the_tables(
    weak: Evaluation, strong: Evaluation, pair_page: Element
) -> None:
    page = Page(locale_of(pair_page), translator(locale_of(pair_page)))
    tables = pair_page.all("table", klass="metrics")
    assert len(tables) == 2
    for direction, table in zip(DIRECTIONS, tables, strict=True):
        rows = table.all("tbody")[0].all("tr")
        assert [row.all("th")[0].text.replace("_ ", "_") for row in rows] == list(weak.metrics[direction])
        for row, name in zip(rows, weak.metrics[direction], strict=True):
            cells = [cell.text.replace("▲ ", "") for cell in row.all("td")]
            for cell, evaluation in zip(cells, (weak, strong), strict=False):
                assert cell == expected_cell(name, evaluation.metrics[direction][name], page), (direction, name)
            chance = weak.metrics[direction][name].chance
            assert cells[2] == ("–" if chance is None else expected_cell(name, Metric(chance, None, None, None), page))


def test_the_overview_and_the_lead_say_the_same_numbers(weak: Evaluation, weak_page: Element) -> None:
    said = weak_page.all("p", klass="lead")[0].text
    assert said == lead([weak], "en")
    strips = weak_page.all("table", klass="strips")
    for direction, table in zip(DIRECTIONS, strips, strict=True):
        metric = weak.metrics[direction]["recall@1"]
        assert metric.low is not None
        assert metric.high is not None
        assert metric.chance is not None
        assert f"first {100 * metric.value:.1f} % of the time" in said
        assert f"(a guess: {100 * metric.chance:.1f} %)" in said
        cells = table.all("tbody")[0].all("tr")[1].all("td")
        assert cells[1].text == f"{100 * metric.value:.1f} % [{100 * metric.low:.1f}, {100 * metric.high:.1f}]"
        marks = {mark.attributes["class"]: mark.attributes["style"] for mark in cells[0].all("i")}
        assert marks["dot"] == f"left: {100 * metric.value:.2f}%"
        assert marks["chance"] == f"left: {100 * metric.chance:.2f}%"
        assert marks["range"] == f"left: {100 * metric.low:.2f}%; width: {100 * (metric.high - metric.low):.2f}%"


def test_without_an_interval_none_is_spoken_of(weak: Evaluation, written: Callable[..., Element]) -> None:
    metrics = {
        d: {name: replace(metric, low=None, high=None) for name, metric in weak.metrics[d].items()} for d in DIRECTIONS
    }
    spoken = [strip.attributes["aria-label"] for strip in written(weak).all("span", klass="strip")]
    assert all(", 95 % interval [" in label for label in spoken)
    for locale in ("en", "pt-BR"):
        page = written(replace(weak, metrics=metrics), locale=locale)
        labels = [strip.attributes["aria-label"] for strip in page.all("span", klass="strip")]
        assert len(labels) == 2
        assert not any("interval" in label or ", ," in label or "  " in label for label in labels)


def test_pictures_say_their_caption_once_and_in_its_language(weak: Evaluation, written: Callable[..., Element]) -> None:
    assert weak.data is not None
    page = written(replace(weak, data=replace(weak.data, language="ja")))
    pictures = page.all("img")
    assert pictures
    for picture in pictures:
        assert picture.attributes["lang"] == "ja"
        assert "title" not in picture.attributes


def test_a_few_examples_are_seen_and_the_rest_waits(weak: Evaluation) -> None:
    for folded in (False, True):
        report = Report("t", [EvaluationSection([weak], folded=folded)]).to_html()
        section = read(report).all("section")[0]
        outer = [child for child in section.children if isinstance(child, Element) and child.tag == "details"]
        assert [bool(one.all("article")) for one in outer] == [False, True]  # what metrics mean; examples
        assert ("open" in outer[-1].attributes) != folded
        assert len(section.all("figure", klass="plot")) == 5
        grids = section.all("div", klass="example-grid")
        waiting = [grid for one in section.all("details", klass="quiet") for grid in one.all("div")]
        seen = [grid for grid in grids if not any(grid is other for other in waiting)]
        assert waiting
        assert {len(grid.all("article")) for grid in seen} <= {1, 2}
        assert f"{len(section.all('details', klass='quiet')[0].all('article'))} more" in section.text


def test_the_better_one_is_marked_only_where_intervals_part(
    weak: Evaluation, strong: Evaluation, pair_page: Element
) -> None:
    row = pair_page.all("table", klass="metrics")[0].all("tbody")[0].all("tr")[0]
    assert [bool(cell.all("span", klass="tick")) for cell in row.all("td")] == [False, True, False]
    assert lead([weak, strong], "en").startswith("strong is ahead of the other encoders in both directions.")
    assert lead([weak, weak], "en").startswith("Of 2 encoders none is clearly ahead")


def test_who_leads_is_what_a_comparison_says() -> None:
    """Query by query one is ahead for sure, though the intervals of their means overlap."""
    data = world(80, captions_per_image=3)
    pair = [measured(1.5, "one", data), measured(1.8, "other", data)]
    for direction in DIRECTIONS:
        assert best_of("recall@1", [e.metrics[direction]["recall@1"] for e in pair]) is None
        assert compare(pair).difference(direction, "recall@1", 0, 1).is_significant
    assert lead(pair, "en").startswith("one is ahead of the other encoders in both directions.")
    assert lead([*pair, pair[0]], "en").startswith("Of 3 encoders none is clearly ahead")


def test_lower_ranks_are_better_and_similarities_are_no_contest() -> None:
    low, high = Metric(2, 1, 3, None), Metric(9, 8, 10, None)
    assert best_of("median_rank", [high, low]) == 1
    assert best_of("recall@1", [high, low]) == 0
    assert best_of("mean_positive_similarity", [high, low]) is None
    assert best_of("recall@1", [high]) is None
    assert best_of("recall@1", [Metric(0.5, None, None, None), Metric(0.1, None, None, None)]) is None
    assert best_of("recall@1", [Metric(0.5, 0.4, 0.6, None), Metric(0.3, 0.2, 0.4, None)]) is None  # they touch


def test_a_constant_encoder_is_said_to_guess(weak: Evaluation) -> None:
    evaluation = evaluate(ConceptEncoder(constant=True, name="asleep"), world(40, captions_per_image=3), cache=False)
    assert lead([evaluation], "en").endswith("Neither can be told from guessing.")
    assert "guessing" not in lead([measured(0.5)], "en")
    failures = galleries(evaluation, Page("en", translator("en")))[0]["kinds"][2]["examples"]
    assert {example["rank"] for example in failures} == {"rank 20.5 of 40"}


def test_protocols_that_differ_stand_apart(weak: Evaluation, written: Callable[..., Element]) -> None:
    other = measured(1.0, "strong", world(30, captions_per_image=3))
    page = written(weak, other)
    assert "2 sets of results under different protocols" in page.all("p", klass="lead")[0].text
    assert len(page.all("table", klass="metrics")) == 4
    assert all(len(table.all("thead")[0].all("th")) == 3 for table in page.all("table", klass="metrics"))
    for evaluation in (weak, other):
        assert evaluation.protocol["hash"] in body(page)
    with pytest.raises(ProtocolMismatchError, match="different protocols"):
        EvaluationSection([weak, other])


def test_the_protocol_is_written_out(weak: Evaluation, written: Callable[..., Element]) -> None:
    protocol = {**weak.protocol, "sample": {"limit": 1234, "seed": 7}, "ties": "a rule of tomorrow"}
    tables = written(replace(weak, protocol=protocol)).all("table", klass="facts")
    facts = {row.all("th")[0].text: row.all("td")[0].text for table in tables for row in table.all("tr")}
    assert facts["Hash"] == weak.protocol["hash"]
    assert facts["Duplicates"].startswith("merged: equal captions")
    assert facts["Sample"] == "random sample of 1,234 images, seed 7"
    assert facts["Equal scores"] == "a rule of tomorrow"
    assert facts["Images"] == "40"
    assert facts["Texts cut at what the encoder reads"] == "not known"


def test_texts_that_lost_their_end_are_said(weak: Evaluation, written: Callable[..., Element]) -> None:
    two = [replace(weak, dataset={**weak.dataset, "n_truncated": n}) for n in (1234, 0)]
    cells = {row.all("th")[0].text: row.all("td")[0].text for row in written(*two, locale="pt-BR").all("tr")
             if len(row.all("td")) == 1}  # fmt: skip
    names = encoder_names(two)
    assert cells["Textos cortados no limite do codificador"] == f"1.234 ({names[0]}), 0 ({names[1]})"


def test_galleries_show_the_query_what_was_found_and_what_is_right(weak: Evaluation, weak_page: Element) -> None:
    data, page = weak.data, weak_page
    assert data is not None
    assert weak.exhibits is not None
    articles = page.all("article", klass="example")
    examples = [
        (direction, example)
        for direction in DIRECTIONS
        for kind in ("hits", "near_misses", "failures")
        for example in getattr(weak.exhibits[direction], kind)
    ]
    assert len(articles) == len(examples) > 20
    for article, (direction, example) in zip(articles, examples, strict=True):
        found = article.all("ol")[0].all("li")
        assert ["right" in li.attributes.get("class", "") for li in found] == [
            item in example.relevant for item in example.retrieved
        ]
        assert [li.all("span", klass="score")[0].text.removeprefix("✓ ") for li in found] == [
            f"{score:.3f}" for score in example.scores
        ]
        if direction == "text_to_image":
            assert article.all("p", klass="query")[0].text == data.texts[example.query]
            assert [li.all("img")[0].attributes["alt"] for li in found] == [
                data.texts[3 * image] for image in example.retrieved
            ]
        else:
            assert article.all("img")[0].attributes["alt"] == data.texts[3 * example.query]
            assert [li.all("span")[-1].text for li in found] == [data.texts[text] for text in example.retrieved]
        if not set(example.relevant) & set(example.retrieved):
            assert "Right answer" in article.text
        rank = f"{example.rank:g}"
        assert f"rank {rank} of {40 if direction == 'text_to_image' else 120}" in article.text


def test_many_right_answers_are_counted_not_listed() -> None:
    data = world(60, equal_captions=[list(range(c, c + 10)) for c in range(0, 60, 10)])  # six class labels
    page = Page("en", translator("en"))
    shown = galleries(evaluate(ConceptEncoder(noise=30.0), data, cache=False), page)
    for direction, expected in zip(shown, [(3, 7), (1, 0)], strict=True):  # 10 pictures; 10 texts, all the same
        examples = [e for kind in direction["kinds"] for e in kind["examples"]]
        missed = [e for e in examples if not any(found["right"] for found in e["retrieved"])]
        assert missed
        assert {(len(e["answers"]), e["n_more"]) for e in missed} == {expected}
        assert all(not e["answers"] for e in examples if e not in missed)


def test_one_language_of_texts_is_declared_and_every_text_finds_its_direction(
    weak: Evaluation, written: Callable[..., Element]
) -> None:
    assert weak.data is not None
    arabic = replace(weak.data, texts=[f"قارب أحمر على الشاطئ {i}" for i in range(120)], language="ar")
    evaluation = replace(weak, data=arabic, dataset={**weak.dataset, "language": "ar"})
    page = written(evaluation)
    queries = page.all("p", klass="query")
    assert queries
    assert all(query.attributes["dir"] == "auto" and query.attributes["lang"] == "ar" for query in queries)


def test_a_result_read_from_a_file_has_numbers_and_says_what_it_lacks(
    weak: Evaluation, written: Callable[..., Element], tmp_path: Path
) -> None:
    weak.save(tmp_path / "result.json")
    page = written(load_evaluation(tmp_path / "result.json"))
    assert not page.all("article")
    assert "evaluate again to see examples" in body(page)
    assert len(page.all("table", klass="metrics")) == 2
    assert len(page.all("figure", klass="plot")) == 4


def test_rows_left_out_are_listed_once_with_their_reasons(pair_page: Element, weak_page: Element) -> None:
    assert body(pair_page).count("odd 7 ") == 1
    assert "odd 49" in body(pair_page)
    assert "odd 50" not in body(pair_page)
    if locale_of(pair_page) == "en":
        assert "60 rows were left out" in body(pair_page)
        assert "and 10 more" in body(pair_page)
    assert ("no caption" if locale_of(pair_page) == "en" else "sem legenda") in body(pair_page)
    assert "Rows left out" not in body(weak_page)


def test_a_picture_that_went_away_is_said_to_be_gone(weak: Evaluation, written: Callable[..., Element]) -> None:
    assert weak.data is not None
    gone = replace(weak, data=world(40, captions_per_image=3, broken=range(40)))
    page = written(gone)
    assert not page.all("img")
    assert "picture not readable any more: picture-" in body(page)


def test_advice_cost_encoder_and_command(priced: Evaluation, strong: Evaluation, pair_page: Element) -> None:
    said, locale = body(pair_page), locale_of(pair_page)
    assert COMMAND in [code.text for code in pair_page.all("code")]
    for suggestion in advise([priced, strong]):
        assert suggestion.title(locale) in said
        assert suggestion.text(locale) in said
    numbers = ("0.0279", "0.0123 kWh", "5,800,000") if locale == "en" else ("0,0279", "0,0123 kWh", "5.800.000")
    for piece in ("3 min 20 s", "image.size", "64, 64", priced.encoder["fingerprint"], *numbers):
        assert piece in said, piece


def test_encoders_of_one_name_are_told_apart(weak: Evaluation, strong: Evaluation) -> None:
    twin = replace(strong, encoder={**strong.encoder, "name": "weak"})
    assert encoder_names([weak, strong]) == ["weak", "strong"]
    assert encoder_names([weak, twin]) == [f"weak ({e.encoder['fingerprint'][:8]})" for e in (weak, twin)]
    same = [replace(e, encoder={**e.encoder, "name": "mine", "fingerprint": ""}) for e in (weak, strong)]
    assert encoder_names([*same, strong]) == ["mine (1)", "mine (2)", "strong"]


def test_every_encoder_is_listed_once(weak: Evaluation, strong: Evaluation) -> None:
    def named(evaluation: Evaluation, name: str) -> Evaluation:
        return replace(evaluation, encoder={**evaluation.encoder, "name": name, "fingerprint": ""})

    def listed(*evaluations: Evaluation) -> list[str]:
        view = Encoders(evaluations).view(Page("en", translator("en")))
        return [encoder["name"] for encoder in view["encoders"]]

    assert listed(named(weak, "one"), named(strong, "two")) == ["one", "two"]
    assert listed(named(weak, "same"), named(strong, "same")) == ["same (1)", "same (2)"]
    elsewhere = replace(weak, protocol={**weak.protocol, "hash": "another"})
    assert listed(weak, strong, elsewhere) == ["weak", "strong"]
    assert listed(named(weak, "mine"), named(elsewhere, "mine")) == ["mine"]


@pytest.mark.parametrize(
    ("name", "label"),
    [("../data/stamps", "stamps · en"), ("/a/b.csv", "b.csv · en"), ("owner/name", "owner/name · en"), (".", ". · en")],
)
def test_a_path_is_called_by_its_end(weak: Evaluation, name: str, label: str) -> None:
    assert data_label(replace(weak, dataset={**weak.dataset, "name": name, "language": "en"})) == label


def hostile() -> Evaluation:
    evaluation = measured(4.0, EVIL)
    assert evaluation.data is not None
    texts = [f"{EVIL} {i}" for i in range(120)]
    return replace(
        evaluation,
        data=replace(evaluation.data, texts=texts, name=EVIL, language="en"),
        dataset={**evaluation.dataset, "name": EVIL, "split": EVIL, "revision": EVIL, "language": EVIL},
        encoder={**evaluation.encoder, "details": {EVIL: EVIL}, "revision": EVIL},
        protocol={**evaluation.protocol, "captions": EVIL},
        skipped=(SkippedRow(1, EVIL, EVIL),),
    )


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    evaluation = hostile()
    extra = [
        Note(EVIL, paragraphs=[EVIL], commands=[EVIL]),
        Searches([Search(EVIL, [Retrieved(world(1).images[0], 0.5, True, EVIL)], EVIL, EVIL)], EVIL, EVIL),
    ]
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    write_report(path, [evaluation], advice=advise(evaluation), extra=extra, command=EVIL)
    return path.read_text(encoding="utf-8")


def test_nothing_from_outside_becomes_markup(hostile_page: str) -> None:
    page = read(hostile_page)
    assert not page.all("script")
    assert len(page.all("style")) == 1
    for element in page.everything():
        assert not [name for name in element.attributes if name.startswith("on")], element
    assert EVIL.replace("  ", " ") in page.all("p", klass="query")[0].text


def test_nothing_is_loaded_from_anywhere(hostile_page: str) -> None:
    page = read(hostile_page)
    assert not page.all("link")
    for element in page.everything():
        for name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            if name in element.attributes:
                assert element.attributes[name].startswith(("data:image/jpeg;base64,", "#")), element.attributes
    style = page.all("style")[0].text
    assert "@import" not in style
    assert "url(" not in style


def test_the_page_is_well_built(pair_page: Element) -> None:
    page, locale = pair_page, locale_of(pair_page)
    assert page.all("html")[0].attributes["lang"] == locale
    levels = [int(e.tag[1]) for e in page.everything() if e.tag in {"h1", "h2", "h3", "h4", "h5", "h6"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert all(image.attributes["alt"] for image in page.all("img"))
    assert all(th.attributes.get("scope") for th in page.all("th"))
    assert len(page.all("main")) == len(page.all("nav")) == 1
    drawings = page.all("svg", role="img")
    assert len(drawings) == 6
    assert all(drawing.attributes["aria-label"] for drawing in drawings)
    ids = [e.attributes["id"] for e in page.everything() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for link in page.all("nav")[0].all("a"):
        assert link.attributes["href"][1:] in ids
    for section in page.all("section"):
        assert section.attributes["aria-labelledby"] in ids


def test_the_same_results_give_the_same_bytes(weak: Evaluation, weak_html: bytes, tmp_path: Path) -> None:
    assert write_report(tmp_path / "again.html", [weak]).read_bytes() == weak_html
    assert b"NaN" not in weak_html
    assert b"Infinity" not in weak_html


def test_a_page_that_cannot_be_written_leaves_nothing(weak: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(ArtifactError, match="folder of that name"):
        write_report(tmp_path / "report.html", [weak])
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_mistakes_are_said_before_any_work(weak: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one evaluation"):
        write_report(tmp_path / "report.html", [])
    with pytest.raises(ConfigError, match=r"en, pt-BR|pt-BR"):
        write_report(tmp_path / "report.html", [weak], locale="fr")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data", [world(1), world(2), world(3, equal_captions=[[0, 1, 2]])], ids=["one pair", "two pairs", "equal captions"]
)
def test_tiny_data(data: ImageTextDataset, written: Callable[..., Element]) -> None:
    page = written(evaluate(ConceptEncoder(), data, cache=False))
    assert len(page.all("table", klass="metrics")) == 2


def test_a_composition_of_groups_searches_and_steps(weak: Evaluation, strong: Evaluation) -> None:
    assert weak.data is not None
    groups = [Group("as trained", [weak, strong]), Group("other data", [measured(4.0, "weak", world(10))])]
    hit = Retrieved(weak.data.images[3], 0.123456, True, "thing 3")
    miss = Retrieved(weak.data.images[4], 0.1, False)
    report = Report(
        "Title",
        [
            Overview(groups, "Glance"),
            Searches([Search("um barco", [hit, miss], "pt-BR", "first of two")], note="drawn at random"),
            EvaluationSection(groups[0].evaluations, "as trained", n_examples=1),
            Skipped([SkippedRow(3, "x", "y")]),
            Cost(groups, steps=[Step("Profile", 99.94)]),
            Encoders(groups[0].evaluations),
        ],
        lead="Lead",
    )
    page = read(report.to_html())
    for table in page.all("table", klass="strips"):
        assert [row.all("th")[0].text for row in table.all("tr", klass="group")] == ["as trained", "other data"]
        assert len(table.all("span", klass="strip")) == 3
    search = page.all("article")[0]
    assert [li.text for li in search.all("li")] == ["✓ 0.123", "0.100"]
    assert search.all("p", klass="query")[0].attributes == {"class": "query", "dir": "auto", "lang": "pt-BR"}
    kinds = list(page.all("details", klass="examples")[0].all("div", klass="example-grid"))
    assert all(len(grid.all("article")) == 1 for grid in kinds)
    total = sum(float(e.cost["wall_s"] or 0) for group in groups for e in group.evaluations) + 99.94
    minutes, seconds = divmod(round(total), 60)
    assert f"{minutes} min {seconds} s" in page.all("tfoot")[-1].text
    assert "as trained · strong" in page.all("table", klass="cost")[0].text


def test_pictures_are_decoded_once(weak: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weak.data is not None
    opened: list[int] = []
    picture = type(weak.data.images[0])
    original = picture.open
    monkeypatch.setattr(picture, "open", lambda self: (opened.append(self.concept), original(self))[1])
    page = Page("en", translator("en"))
    galleries(weak, page)
    galleries(weak, page)
    assert len(opened) == len(set(opened)) > 10
