"""Re-ranking in miniature: what ELIP teaches the built-in encoders, what it needs for that, and what they ship.

The encoders know flat drawings. A re-ranker learns to look at sketches (and goes on looking at flat drawings) in the
light of the text; the encoder stays as it is. Every number is measured on pictures that were not learnt from, before
and after, paired by text. The tables are those of EXPERIMENTS.md.

    python scripts/reranking.py ship                    # the re-rankers beside the encoders' weights; half an hour
    python scripts/reranking.py choose                  # how far these are believed, and how far they look; minutes
    python scripts/reranking.py flat --out reranking    # on the flat drawings that the encoders know; ten minutes each
    python scripts/reranking.py vary --out reranking    # with and without each part of the method; an hour and a half
    python scripts/reranking.py vary --out reranking --encoders luneta-mini --only whole diagonal
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import luneta
from luneta.data.dataset import ImageTextDataset
from luneta.data.joining import join_datasets
from luneta.encoders.presets import BUNDLED
from luneta.evaluation import embed_cached, evaluate_embeddings
from luneta.grids import Grid
from luneta.rerank import ElipRecipe, Fusion, Reranker, Reranking, evaluate_reranked
from luneta.rerank.builtin import folder_of
from luneta.rerank.choosing import KS, choose
from luneta.rerank.evaluation import SHOWN
from luneta.rerank.honesty import Answer
from luneta.rerank.keeping import resumable
from luneta.rerank.lists import Lists
from luneta.rerank.recipe import RESULT
from luneta.rerank.search import found_by
from luneta.rerank.tables import choice_grid, early_exit_grid
from luneta.rerank.training import ElipTraining
from luneta.types import Encoder

SHIPPED = ElipRecipe(insert_layer=-2, queries=64, steps=1000, validated=300)
FLAT = replace(SHIPPED, insert_layer=-1, steps=2000)
SHORT = ElipRecipe(insert_layer=-2, queries=32, steps=300, validated=200, validations=5)

DECIDING = 400
"""Sketches on which it was chosen how far the shipped ones are believed."""

ABLATIONS: Mapping[str, ElipRecipe] = {
    "whole": SHORT,
    "random pictures only": replace(SHORT, hard=0, random=7),
    "hard pictures only": replace(SHORT, hard=7, random=0),
    "batches of neighbours": replace(SHORT, batches="global", queries=16),
    "open from the start": replace(SHORT, gated=False),
    "last block only": replace(SHORT, insert_layer=-1),
    "diagonal": SHORT,
}
"""Each but the first leaves out or exchanges one part; "diagonal" shows every picture in its own caption's light."""

FURTHER: Mapping[str, ElipRecipe] = {
    "diagonal, open from the start": replace(SHORT, gated=False),
    "diagonal, pooled with the prompts": replace(SHORT, gated=False, keep_prompts=True),
    "diagonal, by softmax": replace(SHORT, loss="softmax"),
}
"""What might keep luneta-mini-siglip from collapsing: a gate, a pooling head that sees no prompts, the sigmoid loss."""

PROVED: Mapping[str, int | None] = {"test": 500, "compositional": None}
"""Splits of sketches that the variants are proved on, and how many pictures of each; None: all."""


class Diagonal(ElipTraining):
    """The mistake of a published replication: t_i . v(picture j in the light of j's own caption)."""

    def similarity(self, lists: Lists, chosen: np.ndarray, pairs: Tensor) -> Tensor:
        captions = np.array([self.plan.dataset.texts_of(int(image))[0] for image in chosen])
        own = torch.arange(len(chosen))[:, None].expand(-1, 2)
        seen = self.elip.seen(torch.from_numpy(self.texts.vectors[captions]), self.pictures.of(chosen), own)
        return (seen[pairs[:, 1]] * torch.from_numpy(self.texts.vectors[lists.texts])[pairs[:, 0]]).sum(dim=1)


def cenas(split: str, style: str = "flat", limit: int | None = None) -> ImageTextDataset:
    source = "cenas" if style == "flat" else f"cenas/{style}"
    return luneta.open_dataset(source, split=split, language="en", limit=limit)


