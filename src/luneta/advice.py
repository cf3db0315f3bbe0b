"""advise(evaluations): what to do next, every suggestion with the numbers it stands on.

The rule set "thesis" reproduces the thresholds of the study Luneta grew out of, word for word in the code that
applies them. They are simple: they look at one recall@1, not at its noise, nor at what guessing would give. So each
suggestion also says what speaks against relying on its verdict.

The rule set "luneta" takes these thresholds where they mean something. A result that cannot be told from guessing has
no level, and whether one family is ahead of the other is for the paired test to say.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from luneta.comparison import difference_of_means
from luneta.errors import ConfigError, ProtocolMismatchError, did_you_mean
from luneta.report.advice_messages import ASIDES, DOUBTS, MESSAGES
from luneta.report.messages import LOCALES, Locale, translator
from luneta.report.numbers import format_percent
from luneta.results import ROUNDING, Evaluation, Metric
from luneta.types import DIRECTIONS
from luneta.wording import p_value

if TYPE_CHECKING:
    from rich.console import RenderableType


Doubt = Literal["threshold", "no-interval", "guessing"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One piece of advice.

    Attributes:
        rule: name of the rule, as "thesis/next-step"; "luneta" takes the rules of "thesis" where they mean something.
        verdict: what the rule concluded, as "fine-tune".
        evidence: the numbers used, by name.
        doubts: why more data could overturn the verdict: "threshold" (it changes somewhere inside the 95 % intervals
            of the numbers it stands on), "no-interval" (they have none), "guessing" (they cannot be told from what a
            constant encoder would get).
    """

    rule: str
    verdict: str
    evidence: Mapping[str, Any]
    doubts: tuple[Doubt, ...] = ()

    @property
    def stable(self) -> bool:
        """Nothing speaks against the verdict."""
        return not self.doubts

    def title(self, locale: Locale = "en") -> str:
        return MESSAGES[self.rule, self.verdict][locale][0]

    def text(self, locale: Locale = "en") -> str:
        """The advice in a person's words, its numbers filled in."""
        parts = [MESSAGES[self.rule, self.verdict][locale][1], *(DOUBTS[doubt][locale] for doubt in self.doubts)]
        aside = [phrase[locale] for name, phrase in ASIDES.items() if self.evidence.get(name) is not None]
        template = " ".join(parts).replace("{aside}", "; ".join(aside))
        return _NUMBERS[locale].vformat(template, (), self.evidence)

    def said(self, locale: Locale = "en") -> str:
        """Title and text."""
        return f"{self.title(locale)}: {self.text(locale)}"

    def __str__(self) -> str:
        return self.said()

    def to_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "verdict": self.verdict,
            "stable": self.stable,
            "doubts": list(self.doubts),
            "evidence": dict(self.evidence),
            "title": self.title(),
            "text": self.text(),
        }


def advise(evaluations: Evaluation | Sequence[Evaluation], *, rules: str = "luneta") -> list[Suggestion]:
    """What to do next, judging by evaluations of one or more encoders on the same data.

    Args:
        evaluations: results on one data set, under one protocol.
        rules: "luneta", or "thesis" for the study's rules, threshold by threshold.

    Raises:
        ConfigError: unknown rule set, or no evaluation.
        ProtocolMismatchError: evaluations of different data or protocol.
    """
    if rules not in RULE_SETS:
        raise ConfigError(f"unknown rule set {rules!r}. {did_you_mean(rules, RULE_SETS)}")
    results = [evaluations] if isinstance(evaluations, Evaluation) else list(evaluations)
    if not results:
        raise ConfigError("advise needs at least one evaluation")
    if len({result.protocol["hash"] for result in results}) > 1:
        raise ProtocolMismatchError("advise needs evaluations of the same data under the same protocol; these differ")
    suggestions = (rule(results) for rule in RULE_SETS[rules])
    return [suggestion for suggestion in suggestions if suggestion is not None]


def advice_list(suggestions: Sequence[Suggestion], locale: Locale = "en") -> RenderableType:
    """Suggestions for the terminal, one paragraph each."""
    from rich.console import Group
    from rich.text import Text

    lines = [Text.assemble((f"{s.title(locale)}. ", "bold"), s.text(locale)) for s in suggestions]
    return Group(Text(translator(locale)("advice"), style="bold underline"), *lines)


