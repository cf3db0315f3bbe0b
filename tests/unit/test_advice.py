"""The study's rules, threshold by threshold, as `known-faults` writes them down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from luneta.advice import RULE_SETS, Suggestion, advice_list, advise
from luneta.comparison import compare
from luneta.errors import ConfigError, ProtocolMismatchError
from luneta.evaluation import evaluate
from luneta.report.advice_messages import MESSAGES
from luneta.report.comparison import comparison_lead
from luneta.report.evaluation import lead
from luneta.results import Evaluation, Metric
from luneta.types import Direction
from worlds import ConceptEncoder, world


def result(
    recall: float,
    *,
    rows: int = 5000,
    unique: int = 5000,
    interval: tuple[float | None, float | None] | None = None,
    model_type: str = "clip",
    protocol: str = "p",
    chance: float | None = 0.001,
) -> Evaluation:
    low, high = interval or (recall, recall)
    metrics = {"recall@1": Metric(recall, low, high, chance)}
    return Evaluation(
        encoder={"name": f"{model_type}-{recall}", "details": {"model_type": model_type}},
        dataset={"name": "d", "n_rows": rows, "n_unique_texts": unique, "n_images": rows},
        protocol={"hash": protocol},
        metrics={"text_to_image": metrics, "image_to_text": metrics},
        rankings={},
        query_names={},
        clusters={},
        slices={},
        cost={},
    )


def verdicts(results: Evaluation | Sequence[Evaluation]) -> dict[str, str]:
    return {s.rule: s.verdict for s in advise(results, rules="thesis")}


@pytest.mark.parametrize(
    ("rows", "unique", "expected"),
    [
        (200, 1, "retrieval"),  # rows > 200 is strict
        (201, 14, "classification"),
        (201, 21, "retrieval"),  # 21 >= 15 and 21/201 > .1
        (201, 15, "classification"),  # .0746 < .1
        (1000, 100, "retrieval"),  # exactly .1 is not below
        (1000, 99, "classification"),
    ],
)
def test_diversity(rows: int, unique: int, expected: str) -> None:
    assert verdicts(result(0.5, rows=rows, unique=unique))["thesis/diversity"] == expected


@pytest.mark.parametrize(
    ("recall", "expected"),
    [
        (0.0, "very-low"),
        (0.0999, "very-low"),
        (0.10, "low"),
        (0.1999, "low"),
        (0.20, "moderate"),
        (0.3499, "moderate"),
        (0.35, "high"),
        (1.0, "high"),
    ],
)
def test_level_is_the_best_models(recall: float, expected: str) -> None:
    assert verdicts([result(0.0), result(recall)])["thesis/level"] == expected


@pytest.mark.parametrize(
    ("clip", "siglip", "expected"),
    [
        ([0.5], [0.515], "alike"),
        ([0.5], [0.52], "alike"),  # .52 - .50 is more than .02 in binary
        ([0.5], [0.53], "siglip"),
        ([0.55], [0.5], "clip"),
        ([0.4, 0.6], [0.51], "alike"),  # means, not best
    ],
)
def test_families(clip: list[float], siglip: list[float], expected: str) -> None:
    results = [result(r) for r in clip] + [result(r, model_type="siglip2") for r in siglip]
    assert verdicts(results)["thesis/families"] == expected


def test_families_are_silent_without_both() -> None:
    assert "thesis/families" not in verdicts([result(0.5), result(0.6, model_type="align")])


@pytest.mark.parametrize(
    ("recall", "rows", "expected"),
    [
        (0.1499, 299, "collect"),
        (0.1499, 300, "fine-tune"),
        (0.1499, 100_000, "fine-tune"),
        (0.1499, 100_001, "pre-train"),
        (0.15, 10, "fine-tuning-helps"),
        (0.3499, 10**6, "fine-tuning-helps"),
        (0.35, 10, "use"),
    ],
)
def test_next_step(recall: float, rows: int, expected: str) -> None:
    assert verdicts(result(recall, rows=rows, unique=rows))["thesis/next-step"] == expected


def test_a_verdict_within_the_noise_says_so() -> None:
    shaky, firm = (by_rule(result(0.16, interval=interval)) for interval in ((0.14, 0.18), (0.155, 0.165)))
    assert not shaky["thesis/next-step"].stable
    assert "could change the verdict" in shaky["thesis/next-step"].text()
    assert shaky["thesis/level"].stable  # .14 to .18 is low throughout
    assert firm["thesis/next-step"].stable


def by_rule(*results: Evaluation) -> dict[str, Suggestion]:
    return {s.rule: s for s in advise(results, rules="thesis")}


def test_without_an_interval_none_is_stated_and_nothing_is_called_firm() -> None:
    for suggestion in (found := by_rule(result(0.4, interval=(None, None), chance=None))).values():
        assert "95 %" not in suggestion.text("en") + suggestion.text("pt-BR")
    assert found["thesis/level"].doubts == found["thesis/next-step"].doubts == ("no-interval",)
    assert found["thesis/level"].text() == (
        "clip-0.4 finds the right image first for 40.0 % of the texts (among 5,000 images): high. "
        "There is no interval, so how firm the verdict is cannot be said."
    )


@pytest.mark.parametrize(
    ("clip", "siglip", "verdict", "stable"),
    [
        ((0.40, 0.25, 0.55), (0.43, 0.28, 0.58), "siglip", False),
        ((0.43, 0.42, 0.44), (0.40, 0.39, 0.41), "clip", False),
        ((0.40, 0.39, 0.41), (0.60, 0.59, 0.61), "siglip", True),
        ((0.40, 0.25, 0.55), (0.40, 0.28, 0.58), "alike", False),
        ((0.400, 0.396, 0.404), (0.405, 0.401, 0.409), "alike", True),
        ((0.40, None, None), (0.60, 0.59, 0.61), "siglip", False),
    ],
)
def test_a_difference_of_families_within_the_noise_says_so(
    clip: tuple[float, float, float], siglip: tuple[float, float, float], verdict: str, stable: bool
) -> None:
    pair = [
        result(value, interval=(low, high), model_type=family)
        for family, (value, low, high) in (("clip", clip), ("siglip", siglip))
    ]
    found = by_rule(*pair)["thesis/families"]
    assert (found.verdict, found.stable) == (verdict, stable)


def test_what_cannot_be_told_from_guessing_says_so_beside_the_study_s_verdict() -> None:
    asleep = by_rule(result(1.0, chance=1.0))  # one caption for all: whoever guesses is right
    assert asleep["thesis/next-step"].verdict == "use"
    near = by_rule(result(0.02, interval=(0.005, 0.03), chance=0.01))
    for suggestion in (asleep["thesis/level"], asleep["thesis/next-step"], near["thesis/level"]):
        assert "guessing" in suggestion.doubts
        assert not suggestion.stable
        assert "cannot be told from guessing" in suggestion.text("en")
        assert "não se distingue do acaso" in suggestion.text("pt-BR")
        assert suggestion.evidence["chance"] in (1.0, 0.01)
    assert "which gives 100.0 %" in asleep["thesis/next-step"].text()
    above = by_rule(result(0.5, interval=(0.45, 0.55), chance=0.0004))["thesis/level"]
    assert above.stable
    assert "a guess: 0.040 %" in above.text()


@pytest.mark.parametrize(
    ("recall", "interval", "chance", "verdict", "what_to_do"),
    [
        (1.0, (1.0, 1.0), 1.0, "alike", ("more different, pairs", "mais diferentes")),  # one caption for all
        (0.4, (0.1, 0.7), 0.2, "unknown", ("luneta doctor", "luneta doctor")),
        (0.02, (0.005, 0.03), 0.01, "unknown", ("fine-tune", "ajuste fino")),
    ],
)
def test_what_could_be_a_guess_has_no_level_and_is_not_to_be_used(
    recall: float, interval: tuple[float, float], chance: float, verdict: str, what_to_do: tuple[str, str]
) -> None:
    found = advise(result(recall, interval=interval, chance=chance))
    first = found[0]
    assert (first.rule, first.verdict) == ("luneta/guessing", verdict)
    assert {s.rule for s in found} == {"luneta/guessing", "thesis/diversity"}
    assert first.title("en") == "Cannot be told from guessing"
    assert first.title("pt-BR") == "Não se distingue do acaso"
    assert first.evidence["chance"] == chance
    for locale, words in zip(("en", "pt-BR"), what_to_do, strict=True):
        assert words in first.text(locale)  # type: ignore[arg-type]


def test_above_guessing_the_study_s_thresholds_are_taken() -> None:
    found = advise(result(0.4, interval=(0.38, 0.42)))
    assert found == advise(result(0.4, interval=(0.38, 0.42)), rules="thesis")
    assert [s.title() for s in found] == ["Diverse enough for retrieval", "High", "Use it"]


def named(noise: float, model_type: str, n: int) -> Evaluation:
    found = evaluate(ConceptEncoder(noise=noise, name=f"{model_type} {noise}"), world(n), cache=False)
    return replace(found, encoder={**found.encoder, "details": {"model_type": model_type}})


@pytest.mark.parametrize(
    ("clip", "siglip", "n", "verdict"), [(1.5, 1.7, 60, "unsure"), (1.0, 2.5, 90, "clip"), (2.5, 1.0, 90, "siglip")]
)
def test_families_are_judged_as_a_comparison_judges_them(clip: float, siglip: float, n: int, verdict: str) -> None:
    pair = [named(clip, "clip", n), named(siglip, "siglip2", n)]
    found = {s.rule: s for s in advise(pair)}["luneta/families"]
    compared = compare(pair).difference("text_to_image", "recall@1", 0, 1)
    assert found.verdict == verdict
    assert compared.is_significant == (verdict != "unsure")
    assert (found.evidence["p"], found.evidence["difference"]) == (compared.p_holm, abs(compared.value))
    for locale, apart in (("en", "told apart"), ("pt-BR", "se distinguem")):
        assert (apart in comparison_lead(compare(pair), locale)) == (apart in found.title(locale))
    if verdict == "unsure":  # where the study's rule, which looks at the means alone, sees a leader
        assert by_rule(*pair)["thesis/families"].verdict == "clip"
    else:
        assert "(p < 0.001)" in found.text()
        assert "(p < 0,001)" in found.text("pt-BR")


def one_way(found: Evaluation, better: Evaluation) -> Evaluation:
    """The same, with what another one finds from image to text."""
    back: Direction = "image_to_text"
    return replace(
        found, metrics={**found.metrics, back: better.metrics[back]},
        rankings={**found.rankings, back: better.rankings[back]},
    )  # fmt: skip


@pytest.mark.parametrize(("other", "sure"), [(1.0, False), (0.3, False), (2.5, True)])
def test_no_family_is_said_to_be_ahead_where_the_report_says_that_none_is(other: float, sure: bool) -> None:
    """Ahead from text to image, and from image to text as good, worse, or better too."""
    clip, siglip = named(1.0, "clip", 90), named(2.5, "siglip", 90)
    pair = [clip, one_way(siglip, named(other, "siglip", 90))]
    (found,) = [s for s in advise(pair) if s.rule == "luneta/families"]
    assert found.verdict == ("clip" if sure else "clip-one-way")
    for locale, none in (("en", "none is clearly ahead"), ("pt-BR", "nenhum está claramente à frente")):
        assert (none in lead(pair, locale)) == (not sure)  # type: ignore[arg-type]
        words = {"en": "from text to image alone", "pt-BR": "só está à frente aqui de texto para imagem"}[locale]
        assert (words in found.title(locale)) == (not sure)  # type: ignore[arg-type]
    assert found.evidence["p_back"] == compare(pair).difference("image_to_text", "recall@1", 0, 1).p_holm


def test_families_of_several_are_compared_by_their_means() -> None:
    several = [named(1.0, "clip", 60), named(2.5, "clip", 60), named(1.2, "siglip", 60)]
    (found,) = [s for s in advise(several) if s.rule == "luneta/families"]
    recalls = [e.metrics["text_to_image"]["recall@1"].value for e in several]
    assert found.evidence["difference"] == pytest.approx(abs((recalls[0] + recalls[1]) / 2 - recalls[2]))
    assert "luneta/families" not in {s.rule for s in advise(several[:2])}


def test_a_mean_that_is_a_threshold_up_to_rounding_is_at_it() -> None:
    assert 1 - 0.9 < 0.1  # in binary
    assert by_rule(result(1 - 0.9))["thesis/level"].verdict == "low"
    assert by_rule(result(0.35 - 1e-12))["thesis/next-step"].verdict == "use"


def test_the_terminal_says_it_in_the_same_language() -> None:
    from rich.console import Console

    console = Console(width=400)
    with console.capture() as captured:
        console.print(advice_list(advise(result(0.4)), "pt-BR"))
    shown = captured.get()
    assert shown.startswith("O que fazer agora")
    assert "40,0 % dos textos" in shown


def test_every_suggestion_cites_its_numbers_in_both_languages() -> None:
    for rule, verdict in MESSAGES:
        evidence = {
            "encoder": "E", "recall_at_1": 0.1234, "low": 0.1, "high": 0.2, "chance": 0.01, "n_images": 1234,
            "n_rows": 1234, "n_unique_texts": 77, "clip": 0.1, "siglip": 0.2, "difference": 0.1,
            "p": 0.0123, "p_back": 0.2,
        }  # fmt: skip
        suggestion = Suggestion(rule, verdict, evidence)
        assert re.search(r"\d", suggestion.text("en"))
        assert re.search(r"\d", suggestion.text("pt-BR"))
        assert suggestion.title("en") != suggestion.title("pt-BR")


def test_portuguese_writes_numbers_the_portuguese_way() -> None:
    text = {s.rule: s for s in advise(result(0.1234, rows=12_345))}["thesis/next-step"].text("pt-BR")
    assert "0,123" in text
    assert "12.345" in text


def test_what_cannot_be_advised_on() -> None:
    with pytest.raises(ConfigError, match="thesis"):
        advise(result(0.1), rules="tesis")
    with pytest.raises(ConfigError, match="at least one"):
        advise([])
    with pytest.raises(ProtocolMismatchError, match="same data"):
        advise([result(0.1), result(0.2, protocol="q")])
    assert set(RULE_SETS) == {"luneta", "thesis"}


def test_a_sample_is_not_taken_for_labels_because_its_source_is_large() -> None:
    """50 different texts of 50 sampled rows, in a source of 711 rows that could all be learnt from."""
    from luneta.embedding import embed
    from luneta.evaluation import evaluate_embeddings

    data = world(60)
    kept = data.without_images(range(20, 60))
    evaluation = evaluate_embeddings(embed(ConceptEncoder(), kept))
    assert (evaluation.dataset["n_rows"], evaluation.dataset["n_rows_used"]) == (60, 20)
    sampled = replace(
        evaluation, dataset={**evaluation.dataset, "n_rows": 711, "n_unique_texts": 50, "n_rows_used": 50}
    )
    found = by_rule(sampled)
    assert found["thesis/diversity"].verdict == "retrieval"
    assert found["thesis/diversity"].evidence["n_rows"] == 50
    labels = replace(sampled, dataset={**sampled.dataset, "n_rows_used": 700})
    assert by_rule(labels)["thesis/diversity"].verdict == "classification"


def test_said_has_the_verdict_in_the_same_language() -> None:
    suggestion = by_rule(result(0.05))["thesis/next-step"]
    assert suggestion.said("pt-BR").startswith(suggestion.title("pt-BR"))
    assert suggestion.text("pt-BR") in suggestion.said("pt-BR")
    assert str(suggestion) == suggestion.said("en")
