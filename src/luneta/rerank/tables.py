"""What the training of a re-ranker came to, as tables for the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from luneta.grids import Grid
from luneta.rerank.application import Hit
from luneta.rerank.choosing import Choice, Trial
from luneta.rerank.early_exit import LOSING, LOSS, EarlyExit
from luneta.rerank.fusion import Fusion
from luneta.rerank.honesty import Answer
from luneta.rerank.messages import REPRODUCTION, RERANK
from luneta.stats import Interval
from luneta.wording import patterns_of, translator_of, written

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.rerank.outcome import Outcome
    from luneta.rerank.reproduction import Reproduction


def choice_grid(choice: Choice, used: Fusion, locale: str = "en") -> Grid:
    """Every weight and depth that was tried, and which of them is used."""
    t, gain = translator_of(locale, RERANK), choice.gain
    held_out = signed(gain.value, locale) + (f" ({_limits(gain, locale)})" if gain.low is not None else "")
    return Grid(
        title=t("rerank_choice"),
        header=(t("rerank_alpha"), "k", choice.metric, t("rerank_gain"), t("rerank_interval")),
        rows=tuple(_row(trial, _is(trial.fusion, used), locale) for trial in choice.trials),
        notes=(t("rerank_choice_note"), t("rerank_held_out", gain=held_out)),
        n_labels=2,
    )


def _is(tried: Fusion, used: Fusion) -> bool:
    """Whether this is how it is used; not to be used at all has one row, whatever its depth."""
    return tried == replace(used, within=None) if used.changes else not tried.changes


def early_exit_grid(choice: Choice, used: Fusion, locale: str = "en") -> Grid | None:
    """Every distance from the first score that was tried, and which of them is used; None where none was."""
    if not choice.early_exits:
        return None
    t, k = translator_of(locale, RERANK), str(choice.fusion.k)
    withins = [None, *(tried.within for tried in choice.early_exits)]
    star = {within: " *" if used.changes and used.within == within else "" for within in withins}
    whole = (t("rerank_all", k=k) + star[None], k, "", "", "")
    rows = [
        (
            written(f"{tried.within:g}", locale) + star[tried.within], written(f"{tried.looks:.1f}", locale),
            _percent(tried.left, locale),
            f"{signed(tried.change.value, locale)} ({_limits(tried.change, locale) or t('rerank_unmoved')})",
            _share(tried, locale),
        )
        for tried in choice.early_exits
    ]  # fmt: skip
    said = {"metric": choice.metric, "k": k, "loss": written(f"{LOSS:g}", locale), "losing": f"{100 * LOSING:g} %"}
    notes = t("rerank_early_exit_note", **said), t("rerank_early_exit_rule", **said)
    header = tuple(t(f"rerank_{name}") for name in ("within", "looks", "left", "change", "losing"))
    return Grid(t("rerank_early_exit"), header, (whole, *rows), notes)


def _share(tried: EarlyExit, locale: str) -> str:
    at_most = translator_of(locale, RERANK)("rerank_up_to", high=_percent(tried.losing_at_most, locale))
    return f"{_percent(tried.losing, locale)} ({at_most})"


def _percent(share: float, locale: str) -> str:
    return written(f"{100 * share:.1f} %", locale)


def _row(trial: Trial, used: bool, locale: str) -> tuple[str, ...]:
    alpha = written(f"{trial.fusion.alpha:g}", locale) + (" *" if used else "")
    value, gain = written(f"{trial.value:.4f}", locale), signed(trial.gain.value, locale)
    return alpha, str(trial.fusion.k), value, gain, _limits(trial.gain, locale)


def _limits(gain: Interval | Answer, locale: str) -> str:
    if gain.low is None or gain.high is None:
        return ""
    low, high = signed(gain.low, locale), signed(gain.high, locale)
    return translator_of(locale, RERANK)("rerank_from_to", low=low, high=high)


def signed(value: float, locale: str, digits: int = 4) -> str:
    """A difference with its sign, as a language writes it.

    >>> signed(0.0312, "pt-BR"), signed(-0.00004, "en", 3)
    ('+0,0312', '+0.000')
    """
    return written(f"{value:+z.{digits}f}", locale)


def answers_grid(
    answers: Sequence[Answer], questions: Mapping[str, str], header: tuple[str, str, str], locale: str = "en"
) -> Grid:
    """The answers of a re-ranker, with their intervals.

    Args:
        answers: of its questions.
        questions: {name: how it is asked}.
        header: names of the columns: the question, the difference, the answer.
        locale: "en" or "pt-BR".
    """
    t = translator_of(locale, RERANK)
    rows = tuple(
        (
            questions[answer.question],
            f"{signed(answer.value, locale)} ({_limits(answer, locale) or t('rerank_no_interval')})",
            t("rerank_yes" if answer.passed else "rerank_no"),
        )
        for answer in answers
    )
    return Grid("", header, rows)


def hits_grid(text: str, hits: Sequence[Hit], locale: str = "en") -> Grid:
    """The pictures that answer a text."""
    t = translator_of(locale, RERANK)
    return Grid(
        title=text,
        header=tuple(t(f"rerank_{name}") for name in ("rank", "picture", "score", "rank_before")),
        rows=tuple(
            (str(hit.rank), hit.label, written(f"{hit.score:.3f}", locale), str(hit.rank_before)) for hit in hits
        ),
        notes=(),
        n_labels=2,
    )


def trained_view(trained: Outcome, locale: str = "en") -> RenderableType:
    """What was tried, what was answered, the proof, and where the re-ranker is."""
    from rich.console import Group
    from rich.text import Text

    from luneta.layouts import GridView

    t = translator_of(locale, RERANK)
    used = trained.reranker.fusion
    grids = choice_grid(trained.choice, used, locale), early_exit_grid(trained.choice, used, locale)
    shown: list[RenderableType] = [GridView(grid) for grid in grids if grid is not None]
    shown += [Text(answer.said(locale)) for answer in trained.answers]
    if trained.answers and not trained.choice.fusion.changes:
        shown.append(Text(t("rerank_asked_alone")))
    if trained.test is not None:
        shown.append(GridView(trained.test.grid(locale)))
    return Group(*shown, Text(t("rerank_place", folder=trained.folder, use=use_of(trained, locale))))


def use_of(trained: Outcome, locale: str = "en") -> str:
    """How far it is believed, or why it changes nothing."""
    t, fusion = translator_of(locale, RERANK), trained.reranker.fusion
    if fusion.changes:
        said = {"alpha": written(f"{fusion.alpha:g}", locale), "k": fusion.k}
        if fusion.within is None:
            return t("rerank_used", **said)
        return t("rerank_used_within", **said, within=written(f"{fusion.within:g}", locale))
    return t("rerank_not_honest" if trained.choice.fusion.changes else "rerank_not_used")


def reproduction_grid(found: Reproduction, locale: str = "en") -> Grid:
    """Ours beside published, in a language."""
    grid = found.grid()
    if locale == "en":
        return grid
    title, *header = map(_in_portuguese, (grid.title, *grid.header))
    rows = tuple(tuple(map(_in_portuguese, row)) for row in grid.rows)
    return replace(grid, title=title, header=tuple(header), rows=rows, notes=tuple(map(_in_portuguese, grid.notes)))


_NUMBERS = re.compile(r"[-+]?[\d,]*\.?\d+( to [-+]?[\d,]*\.?\d+)?")


def _in_portuguese(said: str) -> str:
    """A sentence of a reproduction, or a number or name in it; what is not known stays as it is.

    >>> _in_portuguese("not run: no data"), _in_portuguese("0.4561 to 0.4712"), _in_portuguese("recall@1")
    ('não rodado: sem dados', '0,4561 a 0,4712', 'recall@1')
    """
    if _NUMBERS.fullmatch(said):
        return written(said, "pt-BR").replace(" to ", " a ")
    for pattern, portuguese in _sentences():
        if found := pattern.fullmatch(said):
            return portuguese.format(**{name: _in_portuguese(part) for name, part in found.groupdict().items()})
    return said


@cache
def _sentences() -> tuple[tuple[re.Pattern[str], str], ...]:
    return patterns_of(REPRODUCTION)
