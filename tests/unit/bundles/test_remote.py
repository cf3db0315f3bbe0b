"""A bundle that is searched in Milvus answers as one that is not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from luneta.bundles import Bundle, IndexRecipe, build_bundle
from luneta.errors import ConfigError
from luneta.search import Searcher
from worlds import ConceptEncoder, world

pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install 'luneta[milvus]'")

N = 40
ENCODER = ConceptEncoder(0.4)
RECIPE = IndexRecipe(kind="exact", text_tower=False)
COLUMNS = {"year": [1880 + i for i in range(N)], "style": ["a", "b", None, "d'or"] * (N // 4),
           "odd": [{"a": 1}] * N}  # fmt: skip


def test_it_answers_as_the_local_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    data = replace(world(N, captions_per_image=2), rows=pa.table(COLUMNS))
    uri = str(tmp_path / "vectors.db")
    build_bundle(ENCODER, data, tmp_path / "local.luneta", recipe=RECIPE)
    build_bundle(ENCODER, data, tmp_path / "my photos.luneta", recipe=RECIPE, milvus=uri)
    local, remote = (Searcher.open(tmp_path / name, encoder=ENCODER) for name in ("local.luneta", "my photos.luneta"))
    for how in ({}, {"where": "style = 'd''or' and year < 1905"}, {"where": "style is null"}, {"target": "text"}):
        expected, found = (s.search("thing 7, way 0", top_k=6, **how) for s in (local, remote))  # type: ignore[arg-type]
        assert [hit.id for hit in found] == [hit.id for hit in expected]
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-5)
        assert [hit.metadata for hit in found] == [hit.metadata for hit in expected]
    record = Bundle.open(tmp_path / "my photos.luneta").record
    first = record["sides"]["image"]["index"]["collection"]
    assert re.fullmatch("my_photos_[0-9a-f]{8}_image_[0-9a-f]{12}", first)
    assert uri not in str(record)  # where it is, is this machine's

    fewer = data.without_images(range(20))
    after = build_bundle(ENCODER, fewer, tmp_path / "my photos.luneta", update=True).bundle
    second = after.record["sides"]["image"]["index"]["collection"]
    assert second != first
    hits = Searcher(after, ENCODER).search("thing 7, way 0", top_k=50)
    assert {hit.name for hit in hits} == {f"picture-{i}" for i in range(20, N)}
    from pymilvus import MilvusClient

    client = MilvusClient(uri)
    before, now = ([s["index"]["collection"] for s in r["sides"].values()] for r in (record, after.record))
    assert sorted(client.list_collections()) == sorted({*before, *now})
    assert {hit.name for hit in remote.search("thing 7", top_k=50)} == {f"picture-{i}" for i in range(N)}  # as opened
    names = after.record["milvus"]
    assert client.describe_collection(f"{names}_image")["collection_name"] == second
    client.create_collection(f"{names}_image_0123456789ab", dimension=4)  # as a filling that was killed leaves
    whole = build_bundle(ENCODER, fewer.without_images(range(3)), tmp_path / "my photos.luneta", update=True).bundle
    third = [s["index"]["collection"] for s in whole.record["sides"].values()]
    assert sorted(client.list_collections()) == sorted({*now, *third})
    client.close()

    (tmp_path / "my photos.luneta" / "source.json").unlink()
    with pytest.raises(ConfigError, match="--milvus URI"):
        Searcher.open(tmp_path / "my photos.luneta", encoder=ENCODER).search("thing 7")
    monkeypatch.setenv("LUNETA_MILVUS_URI", uri)
    assert Searcher.open(tmp_path / "my photos.luneta", encoder=ENCODER).search("thing 27")

    (tmp_path / "other").mkdir()
    build_bundle(ENCODER, fewer, tmp_path / "other" / "my photos.luneta", recipe=RECIPE, milvus=uri)
    assert Searcher.open(tmp_path / "my photos.luneta", encoder=ENCODER).search("thing 27")  # it has its own


def test_a_token_is_never_sent_on_the_word_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from luneta.bundles import remote
    from luneta.index import milvus

    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(milvus.MilvusCollection, "open", lambda uri, name, token="": sent.append((uri, token)))
    monkeypatch.setenv("LUNETA_MILVUS_TOKEN", "secret")
    record = {"sides": {"image": {"index": {"collection": "c"}}}}
    bundle = Bundle(tmp_path, record)
    (tmp_path / "source.json").write_text('{"milvus": "http://elsewhere.example:19530"}')
    remote.opened(bundle, "image")
    remote.opened(bundle, "image", named="http://mine.example:19530")
    monkeypatch.setenv("LUNETA_MILVUS_URI", "http://ours.example:19530")
    remote.opened(bundle, "image")
    assert sent == [
        ("http://elsewhere.example:19530", ""), ("http://mine.example:19530", "secret"),
        ("http://ours.example:19530", "secret"),
    ]  # fmt: skip
