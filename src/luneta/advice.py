"""advise(evaluations): what to do next, every suggestion with the numbers it stands on.

The rule set "thesis" reproduces the thresholds of the study Luneta grew out of, word for word in the code that
applies them. They are simple: they look at one recall@1, not at its noise. So each suggestion also says whether
it would stay the same anywhere inside the 95 % interval of the number it used.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from luneta.errors import ConfigError, did_you_mean
from luneta.report.messages import LOCALES, Locale
from luneta.results import Evaluation, Metric

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One piece of advice.

    Attributes:
        rule: name of the rule, as "thesis/next-step".
        verdict: what the rule concluded, as "fine-tune".
        evidence: the numbers used, by name.
        stable: False when the verdict changes somewhere inside the 95 % interval of the number it stands on.
    """

    rule: str
    verdict: str
    evidence: Mapping[str, Any]
    stable: bool = True

    def title(self, locale: Locale = "en") -> str:
        return _MESSAGES[self.rule, self.verdict][locale][0]

    def text(self, locale: Locale = "en") -> str:
        """The advice in a person's words, its numbers filled in."""
        template = _MESSAGES[self.rule, self.verdict][locale][1]
        text = _NUMBERS[locale].vformat(template, (), self.evidence)
        return text if self.stable else f"{text} {_UNSTABLE[locale]}"

    def __str__(self) -> str:
        return f"{self.title()}: {self.text()}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "verdict": self.verdict,
            "stable": self.stable,
            "evidence": dict(self.evidence),
            "title": self.title(),
            "text": self.text(),
        }


def advise(evaluations: Evaluation | Sequence[Evaluation], *, rules: str = "thesis") -> list[Suggestion]:
    """What to do next, judging by evaluations of one or more encoders on the same data.

    Args:
        evaluations: results on one data set, under one protocol.
        rules: the rule set; "thesis" is the only one so far.

    Raises:
        ConfigError: unknown rule set, no evaluation, or evaluations of different data or protocol.
    """
    if rules not in RULE_SETS:
        raise ConfigError(f"unknown rule set {rules!r}. {did_you_mean(rules, RULE_SETS)}")
    results = [evaluations] if isinstance(evaluations, Evaluation) else list(evaluations)
    if not results:
        raise ConfigError("advise needs at least one evaluation")
    if len({result.protocol["hash"] for result in results}) > 1:
        raise ConfigError("advise needs evaluations of the same data under the same protocol; these differ")
    suggestions = (rule(results) for rule in RULE_SETS[rules])
    return [suggestion for suggestion in suggestions if suggestion is not None]


def advice_list(suggestions: Sequence[Suggestion]) -> RenderableType:
    """Suggestions, one paragraph each."""
    from rich.console import Group
    from rich.text import Text

    lines = [Text.assemble((f"{s.title()}. ", "bold"), s.text()) for s in suggestions]
    return Group(Text("What to do next", style="bold underline"), *lines)


def _recall_at_1(result: Evaluation) -> Metric:
    return result.metrics["text_to_image"]["recall@1"]


def _best(results: Sequence[Evaluation]) -> Evaluation:
    return max(results, key=lambda result: _recall_at_1(result).value)


def _stable(metric: Metric, verdict: Callable[[float], str]) -> bool:
    ends = [metric.value if end is None else end for end in (metric.low, metric.high)]
    return len({verdict(end) for end in (metric.value, *ends)}) == 1


def _recall_evidence(result: Evaluation) -> dict[str, Any]:
    metric = _recall_at_1(result)
    return {
        "encoder": result.encoder["name"],
        "recall_at_1": metric.value,
        "low": metric.low if metric.low is not None else metric.value,
        "high": metric.high if metric.high is not None else metric.value,
        "n_images": result.dataset["n_images"],
    }


def _diversity(results: Sequence[Evaluation]) -> Suggestion:
    rows, unique = results[0].dataset["n_rows"], results[0].dataset["n_unique_texts"]
    labels = rows > 200 and (unique < 15 or unique / rows < 0.1)
    verdict = "classification" if labels else "retrieval"
    return Suggestion("thesis/diversity", verdict, {"n_rows": rows, "n_unique_texts": unique})


