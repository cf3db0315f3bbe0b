"""luneta verify"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luneta.cli import options, speech

HELP = options.examples("luneta verify photos.luneta")(
    "Read every file of a bundle and compare it with the hash that it was sealed with. Exit status 1 where one is "
    "damaged or missing."
)


def command(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")], locale: options.Locale = "en"
) -> None:
    from rich.console import Console

    from luneta.bundles import Bundle
    from luneta.error_messages import framed
    from luneta.errors import ArtifactError
    from luneta.progress import track
    from luneta.search.messages import SEARCH
    from luneta.wording import translator_of, written

    spoken = speech.speak(locale)
    t, console = translator_of(spoken, SEARCH), Console(soft_wrap=True, highlight=False, markup=False)
    opened = Bundle.read(bundle)
    files, wrong = opened.files, []
    with track("verifying", sum(file.n_bytes for file in files)) as advance:
        for file, damage in opened.verify():
            advance(file.n_bytes)
            if damage is not None:
                wrong.append(damage)
    for damage in wrong:
        typer.secho(framed(ArtifactError(damage), spoken), fg="red", err=True)
    if wrong:
        console.print(t("damaged", folder=bundle, n=len(wrong), total=len(files)))
        raise typer.Exit(1)
    size = f"{written(f'{sum(file.n_bytes for file in files) / 2**20:,.1f}', spoken)} MiB"
    console.print(t("verified", folder=bundle, n=len(files), size=size))