def _recall_at_1(result: Evaluation) -> Metric:
    return result.metrics["text_to_image"]["recall@1"]


def _best(results: Sequence[Evaluation]) -> Evaluation:
    return max(results, key=lambda result: _recall_at_1(result).value)


def _doubts(metric: Metric, verdict: Callable[[float], str]) -> tuple[Doubt, ...]:
    found: list[Doubt] = []
    if metric.low is None or metric.high is None:
        found.append("no-interval")
    elif len({verdict(value) for value in (metric.low, metric.value, metric.high)}) > 1:
        found.append("threshold")
    if metric.is_like_guessing:
        found.append("guessing")
    return tuple(found)


def _recall_evidence(result: Evaluation) -> dict[str, Any]:
    metric = _recall_at_1(result)
    return {
        "encoder": result.encoder["name"],
        "recall_at_1": metric.value,
        "low": metric.low,
        "high": metric.high,
        "chance": metric.chance,
        "n_images": result.dataset["n_images"],
    }


def _below(value: float, threshold: float) -> bool:
    return value < threshold - ROUNDING


def _diversity(results: Sequence[Evaluation]) -> Suggestion:
    data = results[0].dataset
    unique = data["n_unique_texts"]
    rows = data.get("n_rows_used", data["n_rows"])  # of a sample, the rows that its texts are from
    labels = rows > 200 and (unique < 15 or unique / rows < 0.1)
    verdict = "classification" if labels else "retrieval"
    return Suggestion("thesis/diversity", verdict, {"n_rows": rows, "n_unique_texts": unique})


def level_of(recall_at_1: float) -> str:
    """The study's name for a recall@1: below .10 very low, below .20 low, below .35 moderate, else high.

    >>> [level_of(value) for value in (0.05, 0.10, 0.2, 0.35)]
    ['very-low', 'low', 'moderate', 'high']
    """
    if _below(recall_at_1, 0.10):
        return "very-low"
    if _below(recall_at_1, 0.20):
        return "low"
    return "moderate" if _below(recall_at_1, 0.35) else "high"


def _level(results: Sequence[Evaluation]) -> Suggestion:
    best = _best(results)
    metric = _recall_at_1(best)
    return Suggestion("thesis/level", level_of(metric.value), _recall_evidence(best), _doubts(metric, level_of))


def _families(results: Sequence[Evaluation]) -> Suggestion | None:
    families = _by_family(results)
    if families is None:
        return None
    clip, siglip = (_mean([_recall_at_1(result) for result in own]) for own in families)
    evidence = {"clip": clip.value, "siglip": siglip.value, "difference": abs(clip.value - siglip.value)}
    return Suggestion("thesis/families", _ahead(clip.value - siglip.value), evidence, _doubts_of_ahead(clip, siglip))


def _ahead(lead_of_clip: float) -> str:
    """Families differ only when they are more than .02 apart.

    >>> [_ahead(lead) for lead in (0.50 - 0.52, 0.5 - 0.521, 0.03)]
    ['alike', 'siglip', 'clip']
    """
    if abs(lead_of_clip) <= 0.02 + ROUNDING:
        return "alike"
    return "clip" if lead_of_clip > 0 else "siglip"


def _doubts_of_ahead(clip: Metric, siglip: Metric) -> tuple[Doubt, ...]:
    """As if both means could err in opposite directions by all of their intervals: a cautious bound."""
    if clip.low is None or clip.high is None or siglip.low is None or siglip.high is None:
        return ("no-interval",)
    leads = (clip.low - siglip.high, clip.value - siglip.value, clip.high - siglip.low)
    return ("threshold",) if len({_ahead(lead) for lead in leads}) > 1 else ()


def _mean(metrics: Sequence[Metric]) -> Metric:
    """The mean of several encoders, between the means of the ends of their intervals."""

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else None

    value = sum(metric.value for metric in metrics) / len(metrics)
    return Metric(value, mean([m.low for m in metrics]), mean([m.high for m in metrics]), None)


