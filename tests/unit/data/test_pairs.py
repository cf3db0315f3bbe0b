"""However rows are shuffled, repeated or broken, each caption keeps the picture its own row named."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numbered import bytes_of, pairs_of, write_pictures

from luneta.data.records import table_of
from luneta.data.sources import open_dataset
from luneta.errors import DatasetError, ImageError

Row = tuple[int | None, list[str] | None]
"""(number of the picture, or None for a missing one; captions, or None for a null cell)."""

Writer = Callable[[Path, list[Row]], Path]

N_PICTURES = 6

captions = st.lists(st.sampled_from(["", " ", "a", "b", "same", "nul\0"]), max_size=4) | st.none()
rows_of_any_kind = st.lists(st.tuples(st.integers(0, N_PICTURES - 1) | st.none(), captions), min_size=1, max_size=25)


def truth(rows: list[Row]) -> list[tuple[int, str]]:
    """What must come out, said in the plainest way."""
    kept = []
    for row, (picture, texts) in enumerate(rows):
        if picture is None or texts is None:
            continue
        kept += [(picture, f"row {row}: {text}") for text in texts if text.strip() and "\0" not in text]
    return kept


def cell(row: int, texts: list[str] | None) -> list[str] | None:
    """Captions that say their row, so that no two rows have equal ones; blanks stay blank."""
    return None if texts is None else [f"row {row}: {text}" if text.strip() else text for text in texts]


def as_jsonl(folder: Path, rows: list[Row]) -> Path:
    lines = [
        json.dumps({"image": f"{'gone' if picture is None else picture}.png", "caption": cell(i, texts)})
        for i, (picture, texts) in enumerate(rows)
    ]
    (folder / "t.jsonl").write_text("\n".join(lines))
    return folder / "t.jsonl"


def as_parquet(folder: Path, rows: list[Row]) -> Path:
    records = [
        {"image": {"bytes": b"" if picture is None else bytes_of(picture), "path": None}, "caption": cell(i, texts)}
        for i, (picture, texts) in enumerate(rows)
    ]
    pq.write_table(table_of(records), folder / "t.parquet", row_group_size=3)
    return folder / "t.parquet"


def as_coco(folder: Path, rows: list[Row]) -> Path:
    images = [{"id": i, "file_name": f"{'gone' if p is None else p}.png"} for i, (p, _) in enumerate(rows)]
    annotations = [{"image_id": i, "caption": c} for i, (_, texts) in enumerate(rows) for c in cell(i, texts) or []]
    value = {"images": images, "annotations": annotations}
    (folder / "captions.json").write_text(json.dumps(value))
    return folder / "captions.json"


def as_tar(folder: Path, rows: list[Row]) -> Path:
    with tarfile.open(folder / "t.tar", "w") as archive:
        for i, (picture, texts) in enumerate(rows):
            members = [] if picture is None else [(f"{i:03}.png", bytes_of(picture))]
            members.append((f"{i:03}.json", json.dumps({"captions": cell(i, texts)}).encode()))
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return folder / "t.tar"


@pytest.mark.parametrize("write", [as_jsonl, as_parquet, as_coco, as_tar])
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(rows=rows_of_any_kind)
def test_every_caption_keeps_its_picture(
    write: Callable[[Path, list[Row]], Path], tmp_path: Path, rows: list[Row]
) -> None:
    write_pictures(tmp_path, N_PICTURES)
    kept = truth(rows)
    source = write(tmp_path, rows)
    if not kept:
        with pytest.raises(DatasetError):
            open_dataset(source, image=folder_of(write, tmp_path), text=text_of(write), max_bad_share=1.0)
        return
    data = open_dataset(source, image=folder_of(write, tmp_path), text=text_of(write), max_bad_share=1.0)
    assert pairs_of(data) == set(kept)
    assert data.n_texts == len(kept)
    assert list(data.texts) == [text for _, text in kept], "texts keep the order of the rows"
    # Rows: each text and image can be traced to a row that named it.
    for text, row in zip(data.texts, data.text_rows.tolist(), strict=True):
        assert text.startswith(f"row {row}: ")
    # Whatever row gave nothing, or had a flaw, is accounted for.
    flawed = {row.row for row in data.skipped}
    giving = set(data.text_rows.tolist())
    assert giving | flawed == set(range(len(rows)))
    assert len(flawed) == len(data.skipped)


def folder_of(write: Any, folder: Path) -> str | None:
    return str(folder) if write is as_coco else None


def text_of(write: Any) -> str:
    return "captions" if write in (as_tar, as_coco) else "caption"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(12)), st.integers(1, 5), st.integers(0, 3))
def test_the_order_of_rows_does_not_matter(tmp_path: Path, order: list[int], limit: int, seed: int) -> None:
    write_pictures(tmp_path, 4)
    rows = [{"image": f"{i % 4}.png", "caption": f"c{i}"} for i in range(12)]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(rows[i]) for i in order))
    data = open_dataset(tmp_path / "t.jsonl")
    assert pairs_of(data) == {(i % 4, f"c{i}") for i in range(12)}
    drawn = open_dataset(tmp_path / "t.jsonl", limit=limit, seed=seed)
    assert drawn.n_images == min(limit, 4)
    numbers = {number for number, _ in pairs_of(drawn)}
    assert pairs_of(drawn) == {(i % 4, f"c{i}") for i in range(12) if i % 4 in numbers}


def test_pictures_found_unreadable_later_take_their_captions_with_them(tmp_path: Path) -> None:
    """The fault in which bad pictures were dropped, their captions kept, and everything shifted by one."""
    names = write_pictures(tmp_path, 9)
    for number in (2, 3, 7):
        (tmp_path / names[number]).write_bytes(bytes_of(number)[:40])
    rows = [{"image": name, "caption": [f"{i} {k}" for k in range(2)]} for i, name in enumerate(names)]
    pq.write_table(table_of(rows), tmp_path / "t.parquet")
    data = open_dataset(tmp_path / "t.parquet")
    assert data.n_images == 9
    unreadable = []
    for index, image in enumerate(data.images):
        try:
            image.open()
        except ImageError:
            unreadable.append(index)
    assert unreadable == [2, 3, 7]
    left = data.without_images(unreadable)
    assert pairs_of(left) == {(i, f"{i} {k}") for i in range(9) if i not in unreadable for k in range(2)}
    assert left.image_rows.tolist() == [0, 1, 4, 5, 6, 8]
    assert np.array_equal(left.text_rows, np.repeat(left.image_rows, 2))


def test_a_caption_with_two_pictures_stays_while_one_is_left(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    rows = [{"image": f"{i}.png", "caption": "shared" if i else "own"} for i in range(3)]
    pq.write_table(table_of(rows), tmp_path / "t.parquet")
    left = open_dataset(tmp_path / "t.parquet").without_images([1])
    assert pairs_of(left) == {(0, "own"), (2, "shared")}
