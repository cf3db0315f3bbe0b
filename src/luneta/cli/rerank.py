"""luneta rerank train | fit | evaluate | apply"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luneta.cli import checks, options, speech

if TYPE_CHECKING:
    from luneta.rerank import ElipRecipe, Reranker
    from luneta.types import CrossEncoder

HOW = "How"

HELP = (
    "Look at an encoder's first answers again, each picture in the light of the text (ELIP) or together with it "
    "(cross-encoders such as BLIP-2), and put them into a better order where that is proved to help."
)

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]}
)

Folder = Annotated[
    Path,
    typer.Argument(
        help="Folder of a re-ranker, as [i]train[/i] and [i]fit[/i] write it (OUT/reranker), or the name of a built-in "
        "encoder."
    ),
]
OwnEncoder = Annotated[
    str | None,
    typer.Option(
        "--encoder", "-e", help="The encoder it was trained for, where it has moved.", show_default="by its name",
        rich_help_panel=options.ENCODER_PANEL,
    ),
]  # fmt: skip
OwnModel = Annotated[
    str | None,
    typer.Option(
        "--model", help="The cross-encoder it scores with, where it has moved or is an object of yours.",
        show_default="by its name", rich_help_panel=options.ENCODER_PANEL,
    ),
]  # fmt: skip
Weight = Annotated[
    float,
    typer.Option(
        help="Of matching beside the contrastive score: 1 on data like those the model was trained on, 0.05 on others.",
        rich_help_panel=HOW,
    ),
]
Counts = Annotated[
    str, typer.Option(help="Of matching: its probability, or the logit as the authors of BLIP-2 add it.",
                      rich_help_panel=HOW)
]  # fmt: skip


@app.command(
    help=options.examples(
        "luneta rerank train cenas --encoder luneta-mini --insert-layer -2 --out elip",
        "luneta rerank train my_photos/ --encoder siglip2-b16 --steps 2000 --out elip",
        "luneta rerank evaluate elip/reranker other_photos/",
    )(
        "Train a re-ranker on pairs of images and texts. How far it is believed is chosen on a validation part; where "
        "no gain is sure it changes nothing. The same command goes on where a run was stopped."
    )
)
def train(
    data: options.Data,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the result; reranker/ in it is the re-ranker.")
    ] = None,
    dry_run: options.DryRun = False,
    encoder: options.OneEncoder = "luneta-mini",
    image: options.Image = None,
    text: options.Text = None,
    split: options.Split = None,
    language: options.Language = None,
    limit: options.Limit = None,
    revision: options.Revision = None,
    max_bad_share: options.MaxBadShare = 0.01,
    dtype: options.DType = "auto",
    device: options.Device = "auto",
    variant: Annotated[
        str, typer.Option(help="elip, or the paper's elip-c, elip-s, elip-s2, elip-b.", rich_help_panel=HOW)
    ] = "elip",
    insert_layer: Annotated[
        int | None,
        typer.Option(
            help="Block of the image tower before which prompts come in; 0 is the first, -2 the last but one.",
            rich_help_panel=HOW,
            show_default="by variant",
        ),
    ] = None,
    n_prompts: Annotated[
        int | None, typer.Option(help="Prompts made of a text.", rich_help_panel=HOW, show_default="by variant")
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(help="Widths of the mapper, as 512,512.", rich_help_panel=HOW, show_default="by variant"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Of the training.", rich_help_panel=HOW, show_default="by variant")
    ] = None,
    queries: Annotated[
        int | None, typer.Option(help="Texts of a step.", rich_help_panel=HOW, show_default="by variant")
    ] = None,
    hard: Annotated[
        int | None,
        typer.Option(
            help="Pictures for each text that the encoder takes for the right one.",
            rich_help_panel=HOW,
            show_default="by variant",
        ),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(help="Pictures for each text at random.", rich_help_panel=HOW, show_default="by variant"),
    ] = None,
    batches: Annotated[
        str | None,
        typer.Option(
            help="lists: every text has pictures of its own; global: a step's texts are neighbours and share theirs.",
            rich_help_panel=HOW,
            show_default="by variant",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="At its peak.", rich_help_panel=HOW, show_default="by variant")
    ] = None,
    checkpointing: Annotated[bool, typer.Option(help="Less memory, more time.", rich_help_panel=HOW)] = False,
    seed: Annotated[int, typer.Option(help="Of everything random.", rich_help_panel=HOW)] = 0,
    model: Annotated[
        str | None,
        typer.Option(
            help="A cross-encoder that looks at the candidates in the encoder's place, as in elip-b.",
            rich_help_panel=options.ENCODER_PANEL,
        ),
    ] = None,
    weight: Weight = 1.0,
    counts: Counts = "probability",
    test_split: options.TestSplit = None,
    near: options.Near = True,
    disk: Annotated[
        str | None,
        typer.Option(
            help="What may be written while it lasts, as 250GB or 1TB; what does not fit is computed at every look.",
            rich_help_panel=options.COST_PANEL,
            show_default="what is free",
        ),
    ] = None,
    usd_per_hour: options.UsdPerHour = None,
    brl_per_usd: options.BrlPerUsd = None,
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.cost import Prices
    from luneta.errors import ConfigError
    from luneta.layouts import GridView
    from luneta.rerank import predict_elip, train_elip
    from luneta.rerank.disk import read_size
    from luneta.rerank.tables import trained_view

    spoken = speech.speak(locale)
    if out is None and not dry_run:
        raise ConfigError("name a folder for the result with --out, or ask what it would take with --dry-run")
    checks.check_encoder(encoder)
    recipe = _recipe(variant, hidden, {
        "insert_layer": insert_layer, "n_prompts": n_prompts, "steps": steps, "queries": queries, "hard": hard,
        "random": random, "batches": batches, "learning_rate": learning_rate, "checkpointing": checkpointing or None,
        "seed": seed,
    })  # fmt: skip
    shared = {"image": image, "text": text, "language": language, "limit": limit, "revision": revision}
    whole = options.open_data(data, max_bad_share, split=split, **shared)
    proof = options.open_data(data, max_bad_share, split=test_split, **shared) if test_split else None
    opened = options.open_encoder(encoder, dtype, device)
    matcher = None if model is None else _cross_encoder(model, dtype, device, weight=weight, counts=counts)
    told: dict[str, Any] = {
        "matcher": matcher,
        "recipe": recipe, "test": proof, "near": near, "max_bad_share": max_bad_share,
        "prices": Prices(usd_per_hour, brl_per_usd), "disk": None if disk is None else read_size(disk),
    }  # fmt: skip
    if out is None or dry_run:
        plan = predict_elip(opened, whole, **told)
        Console().print(f"{encoder}: {plan.said(spoken)}", soft_wrap=True)
        for grid in plan.grids(spoken):
            Console().print(GridView(grid))
    else:
        Console().print(trained_view(train_elip(opened, whole, out=out, **told), spoken))


@app.command(
    help=options.examples(
        "luneta rerank fit my_photos/ -e siglip2-b16 --model Salesforce/blip2-itm-vit-g-coco --out itm",
        "luneta rerank fit my_photos/ --split val --test-split test --model Salesforce/blip2-itm-vit-g --weight 0.05 "
        "--candidates 20 --out itm",
    )(
        "Make a re-ranker of a cross-encoder, which looks at a text and a picture together: BLIP-2's image-text "
        "matching, or an object of yours. Nothing is trained; how far it is believed is chosen on DATA, and where no "
        "gain is sure it changes nothing."
    )
)
def fit(
    data: options.Data,
    model: Annotated[
        str,
        typer.Option(
            help="BLIP-2 checkpoint for image-text matching: hub id or folder; or [i]package.module:Object[/i].",
            rich_help_panel=options.ENCODER_PANEL,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the result; reranker/ in it is the re-ranker.")],
    encoder: options.OneEncoder = "luneta-mini",
    image: options.Image = None,
    text: options.Text = None,
    split: options.Split = None,
    language: options.Language = None,
    limit: options.Limit = None,
    revision: options.Revision = None,
    max_bad_share: options.MaxBadShare = 0.01,
    dtype: options.DType = "auto",
    device: options.Device = "auto",
    weight: Weight = 1.0,
    counts: Counts = "probability",
    candidates: Annotated[
        int, typer.Option(min=1, help="Of each text, that are looked at again at most.", rich_help_panel=HOW)
    ] = 100,
    near: options.Near = True,
    seed: Annotated[int, typer.Option(help="Of everything random.", rich_help_panel=HOW)] = 0,
    test_split: options.TestSplit = None,
    usd_per_hour: options.UsdPerHour = None,
    brl_per_usd: options.BrlPerUsd = None,
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.cost import Prices
    from luneta.rerank import fit_reranker
    from luneta.rerank.tables import trained_view

    spoken = speech.speak(locale)
    checks.check_encoder(encoder)
    crossing = _cross_encoder(model, dtype, device, weight=weight, counts=counts)
    shared = {"image": image, "text": text, "language": language, "limit": limit, "revision": revision}
    whole = options.open_data(data, max_bad_share, split=split, **shared)
    proof = options.open_data(data, max_bad_share, split=test_split, **shared) if test_split else None
    opened = options.open_encoder(encoder, dtype, device)
    fitted = fit_reranker(
        opened, crossing, whole, out=out, test=proof, near=near, k=candidates, max_bad_share=max_bad_share, seed=seed,
        prices=Prices(usd_per_hour, brl_per_usd),
    )  # fmt: skip
    Console().print(trained_view(fitted, spoken))


@app.command(
    help=options.examples(
        "luneta rerank evaluate elip/reranker cenas --split test",
        "luneta rerank evaluate elip/reranker my_photos/ --text caption --json reranked.json",
        "luneta rerank evaluate elip/reranker imagenet_r/ --k 100 --k 500 --k 1000",
    )("Measure an encoder alone and re-ranked, on the same texts, with paired intervals.")
)
def evaluate(
    folder: Folder,
    data: options.Data,
    encoder: OwnEncoder = None,
    model: OwnModel = None,
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
    k: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Candidates that are looked at again; may be given several times, and each is looked at once.",
            show_default="as it was chosen",
        ),
    ] = None,
    cache: Annotated[bool, typer.Option(help="Reuse vectors of an earlier run of the same encoder.")] = True,
    json: Annotated[
        Path | None,
        typer.Option(
            help="Write the re-ranked result here, and the encoder's beside it as NAME.before.json; of several k, "
            "one file each, as NAME.k100.json."
        ),
    ] = None,
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.layouts import GridView
    from luneta.rerank.evaluation import evaluate_depths
    from luneta.rerank.messages import RERANK
    from luneta.wording import translator_of, written

    spoken = speech.speak(locale)
    reranker = _opened(folder, encoder, model, dtype, device)
    ks = sorted(set(k or [reranker.fusion.k]))
    files = (
        {}
        if json is None
        else {n: json.with_name(f"{json.stem}.k{n}{json.suffix}") if len(ks) > 1 else json for n in ks}
    )
    before = None if json is None else json.with_name(f"{json.stem}.before{json.suffix}")
    checks.check_outputs([*files.values(), *([before] if before else [])], None)
    dataset = options.open_data(
        data, max_bad_share, image=image, text=text, split=split, language=language, limit=limit, seed=seed,
        revision=revision,
    )  # fmt: skip
    found = evaluate_depths(reranker, dataset, ks, cache=cache, max_bad_share=max_bad_share)
    console = Console()
    console.print(GridView((found if len(ks) > 1 else found.at(ks[0])).grid(spoken)))
    pace = written(f"{found.cost['ms_per_text']:.1f}", spoken)
    console.print(translator_of(spoken, RERANK)("rerank_pace", ms=pace), highlight=False)
    for n, path in files.items():
        found.after[n].save(path)
    if before is not None:
        found.before.save(before)


@app.command(
    help=options.examples(
        'luneta rerank apply elip/reranker my_photos/ --query "a red boat on the beach" --top 5',
    )("Search the pictures of a data set for texts, re-ranked.")
)
def apply(
    folder: Folder,
    data: options.Data,
    query: Annotated[list[str], typer.Option("--query", "-q", help="What to search for; may be given several times.")],
    top: Annotated[int, typer.Option(min=1, help="Pictures to show.")] = 10,
    encoder: OwnEncoder = None,
    model: OwnModel = None,
    image: options.Image = None,
    text: options.Text = None,
    split: options.Split = None,
    language: options.Language = None,
    limit: options.Limit = None,
    revision: options.Revision = None,
    max_bad_share: options.MaxBadShare = 0.01,
    dtype: options.DType = "auto",
    device: options.Device = "auto",
    json: Annotated[Path | None, typer.Option(help="Write all hits here.")] = None,
    locale: options.Locale = "en",
) -> None:
    from dataclasses import asdict

    from rich.console import Console

    from luneta.artifacts import check_writable, write_json
    from luneta.layouts import GridView
    from luneta.rerank.application import answer
    from luneta.rerank.tables import hits_grid

    spoken = speech.speak(locale)
    if json is not None:
        check_writable(json)
    reranker = _opened(folder, encoder, model, dtype, device)
    dataset = options.open_data(
        data, max_bad_share, image=image, text=text, split=split, language=language, limit=limit, revision=revision
    )
    hits = answer(reranker, dataset, query, top=top, max_bad_share=max_bad_share)
    for sought, found in zip(query, hits, strict=True):
        Console().print(GridView(hits_grid(sought, found, spoken)))
    if json is not None:
        write_json(json, [{"query": q, "hits": [asdict(hit) for hit in f]} for q, f in zip(query, hits, strict=True)])


def _recipe(variant: str, hidden: str | None, choices: dict[str, Any]) -> ElipRecipe:
    """A variant's settings with what was said otherwise."""
    from dataclasses import replace

    from luneta.errors import ConfigError
    from luneta.rerank.recipe import recipe_of

    given = {name: value for name, value in choices.items() if value is not None}
    if hidden is not None:
        try:
            given["hidden"] = tuple(int(width) for width in hidden.split(",") if width.strip())
        except ValueError:
            raise ConfigError(f"hidden is {hidden!r}, expected widths as 512,512") from None
    return replace(recipe_of(variant), **given)


