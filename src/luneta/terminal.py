"""Evaluations as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from luneta.types import DIRECTIONS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from luneta.comparison import Comparison
    from luneta.grids import Grid
    from luneta.languages import LanguageGap
    from luneta.results import Evaluation, Metric

SHOWN = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10", "median_rank")

WORDS: dict[str, tuple[str, str]] = {
    "text_to_image": ("text → image", "texto → imagem"),
    "image_to_text": ("image → text", "imagem → texto"),
    "table_encoder": ("encoder", "codificador"),
    "table_chance": ("chance", "acaso"),
    "table_doctor": (
        "Do not trust {encoder} yet: {check}: {found} (luneta doctor says more)",
        "Ainda não confie em {encoder}: {check}: {found} (luneta doctor diz mais)",
    ),
    "table_note": (
        "{data}: {images} images, {texts} texts; duplicates: {duplicates}; skipped: {skipped}; captions longer than "
        "the encoder reads, cut: {cut}; protocol {protocol}; below each value its 95 % interval",
        "{data}: {images} imagens, {texts} textos; duplicatas: {duplicates}; deixadas de fora: {skipped}; legendas "
        "mais longas do que o codificador lê, cortadas: {cut}; protocolo {protocol}; sob cada valor, o seu intervalo "
        "de 95 %",
    ),
    "table_not_known": ("not known", "não se sabe"),
}
"""Message name -> (English, Brazilian Portuguese); the pages use them too."""


def evaluation_table(evaluations: Sequence[Evaluation], locale: str = "en") -> RenderableType:
    """One block per direction, one row per encoder, chance as the last row; the protocol underneath."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    first, language = evaluations[0], int(locale == "pt-BR")
    tables: list[RenderableType] = []
    for direction in DIRECTIONS:
        table = Table(
            title=WORDS[direction][language],
            title_justify="left",
            title_style="bold",
            box=SIMPLE_HEAD,
            header_style="",
            padding=0,
        )
        table.add_column(WORDS["table_encoder"][language], overflow="fold")
        for name in SHOWN:
            table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True, vertical="bottom")
        for evaluation in evaluations:
            metrics = evaluation.metrics[direction]
            cells = [_cell(name, metrics[name], locale) for name in SHOWN]
            table.add_row(Text(str(evaluation.encoder["name"])), *cells)  # Text: brackets in a name are no markup
        chance = first.metrics[direction]
        numbers = [_written(_number(name, chance[name].chance), locale) for name in SHOWN]
        table.add_row(WORDS["table_chance"][language], *numbers, style="dim")
        tables.append(table)
    data, protocol = first.dataset, first.protocol
    note = WORDS["table_note"][language].format(
        data=", ".join(str(data[key]) for key in ("name", "split", "language") if data[key]),
        images=_written(f"{data['n_images']:,}", locale),
        texts=_written(f"{data['n_texts']:,}", locale),
        skipped=_written(f"{len(first.skipped):,}", locale),
        duplicates=rule_of_duplicates(protocol),
        cut=cut_captions(evaluations, [str(e.encoder["name"]) for e in evaluations], locale),
        protocol=protocol["hash"][:12],
    )
    failed = [
        WORDS["table_doctor"][language].format(encoder=e.encoder["name"], check=check["name"], found=check["measured"])
        for e in evaluations
        for check in e.checks
        if check["verdict"] == "fail"
    ]
    return Group(*tables, Text(note, style="dim"), *(Text(line, style="bold red") for line in failed))


def rule_of_duplicates(protocol: Mapping[str, Any]) -> str:
    """What counts as equal, in a word or two.

    >>> rule_of_duplicates({"duplicates": "merge"}), rule_of_duplicates({"duplicates": "near", "same_item": "sku"})
    ('merge', 'near + sku')
    """
    return " + ".join(protocol[name] for name in ("duplicates", "same_item") if protocol.get(name))


def cut_captions(evaluations: Sequence[Evaluation], names: Sequence[str], locale: str) -> str:
    """How many captions lost their end: one number where all encoders agree, else one for each of the names."""
    counts = [evaluation.dataset.get("n_truncated") for evaluation in evaluations]
    unknown = WORDS["table_not_known"][int(locale == "pt-BR")]
    said = [unknown if count is None else _written(f"{count:,}", locale) for count in counts]
    if len(set(said)) == 1:
        return said[0]
    return ", ".join(f"{count} ({name})" for name, count in zip(names, said, strict=True))


