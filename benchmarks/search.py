"""Searching: queries a second and milliseconds a query at recall@10 >= 0.95, against bare FAISS, usearch and hnswlib.

The vectors are drawn: pictures in clusters that overlap in 64 of 512 dimensions, noise in all, and texts of the same
clusters; each side has an offset of its own (the modality gap). Queries are texts and pictures that the index has not
seen. Every contestant is tuned until texts and pictures both reach the recall against exact search;
bare FAISS runs the very index that Luneta built, with the same effort and as many candidates.

Parts, each of which can be run alone with --only:

    exact     exact search against faiss.IndexFlatIP: one query at a time, 32, 500, and with filters
    crossing  from how many vectors on a graph is faster than exact search, and what it costs to build
    peers     HNSW, IVF-SQ8 and IVF-PQ against bare FAISS, usearch and hnswlib (where they are installed)
    memory    memory beside mapped files while an index is built

Rounds alternate between contestants, and medians are shown. Where other work shares the machine, --cpu counts the
processor's time on one thread instead of the clock's.

    OMP_NUM_THREADS=1 python benchmarks/search.py --cpu               # 100 000 vectors: some ten minutes on one core
    OMP_NUM_THREADS=1 python benchmarks/search.py --million --only peers --kinds ivf-sq8 ivf-pq
    python benchmarks/search.py --n 5000 --rounds 1                   # to see that it runs
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from luneta.index import build_index
from luneta.threads import available

clock: Callable[[], float] = time.perf_counter
DIM, LATENT, K, TARGET = 512, 64, 10, 0.95
N_QUERIES = 1000  # of each side
ONE_BY_ONE = 200
BLOCK = 50_000
Search = Callable[[np.ndarray], np.ndarray]
"""(n, dim) queries -> (n, K) row numbers."""


@dataclass(frozen=True)
class World:
    """Pictures (mapped), and queries of both sides with the rows that exact search finds for them."""

    pictures: np.ndarray
    queries: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]

    def recall(self, search: Search) -> dict[str, float]:
        return {
            name: float(np.mean([np.isin(a, b).mean() for a, b in zip(search(q), self.truth[name], strict=True)]))
            for name, q in self.queries.items()
        }


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def make_world(n: int, folder: Path, seed: int = 0) -> World:
    """The pictures lie in a file in `folder`, memory-mapped."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.standard_normal((max(10, n // 100), LATENT), dtype=np.float32))
    basis = np.linalg.qr(rng.standard_normal((DIM, LATENT)))[0].T.astype(np.float32)
    offsets = unit(rng.standard_normal((2, DIM)))

    def topics(m: int) -> np.ndarray:
        noise = rng.standard_normal((m, LATENT), dtype=np.float32) / np.sqrt(LATENT)
        return unit(centres[rng.integers(len(centres), size=m)] + 0.8 * noise)

    def seen(topic: np.ndarray, side: int) -> np.ndarray:
        noise = rng.standard_normal((len(topic), DIM), dtype=np.float32) / np.sqrt(DIM)
        return unit(topic @ basis + 0.3 * noise + offsets[side])

    pictures = np.lib.format.open_memmap(folder / "pictures.npy", "w+", np.float32, (n, DIM))
    for start in range(0, n, BLOCK):
        pictures[start : start + BLOCK] = seen(topics(min(BLOCK, n - start)), 0)
    pictures.flush()
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")
    asked = topics(N_QUERIES)
    blurred = asked + 0.6 * rng.standard_normal(asked.shape, dtype=np.float32) / np.sqrt(LATENT)
    queries = {"text": seen(blurred, 1), "image": seen(asked, 0)}
    exact = build_index(np.arange(n), pictures, kind="exact", queries={"text": queries["text"][:2]})
    return World(np.asarray(pictures), queries, {name: exact.search(q, K).ids for name, q in queries.items()})


# --- contestants ------------------------------------------------------------------------------------------------------


def rounds(contestants: dict[str, Search], world: World, n_rounds: int) -> dict[str, dict[str, float]]:
    """Medians over interleaved rounds: p50 and p99 of single queries in ms, queries a second of a batch."""
    both = np.concatenate([world.queries["text"][:ONE_BY_ONE], world.queries["image"][:ONE_BY_ONE]])
    batch = np.concatenate(list(world.queries.values()))
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contestants}
    for search in contestants.values():
        search(both[:20])
    for _ in range(n_rounds):
        singles: dict[str, list[float]] = {name: [] for name in contestants}
        for turn in range(len(both)):  # query by query in turn, so that all meet the same machine
            for place, (name, search) in enumerate(contestants.items()):
                row = (turn + 61 * place) % len(both)  # but never one that another has just read into the cache
                start = clock()
                search(both[row : row + 1])
                singles[name].append(1000 * (clock() - start))
        for name, search in contestants.items():
            start = clock()
            search(batch)
            rate = len(batch) / (clock() - start)
            p50, p99 = np.percentile(singles[name], [50, 99])
            taken[name].append((float(p50), float(p99), rate))
    return {
        name: dict(zip(("p50", "p99", "rate"), np.median(values, axis=0).tolist(), strict=True))
        for name, values in taken.items()
    }


