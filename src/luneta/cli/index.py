"""luneta index"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luneta.cli import checks, options, speech

if TYPE_CHECKING:
    from rich.console import Console

    from luneta.bundles import IndexRecipe
    from luneta.data.dataset import ImageTextDataset
    from luneta.types import Encoder
    from luneta.wording import Locale

INDEX_PANEL, RELEVANCE_PANEL = "Index", "Nothing relevant"
OWN = "own"
DEFAULT = "luneta-mini"

HELP = options.examples(
    "luneta index my_photos/ --encoder siglip2-b16 --out photos.luneta --calibrate own",
    "luneta index --out photos.luneta --update",
    "luneta index --out photos.luneta --calibrate other_photos/ --language pt-BR --error-rate 0.1",
    "luneta index --out photos.luneta --reranker elip/reranker",
)(
    "Make one folder of everything that a search needs: vectors, an index whose recall was measured, small pictures, "
    "metadata and the text tower. Run it again to go on after an interruption; with [i]--update[/i] only what is new "
    "or changed is embedded, and what is gone is dropped."
)


def command(
    data: Annotated[
        str | None,
        typer.Argument(
            help="What is to be found: folder, table, COCO JSON, tar shards, hub id ([i]owner/name[/i]) or "
            "[i]cenas[/i]. Not needed to update or add to a bundle that knows where its data are.",
            show_default=False,
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the bundle, by custom NAME.luneta.")],
    update: Annotated[bool, typer.Option("--update", help="Bring the bundle that is there up to date.")] = False,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder", "-e", help="Preset, hub id, checkpoint folder or [i]package.module:Class[/i].",
            rich_help_panel=options.ENCODER_PANEL, show_default=f"{DEFAULT}; of a bundle that is there, its own",
        ),
    ] = None,
    image: options.Image = None,
    text: options.Text = None,
    split: options.Split = None,
    language: options.Language = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    revision: options.Revision = None,
    max_bad_share: options.MaxBadShare = 0.01,
    dtype: options.DType = "auto",
    device: options.Device = "auto",
    batch_size: options.BatchSize = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="auto, exact, hnsw, ivf-sq8 or ivf-pq; auto goes by size, memory and recall.",
            rich_help_panel=INDEX_PANEL, show_default="auto",
        ),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1, help="Share of the ten nearest that must be found; measured.", rich_help_panel=INDEX_PANEL,
            show_default="0.95",
        ),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(
            min=1, help="MiB that an index may take.", rich_help_panel=INDEX_PANEL,
            show_default="a share of what is free",
        ),
    ] = None,
    thumbnail: Annotated[
        int | None, typer.Option(min=32, max=2048, help="Pixels of the small pictures' longer side.",
                                 rich_help_panel=INDEX_PANEL, show_default="320")
    ] = None,
    text_tower: Annotated[
        bool | None,
        typer.Option(help="Carry the text tower, so that a search loads neither torch nor the checkpoint.",
                     rich_help_panel=INDEX_PANEL, show_default="yes"),
    ] = None,
    milvus: Annotated[
        str | None,
        typer.Option(help="Search in this Milvus: http://host:19530, or a file NAME.db for Milvus Lite. A token is "
                     "read from LUNETA_MILVUS_TOKEN.", rich_help_panel=INDEX_PANEL, show_default=False),
    ] = None,
    cache: options.Cache = True,
    reranker: Annotated[
        str | None,
        typer.Option(help="Folder of a re-ranker to put in, or the name of a built-in encoder for its own.",
                     rich_help_panel=INDEX_PANEL, show_default=False),
    ] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(
            help="Choose the score below which nothing is relevant: [i]own[/i] takes the bundle's own pairs, and each "
            "query once more without its answers; or data of which some are not in the bundle.",
            rich_help_panel=RELEVANCE_PANEL, show_default=False,
        ),
    ] = None,
    error_rate: Annotated[
        float, typer.Option(help="Share of queries that may be misjudged.", rich_help_panel=RELEVANCE_PANEL)
    ] = 0.05,
    mistake: Annotated[
        str,
        typer.Option(
            help="Which mistake it bounds: missed (an answer is there and is not shown) or fooled (the other way "
            "round).",
            rich_help_panel=RELEVANCE_PANEL,
        ),
    ] = "missed",
    locale: options.Locale = "en",
) -> None:  # fmt: skip
    from rich.console import Console

    from luneta.bundles.calibration import check_bound
    from luneta.bundles.files import check_place
    from luneta.errors import ConfigError

    spoken, console = speech.speak(locale), Console()
    shared = {"image": image, "text": text, "split": split, "language": language, "limit": limit, "seed": seed,
              "revision": revision}  # fmt: skip
    builds = data is not None or update
    if not builds and calibrate is None and reranker is None:
        raise ConfigError("name the data to index, or say what the bundle is to be given: update, calibrate, reranker")
    if builds and calibrate not in (None, OWN):
        raise ConfigError(f"calibrate takes {OWN} while a bundle is made; with other data calibrate afterwards: "
                          f"luneta index --out {out} --calibrate {calibrate}")  # fmt: skip
    if calibrate is not None:
        check_bound(mistake, error_rate)
    whole = None
    if builds:
        check_place(out, update=update)
        recipe = _recipe(out, update, {"kind": kind, "recall": recall, "memory_mib": memory, "thumbnail_px": thumbnail,
                                       "text_tower": text_tower})  # fmt: skip
        dataset, source = _data(out, data, shared, max_bad_share)
        whole = _encoder(out, encoder, _as_reranked(reranker, dtype), device, update=update)
        _build(
            whole, dataset, source, out, console, spoken, update=update, recipe=recipe, cache=cache, milvus=milvus,
            batch_size=batch_size, max_bad_share=max_bad_share,
        )  # fmt: skip
    if reranker is not None:
        whole = whole or _encoder(out, encoder, dtype, device, update=True)
        _attach(out, reranker, whole, console, spoken)
    if calibrate is not None:
        given = None if calibrate == OWN else options.open_data(calibrate, max_bad_share, **shared)
        _calibrate(
            out, given, console, spoken, encoder=whole, language=language, mistake=mistake, error_rate=error_rate,
            seed=seed,
        )  # fmt: skip


def _encoder(out: Path, name: str | None, dtype: str, device: str, *, update: bool) -> Encoder:
    """The encoder asked for; that of the bundle, where one is there and none was asked for."""
    from luneta.bundles import Bundle

    if update:
        return Bundle.open(out).encoder(name, device=device)
    checks.check_encoder(name or DEFAULT)
    return options.open_encoder(name or DEFAULT, dtype, device)


def _recipe(out: Path, update: bool, choices: dict[str, Any]) -> IndexRecipe:
    """How to make the bundle: as the one that is there, with what was said otherwise."""
    from dataclasses import replace

    from luneta.bundles import Bundle, IndexRecipe

    given = {name: value for name, value in choices.items() if value is not None}
    return replace(IndexRecipe(**Bundle.open(out).record["recipe"]) if update else IndexRecipe(), **given)


def _as_reranked(reranker: str | None, dtype: str) -> str:
    """The number format that a re-ranker was made in, where none was asked for: its encoder computes in no other."""
    from luneta.rerank.builtin import located
    from luneta.rerank.kinds import read_record

    if reranker is None or dtype != "auto":
        return dtype
    return str(read_record(located(reranker))["encoder"].get("dtype") or dtype)


def _data(
    out: Path, data: str | None, shared: dict[str, Any], max_bad_share: float
) -> tuple[ImageTextDataset, dict[str, Any] | None]:
    """The data, and where they come from if that is to be kept anew; without a name, those the bundle was made of."""
    from luneta.bundles import Bundle
    from luneta.errors import ConfigError

    if data is not None:
        where = str(Path(data).absolute()) if Path(data).exists() else data
        source = {"source": where, **{name: value for name, value in shared.items() if value is not None}}
        return options.open_data(data, max_bad_share, **{k: v for k, v in source.items() if k != "source"}), source
    known = dict(Bundle.open(out).source.get("data", {}))
    if not known:
        raise ConfigError(f"{out} does not know where its data are: name them")
    return options.open_data(str(known.pop("source")), max_bad_share, **known), None


def _build(
    encoder: Encoder, dataset: ImageTextDataset, source: dict[str, Any] | None, out: Path, console: Console,
    locale: Locale,
    *, update: bool, recipe: IndexRecipe, max_bad_share: float, **how: Any,
) -> None:  # fmt: skip
    from luneta.bundles import build_bundle
    from luneta.cost import Prices
    from luneta.data.reasons import reason_in
    from luneta.layouts import GridView
    from luneta.ledger import entered, ledger_is_wanted
    from luneta.search.messages import SEARCH
    from luneta.search.tables import built_grid
    from luneta.wording import translator_of, written

    t, start = translator_of(locale, SEARCH), time.perf_counter()
    about = {"encoder": encoder.spec.name, "data": dataset.name, "out": str(out)}
    with entered("index", about, device=encoder.spec.device, prices=Prices(), written=ledger_is_wanted()) as run:
        built = build_bundle(
            encoder, dataset, out, update=update, recipe=recipe, max_bad_share=max_bad_share, source=source, **how,
        )  # fmt: skip
        run.facts.update(n_images=built.bundle.n("image"), n_texts=built.bundle.n("text"))

    def count(number: int) -> str:
        return written(f"{number:,}", locale)

    seconds = written(f"{time.perf_counter() - start:.1f}", locale)
    images, texts = (count(built.bundle.n(side)) for side in ("image", "text"))
    said = [t("index_done", folder=out, images=images, texts=texts, seconds=seconds)]
    if update:
        said.append(
            t("index_changes", new_images=count(built.n_new["image"]), new_texts=count(built.n_new["text"]),
              old_images=count(built.n_dropped["image"]), old_texts=count(built.n_dropped["text"]),
              computed=count(sum(built.n_computed.values())))
        )  # fmt: skip
    for line in said:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for row in built.skipped:
        speech.say(console, locale, "skipped_row", source=row.source, reason=reason_in(row.reason, locale))
    console.print(GridView(built_grid(built.bundle.record, locale)))
    if update and built.bundle.calibration is not None:
        console.print(t("cutoffs_kept"), soft_wrap=True)


def _attach(out: Path, reranker: str, encoder: Encoder, console: Console, locale: Locale) -> None:
    from luneta.bundles.attaching import attach_reranker
    from luneta.search.messages import SEARCH
    from luneta.wording import translator_of

    attach_reranker(out, reranker, encoder)
    console.print(translator_of(locale, SEARCH)("reranker_in"))


def _calibrate(out: Path, data: ImageTextDataset | None, console: Console, locale: Locale, **how: Any) -> None:
    from luneta.bundles.attaching import calibrate
    from luneta.layouts import GridView
    from luneta.search.tables import cutoffs_grid

    console.print(GridView(cutoffs_grid(calibrate(out, data, **how), locale)))
