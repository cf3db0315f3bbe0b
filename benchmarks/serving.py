"""Serving: milliseconds from a request to /search to its answer, for 1, 8 and 32 clients at once, batching on and off.

A server in a process of its own on loopback serves a bundle of built-in scenes, once with luneta-mini and once with a
text tower of usual size: a ViT-B/32's with random weights (its speed is that of trained ones). Each client sends its
next query, each time another text, when it has the answer to the last one, over one connection. Rounds of both servers
alternate and the best of each is kept (by its median), because other work on the machine only ever adds time. The limit
is what one query takes in the process itself, by the same searcher without a server.

    python benchmarks/serving.py             # some minutes on two cores
    python benchmarks/serving.py --quick     # small and once, to see that it runs
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from _encoders import make_captions, make_checkpoint

CLIENTS = (1, 8, 32)


@dataclass(frozen=True)
class Load:
    """Milliseconds of requests, and how many were answered in a second."""

    ms: np.ndarray
    per_s: float

    def at(self, percent: float) -> float:
        return float(np.percentile(self.ms, percent))


def make_bundle(folder: Path, encoder: str, n_images: int) -> list[str]:
    """A bundle of built-in scenes; texts to search it with."""
    import luneta
    from luneta.bundles import build_bundle

    data = luneta.open_dataset("cenas", split="test", limit=n_images)
    build_bundle(luneta.load_encoder(encoder), data, folder, cache=False)
    return [str(text) for text in data.texts]


def serve(folder: str, batching: bool) -> None:
    """What the server process does."""
    from luneta.serving import Settings
    from luneta.serving.running import serve

    settings = Settings(port=0, max_concurrency=2 * max(CLIENTS), batching=batching)
    serve([folder], settings, pages=False, ready=lambda address: print(address, flush=True))


@contextmanager
def server(folder: Path, batching: bool) -> Iterator[int]:
    """The port of a server."""
    command = [sys.executable, __file__, "--serve", str(folder), "--batching", "on" if batching else "off"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


async def measured(port: int, texts: Sequence[str], n_clients: int, seconds: float) -> Load:
    """Clients that ask one query after the other for some seconds."""
    words = itertools.cycle(texts)
    ms: list[float] = []
    start = time.perf_counter()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (asked := time.perf_counter()) < start + seconds:
            body = json.dumps({"query": json.dumps(next(words)), "anyway": True}).encode()
            writer.write(
                b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            await reader.readexactly(int(length[1]))
            ms.append(1000 * (time.perf_counter() - asked))
        writer.close()

    await asyncio.gather(*(client() for _ in range(n_clients)))
    return Load(np.array(ms), len(ms) / (time.perf_counter() - start))


def alone(folder: Path, texts: Sequence[str], n: int) -> Load:
    """One query after the other without a server."""
    from luneta.search import Query, Searcher

    searcher = Searcher.open(folder)
    ms = []
    for text in texts[: n + 1]:
        start = time.perf_counter()
        searcher.search(Query.of(text))
        ms.append(1000 * (time.perf_counter() - start))
    return Load(np.array(ms[1:]), 1000 / float(np.mean(ms[1:])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--images", type=int, default=1000, help="in the bundle of luneta-mini")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--batching", choices=("on", "off"), default="on", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.batching == "on")
        return
    n_images, rounds, seconds = (100, 1, 1.0) if arguments.quick else (arguments.images, 3, 5.0)
    with tempfile.TemporaryDirectory() as room:
        large = str(make_checkpoint(Path(room) / "checkpoint", make_captions(400)))
        for name, encoder, n in (("luneta-mini", "luneta-mini", n_images), ("ViT-B/32", large, min(n_images, 200))):
            compare(name, Path(room) / f"{Path(encoder).name}.luneta", encoder, n, rounds, seconds)


def compare(name: str, folder: Path, encoder: str, n_images: int, rounds: int, seconds: float) -> None:
    """Serve a bundle twice, measure, and print."""
    texts = make_bundle(folder, encoder, n_images)
    floor = alone(folder, texts, 100)
    found: dict[tuple[int, bool], list[Load]] = {}
    with server(folder, True) as on, server(folder, False) as off:
        for port in (on, off):
            asyncio.run(measured(port, texts, 4, 1.0))  # warm
        for _, n_clients in itertools.product(range(rounds), CLIENTS):
            for port, batching in ((on, True), (off, False)):
                load = asyncio.run(measured(port, texts, n_clients, seconds))
                found.setdefault((n_clients, batching), []).append(load)
    print(f"{name}, {n_images} pictures; one query without a server: {floor.at(50):.2f} ms")
    report(found)


def report(found: dict[tuple[int, bool], list[Load]]) -> None:
    print("| clients | batching | p50 ms | p99 ms | requests a second |")
    print("| --- | --- | --- | --- | --- |")
    for n_clients in CLIENTS:
        best = {on: min(found[n_clients, on], key=lambda load: load.at(50)) for on in (True, False)}
        for on, load in best.items():
            name = "on" if on else "off"
            print(f"| {n_clients} | {name} | {load.at(50):.1f} | {load.at(99):.1f} | {load.per_s:.0f} |")
        ratios = [best[False].at(p) / best[True].at(p) for p in (50, 99)] + [best[True].per_s / best[False].per_s]
        print(f"| {n_clients} | off / on | {ratios[0]:.2f}x | {ratios[1]:.2f}x | {ratios[2]:.2f}x |")


if __name__ == "__main__":
    main()
