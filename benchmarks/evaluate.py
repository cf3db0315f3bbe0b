"""Everything between a picture on the disk and a metric on the screen, against what people use today.

Pictures and texts to vectors (`_encoders.py`), vectors to metrics (`_metrics.py`): in one run, as ratios. What the
numbers mean and what limits them is in docs/benchmarks.md. Needs the `bench` extra: pip install "luneta[bench]".

    python benchmarks/evaluate.py                    # about a quarter of an hour on two cores
    python benchmarks/evaluate.py --quick            # small and once, to see that it runs
    python benchmarks/evaluate.py --json numbers.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def seconds_of(program: str, rounds: int) -> float:
    """The least time that Python takes to start and run a program."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def starting(rounds: int) -> dict[str, float]:
    """`import luneta` against Python alone and against the libraries it stands on."""
    programs = {"python": "pass", "luneta": "import luneta", "torch": "import torch", "transformers": "from "
                "transformers import CLIPModel", "sentence-transformers": "import sentence_transformers"}  # fmt: skip
    found = {name: seconds_of(program, rounds) for name, program in programs.items()}
    print("starting Python and importing", *(f"{name} {seconds:.2f} s" for name, seconds in found.items()), sep="\n  ")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small and once, to see that it runs")
    parser.add_argument("--only", choices=("encoders", "metrics"), help="one of the two halves")
    parser.add_argument("--json", type=Path, help="write every number here too")
    arguments = parser.parse_args()
    found: dict[str, Any] = {"starting": starting(1 if arguments.quick else 3)}
    print()
    if arguments.only != "metrics":
        import _encoders

        found["encoders"] = _encoders.run(quick=arguments.quick)
        print()
    if arguments.only != "encoders":
        import _metrics

        found["metrics"] = _metrics.run(quick=arguments.quick)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