def level_of(recall_at_1: float) -> str:
    """The study's name for a recall@1: below .10 very low, below .20 low, below .35 moderate, else high.

    >>> [level_of(value) for value in (0.05, 0.10, 0.2, 0.35)]
    ['very-low', 'low', 'moderate', 'high']
    """
    if recall_at_1 < 0.10:
        return "very-low"
    if recall_at_1 < 0.20:
        return "low"
    return "moderate" if recall_at_1 < 0.35 else "high"


def _level(results: Sequence[Evaluation]) -> Suggestion:
    best = _best(results)
    metric = _recall_at_1(best)
    verdict, stable = level_of(metric.value), _stable(metric, level_of)
    return Suggestion("thesis/level", verdict, _recall_evidence(best), stable)


def _families(results: Sequence[Evaluation]) -> Suggestion | None:
    recalls: dict[str, list[float]] = {"clip": [], "siglip": []}
    for result in results:
        family = _family(result)
        if family:
            recalls[family].append(_recall_at_1(result).value)
    if not all(recalls.values()):
        return None
    clip, siglip = (sum(values) / len(values) for values in recalls.values())
    verdict = "alike" if abs(clip - siglip) <= 0.02 else "clip" if clip > siglip else "siglip"
    return Suggestion("thesis/families", verdict, {"clip": clip, "siglip": siglip, "difference": abs(clip - siglip)})


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
    if recall_at_1 >= 0.35:
        return "use"
    if recall_at_1 >= 0.15:
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
    return Suggestion("thesis/next-step", verdict(metric.value), evidence, _stable(metric, verdict))


Rule = Callable[[Sequence[Evaluation]], Suggestion | None]

RULE_SETS: Mapping[str, tuple[Rule, ...]] = {"thesis": (_diversity, _level, _families, _next_step)}


class _Numbers(string.Formatter):
    """Numbers as the pages write them: a space before %, and in Portuguese decimal commas and thousands points."""

    def __init__(self, locale: Locale) -> None:
        self.locale = locale

    def format_field(self, value: Any, format_spec: str) -> str:
        text: str = super().format_field(value, format_spec)
        if not isinstance(value, int | float):
            return text
        text = text.replace("%", " %")
        return text.translate(str.maketrans(".,", ",.")) if self.locale == "pt-BR" else text


_NUMBERS: Mapping[Locale, string.Formatter] = {locale: _Numbers(locale) for locale in LOCALES}

_UNSTABLE: Mapping[Locale, str] = {
    "en": "The interval crosses a threshold of this rule: more queries could change the verdict.",
    "pt-BR": "O intervalo cruza um limiar desta regra: com mais consultas o veredito poderia mudar.",
}

_SCORE_EN = "{encoder} finds the right image first for {recall_at_1:.1%} of the texts (95 % interval {low:.1%} to {high:.1%}, among {n_images:,} images)"  # noqa: E501
_SCORE_PT = "{encoder} encontra a imagem certa em primeiro lugar para {recall_at_1:.1%} dos textos (intervalo de 95 %: {low:.1%} a {high:.1%}, entre {n_images:,} imagens)"  # noqa: E501


def _both(en: tuple[str, str], pt: tuple[str, str]) -> Mapping[Locale, tuple[str, str]]:
    return cast(Mapping[Locale, tuple[str, str]], {"en": en, "pt-BR": pt})


