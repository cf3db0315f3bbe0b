"""A bundle whose writer is killed is the old one or the new one, and the next run brings it to its end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

JOB = '''
"""job.py FOLDER: builds and updates, each in a fork that is struck dead at one place; prints what was found wrong."""
import json, os, shutil, signal, sys
from pathlib import Path
from luneta.bundles import Bundle, IndexRecipe, build_bundle
from luneta.bundles.attaching import calibrate
from luneta.bundles.files import LOCK, RECORD
from killing import forked, struck_at
from worlds import ConceptEncoder, world

root = Path(sys.argv[1])
whole = world(1300)
first = whole.without_images(range(1200, 1300))
second = whole.without_images(range(100))
RECIPE = IndexRecipe(kind="exact", text_tower=False)


def build(folder, cache):
    os.environ["LUNETA_CACHE"] = str(cache)
    build_bundle(ConceptEncoder(0.3), first, folder, recipe=RECIPE)


def update(folder, cache):
    os.environ["LUNETA_CACHE"] = str(cache)
    build_bundle(ConceptEncoder(0.3), second, folder, update=True)


def cut(folder, cache):
    os.environ["LUNETA_CACHE"] = str(cache)
    calibrate(folder)


def sealed(folder):
    return {file.name: file.sha256 for file in Bundle.open(folder).files}


reference, states = root / "reference", {}
build(reference, root / "cache")
states["build"] = [None, sealed(reference)]
shutil.copytree(reference, root / "built")
update(reference, root / "cache")
states["update"] = [states["build"][1], sealed(reference)]
shutil.copytree(reference, root / "updated")
cut(reference, root / "cache")
states["cut"] = [states["update"][1], sealed(reference)]

PLACES = {"rename": (Path, "replace"), "move": (Path, "rename"), "fsync": (os, "fsync"), "delete": (Path, "unlink")}
TASKS = {"build": (build, None), "update": (update, "built"), "cut": (cut, "updated")}
wrong, n_killed = [], 0
for task, place, turns in json.loads(sys.argv[2]):
    for turn in turns:
        what, start = TASKS[task]
        folder, cache = root / f"{task}-{place}-{turn}", root / f"cache-{task}-{place}-{turn}"
        if start:
            shutil.copytree(root / start, folder)

        def killed():
            struck_at(PLACES[place], turn, signal.SIGKILL)
            what(folder, cache)

        status = forked(killed)
        n_killed += status == -signal.SIGKILL
        name = f"{task}, {place} {turn} ({status})"
        now = sealed(folder) if (folder / RECORD).exists() else None
        if now not in states[task]:
            wrong.append(f"{name}: neither the old bundle nor the new one")
        if now is not None and any(damage for _, damage in Bundle.open(folder).verify()):
            wrong.append(f"{name}: damaged")
        if now != states[task][1]:
            what(folder, cache)
        elif task == "build":
            update(folder, cache)  # a build that is done is not built again; what it left does not stand in the way
        else:
            what(folder, cache)
        after = states["update"][1] if task == "build" and now == states["build"][1] else states[task][1]
        if sealed(folder) != after:
            wrong.append(f"{name}: another bundle in the end")
        own = {file.partition("/")[0] for file in after} | {RECORD, LOCK, "source.json", "README.md"}
        if left := sorted(set(os.listdir(folder)) - own):
            wrong.append(f"{name}: left {left}")
        shutil.rmtree(folder), shutil.rmtree(cache, ignore_errors=True)
print(json.dumps({"wrong": wrong, "n_killed": n_killed}))
'''


@pytest.mark.parametrize(
    "points",
    [
        [["build", "rename", [1, 4, 8, 10, 12, 13, 14]], ["build", "fsync", [2, 9]], ["build", "delete", [1]]],
        [["update", "rename", [1, 3, 5, 6, 7, 8, 9]], ["update", "delete", [1, 2, 3]], ["update", "fsync", [4, 7]]],
        [["cut", "rename", [1, 2, 3, 4]], ["cut", "fsync", [1]]],
    ],
    ids=["build", "update", "cut-offs"],
)
def test_a_killed_writer_loses_nothing(tmp_path: Path, points: list[object]) -> None:
    job = tmp_path / "job.py"
    job.write_text(JOB)
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(job), str(tmp_path), json.dumps(points)],
        capture_output=True, text=True, env=environment, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert found["n_killed"] >= 4
