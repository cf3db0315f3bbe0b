from __future__ import annotations

import dataclasses
import hashlib
import random
import string
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from luneta import embedding, store
from luneta.data.dataset import ImageTextDataset
from luneta.embedding import cached_store_path, embed, embed_to_store
from luneta.encoders.custom import checked
from luneta.encoders.outputs import unit_vectors
from luneta.errors import ArtifactError, ConfigError, DatasetError, EncoderError, ImageError, IndexMismatchError
from luneta.progress import watch
from luneta.types import EncoderSpec, StagedEncoder, Vectors
from worlds import ConceptEncoder, ForgetfulEncoder, Pixel, world


@dataclass
class Counting(ConceptEncoder):
    """Counts what it is given."""

    images: list[tuple[int, int]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        self.images += [image.getpixel((0, 0))[:2] for image in images]
        self.batches.append(len(images))
        return super().encode_images(images)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return super().encode_texts(texts)


@dataclass
class Staged(ConceptEncoder):
    """Prepares pictures in the decoding threads."""

    def prepare_image(self, image: Image.Image) -> Any:
        return image

    def encode_prepared(self, prepared: Sequence[Any]) -> Vectors:
        return self.encode_images(prepared)


def direct(data: ImageTextDataset, encoder: ConceptEncoder | None = None) -> tuple[Vectors, Vectors]:
    encoder = encoder or ConceptEncoder()
    return encoder.encode_images([image.open() for image in data.images]), encoder.encode_texts(data.texts)


def no_image_threads() -> bool:
    return not [thread.name for thread in threading.enumerate() if thread.name.startswith("luneta-images")]


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = {"image": 16, "text": 24}
    monkeypatch.setattr(store, "SLOTS", slots)
    monkeypatch.setattr(embedding, "SLOTS", slots)
    monkeypatch.setattr(embedding, "TEXT_SLICE", 10)


@pytest.mark.parametrize("encoder", [ConceptEncoder(), Staged()], ids=["plain", "staged"])
@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "in a store"])
@pytest.mark.usefixtures("small_shards")
def test_vectors_stand_where_their_items_stand(encoder: ConceptEncoder, kept: bool, tmp_path: Path) -> None:
    data = world(50, captions_per_image=2)
    made = embed(encoder, data, store=tmp_path / "s" if kept else None, batch_size=7, n_threads=3)
    for ours, expected in zip((made.images, made.texts), direct(data), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, expected, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)
    assert made.dataset is data
    assert made.encoder == encoder.spec
    assert no_image_threads()


def test_the_order_does_not_depend_on_which_picture_is_decoded_first() -> None:
    @dataclass(frozen=True)
    class Slow(Pixel):
        def open(self) -> Image.Image:
            time.sleep(random.Random(self.concept).random() / 100)
            return super().open()

    data = dataclasses.replace(world(60), images=[Slow(i) for i in range(60)])
    made = embed(ConceptEncoder(), data, batch_size=8, n_threads=6)
    np.testing.assert_allclose(made.images, direct(data)[0], atol=1e-6)


@pytest.mark.usefixtures("small_shards")
def test_the_same_vectors_with_and_without_a_store(tmp_path: Path) -> None:
    data = world(40, captions_per_image=3)
    here, there = embed(ConceptEncoder(), data), embed(ConceptEncoder(), data, store=tmp_path / "s")
    np.testing.assert_array_equal(here.images, there.images)
    np.testing.assert_array_equal(here.texts, there.texts)


def test_equal_contents_are_computed_once(tmp_path: Path) -> None:
    data = world(6, captions_per_image=2, equal_captions=[[0, 3], [1, 2, 4]])
    data = dataclasses.replace(data, images=[Pixel(i % 4) for i in range(6)])
    encoder = Counting()
    made = embed(encoder, data)
    assert sorted(encoder.images) == [(0, i) for i in range(4)]
    assert len(encoder.texts) == len(set(data.texts)) == 6
    np.testing.assert_array_equal(made.images[:2], made.images[4:])
    np.testing.assert_allclose(made.texts, direct(data)[1], atol=1e-6)
    cost = made.cost
    assert (cost.n_images_computed, cost.n_images_reused, cost.n_texts_computed, cost.n_texts_reused) == (4, 2, 6, 6)


