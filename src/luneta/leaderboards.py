"""leaderboard(folder): all results of a folder, ranked within each protocol and never across two."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from luneta.artifacts import hash_json
from luneta.comparison import COMPARED, Comparison, compare, distinct_names
from luneta.error_messages import error_in
from luneta.errors import ArtifactError, ConfigError
from luneta.grids import Grid
from luneta.layouts import Name, heading, plain_table, titled
from luneta.results import SCHEMA, Evaluation, Metric, load_evaluation
from luneta.terminal import WORDS, metric_cell, metric_number, rule_of_duplicates
from luneta.types import DIRECTIONS, Direction
from luneta.wording import Messages, translator_of, written

if TYPE_CHECKING:
    from rich.console import RenderableType

_OURS = SCHEMA.partition("/")[0] + "/"

ARROWS: Mapping[Direction, str] = {"text_to_image": "t→i", "image_to_text": "i→t"}

BOARD: Messages = {
    "board_encoder": ("encoder", "codificador"),
    "board_file": ("file", "arquivo"),
    "board_interval": ("95 % interval", "intervalo de 95 %"),
    "board_chance": ("chance", "acaso"),
    "board_title": ("{data}: {images} images, {texts} texts", "{data}: {images} imagens, {texts} textos"),
    "board_sorted": (
        "Sorted by {metric}, whose interval is shown.",
        "Em ordem de {metric}, cujo intervalo é mostrado.",
    ),
    "board_sorted_below": (
        "Sorted by {metric}, {direction}; below each value its 95 % interval.",
        "Em ordem de {metric}, {direction}; sob cada valor, o seu intervalo de 95 %.",
    ),
    "board_alike": (
        "'=': a paired randomisation test, corrected for all pairs (Holm), does not tell it from the first.",
        "'=': um teste de aleatorização pareado, corrigido para todos os pares (Holm), não o distingue do primeiro.",
    ),
    "board_protocol": ("Protocol {hash}; duplicates: {rule}.", "Protocolo {hash}; duplicatas: {rule}."),
    "board_refused": ("left out: {file}: {reason}", "deixado de fora: {file}: {reason}"),
    "board_copy": ("the same result as {file}", "o mesmo resultado de {file}"),
}
"""Message name -> (English, Brazilian Portuguese); the page uses them too."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Results of one protocol, the best first.

    Attributes:
        evaluations: sorted by the metric that was asked for.
        files: where each was read from, as seen from the folder.
        like_the_best: whether each cannot be told from the first by a paired test.
    """

    evaluations: Sequence[Evaluation]
    files: Sequence[str]
    like_the_best: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """What a folder of results says.

    Attributes:
        standings: one for each protocol, the largest data set first.
        refused: {file: why it was left out}.
        copies: {file: the file that holds the same result}; they are left out too.
        metric, direction: what they are sorted by.
    """

    standings: Sequence[Standing]
    refused: Mapping[str, str]
    copies: Mapping[str, str]
    metric: str
    direction: Direction

    def left_out(self, locale: str = "en") -> dict[str, str]:
        """{file: why it was left out} of damaged results and of copies, in a language."""
        t = translator_of(locale, BOARD)
        return {name: error_in(reason, locale) for name, reason in self.refused.items()} | {
            name: t("board_copy", file=first) for name, first in self.copies.items()
        }

    def grids(self, locale: str = "en") -> list[Grid]:
        """One table for each protocol, in English ("en") or Portuguese ("pt-BR")."""
        return [_grid(standing, self, locale) for standing in self.standings]


def leaderboard(
    folder: str | Path, *, metric: str = "recall@1", direction: Direction = "text_to_image", seed: int = 0
) -> Leaderboard:
    """Rank all results in a folder and the folders below it.

    Args:
        folder: holds what `Evaluation.save` wrote; other JSON files are ignored, damaged results are named. Of equal
            results (one encoder, one protocol, the same ranks) the one nearest to the folder counts.
        metric, direction: what to sort by.
        seed: of the paired tests.

    Raises:
        ConfigError: no result in the folder, or an unknown metric.
    """
    if metric not in COMPARED:
        raise ConfigError(f"cannot sort by {metric!r}; expected one of {', '.join(COMPARED)}")
    if direction not in DIRECTIONS:
        raise ConfigError(f"unknown direction {direction!r}; expected one of {', '.join(DIRECTIONS)}")
    found, refused, copies = _results(Path(folder))
    if not found:
        why = "".join(f"\n  {name}: {reason}" for name, reason in refused.items())
        raise ConfigError(f"{folder} holds no result that can be read; luneta evaluate --json writes them{why}")
    protocols: dict[str, list[str]] = {}
    for file, evaluation in found.items():
        protocols.setdefault(str(evaluation.protocol["hash"]), []).append(file)
    standings = []
    for files in sorted(protocols.values(), key=lambda own: -int(found[own[0]].dataset["n_texts"])):
        files.sort(key=lambda file: -found[file].metrics[direction][metric].value)
        ranked = [found[file] for file in files]
        standings.append(Standing(ranked, files, _like_the_best(ranked, metric, direction, seed)))
    return Leaderboard(standings, refused, copies, metric, direction)


def _results(folder: Path) -> tuple[dict[str, Evaluation], dict[str, str], dict[str, str]]:
    """{file: result}, {file: why it is none}, {file: the file that it is a copy of}."""
    found: dict[str, Evaluation] = {}
    refused: dict[str, str] = {}
    copies: dict[str, str] = {}
    seen: dict[str, str] = {}
    for path in sorted(folder.rglob("*.json"), key=lambda path: (len(path.parts), path)):
        file = str(path.relative_to(folder))
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            refused[file] = f"cannot be read: {error}"
            continue
        try:
            content = json.loads(text)
        except ValueError as error:
            if _OURS in text[:200]:  # otherwise it is somebody else's
                refused[file] = f"damaged or cut short: {error}"
            continue
        if not isinstance(content, dict) or not str(content.get("schema", "")).startswith(_OURS):
            continue
        try:
            evaluation = load_evaluation(path)
        except ArtifactError as error:
            refused[file] = str(error)
            continue
        same = hash_json([content["encoder"], content["protocol"]["hash"], content["queries"]["sha256"]])
        if same in seen:
            copies[file] = seen[same]
        else:
            found[file], seen[same] = evaluation, file
    return found, refused, copies


def _like_the_best(ranked: Sequence[Evaluation], metric: str, direction: Direction, seed: int) -> list[bool]:
    if len(ranked) == 1:
        return [False]
    compared: Comparison = compare(ranked, seed=seed)
    return [False, *(not compared.difference(direction, metric, 0, i).is_significant for i in range(1, len(ranked)))]


def leaderboard_view(board: Leaderboard, locale: str = "en") -> RenderableType:
    """The tables for the terminal: one for each protocol and direction, narrow enough for 80 columns."""
    from rich.console import Group
    from rich.text import Text

    t = translator_of(locale, BOARD, WORDS)
    parts: list[RenderableType] = []
    for standing in board.standings:
        sorted_by = t("board_sorted_below", metric=board.metric, direction=t(board.direction))
        parts.append(Text(_title(standing, locale) + "\n", style="bold"))
        parts += [_table(standing, direction, locale) for direction in DIRECTIONS]
        parts.append(Text(" ".join([sorted_by, *_rules(standing, locale)]) + "\n", style="dim"))
    return Group(*parts)


def _table(standing: Standing, direction: Direction, locale: str) -> RenderableType:
    from rich.console import Group

    t = translator_of(locale, BOARD, WORDS)
    table = plain_table()
    table.add_column("#", no_wrap=True)
    heading(table, t("board_encoder"), words=True)
    for metric in COMPARED:
        table.add_column(metric, justify="right", no_wrap=True)
    for place, name, file, evaluation in _placed(standing):
        cells = [metric_cell(metric, evaluation.metrics[direction][metric], locale) for metric in COMPARED]
        table.add_row(place, Group(Name(name), Name(file, "dim")), *cells)
    by_chance = [standing.evaluations[0].metrics[direction][metric].chance for metric in COMPARED]
    numbers = [written(metric_number(metric, value), locale) for metric, value in zip(COMPARED, by_chance, strict=True)]
    table.add_row("", t("board_chance"), *numbers, style="dim")
    return titled(t(direction), table)


def _grid(standing: Standing, board: Leaderboard, locale: str) -> Grid:
    t = translator_of(locale, BOARD)
    first = standing.evaluations[0]
    columns = [(direction, metric) for direction in DIRECTIONS for metric in COMPARED]
    header = ["#", t("board_encoder"), t("board_file"), *(f"{ARROWS[d]} {m}" for d, m in columns), t("board_interval")]
    rows = []
    for place, name, file, evaluation in _placed(standing):
        values = [_share(evaluation.metrics[d][m].value, locale) for d, m in columns]
        sorted_by = evaluation.metrics[board.direction][board.metric]
        rows.append((place, name, file, *values, _interval(sorted_by, locale)))
    chance = (_share(first.metrics[d][m].chance, locale) for d, m in columns)
    rows.append(("", t("board_chance"), "", *chance, ""))
    return Grid(
        title=_title(standing, locale),
        header=tuple(header),
        rows=tuple(rows),
        notes=(
            t("board_sorted", metric=f"{ARROWS[board.direction]} {board.metric}"),
            *_rules(standing, locale),
        ),
        n_labels=3,
    )


def _placed(standing: Standing) -> Iterator[tuple[str, str, str, Evaluation]]:
    """Place, with a mark where it is shared with the first, name, file and result."""
    names = distinct_names(standing.evaluations)
    for place, (name, file, evaluation, alike) in enumerate(
        zip(names, standing.files, standing.evaluations, standing.like_the_best, strict=True), start=1
    ):
        yield f"{place}{' =' if alike else ''}", name, file, evaluation


def _title(standing: Standing, locale: str) -> str:
    data = standing.evaluations[0].dataset
    where = ", ".join(str(data[key]) for key in ("name", "split", "language") if data.get(key))
    sizes = {key: written(f"{data[f'n_{key}']:,}", locale) for key in ("images", "texts")}
    return translator_of(locale, BOARD)("board_title", data=where, **sizes)


def _rules(standing: Standing, locale: str) -> tuple[str, str]:
    """What the mark means, and under which protocol this was measured."""
    t, protocol = translator_of(locale, BOARD), standing.evaluations[0].protocol
    return t("board_alike"), t("board_protocol", hash=protocol["hash"][:12], rule=rule_of_duplicates(protocol, locale))


def _interval(metric: Metric, locale: str) -> str:
    return "" if metric.low is None or metric.high is None else written(f"{metric.low:.3f}–{metric.high:.3f}", locale)


def _share(value: float | None, locale: str) -> str:
    return "" if value is None else written(f"{value:.3f}", locale)
