"""What was seen in training, as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.data.groups import SAID
from luneta.terminal import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from luneta.leakage.finding import Inflation, Leakage
    from luneta.stats import Interval

_SHOWN = 5


def leakage_view(found: Leakage) -> RenderableType:
    """How much was seen and by which links, examples, and recall with and without it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_column(no_wrap=True)
    facts.add_column()
    facts.add_row(
        "training", Text(f"{found.train.name}: {found.train.n_images:,} images, {found.train.n_texts:,} texts")
    )
    facts.add_row("test", Text(f"{found.test.name}: {found.test.n_images:,} images, {found.test.n_texts:,} texts"))
    facts.add_row("test images seen in training", f"{len(found.images):,} ({100 * found.image_share:.1f} %)")
    facts.add_row("test captions seen in training", f"{len(found.texts):,} ({100 * found.text_share:.1f} %)")
    for kind, n in found.counts.items():
        facts.add_row(f"  {SAID[kind]}", f"{n:,}")
    if found.groups.unreadable:
        facts.add_row("unreadable images", f"{len(found.groups.unreadable):,}, compared by their files only")
    parts: list[RenderableType] = [facts]
    if found.images:
        parts.append(_examples(found))
    if found.inflations:
        parts += [_inflations(found.inflations)]
    parts += [Text(f"! {doubt}", style="yellow") for doubt in found.groups.doubts]
    return Group(*parts)


def _examples(found: Leakage) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, header_style="", padding=(0, 1, 0, 0))
    for column in ("test image, such as", "seen in training as", "by"):
        table.add_column(column, overflow="fold")
    for seen in found.images[:_SHOWN]:
        names = (found.test.images[seen.test].label, found.train.images[seen.train].label)
        table.add_row(*(Text(name.rpartition("/")[2]) for name in names), SAID[seen.kind])
    return table


def _inflations(inflations: Sequence[Inflation]) -> RenderableType:
    """One table for each meaning of leaked."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table

    tables = []
    for rule in dict.fromkeys(one.seen for one in inflations):
        title = f"recall with and without queries whose {rule} was seen"
        table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, header_style="",
                      padding=(0, 1, 0, 0))  # fmt: skip
        table.add_column("")
        for column in ("leaked", "reported", "without", "they alone", "inflation"):
            table.add_column(column, justify="right", no_wrap=True)
        for one in (one for one in inflations if one.seen == rule):
            values = (_value(one.reported), _value(one.clean), _value(one.leaked), _value(one.inflation, "+"))
            name = f"{WORDS[one.direction][0]} @{one.metric.removeprefix('recall@')}"
            table.add_row(name, f"{one.n_leaked:,} of {one.n_queries:,}", *values)
        tables.append(table)
    return Group(*tables)


def _value(interval: Interval | None, sign: str = "") -> str:
    if interval is None:
        return "-"
    if interval.low is None or interval.high is None:
        return f"{interval.value:{sign}.3f}"
    return f"{interval.value:{sign}.3f}\n{interval.low:{sign}.3f} {interval.high:{sign}.3f}"