def encoder_of(name: str) -> Encoder:
    return luneta.load_encoder(name, dtype="float32")


def tests() -> Iterator[tuple[str, ImageTextDataset]]:
    for split in ("test", "compositional"):
        for style in ("sketch", "flat"):
            yield f"{style} {split}", cenas(split, style, limit=500 if split == "test" else None)


def ship(names: Sequence[str], out: Path) -> None:
    """Train the built-in encoders' re-rankers and put them where they are loaded from."""
    for name in names:
        train = join_datasets([cenas("train", "sketch", limit=8000), cenas("train", limit=4000)])
        found = luneta.train_elip(
            encoder_of(name), train, validation=cenas("val", "sketch", limit=DECIDING), out=out / name, recipe=SHIPPED
        )
        print(found, flush=True)
        shutil.copytree(out / name / "reranker", folder_of(name), dirs_exist_ok=True)


def choose_again(names: Sequence[str]) -> None:
    """Alpha, k and early exit of the shipped re-rankers, on the pictures that decided when they were trained."""
    for name in names:
        encoder = encoder_of(name)
        reranker = Reranker.load(folder_of(name), encoder)
        embeddings = embed_cached(encoder, cenas("val", "sketch", limit=DECIDING))
        found = found_by(embeddings, evaluate_embeddings(embeddings), max(KS))
        rescorer = resumable(reranker.rescorer)
        choice = choose(
            found, rescorer.rescore(found.queries, rescorer.pictures(found.dataset.images), found.candidates)
        )
        for grid in (choice_grid(choice, choice.fusion), early_exit_grid(choice, choice.fusion)):
            if grid is not None:
                print(replace(grid, title=f"{name}: {grid.title}").write("markdown"), flush=True)


def flat(names: Sequence[str], out: Path) -> None:
    """Train on the drawings that the encoders know; and what that does on other ones, believed or not."""
    for name in names:
        found = luneta.train_elip(encoder_of(name), cenas("train"), validation=cenas("val"), out=out / name / "flat",
                                  recipe=FLAT)  # fmt: skip
        print(found, flush=True)
        for split in ("test", "compositional"):
            believed = replace(found.reranker, fusion=Fusion(0.5, max(KS)))
            print(f"{split}, at alpha 0.5:", evaluate_reranked(believed, cenas(split)), flush=True)


def proofs(names: Sequence[str]) -> None:
    """What the shipped re-rankers do, on every test split and style."""
    rows = []
    for name in names:
        reranker = Reranker.load(folder_of(name), encoder_of(name))
        for title, data in tests():
            rows.append((name, title, *cells(evaluate_reranked(reranker, data), ("recall@1", "recall@10", "mrr"))))
            print(" | ".join(rows[-1]), flush=True)
    header = ("encoder", "pictures", "recall@1", "recall@10", "MRR", "ms a text")
    print(Grid("Re-ranked", header, tuple(rows)).write("markdown"))


def vary(names: Sequence[str], ablations: Sequence[str], out: Path) -> None:
    """Train with and without each part of the method, on sketches, and prove it; what is done already is read again."""
    trained: list[Sequence[str]] = []
    proved: dict[str, list[Sequence[str]]] = {split: [] for split in PROVED}
    for name in names:
        for ablation in ablations:
            folder = out / name / ablation.replace(" ", "-")
            if not (folder / RESULT).is_file():
                learn(name, ablation, folder)
            trained.append((f"{name}, {ablation}", *what_was_learnt(json.loads((folder / RESULT).read_text()))))
            print(" | ".join(trained[-1]), flush=True)
            for split, rows in proved.items():
                found = proof(name, folder, split)
                if ablation == ablations[0]:
                    rows.append((f"{name} alone", *cells_alone(found)))
                rows.append((f"{name}, {ablation}", *cells_after(found)))
                print(split, "|", " | ".join(rows[-1]), flush=True)
    header = ("encoder and variant", "seconds", "MRR by alpha (validation)", "alpha", "questions")
    print(Grid("Trained on sketches", header, tuple(map(tuple, trained))).write("markdown"))
    for split, rows in proved.items():
        proof_header = ("encoder and variant", *SHOWN, "ms a text")
        print(Grid(f"Proved on sketches, {split} split", proof_header, tuple(map(tuple, rows))).write("markdown"))


