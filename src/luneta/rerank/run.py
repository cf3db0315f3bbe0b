"""train_elip(encoder, data): a re-ranker for one's own pairs, used only as far as it has shown that it helps."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.cost import Prices
from luneta.data.dataset import ImageTextDataset, Indexes
from luneta.data.relevance import merged_pairs
from luneta.embedding import Embeddings
from luneta.errors import ConfigError
from luneta.evaluation import embed_cached, evaluate_embeddings
from luneta.finetuning.claims import claimed, is_done
from luneta.finetuning.negatives import Miner
from luneta.finetuning.parts import MOST_VALIDATED, Parts, apart
from luneta.finetuning.prediction import scratch
from luneta.ledger import entered, ledger_is_wanted
from luneta.rerank.choosing import KS, choose
from luneta.rerank.disk import Sizes, decided, folder_bytes, free_bytes, is_begun, write_decision
from luneta.rerank.elip import Elip, promptable
from luneta.rerank.fitting import chosen_on, prove
from luneta.rerank.honesty import question
from luneta.rerank.keeping import resumable
from luneta.rerank.kinds import INSIDE, identity_of
from luneta.rerank.lists import ListPlan
from luneta.rerank.outcome import Outcome
from luneta.rerank.plan import Plan, rehearse, with_what_comes_before
from luneta.rerank.recipe import RESULT, ElipRecipe
from luneta.rerank.reranker import Reranker, believed
from luneta.rerank.search import Found, Queries, found_by
from luneta.rerank.training import ElipTraining
from luneta.types import Encoder, Matcher

logger = logging.getLogger("luneta")

PLANNED_ON = 2000
"""Pictures that a plan looks at; of more it is reckoned."""

WATCHED = 20
"""Candidates of each text that are looked at again when it is measured on the way."""


@dataclass(frozen=True, eq=False)
class ElipTrained(Outcome):
    """What came out of the training of a re-ranker.

    Attributes:
        folder, reranker, choice, answers, test, cost: as of every `Outcome`.
        history: what was measured on the way.
        n_train, n_val: images.
        n_leaked: images left out of training because the validation or test part has the same thing.
    """

    schema = "luneta.elip/1"
    result = RESULT

    history: Sequence[Mapping[str, float]]
    n_train: int
    n_val: int
    n_leaked: int

    def to_dict(self) -> dict[str, Any]:
        """Schema luneta.elip/1."""
        spec = self.reranker.encoder.spec
        return {
            **super().to_dict(),
            "encoder": {"name": spec.name, "fingerprint": spec.fingerprint},
            "recipe": self.reranker.record["recipe"],
        }


def train_elip(
    encoder: Encoder,
    train: ImageTextDataset,
    *,
    out: str | os.PathLike[str],
    recipe: ElipRecipe | None = None,
    matcher: Matcher | None = None,
    validation: ImageTextDataset | None = None,
    test: ImageTextDataset | None = None,
    near: bool = True,
    max_bad_share: float = 0.01,
    prices: Prices | None = None,
    disk: float | None = None,
    trained_by: type[ElipTraining] = ElipTraining,
) -> ElipTrained:
    """Train a re-ranker: the candidates an encoder finds are looked at again in the light of the text.

    What the validation and test parts hold, or anything near it, is taken out of the training part first. How far the
    re-ranker is believed is chosen on the validation part, and it is used only if its gain there is sure and it does
    what it says; else it is kept with alpha 0 and changes nothing. Steps that were done are on the disk: a run that was
    killed goes on when it is called again with the same arguments, and of one that has ended everything is read from
    its folder, but for the pictures of its proof (`ElipTrained.pictured`).

    Args:
        encoder: what `load_encoder` returns; its weights do not change.
        train: what to learn from.
        out: folder of the result: `reranker/`, `elip.json`, and `before.json` and `after.json` of the test part.
        recipe: how; None takes what works on thousands of pairs.
        matcher: a cross-encoder that looks at the candidates in the encoder's place, as in ELIP-B; what
            `load_cross_encoder` returns. None: the encoder itself.
        validation: what it is chosen on; None takes a tenth of `train`, by groups.
        test: what the proof is measured on; None gives no proof.
        near: look for near-identical pictures too when parts are kept apart, which decodes every picture.
        max_bad_share: above this share of pictures that cannot be read nothing is begun.
        prices: of the machine's hours.
        disk: bytes that may be written while it lasts, vectors included; None: what is free. What pictures come to
            before the prompts is kept in files if it fits, and else computed anew at every look.
        trained_by: what makes the steps; a subclass of yours tries another way of learning.

    Raises:
        ConfigError: an encoder that takes no prompts, a model without a fingerprint, a recipe that does not fit, a
            folder that holds other things, or a disk too small for the least of it.
        DatasetError: nothing is left to learn from or to choose on, or too many pictures cannot be read.
        TrainingError: the training came to nothing.
    """
    recipe, out, prices, able = recipe or ElipRecipe(), Path(out), prices or Prices(), promptable(matcher or encoder)
    for model in (encoder, matcher):
        if model is not None:
            identity_of(model)  # before the work: without a fingerprint nothing could be saved
    identity = {
        "encoder": encoder.spec.fingerprint,
        "data": [None if data is None else data.fingerprint for data in (train, validation, test)],
        "recipe": recipe.to_dict(),
        "near": near,
        "matcher": None if matcher is None else matcher.fingerprint,
        "trained_by": None if trained_by is ElipTraining else trained_by.__qualname__,
    }
    if is_done(out, identity, RESULT):
        if trained_by is not ElipTraining:
            raise ConfigError(
                f"{out} holds a finished training by {trained_by.__qualname__}, which may have been edited since; "
                "choose another folder, or remove it"
            )
        return ElipTrained.load(out, encoder, cross_encoder=matcher)
    elip = Elip.untrained(able, recipe)
    about = {"encoder": encoder.spec.name, "data": train.name, "method": "elip", "out": str(out)}
    with contextlib.ExitStack() as claims:
        with entered("rerank", about, device=encoder.spec.device, prices=prices) as run:
            parts = apart(train, validation, _several(test), near, recipe.seed, max_bad_share)
            folder = out / "training"
            sizes = Sizes.of(elip, parts.train, parts.validation, encoder.spec.embedding_dim)
            kept = decided(folder, sizes, free_bytes(out) if disk is None else disk)  # before anything is written
            claims.enter_context(claimed(out, {**identity, "parts": parts.fingerprint}, RESULT))
            is_new = not is_begun(folder)
            write_decision(folder, kept)
            training, found = _training(encoder, elip, parts, recipe, folder, trained_by)
            start_s = time.perf_counter()
            for name in training.seen.keys() - set(kept):
                training.seen[name].keep_nothing()
            plan = rehearse(training, found, run.meter.device, prices, sizes, kept)
            logger.info("%s: training the re-ranker takes %s", encoder.spec.name, plan)
            run.note(predicted_s=plan.seconds, predicted_usd=plan.usd, predicted_disk_mib=plan.disk_mib)
            for name in kept:
                training.seen[name].keep_in(training.folder / name)
            training.run()
            written = sizes.by_part(())["vectors"] + folder_bytes(training.folder)
            rescorer = resumable(elip)
            new = rescorer.rescore(found.queries, training.watched, found.candidates)
            choice = choose(found, new, own_scale=elip.own_scale, seed=recipe.seed)
            answers = question(rescorer, training.watched, found, new, choice.fusion, seed=recipe.seed)
            record = {
                "recipe": recipe.to_dict(), "data": _named(parts.train),
                "validation": chosen_on(found.dataset, train if validation is None else validation),
            }  # fmt: skip
            reranker = believed(Reranker(encoder, elip, choice.fusion, answers, record))
            reranker.save(out / INSIDE)
            took = time.perf_counter() - start_s
            proof = None if test is None else prove(reranker, test, max_bad_share)
            after = choice.value if reranker.fusion.changes else choice.baseline
            run.facts.update(mrr_before=choice.baseline, mrr_after=after, alpha=reranker.fusion.alpha)
            if is_new:  # else only a part of what was predicted was left
                run.facts.update(actual_s=took, actual_disk_mib=written / 2**20)
        trained = ElipTrained(
            out / INSIDE, reranker, choice, answers, proof, run.facts, training.history, parts.train.n_images,
            parts.validation.n_images, parts.n_leaked,
        )  # fmt: skip
        trained.save()
        shutil.rmtree(out / "training", ignore_errors=True)
    return trained


def predict_elip(
    encoder: Encoder,
    train: ImageTextDataset,
    *,
    recipe: ElipRecipe | None = None,
    matcher: Matcher | None = None,
    validation: ImageTextDataset | None = None,
    test: ImageTextDataset | None = None,
    near: bool = True,
    max_bad_share: float = 0.01,
    prices: Prices | None = None,
    disk: float | None = None,
) -> Plan:
    """What `train_elip` with the same arguments would take from its beginning to the choice.

    Of many pictures a few thousand are looked at, and a few steps are tried on them. Nothing is written but their
    vectors, into the cache.

    Raises:
        ConfigError, DatasetError: as `train_elip`.
    """
    recipe, prices = recipe or ElipRecipe(), prices or Prices()
    elip = Elip.untrained(promptable(matcher or encoder), recipe)
    about = {"encoder": encoder.spec.name, "data": train.name, "method": "elip"}
    with entered("predict", about, device=encoder.spec.device, prices=prices, written=ledger_is_wanted()) as run:
        start = time.perf_counter()
        some = _some(train, recipe.seed)
        parts = apart(some, validation, _several(test), near, recipe.seed, max_bad_share)
        factor = train.n_images / some.n_images
        apart_s = factor * (time.perf_counter() - start)
        sizes = Sizes.of(elip, parts.train, parts.validation, encoder.spec.embedding_dim)
        watched = 1.0 if validation is not None else min(factor, MOST_VALIDATED / sizes.n_watched)
        sizes = sizes.times(factor, max(1.0, watched))
        kept = sizes.kept(free_bytes(Path.cwd()) if disk is None else disk)
        with scratch() as folder:
            training, found = _training(encoder, elip, parts, recipe, folder)
            for name in training.seen.keys() - set(kept):
                training.seen[name].keep_nothing()
            plan = rehearse(training, found, run.meter.device, prices, sizes, kept)
        return with_what_comes_before(plan, encoder, parts.train, sizes, apart_s, run.meter.device, prices)


def _named(data: ImageTextDataset) -> dict[str, str]:
    return {"name": data.name, "fingerprint": data.fingerprint}


def _some(data: ImageTextDataset, seed: int) -> ImageTextDataset:
    """What a plan looks at of it."""
    if data.n_images <= PLANNED_ON:
        return data
    return data.without_images(np.random.default_rng(seed).permutation(data.n_images)[PLANNED_ON:].tolist())


def _several(test: ImageTextDataset | None) -> Sequence[ImageTextDataset]:
    return () if test is None else (test,)


def _training(
    encoder: Encoder,
    elip: Elip,
    parts: Parts,
    recipe: ElipRecipe,
    folder: Path,
    trained_by: type[ElipTraining] = ElipTraining,
) -> tuple[ElipTraining, Found]:
    """The training, and what the encoder alone finds on the validation part."""
    learnt, watched = (embed_cached(encoder, data) for data in (parts.train, parts.validation))
    groups = np.delete(parts.groups, list(learnt.left_out))
    found = found_by(watched, evaluate_embeddings(watched), max(KS))
    hard = _hard(learnt, groups, recipe)
    similarity = _scaled(learnt, hard) if recipe.drawn_by == "similarity" else None
    plan = ListPlan(learnt.dataset, merged_pairs(learnt.dataset), groups, hard, recipe, similarity)
    pictures, others = elip.pictures(learnt.dataset.images), elip.pictures(found.dataset.images)
    sample = found.cut(WATCHED).sample(recipe.validated, recipe.seed)
    texts = elip.read(Queries(list(learnt.dataset.texts), learnt.texts))
    return trained_by(elip, plan, texts, pictures, sample, others, folder), found


def _hard(learnt: Embeddings, groups: Indexes, recipe: ElipRecipe) -> Indexes:
    """(n_texts, pool) images that the encoder takes for the right one."""
    device = learnt.encoder.device if learnt.encoder.device.startswith("cuda") else None
    miner = Miner(n=recipe.pool, suspicious=recipe.suspicious, device=device)
    return miner.of_texts(learnt.dataset, learnt.images, learnt.texts, groups)


def _scaled(learnt: Embeddings, hard: Indexes) -> NDArray[np.float32]:
    """(n_texts, n) cosines of texts and the images of `hard`, scaled as the encoder was trained."""
    scale = learnt.encoder.logit_scale
    if scale is None:
        raise ConfigError(
            f"{learnt.encoder.name} does not say by how much its scores were scaled in training (logit_scale), so that "
            "nothing can be drawn by similarity; take drawn_by='rank'"
        )
    found = np.empty(hard.shape, dtype=np.float32)
    for row, images in enumerate(hard):
        found[row] = scale * (learnt.images[images] @ learnt.texts[row])
    return found
