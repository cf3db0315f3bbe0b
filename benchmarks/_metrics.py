"""Vectors to metrics of both directions: time and memory of Luneta against what people use today.

Contestants get the same float32 unit vectors and must print the same numbers: recall@1, 5, 10 and 50, MRR, nDCG@10 and
mAP@10 as far as they have them. The peers look no deeper than these need; Luneta ranks everything. Each lives in a
process of its own that loads its libraries and warms up (compilation included) on a small problem before it is
measured; measured are the wall time, the processor time and the growth of the resident peak. Rounds are interleaved
(A B C A B C ...) and the best of each is kept, because other work on the machine only ever adds time.

    python benchmarks/_metrics.py            # 25 000 x 5 000 and 50 000 x 50 000
    python benchmarks/_metrics.py --quick    # 5 000 x 1 000, one round
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

DIM = 512
CUTOFFS = (1, 5, 10, 50)
DEPTH = 50  # how deep the peers search, so that they too have recall@50
SHORT = 10  # ... and how deep where that is all a user looks at
Directions = dict[str, dict[str, float]]


def make_problem(folder: Path, n_texts: int, n_images: int, seed: int = 0) -> None:
    """Unit vectors of texts and images with n_texts / n_images texts an image, found at rank 1 about half the time."""
    rng = np.random.default_rng(seed)
    images = _unit(rng.standard_normal((n_images, DIM), dtype=np.float32))
    image_of_text = np.arange(n_texts) * n_images // n_texts
    noise = _unit(rng.standard_normal((n_texts, DIM), dtype=np.float32))
    np.save(folder / "images.npy", images)
    np.save(folder / "texts.npy", _unit(images[image_of_text] + 6.0 * noise))
    np.save(folder / "image_of_text.npy", image_of_text)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# --- contestants: (texts, images, image of each text) -> {direction: {metric: value}} ---------------------------------


def luneta(texts: np.ndarray, images: np.ndarray, image_of_text: np.ndarray) -> Directions:
    """The whole standard set, over the whole ranking."""
    from luneta import metrics, ranking

    pairs = np.stack([np.arange(len(texts)), image_of_text], axis=1)
    return {
        direction: {name: float(values.mean()) for name, values in metrics.compute(ranks).items()}
        | {"mrr@10": float(metrics.reciprocal_rank_at(ranks, 10).mean())}
        for direction, ranks in ranking.rank_both(texts, images, pairs).items()
    }


def dense_topk(texts: np.ndarray, images: np.ndarray, image_of_text: np.ndarray) -> Directions:
    """One dense similarity matrix and torch.topk along both of its sides; the hits are counted with arrays."""
    import torch

    scores = torch.from_numpy(texts) @ torch.from_numpy(images).T
    n_relevant = np.bincount(image_of_text)
    found_images = scores.topk(DEPTH, dim=1).indices.numpy()
    found_texts = scores.topk(DEPTH, dim=0).indices.numpy().T
    return {
        "text_to_image": _from_hits(found_images == image_of_text[:, None], np.ones(len(texts), dtype=int)),
        "image_to_text": _from_hits(image_of_text[found_texts] == np.arange(len(images))[:, None], n_relevant),
    }


def _from_hits(hits: np.ndarray, n_relevant: np.ndarray) -> dict[str, float]:
    discount = 1 / np.log2(np.arange(2, 12))
    ideal = np.cumsum(discount)[np.minimum(n_relevant, 10) - 1]
    first = np.where(hits[:, :10].any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0)
    found = {f"recall@{k}": float(hits[:, :k].any(axis=1).mean()) for k in CUTOFFS}
    return found | {"mrr@10": float(first.mean()), "ndcg@10": float((hits[:, :10] @ discount / ideal).mean())}


def faiss_loop(texts: np.ndarray, images: np.ndarray, image_of_text: np.ndarray) -> Directions:
    """Two FAISS flat searches to depth 10, and a Python loop over the queries that looks for their relevant items."""
    relevant = {"text_to_image": [{i} for i in image_of_text.tolist()], "image_to_text": _texts_of(image_of_text)}
    found = {"text_to_image": _search(texts, images, SHORT)[1], "image_to_text": _search(images, texts, SHORT)[1]}
    results: Directions = {}
    for direction, items in found.items():
        hit_at = dict.fromkeys((1, 5, 10), 0)
        reciprocal = 0.0
        for wanted, answers in zip(relevant[direction], items.tolist(), strict=True):
            for rank, item in enumerate(answers, start=1):
                if item in wanted:
                    reciprocal += 1 / rank
                    for k in hit_at:
                        hit_at[k] += rank <= k
                    break
        n = len(items)
        results[direction] = {f"recall@{k}": hits / n for k, hits in hit_at.items()} | {"mrr@10": reciprocal / n}
    return results


def faiss_search_only(texts: np.ndarray, images: np.ndarray, image_of_text: np.ndarray) -> Directions:
    """The two FAISS flat searches to depth 10 alone, without any metric."""
    _search(texts, images, SHORT)
    _search(images, texts, SHORT)
    return {}


def pytrec_eval_(texts: np.ndarray, images: np.ndarray, image_of_text: np.ndarray, depth: int = DEPTH) -> Directions:
    """FAISS flat search, then pytrec_eval on runs and qrels of dictionaries."""
    import pytrec_eval

    cutoffs = [k for k in CUTOFFS if k <= depth]
    names = {f"success_{k}": f"recall@{k}" for k in cutoffs} | {"ndcg_cut_10": "ndcg@10", "map_cut_10": "map@10"}
    measures = {f"success.{','.join(map(str, cutoffs))}", "ndcg_cut.10", "map_cut.10", "recip_rank"}
    results: Directions = {}
    for direction, qrels, run in _runs(texts, images, image_of_text, depth):
        per_query = list(pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run).values())
        results[direction] = {name: float(np.mean([q[trec] for q in per_query])) for trec, name in names.items()}
    return results


def ranx_(texts: np.ndarray, images: np.ndarray, image_of_text: np.ndarray) -> Directions:
    """FAISS flat search, then ranx on runs and qrels of dictionaries."""
    import ranx

    names = {f"hit_rate@{k}": f"recall@{k}" for k in CUTOFFS} | {k: k for k in ("mrr@10", "ndcg@10", "map@10")}
    results: Directions = {}
    for direction, qrels, run in _runs(texts, images, image_of_text, DEPTH):
        found = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), list(names))
        results[direction] = {name: float(found[theirs]) for theirs, name in names.items()}
    return results


def sentence_transformers_(texts: np.ndarray, images: np.ndarray, image_of_text: np.ndarray) -> Directions:
    """InformationRetrievalEvaluator, once a direction; encoding is a look-up. Its mAP is left at its default of 100."""
    import torch
    from sentence_transformers import util
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    class Known(InformationRetrievalEvaluator):
        def embed_inputs(self, model: object, sentences: Any, **_: object) -> torch.Tensor:
            chosen = torch.tensor([int(s[1:]) for s in sentences])
            return tables[sentences[0][0]][chosen]

    tables = {"t": torch.from_numpy(texts), "i": torch.from_numpy(images)}
    text_ids, image_ids = {f"t{i}": f"t{i}" for i in range(len(texts))}, {f"i{i}": f"i{i}" for i in range(len(images))}
    wanted = {"text_to_image": {f"t{t}": {f"i{i}"} for t, i in enumerate(image_of_text.tolist())}}
    wanted["image_to_text"] = {f"i{i}": {f"t{t}" for t in own} for i, own in enumerate(_texts_of(image_of_text))}
    results: Directions = {}
    for direction, queries, corpus in (
        ("text_to_image", text_ids, image_ids),
        ("image_to_text", image_ids, text_ids),
    ):
        evaluator = Known(queries, corpus, wanted[direction], accuracy_at_k=list(CUTOFFS),
                          score_functions={"dot": util.dot_score}, write_csv=False)  # fmt: skip
        found = evaluator.compute_all_metrics(model=None)["dot"]
        results[direction] = {f"recall@{k}": float(value) for k, value in found["accuracy@k"].items()} | {
            "mrr@10": float(found["mrr@k"][10]),
            "ndcg@10": float(found["ndcg@k"][10]),
        }
    return results


def _texts_of(image_of_text: np.ndarray) -> list[set[int]]:
    texts: list[set[int]] = [set() for _ in range(int(image_of_text.max()) + 1)]
    for text, image in enumerate(image_of_text.tolist()):
        texts[image].add(text)
    return texts


def _search(queries: np.ndarray, gallery: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    import faiss

    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(gallery)
    return index.search(queries, depth)


def _runs(texts: np.ndarray, images: np.ndarray, image_of_text: np.ndarray, depth: int) -> Any:
    """(direction, qrels, run) as dictionaries of strings, one direction at a time; names are of one length."""
    qrels = {f"q{t:06}": {f"d{i:06}": 1} for t, i in enumerate(image_of_text.tolist())}
    yield "text_to_image", qrels, _run(*_search(texts, images, depth))
    qrels = {f"q{i:06}": {f"d{t:06}": 1 for t in own} for i, own in enumerate(_texts_of(image_of_text))}
    yield "image_to_text", qrels, _run(*_search(images, texts, depth))


def _run(scores: np.ndarray, items: np.ndarray) -> dict[str, dict[str, float]]:
    return {
        f"q{q:06}": {f"d{item:06}": score for item, score in zip(row_items, row_scores, strict=True)}
        for q, (row_items, row_scores) in enumerate(zip(items.tolist(), scores.tolist(), strict=True))
    }


CONTESTANTS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], Directions]] = {
    "luneta": luneta,
    "dense matrix, torch topk": dense_topk,
    "FAISS to 10, Python loop": faiss_loop,
    "FAISS to 10, search only": faiss_search_only,
    "FAISS to 50, pytrec_eval": pytrec_eval_,
    "FAISS to 10, pytrec_eval": partial(pytrec_eval_, depth=SHORT),
    "FAISS to 50, ranx": ranx_,
    "sentence-transformers": sentence_transformers_,
}


# --- measuring --------------------------------------------------------------------------------------------------------


def worker(name: str, folder: Path) -> None:
    """Load, warm up, then measure one run for every line that arrives on standard input."""
    contestant = CONTESTANTS[name]
    contestant(*small_problem())
    problem = [np.load(folder / f"{part}.npy") for part in ("texts", "images", "image_of_text")]
    print("ready", flush=True)
    for _ in sys.stdin:
        before = reset_peak()
        cpu, start = time.process_time(), time.perf_counter()
        answer = contestant(*problem)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        record = {"wall_s": wall, "cpu_s": cpu, "extra_mb": (peak_bytes() - before) / 1e6, "answer": answer}
        print(json.dumps(record), flush=True)


def small_problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        make_problem(Path(folder), 200, 100)
        texts, images, image_of_text = (
            np.load(Path(folder) / f"{part}.npy") for part in ("texts", "images", "image_of_text")
        )
    return texts, images, image_of_text


def reset_peak() -> int:
    """Forget the peak of resident memory where the system can (Linux); returns what is resident now, in bytes."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def race(n_texts: int, n_images: int, names: list[str], rounds: int) -> dict[str, dict[str, Any]]:
    """The best of some interleaved rounds for every contestant."""
    with tempfile.TemporaryDirectory() as folder:
        make_problem(Path(folder), n_texts, n_images)
        workers = {name: _start(name, folder) for name in names}
        records: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, process in workers.items():
                print("go", file=process.stdin, flush=True)
                records[name].append(json.loads(_read(name, process)))
        for process in workers.values():
            process.stdin.close()
            process.wait()
    return {
        name: {
            "wall_s": min(r["wall_s"] for r in runs),
            "cpu_s": min(r["cpu_s"] for r in runs),
            "extra_mb": max(r["extra_mb"] for r in runs),
            "answer": runs[0]["answer"],
        }
        for name, runs in records.items()
    }


