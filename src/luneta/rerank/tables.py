"""What the training of a re-ranker came to, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from luneta.grids import Grid
from luneta.rerank.application import Hit
from luneta.rerank.fusion import Choice, Trial
from luneta.stats import Interval

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.rerank.fitting import RerankerFitted
    from luneta.rerank.run import ElipTrained


def choice_grid(choice: Choice) -> Grid:
    """Every weight and depth that was tried."""
    return Grid(
        title="How far the new scores are believed",
        header=("alpha", "k", choice.metric, "gain", "95 % interval"),
        rows=tuple(_row(trial, trial.fusion == choice.fusion) for trial in choice.trials),
        notes=(
            "On the validation part; gains over the encoder alone (alpha 0), paired by text; * is used.",
            f"On texts that had no part in choosing: {_limits(choice.gain, choice.gain.value)}.",
        ),
        n_labels=2,
    )


def _limits(gain: Interval, value: float) -> str:
    return f"{value:+.4f}" + ("" if gain.low is None else f" ({gain.low:+.4f} to {gain.high:+.4f})")


def _row(trial: Trial, used: bool) -> tuple[str, ...]:
    gain = trial.gain
    limits = "" if gain.low is None else f"{gain.low:+.4f} to {gain.high:+.4f}"
    mark = " *" if used else ""
    return f"{trial.fusion.alpha:g}{mark}", str(trial.fusion.k), f"{trial.value:.4f}", f"{gain.value:+.4f}", limits


def hits_grid(text: str, hits: Sequence[Hit]) -> Grid:
    """The pictures that answer a text."""
    return Grid(
        title=text,
        header=("rank", "picture", "score", "rank before"),
        rows=tuple((str(hit.rank), hit.label, f"{hit.score:.3f}", str(hit.rank_before)) for hit in hits),
        notes=(),
        n_labels=2,
    )


def trained_view(trained: ElipTrained | RerankerFitted) -> RenderableType:
    """What was tried, what was answered, the proof, and where the re-ranker is."""
    from rich.console import Group
    from rich.text import Text

    from luneta.layouts import GridView

    shown: list[RenderableType] = [GridView(choice_grid(trained.choice))]
    shown += [Text(str(answer)) for answer in trained.answers]
    if trained.test is not None:
        shown.append(GridView(trained.test.grid()))
    fusion = trained.reranker.fusion
    use = f"alpha {fusion.alpha:g} on the first {fusion.k}" if fusion.changes else "it changes nothing: no gain is sure"
    return Group(*shown, Text(f"Re-ranker: {trained.folder} ({use})"))
