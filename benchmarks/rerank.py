"""Re-ranking: milliseconds a query for its first 100 candidates, against the loop that replications write.

The loop takes one query at a time: every candidate is decoded, prepared by the library's processor and passed through
the whole image tower again, the prompts put among its tokens with `cat`. Luneta's `Elip.rescore` keeps what does not
depend on the text. Both run the same weights and prompts in the same number format on the same threads, with the gate
open (ordinary attention to the prompts), and must agree before anything is timed: on the same pixels in float32 to the
order of the candidates; in bfloat16 Luneta must be as near to float32 as the loop is.

Two encoders: a ViT-B/32 CLIP at 224 pixels with random weights (its speed is that of trained ones) on JPEG files of
640 x 480, and luneta-mini on pictures of `cenas` as PNG files. Rounds alternate and the best of each is kept, because
other work on the machine only ever adds time; processor time is what to look at where there is any. The limit is what
the products that are left would take at the speed of a large one, measured in the same run.

Early exit is measured against the same re-ranker that looks at all of the first k: luneta-mini finds, and
luneta-mini-siglip (its cosines) or luneta-mini's own ELIP looks again. How far is chosen on `cenas:val` for the former;
what it saves and costs is measured on `cenas:test`.

    python benchmarks/rerank.py                 # some minutes on two cores
    python benchmarks/rerank.py --early-exit    # that part alone
    python benchmarks/rerank.py --quick         # small and once, to see that it runs
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from _encoders import gflops, make_captions, make_checkpoint, make_pictures

Timed = Callable[[], Any]


@dataclass(frozen=True)
class Problem:
    """Pictures in files, texts, the candidates of each, and the encoder's checkpoint."""

    name: str
    checkpoint: str
    table: Path
    texts: Sequence[str]
    k: int


def random_clip(folder: Path, n_images: int, n_texts: int, k: int) -> Problem:
    """A ViT-B/32 with random weights and what cameras make."""
    texts = make_captions(n_texts)
    checkpoint = make_checkpoint(folder / "checkpoint", make_captions(400, seed=1))
    return Problem("ViT-B/32", str(checkpoint), _table(make_pictures(folder / "pictures", n_images)), texts, k)


def mini(folder: Path, n_images: int, n_texts: int, k: int) -> Problem:
    """luneta-mini and drawn scenes."""
    import luneta

    data = luneta.open_dataset("cenas", split="test", limit=n_images)
    folder.mkdir()
    paths = [folder / f"{index:05d}.png" for index in range(n_images)]
    for path, ref in zip(paths, data.images, strict=True):
        ref.open().save(path)
    return Problem("luneta-mini", "luneta-mini", _table(paths), list(data.texts)[:n_texts], k)


def _table(paths: Sequence[Path]) -> Path:
    table = paths[0].parent / "pictures.jsonl"
    table.write_text("".join(json.dumps({"image": path.name, "text": "a picture"}) + "\n" for path in paths))
    return table