def comparison_table(comparison: Comparison, metric: str = "recall@1") -> RenderableType:
    """One block per direction: every encoder's value, and every pair's difference with its interval and p-value."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    names = comparison.names
    parts: list[RenderableType] = []
    for direction in DIRECTIONS:
        table = Table(title=f"{WORDS[direction][0]}, {metric}", title_justify="left", title_style="bold",
                      box=SIMPLE_HEAD, header_style="", padding=0)  # fmt: skip
        for column in ("first - second", "difference", "95 % interval", "p (Holm)", "better on", "worse on", ""):
            table.add_column(column, justify="left" if column == "first - second" else "right", overflow="fold")
        for found in comparison.differences:
            if (found.direction, found.metric) != (direction, metric):
                continue
            pair = f"{names[found.first]} - {names[found.second]}"
            interval = "-" if found.low is None or found.high is None else f"{found.low:+.3f} to {found.high:+.3f}"
            p = "<.001" if found.p_holm < 0.001 else f"{found.p_holm:.3f}".removeprefix("0")
            verdict = Text("sure", style="green") if found.is_significant else Text("not sure", style="yellow")
            wins, losses = f"{found.n_wins:,}", f"{found.n_losses:,}"
            table.add_row(Text(pair), f"{found.value:+.3f}", interval, p, wins, losses, verdict)
        parts.append(table)
    n = len(names) * (len(names) - 1) // 2
    note = (
        "Paired by query; intervals by bootstrap over clusters of related queries, p by a randomisation test, "
        f"corrected for {n} comparison{'s' if n > 1 else ''} (Holm)."
    )
    return Group(evaluation_table(comparison.evaluations), *parts, Text(note, style="dim"))


def slices_table(comparison: Comparison) -> RenderableType:
    """Recall@1 of every encoder on parts of the queries; an arrow where it differs from the first for sure."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title="recall@1 by slices", title_justify="left", title_style="bold", box=SIMPLE_HEAD,
                  header_style="", padding=0)  # fmt: skip
    table.add_column("direction")
    table.add_column("slice", overflow="fold")
    table.add_column("queries", justify="right")
    for name in comparison.names:
        table.add_column(Text(name), justify="right", overflow="fold")
    for part in comparison.slices:
        cells = []
        for value, difference in zip(part.values, part.differences, strict=True):
            low, high = (None, None) if difference is None else difference[1:]
            above, below = low is not None and low > 0, high is not None and high < 0
            cells.append(f"{value:.3f}" + (" ▲" if above else " ▼" if below else "  "))
        label = Text(f"{part.name}: {part.value or '(none)'}")
        table.add_row(WORDS[part.direction][0], label, f"{part.n_queries:,}", *cells)
    table.caption = "▲ ▼ the 95 % interval of the paired difference to the first encoder excludes 0 (not corrected)"
    table.caption_justify = "left"
    return table


def languages_table(found: LanguageGap, metric: str = "recall@1") -> RenderableType:
    """Every language and way of writing: its value, and the paired difference to what it is held against."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    gaps = {(g.direction, g.language, g.writing): g for g in found.gaps if g.metric == metric}
    rows = [(language, "", e) for language, e in found.evaluations.items()]
    rows += [(language, writing, e) for (language, writing), e in found.writings.items()]
    rows.sort(key=lambda row: list(found.evaluations).index(row[0]))
    for direction in DIRECTIONS:
        table = Table(title=f"{WORDS[direction][0]}, {metric}", title_justify="left", title_style="bold",
                      box=SIMPLE_HEAD, header_style="", padding=0)  # fmt: skip
        table.add_column("language", overflow="fold")
        for column in (metric, "chance", "images", "gap", "95 % interval", "p (Holm)"):
            table.add_column(column, justify="right")
        for language, writing, evaluation in rows:
            value = evaluation.metrics[direction][metric]
            gap = gaps.get((direction, language, writing))
            if gap is None:
                compared = [f"{evaluation.dataset['n_images']:,}", "reference", "", ""]
            else:
                interval = "-" if gap.low is None or gap.high is None else f"{gap.low:+.3f} to {gap.high:+.3f}"
                p = "<.001" if gap.p_holm < 0.001 else f"{gap.p_holm:.3f}"
                compared = [f"{gap.n_images:,}", f"{gap.value:+.3f}", interval, p]
            name = f"  {writing}" if writing else language
            table.add_row(Text(name), f"{value.value:.3f}", _number(metric, value.chance), *compared)
        parts.append(table)
    note = (
        "Gaps are paired by picture: a language to the first one, a way of writing to the usual one; p by a "
        "randomisation test, corrected for all gaps of the table (Holm)."
    )
    return Group(*parts, Text(note, style="dim"))


def grid_table(grid: Grid) -> RenderableType:
    """A table of text, with its notes underneath."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(grid.title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, header_style="",
                  padding=0)  # fmt: skip
    for i, name in enumerate(grid.header):
        table.add_column(Text(name), justify="left" if i < grid.n_labels else "right", overflow="fold")
    for row in grid.rows:
        table.add_row(*map(Text, row))
    return Group(table, Text(" ".join(grid.notes), style="dim"))


def _cell(name: str, metric: Metric, locale: str) -> Text:
    """The value and, on a second line, its interval; narrow enough for seven columns on a terminal of 80."""
    from rich.text import Text

    value = _written(_number(name, metric.value), locale)
    if metric.low is None or metric.high is None:
        return Text(value)
    end = _short_rank if name == "median_rank" else _short_share
    interval = _written(f"{end(metric.low)}–{end(metric.high)}", locale)
    return Text.assemble(value, "\n", (interval, "dim"))


def _written(number: str, locale: str) -> str:
    """A number as the language writes it."""
    return number.translate(str.maketrans(",.", ".,")) if locale == "pt-BR" else number


def _number(name: str, value: float | None) -> str:
    """
    >>> [_number("median_rank", rank) for rank in (1.5, 2.5, 3, 1234.5)], _number("recall@1", 0.5)
    (['1.5', '2.5', '3', '1,234.5'], '0.500')
    """
    if value is None:
        return "-"
    return f"{value:,.1f}".removesuffix(".0") if name == "median_rank" else f"{value:.3f}"


def _short_share(value: float) -> str:
    return "1" if value == 1 else f"{value:.3f}".removeprefix("0")


def _short_rank(value: float) -> str:
    """
    >>> [_short_rank(rank) for rank in (1.5, 12, 999.5, 1234, 123_456)]
    ['1.5', '12', '999.5', '1.2k', '123k']
    """
    if value < 1000:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value / 1000:.{1 if value < 100_000 else 0}f}k"