def show(title: str, contestants: dict[str, Search], world: World, n_rounds: int, first: str) -> None:
    took = rounds(contestants, world, n_rounds)
    print(f"\n{title}\n\n| | p50 ms | p99 ms | queries/s in a batch | x p50 | x batch | recall@10 text, image |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, search in contestants.items():
        one, base, found = took[name], took[first], world.recall(search)
        print(
            f"| {name} | {one['p50']:.3f} | {one['p99']:.3f} | {one['rate']:,.0f} | {one['p50'] / base['p50']:.2f} "
            f"| {one['rate'] / base['rate']:.2f} | {found['text']:.3f}, {found['image']:.3f} |",
            flush=True,
        )


def ours(index: Any) -> Search:
    return lambda queries: np.asarray(index.search(queries, K).ids)


def bare(index: Any) -> Search:
    return lambda queries: np.asarray(index.search(queries, K)[1])


def refined(index: Any, vectors: np.ndarray, factor: int) -> Search:
    """The usual way to score again by hand: as many candidates, their vectors, a product, a sort."""

    def search(queries: np.ndarray) -> np.ndarray:
        candidates = index.search(queries, K * factor)[1]
        scores = np.einsum("qd,qkd->qk", queries, vectors[candidates])
        return np.asarray(np.take_along_axis(candidates, np.argsort(-scores, axis=1)[:, :K], axis=1))

    return search


def tuned(make: Callable[[int], Search], world: World) -> tuple[Search, int]:
    """The least effort in steps of a quarter that reaches the target for both sides."""
    effort = 8
    while effort < 1000:
        search = make(effort)
        if min(world.recall(search).values()) >= TARGET:
            return search, effort
        effort = max(effort + 1, effort * 5 // 4)
    return make(effort), effort


def usearch_of(world: World, dtype: str) -> tuple[Search, int]:
    from usearch.index import Index

    index = Index(ndim=DIM, metric="ip", dtype=dtype, connectivity=16, expansion_add=80)
    start = clock()
    index.add(np.arange(len(world.pictures)), world.pictures, threads=available())
    print(f"usearch {dtype}: built in {clock() - start:.0f} s", flush=True)

    def make(effort: int) -> Search:
        def search(queries: np.ndarray) -> np.ndarray:
            index.expansion_search = effort
            return np.asarray(index.search(queries, K, threads=available()).keys).reshape(len(queries), K).astype(int)

        return search

    return tuned(make, world)


def hnswlib_of(world: World) -> tuple[Search, int]:
    import hnswlib

    index = hnswlib.Index(space="ip", dim=DIM)
    index.init_index(max_elements=len(world.pictures), M=16, ef_construction=80, random_seed=0)
    index.set_num_threads(available())
    start = clock()
    index.add_items(world.pictures)
    print(f"hnswlib: built in {clock() - start:.0f} s", flush=True)

    def make(effort: int) -> Search:
        def search(queries: np.ndarray) -> np.ndarray:
            index.set_ef(max(effort, K))
            return np.asarray(index.knn_query(queries, k=K)[0]).astype(int)

        return search

    return tuned(make, world)


# --- parts ------------------------------------------------------------------------------------------------------------


def exact(world: World, args: argparse.Namespace) -> None:
    n = len(world.pictures)
    index = build_index(np.arange(n), world.pictures, kind="exact", queries={"text": world.queries["text"][:2]})
    flat = faiss.IndexFlatIP(DIM)
    flat.add(world.pictures)
    contestants = {"luneta": ours(index), "faiss flat": bare(flat)}
    show(f"Exact search of {n:,} vectors", contestants, world, args.rounds, "luneta")
    text = world.queries["text"]
    for size in (32, 500):
        took: dict[str, list[float]] = {"luneta": [], "faiss flat": []}
        for _ in range(args.rounds):
            for name, search in contestants.items():
                start = clock()
                search(text[:size])
                took[name].append(1000 * (clock() - start) / size)
        a, b = (float(np.median(took[name])) for name in took)
        print(f"{size} at a time: luneta {a:.3f} ms a query, faiss flat {b:.3f}, luneta is {b / a:.2f}x")
    reading = []
    for _ in range(9):
        start = clock()
        world.pictures @ text[0]
        reading.append(clock() - start)
    size = world.pictures.nbytes
    print(f"reading: {size / 2**20:.0f} MiB, one product with a vector {1000 * np.median(reading):.2f} ms, "
          f"{size / np.median(reading) / 1e9:.1f} GB/s")  # fmt: skip
    rng = np.random.default_rng(0)
    for share in (0.001, 0.01, 0.1, 0.2, 0.3, 0.5, 0.9):
        allowed = np.sort(rng.choice(n, max(1, int(n * share)), replace=False))
        took_s = []
        for row in range(20):
            start = clock()
            index.search(text[row : row + 1], K, allowed=allowed)
            took_s.append(clock() - start)
        print(f"{share:.1%} allowed: {1000 * np.median(took_s):.2f} ms a query")


def crossing(world: World, args: argparse.Namespace) -> None:
    print("\n| vectors | exact, p50 ms | hnsw, p50 ms | exact, ms in a batch | hnsw, ms in a batch | hnsw built in s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for n in (1000, 3000, 10_000, 30_000, 100_000):
        if n > len(world.pictures):
            break
        some = world.pictures[:n]
        plain = build_index(np.arange(n), some, kind="exact", queries={"text": world.queries["text"][:2]})
        start = clock()
        graph = build_index(np.arange(n), some, kind="hnsw", queries=world.queries)
        built_s = clock() - start
        truth = {name: plain.search(q, K).ids for name, q in world.queries.items()}
        took = rounds({"e": ours(plain), "h": ours(graph)}, World(some, world.queries, truth), max(1, args.rounds // 2))
        print(
            f"| {n:,} | {took['e']['p50']:.3f} | {took['h']['p50']:.3f} | {1000 / took['e']['rate']:.3f} "
            f"| {1000 / took['h']['rate']:.3f} | {built_s:.1f} |",
            flush=True,
        )


def peers(world: World, args: argparse.Namespace) -> None:
    n = len(world.pictures)
    for kind in args.kinds:
        index: Any = build_index(np.arange(n), world.pictures, kind=kind, queries=world.queries)
        report = index.report
        print(f"\n{kind}: {report.parameters}, built and tuned in {report.build_s:.0f} s, {report.memory_mib:.0f} MiB, "
              f"recall {({name: round(each.recall.value, 3) for name, each in report.queries.items()})}")  # fmt: skip
        contestants = {
            "luneta": ours(index),
            "bare faiss, its own scores": bare(index._index),
            "bare faiss, scored again by hand": refined(index._index, world.pictures, index.factor),
        }
        if kind == "hnsw":
            if importlib.util.find_spec("usearch"):
                for dtype in ("bf16", "i8"):
                    contestants[f"usearch {dtype}"], effort = usearch_of(world, dtype)
                    print(f"usearch {dtype}: expansion {effort}")
            if importlib.util.find_spec("hnswlib"):
                contestants["hnswlib"], effort = hnswlib_of(world)
                print(f"hnswlib: ef {effort}")
        show(f"{kind}, {n:,} vectors", contestants, world, args.rounds, "luneta")


def memory(world: World, args: argparse.Namespace) -> None:
    for kind in args.kinds:
        code = f"import search; search.build_and_watch({str(args.folder)!r}, {kind!r})"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)


def build_and_watch(path: str, kind: str) -> None:
    """Build from a mapped file and print the most memory there was beside mapped files."""
    vectors = np.load(path, mmap_mode="r")
    most, done = 0, threading.Event()

    def anonymous() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) // 1024

    def look() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, anonymous())

    before = anonymous()
    watcher = threading.Thread(target=look)
    watcher.start()
    index = build_index(np.arange(len(vectors)), vectors, kind=kind)
    done.set()
    watcher.join()
    print(f"{kind}, {vectors.nbytes / 2**20:.0f} MiB of vectors: at most {most - before} MiB while it was built, "
          f"{index.memory_mib:.0f} MiB for the index")  # fmt: skip


PARTS = {"exact": exact, "crossing": crossing, "peers": peers, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=list(PARTS), nargs="+", default=list(PARTS))
    parser.add_argument(
        "--kinds", choices=["hnsw", "ivf-sq8", "ivf-pq"], nargs="+", default=["hnsw", "ivf-sq8", "ivf-pq"]
    )
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--million", action="store_true", help="1 000 000 vectors: 2 GB on the disk")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu", action="store_true", help="processor time, where other work shares the machine")
    args = parser.parse_args()
    if args.cpu:
        if available() > 1:
            parser.error("--cpu counts all threads together: set OMP_NUM_THREADS=1")
        global clock
        clock = time.process_time
    with tempfile.TemporaryDirectory() as folder:
        args.folder = Path(folder) / "pictures.npy"
        n = 1_000_000 if args.million else args.n
        print(f"{n:,} x {DIM}, {available()} threads, faiss {faiss.__version__}", flush=True)
        world = make_world(n, Path(folder))
        for name in args.only:
            PARTS[name](world, args)


if __name__ == "__main__":
    main()
