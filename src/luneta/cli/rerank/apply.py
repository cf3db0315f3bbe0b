"""luneta rerank apply"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options, speech
from luneta.cli.rerank import models

HELP = options.examples(
    'luneta rerank apply elip/reranker my_photos/ --query "a red boat on the beach" --top 5',
    'luneta rerank apply luneta-mini cenas/sketch:test --query "a pink clock in a living room"',
)("Search the pictures of a data set for texts, re-ranked.")


def command(
    folder: models.Folder,
    data: options.Data,
    query: Annotated[list[str], typer.Option("--query", "-q", help="What to search for; may be given several times.")],
    top: Annotated[int, typer.Option(min=1, help="Pictures to show.")] = 10,
    encoder: models.OwnEncoder = None,
    model: models.OwnModel = None,
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
    from luneta.rerank.messages import RERANK
    from luneta.wording import translator_of

    spoken, console = speech.speak(locale), Console()
    if json is not None:
        check_writable(json)
    dataset = options.open_data(
        data, max_bad_share, image=image, text=text, split=split, language=language, limit=limit, revision=revision
    )
    reranker = models.open_reranker(folder, encoder, model, dtype, device)
    from luneta.rerank.application import answer
    from luneta.rerank.tables import hits_grid

    hits = answer(reranker, dataset, query, top=top, max_bad_share=max_bad_share)
    for sought, found in zip(query, hits, strict=True):
        console.print(GridView(hits_grid(sought, found, spoken)))
    if not reranker.fusion.changes:
        console.print(translator_of(spoken, RERANK)("rerank_idle"), soft_wrap=True)
    if json is not None:
        write_json(json, [{"query": q, "hits": [asdict(hit) for hit in f]} for q, f in zip(query, hits, strict=True)])
