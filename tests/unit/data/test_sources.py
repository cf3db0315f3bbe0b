"""Every kind of source, from files made in the test to the pairs that come out."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from numbered import bytes_of, pairs_of, write_pictures

import luneta
from luneta.data.records import table_of
from luneta.data.references import digest
from luneta.data.sources import open_dataset
from luneta.errors import ConfigError, DatasetError, ImageError

Record = dict[str, Any]
STAMPS = Path(__file__).parents[4] / "shared" / "data" / "stamps"


def write_table(path: Path, records: Sequence[Record]) -> Path:
    """The same rows in the format that the file's ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
        case ".json":
            path.write_text(json.dumps(records))
        case ".parquet":
            pq.write_table(table_of(records), path)
        case ".arrow":
            table = table_of(records)
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
        case ".csv" | ".tsv":
            with path.open("w", newline="") as stream:
                writer_ = csv.DictWriter(stream, list(records[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
                writer_.writeheader()
                writer_.writerows(records)
    return path


def rows_of(names: Sequence[str], **more: Any) -> list[Record]:
    return [{"file_name": name, "caption": f"number {i}", **more} for i, name in enumerate(names)]


def expected(n: int) -> set[tuple[int, str]]:
    return {(i, f"number {i}") for i in range(n)}


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


# 1. Folders with a metadata file ------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_folder_with_metadata(tmp_path: Path, ending: str) -> None:
    names = write_pictures(tmp_path / "images", 6)
    write_table(tmp_path / f"metadata.{ending}", rows_of([f"images/{n}" for n in names], colour="red"))
    data = open_dataset(tmp_path)
    assert pairs_of(data) == expected(6)
    assert data.image_metadata(4)["colour"] == "red"
    assert (data.n_source_rows, data.skipped, data.sample, data.name) == (6, (), None, str(tmp_path))


def test_split_subfolders(tmp_path: Path) -> None:
    for split, n in (("train", 5), ("val", 3)):
        names = write_pictures(tmp_path / split, n)
        rows = [{"file_name": name, "caption": f"{split} {name}"} for name in names]
        write_table(tmp_path / split / "metadata.jsonl", rows)
    assert {text for _, text in pairs_of(open_dataset(tmp_path, split="val"))} == {
        "val 0.png",
        "val 1.png",
        "val 2.png",
    }
    assert open_dataset(tmp_path, split="validation").split == "val"
    both = open_dataset(tmp_path, split="all")
    assert (both.n_images, both.split) == (8, None)
    assert both.rows.column("split").to_pylist() == ["train"] * 5 + ["val"] * 3
    assert (0, "train 0.png") in pairs_of(both)
    with pytest.raises(ConfigError, match="train, val"):
        open_dataset(tmp_path)
    with pytest.raises(ConfigError, match=r"no split 'tran'\. Did you mean train"):
        open_dataset(tmp_path, split="tran")


def test_file_names_say_the_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_pictures(tmp_path / split, 3)
    rows = [
        {"file_name": f"{split}/{i}.png", "caption": f"{split} {i}"} for split in ("train", "test") for i in range(3)
    ]
    write_table(tmp_path / "metadata.csv", rows)
    assert {text for _, text in pairs_of(open_dataset(tmp_path, split="test"))} == {"test 0", "test 1", "test 2"}


def test_a_data_set_without_splits_has_no_test(tmp_path: Path) -> None:
    write_table(tmp_path / "metadata.jsonl", rows_of(write_pictures(tmp_path, 2)))
    with pytest.raises(ConfigError, match="no splits"):
        open_dataset(tmp_path, split="test")
    assert open_dataset(tmp_path, split="all").n_images == 2


def test_metadata_one_folder_down_is_pointed_at(tmp_path: Path) -> None:
    write_table(tmp_path / "stamps" / "metadata.jsonl", rows_of(write_pictures(tmp_path / "stamps", 2)))
    with pytest.raises(ConfigError, match="stamps"):
        open_dataset(tmp_path)


# 2. Sidecar captions ------------------------------------------------------------------------------------------


def test_sidecar_captions(tmp_path: Path) -> None:
    write_pictures(tmp_path / "deep" / "er", 2)
    (tmp_path / "deep" / "er" / "0.txt").write_text("\ufeffum gato\n\n  a cat  \n", encoding="utf-8")
    (tmp_path / "deep" / "er" / "1.txt").write_text("um cão\r\n", encoding="utf-8")
    (tmp_path / "README.txt").write_text("not a caption")
    (tmp_path / "deep" / "._0.png").write_text("left by another system")
    assert pairs_of(open_dataset(tmp_path)) == {(0, "um gato"), (0, "a cat"), (1, "um cão")}


def test_sidecars_in_split_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_pictures(tmp_path / split, 2)
        for i in range(2):
            (tmp_path / split / f"{i}.txt").write_text(f"{split} {i}")
    assert pairs_of(open_dataset(tmp_path, split="test")) == {(0, "test 0"), (1, "test 1")}
    assert open_dataset(tmp_path, split="all").n_images == 4
    (tmp_path / "train" / "0.txt").write_bytes(b"\xff")  # splits are read in the order of their names
    data = open_dataset(tmp_path, split="all", max_bad_share=0.3)
    assert [(row.row, row.reason) for row in data.skipped] == [(2, "0.txt is not UTF-8")]


def test_sidecar_troubles_are_reported(tmp_path: Path) -> None:
    write_pictures(tmp_path, 6)
    for i in range(4):
        (tmp_path / f"{i}.txt").write_text("" if i == 3 else f"number {i}")
    (tmp_path / "5.txt").write_bytes(b"a\xe7\xe3o")
    (tmp_path / "orphan.txt").write_text("no picture")
    with pytest.raises(DatasetError, match=r"4 of 7 rows are bad \(57\.1%; the limit is 1\.0%\)"):
        open_dataset(tmp_path)
    data = open_dataset(tmp_path, max_bad_share=0.6)
    assert pairs_of(data) == expected(3)
    assert [(row.row, row.reason) for row in data.skipped] == [
        (3, "empty caption"),
        (4, "no 4.txt beside it"),
        (5, "5.txt is not UTF-8"),
        (6, "no picture beside orphan.txt"),
    ]


def test_captions_of_pictures_that_are_named_like_other_texts(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    (tmp_path / "0.png").rename(tmp_path / "labels.png")
    (tmp_path / "labels.txt").write_text("number 0")
    (tmp_path / "1.txt").write_text("number 1")
    (tmp_path / "classes.txt").write_text("cat\ndog")
    assert pairs_of(open_dataset(tmp_path)) == expected(2)


def test_only_line_breaks_end_a_caption(tmp_path: Path) -> None:
    text = "one\u2028two\x0bthree\x85four\r\nfive\n"
    write_pictures(tmp_path, 1)
    (tmp_path / "0.txt").write_bytes(text.encode())
    wanted = {(0, "one\u2028two\x0bthree\x85four"), (0, "five")}
    assert pairs_of(open_dataset(tmp_path)) == wanted
    assert (
        pairs_of(open_dataset(write_tar(tmp_path / "s.tar", [("0.png", bytes_of(0)), ("0.txt", text.encode())])))
        == wanted
    )


def test_folders_beside_those_of_splits_are_not_dropped(tmp_path: Path) -> None:
    for folder in ("train", "more"):
        write_pictures(tmp_path / folder, 2)
        for i in range(2):
            (tmp_path / folder / f"{i}.txt").write_text(f"number {i}")
    for split in (None, "train", "all"):
        with pytest.raises(ConfigError, match="others with pictures or tables: more; open the folder you mean"):
            open_dataset(tmp_path, split=split)
    (tmp_path / "more").rename(tmp_path / ".more")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "notes.md").write_text("no data")
    assert pairs_of(open_dataset(tmp_path, split="train")) == expected(2)


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "elsewhere", 2)
    for i in range(len(names)):
        (tmp_path / "elsewhere" / f"{i}.txt").write_text(f"number {i}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pictures").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "data")
    data = open_dataset(tmp_path / "data")
    assert (pairs_of(data), data.n_images) == (expected(2), 2)


@pytest.mark.parametrize("call", ["iterdir", "walk"])
def test_a_folder_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def refuse(folder: Any) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    if call == "walk":
        monkeypatch.setattr("os.scandir", refuse)
    else:
        monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DatasetError, match="cannot be read: Permission denied"):
        open_dataset(tmp_path)


