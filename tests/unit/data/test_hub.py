"""Folders saved by `datasets`, and the hub's code path with the network replaced by local data."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numbered import bytes_of, pairs_of, write_pictures

from luneta.data import hub
from luneta.data.sources import open_dataset
from luneta.errors import ConfigError, DatasetError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
IMAGES = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
LISTS = datasets.Features({"image": datasets.Image(), "caption": datasets.List(datasets.Value("string"))})


def local(numbers: list[int], captions: list[Any] | None = None, **columns: list[Any]) -> datasets.Dataset:
    """A data set whose pictures are stored as the hub stores them."""
    captions = [f"number {n}" for n in numbers] if captions is None else captions
    kind = datasets.List(datasets.Value("string")) if isinstance(captions[0], list) else datasets.Value("string")
    features = {"image": datasets.Image(), "caption": kind} | {name: datasets.Value("string") for name in columns}
    cells = [{"bytes": bytes_of(n), "path": f"{n}.png"} for n in numbers]
    return datasets.Dataset.from_dict(
        {"image": cells, "caption": captions} | columns, features=datasets.Features(features)
    )


def expected(numbers: range | list[int]) -> set[tuple[int, str]]:
    return {(n, f"number {n}") for n in numbers}


# Saved folders ------------------------------------------------------------------------------------------------


def test_saved_dataset(tmp_path: Path) -> None:
    local(list(range(6))).save_to_disk(tmp_path / "saved")
    data = open_dataset(tmp_path / "saved")
    assert pairs_of(data) == expected(range(6))
    assert data.images[3].label == "3.png"
    assert (data.split, data.revision) == (None, None)


def test_saved_dataset_with_lists_and_a_row_order(tmp_path: Path) -> None:
    data = local([0, 1, 2, 3], [[f"{n} {k}" for k in range(5)] for n in range(4)])
    data.shuffle(seed=1).select([2, 0, 3]).save_to_disk(tmp_path / "saved")
    opened = open_dataset(tmp_path / "saved")
    assert (opened.n_images, opened.n_texts) == (3, 15)
    assert all(text.startswith(f"{number} ") for number, text in pairs_of(opened))


def test_saved_dictionary_of_splits(tmp_path: Path) -> None:
    splits = datasets.DatasetDict({"train": local([0, 1, 2]), "validation": local([3, 4])})
    splits.save_to_disk(tmp_path / "saved")
    assert pairs_of(open_dataset(tmp_path / "saved", split="val")) == expected([3, 4])
    assert pairs_of(open_dataset(tmp_path / "saved", split="all")) == expected(range(5))
    with pytest.raises(ConfigError, match="train, validation"):
        open_dataset(tmp_path / "saved")
    with pytest.raises(ConfigError, match="Did you mean train"):
        open_dataset(tmp_path / "saved", split="trian")


def test_saved_picture_files_that_were_not_embedded(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in write_pictures(tmp_path, 3)]
    table = datasets.Dataset.from_dict({"image": names, "caption": [f"number {n}" for n in range(3)]})
    table.cast_column("image", datasets.Image()).save_to_disk(tmp_path / "saved")
    assert pairs_of(open_dataset(tmp_path / "saved")) == expected(range(3))


def test_saved_captions_in_dictionaries(tmp_path: Path) -> None:
    cells = [{"bytes": bytes_of(n), "path": None} for n in range(2)]
    captions = [{"en": [f"number {n}"], "pt": [f"número {n}", f"n. {n}"]} for n in range(2)]
    data = datasets.Dataset.from_dict({"image": cells, "captions": captions})
    data.cast_column("image", datasets.Image()).save_to_disk(tmp_path / "saved")
    opened = open_dataset(tmp_path / "saved", language="pt")
    assert pairs_of(opened) == {(n, f"{word} {n}") for n in range(2) for word in ("número", "n.")}
    assert opened.columns["text"] == "captions.pt"


def test_a_damaged_saved_folder(tmp_path: Path) -> None:
    local([0, 1]).save_to_disk(tmp_path / "saved")
    next((tmp_path / "saved").glob("*.arrow")).write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="cannot be read"):
        open_dataset(tmp_path / "saved")


# The hub, faked -----------------------------------------------------------------------------------------------


class FakeHub:
    """Stands where the libraries reach for the network; remembers what was asked of it."""

    def __init__(self, **splits: datasets.Dataset) -> None:
        self.splits = splits
        self.calls: list[dict[str, Any]] = []

    def dataset_info(self, repository: str, revision: str | None = None) -> SimpleNamespace:
        self.calls.append({"resolve": repository, "revision": revision})
        return SimpleNamespace(sha=COMMIT)

    def split_names(
        self, path: str, config_name: str | None = None, revision: str | None = None, token: Any = None
    ) -> list[str]:
        return list(self.splits)

    def load(self, path: str, name: str | None, *, split: str, revision: str, token: Any) -> datasets.Dataset:
        self.calls.append({"path": path, "config": name, "split": split, "revision": revision, "streaming": False})
        return self.splits[split]

    def builder(self, path: str, name: str | None, *, revision: str, token: Any) -> Any:
        """Of one shard, however many rows there are."""
        self.calls.append({"path": path, "config": name, "revision": revision, "streaming": True})
        return SimpleNamespace(
            info=datasets.DatasetInfo(),
            as_streaming_dataset=lambda split: self.splits[split].to_iterable_dataset(),
        )


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeHub]:
    def install(**splits: datasets.Dataset) -> FakeHub:
        fake = FakeHub(**splits)
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda token: fake)
        monkeypatch.setattr(datasets, "get_dataset_split_names", fake.split_names)
        monkeypatch.setattr(datasets, "load_dataset", fake.load)
        monkeypatch.setattr(datasets, "load_dataset_builder", fake.builder)
        return fake

    return install


def test_hub_pins_the_revision(fake_hub: Callable[..., FakeHub]) -> None:
    fake = fake_hub(train=local([0, 1]), test=local([2, 3, 4]))
    data = open_dataset("owner/name", split="test", revision="main")
    assert pairs_of(data) == expected([2, 3, 4])
    assert (data.name, data.revision, data.split) == ("owner/name", COMMIT, "test")
    assert fake.calls == [
        {"resolve": "owner/name", "revision": "main"},
        {"path": "owner/name", "config": None, "split": "test", "revision": COMMIT, "streaming": False},
    ]


def test_hub_configurations_and_commits(fake_hub: Callable[..., FakeHub]) -> None:
    fake = fake_hub(test=local([2, 3]))
    data = open_dataset("owner/name:portuguese", revision=COMMIT)
    assert (data.revision, data.split) == (COMMIT, "test")
    assert [call.get("config") for call in fake.calls] == ["portuguese"], "a commit needs no resolving"
    assert open_dataset("hub:owner/name").n_images == 2


def test_hub_splits(fake_hub: Callable[..., FakeHub]) -> None:
    fake_hub(train=local([0, 1]), test=local([2, 3, 4]))
    assert pairs_of(open_dataset("owner/name", split="all")) == expected(range(5))
    with pytest.raises(ConfigError, match="train, test"):
        open_dataset("owner/name")
    with pytest.raises(ConfigError, match="Did you mean test"):
        open_dataset("owner/name", split="tset")


def test_hub_split_said_by_a_column(fake_hub: Callable[..., FakeHub]) -> None:
    """As Flickr30k is stored: one hub split "test" with every row, the real split in a column."""
    numbers = list(range(6))
    said = ["train", "train", "val", "test", "test", "train"]
    captions = [[f"number {n}", f"again {n}"] for n in numbers]
    fake = fake_hub(test=local(numbers, captions, split=said))
    data = open_dataset("owner/name", split="test", limit=2)
    assert {number for number, _ in pairs_of(data)} == {3, 4}
    assert data.n_texts == 4
    assert not fake.calls[-1]["streaming"], "a sample of all rows would be a sample of the wrong ones"
    assert open_dataset("owner/name", split="val").n_images == 1
    assert open_dataset("owner/name").n_images == 6, "the only split of the hub, if none is asked for"
    with pytest.raises(ConfigError, match="no split 'tset'"):
        open_dataset("owner/name", split="tset")


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody decodes a picture while a sample is drawn."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a picture is decoded")

    monkeypatch.setattr(datasets.Image, "decode_example", refuse)


def spread_of(numbers: set[int], n: int) -> list[int]:
    """How many of the numbers below n lie in each fifth of them."""
    return [sum(part * n // 5 <= number < (part + 1) * n // 5 for number in numbers) for part in range(5)]


@pytest.mark.usefixtures("undecoded")
def test_hub_samples_are_drawn_from_every_row_of_a_stream(fake_hub: Callable[..., FakeHub]) -> None:
    numbers = list(range(6000))
    fake = fake_hub(test=local(numbers))
    data = open_dataset("owner/name", limit=1000, seed=4)
    assert fake.calls[-1]["streaming"]
    assert data.sample == {"limit": 1000, "seed": 4, "rows": 6000}
    assert (data.n_images, data.revision, data.split) == (1000, COMMIT, "test")
    drawn = {number for number, _ in pairs_of(data)}
    assert pairs_of(data) <= expected(numbers)
    assert min(spread_of(drawn, 6000)) > 150  # of 200 on average, with a standard deviation of 12
    assert pairs_of(open_dataset("owner/name", limit=1000, seed=4)) == pairs_of(data)
    other = {number for number, _ in pairs_of(open_dataset("owner/name", limit=1000, seed=5))}
    assert len(drawn & other) < 300  # of 167 on average


def test_hub_streamed_samples_are_the_same_in_any_order(fake_hub: Callable[..., FakeHub]) -> None:
    fake_hub(test=local(list(range(300))))
    data = open_dataset("owner/name", limit=40)
    fake_hub(test=local(list(range(299, -1, -1))))
    assert pairs_of(open_dataset("owner/name", limit=40)) == pairs_of(data)
    assert open_dataset("owner/name", limit=300).sample is None, "all of them are no sample"


def test_hub_streamed_samples_count_pictures_with_all_their_captions(fake_hub: Callable[..., FakeHub]) -> None:
    """However far apart the rows of a picture stand."""
    fake_hub(test=local([i % 20 for i in range(100)], [f"caption {i}" for i in range(100)]))
    data = open_dataset("owner/name", limit=8)
    assert (data.n_images, data.n_texts) == (8, 40)
    lists = [[f"{n} {k}" for k in range(5)] for n in range(20)]
    fake_hub(test=local(list(range(20)), lists))
    assert open_dataset("owner/name", limit=8).n_texts == 40


def test_hub_samples_hold_their_share_of_rows_without_a_picture(fake_hub: Callable[..., FakeHub]) -> None:
    cells = [None if n % 2 else {"bytes": bytes_of(n), "path": None} for n in range(200)]
    rows = {"image": cells, "caption": [f"number {n}" for n in range(200)]}
    fake_hub(test=datasets.Dataset.from_dict(rows, features=IMAGES))
    data = open_dataset("owner/name", limit=50, max_bad_share=1.0)
    assert data.n_images + len(data.skipped) == 50
    assert 10 < data.n_images < 40


# Samples of Parquet files -------------------------------------------------------------------------------------


class Rows:
    """Parquet files of one split on the hub, and which groups of rows were read of them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.read: list[tuple[int, int]] = []

    def install(self, *files: datasets.Dataset, group: int) -> None:
        """Write the files and let the hub have them."""
        paths = [str(self.folder / f"{number}.parquet") for number in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            data.to_parquet(path, batch_size=group)
        builder = BUILDER("parquet", data_files={"test": paths}, cache_dir=str(self.folder / "cache"))
        self.monkeypatch.setattr(datasets, "load_dataset_builder", lambda *arguments, **options: builder)
        read = pq.ParquetFile.read_row_group

        def counted(file: pq.ParquetFile, number: int, **options: Any) -> pa.Table:
            self.read.append((file.metadata.num_rows, number))
            return read(file, number, **options)

        self.monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)


