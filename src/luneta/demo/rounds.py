"""The data sets of the demo, and what both encoders score on each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from luneta.data.sources import open_dataset
from luneta.embedding import Embeddings, embed
from luneta.evaluation import evaluate_embeddings
from luneta.results import Evaluation
from luneta.types import Encoder

ENCODERS = ("luneta-mini", "luneta-mini-siglip")

RULES = "thesis"
"""The study's own rules of advice, beside the study's own prices."""

USD_PER_HOUR = 0.50
BRL_PER_USD = 5.40


@dataclass(frozen=True, slots=True)
class Round:
    """One data set of the demo; `name` is the key of its label in the report's messages."""

    name: str
    language: str
    style: str

    @property
    def source(self) -> str:
        return "cenas:test" if self.style == "flat" else f"cenas/{self.style}:test"


ROUNDS = (
    Round("demo_round_en_flat", "en", "flat"),
    Round("demo_round_pt_flat", "pt-BR", "flat"),
    Round("demo_round_en_sketch", "en", "sketch"),
    Round("demo_round_en_night", "en", "night"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A round's results, one per encoder, and the vectors of the first encoder, which does the searching."""

    round: Round
    evaluations: Sequence[Evaluation]
    embeddings: Embeddings


def measured_rounds(encoders: Sequence[Encoder], limit: int | None) -> Iterator[Measured]:
    """Every round with every encoder; pictures that two rounds share are embedded once."""
    with tempfile.TemporaryDirectory(prefix="luneta-demo-") as stores:
        for one in ROUNDS:
            dataset = open_dataset(one.source, language=one.language, limit=limit)
            embeddings = [embed(e, dataset, store=Path(stores) / e.spec.name) for e in encoders]
            evaluations = [_priced(evaluate_embeddings(vectors)) for vectors in embeddings]
            yield Measured(one, evaluations, embeddings[0])


def _priced(evaluation: Evaluation) -> Evaluation:
    usd = float(evaluation.cost["wall_s"] or 0) / 3600 * USD_PER_HOUR
    return replace(evaluation, cost={**evaluation.cost, "usd": usd, "brl": usd * BRL_PER_USD})