def test_pictures_without_captions_say_what_is_missing(tmp_path: Path) -> None:
    write_pictures(tmp_path / "cats", 2)
    with pytest.raises(DatasetError, match=r"2 pictures but no captions.*0\.txt"):
        open_dataset(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="empty or of no known layout"):
        open_dataset(tmp_path)


# 3. Tables ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "parquet", "arrow"])
def test_table_of_files(tmp_path: Path, ending: str) -> None:
    names = write_pictures(tmp_path / "pics", 4)
    table = write_table(tmp_path / f"captions.{ending}", rows_of([f"pics/{name}" for name in names]))
    assert pairs_of(open_dataset(table)) == expected(4)
    assert pairs_of(open_dataset(tmp_path)) == expected(4), "a folder with one table is that table"


@pytest.mark.parametrize("shape", ["bytes", "struct"])
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_table_of_bytes(tmp_path: Path, shape: str, ending: str) -> None:
    cells: list[Any] = [bytes_of(i) for i in range(4)]
    if shape == "struct":
        cells = [{"bytes": cell, "path": f"{i}.png"} for i, cell in enumerate(cells)]
    rows = [{"image": cell, "caption": f"number {i}"} for i, cell in enumerate(cells)]
    data = open_dataset(write_table(tmp_path / f"t.{ending}", rows))
    assert pairs_of(data) == expected(4)
    assert "image" not in data.rows.column_names
    assert data.images[2].label == ("2.png" if shape == "struct" else f"t.{ending}, row 2")


def test_structs_may_hold_bytes_or_name_files(tmp_path: Path) -> None:
    write_pictures(tmp_path, 4)
    cells = [{"bytes": None if i % 2 else bytes_of(i), "path": f"{i}.png"} for i in range(4)]
    cells += [{"bytes": None, "path": "gone.png"}, {"bytes": b"", "path": None}, {"bytes": None, "path": None}]
    rows = [{"image": cell, "caption": f"number {i}"} for i, cell in enumerate(cells)]
    data = open_dataset(write_table(tmp_path / "t.parquet", rows), max_bad_share=0.5)
    assert pairs_of(data) == expected(4)
    assert [row.reason for row in data.skipped] == ["no such file", "empty file", "no picture named"]
    only_names = [{"image": {"bytes": None, "path": f"{i}.png"}, "caption": f"number {i}"} for i in range(4)]
    table = pa.Table.from_pylist(only_names, pa.schema([("image", image_struct()), ("caption", pa.string())]))
    pq.write_table(table, tmp_path / "names.parquet")
    assert pairs_of(open_dataset(tmp_path / "names.parquet")) == expected(4)


def image_struct() -> pa.DataType:
    return pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def test_large_parquet_is_unpacked_once_and_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"image": bytes_of(i), "caption": f"number {i}"} for i in range(4)]
    table = write_table(tmp_path / "t.parquet", rows)
    monkeypatch.setattr("luneta.data.tables._IN_MEMORY", 10)
    for _ in range(2):
        assert pairs_of(open_dataset(table)) == expected(4)
    cached = list((tmp_path / "luneta-cache" / "tables").iterdir())
    assert len(cached) == 1
    before = pa.total_allocated_bytes()
    data = open_dataset(table)
    assert pa.total_allocated_bytes() - before < 3000, "pictures stay in the mapped file"
    write_table(table, [{"image": bytes_of(i + 7), "caption": "new"} for i in range(2)])
    assert pairs_of(open_dataset(table)) == {(7, "new"), (8, "new")}
    assert data.n_images == 4


