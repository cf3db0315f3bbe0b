"""A job that is killed at any moment goes on where it stopped, and leaves the same bytes as one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from luneta.store import EmbeddingStore

JOB = '''
"""job.py STORE N_IMAGES DELAY_S [PLACE N]: embed a world, slowly; with PLACE, die there the Nth time."""
import os, signal, sys, time
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from luneta import artifacts, embedding, shards, store
from worlds import ConceptEncoder, world

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests run in the background have their children ignore it
store.SLOTS.update(image=16, text=32)
embedding.TEXT_SLICE = 8
path, n_images, delay_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

@dataclass
class Touchy(ConceptEncoder):
    """As real models are: a vector's last bits depend on what else is in its batch."""

    def _encode(self, concepts):
        time.sleep(delay_s)
        return super()._encode(concepts) + np.float32(1e-4) * np.sin(len(concepts) + concepts[0][0])

def die_at(owner, name, turn):
    proper, calls = getattr(owner, name), []
    def deadly(*args, **kwargs):
        calls.append(name)
        if len(calls) == turn:
            os.kill(os.getpid(), signal.SIGKILL)
        return proper(*args, **kwargs)
    setattr(owner, name, deadly)

if len(sys.argv) > 4:
    place, turn = sys.argv[4], int(sys.argv[5])
    owner, name = {
        "before the folder's manifest": (artifacts, "write_json"),
        "between shard and manifest": (artifacts, "write_json"),
        "before a rename": (Path, "replace"),
        "in the middle of a shard": (shards, "hash_file"),
        "before a shard": (shards.pq, "write_table"),
    }[place]
    die_at(owner, name, turn)

print("begins", flush=True)
data = world(n_images, captions_per_image=2, broken=[5, 17, 18, 40])
cost, skipped = embedding.embed_to_store(Touchy(), data, path, batch_size=5, n_threads=3, max_bad_share=0.1)
print("computed", cost.n_images_computed, cost.n_texts_computed, [row.row for row in skipped], flush=True)
'''

N_IMAGES = 100


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = tmp_path_factory.mktemp("job") / "job.py"
    script.write_text(JOB)
    return script


def start(
    job: Path, store: Path, *more: object, delay_s: float = 0.0, n_images: int = N_IMAGES
) -> subprocess.Popen[str]:
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join(str(path) for path in (tests, tests.parent / "src"))
    return subprocess.Popen(
        [sys.executable, str(job), str(store), str(n_images), str(delay_s), *map(str, more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(job: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that nobody interrupted."""
    store = tmp_path_factory.mktemp("whole") / "store"
    assert "computed 96 192 [5, 17, 18, 40]" in finish(start(job, store))
    assert len(contents(store)) == 7 + 6 + 2
    return store


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_moments(job: Path, whole: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    sizes = []
    for _ in range(4):
        process = start(job, tmp_path / "store", delay_s=0.03)
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        time.sleep(chance.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        sizes.append(len(list((tmp_path / "store").glob("*.parquet"))))
    assert sizes == sorted(sizes)  # nothing that was whole was lost
    finish(start(job, tmp_path / "store"))
    assert contents(tmp_path / "store") == contents(whole)


@pytest.mark.parametrize(
    ("place", "turn"),
    [
        ("before the folder's manifest", 1),
        ("between shard and manifest", 2),
        ("between shard and manifest", 6),
        ("between shard and manifest", 11),
        ("before a rename", 4),
        ("before a rename", 5),
        ("in the middle of a shard", 3),
        ("before a shard", 10),
    ],
)
def test_killed_at_the_worst_moments(job: Path, whole: Path, tmp_path: Path, place: str, turn: int) -> None:
    process = start(job, tmp_path / "store", place, turn)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    finish(start(job, tmp_path / "store"))
    assert contents(tmp_path / "store") == contents(whole)


def test_a_kill_between_shard_and_manifest_leaves_an_orphan_that_readers_do_not_see(job: Path, tmp_path: Path) -> None:
    start(job, tmp_path, "between shard and manifest", 4).communicate(timeout=120)
    assert sorted(path.name for path in tmp_path.glob("image-*")) == [f"image-0000{i}.parquet" for i in range(3)]
    assert len(EmbeddingStore.open(tmp_path).shards) == 2


def test_growth_that_is_killed_ends_like_growth_that_is_not(job: Path, whole: Path, tmp_path: Path) -> None:
    for name, places in (("calm", [()]), ("killed", [("before a rename", 2), ("between shard and manifest", 3), ()])):
        finish(start(job, tmp_path / name))
        assert contents(tmp_path / name) == contents(whole)
        for place in places:
            start(job, tmp_path / name, *place, n_images=170).communicate(timeout=120)
    assert contents(tmp_path / "killed") == contents(tmp_path / "calm")
    assert "computed 0 0" in finish(start(job, tmp_path / "killed", n_images=170))
    for name, content in contents(whole).items():  # growth only adds
        assert name == "manifest.json" or contents(tmp_path / "calm")[name] == content


def test_ctrl_c_ends_promptly_and_leaves_a_valid_store(job: Path, whole: Path, tmp_path: Path) -> None:
    process = start(job, tmp_path / "store", delay_s=0.1)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "store").glob("image-00001.parquet")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in err
    store = EmbeddingStore.open(tmp_path / "store")
    store.verify()
    assert 1 <= len(store.shards) < 13
    assert not [name for name in contents(tmp_path / "store") if name.startswith((".image", ".text", ".manifest"))]
    finish(start(job, tmp_path / "store"))
    assert contents(tmp_path / "store") == contents(whole)


def test_two_jobs_at_once_do_not_mix(job: Path, whole: Path, tmp_path: Path) -> None:
    first = start(job, tmp_path / "store", delay_s=0.01)
    second = start(job, tmp_path / "store", delay_s=0.01)
    outcomes = [process.communicate(timeout=120)[1] for process in (first, second)]
    assert 0 in (first.returncode, second.returncode)
    for process, err in zip((first, second), outcomes, strict=True):
        assert process.returncode == 0 or "another process is writing" in err
    assert contents(tmp_path / "store") == contents(whole)


def test_the_comparison_would_see_a_batch_cut_elsewhere(job: Path, whole: Path, tmp_path: Path) -> None:
    """The encoder of the job is touchy on purpose: this shows that equal bytes above mean equal batches."""
    finish(start(job, tmp_path / "store", n_images=41))
    finish(start(job, tmp_path / "store"))
    ours, theirs = EmbeddingStore.open(tmp_path / "store"), EmbeddingStore.open(whole)
    keys = [key for shard in theirs._of("image") for key in theirs._keys[shard.file].to_pylist() if key]
    assert np.abs(ours.vectors("image", keys) - theirs.vectors("image", keys)).max() > 1e-5
