"""luneta search"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luneta.cli import options, speech

if TYPE_CHECKING:
    from rich.console import Console

    from luneta.search import Hits, Query, Searcher
    from luneta.wording import Locale

QUERY_PANEL, ANSWER_PANEL = "Query", "Answers"

HELP = options.examples(
    'luneta search photos.luneta "a red boat on the beach"',
    'luneta search photos.luneta "a dress + 0.5*red - long" --image sketch.jpg --where "year >= 1900"',
    "luneta search photos.luneta --image photo.jpg --in texts",
    'luneta search photos.luneta "um barco" --rerank --collapse 0.97 --report boats.html',
    'luneta search photos.luneta "a boat" --like 17 --unlike 4 --json boats.json',
)(
    "Search a bundle for pictures or texts. The query may be a text, pictures, items of the bundle, or sums and "
    "differences of them: [i]a dress + 0.5*red - long[/i] (spaces on both sides of the sign; in double quotes all is "
    "plain text)."
)


def command(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle, as [i]luneta index[/i] makes it.")],
    query: Annotated[str | None, typer.Argument(help="What to look for.", show_default=False)] = None,
    *,
    image: Annotated[
        list[Path] | None,
        typer.Option(help="A picture to look for; may be given several times.", rich_help_panel=QUERY_PANEL),
    ] = None,
    item: Annotated[
        list[int] | None,
        typer.Option(help="More like a picture of the bundle, by its id; may be given several times.",
                     rich_help_panel=QUERY_PANEL),
    ] = None,
    like: Annotated[
        list[int] | None,
        typer.Option(help="Id of an answer that was right; may be given several times.", rich_help_panel=QUERY_PANEL),
    ] = None,
    unlike: Annotated[
        list[int] | None,
        typer.Option(help="Id of an answer that was wrong; may be given several times.", rich_help_panel=QUERY_PANEL),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(help="Which items count, as \"style = 'Impressionism' and year < 1900\".",
                     rich_help_panel=QUERY_PANEL),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Of the query, for its cut-off, as pt-BR.", rich_help_panel=QUERY_PANEL)
    ] = None,
    among: Annotated[
        str, typer.Option("--in", help="Search the pictures or the texts.", rich_help_panel=ANSWER_PANEL)
    ] = "pictures",
    top: Annotated[int, typer.Option(min=1, help="Answers of a page.", rich_help_panel=ANSWER_PANEL)] = 10,
    page: Annotated[int, typer.Option(min=1, help="Which page.", rich_help_panel=ANSWER_PANEL)] = 1,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Look at the first ones again, in the light of the text.",
                           rich_help_panel=ANSWER_PANEL)
    ] = False,
    diversity: Annotated[
        float, typer.Option(min=0, max=1, help="From 0 (by score) to 1 (as different as can be).",
                            rich_help_panel=ANSWER_PANEL)
    ] = 0.0,
    collapse: Annotated[
        float | None,
        typer.Option(min=0.01, max=1, help="Show one of those whose cosine is at least this.",
                     rich_help_panel=ANSWER_PANEL),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Show the nearest though nothing is relevant.",
                           rich_help_panel=ANSWER_PANEL)
    ] = False,
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", "-e", help="The encoder of the bundle, where it has moved.",
                     rich_help_panel=options.ENCODER_PANEL, show_default="by its name"),
    ] = None,
    device: options.Device = "auto",
    pictures: Annotated[
        bool | None, typer.Option(help="Draw small pictures in the terminal.", show_default="where it can")
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show in the report which parts of a picture, and which words, carry its score.",
                     rich_help_panel=ANSWER_PANEL),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the answers here; /dev/stdout prints them.")] = None,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:  # fmt: skip
    from rich.console import Console

    from luneta.artifacts import check_writable, write_json
    from luneta.errors import ConfigError
    from luneta.search import Searcher

    spoken, console = speech.speak(locale), Console()
    if among not in ("pictures", "texts"):
        raise ConfigError(f"in is {among!r}, expected pictures or texts")
    for place in (json, report):
        if place is not None:
            check_writable(place)
    if explain and report is None:
        raise ConfigError("explanations are shown in a report: name its file (--report)")
    asked = _query(query, image or [], item or [])
    searcher = Searcher.open(bundle, device=device)
    if encoder is not None:
        searcher = Searcher.open(bundle, encoder=searcher.bundle.encoder(encoder, device=device))
    hits = searcher.search(
        asked, target="image" if among == "pictures" else "text", top_k=top, offset=(page - 1) * top, where=where,
        diversity=diversity, near=collapse, like=like or (), unlike=unlike or (), rerank=rerank, language=language,
    )  # fmt: skip
    if json is not None:
        write_json(json, hits.to_dict())
    if report is not None:
        from luneta.report.search import write_search

        write_search(report, searcher, asked, hits, explain=explain, locale=spoken)
    if json is None or str(json) != "/dev/stdout":
        _show(hits, searcher, console, spoken, page=page, anyway=anyway, pictures=pictures)


def _query(text: str | None, images: list[Path], items: list[int]) -> Query:
    from luneta.errors import ConfigError
    from luneta.search import Item, Part, Query

    if text is None and not images and not items:
        raise ConfigError("say what to look for: a text, a picture or an item")
    parts = [] if text is None else list(Query.read(text).parts)
    parts += [Part(_picture(path)) for path in images]  # type: ignore[arg-type]
    parts += [Part(Item("image", number)) for number in items]
    return Query(tuple(parts))


def _picture(path: Path) -> object:
    from luneta.data.images import decode_image
    from luneta.errors import ConfigError, ImageError

    try:
        return decode_image(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    except ImageError as error:
        raise ConfigError(f"{path} cannot be searched for: {error}") from error


def _show(
    hits: Hits, searcher: Searcher, console: Console, locale: Locale, *, page: int, anyway: bool,
    pictures: bool | None,
) -> None:  # fmt: skip
    from luneta.layouts import GridView
    from luneta.search.drawing import can_draw, drawn
    from luneta.search.messages import SEARCH
    from luneta.search.tables import hits_grid, nothing
    from luneta.wording import translator_of

    t = translator_of(locale, SEARCH)
    if hits.relevant is False and not anyway:
        console.print(nothing(t, hits, locale), t("look_anyway"), soft_wrap=True, highlight=False)
        return
    if not hits:
        console.print(t("nothing_found"))
        return
    console.print(GridView(hits_grid(hits, locale)))
    if can_draw(console) if pictures is None else pictures:
        from rich.columns import Columns

        small = [(hit, searcher.bundle.thumbnails.get(hit.key)) for hit in hits if hit.side == "image"]
        console.print(Columns([drawn(jpeg, 24) for _, jpeg in small if jpeg is not None], padding=(1, 2)))
    if hits.has_more:
        console.print(t("more_pages", page=page + 1))