@pytest.mark.parametrize(("delimiter", "ending"), [(";", "csv"), ("\t", "csv"), ("\t", "tsv"), (",", "csv")])
def test_csv_dialects(tmp_path: Path, delimiter: str, ending: str) -> None:
    write_pictures(tmp_path, 2)
    lines = [["arquivo", "legenda"], ["0.png", '"uma maçã; duas, três"'], ["1.png", '"duas\nlinhas ""assim"""']]
    text = "\ufeff" + "\r\n".join(delimiter.join(cells) for cells in lines) + "\r\n"
    (tmp_path / f"t.{ending}").write_bytes(text.encode())
    assert pairs_of(open_dataset(tmp_path / f"t.{ending}")) == {
        (0, "uma maçã; duas, três"),
        (1, 'duas\nlinhas "assim"'),
    }


def test_csv_captions_that_look_like_numbers_or_nothing_stay_text(tmp_path: Path) -> None:
    texts = ["2024-01-01", "null", "NaN", "1e5", "true", "007"]
    rows = [{"file_name": n, "caption": t} for n, t in zip(write_pictures(tmp_path, 6), texts, strict=True)]
    assert pairs_of(open_dataset(write_table(tmp_path / "t.csv", rows))) == set(enumerate(texts))


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_csv_columns_of_numbers_are_numbers_and_what_was_said_to_be_text_is_not(tmp_path: Path, ending: str) -> None:
    columns = {
        "caption": ["2024", "7"], "year": ["1889", "-300"], "price": ["12.50", "3"], "sku": ["007", "12"],
        "large": ["99999999999999999999", "1"], "odd": ["1e5", "+1"], "zero": ["0", "0"], "missing": ["5", ""],
    }  # fmt: skip
    names = write_pictures(tmp_path, 2)
    rows = [{"file_name": names[i], **{name: cells[i] for name, cells in columns.items()}} for i in range(2)]
    data = open_dataset(write_table(tmp_path / f"t.{ending}", rows), text="caption")
    assert data.texts == ["2024", "7"]
    kinds = {field.name: str(field.type) for field in data.rows.schema}
    numbers = {"year": "int64", "price": "double", "zero": "int64", "missing": "int64"} if ending != "jsonl" else {}
    assert {name: kind for name, kind in kinds.items() if kind != "string" and name != "caption"} == numbers
    if numbers:
        assert data.rows.column("year").to_pylist() == [1889, -300]
        assert data.rows.column("price").to_pylist() == [12.5, 3.0]
        assert data.rows.column("missing").to_pylist() == [5, None]