def _start(name: str, folder: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--worker", name, "--folder", folder]
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet)
    if _read(name, process).strip() != "ready":
        raise RuntimeError(f"{name} did not start")
    return process


def _read(name: str, process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{name} ended with exit code {process.wait()}")
    return line


def differences(results: dict[str, dict[str, Any]]) -> list[str]:
    """Where a peer's number is not Luneta's to four decimals."""
    ours = results["luneta"]["answer"]
    return [
        f"{name}, {direction}, {metric}: {value:.4f} against {ours[direction][metric]:.4f}"
        for name, result in results.items()
        for direction, values in result["answer"].items()
        for metric, value in values.items()
        if abs(value - ours[direction][metric]) > 0.5e-4
    ]


def run(quick: bool = False) -> dict[str, Any]:
    """Race all contestants, print a table for each size, and return everything as plain data."""
    sizes = [(5_000, 1_000)] if quick else [(25_000, 5_000), (50_000, 50_000)]
    report: dict[str, Any] = {"n_cpus": os.cpu_count(), "dim": DIM, "sizes": []}
    for n_texts, n_images in sizes:
        large = n_texts * n_images > 10**9
        names = ["luneta", "FAISS to 10, Python loop", "FAISS to 10, search only"] if large else list(CONTESTANTS)
        results = race(n_texts, n_images, names, rounds=1 if quick else 3)
        different = differences(results)
        _print_table(n_texts, n_images, results, different)
        if large:
            print(f"  not run: a dense matrix alone would take {n_texts * n_images * 4 / 1e9:.0f} GB a copy")
        report["sizes"].append({"n_texts": n_texts, "n_images": n_images, "results": results, "differences": different})
    return report


def _print_table(n_texts: int, n_images: int, results: dict[str, dict[str, Any]], different: list[str]) -> None:
    ours = results["luneta"]
    print(f"\nmetrics of both directions, {n_texts:,} texts x {n_images:,} images, dim {DIM}")
    print(f"{'':28}{'wall s':>9}{'x luneta':>10}{'cpu s':>9}{'x luneta':>10}{'extra MB':>10}")
    for name, r in results.items():
        wall, cpu = r["wall_s"] / ours["wall_s"], r["cpu_s"] / ours["cpu_s"]
        print(f"{name:28}{r['wall_s']:9.2f}{wall:10.2f}{r['cpu_s']:9.2f}{cpu:10.2f}{r['extra_mb']:10.0f}")
    print("  all numbers agree to four decimals" if not different else "  DIFFERENT: " + "; ".join(different))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small problem and one round")
    parser.add_argument("--json", type=Path, help="write everything here too")
    parser.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.folder)
        return
    report = run(arguments.quick)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
