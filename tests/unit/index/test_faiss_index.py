"""Indexes of FAISS: their files, what they refuse, and what happens where there is little or nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from indexing import clustered, random_units
from luneta.errors import ArtifactError, ConfigError, ShapeError
from luneta.index import build_index, indexfile, load_index, open_index, save_index

KINDS = ("hnsw", "ivf-sq8", "ivf-pq")
DIM = 16
ITEMS = clustered(600, DIM)
IDS = np.arange(600) * 2
QUERIES = clustered(5, DIM, seed=2)


def built(kind: str, **how: Any) -> Any:
    return build_index(IDS, ITEMS, kind=kind, **how)


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_holds_no_vectors_and_opens_around_them(kind: str, tmp_path: Path) -> None:
    index = built(kind)
    index.set_effort(7, factor=3)
    index.write(tmp_path / "index.bin")
    assert (tmp_path / "index.bin").stat().st_size < ITEMS.nbytes + 600 * 200  # a graph's links
    again = load_index(kind, tmp_path / "index.bin", ITEMS, IDS)
    assert again.parameters == index.parameters
    np.testing.assert_array_equal(again.search(QUERIES, 9).ids, index.search(QUERIES, 9).ids)
    again.write(tmp_path / "copy.bin")
    assert (tmp_path / "copy.bin").read_bytes() == (tmp_path / "index.bin").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_files(kind: str, tmp_path: Path) -> None:
    before = Path(tmp_path / "0")
    for name in ("0", "1"):
        index = built(kind)
        index.remove(IDS[::2])  # a graph is built again
        index.add(IDS[:10:2], ITEMS[:10:2])
        index.write(tmp_path / name)
    assert before.read_bytes() == (tmp_path / "1").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mapped_file_stays_as_it_is_whatever_changes(kind: str, tmp_path: Path) -> None:
    save_index(built(kind), tmp_path / "index")
    content = {path.name: path.read_bytes() for path in (tmp_path / "index").iterdir()}
    index: Any = open_index(tmp_path / "index")
    assert index.remove(IDS[:5]) == 5
    index.add(np.array([1, 3]), ITEMS[:2])
    assert not np.isin(index.search(ITEMS[:50], 300).ids, IDS[:5]).any()
    assert {path.name: path.read_bytes() for path in (tmp_path / "index").iterdir()} == content
    save_index(index, tmp_path / "index")  # over the files it lies in
    again = open_index(tmp_path / "index")
    assert again.ids.tolist() == index.ids.tolist()
    assert not np.isin(again.search(ITEMS[:50], 300).ids, IDS[:5]).any()


def test_a_graph_forgets_by_and_by() -> None:
    index = built("hnsw")
    index.remove(IDS[:100])
    assert index._index.ntotal == 600
    index.remove(IDS[:200])
    assert index._index.ntotal == 400  # built again
    index.set_effort(400, factor=40)
    assert sorted(index.search(QUERIES[:1], 400).ids[0].tolist()) == IDS[200:].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_little_or_nothing(kind: str, n: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    index: Any = build_index(IDS[:n], ITEMS[:n], kind=kind)
    save_index(index, tmp_path / "index")
    index = open_index(tmp_path / "index")
    found = index.search(ITEMS[:2], 3)
    assert (found.ids >= 0).sum() == 2 * min(n, 3)
    index.add(IDS[n:], ITEMS[n:])
    assert index.search(ITEMS, 1).ids[:, 0].tolist() == IDS.tolist()
    assert index.remove(IDS) == 600
    assert (index.search(QUERIES, 2).ids == -1).all()
    index.add(IDS[:1], ITEMS[:1])
    assert index.search(QUERIES[:1], 2).ids.tolist() == [[0, -1]]
    assert capfd.readouterr() == ("", "")  # FAISS warns on standard error where it pleases


@pytest.mark.parametrize("kind", KINDS)
def test_equal_vectors_stand_by_id(kind: str) -> None:
    index: Any = build_index(np.arange(600)[::-1], np.repeat(ITEMS[:100], 6, axis=0), kind=kind)
    index.set_effort(index.most_effort, factor=20)
    found = index.search(ITEMS[:100], 6)
    assert (np.diff(found.ids, axis=1) > 0).all()
    assert (found.scores == found.scores[:, :1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_effort_of_little_finds_as_many_as_are_asked_for(kind: str) -> None:
    index = built(kind)
    index.set_effort(1, factor=1)
    found = index.search(QUERIES, 500)
    assert all(len(set(row)) == 500 and min(row) >= 0 for row in found.ids.tolist())


@pytest.mark.parametrize("kind", ["ivf-sq8", "ivf-pq"])
def test_fewer_candidates_than_were_wished_for(kind: str) -> None:
    """One list holds about 30 items: enough for ten, not for 500 candidates."""
    index = built(kind)
    index.set_effort(1, factor=50)
    found = index.search(ITEMS[:50], 10)
    assert (found.ids >= 0).all()
    np.testing.assert_allclose(found.scores, np.einsum("qd,qkd->qk", ITEMS[:50], ITEMS[found.ids // 2]), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_effort_is_taken_as_all(kind: str) -> None:
    index = built(kind)
    index.set_effort(2**60)
    assert index.parameters[index.effort_name] == index.most_effort
    assert index.search(ITEMS, 1).ids[:, 0].tolist() == IDS.tolist()


def test_an_effort_outlives_a_time_with_fewer_items() -> None:
    index = built("hnsw")
    index.remove(IDS[:590])
    index.add(IDS[:590], ITEMS[:590])
    assert index.parameters["efSearch"] == 64
    assert faiss.downcast_index(index._index.index).hnsw.efSearch == 64


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_byte_anywhere_is_found(kind: str, tmp_path: Path) -> None:
    built(kind).write(tmp_path / "index.bin")
    content = bytearray((tmp_path / "index.bin").read_bytes())
    rng = np.random.default_rng(0)
    places = [
        0,
        5,
        len(content) - 1,
        len(content) - 20,
        len(content) - 60,
        *rng.integers(len(content), size=40).tolist(),
    ]
    for place in places:
        content[place] ^= 0x10
        (tmp_path / "index.bin").write_bytes(content)
        with pytest.raises(ArtifactError, match="no whole index"):
            load_index(kind, tmp_path / "index.bin", ITEMS, IDS)
        content[place] ^= 0x10


@pytest.mark.parametrize("n_bytes", [0, 10, 24, 1000, -1])
def test_a_file_that_was_cut_is_found(n_bytes: int, tmp_path: Path) -> None:
    built("hnsw").write(tmp_path / "index.bin")
    (tmp_path / "index.bin").write_bytes((tmp_path / "index.bin").read_bytes()[:n_bytes])
    with pytest.raises(ArtifactError, match="no whole index"):
        load_index("hnsw", tmp_path / "index.bin", ITEMS, IDS)


def test_files_of_something_else(tmp_path: Path) -> None:
    built("hnsw").write(tmp_path / "index.bin")
    with pytest.raises(ArtifactError, match="kind 'hnsw', not 'ivf-sq8'"):
        load_index("ivf-sq8", tmp_path / "index.bin", ITEMS, IDS)
    with pytest.raises(ArtifactError, match="belongs to other vectors"):
        load_index("hnsw", tmp_path / "index.bin", ITEMS, IDS + 1)
    with pytest.raises(ArtifactError, match="dim 16, not 8"):
        load_index("hnsw", tmp_path / "index.bin", random_units(600, 8), IDS)
    with pytest.raises(ArtifactError, match="no such file"):
        load_index("hnsw", tmp_path / "none", ITEMS, IDS)
    with pytest.raises(ArtifactError, match="needs its file"):
        load_index("hnsw", None, ITEMS, IDS)
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_index("hnsw", tmp_path, ITEMS, IDS)
    with pytest.raises(ShapeError, match="not ascending"):
        load_index("hnsw", tmp_path / "index.bin", ITEMS, IDS[::-1].copy())


def test_bytes_that_faiss_does_not_know(tmp_path: Path) -> None:
    """Whole, but written by something else."""
    built("hnsw").write(tmp_path / "index.bin")
    facts = indexfile.read(tmp_path / "index.bin").facts
    indexfile.write(tmp_path / "index.bin", facts, lambda place: place.write_bytes(b"IxMp, or so it says"))
    with pytest.raises(ArtifactError, match="FAISS cannot open this hnsw index"):
        load_index("hnsw", tmp_path / "index.bin", ITEMS, IDS)


def test_what_faiss_cannot_do_is_an_error_of_ours() -> None:
    index = built("ivf-sq8")

    class Broken:
        def __init__(self, error: BaseException) -> None:
            self.error = error

        def __getattr__(self, name: str) -> Any:
            raise self.error

    whole = index._index
    index._index = Broken(RuntimeError("Error in faiss: no\nmore"))
    with pytest.raises(ArtifactError, match="FAISS cannot search this ivf-sq8 index: Error in faiss: no;"):
        index.search(QUERIES, 3)
    index._index = Broken(MemoryError())
    with pytest.raises(ConfigError, match="not memory enough to add to an index of kind ivf-sq8"):
        index.add(np.array([1]), ITEMS[:1])
    assert 1 not in index.ids
    assert index.search(ITEMS[:1], 1).ids[0, 0] == 0  # exactly, since nobody knows what FAISS holds
    index.add(np.array([1]), ITEMS[:1])
    assert index._index is not whole
    assert index.search(ITEMS[:1], 2).ids.tolist() == [[0, 1]]


def test_exact_search_does_not_import_faiss() -> None:
    code = (
        "import sys, numpy as np\nfrom luneta.index import build_index, load_index\n"
        "v = np.eye(4, dtype=np.float32)\nload_index('exact', None, v, np.arange(4)).search(v, 2)\n"
        "build_index(np.arange(4), v)\n"
        "print([name for name in ('faiss', 'torch', 'transformers', 'rich', 'pyarrow') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
