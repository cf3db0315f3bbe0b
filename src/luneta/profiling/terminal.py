"""A profile as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from luneta.data.language_guess import guess_in
from luneta.data.reasons import reason_in
from luneta.wording import Locale, Messages, Translate, translator_of, written

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.profiling.facts import Profile, Spread

_SHOWN = 5

LOOK: Messages = {
    "look_revision": ("revision", "revisão"),
    "look_split": ("split", "divisão"),
    "look_language": ("language", "idioma"),
    "look_image_column": ("image column", "coluna das imagens"),
    "look_text_column": ("text column", "coluna dos textos"),
    "look_sample": ("sample", "amostra"),
    "look_sample_of": ("{limit} images at random, seed {seed}", "{limit} imagens sorteadas, semente {seed}"),
    "look_sample_of_rows": (
        "{limit} images at random from {rows} rows, seed {seed}",
        "{limit} imagens sorteadas de {rows} linhas, semente {seed}",
    ),
    "look_images": ("images", "imagens"),
    "look_texts": ("texts", "textos"),
    "look_texts_unique": ("{n} ({share} unique)", "{n} ({share} únicos)"),
    "look_languages": ("languages, guessed", "idiomas, por estimativa"),
    "look_unreadable": ("unreadable", "ilegíveis"),
    "look_looked_at": ("{n} of {all} looked at", "{n} de {all} examinadas"),
    "look_left_out_when_opened": ("left out when opened", "deixadas de fora ao abrir"),
    "look_of_rows": ("{n} of {all} rows", "{n} de {all} linhas"),
    "look_formats": ("formats", "formatos"),
    "look_drawn": ("drawn", "desenhadas"),
    "look_modes": ("modes", "modos"),
    "look_sizes": ("frequent sizes", "tamanhos frequentes"),
    "look_animated": ("animated", "animadas"),
    "look_identical": ("identical pictures", "imagens idênticas"),
    "look_words": ("words of a caption", "palavras de uma legenda"),
    "look_characters": ("characters of a caption", "caracteres de uma legenda"),
    "look_per_image": ("captions of an image", "legendas de uma imagem"),
    "look_width": ("width, px", "largura, px"),
    "look_height": ("height, px", "altura, px"),
    "look_kib": ("file size, KiB", "tamanho do arquivo, KiB"),
    "look_min": ("min", "mín."),
    "look_median": ("median", "mediana"),
    "look_p95": ("95 % below", "95 % abaixo"),
    "look_max": ("max", "máx."),
    "look_frequent": ("most frequent captions", "legendas mais frequentes"),
    "look_times": ("{n} times", "{n} vezes"),
    "look_examples": ("examples", "exemplos"),
    "look_left_out": ("left out", "deixadas de fora"),
    "look_rows": ("{n} of the rows", "{n} das linhas"),
    "look_such_as": ("such as", "como"),
    "look_row": ("row {row}, {source}", "linha {row}, {source}"),
    "look_doubt_unreadable": (
        "some pictures cannot be decoded; they would be left out with their captions",
        "algumas imagens não podem ser decodificadas; ficariam de fora com as suas legendas",
    ),
    "look_doubt_duplicates": (
        "many captions are equal; an evaluation must count them as right for each other's images",
        "muitas legendas são iguais; uma avaliação deve contá-las como certas para as imagens umas das outras",
    ),
    "look_doubt_identical": (
        "some pictures are identical; keep them in one split",
        "algumas imagens são idênticas; mantenha-as numa só divisão",
    ),
    "look_doubt_language": (
        "the captions do not look like the declared language",
        "as legendas não parecem estar no idioma declarado",
    ),
}
"""What the terminal says of a profile."""


def profile_view(profile: Profile, locale: Locale = "en") -> RenderableType:
    """The tables of a profile, one under the other."""
    from rich.console import Group
    from rich.text import Text

    t = translator_of(locale, LOOK)
    captions, images = profile.captions, profile.images
    parts: list[RenderableType] = [_facts(profile.name, _counts(profile, t, locale))]
    spreads = {"words": captions.words, "characters": captions.characters, "per_image": captions.per_image}
    if images is not None:
        spreads |= {"width": images.width, "height": images.height}
        if images.kib is not None:
            spreads["kib"] = images.kib
    parts.append(_spreads(spreads, t, locale))
    if captions.duplicates:
        repeated = [(text, t("look_times", n=_count(n, locale))) for text, n in captions.duplicates[:_SHOWN]]
        parts.append(_facts(t("look_frequent"), repeated))
    shown = [(example.label.rpartition("/")[2], "\n".join(example.captions)) for example in profile.examples[:_SHOWN]]
    if shown:
        parts.append(_facts(t("look_examples"), shown))
    left_out = [*profile.skipped, *profile.unreadable]
    if left_out:
        reasons = Counter(reason_in(row.reason, locale) for row in left_out).most_common(_SHOWN)
        parts.append(_facts(t("look_left_out"), [(why, t("look_rows", n=_count(n, locale))) for why, n in reasons]))
        rows = [
            (t("look_row", row=_count(row.row, locale), source=row.source), reason_in(row.reason, locale))
            for row in left_out[:_SHOWN]
        ]
        parts.append(_facts(t("look_such_as"), rows))
    if profile.doubts:
        doubts = "\n".join(f"! {t(f'look_doubt_{name}')}" for name in profile.doubts)
        parts.append(Text(doubts, style="yellow"))
    return Group(*parts)


def _counts(profile: Profile, t: Translate, locale: Locale) -> list[tuple[str, str]]:
    captions, images = profile.captions, profile.images
    said = [("revision", profile.revision), ("split", profile.split), ("language", profile.language)]
    rows = [(t(f"look_{name}"), value) for name, value in said if value]
    rows += [
        (t(f"look_{kind}_column"), f"{name} ({reason_in(why, locale)})") for kind, name, why in profile.chosen_columns
    ]
    if profile.sample:
        drawn = {name: _count(n, locale) for name, n in profile.sample.items()}
        rows.append((t("look_sample"), t("look_sample_of_rows" if "rows" in drawn else "look_sample_of", **drawn)))
    unique = written(f"{captions.unique_share:.1%}", locale)
    languages = {guess_in(guess, locale): share for guess, share in captions.languages.items()}
    unreadable = _count(len(profile.unreadable), locale)
    if profile.n_looked_at != profile.n_images:
        unreadable = t("look_looked_at", n=unreadable, all=_count(profile.n_looked_at, locale))
    skipped = {"n": _count(len(profile.skipped), locale), "all": _count(profile.n_source_rows, locale)}
    rows += [
        (t("look_images"), _count(profile.n_images, locale)),
        (t("look_texts"), t("look_texts_unique", n=_count(profile.n_texts, locale), share=unique)),
        (t("look_languages"), _shares(languages)),
        (t("look_unreadable"), unreadable),
        (t("look_left_out_when_opened"), t("look_of_rows", **skipped)),
    ]
    if images is not None:
        formats = {t("look_drawn") if name == "drawn" else name: n for name, n in images.formats.items()}
        rows += [(t("look_formats"), _listed(formats, locale)), (t("look_modes"), _listed(images.modes, locale))]
        rows.append((t("look_sizes"), _listed({f"{w} x {h}": n for w, h, n in images.sizes}, locale)))
        rows += [(t("look_animated"), _count(images.n_animated, locale))] * bool(images.n_animated)
        rows.append((t("look_identical"), _count(images.n_identical, locale)))
    return rows


def _count(n: int, locale: Locale) -> str:
    return written(f"{n:,}", locale)


def _listed(counts: Mapping[str, int], locale: Locale) -> str:
    shown = [f"{name}: {_count(n, locale)}" for name, n in list(counts.items())[:_SHOWN]]
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


def _spreads(spreads: Mapping[str, Spread], t: Translate, locale: Locale) -> RenderableType:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table("", box=SIMPLE, header_style="dim")
    for heading in ("min", "median", "p95", "max"):
        table.add_column(t(f"look_{heading}"), justify="right")
    for name, spread in spreads.items():
        values = (spread.min, spread.median, spread.p95, spread.max)
        numbers = (f"{value:,.4g}" if value < 1000 else f"{value:,.0f}" for value in values)
        table.add_row(t(f"look_{name}"), *(written(number, locale) for number in numbers))
    return table