class Contest:
    """One encoder in one number format, with prompts before one block."""

    def __init__(self, problem: Problem, dtype: str, insert_layer: int) -> None:
        import luneta
        from luneta.rerank.elip import Elip
        from luneta.rerank.search import Queries

        self.encoder: Any = luneta.load_encoder(problem.checkpoint, dtype=dtype, device="cpu")
        self.elip = Elip.untrained(self.encoder, luneta.ElipRecipe(insert_layer=insert_layer, gated=False))
        self.images = luneta.open_dataset(problem.table, image="image", text="text").images
        exact = luneta.load_encoder(problem.checkpoint, dtype="float32", device="cpu")  # the same text for all formats
        self.queries = Queries(problem.texts, exact.encode_texts(problem.texts))
        rng = np.random.default_rng(0)
        self.candidates = np.stack([rng.permutation(len(self.images))[: problem.k] for _ in problem.texts])
        self.pictures = self.elip.pictures(self.images)
        self.processor = _processor(problem.checkpoint)

    def loop(self, query: int, *, our_pixels: bool = False, batch: int = 32) -> np.ndarray:
        """What a replication does for one query: (k,) scores."""
        import torch

        from luneta.encoders.precision import computing, threads_for

        device = torch.device("cpu")
        model, found = self.encoder._model, []
        tower, blocks = model.vision_model, list(model.vision_model.encoder.layers)
        with threads_for(model, device), computing(self.encoder.spec.dtype, device):
            text = torch.from_numpy(self.queries.vectors[query])
            prompts = self.elip.guide(text[None])
            chosen = self.candidates[query]
            for start in range(0, len(chosen), batch):
                pictures = [self.images[int(index)].open() for index in chosen[start : start + batch]]
                if our_pixels:
                    inputs = self.encoder._images.collate([self.encoder.prepare_image(each) for each in pictures])
                else:
                    inputs = self.processor(images=pictures, return_tensors="pt")
                states = tower.pre_layrnorm(tower.embeddings(**inputs))
                for number, block in enumerate(blocks):
                    if number == self.elip.tower.insert_layer:
                        states = torch.cat([states, prompts.expand(len(states), -1, -1)], dim=1)
                    states = block(states, None)
                vectors = model.visual_projection(tower.post_layernorm(states[:, 0])).float()
                found.append((vectors / vectors.norm(dim=1, keepdim=True)).numpy())
        return np.asarray(np.concatenate(found) @ text.numpy())

    def first(self, query: int) -> np.ndarray:
        """Luneta for one query, no picture seen before."""
        return self._scores(np.array([query]), self.elip.pictures(self.images))[0]

    def kept(self, query: int) -> np.ndarray:
        """Luneta for one query, its pictures kept since an earlier one."""
        return self._scores(np.array([query]), self.pictures)[0]

    def together(self) -> np.ndarray:
        """Luneta for all queries in one call, their pictures kept since an earlier one."""
        return self._scores(np.arange(len(self.queries)), self.pictures)

    def _scores(self, chosen: np.ndarray, pictures: Any) -> np.ndarray:
        return np.asarray(self.elip.rescore(self.queries.of(chosen), pictures, self.candidates[chosen]))


def _processor(checkpoint: str) -> Any:
    """The library's own, on Pillow."""
    from transformers import AutoImageProcessor

    import luneta.encoders

    shipped = Path(luneta.encoders.__file__).parent / "weights" / checkpoint
    return AutoImageProcessor.from_pretrained(shipped if shipped.is_dir() else checkpoint, backend="pil")


# --- measuring --------------------------------------------------------------------------------------------------------


def check(problem: Problem, layer: int, contests: dict[str, Contest], n: int) -> dict[str, float]:
    """How far Luneta's scores are from the loop's; a ratio of times means nothing where they are not the same.

    Raises:
        SystemExit: they are not the same.
    """
    exact = np.stack([contests["float32"].loop(query, our_pixels=True) for query in range(n)])
    apart: dict[str, float] = {}
    for dtype, contest in contests.items():
        ours = np.stack([contest.together()[:n], [contest.kept(query) for query in range(n)]])
        apart[dtype] = float(np.abs(ours - exact).max())
        if dtype == "float32":
            same = (np.argsort(-ours, kind="stable") == np.argsort(-exact, kind="stable")).all()
            if not (apart[dtype] < 1e-5 and same):
                raise SystemExit(f"{problem.name}, block {layer}: other scores than the loop's, by {apart[dtype]:.1e}")
        else:
            loop = np.stack([contest.loop(query, our_pixels=True) for query in range(n)])
            apart[f"{dtype}, loop"] = float(np.abs(loop - exact).max())
            if apart[dtype] > 1.5 * apart[f"{dtype}, loop"]:
                raise SystemExit(f"{problem.name}, block {layer}, {dtype}: further from float32 than the loop: {apart}")
    apart["pixels"] = float(np.abs(contests["float32"].loop(0) - exact[0]).max())
    if apart["pixels"] > 5e-3:
        raise SystemExit(f"{problem.name}: the library's pixels give other scores, by {apart['pixels']:.1e}")
    return apart