def learn(name: str, ablation: str, out: Path) -> None:
    luneta.train_elip(
        encoder_of(name), cenas("train", "sketch", limit=4000), validation=cenas("val", "sketch", limit=200),
        test=cenas("test", "sketch", limit=PROVED["test"]), out=out,
        recipe={**ABLATIONS, **FURTHER}[ablation],
        trained_by=Diagonal if ablation.startswith("diagonal") else ElipTraining,
    )  # fmt: skip


def proof(name: str, folder: Path, split: str) -> Reranking:
    """What a re-ranker does on a split of sketches; the training has measured one of them."""
    kept = folder if split == "test" else folder / split
    if not (kept / "after.json").is_file():
        reranker = Reranker.load(folder / "reranker", encoder_of(name))
        found = evaluate_reranked(reranker, cenas(split, "sketch", limit=PROVED[split]))
        found.before.save(kept / "before.json")
        found.after.save(kept / "after.json")
    before, after = (luneta.load_evaluation(kept / f"{which}.json") for which in ("before", "after"))
    wall_s = float(after.cost["wall_s"] or 0)
    return Reranking(before, after, {"ms_per_text": 1000 * wall_s / after.protocol["n_texts"]})


def what_was_learnt(record: Mapping[str, Any]) -> Iterator[str]:
    """Seconds, the curve of alpha at the deepest k, the alpha that was taken, and whether the questions were passed."""
    trials = record["trials"]
    deepest = max(trial["fusion"]["k"] for trial in trials)
    curve = [trials[0]] + [trial for trial in trials[1:] if trial["fusion"]["k"] == deepest]
    failed = [answer["question"] for answer in record["answers"] if not Answer(**answer).passed]
    yield f"{record['cost']['wall_s']:.0f}"
    yield ", ".join(f"{trial['fusion']['alpha']:g}: {trial['value']:.3f}" for trial in curve)
    yield f"{record['fusion']['alpha']:g}"
    yield "no: " + ", ".join(failed) if failed else "yes"


def cells_alone(found: Reranking) -> Iterator[str]:
    for metric in SHOWN:
        yield f"{found.before.metrics['text_to_image'][metric].value:.3f}"
    yield ""


def cells_after(found: Reranking) -> Iterator[str]:
    for metric in SHOWN:
        yield f"{found.after.metrics['text_to_image'][metric].value:.3f}{limits_of(found, metric)}"
    yield f"{found.cost['ms_per_text']:.0f}"


def cells(found: Reranking, metrics: Sequence[str]) -> Iterator[str]:
    for metric in metrics:
        before, after = (result.metrics["text_to_image"][metric].value for result in (found.before, found.after))
        yield f"{before:.3f} -> {after:.3f}{limits_of(found, metric)}"
    yield f"{found.cost.get('ms_per_text', 0):.0f}"


def limits_of(found: Reranking, metric: str) -> str:
    """The 95 % interval of the difference."""
    gain = found.comparison.difference("text_to_image", metric, 0, 1)
    return "" if gain.low is None else f" ({gain.low:+.3f} to {gain.high:+.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("ship", "prove", "choose", "flat", "vary"))
    parser.add_argument("--out", type=Path, default=Path("reranking"), help="folder of what is made on the way")
    parser.add_argument("--encoders", nargs="+", choices=BUNDLED, default=BUNDLED)
    parser.add_argument("--only", nargs="+", choices=(*ABLATIONS, *FURTHER), default=tuple(ABLATIONS), help="variants")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.what == "ship":
        ship(arguments.encoders, arguments.out)
    if arguments.what == "vary":
        vary(arguments.encoders, arguments.only, arguments.out)
    elif arguments.what == "flat":
        flat(arguments.encoders, arguments.out)
    elif arguments.what == "choose":
        choose_again(arguments.encoders)
    else:
        proofs(arguments.encoders)


if __name__ == "__main__":
    main()