_MESSAGES: Mapping[tuple[str, str], Mapping[Locale, tuple[str, str]]] = {
    ("thesis/diversity", "classification"): _both(
        (
            "This looks like classification",
            "Only {n_unique_texts:,} different texts in {n_rows:,} rows: they act as class labels. "
            "Train a classifier as well, and compare.",
        ),
        (
            "Isto parece classificação",
            "São apenas {n_unique_texts:,} textos diferentes em {n_rows:,} linhas: funcionam como rótulos de classe. "
            "Treine também um classificador e compare.",
        ),
    ),
    ("thesis/diversity", "retrieval"): _both(
        (
            "Diverse enough for retrieval",
            "{n_unique_texts:,} different texts in {n_rows:,} rows: the texts describe, they do not merely label.",
        ),
        (
            "Diversidade suficiente para busca",
            "São {n_unique_texts:,} textos diferentes em {n_rows:,} linhas: os textos descrevem, não apenas rotulam.",
        ),
    ),
    ("thesis/level", "very-low"): _both(
        ("Very low", _SCORE_EN + ": very low."), ("Muito baixo", _SCORE_PT + ": muito baixo.")
    ),
    ("thesis/level", "low"): _both(("Low", _SCORE_EN + ": low."), ("Baixo", _SCORE_PT + ": baixo.")),
    ("thesis/level", "moderate"): _both(
        ("Moderate", _SCORE_EN + ": moderate."), ("Moderado", _SCORE_PT + ": moderado.")
    ),
    ("thesis/level", "high"): _both(("High", _SCORE_EN + ": high."), ("Alto", _SCORE_PT + ": alto.")),
    ("thesis/families", "alike"): _both(
        (
            "CLIP and SigLIP are alike here",
            "Mean recall@1 {clip:.3f} (CLIP) and {siglip:.3f} (SigLIP): apart by {difference:.3f}, within .02.",
        ),
        (
            "CLIP e SigLIP se equivalem aqui",
            "Recall@1 médio de {clip:.3f} (CLIP) e {siglip:.3f} (SigLIP): a diferença, {difference:.3f}, "
            "não passa de 0,02.",
        ),
    ),
    ("thesis/families", "clip"): _both(
        (
            "CLIP is ahead here",
            "Mean recall@1 {clip:.3f} (CLIP) against {siglip:.3f} (SigLIP): {difference:.3f} ahead.",
        ),
        (
            "CLIP está à frente aqui",
            "Recall@1 médio de {clip:.3f} (CLIP) contra {siglip:.3f} (SigLIP): {difference:.3f} à frente.",
        ),
    ),
    ("thesis/families", "siglip"): _both(
        (
            "SigLIP is ahead here",
            "Mean recall@1 {siglip:.3f} (SigLIP) against {clip:.3f} (CLIP): {difference:.3f} ahead.",
        ),
        (
            "SigLIP está à frente aqui",
            "Recall@1 médio de {siglip:.3f} (SigLIP) contra {clip:.3f} (CLIP): {difference:.3f} à frente.",
        ),
    ),
    ("thesis/next-step", "collect"): _both(
        (
            "Collect data first",
            "Recall@1 of {recall_at_1:.3f} is below .15, and {n_rows:,} rows are too few to fine-tune on: "
            "reach 300 first.",
        ),
        (
            "Primeiro, reúna dados",
            "O recall@1 de {recall_at_1:.3f} está abaixo de 0,15, e {n_rows:,} linhas são poucas para ajuste fino: "
            "chegue primeiro a 300.",
        ),
    ),
    ("thesis/next-step", "fine-tune"): _both(
        (
            "Fine-tune now",
            "Recall@1 of {recall_at_1:.3f} is below .15, and {n_rows:,} rows are enough to fine-tune on.",
        ),
        (
            "Faça o ajuste fino agora",
            "O recall@1 de {recall_at_1:.3f} está abaixo de 0,15, e {n_rows:,} linhas bastam para o ajuste fino.",
        ),
    ),
    ("thesis/next-step", "pre-train"): _both(
        (
            "Continue the pre-training",
            "Recall@1 of {recall_at_1:.3f} is below .15 with {n_rows:,} rows: additional pre-training, with careful "
            "sampling and a curriculum.",
        ),
        (
            "Continue o pré-treinamento",
            "O recall@1 de {recall_at_1:.3f} está abaixo de 0,15 com {n_rows:,} linhas: pré-treinamento adicional, com "
            "amostragem cuidadosa e currículo.",
        ),
    ),
    ("thesis/next-step", "fine-tuning-helps"): _both(
        ("Fine-tuning should clearly help", "Recall@1 of {recall_at_1:.3f} lies between .15 and .35."),
        ("O ajuste fino deve ajudar claramente", "O recall@1 de {recall_at_1:.3f} está entre 0,15 e 0,35."),
    ),
    ("thesis/next-step", "use"): _both(
        ("Use it", "Recall@1 of {recall_at_1:.3f} is at least .35: usable as it is; fine-tuning refines."),
        ("Pode usar", "O recall@1 de {recall_at_1:.3f} é de pelo menos 0,35: já é utilizável; o ajuste fino refina."),
    ),
}