def test_a_grown_data_set_costs_only_what_is_new(tmp_path: Path) -> None:
    encoder = Counting()
    embed(encoder, world(10), store=tmp_path)
    encoder.images.clear(), encoder.texts.clear()
    made = embed(encoder, world(13), store=tmp_path)
    assert [green for _, green in encoder.images] == [10, 11, 12]
    assert encoder.texts == [f"thing {i}, way 0" for i in (10, 11, 12)]
    assert (made.cost.n_images_computed, made.cost.n_images_reused) == (3, 10)
    np.testing.assert_allclose(made.images, direct(made.dataset)[0], atol=1e-6)
    again = embed(encoder, world(13), store=tmp_path)
    assert (again.cost.n_images_computed, again.cost.images_per_s, again.cost.texts_per_s) == (0, None, None)
    assert len(encoder.images) == 3


def test_another_encoder_may_not_use_the_store(tmp_path: Path) -> None:
    embed(ConceptEncoder(), world(3), store=tmp_path)
    for function in (embed, embed_to_store):
        with pytest.raises(IndexMismatchError, match="concepts"):
            function(ConceptEncoder(noise=0.5), world(3), store=tmp_path)


# ---- pictures that cannot be read


@dataclass(frozen=True)
class Gone(Pixel):
    """A file that is not there: it has no key either."""

    def key(self) -> str:
        raise ImageError("no such file")


@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "in a store"])
@pytest.mark.usefixtures("small_shards")
def test_bad_pictures_leave_with_their_texts_and_later_pairs_do_not_shift(kept: bool, tmp_path: Path) -> None:
    data = world(60, captions_per_image=2, broken=[0, 20, 21])
    data = dataclasses.replace(data, images=[Gone(40) if i == 40 else image for i, image in enumerate(data.images)])
    for _ in range(2):  # the second time the store knows them
        made = embed(ConceptEncoder(), data, store=tmp_path if kept else None, batch_size=4, max_bad_share=0.1)
        left = [i for i in range(60) if i not in (0, 20, 21, 40)]
        assert [image.label for image in made.dataset.images] == [f"picture-{i}" for i in left]
        assert list(made.dataset.texts) == [f"thing {i}, way {way}" for i in left for way in (0, 1)]
        for ours, expected in zip((made.images, made.texts), direct(made.dataset), strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-6)
        scores = made.texts @ made.images.T  # a perfect encoder: any shift would show
        assert scores.argmax(axis=1).tolist() == [image for _, image in sorted(made.dataset.pairs.tolist())]
        assert [(row.row, row.source, row.reason) for row in made.dataset.skipped] == [
            (0, "picture-0", "truncated"),
            (20, "picture-20", "truncated"),
            (21, "picture-21", "truncated"),
            (40, "picture-40", "no such file"),
        ]


def test_too_many_bad_pictures_stop_the_run_early() -> None:
    opened: list[int] = []

    @dataclass(frozen=True)
    class Watched(Pixel):
        def open(self) -> Image.Image:
            opened.append(self.concept)
            return super().open()

    data = dataclasses.replace(world(500), images=[Watched(i, broken=i % 10 == 0) for i in range(500)])
    with pytest.raises(DatasetError, match=r"6 images that cannot be read.* at most 5 of 500.*picture-50: truncated"):
        embed(ConceptEncoder(), data, batch_size=4, n_threads=2)
    assert len(opened) < 100
    assert no_image_threads()
    assert embed(ConceptEncoder(), data, max_bad_share=0.1).dataset.n_images == 450


