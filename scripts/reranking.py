"""Re-ranking in miniature: what ELIP teaches the built-in encoders, what it needs for that, and what they ship.

The encoders know flat drawings. A re-ranker learns to look at sketches (and goes on looking at flat drawings) in the
light of the text; the encoder stays as it is. Every number is measured on pictures that were not learnt from, before
and after, paired by text. The tables are those of EXPERIMENTS.md.

    python scripts/reranking.py ship                    # the re-rankers beside the encoders' weights; half an hour
    python scripts/reranking.py vary --out reranking    # with and without each part of the method; as long
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

import numpy as np
import torch
from torch import Tensor

import luneta
from luneta.data.dataset import ImageTextDataset
from luneta.data.joining import join_datasets
from luneta.encoders.presets import BUNDLED
from luneta.grids import Grid
from luneta.rerank import ElipRecipe, ElipTrained, Reranker, Reranking, evaluate_reranked
from luneta.rerank.builtin import folder_of
from luneta.rerank.lists import Lists
from luneta.rerank.training import ElipTraining
from luneta.types import Encoder

SHIPPED = ElipRecipe(insert_layer=-2, queries=64, steps=1000, validated=300)
SHORT = ElipRecipe(insert_layer=-2, queries=32, steps=300, validated=200, validations=5)

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
            encoder_of(name), train, validation=cenas("val", "sketch", limit=400), out=out / name, recipe=SHIPPED
        )
        print(found, flush=True)
        shutil.copytree(out / name / "reranker", folder_of(name), dirs_exist_ok=True)


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
    """Train with and without each part of the method, on sketches; what was done before this was stopped is kept."""
    out.mkdir(parents=True, exist_ok=True)
    known = out / "rows.json"
    for name in names:
        for ablation in ablations:
            rows: dict[str, list[str]] = json.loads(known.read_text()) if known.is_file() else {}
            if (key := f"{name}, {ablation}") not in rows:
                found = learn(name, ablation, out / name / ablation.replace(" ", "-"))
                rows = json.loads(known.read_text()) if known.is_file() else {}  # another encoder's may have come in
                rows[key] = outcome(found)
                known.write_text(json.dumps(rows, indent=1))
            print(" | ".join((key, *rows[key])), flush=True)
    header = ("encoder and variant", "seconds", "MRR by alpha (validation)", "alpha", "questions",
              "test recall@1", "recall@10", "ms a text")  # fmt: skip
    print(Grid("ELIP on sketches", header, tuple((key, *row) for key, row in rows.items())).write("markdown"))


def learn(name: str, ablation: str, out: Path) -> ElipTrained:
    return luneta.train_elip(
        encoder_of(name), cenas("train", "sketch", limit=4000), validation=cenas("val", "sketch", limit=200),
        test=cenas("test", "sketch", limit=500), out=out, recipe=ABLATIONS[ablation],
        trained_by=Diagonal if ablation == "diagonal" else ElipTraining,
    )  # fmt: skip


def outcome(found: ElipTrained) -> list[str]:
    deepest = max(trial.fusion.k for trial in found.choice.trials)
    curve = [found.choice.trials[0]] + [t for t in found.choice.trials[1:] if t.fusion.k == deepest]
    alphas = ", ".join(f"{trial.fusion.alpha:g}: {trial.value:.3f}" for trial in curve)
    failed = [answer.question for answer in found.answers if not answer.passed]
    assert found.test is not None
    return [f"{float(found.cost['wall_s']):.0f}", alphas, f"{found.reranker.fusion.alpha:g}",
            "no: " + ", ".join(failed) if failed else "yes", *cells(found.test, ("recall@1", "recall@10"))]  # fmt: skip


def cells(found: Reranking, metrics: Sequence[str]) -> Iterator[str]:
    for metric in metrics:
        before, after = (result.metrics["text_to_image"][metric].value for result in (found.before, found.after))
        gain = found.comparison.difference("text_to_image", metric, 0, 1)
        limits = "" if gain.low is None else f" ({gain.low:+.3f} to {gain.high:+.3f})"
        yield f"{before:.3f} -> {after:.3f}{limits}"
    yield f"{found.cost.get('ms_per_text', 0):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("ship", "prove", "vary"))
    parser.add_argument("--out", type=Path, default=Path("reranking"), help="folder of what is made on the way")
    parser.add_argument("--encoders", nargs="+", choices=BUNDLED, default=BUNDLED)
    parser.add_argument("--only", nargs="+", choices=ABLATIONS, default=tuple(ABLATIONS), help="variants")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.what == "ship":
        ship(arguments.encoders, arguments.out)
    if arguments.what == "vary":
        vary(arguments.encoders, arguments.only, arguments.out)
    else:
        proofs(arguments.encoders)


if __name__ == "__main__":
    main()
