"""What a bundle holds, and what becomes of it when the data change."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import luneta
from luneta.bundles import Bundle, IndexRecipe, build_bundle
from luneta.bundles.building import seal, unsealed
from luneta.bundles.files import LOCK, RECORD, SOURCE, File
from luneta.data.dataset import ImageTextDataset
from luneta.embedding import embed
from luneta.errors import ArtifactError, ConfigError, ImageError, IndexMismatchError
from luneta.types import EncoderSpec, Vectors
from worlds import ConceptEncoder, world

PLAIN = IndexRecipe(kind="exact", text_tower=False)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))


@dataclass
class Counting(ConceptEncoder):
    """Counts what goes through it."""

    n_images: int = 0
    n_texts: int = 0

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        self.n_images += len(images)
        return super().encode_images(images)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.n_texts += len(texts)
        return super().encode_texts(texts)


def part_of(data: ImageTextDataset, images: Sequence[int]) -> ImageTextDataset:
    return data.without_images(set(range(data.n_images)) - set(images))


def build(data: ImageTextDataset, out: Path, encoder: Any = None, **how: Any) -> Any:
    return build_bundle(encoder or ConceptEncoder(0.3), data, out, recipe=None if how.get("update") else PLAIN, **how)


def named(bundle: Bundle) -> dict[str, int]:
    items = bundle.items("image")
    return dict(zip(items.column("_name").to_pylist(), items.column("_id").to_pylist(), strict=True))


def test_it_holds_the_vectors_and_the_words_of_every_item(tmp_path: Path) -> None:
    data, encoder = world(23, captions_per_image=3, broken=[4]), ConceptEncoder(0.3)
    bundle = build(data, tmp_path / "b", encoder, max_bad_share=0.1).bundle
    expected = embed(encoder, data, max_bad_share=0.1)
    assert (bundle.n("image"), bundle.n("text")) == (22, 66)
    np.testing.assert_array_equal(bundle.vectors("image"), expected.images)
    np.testing.assert_array_equal(bundle.vectors("text"), expected.texts)
    row = bundle.rows("image", np.array([4])).to_pylist()[0]
    assert row["_name"] == "picture-5"
    assert row["number"] == 5
    assert row["_texts"] == [f"thing 5, way {way}" for way in range(3)]
    text = bundle.rows("text", np.array([13])).to_pylist()[0]
    assert (text["_text"], text["_images"]) == ("thing 5, way 1", [4])
    jpeg = bundle.thumbnails.get(row["_key"])
    assert jpeg is not None
    with Image.open(io.BytesIO(jpeg)) as small:
        assert (small.format, small.size) == ("JPEG", (2, 2))


def test_an_update_embeds_what_is_new_and_drops_what_has_gone(tmp_path: Path) -> None:
    whole = world(30, captions_per_image=2)
    first = build(part_of(whole, range(20)), tmp_path / "b").bundle
    before = named(first)
    encoder = Counting(0.3)
    built = build(part_of(whole, range(5, 25)), tmp_path / "b", encoder, update=True)
    after = named(built.bundle)
    assert (encoder.n_images, encoder.n_texts) == (5, 10)
    assert built.n_computed == {"image": 5, "text": 10}
    assert built.n_new == {"image": 5, "text": 10}
    assert built.n_dropped == {"image": 5, "text": 10}
    assert {name: before[name] for name in after if name in before} == {n: i for n, i in after.items() if n in before}
    assert min(after[f"picture-{i}"] for i in range(20, 25)) > max(before.values())
    expected = embed(ConceptEncoder(0.3), part_of(whole, range(5, 25)))
    np.testing.assert_array_equal(built.bundle.vectors("image"), expected.images)


def test_a_number_is_never_given_twice(tmp_path: Path) -> None:
    whole = world(6)
    build(part_of(whole, range(6)), tmp_path / "b")
    build(part_of(whole, range(5)), tmp_path / "b", update=True)
    assert named(build(part_of(whole, range(6)), tmp_path / "b", update=True).bundle)["picture-5"] == 6


def test_a_picture_that_has_changed_is_a_new_item(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Named:
        inner: Any
        label: str

        def key(self) -> str:
            return str(self.inner.key())

        def open(self) -> Image.Image:
            found: Image.Image = self.inner.open()
            return found

    data = world(4)
    same = replace(data, images=[Named(image, f"{i}.png") for i, image in enumerate(data.images)])
    before = named(build(same, tmp_path / "b").bundle)
    changed = replace(same, images=[*same.images[:3], Named(world(9).images[8], "3.png")])
    after = build(changed, tmp_path / "b", update=True)
    assert after.n_new == {"image": 1, "text": 0}
    assert named(after.bundle)["3.png"] not in before.values()
    np.testing.assert_array_equal(after.bundle.vectors("image")[3], embed(ConceptEncoder(0.3), world(9)).images[8])


def test_metadata_are_those_of_the_data_as_they_are_now(tmp_path: Path) -> None:
    data = world(4)
    build(data, tmp_path / "b")
    built = build(replace(data, rows=pa.table({"year": [1, 2, 3, 4]})), tmp_path / "b", update=True)
    assert built.n_new == {"image": 0, "text": 0}
    assert built.bundle.items("image").column("year").to_pylist() == [1, 2, 3, 4]
    assert "number" not in built.bundle.items("image").column_names


def test_columns_named_like_ours_keep_their_values(tmp_path: Path) -> None:
    rows = pa.table({"_id": ["a", "b"], "_name": ["c", "d"]})
    items = build(replace(world(2), rows=rows), tmp_path / "b").bundle.items("image")
    assert items.column("_id").to_pylist() == [0, 1]
    assert items.column("_id_").to_pylist() == ["a", "b"]
    assert items.column("_name_").to_pylist() == ["c", "d"]


def test_vectors_come_from_the_bundle_where_the_cache_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = world(12, captions_per_image=2)
    build(data, tmp_path / "b")
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "another"))
    encoder = Counting(0.3)
    build(data, tmp_path / "b", encoder, update=True)
    assert (encoder.n_images, encoder.n_texts) == (0, 0)


def test_without_the_cache_nothing_is_left_beside_it(tmp_path: Path) -> None:
    bundle = build(world(5), tmp_path / "b", cache=False).bundle
    assert not (tmp_path / "cache").exists()
    own = {file.name.partition("/")[0] for file in bundle.files} | {RECORD, SOURCE, LOCK, "README.md"}
    assert set(os.listdir(tmp_path / "b")) == own


def test_equal_data_give_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / f"cache-{name}"))
        build(world(40, captions_per_image=2), tmp_path / name)
    files = [{f.name: f.sha256 for f in Bundle.open(tmp_path / name).files} for name in "ab"]
    assert files[0] == files[1]


def test_nothing_of_it_names_the_machine(tmp_path: Path) -> None:
    folder = tmp_path / "pictures" / "sub"
    folder.mkdir(parents=True)
    for i in range(3):
        Image.new("RGB", (8, 8), (i, i, i)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"thing {i}")
    data = luneta.open_dataset(tmp_path / "pictures")
    bundle = build(data, tmp_path / "b", source={"source": str(tmp_path / "pictures")}).bundle
    assert bundle.items("image").column("_name").to_pylist() == ["sub/0.png", "sub/1.png", "sub/2.png"]
    sealed = [path for path in (tmp_path / "b").rglob("*") if path.is_file() and path.name not in (SOURCE, LOCK)]
    assert not [path for path in sealed if str(tmp_path).encode() in path.read_bytes()]
    assert bundle.originals[1].open().getpixel((0, 0)) == (1, 1, 1)
    (folder / "1.png").unlink()
    with pytest.raises(ImageError, match="gone since it was indexed"):
        Bundle.open(tmp_path / "b").originals[1].open()


def test_what_it_refuses(tmp_path: Path) -> None:
    data = world(4)
    build(data, tmp_path / "b")
    with pytest.raises(ConfigError, match="is there already"):
        build(data, tmp_path / "b")
    with pytest.raises(ConfigError, match="nothing to update"):
        build(data, tmp_path / "new", update=True)
    with pytest.raises(IndexMismatchError, match="concepts"):
        build(data, tmp_path / "b", ConceptEncoder(0.4), update=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(ArtifactError, match=r"letter\.txt"):
        build(data, tmp_path / "full")
    assert (tmp_path / "full" / "letter.txt").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="is a file"):
        build(data, tmp_path / "file")

    class Nameless(ConceptEncoder):
        @property
        def spec(self) -> EncoderSpec:
            return replace(super().spec, fingerprint="")

    with pytest.raises(ConfigError, match="no fingerprint"):
        build(data, tmp_path / "c", Nameless())
    with filelock.FileLock(tmp_path / "b" / LOCK), pytest.raises(ArtifactError, match="written by another process"):
        build(data, tmp_path / "b", update=True)


@pytest.mark.parametrize("name", ["db-202401011200.sql", "run-202401011200", "vectors-2024010112ab.npy"])
def test_names_that_look_like_ours_are_not(tmp_path: Path, name: str) -> None:
    (tmp_path / "b" / name).mkdir(parents=True)
    with pytest.raises(ArtifactError, match="no part of a bundle"):
        build(world(3), tmp_path / "b")
    assert (tmp_path / "b" / name).is_dir()


def test_damage_is_not_sealed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = world(8)
    build(data, tmp_path / "b")
    path = next((tmp_path / "b").glob("vectors-image-*"))
    wrong = bytearray(path.read_bytes())
    wrong[-1] ^= 128  # a sign: the vector keeps its length
    path.write_bytes(bytes(wrong))
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "another"))
    with pytest.raises(ArtifactError, match=path.name):
        build(data, tmp_path / "b", update=True)


def test_a_reader_keeps_what_it_has_opened(tmp_path: Path) -> None:
    from luneta.search import Searcher

    build(world(20), tmp_path / "b")
    searcher = Searcher.open(tmp_path / "b", encoder=ConceptEncoder(0.3))
    build(world(30).without_images(range(10)), tmp_path / "b", update=True)
    hits = searcher.search("thing 3", top_k=20, target="image")
    assert {hit.name for hit in hits} == {f"picture-{i}" for i in range(20)}
    assert searcher.bundle.thumbnails.get(hits[0].key)
    assert len(searcher.search("thing 3", target="text", top_k=20)) == 20


@pytest.mark.parametrize("table", ["", "metadata.csv"])
def test_names_do_not_depend_on_where_we_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    (tmp_path / "pics" / "deep").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    for name in ("0", "deep/1"):
        Image.new("RGB", (8, 8), (len(name), 0, 0)).save(tmp_path / "pics" / f"{name}.png")
    (tmp_path / "pics" / "metadata.csv").write_text("file_name,caption\n0.png,thing 0\ndeep/1.png,thing 1\n")
    for number, (stand, path) in enumerate(
        (("work", "../pics"), ("pics", "."), (".", "pics"), (".", tmp_path / "pics"))
    ):
        monkeypatch.chdir(tmp_path / stand)
        built = build(luneta.open_dataset(f"{path}/{table}"), tmp_path / f"b{number}")
        assert set(named(built.bundle)) == {"0.png", "deep/1.png"}


def test_pictures_of_a_table_keep_their_numbers_when_others_come(tmp_path: Path) -> None:
    for i, folder in enumerate(["x", "x", "x", "y"]):
        (tmp_path / "pics" / folder).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, i, i)).save(tmp_path / "pics" / folder / f"{i}.png")
    lines = [f"pics/{folder}/{i}.png,thing {i}" for i, folder in enumerate(["x", "x", "x", "y"])]
    table = tmp_path / "data.csv"
    table.write_text("image,text\n" + "\n".join(lines[:3]) + "\n")
    before = named(build(luneta.open_dataset(table), tmp_path / "b").bundle)
    table.write_text("image,text\n" + "\n".join(lines) + "\n")
    built = build(luneta.open_dataset(table), tmp_path / "b", update=True)
    assert before == {f"pics/x/{i}.png": i for i in range(3)}
    assert named(built.bundle) == {**before, "pics/y/3.png": 3}
    (tmp_path / "pics" / "x" / "0.png").rename(tmp_path / "pics" / "y" / "0.png")
    table.write_text("image,text\n" + "\n".join([lines[0].replace("x/", "y/"), *lines[1:]]) + "\n")
    assert named(build(luneta.open_dataset(table), tmp_path / "b", update=True).bundle)["pics/y/0.png"] == 0


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "text-tower-0123456789ab/../x", "text-tower-0123456789ab/./x", "x.npy"]
)
def test_a_record_names_nothing_outside(tmp_path: Path, name: str) -> None:
    build(world(3), tmp_path / "b")
    record = json.loads((tmp_path / "b" / RECORD).read_text())
    record["files"][name] = {"sha256": "0" * 64, "bytes": 1}
    (tmp_path / "b" / RECORD).write_text(json.dumps(record))
    with pytest.raises(ArtifactError, match="no name of a bundle's file"):
        Bundle.read(tmp_path / "b")


@pytest.mark.parametrize("part", ["text_tower", "calibration", "thumbnails", "reranker", "sides"])
def test_a_record_that_lacks_a_part_is_refused(tmp_path: Path, part: str) -> None:
    build(world(3), tmp_path / "b")
    record = json.loads((tmp_path / "b" / RECORD).read_text())
    del record[part]
    (tmp_path / "b" / RECORD).write_text(json.dumps(record))
    with pytest.raises(ArtifactError, match=part):
        Bundle.open(tmp_path / "b")


@pytest.mark.parametrize("source", ["[]", '{"data": 3}', '{"data": {"foo": 1}}'])
def test_a_strange_source_is_an_error_of_ours(tmp_path: Path, source: str) -> None:
    bundle = build(world(3), tmp_path / "b").bundle
    (tmp_path / "b" / SOURCE).write_text(source)
    with pytest.raises((ArtifactError, ImageError)):
        Bundle.open(bundle.folder).originals[0].open()


def test_it_says_that_a_cutoff_has_grown_old(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from luneta.bundles.attaching import calibrate

    build(world(60), tmp_path / "b")
    calibrate(tmp_path / "b", mistake="fooled", error_rate=0.2)
    build(world(70), tmp_path / "b", update=True)
    assert "calibrate again" not in caplog.text
    build(world(90), tmp_path / "b", update=True)
    assert "chosen with 60 images, and there are 90 now" in caplog.text


def test_other_files_of_a_bundle_are_left_alone(tmp_path: Path) -> None:
    build(world(3), tmp_path / "b")
    (tmp_path / "b" / ".git").mkdir()
    (tmp_path / "b" / ".gitattributes").write_text("")
    build(world(4), tmp_path / "b", update=True)
    assert (tmp_path / "b" / ".git").is_dir()
    assert (tmp_path / "b" / ".gitattributes").is_file()


def test_every_damaged_file_is_found_and_named(tmp_path: Path) -> None:
    bundle = build(world(5), tmp_path / "b").bundle
    assert {damage for _, damage in bundle.verify()} == {None}
    for file in bundle.files:
        path = tmp_path / "b" / file.name
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        assert [f.name for f, damage in Bundle.open(tmp_path / "b").verify() if damage] == [file.name]
        path.write_bytes(good[:-1])
        with pytest.raises(ArtifactError, match=file.name):
            Bundle.open(tmp_path / "b")
        path.unlink()
        with pytest.raises(ArtifactError, match="missing"):
            Bundle.open(tmp_path / "b")
        assert [f.name for f, damage in Bundle.read(tmp_path / "b").verify() if damage] == [file.name]
        path.write_bytes(good)


@pytest.mark.parametrize(
    "record", ['{"schema": "luneta.bundle/2"}', "[]", "{}", "not json", '{"schema": "luneta.bundle/1", "files": 3}']
)
def test_what_is_no_bundle_is_refused(tmp_path: Path, record: str) -> None:
    with pytest.raises(ArtifactError, match="no such folder"):
        Bundle.open(tmp_path / "none")
    with pytest.raises(ArtifactError, match=RECORD):
        Bundle.open(tmp_path)
    (tmp_path / RECORD).write_text(record)
    with pytest.raises(ArtifactError, match=RECORD):
        Bundle.open(tmp_path)


def test_a_changed_record_is_refused_and_another_layout_is_not(tmp_path: Path) -> None:
    build(world(3), tmp_path / "b")
    path = tmp_path / "b" / RECORD
    sealed = path.read_text()
    path.write_text(json.dumps(json.loads(sealed), indent=7, sort_keys=True))
    assert Bundle.open(tmp_path / "b").n("image") == 3
    record = json.loads(sealed)
    vectors = record["sides"]["image"]["vectors"]
    for changed in (
        {**record, "dataset": {**record["dataset"], "name": "another"}},
        {**record, "files": {**record["files"], vectors: {"sha256": "0" * 64, "bytes": 1}}},
        {name: value for name, value in record.items() if name != "seal"},
    ):
        path.write_text(json.dumps(changed))
        with pytest.raises(ArtifactError, match=r"bundle\.json is damaged: it is not what was sealed"):
            Bundle.read(tmp_path / "b")


def test_what_cannot_be_read_is_not_sealed(tmp_path: Path) -> None:
    bundle = build(world(3), tmp_path / "b").bundle
    strange = [*bundle.files, File("reranker-0123456789ab/.DS_Store", "0" * 64, 1)]
    for record, files in (
        (unsealed(bundle) | {"reranker": "reranker-0123456789ab"}, bundle.files),
        (unsealed(bundle), strange),
    ):
        with pytest.raises(ValueError, match=r"not among its files|no name of a bundle's file"):
            seal(tmp_path / "b", record, files, bundle)
        assert Bundle.open(tmp_path / "b").record == bundle.record


def test_half_of_a_pack_of_thumbnails_is_packed_anew(tmp_path: Path) -> None:
    whole = world(30)
    first = build(whole, tmp_path / "b").bundle
    most = build(part_of(whole, range(16)), tmp_path / "b", update=True).bundle
    assert most.record["thumbnails"] == first.record["thumbnails"]
    few = build(part_of(whole, range(10)), tmp_path / "b", update=True).bundle
    assert few.record["thumbnails"] != first.record["thumbnails"]
    assert all(few.thumbnails.get(key) for key in few.items("image").column("_key").to_pylist())
    assert not (tmp_path / "b" / first.record["thumbnails"][0]).exists()


def test_its_card_says_what_it_is(tmp_path: Path) -> None:
    build(world(5), tmp_path / "b")
    card = (tmp_path / "b" / "README.md").read_text()
    assert "5 pictures and 5 texts of world" in card
    assert "concepts" in card
    facts = json.loads((tmp_path / "b" / RECORD).read_text())
    assert facts["encoder"]["fingerprint"][:16] in card
