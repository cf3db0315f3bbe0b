"""A profile as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.profiling.facts import Profile, Spread

_SHOWN = 5
_DOUBTS = {
    "unreadable": "some pictures cannot be decoded; they would be left out with their captions",
    "duplicates": "many captions are equal; an evaluation must count them as right for each other's images",
    "identical": "some pictures are identical; keep them in one split",
    "language": "the captions do not look like the declared language",
}


def profile_view(profile: Profile) -> RenderableType:
    """The tables of a profile, one under the other."""
    from rich.console import Group
    from rich.text import Text

    captions, images = profile.captions, profile.images
    parts: list[RenderableType] = [_facts(profile.name, _counts(profile))]
    spreads = {"words of a caption": captions.words, "characters of a caption": captions.characters}
    spreads["captions of an image"] = captions.per_image
    if images is not None:
        spreads |= {"width, px": images.width, "height, px": images.height}
        if images.kib is not None:
            spreads["file size, KiB"] = images.kib
    parts.append(_spreads(spreads))
    if captions.duplicates:
        repeated = [(text, f"{n:,} times") for text, n in captions.duplicates[:_SHOWN]]
        parts.append(_facts("most frequent captions", repeated))
    shown = [(example.label.rpartition("/")[2], "\n".join(example.captions)) for example in profile.examples[:_SHOWN]]
    if shown:
        parts.append(_facts("examples", shown))
    left_out = [*profile.skipped, *profile.unreadable]
    if left_out:
        reasons = Counter(row.reason for row in left_out).most_common(_SHOWN)
        parts.append(_facts("left out", [(reason, f"{n:,} rows") for reason, n in reasons]))
        rows = [(f"row {row.row:,}, {row.source}", row.reason) for row in left_out[:_SHOWN]]
        parts.append(_facts("such as", rows))
    if profile.doubts:
        parts.append(Text("\n".join(f"! {_DOUBTS[name]}" for name in profile.doubts), style="yellow"))
    return Group(*parts)


def _counts(profile: Profile) -> list[tuple[str, str]]:
    captions, images = profile.captions, profile.images
    said = [("revision", profile.revision), ("split", profile.split), ("language", profile.language)]
    rows = [(name, value) for name, value in said if value]
    rows += [(f"{kind} column", f"{name} ({why})") for kind, name, why in profile.chosen_columns]
    if profile.sample:
        rows.append(
            ("sample", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in profile.sample.items()))
        )
    rows += [
        ("images", f"{profile.n_images:,}"),
        ("texts", f"{profile.n_texts:,} ({captions.unique_share:.1%} unique)"),
        ("languages, guessed", _shares(captions.languages)),
    ]
    looked_at = "" if profile.n_looked_at == profile.n_images else f" of {profile.n_looked_at:,} looked at"
    rows.append(("unreadable", f"{len(profile.unreadable):,}{looked_at}"))
    rows.append(("left out when opened", f"{len(profile.skipped):,} of {profile.n_source_rows:,} rows"))
    if images is not None:
        rows += [("formats", _listed(images.formats)), ("modes", _listed(images.modes))]
        rows.append(("frequent sizes", _listed({f"{w} x {h}": n for w, h, n in images.sizes})))
        rows += [("animated", f"{images.n_animated:,}")] * bool(images.n_animated)
        rows.append(("identical pictures", f"{images.n_identical:,}"))
    return rows


def _listed(counts: Mapping[str, int]) -> str:
    shown = [f"{name}: {n:,}" for name, n in list(counts.items())[:_SHOWN]]
    return ", ".join(shown + ["..."] * (len(counts) > _SHOWN))


def _shares(shares: Mapping[str, float]) -> str:
    shown = [f"{name} {share:.0%}" for name, share in list(shares.items())[:_SHOWN]]
    return ", ".join(shown + ["..."] * (len(shares) > _SHOWN))


def _facts(title: str, rows: Iterable[tuple[str, str]]) -> RenderableType:
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", title_style="bold", box=SIMPLE, show_header=False)
    table.add_column(style="dim", overflow="fold", max_width=60)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value))  # Text: what stands in brackets is no markup
    return table


def _spreads(spreads: Mapping[str, Spread]) -> RenderableType:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table("", box=SIMPLE, header_style="dim")
    for heading in ("min", "median", "95 % below", "max"):
        table.add_column(heading, justify="right")
    for name, spread in spreads.items():
        values = (spread.min, spread.median, spread.p95, spread.max)
        table.add_row(name, *(f"{value:,.4g}" if value < 1000 else f"{value:,.0f}" for value in values))
    return table
