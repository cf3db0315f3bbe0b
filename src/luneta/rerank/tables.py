"""What the training of a re-ranker came to, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from luneta.grids import Grid
from luneta.rerank.application import Hit
from luneta.rerank.fusion import Choice, Fusion, Trial
from luneta.rerank.messages import RERANK
from luneta.stats import Interval
from luneta.wording import translator_of, written

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.rerank.fitting import RerankerFitted
    from luneta.rerank.run import ElipTrained


def choice_grid(choice: Choice, used: Fusion, locale: str = "en") -> Grid:
    """Every weight and depth that was tried, and which of them is used."""
    t, gain = translator_of(locale, RERANK), choice.gain
    held_out = _signed(gain.value, locale) + (f" ({_limits(gain, locale)})" if gain.low is not None else "")
    return Grid(
        title=t("rerank_choice"),
        header=(t("rerank_alpha"), "k", choice.metric, t("rerank_gain"), t("rerank_interval")),
        rows=tuple(_row(trial, _is(trial.fusion, used), locale) for trial in choice.trials),
        notes=(t("rerank_choice_note"), t("rerank_held_out", gain=held_out)),
        n_labels=2,
    )


def _is(tried: Fusion, used: Fusion) -> bool:
    """Whether this is how it is used; not to be used at all has one row, whatever its depth."""
    return tried == used if used.changes else not tried.changes


def _row(trial: Trial, used: bool, locale: str) -> tuple[str, ...]:
    alpha = written(f"{trial.fusion.alpha:g}", locale) + (" *" if used else "")
    value, gain = written(f"{trial.value:.4f}", locale), _signed(trial.gain.value, locale)
    return alpha, str(trial.fusion.k), value, gain, _limits(trial.gain, locale)


def _limits(gain: Interval, locale: str) -> str:
    if gain.low is None or gain.high is None:
        return ""
    low, high = _signed(gain.low, locale), _signed(gain.high, locale)
    return translator_of(locale, RERANK)("rerank_from_to", low=low, high=high)


def _signed(value: float, locale: str) -> str:
    return written(f"{value:+.4f}", locale)


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


def trained_view(trained: ElipTrained | RerankerFitted, locale: str = "en") -> RenderableType:
    """What was tried, what was answered, the proof, and where the re-ranker is."""
    from rich.console import Group
    from rich.text import Text

    from luneta.layouts import GridView

    t = translator_of(locale, RERANK)
    shown: list[RenderableType] = [GridView(choice_grid(trained.choice, trained.reranker.fusion, locale))]
    shown += [Text(answer.said(locale)) for answer in trained.answers]
    if trained.test is not None:
        shown.append(GridView(trained.test.grid(locale)))
    fusion = trained.reranker.fusion
    use = t("rerank_not_honest" if trained.choice.fusion.changes else "rerank_not_used")
    if fusion.changes:
        use = t("rerank_used", alpha=written(f"{fusion.alpha:g}", locale), k=fusion.k)
    return Group(*shown, Text(t("rerank_place", folder=trained.folder, use=use)))
