"""The study's rules, threshold by threshold, as `known-faults` writes them down."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from luneta.advice import _MESSAGES, RULE_SETS, Suggestion, advise
from luneta.errors import ConfigError
from luneta.results import Evaluation, Metric


def result(
    recall: float,
    *,
    rows: int = 5000,
    unique: int = 5000,
    interval: tuple[float, float] | None = None,
    model_type: str = "clip",
    protocol: str = "p",
) -> Evaluation:
    low, high = interval or (recall, recall)
    metrics = {"recall@1": Metric(recall, low, high, 0.001)}
    return Evaluation(
        encoder={"name": f"{model_type}-{recall}", "details": {"model_type": model_type}},
        dataset={"name": "d", "n_rows": rows, "n_unique_texts": unique, "n_images": rows},
        protocol={"hash": protocol},
        metrics={"text_to_image": metrics, "image_to_text": metrics},
        rankings={},
        query_names={},
        cost={},
    )


def verdicts(results: Evaluation | Sequence[Evaluation]) -> dict[str, str]:
    return {s.rule: s.verdict for s in advise(results)}


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
    shaky = {s.rule: s for s in advise(result(0.16, interval=(0.14, 0.18)))}
    firm = {s.rule: s for s in advise(result(0.16, interval=(0.155, 0.165)))}
    assert not shaky["thesis/next-step"].stable
    assert "could change the verdict" in shaky["thesis/next-step"].text()
    assert shaky["thesis/level"].stable  # .14 to .18 is low throughout
    assert firm["thesis/next-step"].stable


def test_every_suggestion_cites_its_numbers_in_both_languages() -> None:
    for rule, verdict in _MESSAGES:
        evidence = {
            "encoder": "E", "recall_at_1": 0.1234, "low": 0.1, "high": 0.2, "n_images": 1234, "n_rows": 1234,
            "n_unique_texts": 77, "clip": 0.1, "siglip": 0.2, "difference": 0.1,
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
    with pytest.raises(ConfigError, match="same data"):
        advise([result(0.1), result(0.2, protocol="q")])
    assert set(RULE_SETS) == {"thesis"}