def test_pictures_known_to_be_bad_count_again(tmp_path: Path) -> None:
    data = world(20, broken=[3, 4])
    embed(ConceptEncoder(), data, store=tmp_path, max_bad_share=0.1)
    with pytest.raises(DatasetError, match="2 images that cannot be read so far, but at most 1 of 20"):
        embed(ConceptEncoder(), data, store=tmp_path, max_bad_share=0.05)


def test_none_readable_is_an_error_whatever_share_is_allowed() -> None:
    with pytest.raises(DatasetError, match=r"none of the images can be read \(picture-0: truncated\)"):
        embed(ConceptEncoder(), world(3, broken=[0, 1, 2]), max_bad_share=1.0)


def test_an_empty_data_set_has_no_vectors() -> None:
    made = embed(ConceptEncoder(), world(0))
    assert made.images.shape == made.texts.shape == (0, 32)


@dataclass(frozen=True)
class Moody(Pixel):
    """Readable or not by the day."""

    bad_days: list[bool] = field(default_factory=list, hash=False, compare=False)

    def open(self) -> Image.Image:
        if self.bad_days and self.bad_days.pop():
            raise ImageError("not enough memory to decode it")
        return super().open()


def test_a_failure_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    data = dataclasses.replace(world(3), images=[Pixel(0), Moody(1, bad_days=[True]), Pixel(2)])
    assert embed(ConceptEncoder(), data, store=tmp_path, max_bad_share=0.5).dataset.n_images == 2
    encoder = Counting()
    made = embed(encoder, data, store=tmp_path)
    assert encoder.images == [(0, 1)]
    assert made.dataset.n_images == 3
    np.testing.assert_allclose(made.images, direct(data)[0], atol=1e-6)
    assert embed(Counting(), data, store=tmp_path).cost.n_images_computed == 0


@dataclass(frozen=True)
class Replaced(Pixel):
    """A file that is overwritten after its key was taken: other pixels under the old key."""

    seen: list[str] = field(default_factory=list, hash=False, compare=False)

    def key(self) -> str:
        self.seen.append("key")
        return Pixel(self.concept if len(self.seen) == 1 else 77).key()

    def open(self) -> Image.Image:
        return Pixel(77).open()


def test_a_file_that_changes_meanwhile_is_not_filed_under_its_old_content(tmp_path: Path) -> None:
    data = dataclasses.replace(world(4), images=[Pixel(0), Replaced(1), Pixel(2), Pixel(3)])
    made = embed(ConceptEncoder(), data, store=tmp_path, max_bad_share=0.5)
    assert [row.reason for row in made.dataset.skipped] == ["changed or vanished while it was being embedded"]
    np.testing.assert_allclose(made.images, direct(world(4))[0][[0, 2, 3]], atol=1e-6)
    stored = store.EmbeddingStore.open(tmp_path)
    assert stored.missing("image", [Pixel(1).key()]) == [Pixel(1).key()]
    assert stored.failures("image") == {}


# ---- the pipeline


def test_decoding_goes_on_while_the_model_computes() -> None:
    next_batch = threading.Event()

    @dataclass(frozen=True)
    class Telling(Pixel):
        def open(self) -> Image.Image:
            if self.concept == 15:  # the last one of the second batch
                next_batch.set()
            return super().open()

    @dataclass
    class Waiting(Staged):
        overlapped: list[bool] = field(default_factory=list)

        def encode_prepared(self, prepared: Sequence[Any]) -> Vectors:
            self.overlapped.append(next_batch.wait(timeout=20))
            return super().encode_prepared(prepared)

    data = dataclasses.replace(world(16), images=[Telling(i) for i in range(16)])
    encoder = Waiting()
    embed(encoder, data, batch_size=8, n_threads=1)
    assert encoder.overlapped == [True, True]