def test_csv_tells_missing_cells_from_empty_ones(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    (tmp_path / "t.csv").write_text('file_name,pt\n0.png,gato\n1.png,""\n2.png,\n')
    data = open_dataset(tmp_path / "t.csv", text="pt", max_bad_share=0.4)
    assert [(row.row, row.reason) for row in data.skipped] == [(1, "empty caption"), (2, "no caption in pt")]


def test_latin_1_says_how_to_convert(tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    (tmp_path / "t.csv").write_bytes("file_name,caption\n0.png,uma maçã\n".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"line 2 has the byte 0xe7.*iconv"):
        open_dataset(tmp_path / "t.csv")


def test_broken_lines_keep_the_numbers_of_the_others(tmp_path: Path) -> None:
    write_pictures(tmp_path, 5)
    (tmp_path / "t.csv").write_text(
        "file_name,caption\n0.png,number 0\n1.png,one, two\n2.png,number 2\n3.png\n4.png,number 4\n"
    )
    (tmp_path / "t.jsonl").write_text(
        '{"file_name": "0.png", "caption": "number 0"}\n{"file_name": "1.png", \n'
        '{"file_name": "2.png", "caption": "number 2"}\n{"file_name": "3.png", "caption": "\\ud83d"}\n\n'
        '{"file_name": "4.png", "caption": "number 4"}\n'
    )
    for name, reasons in (("t.csv", ("3 cells", "1 cells")), ("t.jsonl", ("line 2 is not JSON", "lone surrogate"))):
        data = open_dataset(tmp_path / name, max_bad_share=0.4)
        assert pairs_of(data) == {(i, f"number {i}") for i in (0, 2, 4)}
        assert [row.row for row in data.skipped] == [1, 3]
        assert all(part in row.reason for part, row in zip(reasons, data.skipped, strict=True))
        assert data.n_source_rows == 5
        assert data.image_rows.tolist() == [0, 2, 4]
        assert data.image_metadata(1)["caption"] == "number 2"
        with pytest.raises(DatasetError, match="2 of 5 rows are bad"):
            open_dataset(tmp_path / name)


def test_json_lines_under_the_name_json(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, 3)
    path = write_table(tmp_path / "t.jsonl", rows_of(names)).rename(tmp_path / "t.json")
    assert pairs_of(open_dataset(path)) == expected(3)


def test_mixed_types_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luneta.data.tables._BATCH", 2)
    names = write_pictures(tmp_path, 5)
    captions: list[Any] = ["a", ["b", "c"], "d", ["e"], ["f", None]]
    rows = [
        {"file_name": name, "caption": caption, "extra": extra}
        for name, caption, extra in zip(names, captions, [1, "x", None, [2], {"k": 3}], strict=True)
    ]
    for ending in ("jsonl", "json"):
        data = open_dataset(write_table(tmp_path / f"t.{ending}", rows))
        assert pairs_of(data) == {(0, "a"), (1, "b"), (1, "c"), (2, "d"), (3, "e"), (4, "f")}


def test_batches_of_broken_lines_only_keep_the_numbers_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luneta.data.tables._BATCH", 2)
    lines = [json.dumps(row) for row in rows_of(write_pictures(tmp_path, 8))]
    for broken in ([4], [0, 1], [2, 3], [6, 7], [0, 1, 4, 5]):
        written = [line[:-5] if i in broken else line for i, line in enumerate(lines)][: 5 if broken == [4] else 8]
        (tmp_path / "t.jsonl").write_text("\n".join(written))
        data = open_dataset(tmp_path / "t.jsonl", max_bad_share=0.5)
        assert [row.row for row in data.skipped] == broken
        assert pairs_of(data) == {pair for pair in expected(len(written)) if pair[0] not in broken}
        assert data.n_source_rows == len(written)
    (tmp_path / "t.jsonl").write_text("nothing\n" * 2500 + "\n".join(lines))
    assert pairs_of(open_dataset(tmp_path / "t.jsonl", max_bad_share=1.0)) == expected(8)
    for n in (1, 2, 3, 4):
        (tmp_path / "t.jsonl").write_text("nothing\n" * n)
        with pytest.raises(DatasetError, match="is not JSON lines: line 1"):
            open_dataset(tmp_path / "t.jsonl", max_bad_share=1.0)


def test_numbers_too_long_to_read(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, 2)
    long = f'"x": {"1" * 5000}'
    (tmp_path / "t.jsonl").write_text(
        f'{{"file_name": "{names[0]}", "caption": "number 0"}}\n{{"file_name": "{names[1]}", "caption": "x", {long}}}'
    )
    data = open_dataset(tmp_path / "t.jsonl", max_bad_share=0.5)
    assert pairs_of(data) == expected(1)
    assert "4300 digits" in data.skipped[0].reason
    (tmp_path / "t.json").write_text(f"[{{{long}}}]")
    with pytest.raises(DatasetError, match="4300 digits"):
        open_dataset(tmp_path / "t.json")
    members = [
        ("0.png", bytes_of(0)),
        ("0.txt", b"number 0"),
        ("1.png", bytes_of(1)),
        ("1.json", b"{%s}" % long.encode()),
    ]
    data = open_dataset(write_tar(tmp_path / "s.tar", members), max_bad_share=0.5)
    assert [row.reason for row in data.skipped] == ["its .json is not JSON"]


def test_lists_with_other_things_in_them_are_still_lists(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, 3)
    captions: list[Any] = [["a", 5], ["b", ["c", "d"], None], "e"]
    rows = [{"file_name": name, "caption": caption} for name, caption in zip(names, captions, strict=True)]
    assert pairs_of(open_dataset(write_table(tmp_path / "t.jsonl", rows))) == {
        (0, "a"), (0, "5"), (1, "b"), (1, "c"), (1, "d"), (2, "e"),
    }  # fmt: skip


@pytest.mark.parametrize("captions", [("a", ["b", "c"]), ("a", 7)])
def test_splits_whose_columns_differ_in_type(tmp_path: Path, captions: tuple[Any, Any]) -> None:
    names = write_pictures(tmp_path, 2)
    for split, name, caption in zip(("train", "test"), names, captions, strict=True):
        rows = [{"file_name": name, "caption": caption, "only_" + split: 1}]
        write_table(tmp_path / f"{split}.jsonl", rows)
    data = open_dataset(tmp_path, split="all")
    assert (data.n_images, {number for number, _ in pairs_of(data)}) == (2, {0, 1})
    assert data.rows.column("split").to_pylist() == ["test", "train"]
    assert data.rows.column("only_test").to_pylist() == [1, None]


@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet", "arrow", "csv"])
def test_what_is_not_a_table(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    wrong = {
        "json": "is not JSON|is not UTF-8|is empty",
        "jsonl": "is not JSON lines|holds no rows",
        "csv": "is empty|holds no rows|is not UTF-8",
        "parquet": "is not a readable Parquet file",
        "arrow": "is not a readable Arrow file",
    }
    for content in (b"", b"\x00\xff\x00", b"{]"):
        path.write_bytes(content)
        with pytest.raises((DatasetError, ConfigError), match=wrong[ending]):
            open_dataset(path)
    if ending == "json":
        path.write_text('{"a": 1}')
        with pytest.raises(DatasetError, match="dict with keys a; expected a list"):
            open_dataset(path)


def test_pictures_in_a_folder_below_the_table_are_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = write_pictures(tmp_path / "Images", 3)
    table = write_table(tmp_path / "captions.csv", rows_of(names))
    with caplog.at_level(logging.INFO, "luneta"):
        assert pairs_of(open_dataset(table)) == expected(3)
    assert "Images" in caplog.text


def test_pictures_elsewhere_are_named_with_image(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "far" / "away", 3)
    table = write_table(tmp_path / "near" / "captions.csv", rows_of(names))
    with pytest.raises(DatasetError, match="no such file"):
        open_dataset(table)
    assert pairs_of(open_dataset(table, image=str(tmp_path / "far" / "away"))) == expected(3)


def test_absolute_and_windows_paths(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pics", 3)
    names = [str(tmp_path / "pics" / "0.png"), "pics\\1.png", "./pics/../pics/2.png"]
    data = open_dataset(write_table(tmp_path / "t.jsonl", rows_of(names)))
    assert pairs_of(data) == expected(3)


def test_web_addresses_are_refused(tmp_path: Path) -> None:
    rows = [{"url": f"https://example.org/{i}.jpg", "caption": "x"} for i in range(3)]
    with pytest.raises(DatasetError, match=r"'url' holds web addresses.*Download them first"):
        open_dataset(write_table(tmp_path / "t.csv", rows))
    with pytest.raises(DatasetError, match="web addresses"):
        open_dataset(tmp_path / "t.csv", image="url")
    names = write_pictures(tmp_path, 3)
    some = rows_of(["http://example.org/1.png", *names[1:]])
    data = open_dataset(write_table(tmp_path / "u.csv", some), max_bad_share=0.5)
    assert data.skipped[0].reason == "a web address: download the picture first"


def test_one_file_in_many_rows_is_one_picture(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    names = ["0.png", "1.png", "./0.png", "2.png", "0.png", "x/../1.png"]
    rows = [{"image": name, "caption": f"c{i}"} for i, name in enumerate(names)]
    data = open_dataset(write_table(tmp_path / "t.csv", rows))
    assert (data.n_images, data.n_texts) == (3, 6)
    assert pairs_of(data) == {(0, "c0"), (1, "c1"), (0, "c2"), (2, "c3"), (0, "c4"), (1, "c5")}
    assert data.image_rows.tolist() == [0, 1, 3]
    assert data.text_rows.tolist() == [0, 1, 2, 3, 4, 5]


def test_equal_bytes_in_many_rows_are_one_picture(tmp_path: Path) -> None:
    numbers = [3, 1, 3, 2, 1, 3]
    rows = [{"image": bytes_of(n), "caption": f"c{i}"} for i, n in enumerate(numbers)]
    data = open_dataset(write_table(tmp_path / "t.parquet", rows))
    assert data.n_images == 3
    assert pairs_of(data) == {(n, f"c{i}") for i, n in enumerate(numbers)}


def test_bytes_that_differ_only_where_nobody_looks_first(tmp_path: Path) -> None:
    base = bytearray(b"\0" * 4000)
    blobs = [bytes(base)]
    for at in (500, 1500, 3000):
        base[at] = 1
        blobs.append(bytes(base))
    rows = [{"image": blob, "caption": f"c{i}"} for i, blob in enumerate([*blobs, *blobs])]
    data = open_dataset(write_table(tmp_path / "t.parquet", rows))
    assert data.n_images == 4
    assert [data.texts_of(i).tolist() for i in range(4)] == [[i, i + 4] for i in range(4)]


def test_split_and_language_columns_choose_rows(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, 6)
    rows = [
        {"file_name": n, "caption": f"c{i}", "split": ["train", "test"][i % 2], "lang": ["en", "pt-BR", "pt-BR"][i % 3]}
        for i, n in enumerate(names)
    ]
    table = write_table(tmp_path / "t.csv", rows)
    data = open_dataset(table, split="test", language="pt")
    assert pairs_of(data) == {(1, "c1"), (5, "c5")}
    assert (data.split, data.n_source_rows, data.image_rows.tolist()) == ("test", 2, [1, 5])
    with pytest.raises(ConfigError, match="train, test"):
        open_dataset(table)
    with pytest.raises(ConfigError, match="no rows in language 'fr'"):
        open_dataset(table, split="all", language="fr")


def test_a_column_split_that_says_nothing(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, 25)
    for said in ([""] * 25, [f"part {i}" for i in range(25)]):
        rows = [row | {"split": value} for row, value in zip(rows_of(names), said, strict=True)]
        table = write_table(tmp_path / "t.csv", rows)
        assert open_dataset(table).n_images == 25
        with pytest.raises(ConfigError, match="no splits"):
            open_dataset(table, split="test")


@pytest.mark.parametrize("other", [None, ""])
def test_rows_of_no_split_are_not_called_by_the_only_split(tmp_path: Path, other: str | None) -> None:
    said = ["test", other, "test"]
    rows = [row | {"split": split} for row, split in zip(rows_of(write_pictures(tmp_path, 3)), said, strict=True)]
    table = write_table(tmp_path / "t.jsonl", rows)
    with pytest.raises(ConfigError, match=r"1 of 3 rows are of no split, the others of test"):
        open_dataset(table)
    assert (open_dataset(table, split="all").n_images, open_dataset(table, split="all").split) == (3, None)
    data = open_dataset(table, split="test")
    assert (pairs_of(data), data.split) == ({(0, "number 0"), (2, "number 2")}, "test")


def test_tables_of_several_splits_and_parts(tmp_path: Path) -> None:
    names = write_pictures(tmp_path, 4)
    for split in ("train", "test"):
        for part in range(2):
            rows = [{"file_name": n, "caption": f"{split} {n}"} for n in names[2 * part : 2 * part + 2]]
            write_table(tmp_path / "data" / f"{split}-0000{part}-of-00002.parquet", rows)
    data = open_dataset(tmp_path, split="test", image=str(tmp_path))
    assert pairs_of(data) == {(i, f"test {i}.png") for i in range(4)}
    by_pattern = open_dataset(f"{tmp_path}/data/train-*.parquet", image=str(tmp_path))
    assert pairs_of(by_pattern) == {(i, f"train {i}.png") for i in range(4)}
    write_table(tmp_path / "data" / "other.parquet", rows_of(names))
    with pytest.raises(ConfigError, match="several tables"):
        open_dataset(tmp_path)


# 4. COCO and Karpathy -----------------------------------------------------------------------------------------


def coco(n: int) -> dict[str, Any]:
    return {
        "images": [{"id": 100 + i, "file_name": f"{i}.png", "width": 8, "license": 3} for i in range(n)],
        "annotations": [{"id": j, "image_id": 100 + j % n, "caption": f"caption {j}"} for j in range(3 * n)],
    }


@pytest.mark.parametrize("place", ["val2017", "images/val2017", "annotations", "."])
def test_coco_captions(tmp_path: Path, place: str) -> None:
    write_pictures(tmp_path / place, 4)
    path = tmp_path / "annotations" / "captions_val2017.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(coco(4)))
    data = open_dataset(path)
    assert pairs_of(data) == {(j % 4, f"caption {j}") for j in range(12)}
    assert data.image_metadata(2)["image_id"] == 102
    assert (data.n_images, data.n_texts) == (4, 12)


def test_coco_with_the_pictures_far_away(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a" / "b", 4)
    path = tmp_path / "c" / "d" / "e" / "f" / "captions.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(coco(4)))
    with pytest.raises(DatasetError, match=r"'0\.png', but none was found.*image="):
        open_dataset(path)
    assert open_dataset(path, image=str(tmp_path / "a" / "b")).n_texts == 12


def test_coco_troubles(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    value = coco(4)
    value["annotations"].append({"id": 99, "image_id": 999, "caption": "nobody's"})
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(value))
    data = open_dataset(path, max_bad_share=0.5)
    assert pairs_of(data) == {(j % 4, f"caption {j}") for j in range(12) if j % 4 < 3}
    assert [(row.row, row.reason) for row in data.skipped] == [(3, "no such file"), (4, "no picture named")]
    for annotation in value["annotations"]:
        annotation["bbox"] = annotation.pop("caption")
    path.write_text(json.dumps(value))
    with pytest.raises(DatasetError, match="without captions"):
        open_dataset(path)


def test_karpathy_split(tmp_path: Path) -> None:
    write_pictures(tmp_path / "val2014", 6)
    splits = ["train", "restval", "val", "test", "test", "train"]
    images = [
        {
            "filename": f"{i}.png",
            "filepath": "val2014",
            "split": splits[i],
            "cocoid": i,
            "sentids": [2 * i, 2 * i + 1],
            "sentences": [{"raw": f"{i} {k}", "tokens": [str(i), str(k)], "sentid": 2 * i + k} for k in range(2)],
        }
        for i in range(6)
    ]
    path = tmp_path / "dataset_coco.json"
    path.write_text(json.dumps({"images": images, "dataset": "coco"}))
    data = open_dataset(path, split="test")
    assert pairs_of(data) == {(i, f"{i} {k}") for i in (3, 4) for k in range(2)}
    with pytest.raises(ConfigError, match="train, restval, val, test"):
        open_dataset(path)
    assert open_dataset(path, split="all").n_images == 6


# 5. WebDataset ------------------------------------------------------------------------------------------------


def shard(path: Path, start: int, n: int) -> Path:
    members: list[tuple[str, bytes]] = []
    for i in range(start, start + n):
        members += [(f"{i:04}.png", bytes_of(i)), (f"{i:04}.txt", f"number {i}".encode())]
        members += [(f"{i:04}.json", json.dumps({"caption": f"number {i}", "width": 8}).encode())]
    return write_tar(path, members)


def test_shards(tmp_path: Path) -> None:
    for k in range(3):
        shard(tmp_path / f"shard-{k:03}.tar", 4 * k, 4)
    for source in (
        tmp_path,
        f"{tmp_path}/shard-{{000..002}}.tar",
        f"{tmp_path}/*.tar",
        f"{tmp_path}/shard-00[0-2].tar",
    ):
        data = open_dataset(source)
        assert pairs_of(data) == expected(12), source
        assert data.columns["text"] == "txt"
    assert data.images[5].label.endswith("shard-001.tar/0005.png")
    assert data.image_metadata(5)["__key__"] == "0005"
    assert pairs_of(open_dataset(tmp_path / "shard-001.tar", text="caption")) == {
        (i, f"number {i}") for i in range(4, 8)
    }
    assert open_dataset(tmp_path, limit=5, seed=3).n_images == 5


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    shard(tmp_path / "shard-000.tar", 0, 2)
    with pytest.raises(DatasetError, match=r"1 file\(s\) that do not exist, such as .*shard-001\.tar"):
        open_dataset(f"{tmp_path}/shard-{{000..001}}.tar")
    with pytest.raises(DatasetError, match=r"Did you mean shard-000\.tar"):
        open_dataset(f"{tmp_path}/shard-{{001..001}}.tar")
    with pytest.raises(DatasetError, match=r"\{002\.\.000\} runs backwards; write \{000\.\.002\}"):
        open_dataset(f"{tmp_path}/shard-{{002..000}}.tar")


def test_several_captions_in_a_shard(tmp_path: Path) -> None:
    members = [
        ("a/0.png", bytes_of(0)),
        ("a/0.txt", b"one\ntwo\n\n"),
        ("a/1.json", json.dumps({"captions": ["three", "four"], "image": "x.jpg"}).encode()),
        ("a/1.png", bytes_of(1)),
    ]
    path = write_tar(tmp_path / "s.tar", members)
    assert pairs_of(open_dataset(path, text="txt,captions")) == {(0, "one"), (0, "two"), (1, "three"), (1, "four")}
    lists = [("0.png", bytes_of(0)), ("0.json", b'["a", "b"]'), ("1.png", bytes_of(1)), ("1.json", b'["c"]')]
    assert pairs_of(open_dataset(write_tar(tmp_path / "l.tar", lists))) == {(0, "a"), (0, "b"), (1, "c")}
    numbered = [("0.png", bytes_of(0)), ("0.0.txt", b"a"), ("0.1.txt", b"b")]
    assert pairs_of(open_dataset(write_tar(tmp_path / "n.tar", numbered))) == {(0, "a"), (0, "b")}
    spoken = [("0.png", bytes_of(0)), ("0.en.txt", b"a cat"), ("0.pt-BR.txt", b"um gato")]
    path = write_tar(tmp_path / "p.tar", spoken)
    assert pairs_of(open_dataset(path, language="pt-BR")) == {(0, "um gato")}


def test_shard_troubles(tmp_path: Path) -> None:
    members = [
        ("0.png", bytes_of(0)), ("0.txt", b"number 0"),
        ("1.txt", b"no picture"),
        ("2.png", bytes_of(2)),
        ("3.png", bytes_of(3)), ("3.json", b"{not json"), ("3.txt", b"leaves whole"),
        ("4.png", b""), ("4.txt", b"empty picture"),
        ("6.png", bytes_of(6)), ("6.txt", b" \n"),
        ("5.png", bytes_of(5)), ("5.txt", b"a\xe7\xe3o"),
    ]  # fmt: skip
    data = open_dataset(write_tar(tmp_path / "s.tar", members), max_bad_share=0.9)
    assert pairs_of(data) == expected(1)
    reasons = {row.row: row.reason for row in data.skipped}
    assert reasons == {
        1: "no picture",
        2: "no caption",
        3: "its .json is not JSON",
        4: "empty file",
        5: "empty caption",
        6: "its .txt is not UTF-8, or holds a lone surrogate",
    }


def test_members_and_files_too_large_to_be_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard(tmp_path / "s.tar", 0, 2)
    names = write_pictures(tmp_path, 2)
    os.mkfifo(tmp_path / "pipe.png")
    table = write_table(tmp_path / "t.csv", rows_of([*names, "pipe.png"]))
    data = open_dataset(table, max_bad_share=0.5)
    assert [row.reason for row in data.skipped] == ["not a regular file"]
    monkeypatch.setattr("luneta.data.references.MAX_BYTES", 10)
    for source in (tmp_path / "s.tar", table):
        with pytest.raises(DatasetError, match=r"no pair .*more than 0 GiB, the limit"):
            open_dataset(source, max_bad_share=1.0)


def test_damaged_shards_stop(tmp_path: Path) -> None:
    path = shard(tmp_path / "s.tar", 0, 5)
    whole = path.read_bytes()
    for cut in (len(bytes_of(0)) + 600, 5000, 5633):
        path.write_bytes(whole[:cut])
        with pytest.raises(DatasetError, match="is damaged after"):
            open_dataset(path)
    path.write_bytes(whole[:3000] + b"garbage!" * 64 + whole[3512:])
    with pytest.raises(DatasetError, match="is damaged after"):
        open_dataset(path)
    path.write_bytes(b"\x1f\x8b" + whole)
    with pytest.raises(DatasetError, match="compressed with gzip"):
        open_dataset(path)
    with pytest.raises(DatasetError, match="no pictures in 1 shard"):
        open_dataset(write_tar(tmp_path / "t.tar", [("a.txt", b"x")]))


def test_shards_of_splits(tmp_path: Path) -> None:
    shard(tmp_path / "train-000.tar", 0, 3)
    shard(tmp_path / "test-000.tar", 3, 2)
    assert pairs_of(open_dataset(tmp_path, split="test")) == {(3, "number 3"), (4, "number 4")}
    shard(tmp_path / "sub" / "val" / "0.tar", 0, 3)
    shard(tmp_path / "sub" / "train" / "0.tar", 3, 2)
    assert open_dataset(tmp_path / "sub", split="val").n_images == 3


# Samples, names, errors ---------------------------------------------------------------------------------------


def captions_table(tmp_path: Path, n: int, per_image: int = 2) -> Path:
    names = write_pictures(tmp_path, n)
    rows = [{"file_name": names[i % n], "caption": f"{i % n}: {i}"} for i in range(n * per_image)]
    return write_table(tmp_path / "t.csv", rows)


def test_a_limit_draws_a_seeded_sample_of_images_with_all_their_captions(tmp_path: Path) -> None:
    table = captions_table(tmp_path, 60)
    data, again, other = (open_dataset(table, limit=20, seed=seed) for seed in (5, 5, 6))
    assert data.sample == {"limit": 20, "seed": 5}
    assert (data.n_images, data.n_texts) == (20, 40)
    assert pairs_of(data) == pairs_of(again)
    assert data.fingerprint == again.fingerprint
    assert pairs_of(data) != pairs_of(other)
    numbers = {number for number, _ in pairs_of(data)}
    assert numbers != set(range(20)), "the first n rows are no sample"
    assert pairs_of(data) <= pairs_of(open_dataset(table))
    everything = open_dataset(table, limit=60)
    assert (everything.n_images, everything.sample) == (60, None)


def test_data_sets_can_be_compared_and_hashed(tmp_path: Path) -> None:
    table = captions_table(tmp_path, 3)
    data, again = open_dataset(table), open_dataset(table)
    assert data == data
    assert data != again
    assert len({data, again, data}) == 2
    assert data.fingerprint == again.fingerprint


def test_keys_are_in_order_and_an_unreadable_picture_stops(tmp_path: Path) -> None:
    data = open_dataset(captions_table(tmp_path, 150))
    assert data.image_keys == tuple(digest(bytes_of(i)) for i in range(150))
    (tmp_path / "77.png").unlink()
    with pytest.raises(ImageError, match="no such file"):
        _ = open_dataset(tmp_path / "t.csv", max_bad_share=0.1).image_keys, data.without_images([]).image_keys


def test_samples_are_uniform(tmp_path: Path) -> None:
    table = captions_table(tmp_path, 20, 1)
    drawn = np.zeros(20)
    for seed in range(60):
        data = open_dataset(table, limit=5, seed=seed)
        drawn[data.image_rows] += 1
    # Each is drawn 15 times on average, with a standard deviation of 3.35.
    assert drawn.min() > 15 - 4 * 3.35
    assert drawn.max() < 15 + 4 * 3.35


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "at least one"),
        ({"limit": -3}, "at least one"),
        ({"limit": "1"}, "limit='1': expected a whole number"),
        ({"limit": 1.5}, "limit=1.5: expected a whole number"),
        ({"limit": True}, "limit=True: expected a whole number"),
        ({"seed": -1}, "0 or larger"),
        ({"seed": 1.5}, "seed=1.5: expected a whole number"),
        ({"max_bad_share": 1.5}, "between 0 and 1"),
        ({"max_bad_share": float("nan")}, "between 0 and 1"),
        ({"max_bad_share": "0.1"}, "between 0 and 1"),
        ({"text": ["caption", 3]}, "expected the name of a column"),
        ({"text": 3}, "expected the name of a column"),
        ({"text": []}, "names no column"),
        ({"text": "caption,"}, "names no column"),
        ({"text": "caption, caption"}, "names a column twice"),
        ({"text": ["caption", "caption"]}, "names a column twice"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_dataset(write_table(tmp_path / "t.csv", rows_of(write_pictures(tmp_path, 2))), **arguments)
    if "text" not in arguments:
        with pytest.raises(ConfigError, match=message):
            open_dataset("cenas", **arguments)


def test_what_was_chosen_is_logged_and_recorded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "luneta"):
        data = open_dataset(captions_table(tmp_path, 2))
    assert data.columns == {
        "image": "file_name",
        "image_chosen": "holds names of picture files",
        "text": "caption",
        "text_chosen": "by its name",
    }
    assert "images from 'file_name' (holds names of picture files)" in caplog.text
    assert "captions from 'caption' (by its name)" in caplog.text


def test_cenas_is_opened_by_name() -> None:
    data = open_dataset("cenas:test", language="pt-BR", limit=3, seed=1)
    assert (data.n_images, data.language) == (3, "pt-BR")
    with pytest.raises(ConfigError, match="has no text to choose; choose with split=, language="):
        open_dataset("cenas", text="caption")


def test_nothing_there_offers_what_is(tmp_path: Path) -> None:
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "picture.png").write_bytes(bytes_of(1))
    (tmp_path / "notes.docx").write_bytes(b"x")
    with pytest.raises(DatasetError, match="Did you mean catalogue"):
        open_dataset(tmp_path / "catalog")
    with pytest.raises(DatasetError, match="Did you mean catalogue"):
        open_dataset(tmp_path / "catalog" / "deeper" / "x.csv")
    with pytest.raises(DatasetError, match="Did you mean cenas"):
        open_dataset("cena")
    with pytest.raises(DatasetError, match="single picture"):
        open_dataset(tmp_path / "picture.png")
    with pytest.raises(DatasetError, match=r"ending in \.docx are not read"):
        open_dataset(tmp_path / "notes.docx")
    with pytest.raises(DatasetError, match="names no data set"):
        open_dataset("")
    with pytest.raises(ConfigError, match="is for the Hugging Face Hub"):
        open_dataset(tmp_path, revision="main")


def test_a_missing_path_beside_existing_files_is_not_taken_for_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos" / "catalogue").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=r"Did you mean catalogue.*hub:photos/catalog"):
        open_dataset("photos/catalog")


def test_all_rows_bad(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", rows_of(["gone.png", "away.png"]))
    with pytest.raises(DatasetError, match=r"no pair .* is left \(no such file\)"):
        open_dataset(table, max_bad_share=1.0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("e.csv", "file_name,caption\n"),
        ("e.csv", "file_name,caption"),
        ("e.jsonl", ""),
        ("e.jsonl", "\n\n"),
        ("e.json", "[]"),
        ("e.json", " "),
    ],
)
@pytest.mark.parametrize("options", [{}, {"split": "test"}, {"language": "pt"}, {"text": "caption", "image": "x"}])
def test_a_source_without_rows_says_so_first(tmp_path: Path, name: str, content: str, options: dict[str, str]) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DatasetError, match=r"holds no rows|is empty"):
        open_dataset(tmp_path / name, **options)


def test_the_same_column_twice(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file_name,caption,caption\n0.png,a,b\n")
    with pytest.raises(DatasetError, match="more than one column named caption"):
        open_dataset(tmp_path / "t.csv")
    for split in ("train", "test"):
        (tmp_path / "splits").mkdir(exist_ok=True)
        (tmp_path / "splits" / f"{split}.csv").write_text((tmp_path / "t.csv").read_text())
    with pytest.raises(DatasetError, match="more than one column named caption"):
        open_dataset(tmp_path / "splits", split="all")


def test_the_public_name() -> None:
    assert luneta.open_dataset is open_dataset


# Real pictures ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not STAMPS.exists(), reason="the stamps data set is not beside the repository")
class TestStamps:
    def test_languages(self) -> None:
        english = open_dataset(STAMPS, text="en")
        assert (english.n_images, english.n_texts, english.language) == (711, 711, "en")
        assert len(set(english.texts)) == 628
        portuguese = open_dataset(STAMPS, language="pt-BR")
        assert portuguese.texts == open_dataset(STAMPS, text="pt-BR").texts
        assert portuguese.language == "pt-BR"
        assert [row.reason for row in portuguese.skipped] == ["no caption in pt-BR"]

    def test_languages_with_many_gaps_open(self) -> None:
        swahili = open_dataset(STAMPS, language="sw")
        assert len(swahili.skipped) + swahili.n_images == 711
        assert {row.reason for row in swahili.skipped} == {"no caption in sw"}

    def test_choices_that_must_be_made(self) -> None:
        with pytest.raises(ConfigError, match=r"several languages: ar, de, en.*language="):
            open_dataset(STAMPS)
        with pytest.raises(ConfigError, match="pt-BR or pt-PT"):
            open_dataset(STAMPS, language="pt")

    def test_pictures_decode(self) -> None:
        data = open_dataset(STAMPS, text="ja", limit=10)
        assert all(image.open().mode == "RGB" for image in data.images)


@pytest.mark.parametrize("name", ["cenas", "cenas/sketch", "cenas:val", "cenas/night:val+duplicates"])
def test_the_built_in_world_in_all_its_spellings(name: str) -> None:
    assert open_dataset(name, limit=3).n_images == 3


def test_the_built_in_world_has_nothing_to_choose_a_column_from() -> None:
    with pytest.raises(ConfigError, match="text"):
        open_dataset("cenas/sketch", text="caption")