def _opened(folder: Path, encoder: str | None, model: str | None, dtype: str, device: str) -> Reranker:
    """A re-ranker with its encoder, and with its cross-encoder where it has one."""
    from luneta.encoders.custom import names_code
    from luneta.errors import ConfigError
    from luneta.rerank.builtin import located
    from luneta.rerank.kinds import read_record
    from luneta.rerank.reranker import Reranker

    record = read_record(located(folder))
    name = encoder or str(record["encoder"]["name"])
    if encoder is None and names_code(name):  # what a file says must not decide which code runs
        raise ConfigError(f"{folder} was made for {name}, an object of your own: give it (--encoder {name})")
    checks.check_encoder(name)
    if dtype == "auto" and record["encoder"].get("dtype") == "float32" and not names_code(name):
        dtype = "float32"  # as it was chosen and measured; other formats not every machine computes in
    given = None
    if model is not None:
        given = _cross_encoder(model, dtype, device, **record.get("cross_encoder", {}).get("options", {}))
    return Reranker.load(folder, options.open_encoder(name, dtype, device), cross_encoder=given)


def _cross_encoder(name: str, dtype: str, device: str, **how: Any) -> CrossEncoder:
    """A checkpoint as the options say; an object of the user's decides itself where it computes and in what."""
    from luneta.encoders.custom import names_code
    from luneta.encoders.registry import load_cross_encoder

    if not names_code(name):
        how |= {"dtype": dtype, "device": device}
    return load_cross_encoder(name, **how)
