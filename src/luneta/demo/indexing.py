"""A bundle of some of the pictures, by the encoder that has learnt Portuguese, and what is found in it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from luneta.bundles import build_bundle
from luneta.bundles.attaching import calibrate
from luneta.bundles.calibration import Calibration
from luneta.data.joining import join_datasets
from luneta.data.sources import open_dataset
from luneta.demo.learning import LANGUAGES
from luneta.encoders.registry import load_encoder
from luneta.search import Hits, Searcher

FOLDER = "demo-search.luneta"
"""A name that nobody else gives: whatever stands there is an earlier demo's, and goes."""

N_PICTURES, LEAST = 400, 100
"""Of the test split; with fewer than the second, too few queries would be left to choose a cut-off by."""

N_ANSWERS = 5
QUERIES = (
    "dois patos roxos no jardim",
    "two purple ducks in the garden",
    "dois patos roxos no jardim - à noite + de dia",
    "um submarino amarelo",  # there is none in this world
)


@dataclass(frozen=True)
class Indexed:
    """A bundle and some searches in it.

    Attributes:
        searcher: that answered.
        calibration: below which scores it says that nothing is relevant, and how often it errs.
        answers: to `QUERIES`.
        seconds: that all of it took.
    """

    searcher: Searcher
    calibration: Calibration
    answers: Sequence[Hits]
    seconds: float


def index_pictures(out: Path, checkpoint: Path, limit: int | None) -> Indexed:
    """Put pictures of the test split with captions in both languages into a bundle, and search in it.

    Args:
        out: the demo's folder; `FOLDER` in it is made anew.
        checkpoint: of the encoder that has learnt both.
        limit: pictures at most, but no fewer than a cut-off needs.
    """
    start = time.perf_counter()
    n = N_PICTURES if limit is None else min(N_PICTURES, max(limit, LEAST))
    data = join_datasets([open_dataset("cenas:test", language=language, limit=n) for language in LANGUAGES])
    folder = out / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    encoder = load_encoder(str(checkpoint.resolve()), dtype="float32")
    build_bundle(encoder, data, folder, cache=False)
    calibration = calibrate(folder, encoder=encoder)
    searcher = Searcher.open(folder)
    answers = [searcher.search(query, top_k=N_ANSWERS) for query in QUERIES]
    return Indexed(searcher, calibration, answers, time.perf_counter() - start)
