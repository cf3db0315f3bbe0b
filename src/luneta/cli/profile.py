"""luneta profile"""

from __future__ import annotations

from luneta.artifacts import check_writable
from luneta.cli import options, speech

HELP = options.examples(
    "luneta profile cenas",
    "luneta profile my_photos/ --text caption --report profile.html",
)("Look at a data set before measuring on it: counts, captions, languages, duplicates, pictures, what is broken.")


def command(
    data: options.Data,
    image: options.Image = None,
    text: options.Text = None,
    split: options.Split = None,
    language: options.Language = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    revision: options.Revision = None,
    max_bad_share: options.MaxBadShare = 0.01,
    report: options.Report = None,
    locale: options.Locale = "en",
) -> None:
    from rich.console import Console

    from luneta.profiling import profile
    from luneta.profiling.terminal import profile_view
    from luneta.report.profile import write_profile

    spoken = speech.speak(locale)
    if report:
        check_writable(report)
    dataset = options.open_data(
        data, max_bad_share, image=image, text=text, split=split, language=language,
        limit=limit, seed=seed, revision=revision,
    )  # fmt: skip
    found = profile(dataset)
    console = Console()
    console.print(profile_view(found, spoken))
    if report:
        write_profile(report, found, locale=spoken)
        speech.say(console, spoken, "wrote", what=report)