BUILDER = datasets.load_dataset_builder


@pytest.fixture
def parquet(fake_hub: Callable[..., FakeHub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rows:
    fake_hub(test=local([0]))
    return Rows(tmp_path, monkeypatch)


@pytest.mark.usefixtures("undecoded")
def test_samples_of_parquet_are_drawn_from_every_row(parquet: Rows) -> None:
    parquet.install(local(list(range(6000))), group=100)
    data = open_dataset("owner/name", limit=1000, seed=4)
    assert data.sample == {"limit": 1000, "seed": 4, "rows": 6000}
    assert (data.n_images, data.revision, data.split) == (1000, COMMIT, "test")
    drawn = {number for number, _ in pairs_of(data)}
    assert pairs_of(data) <= expected(range(6000))
    assert min(spread_of(drawn, 6000)) > 150
    assert pairs_of(open_dataset("owner/name", limit=1000, seed=4)) == pairs_of(data)
    other = {number for number, _ in pairs_of(open_dataset("owner/name", limit=1000, seed=5))}
    assert len(drawn & other) < 300


def test_samples_of_parquet_read_only_the_groups_in_which_a_row_was_drawn(parquet: Rows) -> None:
    parquet.install(local(list(range(1000))), local(list(range(1000, 1500))), group=50)
    data = open_dataset("owner/name", limit=6)
    drawn = sorted(number for number, _ in pairs_of(data))
    assert len(parquet.read) == len({number // 50 for number in drawn}) <= 6
    assert {(1000 if number < 1000 else 500, number % 1000 // 50) for number in drawn} == set(parquet.read)
    assert open_dataset("owner/name", limit=1500).sample is None


def test_samples_of_parquet_count_pictures_and_keep_captions_that_stand_together(parquet: Rows) -> None:
    numbers = [n for n in range(100) for _ in range(5)]
    parquet.install(local(numbers, [f"caption {i}" for i in range(500)]), group=50)
    data = open_dataset("owner/name", limit=30)
    assert (data.n_images, data.n_texts) == (30, 150)
    assert (open_dataset("owner/name", limit=100).n_images, open_dataset("owner/name", limit=400).n_texts) == (100, 500)


def test_samples_of_parquet_with_the_features_that_the_data_set_declares(parquet: Rows) -> None:
    captions = [[f"number {n}", None] for n in range(60)]
    parquet.install(local(list(range(30)), captions[:30]), local(list(range(30, 60)), captions[30:]), group=10)
    data = open_dataset("owner/name", limit=20)
    assert pairs_of(data) <= expected(range(60))
    assert data.n_texts == 20


def test_damaged_parquet_is_an_error_that_names_the_data_set(parquet: Rows, tmp_path: Path) -> None:
    parquet.install(local(list(range(30))), local(list(range(30))), group=10)
    (tmp_path / "1.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DatasetError, match="owner/name cannot be read"):
        open_dataset("owner/name", limit=20)


def test_hub_large_samples_are_exact(fake_hub: Callable[..., FakeHub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "STREAM_UP_TO", 10)
    fake = fake_hub(test=local(list(range(40))))
    data = open_dataset("owner/name", limit=20)
    assert not fake.calls[-1]["streaming"]
    assert data.sample == {"limit": 20, "seed": 0}


# Pictures that are files, and what a stranger's table may name --------------------------------------------------


def files(cells: list[Any]) -> datasets.Dataset:
    """A data set whose pictures are named, as folders of picture files are loaded."""
    pictures = [cell if isinstance(cell, dict) else {"bytes": None, "path": cell} for cell in cells]
    return datasets.Dataset.from_dict(
        {"image": pictures, "caption": [f"number {n}" for n in range(len(cells))]}, features=IMAGES
    )


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub's libraries of our own."""
    cache = tmp_path / "hub-cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", cache / "datasets")
    monkeypatch.setattr("datasets.config.DOWNLOADED_DATASETS_PATH", cache / "downloads")
    return cache


def test_hub_pictures_that_are_files_in_the_cache(fake_hub: Callable[..., FakeHub], caches: Path) -> None:
    blobs = caches / "datasets--owner--name" / "blobs"
    names = write_pictures(blobs, 3)
    snapshot = caches / "datasets--owner--name" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in names:
        (snapshot / name).symlink_to(Path("..") / ".." / "blobs" / name)
    fake_hub(train=files([str(snapshot / name) for name in names]))
    assert pairs_of(open_dataset("owner/name")) == expected(range(3))
    assert open_dataset("owner/name", limit=2).n_images == 2


@pytest.mark.parametrize("limit", [None, 20])
def test_hub_data_cannot_name_files_of_this_machine(
    fake_hub: Callable[..., FakeHub], caches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    names = write_pictures(tmp_path / "private", 3)
    caches.mkdir()
    (caches / "link.png").symlink_to(tmp_path / "private" / "1.png")
    monkeypatch.chdir(tmp_path / "private")
    wanted = "a file that the data set does not contain"
    secret = str(tmp_path / "private" / "0.png")
    strange = [secret, "0.png", str(caches / "link.png"), f"{caches}/../private/1.png", "file://" + secret]
    fake_hub(test=files([*strange, {"bytes": bytes_of(5), "path": "5.png"}]))
    data = open_dataset("owner/name", limit=limit, max_bad_share=1.0)
    assert pairs_of(data) == {(5, "number 5")}
    assert sum(row.reason.startswith(wanted) for row in data.skipped) == 4
    assert sum(row.reason.startswith("a web address") for row in data.skipped) == 1
    table = datasets.Dataset.from_dict({"file_name": names, "caption": [f"number {n}" for n in range(3)]})
    fake_hub(test=table)
    with pytest.raises(DatasetError, match=wanted):
        open_dataset("owner/name", limit=limit)
    assert pairs_of(open_dataset("owner/name", image=str(tmp_path / "private"))) == expected(range(3))
    (tmp_path / "public").mkdir()
    upwards = datasets.Dataset.from_dict({"file_name": ["../private/0.png"], "caption": ["x"]})
    fake_hub(test=upwards)
    with pytest.raises(DatasetError, match=wanted):
        open_dataset("owner/name", image=str(tmp_path / "public"), limit=limit)
    place = {"archive": secret, "offset": 0, "size": 100, "member": "x"}
    fake_hub(test=datasets.Dataset.from_dict({"image": [place], "caption": ["x"]}))
    with pytest.raises(DatasetError, match=wanted):
        open_dataset("owner/name", limit=limit)


def test_hub_streamed_folders_of_picture_files_are_fetched(
    fake_hub: Callable[..., FakeHub], caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(path: str, mode: str, **options: Any) -> io.BytesIO:
        asked.append(path)
        if path.endswith("gone.png"):
            raise FileNotFoundError(path)
        return io.BytesIO(bytes_of(int(Path(path.partition("::")[0]).stem)))

    monkeypatch.setattr("datasets.utils.file_utils.xopen", fetch)
    own = [f"hf://datasets/owner/name@{COMMIT}/train/{n}.png" for n in range(3)]
    zipped = f"zip://3.png::hf://datasets/owner/name@{COMMIT}/train.zip"
    others = [
        "hf://datasets/other/private@main/0.png",
        f"file:///etc/0.png::hf://datasets/owner/name@{COMMIT}/x",
        "https://example.org/0.png",
        f"hf://datasets/owner/name@{COMMIT}/gone.png",
    ]
    fake = fake_hub(train=files([*own, zipped, *others]))
    data = open_dataset("owner/name", limit=20, max_bad_share=0.5)
    assert fake.calls[-1]["streaming"]
    assert pairs_of(data) == expected(range(4))
    assert sorted(asked) == sorted([*own, zipped, others[-1]])
    assert len(data.skipped) == 4
    assert data.images[0].label.startswith(("hf://datasets/owner/name@", "zip://"))


class GatedRepoError(Exception):
    pass


class RepositoryNotFoundError(Exception):
    pass


class ConnectError(ConnectionError):
    pass


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (GatedRepoError("403"), DatasetError, r"gated: accept its terms.*hf auth login"),
        (RepositoryNotFoundError("404"), DatasetError, r"no data set 'owner/name'.*owner/name"),
        (datasets.exceptions.DatasetNotFoundError("x"), DatasetError, r"no data set 'owner/name'"),
        (ConnectError("no route"), DatasetError, r"cannot be reached.*save_to_disk"),
        (
            RuntimeError("Dataset scripts are no longer supported, but found x.py"),
            DatasetError,
            r"refs/convert/parquet",
        ),
        (
            ValueError("Config name is missing. Please pick one: ['a', 'b']"),
            ConfigError,
            r"owner/name:CONFIG.*'a', 'b'",
        ),
        (KeyError("an aggregated column"), DatasetError, r"cannot be read: KeyError"),
    ],
)
def test_hub_errors_say_the_way_out(
    fake_hub: Callable[..., FakeHub], monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type, message: str
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    fake_hub(test=local([0]))
    monkeypatch.setattr(datasets, "get_dataset_split_names", fail)
    with pytest.raises(kind, match=message) as caught:
        open_dataset("owner/name")
    assert caught.value.__cause__ is error


def test_hub_without_network_uses_the_commit_fetched_before(
    fake_hub: Callable[..., FakeHub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake = fake_hub(test=local([0, 1]))

    def offline(*arguments: Any, **options: Any) -> None:
        raise huggingface_hub.errors.OfflineModeIsEnabled("offline")

    monkeypatch.setattr(fake, "dataset_info", offline)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DatasetError, match="cannot be reached"):
        open_dataset("owner/name")
    reference = tmp_path / "datasets--owner--name" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text(COMMIT)
    with caplog.at_level(logging.WARNING, "luneta"):
        assert open_dataset("owner/name").revision == COMMIT
    assert "fetched before" in caplog.text


def test_a_bug_of_ours_is_not_dressed_as_a_network_error(
    fake_hub: Callable[..., FakeHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_hub(test=local([0, 1]))

    def bug(*arguments: Any, **options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(hub, "_table", bug)
    with pytest.raises(ZeroDivisionError):
        open_dataset("owner/name")
