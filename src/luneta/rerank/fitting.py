"""fit_reranker(encoder, cross_encoder, data): a cross-encoder as a re-ranker, believed as far as it has shown."""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luneta.cost import Prices
from luneta.data.dataset import ImageTextDataset
from luneta.data.groups import find_groups
from luneta.evaluation import embed_cached, evaluate_embeddings
from luneta.finetuning.claims import claimed, is_done
from luneta.finetuning.parts import untested
from luneta.ledger import entered
from luneta.rerank.choosing import KS, choose
from luneta.rerank.crossing import Crossed
from luneta.rerank.evaluation import Reranking, rerank_evaluation
from luneta.rerank.honesty import question
from luneta.rerank.keeping import resumable
from luneta.rerank.kinds import INSIDE, identity_of
from luneta.rerank.outcome import Outcome
from luneta.rerank.reranker import Reranker, believed
from luneta.rerank.search import check_depth, found_by
from luneta.types import CrossEncoder, Encoder

logger = logging.getLogger("luneta")

RESULT = "fitted.json"


@dataclass(frozen=True, eq=False)
class RerankerFitted(Outcome):
    """A cross-encoder as a re-ranker, and why it is used as it is.

    Attributes:
        folder, reranker, choice, answers, test, cost: as of every `Outcome`.
    """

    schema = "luneta.fitted/1"
    result = RESULT

    def to_dict(self) -> dict[str, Any]:
        """Schema luneta.fitted/1."""
        return {**super().to_dict(), "encoder": identity_of(self.reranker.encoder), **self.reranker.record}


def fit_reranker(
    encoder: Encoder,
    cross_encoder: CrossEncoder,
    validation: ImageTextDataset,
    *,
    out: str | os.PathLike[str],
    test: ImageTextDataset | None = None,
    near: bool = True,
    k: int = max(KS),
    max_bad_share: float = 0.01,
    seed: int = 0,
    prices: Prices | None = None,
) -> RerankerFitted:
    """Choose how far a cross-encoder is believed on what an encoder finds. Nothing is trained.

    It is used only if its gain on the validation part is sure and it does what it says; else it is kept with alpha 0
    and changes nothing. Scores are kept as they are computed, as vectors are: what was killed goes on where it was when
    it is called again with the same arguments, and of what has ended everything is read from its folder, but for the
    pictures of its proof (`RerankerFitted.pictured`).

    Args:
        encoder: what `load_encoder` returns: it finds the candidates.
        cross_encoder: what `load_cross_encoder` returns, or an object of yours: it looks at them again.
        validation: what it is chosen on.
        out: folder of the result: `reranker/`, `fitted.json`, and `before.json` and `after.json` of the test part.
        test: what the proof is measured on; None gives no proof. What it holds, or anything near it, decides nothing.
        near: look for near-identical pictures too when the two are kept apart, which decodes every picture.
        k: candidates of each text that are looked at, at most.
        max_bad_share: above this share of pictures that cannot be read nothing is begun.
        seed: of the halves, the exchange of queries and the bootstrap.
        prices: of the machine's hours.

    Raises:
        ConfigError: a model without a fingerprint, or a folder that holds other things.
        DatasetError: the test part holds all of the validation part, or too many pictures cannot be read.
        EncoderError: a vector or a score is no number.
    """
    out, prices, given = Path(out), prices or Prices(), validation
    check_depth(k)
    models = {"encoder": identity_of(encoder), "cross_encoder": identity_of(cross_encoder)}
    identity = {
        **{name: model["fingerprint"] for name, model in models.items()},
        "data": [None if data is None else data.fingerprint for data in (validation, test)],
        "near": near, "k": k, "seed": seed,
    }  # fmt: skip
    if is_done(out, identity, RESULT):
        return RerankerFitted.load(out, encoder, cross_encoder=cross_encoder)
    crossed = Crossed(cross_encoder)
    rescorer = resumable(crossed)
    about = {"encoder": encoder.spec.name, "data": validation.name, "method": rescorer.kind, "out": str(out)}
    with contextlib.ExitStack() as claims:
        with entered("rerank", about, device=encoder.spec.device, prices=prices) as run:
            if test is not None:
                decides = untested(validation, find_groups([validation, test], near=near, seed=seed), 0)
                validation = validation.without_images(np.flatnonzero(~decides).tolist())
            claims.enter_context(claimed(out, identity, RESULT))
            embeddings = embed_cached(encoder, validation, max_bad_share=max_bad_share)
            found = found_by(embeddings, evaluate_embeddings(embeddings), k)
            pictures = rescorer.pictures(found.dataset.images)
            new = rescorer.rescore(found.queries, pictures, found.candidates)
            choice = choose(found, new, own_scale=rescorer.own_scale, seed=seed)
            answers = question(rescorer, pictures, found, new, choice.fusion, seed=seed)
            record = {"cross_encoder": models["cross_encoder"], "validation": chosen_on(found.dataset, given)}
            reranker = believed(Reranker(encoder, crossed, choice.fusion, answers, record))
            reranker.save(out / INSIDE)
            proof = None if test is None else prove(reranker, test, max_bad_share)
            after = choice.value if reranker.fusion.changes else choice.baseline
            run.facts.update(mrr_before=choice.baseline, mrr_after=after, alpha=reranker.fusion.alpha)
        fitted = RerankerFitted(out / INSIDE, reranker, choice, answers, proof, run.facts)
        fitted.save()
    return fitted


def chosen_on(used: ImageTextDataset, given: ImageTextDataset) -> dict[str, str]:
    """What a re-ranker's record says of the data that alpha and k were chosen on.

    Args:
        used: what was left of it, or a sample.
        given: as it was given; what it was taken out of where nothing was.
    """
    return {"name": used.name, "fingerprint": used.fingerprint, "given": given.fingerprint}


def prove(reranker: Reranker, test: ImageTextDataset, max_bad_share: float) -> Reranking:
    """Before and after on a test part."""
    embeddings = embed_cached(reranker.encoder, test, max_bad_share=max_bad_share)
    return rerank_evaluation(reranker, embeddings, evaluate_embeddings(embeddings))
