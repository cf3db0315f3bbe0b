"""luneta serve"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options, speech

SERVER_PANEL, PAGES_PANEL, LIMITS_PANEL, BATCHING_PANEL = "Server", "Pages", "Limits", "Batching"

HELP = options.examples(
    "luneta serve photos.luneta",
    "luneta serve shop.luneta art.luneta --preset shop=fashion --preset art=art",
    "luneta serve shop.luneta art.luneta --port 8080 --no-pages",
    "luneta serve shop.luneta --host 0.0.0.0 --name search.example.org --token-file token.txt",
    "curl -s http://127.0.0.1:8000/search -H 'Content-Type: application/json' -d '{\"query\": \"a red boat\"}'",
)(
    "Serve bundles: a JSON API (/search, /similar, /embed; /docs says how it is used) and pages for people. Only this "
    "machine reaches it unless [i]--host[/i] says otherwise. A bundle that is brought up to date while it is served "
    "is exchanged without a pause."
)


def command(
    bundles: Annotated[
        list[Path], typer.Argument(help="Folders of bundles, as [i]luneta index[/i] makes them; the first is the "
                                        "one that is meant where a request names none.")
    ],
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 is every one.", rich_help_panel=SERVER_PANEL)
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", rich_help_panel=SERVER_PANEL)
    ] = 8000,
    host_name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Host name that it answers to besides its address; may be given several times.",
                     rich_help_panel=SERVER_PANEL),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with a token that every request has to show.", rich_help_panel=SERVER_PANEL),
    ] = None,
    pages: Annotated[
        bool, typer.Option(help="With pages for people, beside the API.", rich_help_panel=SERVER_PANEL)
    ] = True,
    preset: Annotated[
        list[str] | None,
        typer.Option(help="How the pages show a bundle: fashion, art or a TOML file; BUNDLE=PRESET for one of several. "
                          "May be given several times.", rich_help_panel=PAGES_PANEL),
    ] = None,
    lab_folders: Annotated[
        Path | None,
        typer.Option(help="Folder whose data sets may be measured on the pages.", rich_help_panel=PAGES_PANEL,
                     show_default="none of this machine's"),
    ] = None,
    lab_hub: Annotated[
        bool,
        typer.Option("--lab-hub", help="Let those who reach the server from elsewhere measure public data sets of the "
                                       "Hugging Face hub; on this machine everybody may.",
                     rich_help_panel=PAGES_PANEL),
    ] = False,
    lab_encoder: Annotated[
        list[str] | None,
        typer.Option(help="Encoder that they may measure, besides those of the package; may be given several times.",
                     rich_help_panel=PAGES_PANEL),
    ] = None,
    device: options.Device = "auto",
    log_queries: Annotated[
        bool, typer.Option("--log-queries", help="Write what is searched for into the log.",
                           rich_help_panel=SERVER_PANEL)
    ] = False,
    max_upload_mib: Annotated[
        float, typer.Option("--max-upload", help="MiB of a request at most.", rich_help_panel=LIMITS_PANEL)
    ] = 10.0,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Pixels of a request's pictures at most.", rich_help_panel=LIMITS_PANEL)
    ] = 50_000_000,
    max_concurrency: Annotated[
        int, typer.Option(min=1, help="Requests worked on at once; more are told to come back.",
                          rich_help_panel=LIMITS_PANEL)
    ] = 32,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds after which a request is given up.",
                            rich_help_panel=LIMITS_PANEL)
    ] = 30.0,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Host from which pictures may be fetched by their address; may be given several times.",
                     rich_help_panel=LIMITS_PANEL, show_default="none"),
    ] = None,
    batching: Annotated[
        bool, typer.Option(help="Compute together what is asked at the same time.", rich_help_panel=BATCHING_PANEL)
    ] = True,
    batch_wait_ms: Annotated[
        float, typer.Option(min=0, help="Milliseconds that a query waits for others at most.",
                            rich_help_panel=BATCHING_PANEL)
    ] = 2.0,
    max_batch: Annotated[
        int, typer.Option(min=1, help="Queries computed together at most.", rich_help_panel=BATCHING_PANEL)
    ] = 16,
    locale: options.Locale = "en",
) -> None:  # fmt: skip
    from luneta.errors import ConfigError, MissingExtraError
    from luneta.serving.messages import SERVER
    from luneta.serving.settings import Settings
    from luneta.wording import translator_of

    t = translator_of(speech.speak(locale), SERVER)
    settings = Settings(
        host=host, port=port, token=None if token_file is None else _token(token_file), names=tuple(host_name or ()),
        max_upload_mib=max_upload_mib, max_pixels=max_pixels, max_concurrency=max_concurrency, timeout_s=timeout_s,
        batching=batching, batch_wait_ms=batch_wait_ms, max_batch=max_batch, allowed_hosts=tuple(allow_host or ()),
        log_queries=log_queries, lab_hub=lab_hub, lab_encoders=tuple(lab_encoder or ()),
    )  # fmt: skip
    if not pages and (preset or lab_folders or lab_hub or lab_encoder):
        raise ConfigError("presets and what the lab may do are for pages: leave out --no-pages, or leave them out")
    try:
        from luneta.serving.running import serve
    except ModuleNotFoundError as error:
        if str(error.name).startswith("luneta"):
            raise
        raise MissingExtraError("app", "serving bundles") from error
    if not settings.is_local and settings.token is None:
        typer.secho(t("open_to_all", host=host), fg="yellow", err=True)
    with contextlib.suppress(KeyboardInterrupt):  # whoever serves ends so
        serve(
            bundles, settings, device=device, pages=pages, presets=preset or (), lab_folders=lab_folders,
            ready=lambda address: typer.echo(t("serving", address=address), err=True),
        )  # fmt: skip
    typer.echo(t("stopped"), err=True)


def _token(path: Path) -> str:
    from luneta.errors import ConfigError

    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the token cannot be read from {path}: {getattr(error, 'strerror', error)}") from error