def _by_family(results: Sequence[Evaluation]) -> tuple[list[Evaluation], list[Evaluation]] | None:
    """Those of CLIP and those of SigLIP; None where either has none."""
    clip = [result for result in results if _family(result) == "clip"]
    siglip = [result for result in results if _family(result) == "siglip"]
    return (clip, siglip) if clip and siglip else None


def _family(result: Evaluation) -> str | None:
    model_type = str(result.encoder.get("details", {}).get("model_type", ""))
    return "siglip" if model_type.startswith("siglip") else "clip" if model_type == "clip" else None


def next_step(recall_at_1: float, n_rows: int) -> str:
    """The study's next step for a recall@1 and a number of rows.

    >>> [next_step(0.1, rows) for rows in (299, 300, 100_000, 100_001)]
    ['collect', 'fine-tune', 'fine-tune', 'pre-train']
    >>> [next_step(recall, 50) for recall in (0.15, 0.35)]
    ['fine-tuning-helps', 'use']
    """
    if not _below(recall_at_1, 0.35):
        return "use"
    if not _below(recall_at_1, 0.15):
        return "fine-tuning-helps"
    if n_rows < 300:
        return "collect"
    return "fine-tune" if n_rows <= 100_000 else "pre-train"


def _next_step(results: Sequence[Evaluation]) -> Suggestion:
    best = _best(results)
    metric, rows = _recall_at_1(best), best.dataset["n_rows"]

    def verdict(recall: float) -> str:
        return next_step(recall, rows)

    evidence = {**_recall_evidence(best), "n_rows": rows}
    return Suggestion("thesis/next-step", verdict(metric.value), evidence, _doubts(metric, verdict))


Rule = Callable[[Sequence[Evaluation]], Suggestion | None]


def _guessing(results: Sequence[Evaluation]) -> Suggestion | None:
    """What to do where even the best result could be a guess's."""
    best = _best(results)
    metric = _recall_at_1(best)
    if not metric.is_like_guessing:
        return None
    chance_is_high = metric.chance is not None and level_of(metric.chance) == "high"
    return Suggestion("luneta/guessing", "alike" if chance_is_high else "unknown", _recall_evidence(best))


def _above_guessing(rule: Rule) -> Rule:
    """The rule, silent where the best result could be a guess's."""
    return lambda results: None if _recall_at_1(_best(results)).is_like_guessing else rule(results)


def _paired_families(results: Sequence[Evaluation]) -> Suggestion | None:
    """Which family is ahead, as `compare` judges it: query by query, and in both directions."""
    families = _by_family(results)
    if families is None:
        return None
    found, back = (difference_of_means(*families, direction=direction) for direction in DIRECTIONS)
    clip, siglip = (_mean([_recall_at_1(result) for result in own]).value for own in families)
    verdict = "unsure" if not found.is_significant else "clip" if found.value > 0 else "siglip"
    if found.is_significant and not (back.is_significant and back.value * found.value > 0):
        verdict = f"{verdict}-one-way"
    evidence = {
        "clip": clip, "siglip": siglip, "difference": abs(found.value), "p": found.p_holm, "p_back": back.p_holm,
    }  # fmt: skip
    return Suggestion("luneta/families", verdict, evidence)


RULE_SETS: Mapping[str, tuple[Rule, ...]] = {
    "luneta": (_guessing, _diversity, _above_guessing(_level), _paired_families, _above_guessing(_next_step)),
    "thesis": (_diversity, _level, _families, _next_step),
}


class _Numbers(string.Formatter):
    """Numbers as the pages write them: `:share` as a percentage, `:p` as "= 0.021" or "< 0.001".

    In Portuguese with decimal commas and thousands points.
    """

    def __init__(self, locale: Locale) -> None:
        self.locale = locale

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "share":
            return format_percent(value, 1, self.locale)
        if format_spec == "p":
            return p_value(value, self.locale, sentence=True)
        text: str = super().format_field(value, format_spec)
        if not isinstance(value, int | float):
            return text
        return text.translate(str.maketrans(".,", ",.")) if self.locale == "pt-BR" else text


_NUMBERS: Mapping[Locale, string.Formatter] = {locale: _Numbers(locale) for locale in LOCALES}