def gflop(work: Timed) -> float:
    """10^9 operations of its products of matrices."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops() / 1e9)


def race(contest: Contest, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds a query of each, by the clock and of the processor: the best of alternating rounds."""
    n = len(contest.queries)
    found: dict[str, dict[str, float]] = {"wall": {}, "processor": {}}
    contest.together()  # the pictures are kept from here on
    for number in range(rounds):
        query = number % n
        for name, work, per in (
            ("loop", lambda q=query: contest.loop(q), 1),
            ("our pixels", lambda q=query: contest.loop(q, our_pixels=True), 1),
            ("first", lambda q=query: contest.first(q), 1),
            ("kept", lambda q=query: contest.kept(q), 1),
            ("together", contest.together, n),
        ):
            start = time.perf_counter(), time.process_time()
            work()
            end = time.perf_counter(), time.process_time()
            for kind, before, after in zip(("wall", "processor"), start, end, strict=True):
                found[kind][name] = min(found[kind].get(name, np.inf), (after - before) / per * 1e3)
    return found


def measure(problem: Problem, rounds: int) -> list[dict[str, Any]]:
    """One row for each place of the prompts and each number format."""
    import torch

    from luneta.encoders.precision import computes_bfloat16

    formats = ["float32", "bfloat16"] if computes_bfloat16(torch.device("cpu")) else ["float32"]
    rows = []
    for layer in (-2, 0):
        contests = {dtype: Contest(problem, dtype, layer) for dtype in formats}
        apart = check(problem, layer, contests, n=2)
        for dtype, contest in contests.items():
            # float32 shows that both compute the same; times are wanted of the format that the machine is good at
            times, speed = race(contest, rounds if dtype == formats[-1] else 1), gflops(dtype, 30)
            needed, loop = gflop(contest.together) / len(problem.texts), gflop(lambda c=contest: c.loop(0))
            rows.append({
                "encoder": problem.name, "insert_layer": layer, "dtype": dtype, "k": problem.k, **times, "apart": apart,
                "gflop": needed, "gflop_loop": loop, "gflops": speed,
            })  # fmt: skip
            print(line(rows[-1]), flush=True)
    return rows


def heading(k: int) -> str:
    """What the lines say."""
    import torch

    return (
        f"Re-ranking {k} candidates, {torch.get_num_threads()} threads: processor ms a query, the loop over each\n\n"
        f"{'':12}{'block':>6}  {'format':9}{'loop':>8}{'our pixels':>12}{'first':>9}{'x':>6}{'kept':>9}{'x':>6}"
        f"{'together':>10}{'x':>6}{'by clock':>10}{'GFLOP: loop':>13}{'luneta':>8}{'GFLOP/s':>9}{'of limit':>10}"
    )


def line(row: dict[str, Any]) -> str:
    """One row of the table for a person."""
    ms, wall = row["processor"], row["wall"]
    times = "".join(
        f"{ms[name]:>{width}.1f}{ms['loop'] / ms[name]:>6.1f}"
        for name, width in (("first", 9), ("kept", 9), ("together", 10))
    )
    return (
        f"{row['encoder']:12}{row['insert_layer']:>6}  {row['dtype']:9}{ms['loop']:>8.0f}{ms['our pixels']:>12.0f}"
        f"{times}{wall['loop'] / wall['together']:>10.1f}{row['gflop_loop']:>13.1f}{row['gflop']:>8.1f}"
        f"{row['gflops']:>9.0f}{row['gflop'] / row['gflops'] * 1e3 / ms['together']:>10.0%}"
    )


class Second:
    """A second encoder, whose cosines are the new scores: what a cascade of two encoders does."""

    def __init__(self, encoder: Any) -> None:
        self.encoder, self.name, self.fingerprint = encoder, encoder.spec.name, encoder.spec.fingerprint

    def prepare_image(self, image: Any) -> Any:
        return self.encoder.prepare_image(image)

    def look(self, prepared: Sequence[Any]) -> Sequence[np.ndarray]:
        return list(self.encoder.encode_prepared(prepared))

    def read(self, texts: Sequence[str]) -> Sequence[np.ndarray]:
        return list(self.encoder.encode_texts(texts))

    def score(self, texts: Sequence[np.ndarray], pictures: Sequence[np.ndarray]) -> np.ndarray:
        return np.einsum("ij,ij->i", np.stack(texts), np.stack(pictures), dtype=np.float64)


