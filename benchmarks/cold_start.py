"""From nothing to the vector of a query: the text tower that a bundle carries against loading the model itself.

Every measurement is a fresh process that imports what it needs, loads the model and reads one text. The same model is
read three ways, in turn (A B C A B C ...): by `luneta.encoders.light` from an exported tower, by transformers with
FAISS beside it, as a program that searches would have them, and by `luneta.load_encoder`. Before anything is timed the
three vectors must agree. Medians of seven, and beside the seconds on the clock the processor seconds, which other work
on the machine changes less.

    python benchmarks/cold_start.py            # luneta-mini, and a ViT-B/32 with random weights; some minutes
    python benchmarks/cold_start.py --quick    # luneta-mini once, to see that it runs
    python benchmarks/cold_start.py --json numbers.json
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TEXT = "two small dogs on the beach at night"

LIGHT = """
import time; began = time.perf_counter()
from luneta.encoders.light import LightTextEncoder; imported = time.perf_counter()
encoder = LightTextEncoder.load(tower); loaded = time.perf_counter()
vector = encoder.encode_texts([text])[0]; read = time.perf_counter()
if packed:
    encoder.warm()
steps = {"import": imported - began, "load": loaded - imported, "read": read - loaded}
best = []
for _ in range(repeats):
    start = time.process_time(); encoder.encode_texts([text]); best.append(time.process_time() - start)
steps["again"] = min(best, default=0.0)
"""
TRANSFORMERS = """
import faiss, torch
from transformers import AutoTokenizer, CLIPModel
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = CLIPModel.from_pretrained(checkpoint).eval()
with torch.inference_mode():
    found = model.get_text_features(**tokenizer([text], return_tensors="pt")).pooler_output[0].numpy()
vector = found / (found @ found) ** 0.5
"""
LUNETA = """
import luneta
vector = luneta.load_encoder(checkpoint, dtype="float32", device="cpu").encode_texts([text])[0]
"""
WAYS = {"light": LIGHT, "transformers": TRANSFORMERS, "load_encoder": LUNETA}


def fresh(program: str, **names: Any) -> dict[str, Any]:
    """What a program in a process of its own found, and what it took: {"wall", "cpu", "vector", "steps"}."""
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    told = "\nimport json; print(json.dumps({'vector': vector.tolist(), 'steps': globals().get('steps', {})}))"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", given + program + told], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, **json.loads(done.stdout.splitlines()[-1])}


def imports(tower: str) -> dict[str, float]:
    """Milliseconds of importing the light path, by package, what each pulls in first counted as its own."""
    program = "import luneta.encoders.light"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program], check=True, capture_output=True, text=True
    )
    own: dict[str, float] = {}
    for microseconds, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", done.stderr):
        package = name.partition(".")[0]
        package = package if package in ("numpy", "onnxruntime", "tokenizers", "luneta") else "standard library"
        own[package] = own.get(package, 0.0) + int(microseconds) / 1000
    return own


def measure(name: str, checkpoint: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """One model, read in all ways; its tower is exported first."""
    import luneta
    from luneta.encoders.exporting import export_text_tower

    tower = str(folder / "tower")
    encoder = luneta.load_encoder(checkpoint, dtype="float32", device="cpu")
    start = time.process_time()
    record = export_text_tower(encoder, tower, check=[TEXT])
    exporting = time.process_time() - start
    size = sum(path.stat().st_size for path in Path(tower).iterdir()) / 2**20
    names = {"text": TEXT, "tower": tower, "checkpoint": str(checkpoint), "packed": False, "repeats": 0}
    runs: dict[str, list[dict[str, Any]]] = {way: [fresh(program, **names)] for way, program in WAYS.items()}
    first = {way: np.array(found[0]["vector"]) for way, found in runs.items()}
    for way, vector in first.items():
        assert np.abs(vector - first["light"]).max() < 1e-5, f"{way} gives another vector"
    for _ in range(rounds):
        for way, program in WAYS.items():
            runs[way].append(fresh(program, **names))
    seconds = {
        way: {kind: float(np.median([run[kind] for run in found[1:] or found])) for kind in ("wall", "cpu")}
        for way, found in runs.items()
    }  # the first run of each has read the files from the disk
    lasting = {packed: fresh(LIGHT, **{**names, "packed": packed, "repeats": 20}) for packed in (False, True)}
    result = {
        "tower_mib": size,
        "export_cpu_s": exporting,
        "largest_difference": record.parity.largest_difference,
        "seconds": seconds,
        "ratio": {kind: seconds["transformers"][kind] / seconds["light"][kind] for kind in ("wall", "cpu")},
        "imports_ms": imports(tower),
        "steps_ms": {
            step: float(np.median([run["steps"][step] for run in runs["light"]])) * 1000
            for step in ("import", "load", "read")
        },
        "again_ms": {"as_loaded": 0.0, "warm": 0.0}
        | {"warm" if packed else "as_loaded": run["steps"]["again"] * 1000 for packed, run in lasting.items()},
    }
    say(name, result)
    return result


def say(name: str, found: dict[str, Any]) -> None:
    print(f"{name}: a tower of {found['tower_mib']:.1f} MiB, exported in {found['export_cpu_s']:.1f} processor seconds")
    print(f"  differs from the encoder by {found['largest_difference']:.1e} at most")
    for way, seconds in found["seconds"].items():
        print(f"  {way:13s} {seconds['wall']:6.2f} s   {seconds['cpu']:6.2f} processor s")
    wall, cpu = found["ratio"]["wall"], found["ratio"]["cpu"]
    print(f"  light is {wall:.1f}x as fast as transformers by the clock, {cpu:.1f}x by processor time")
    print("  of its milliseconds:", ", ".join(f"{step} {ms:.0f}" for step, ms in found["steps_ms"].items()))
    print("  imports, under a tracer:", ", ".join(f"{package} {ms:.0f}" for package, ms in found["imports_ms"].items()))
    print("  a further query, in processor ms:", ", ".join(f"{how} {ms:.1f}" for how, ms in found["again_ms"].items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="luneta-mini once, to see that it runs")
    parser.add_argument("--json", type=Path, help="write every number here too")
    arguments = parser.parse_args()
    from _encoders import make_captions, make_checkpoint
    from luneta.encoders.presets import WEIGHTS

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        models = {"luneta-mini": WEIGHTS / "luneta-mini"}
        if not arguments.quick:
            models["ViT-B/32"] = make_checkpoint(Path(folder) / "vit-b-32", make_captions(2000))
        for name, checkpoint in models.items():
            place = Path(folder) / name.replace("/", "-")
            found[name] = measure(name, checkpoint, place, rounds=0 if arguments.quick else 7)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