def test_pictures_are_prepared_by_other_threads_than_the_model_s() -> None:
    names: dict[str, set[str]] = {"prepare": set(), "forward": set()}

    class Named(Staged):
        def prepare_image(self, image: Image.Image) -> Any:
            names["prepare"].add(threading.current_thread().name)
            return image

        def encode_prepared(self, prepared: Sequence[Any]) -> Vectors:
            names["forward"].add(threading.current_thread().name)
            return super().encode_prepared(prepared)

    assert isinstance(Named(), StagedEncoder)
    embed(Named(), world(20), batch_size=5, n_threads=2)
    assert names["forward"] == {threading.current_thread().name}
    assert all(name.startswith("luneta-images") for name in names["prepare"])


@pytest.mark.parametrize("staged", [False, True])
def test_memory_does_not_grow_with_the_data_set(staged: bool) -> None:
    born: list[int] = []  # lists, since adding to them is safe from many threads
    died: list[int] = []
    alive: list[int] = []

    @dataclass(frozen=True)
    class Traced(Pixel):
        def open(self) -> Image.Image:
            image = super().open()
            born.append(self.concept)
            weakref.finalize(image, died.append, self.concept)
            alive.append(len(born) - len(died))
            return image

    data = dataclasses.replace(world(1500), images=[Traced(i) for i in range(1500)])
    embed(Staged() if staged else ConceptEncoder(), data, batch_size=8, n_threads=3)
    assert len(died) == 1500
    assert 8 <= max(alive) <= 2 * 8 + 2 * 3 + 2


def test_batches_end_with_their_shard(small_shards: None) -> None:
    encoder = Counting()
    embed(encoder, world(40), batch_size=10)
    assert encoder.batches == [10, 6, 10, 6, 8]


@pytest.mark.parametrize("where", ["open", "encode"])
def test_an_error_from_elsewhere_stops_all_threads_and_is_not_swallowed(where: str, tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Bug(Pixel):
        def open(self) -> Image.Image:
            if where == "open" and self.concept == 30:
                raise ZeroDivisionError
            return super().open()

    @dataclass
    class Buggy(ConceptEncoder):
        def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
            if where == "encode" and any(image.getpixel((0, 0))[1] == 30 for image in images):
                raise ZeroDivisionError
            return super().encode_images(images)

    data = dataclasses.replace(world(100), images=[Bug(i) for i in range(100)])
    with pytest.raises(ZeroDivisionError):
        embed(Buggy(), data, store=tmp_path, batch_size=4)
    assert no_image_threads()
    store.EmbeddingStore.open(tmp_path).verify()


@pytest.mark.usefixtures("small_shards")
def test_progress_is_told_to_the_end() -> None:
    said: dict[str, list[tuple[int, int | None]]] = {}
    with watch(lambda stage, done, total: said.setdefault(stage, []).append((done, total))):
        embed(ConceptEncoder(), world(30, captions_per_image=2, broken=[4]), batch_size=8, max_bad_share=0.1)
    assert {stage: (steps[0], steps[-1]) for stage, steps in said.items()} == {
        "reading": ((0, 30), (30, 30)),
        "images": ((0, 30), (30, 30)),
        "texts": ((0, 58), (58, 58)),
    }
    assert all(steps == sorted(steps) for steps in said.values())


def test_pictures_are_hashed_once_for_all() -> None:
    hashed: list[int] = []

    @dataclass(frozen=True)
    class Hashed(Pixel):
        def key(self) -> str:
            hashed.append(self.concept)
            return super().key()

    data = dataclasses.replace(world(9, broken=[2]), images=[Hashed(i, i == 2) for i in range(9)])
    made = embed(ConceptEncoder(), data, max_bad_share=0.2)
    assert len(hashed) == 2 * 9  # before, and after decoding
    assert made.dataset.image_keys == tuple(Pixel(i).key() for i in range(9) if i != 2)
    assert len(hashed) == 2 * 9
    embed(ConceptEncoder(), made.dataset, max_bad_share=0.2)
    assert len(hashed) == 2 * 9 + 8


# ---- what encoders return


def test_vectors_are_normalised_here() -> None:
    for scale in (1e-30, 0.5, 1e30):
        raw = np.array([[3.0, 4.0], [0.0, -2.0]], dtype=np.float32) * np.float32(scale)
        made = unit_vectors(raw, ["a", "b"], EncoderSpec("toy", 2, "f"), "encode_images")
        np.testing.assert_allclose(made, [[0.6, 0.8], [0, -1]], atol=1e-6)
    half = unit_vectors(np.ones((1, 2), np.float16), ["a"], EncoderSpec("toy", 2, "f"), "encode_images")
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, 0.5**0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.tolist(), r"returned a list; expected a numpy array"),
        (lambda v: v.astype(np.int64), r"returned an array of int64"),
        (lambda v: v[:-1], r"returned shape \(4, 32\) for 5 items; expected \(5, 32\)"),
        (lambda v: v[:, :-1], r"returned shape \(5, 31\)"),
        (lambda v: v[0], r"returned shape \(32,\)"),
        (lambda v: v * np.where(np.arange(5) == 3, np.nan, 1)[:, None], r"not finite.*for '(picture|thing) ?-?3"),
        (lambda v: v * np.where(np.arange(5) == 3, 0, 1)[:, None], r"length 0 for '(picture|thing) ?-?3"),
        (lambda v: v + np.where(np.arange(5) == 3, np.inf, 0)[:, None], r"not finite.*for '(picture|thing) ?-?3"),
    ],
)
@pytest.mark.parametrize("side", ["encode_images", "encode_texts"])
def test_what_is_no_set_of_vectors_is_refused_naming_the_item(
    side: str, change: Callable[[Any], Any], message: str
) -> None:
    encoder = ConceptEncoder()
    proper = getattr(encoder, side)
    object.__setattr__(encoder, side, lambda items: change(proper(items)))
    with pytest.raises(EncoderError, match=f"concepts: {side}.*{message}"):
        embed(encoder, world(5))


