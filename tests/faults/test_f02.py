"""A list of five captions turned into one string with str(list): refused, never one long query."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ailments import CLIP, healthy
from luneta import open_dataset
from luneta.errors import ConfigError, DatasetError

CAPTIONS = [[f"a thing {i}, told for the {k}th time" for k in range(5)] for i in range(4)]


def write(folder: Path, captions: list[object]) -> Path:
    names = [f"{i}.png" for i in range(len(captions))]
    for i, name in enumerate(names):
        Image.new("RGB", (8, 8), (i * 40, 0, 0)).save(folder / name)
    path = folder / "table.parquet"
    pq.write_table(pa.table({"file_name": names, "caption": captions}), path)
    return path


def test_lists_written_as_strings_stop(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="written as strings"):
        open_dataset(write(tmp_path, [str(captions) for captions in CAPTIONS]))


def test_lists_are_several_queries(tmp_path: Path) -> None:
    data = open_dataset(write(tmp_path, list(CAPTIONS)))
    assert (data.n_images, data.n_texts) == (4, 20)
    assert set(data.texts) == {text for captions in CAPTIONS for text in captions}


def test_an_encoder_takes_no_list_for_a_text() -> None:
    with pytest.raises(ConfigError, match="several captions are several texts"):
        healthy(CLIP).encode_texts(CAPTIONS)  # type: ignore[arg-type]
