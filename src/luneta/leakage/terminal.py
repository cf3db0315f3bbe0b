"""What was seen in training, as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.leakage.messages import LEAKAGE
from luneta.terminal import WORDS
from luneta.wording import Translate, translator_of, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from luneta.data.dataset import ImageTextDataset
    from luneta.leakage.finding import Inflation, Leakage
    from luneta.stats import Interval

_SHOWN = 5


def leakage_view(found: Leakage, locale: str = "en") -> RenderableType:
    """How much was seen and by which links, examples, and recall with and without it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    t = translator_of(locale, LEAKAGE, WORDS)

    def count(n: int) -> str:
        return written(f"{n:,}", locale)

    def sizes(data: ImageTextDataset) -> Text:  # Text: brackets in a name are no markup
        return Text(t("leakage_sizes", name=data.name, images=count(data.n_images), texts=count(data.n_texts)))

    def share(n: int, part: float) -> str:
        return t("leakage_in_share", n=count(n), share=written(f"{100 * part:.1f}", locale))

    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row(t("leakage_train"), sizes(found.train))
    facts.add_row(t("leakage_test"), sizes(found.test))
    facts.add_row(t("leakage_images"), share(len(found.images), found.image_share))
    facts.add_row(t("leakage_texts"), share(len(found.texts), found.text_share))
    for kind, n in found.counts.items():
        facts.add_row(f"  {t(f'leakage_kind_{kind}')}", count(n))
    if broken := len(found.groups.unreadable):
        facts.add_row(t("leakage_unreadable"), f"{count(broken)}, {t('leakage_unreadable_note')}")
    parts: list[RenderableType] = [facts]
    if found.images:
        parts.append(_examples(found, t))
    if found.inflations:
        parts += [_inflations(found.inflations, t, locale)]
    if found.groups.doubts:
        parts.append(Text(f"! {t('leakage_labels')}", style="yellow"))
    return Group(*parts)


def _examples(found: Leakage, t: Translate) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, header_style="", padding=(0, 1, 0, 0))
    for column in ("leakage_such_as", "leakage_seen_as", "leakage_by"):
        table.add_column(t(column), overflow="fold")
    for seen in found.images[:_SHOWN]:
        names = (found.test.images[seen.test].label, found.train.images[seen.train].label)
        table.add_row(*(Text(name.rpartition("/")[2]) for name in names), t(f"leakage_kind_{seen.kind}"))
    return table


def _inflations(inflations: Sequence[Inflation], t: Translate, locale: str) -> RenderableType:
    """One table for each meaning of leaked."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table

    tables = []
    for rule in dict.fromkeys(one.seen for one in inflations):
        title = t("leakage_with_image" if rule == "image" else "leakage_with_any")
        table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, header_style="",
                      padding=(0, 1, 0, 0))  # fmt: skip
        table.add_column("")
        for column in ("queries", "reported", "clean", "alone", "gap"):
            heading = t(f"leakage_{column}").replace(" ", "\n")
            table.add_column(heading, justify="right", no_wrap=True)
        for one in (one for one in inflations if one.seen == rule):
            leaked, all_queries = (written(f"{n:,}", locale) for n in (one.n_leaked, one.n_queries))
            values = [_value(found, locale) for found in (one.reported, one.clean, one.leaked)]
            gap = _value(one.inflation, locale, "+")
            queries = f"{leaked}\n{t('leakage_of_all', n=all_queries)}"
            table.add_row(f"{t(one.direction)}\n{one.metric}", queries, *values, gap)
        tables.append(table)
    return Group(*tables)


def _value(interval: Interval | None, locale: str, sign: str = "") -> str:
    if interval is None:
        return "-"
    if interval.low is None or interval.high is None:
        return written(f"{interval.value:{sign}.3f}", locale)
    return written(f"{interval.value:{sign}.3f}\n{interval.low:{sign}.3f} {interval.high:{sign}.3f}", locale)