def test_arguments_that_make_no_sense() -> None:
    for wrong in ({"batch_size": 0}, {"n_threads": 0}, {"max_bad_share": 1.5}, {"max_bad_share": -0.1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            embed(ConceptEncoder(), world(2), **wrong)  # type: ignore[arg-type]


# ---- stores


def test_embed_to_store_says_what_it_did_and_loads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(store.EmbeddingStore, "vectors")
    data = world(30, broken=[4])
    cost, skipped = embed_to_store(ConceptEncoder(), data, tmp_path, max_bad_share=0.1)
    assert (cost.n_images_computed, cost.n_texts_computed) == (29, 29)
    assert [row.source for row in skipped] == ["picture-4"]
    cost, skipped = embed_to_store(ConceptEncoder(), data, tmp_path, max_bad_share=0.1)
    assert (cost.n_images_computed, cost.n_images_reused, [row.row for row in skipped]) == (0, 29, [4])


@pytest.mark.usefixtures("small_shards")
def test_a_damaged_shard_is_refused_and_the_advice_given_repairs_it(tmp_path: Path) -> None:
    data = world(50, broken=[20])
    embed_to_store(ConceptEncoder(), data, tmp_path, max_bad_share=0.1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    shard = tmp_path / "image-00001.parquet"
    broken = bytearray(before[shard.name])
    broken[len(broken) // 2] ^= 1
    shard.write_bytes(bytes(broken))
    for function in (embed, embed_to_store):
        with pytest.raises(ArtifactError, match=r"image-00001\.parquet is damaged or lost.*Delete that file"):
            function(ConceptEncoder(), data, store=tmp_path, max_bad_share=0.1)
    shard.unlink()
    cost, _ = embed_to_store(ConceptEncoder(), data, tmp_path, max_bad_share=0.1)
    assert cost.n_images_computed == 15
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_another_process_stored_meanwhile_is_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = world(20, broken=[3])
    proper = store.EmbeddingStore.writing

    def late(self: store.EmbeddingStore) -> Any:
        monkeypatch.setattr(store.EmbeddingStore, "writing", proper)
        embed_to_store(ConceptEncoder(), data, tmp_path, max_bad_share=0.1)  # the other one had the lock before us
        return proper(self)

    monkeypatch.setattr(store.EmbeddingStore, "writing", late)
    encoder = Counting()
    _, skipped = embed_to_store(encoder, data, tmp_path, max_bad_share=0.1)
    assert (encoder.images, encoder.texts) == ([], [])
    assert [row.row for row in skipped] == [3]
    assert len(store.EmbeddingStore.open(tmp_path).shards) == 2


def test_the_cache_has_one_store_per_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path))
    digest = hashlib.sha256(b"weights").hexdigest()
    names = [digest, "my-encoder-version-1", "my-encoder-version-2", "../../escape", "a/b"]
    paths = [cached_store_path(EncoderSpec("toy", 4, name)) for name in names]
    assert paths[0] == tmp_path / "embeddings" / digest[:16]
    assert len(set(paths)) == len(names)
    for path in paths:
        assert path.parent == tmp_path / "embeddings"
        assert set(path.name) <= set(string.hexdigits)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads only slow tiny models down."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("family", ["clip", "siglip"])
@pytest.mark.usefixtures("small_shards", "one_thread")
def test_a_real_checkpoint_gives_the_vectors_it_gives_alone_and_resumes(
    family: str, tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    from luneta.encoders.registry import load_encoder

    encoder = load_encoder(tiny_checkpoint(family), dtype="float32", device="cpu")
    assert isinstance(encoder, StagedEncoder)
    data = dataclasses.replace(world(40), texts=[f"a red boat near {'the river ' * (i % 7)}{i}" for i in range(40)])
    whole = embed(encoder, data, store=tmp_path / "whole", batch_size=5)
    np.testing.assert_allclose(whole.images, encoder.encode_images([image.open() for image in data.images]), atol=1e-5)
    np.testing.assert_allclose(whole.texts, encoder.encode_texts(data.texts), atol=1e-5)

    proper = store.EmbeddingStore.append
    for fatal in ("image-00002.parquet", "text-00001.parquet"):

        def stopped(self: store.EmbeddingStore, kind: Any, *rest: Any, fatal: str = fatal) -> None:
            if f"{kind}-{sum(shard.kind == kind for shard in self.shards):05d}.parquet" == fatal:
                raise KeyboardInterrupt
            proper(self, kind, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store.EmbeddingStore, "append", stopped)
            with pytest.raises(KeyboardInterrupt):
                embed(encoder, data, store=tmp_path / "stopped", batch_size=5)
    embed(encoder, data, store=tmp_path / "stopped", batch_size=5)
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("whole", "stopped")]
    assert files[0] == files[1]


def test_texts_that_lose_their_end_are_counted_also_when_stored_before(tmp_path: Path, small_shards: None) -> None:
    data = world(12, captions_per_image=2, equal_captions=[[11, 0]])
    expected = sum(len(text) > 14 for text in data.texts)
    assert expected == 6  # "thing 10, way 0" and its like, at both ends; captions of two pictures count twice
    for _ in range(2):
        assert embed(ForgetfulEncoder(reads=14), data, store=tmp_path).n_truncated == expected
    assert embed(checked(ForgetfulEncoder(reads=14)), data).n_truncated == expected


def test_an_encoder_that_cannot_say_what_it_cuts_says_nothing() -> None:
    assert embed(ConceptEncoder(), world(3)).n_truncated is None
    assert embed(checked(ConceptEncoder()), world(3)).n_truncated is None


@pytest.mark.parametrize("said", [-1, 4, "3", 1.0])
def test_a_count_that_is_none_is_refused(said: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForgetfulEncoder, "n_truncated", lambda self, texts: said)
    with pytest.raises(EncoderError, match=r"n_truncated returned .* for 3 texts"):
        embed(ForgetfulEncoder(), world(3))
