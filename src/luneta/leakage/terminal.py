"""What was seen in training, as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.data.groups import SAID
from luneta.terminal import WORDS

if TYPE_CHECKING:
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
        parts += [Text(), _inflations(found.inflations)]
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


def _inflations(inflations: tuple[Inflation, ...]) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, header_style="", padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("leaked when seen:")
    for column in ("leaked queries", "reported", "without them", "they alone", "inflation"):
        table.add_column(column, justify="right")
    for one in inflations:
        values = (_value(one.reported), _value(one.clean), _value(one.leaked), _value(one.inflation, "+"))
        share = f"{one.n_leaked:,} of {one.n_queries:,}"
        table.add_row(f"{WORDS[one.direction][0]} {one.metric}", one.seen, share, *values)
    return table


def _value(interval: Interval | None, sign: str = "") -> str:
    if interval is None:
        return "-"
    if interval.low is None or interval.high is None:
        return f"{interval.value:{sign}.3f}"
    return f"{interval.value:{sign}.3f}\n{interval.low:{sign}.3f}..{interval.high:{sign}.3f}"