def early_exit(*, quick: bool = False) -> list[dict[str, Any]]:
    """What a re-ranker looks at, takes and finds with early exit and without."""
    import luneta
    from luneta.rerank import Fusion, Reranker
    from luneta.rerank.tables import choice_grid, early_exit_grid

    n_val, n_test, rounds = (40, 20, 1) if quick else (1000, 500, 3)
    first, second = (luneta.load_encoder(name, dtype="float32") for name in ("luneta-mini", "luneta-mini-siglip"))
    val, test = (
        luneta.open_dataset("cenas", split=split, language="en", limit=n)
        for split, n in (("val", n_val), ("test", n_test))
    )
    with tempfile.TemporaryDirectory() as out:
        fitted = luneta.fit_reranker(first, Second(second), val, out=Path(out) / "fitted")
    # of so few texts none is chosen
    used = Fusion(0.5, 20, within=0.125) if quick else fitted.reranker.fusion
    for grid in (choice_grid(fitted.choice, used), early_exit_grid(fitted.choice, used)):
        if grid is not None:
            print(grid.write("markdown"), flush=True)
    if used.within is None:
        print(f"no early exit: none was chosen on {n_val} pictures")
        return []
    elip = Reranker.load("luneta-mini", first)
    contestants = {"luneta-mini-siglip": fitted.reranker, "ELIP": elip}
    return [
        compared(name, dataclasses.replace(reranker, fusion=used), test, rounds)
        for name, reranker in contestants.items()
    ]


def compared(name: str, reranker: Any, test: Any, rounds: int) -> dict[str, Any]:
    """The same re-ranker with early exit and without, by turns; the best time of each."""
    from luneta.comparison import compare
    from luneta.evaluation import measure
    from luneta.rerank.evaluation import rerank_evaluation

    before, embeddings = measure(reranker.encoder, test)
    whole = dataclasses.replace(reranker, fusion=dataclasses.replace(reranker.fusion, within=None))
    took: dict[str, float] = {}
    found = {}
    for _ in range(rounds):
        for kind, contestant in (("early", reranker), ("all", whole)):
            start = time.process_time()
            found[kind] = rerank_evaluation(contestant, embeddings, before, cache=False)
            took[kind] = min(took.get(kind, np.inf), time.process_time() - start)
    n_texts = before.rankings["text_to_image"].n_queries
    metrics = {
        metric: {
            "encoder": before.metrics["text_to_image"][metric].value,
            **{kind: result.after.metrics["text_to_image"][metric].value for kind, result in found.items()},
        }
        for metric in ("recall@1", "mrr")
    }
    change = compare([found["early"].after, found["all"].after]).difference("text_to_image", "mrr", 0, 1)
    row = {
        "looks again": name, "k": reranker.fusion.k, "within": reranker.fusion.within,
        "ms": {kind: 1000 * seconds / n_texts for kind, seconds in took.items()},
        "looks": {kind: result.cost["looks_per_text"] for kind, result in found.items()},
        "metrics": metrics, "mrr_change": [change.value, change.low, change.high],
    }  # fmt: skip
    ms, looks = row["ms"], row["looks"]
    print(
        f"{name}, k = {row['k']}, within {row['within']:g}: looks {looks['all']:.1f} -> {looks['early']:.1f} a text, "
        f"processor ms {ms['all']:.2f} -> {ms['early']:.2f} ({ms['all'] / ms['early']:.1f}x), "
        + ", ".join(f"{m} {v['encoder']:.4f} alone, {v['all']:.4f} -> {v['early']:.4f}" for m, v in metrics.items())
        + f", change of MRR {_signed(change.value)} ({_signed(change.low)} to {_signed(change.high)})",
        flush=True,
    )
    return row


def _signed(value: float | None) -> str:
    return "?" if value is None else f"{value:+.4f}"


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Measure and print the table."""
    n_images, n_texts, k, rounds = (12, 2, 6, 1) if quick else (150, 4, 100, 4)
    rows: list[dict[str, Any]] = []
    print(heading(k), flush=True)
    with tempfile.TemporaryDirectory() as name:
        for make in (random_clip, mini):
            rows += measure(make(Path(name) / make.__name__, n_images, n_texts, k), rounds)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small and once, to see that it runs")
    parser.add_argument("--early-exit", action="store_true", help="only what early exit saves")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    rows = [] if arguments.early_exit else run(quick=arguments.quick)
    rows += early_exit(quick=arguments.quick)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
