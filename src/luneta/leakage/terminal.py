"""What was seen in training, as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.layouts import Name, heading, plain_table, titled
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

    def share(n: int, part: float) -> str:
        return t("leakage_in_share", n=count(n), share=written(f"{100 * part:.1f}", locale))

    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row(t("leakage_train"), Text(sizes(found.train, t, locale)))  # Text: brackets in a name are no markup
    facts.add_row(t("leakage_test"), Text(sizes(found.test, t, locale)))
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


def sizes(data: ImageTextDataset, t: Translate, locale: str) -> str:
    """What a reader calls a data set, and how much is in it."""
    name = " · ".join(part for part in (data.name, data.split, data.language) if part)
    return t(
        "leakage_sizes", name=name,
        images=written(f"{data.n_images:,}", locale), texts=written(f"{data.n_texts:,}", locale),
    )  # fmt: skip


def _examples(found: Leakage, t: Translate) -> RenderableType:
    from rich.console import Group

    table = plain_table()
    for column in ("leakage_such_as", "leakage_seen_as", "leakage_by"):
        heading(table, t(column), words=True)
    for seen in found.images[:_SHOWN]:
        names = (found.test.images[seen.test].label, found.train.images[seen.train].label)
        table.add_row(*(Name(name.rpartition("/")[2]) for name in names), Name(t(f"leakage_kind_{seen.kind}")))
    return Group("", table, "")


def _inflations(inflations: Sequence[Inflation], t: Translate, locale: str) -> RenderableType:
    """One table for each meaning of leaked."""
    from rich.console import Group

    tables = []
    for rule in dict.fromkeys(one.seen for one in inflations):
        table = plain_table()
        table.add_column("")
        for column in ("queries", "reported", "clean", "alone", "gap"):
            table.add_column(t(f"leakage_{column}").replace(" ", "\n"), justify="right", no_wrap=True)
        for one in (one for one in inflations if one.seen == rule):
            leaked, all_queries = (written(f"{n:,}", locale) for n in (one.n_leaked, one.n_queries))
            values = [_value(found, locale) for found in (one.reported, one.clean, one.leaked)]
            gap = _value(one.inflation, locale, "+")
            queries = f"{leaked}\n{t('leakage_of_all', n=all_queries)}"
            table.add_row(f"{t(one.direction)}\n{one.metric}", queries, *values, gap)
        tables.append(titled(t("leakage_with_image" if rule == "image" else "leakage_with_any"), table))
    return Group(*tables)


def _value(interval: Interval | None, locale: str, sign: str = "") -> str:
    if interval is None:
        return "-"
    value, *limits = (
        written(f"{x:{sign}z.3f}", locale)  # z: no minus before 0
        for x in (interval.value, interval.low, interval.high)
        if x is not None
    )
    return "\n".join([value, *([" ".join(limits)] if limits else [])])
